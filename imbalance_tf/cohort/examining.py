"""Read all cases of a folder, and decide what their label values mean."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .finding import CaseFiles, CohortError, Found
from .labels import LabelScheme, scheme_named
from .reading import CaseArrays, read_case
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
    take: Callable[[str, CaseArrays], None],
) -> Examined:
    """Read every case, one at a time, and hand each that can be read to `take`.

    A case of which a scan has the same content as one of an earlier case is a problem of its own.
    """
    problems = {name: list(lines) for name, lines in found.problems.items()}
    values = {}
    owners: dict[str, Path] = {}  # of each scan's content
    for case in tqdm(found.cases, desc="reading cases", unit="case", disable=None, leave=False):
        try:
            arrays = read_case(case)
        except ScanError as error:
            problems[case.case_id] = str(error).splitlines()
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
        values[case.case_id] = np.unique(arrays.values).tolist()
        take(case.case_id, arrays)
        del arrays  # or two cases would be in memory while the next is read
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
