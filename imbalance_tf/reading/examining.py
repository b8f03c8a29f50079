"""Read all cases of a folder, and decide what their label values mean."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme, scheme_named

from .finding import CaseFiles, Found
from .scan import CaseArrays, read_case
from .store import Store
from .volumes import ScanError

__all__ = ["Examined", "examine", "scheme_asked"]

SCHEME_FILE = "scheme.toml"
"""Where a folder may say itself what its label values mean."""


@dataclass(frozen=True)
class Examined:
    """What all cases together say.

    Attributes
    ----------
    scheme : LabelScheme or None
        None if it cannot be told; `undecided` then says why.
    values : mapping of str to list of int
        The label values of each case that could be read.
    problems : mapping of str to list of str
        What is wrong with each case that cannot be used.
    """

    scheme: LabelScheme | None
    undecided: list[str]
    values: Mapping[str, list[int]]
    problems: Mapping[str, list[str]]


def scheme_asked(folder: Path, scheme: str | LabelScheme) -> LabelScheme | None:
    """The scheme that the caller or the folder itself names; None if the scans must tell."""
    if isinstance(scheme, LabelScheme):
        return scheme
    if not isinstance(scheme, str | os.PathLike):
        raise TypeError(f"scheme={scheme!r}; a name, a .toml file or a LabelScheme is expected")
    scheme = os.fspath(scheme)
    if scheme == "auto" and (folder / SCHEME_FILE).exists():
        return LabelScheme.from_toml(folder / SCHEME_FILE)
    return scheme_named(scheme)


def examine(
    folder: Path,
    found: Found,
    asked: LabelScheme | None,
    take: Callable[[CaseFiles, CaseArrays], None],
    store: Store,
) -> Examined:
    """Read every case, or find it in the store, and hand each that can be used to `take`.

    A case of which a scan has the same content as one of an earlier case is a problem of its own.
    """
    problems = {name: list(lines) for name, lines in found.problems.items()}
    values = {}
    owners: dict[str, Path] = {}  # of each scan's content
    for case, arrays in _arrays_of(found.cases, store):
        if isinstance(arrays, ScanError):
            problems[case.case_id] = str(arrays).splitlines()
            continue
        if twins := [
            f"{case.images[name]}: the same scan as {owners[digest]}; a brain must not be two "
            f"cases, of which one may be trained and the other tested on: keep one of the two"
            for name, digest in arrays.scans.items()
            if digest in owners
        ]:
            problems[case.case_id] = twins
            continue
        owners |= {digest: case.images[name] for name, digest in arrays.scans.items()}
        values[case.case_id] = sorted({0, *arrays.runs.classes.tolist()})
        take(case, arrays)
    scheme, undecided = asked, []
    if not scheme and values:
        try:
            scheme = _decide(folder, found, values)
        except CohortError as error:
            undecided = error.problems
    for case in found.cases:
        if scheme and (problem := _foreign(case, values.get(case.case_id, []), scheme)):
            problems[case.case_id] = [problem]
    return Examined(scheme, undecided, values, problems)


def _arrays_of(
    cases: Sequence[CaseFiles], store: Store
) -> Iterator[tuple[CaseFiles, CaseArrays | ScanError]]:
    """Each case and what it holds, in order; what is not in the store is read, two at a time."""
    kept = {case.case_id: _or_error(store.get, case) for case in cases}
    missing = [case for case in cases if kept[case.case_id] is None]
    if not missing:
        yield from ((case, kept[case.case_id]) for case in cases)
        return

    def read(case: CaseFiles) -> CaseArrays:
        # Another process may have read it while this one waited.
        return store.get(case) or store.put(case, read_case(case))

    with store.writing(), ThreadPoolExecutor(2) as pool:
        futures = {case.case_id: pool.submit(_or_error, read, case) for case in missing}
        try:
            with _Progress(len(missing)) as progress:
                for case in cases:
                    arrays = kept.pop(case.case_id)
                    if arrays is None:
                        # Popped, or the arrays of all cases would stay in memory without a store.
                        arrays = futures.pop(case.case_id).result()
                        progress.advance()
                    yield case, arrays
        finally:
            for future in futures.values():
                future.cancel()


def _or_error(action: Callable, case: CaseFiles):
    """What an action makes of a case, or the ScanError that it raises."""
    try:
        return action(case)
    except ScanError as error:
        return error
    except OSError as error:
        if error.filename not in map(str, case.paths):
            raise  # the store's
        return ScanError(f"{error.filename}: cannot be read ({error.strerror})")


class _Progress:
    """How many cases are read and how long the others will take: a bar, or in a log some lines."""

    EVERY = 30  # seconds between two lines

    def __init__(self, total: int):
        self.total, self.done = total, 0
        self.bar = tqdm(total=total, desc="reading cases", unit="case", disable=None, leave=False)

    def __enter__(self):
        self.begun = self.said = time.monotonic()
        return self

    def __exit__(self, *_):
        self.bar.close()

    def advance(self) -> None:
        self.done += 1
        self.bar.update()
        now = time.monotonic()
        if self.bar.disable and now - self.said > self.EVERY:
            self.said = now
            left = (now - self.begun) / self.done * (self.total - self.done) / 60
            said = f"read {self.done} of {self.total} cases, about {left:.0f} minutes left"
            print(said, file=sys.stderr, flush=True)


def _decide(folder: Path, found: Found, values: Mapping[str, list[int]]) -> LabelScheme:
    """The scheme that layout and values allow; CohortError if they leave a choice, or none."""
    # One case with a foreign value is that case's problem, not a doubt about the others.
    known = [held for held in values.values() if max(held) <= 4]
    if children := [name for name in values if "-PED-" in name]:
        raise CohortError(
            folder,
            [
                f"{children[0]} is a case of BraTS-PED, whose values mean other tissues than those "
                f"of BraTS; say which with a scheme of your own: a .toml file, scheme=... (command "
                f"line: --scheme)"
            ],
        )
    if not known:
        raise CohortError(
            folder,
            [
                f"{case.labels}: label value {max(values[case.case_id])}; BraTS segmentations "
                f"hold 0 to 4; say what the values mean with a scheme of your own: a .toml file"
                for case in found.cases
                if case.case_id in values
            ],
        )
    try:
        return found.layout.scheme_of(known)
    except ValueError as error:
        raise CohortError(folder, [str(error)]) from None


def _foreign(case: CaseFiles, values: Sequence[int], scheme: LabelScheme) -> str | None:
    """What is wrong with the label values of a case under this scheme, if anything."""
    foreign = sorted(set(values) - set(scheme.values))
    return foreign and (
        f"{case.labels}: label value {', '.join(map(str, foreign))} is outside scheme "
        f"'{scheme.name}' {list(scheme.values)}; mend the file, or name another scheme"
    )
