"""Read all cases of a folder, and decide what their label values mean."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from imbalance_tf.cohort.labels import SCHEME_FILE, SCHEMES, LabelScheme
from imbalance_tf.cohort.names import one_line

from .content import ScanError
from .finding import CaseFiles, Found
from .scan import CaseArrays, read_case
from .store import Store, seen_of


@dataclass(frozen=True)
class Examined:
    """What was found in all cases together.

    Attributes
    ----------
    scheme : LabelScheme or None
        None if it cannot be told from the files; `undecided` then says why.
    problems : mapping of str to list of str
        What is wrong with each case that cannot be used, sorted by case.
    """

    scheme: LabelScheme | None
    undecided: list[str]
    problems: Mapping[str, list[str]]

    @property
    def lines(self) -> list[str]:
        """All that is wrong, one line per problem."""
        return [*(line for lines in self.problems.values() for line in lines), *self.undecided]


def scheme_asked(folder: Path, scheme: str | os.PathLike | LabelScheme) -> LabelScheme | None:
    """The scheme that the caller or the folder itself names; None if the scans must tell.

    Raises
    ------
    ValueError
        If no scheme has this name, or the file makes no scheme.
    FileNotFoundError
        If the name ends in ``.toml`` and there is no such file.
    """
    if isinstance(scheme, LabelScheme):
        return scheme
    if not isinstance(scheme, str | os.PathLike):
        raise TypeError(f"scheme={scheme!r}; a name, a .toml file or a LabelScheme is expected")
    name = os.fspath(scheme)
    if name == "auto" and os.path.lexists(folder / SCHEME_FILE):  # also a link to nowhere
        name = str(folder / SCHEME_FILE)
    elif name == "auto" and (other := _misnamed(folder)):
        raise ValueError(
            f"{other} is not read under this name; call it {SCHEME_FILE}, or remove it"
        )
    if name.endswith(".toml"):
        return LabelScheme.from_toml(name)
    if name != "auto" and name not in SCHEMES:
        raise ValueError(
            f"scheme={name!r}; one of {', '.join(SCHEMES)}, auto, or a .toml file is expected"
        )
    return SCHEMES.get(name)


def _misnamed(folder: Path) -> Path | None:
    """What may be meant as the scheme of a folder: Windows hides the .txt that Notepad adds."""
    names = (SCHEME_FILE, f"{SCHEME_FILE}.txt", "scheme.txt")
    with contextlib.suppress(OSError):
        return next((path for path in folder.iterdir() if path.name.lower() in names), None)
    return None


def examine(
    found: Found,
    asked: LabelScheme | None,
    take: Callable[[CaseFiles, CaseArrays], None],
    store: Store,
) -> Examined:
    """Read every case, or find it in the store, and hand each that can be read to `take`.

    A case is refused if one of its scans has the same content as a scan of an earlier case that is
    not refused.
    """
    problems = {**found.closed, **found.problems}
    values: dict[str, list[int]] = {}  # the label values of each case that could be read
    scans: dict[str, Mapping[str, str]] = {}  # the digests of its scans, by modality
    for case, arrays in _arrays_of(found.cases, store):
        if isinstance(arrays, ScanError):
            problems[case.case_id] = [*arrays.args]
        else:
            values[case.case_id] = arrays.runs.classes.tolist()
            scans[case.case_id] = arrays.scans
            take(case, arrays)
    scheme, undecided = _decide(found, values) if asked is None and values else (asked, [])
    owners: dict[str, Path] = {}  # the file with each scan's content, by digest
    for case in found.cases:
        own = {digest: case.images[name] for name, digest in scans.get(case.case_id, {}).items()}
        if scheme and (foreign := set(values.get(case.case_id, [])) - set(scheme.values)):
            problems[case.case_id] = [
                f"{case.labels}: label value {', '.join(map(str, sorted(foreign)))} is outside "
                f"scheme '{scheme.name}' {list(scheme.values)}; mend the file, or name another "
                f"scheme"
            ]
        elif twins := [
            f"{path}: the same scan as {owners[digest]}; a brain must not be two cases, of which "
            f"one may be trained and the other tested on: keep one of the two"
            for digest, path in own.items()
            if digest in owners
        ]:
            problems[case.case_id] = twins
        else:
            owners |= own
    lines = {name: [*map(one_line, found)] for name, found in sorted(problems.items())}
    return Examined(scheme, undecided, lines)


def _arrays_of(
    cases: Sequence[CaseFiles], store: Store
) -> Iterator[tuple[CaseFiles, CaseArrays | ScanError]]:
    """Each case and its arrays, in order; those that are not in the store are read, two at once."""
    kept = {case.case_id: _or_error(store.get, case) for case in cases}
    missing = [case for case in cases if kept[case.case_id] is None]
    if not missing:
        yield from ((case, kept[case.case_id]) for case in cases)
        return

    def read(case: CaseFiles) -> CaseArrays:
        # Another process may have read it while this one waited.
        seen = seen_of(case)
        return store.get(case) or store.put(case, read_case(case), seen)

    # In a log, the time that is left is printed every half minute.
    often = {} if sys.stderr.isatty() else {"mininterval": 30, "delay": 30, "miniters": 1}
    bar = tqdm(total=len(missing), desc="reading cases", unit="case", leave=False, **often)
    with store.writing(), ThreadPoolExecutor(2) as pool, bar:
        futures = {case.case_id: pool.submit(_or_error, read, case) for case in missing}
        try:
            for case in cases:
                arrays = kept.pop(case.case_id)
                if arrays is None:
                    # Popped, or the arrays of all cases would stay in memory without a store.
                    arrays = futures.pop(case.case_id).result()
                    bar.update()
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
    except MemoryError:
        return ScanError(f"{case.labels}: its case needs more memory than this machine has to give")


def _decide(found: Found, values: Mapping[str, list[int]]) -> tuple[LabelScheme | None, list[str]]:
    """The scheme that layout and values allow; or None, and why none or several are possible."""
    if children := [name for name in values if "-PED-" in name]:
        return None, [
            f"{children[0]} is a case of BraTS-PED, whose values mean other tissues than those of "
            f"BraTS; say which with a scheme of your own: a .toml file, scheme=... (command line: "
            f"--scheme)"
        ]
    # One case with a foreign value is that case's problem, and no reason to doubt the others.
    known = [held for held in values.values() if max(held) <= 4]
    if not known:
        return None, [
            f"{case.labels}: label value {max(values[case.case_id])}; BraTS segmentations hold 0 "
            f"to 4; say what the values mean with a scheme of your own: a .toml file"
            for case in found.cases
            if case.case_id in values
        ]
    try:
        return found.layout.scheme_of(known), []
    except ValueError as error:
        return None, [str(error)]
