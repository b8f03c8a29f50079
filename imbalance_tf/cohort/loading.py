"""load_cohort: a folder of cases -> a Cohort."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from .assembling import Gathering
from .cache import cached
from .finding import CaseFiles, CohortError, Found, find_cases
from .labels import LabelScheme, scheme_named
from .reading import CaseArrays, read_case
from .slices import Cohort
from .volumes import ScanError

__all__ = ["decide_scheme", "foreign_value", "load_cohort", "read_all", "scheme_asked"]

SCHEME_FILE = "scheme.toml"
"""Where a folder may say itself what its label values mean."""


def load_cohort(
    folder,
    *,
    scheme: str | LabelScheme = "auto",
    files: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
    cases: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | os.PathLike | None = None,
) -> Cohort:
    """Read a folder of cases: the embedded cohort, any BraTS release, or NIfTI files by patterns.

    Parameters
    ----------
    folder : path
        Laid out as BraTS 2012 to 2024 or as Task 1 of the Medical Segmentation Decathlon; with
        `files`, every subfolder with scans is one case.
    scheme : str or LabelScheme
        What the label values mean: a name of `SCHEMES`, a TOML file (`LabelScheme.from_toml`), or
        ``"auto"``: the file ``scheme.toml`` in the folder, if there is one, else what the file
        names and the values of all cases together allow.
    files : mapping of str to str, optional
        File name patterns for a folder that does not follow BraTS' names:
        ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz", "brain": "brainmask.nii.gz"}``.
    modalities : sequence of str, optional
        The modalities to use; by default all that the cases have.
    cases : int, optional
        Read the first so many only.
    on_error : {"raise", "skip"}
        What a case that cannot be used does: stop everything, or be left out (`Cohort.left_out`).
    cache : path, optional
        A folder for the arrays. The cohort is then read once; later calls map the arrays into
        memory, as long as the scans are the same files. They hold the box of the brain only.

    Returns
    -------
    Cohort
        Cases of different in-plane size are centred on the largest one's grid. It takes two bytes
        a voxel and modality, and two more a voxel: on disk with a cache; else in memory, and
        twice that while it is read.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        With a line for every problem of every case; or if no case is left, or the scheme cannot
        be told.

    Examples
    --------
    >>> from imbalance_tf import load_cohort, write_phantom_cohort
    >>> cohort = load_cohort(write_phantom_cohort("phantom", cases=4))     # doctest: +SKIP
    """
    folder = Path(folder)
    if cases is not None and cases < 1:
        raise ValueError(f"cases={cases}; at least 1 is expected")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r}; 'raise' or 'skip' is expected")
    asked = scheme_asked(folder, scheme)
    found = find_cases(folder, files=files, modalities=modalities).first(cases)

    def build(place: Path | None = None) -> Cohort:
        return _read_cohort(folder, found, asked, on_error, Gathering(place))

    if cache is None:
        cohort = build()
    else:
        options = {
            "folder": str(folder.resolve()),
            "scheme": repr(asked),
            "files": files and dict(files),
            "modalities": modalities and list(modalities),
            "cases": cases,
            "on_error": on_error,
        }
        name = hashlib.blake2b(repr(options).encode(), digest_size=6).hexdigest()
        seen = {str(path): _file_identity(path) for case in found.cases for path in case.paths}
        identity = {**options, "seen": seen, "problems": dict(found.problems)}
        cohort = cached(Path(cache), name, identity, build)
    if cohort.left_out:
        lines = "".join(f"\n  - {problem}" for problem in cohort.left_out.values())
        warnings.warn(
            f"{len(cohort.left_out)} cases of {folder} are left out:{lines}", stacklevel=2
        )
    return cohort


def _read_cohort(folder, found: Found, asked, on_error, gathering: Gathering) -> Cohort:
    problems = {name: list(lines) for name, lines in found.problems.items()}
    present = {}
    for case, outcome in read_all(found.cases):
        if isinstance(outcome, ScanError):
            problems[case.case_id] = [str(outcome)]
        else:
            present[case.case_id] = np.unique(outcome.values).tolist()
            gathering.add(case.case_id, outcome)
    scheme, undecided = asked, []
    if not scheme and present:
        try:
            scheme = decide_scheme(folder, found, present)
        except CohortError as error:
            undecided = error.problems
    for case in found.cases:
        if scheme and (problem := foreign_value(case, present.get(case.case_id, []), scheme)):
            problems[case.case_id] = [problem]
    usable = [name for name in present if name not in problems]
    if undecided or (problems and (on_error == "raise" or not usable)):
        every = [line for name in sorted(problems) for line in problems[name]]
        raise CohortError(folder, every + undecided)
    left_out = {name: "; ".join(lines) for name, lines in sorted(problems.items())}
    return gathering.cohort(usable, scheme, tuple(found.cases[0].images), left_out)


def scheme_asked(folder: Path, scheme: str | LabelScheme) -> LabelScheme | None:
    """The scheme that the caller or the folder itself names; None if the scans must tell."""
    if not isinstance(scheme, str):
        return scheme
    if scheme == "auto" and (folder / SCHEME_FILE).exists():
        return LabelScheme.from_toml(folder / SCHEME_FILE)
    return scheme_named(scheme)


def read_all(cases: Sequence[CaseFiles]) -> Iterator[tuple[CaseFiles, CaseArrays | ScanError]]:
    """Each case with its arrays, or with what is wrong with it; one in memory at a time."""
    for case in tqdm(cases, desc="reading cases", unit="case", disable=None, leave=False):
        try:
            yield case, read_case(case)
        except ScanError as error:
            yield case, error


def decide_scheme(folder: Path, found: Found, present: Mapping[str, list[int]]) -> LabelScheme:
    """The scheme that the layout and the label values of all cases allow.

    Raises
    ------
    CohortError
        If they leave a choice, or no case holds values of any known scheme.
    """
    # One case with a foreign value is that case's problem, not a doubt about the others.
    known = [values for values in present.values() if max(values) <= 4]
    if not known:
        raise CohortError(
            folder,
            [
                f"{case.labels}: label value {max(present[case.case_id])}; BraTS segmentations "
                f"hold 0 to 4; say what the values mean with a scheme of your own: a .toml file"
                for case in found.cases
                if case.case_id in present
            ],
        )
    try:
        return found.layout.scheme_of(set().union(*known))
    except ValueError as error:
        raise CohortError(folder, [str(error)]) from None


def foreign_value(case: CaseFiles, values: Sequence[int], scheme: LabelScheme) -> str | None:
    """What is wrong with the label values of a case under this scheme, if anything."""
    foreign = sorted(set(values) - set(scheme.values))
    return foreign and (
        f"{case.labels}: label value {foreign[0]} is outside scheme '{scheme.name}' "
        f"{list(scheme.values)}"
    )


def _file_identity(path: Path) -> list[int]:
    # ctime changes whenever the content does, even if a copy brought its old mtime along.
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
