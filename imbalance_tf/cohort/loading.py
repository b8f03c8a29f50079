"""load_cohort: a folder of cases -> a Cohort."""

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from .assembling import Gathering
from .cache import cached
from .examining import examine, scheme_asked
from .finding import CohortError, Found, find_cases
from .labels import LabelScheme
from .slices import Cohort

__all__ = ["load_cohort", "read_or_load"]


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
    return read_or_load(
        folder,
        scheme=scheme,
        files=files,
        modalities=modalities,
        cases=cases,
        on_error=on_error,
        cache=cache,
    )


def read_or_load(
    folder,
    *,
    scheme="auto",
    files=None,
    modalities=None,
    cases=None,
    on_error="raise",
    cache=None,
    accept: Callable[[Cohort], object] = lambda cohort: None,
) -> Cohort:
    """As `load_cohort`; a cohort that `accept` refuses, with a CohortError, is not cached."""
    folder = Path(folder).expanduser()
    if cases is not None and cases < 1:
        raise ValueError(f"cases={cases}; at least 1 is expected")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r}; 'raise' or 'skip' is expected")
    asked = scheme_asked(folder, scheme)
    found = find_cases(folder, files=files, modalities=modalities).first(cases)

    def build(place: Path | None = None) -> Cohort:
        cohort = _read_cohort(folder, found, asked, on_error, Gathering(place))
        accept(cohort)
        return cohort

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
            f"{len(cohort.left_out)} cases of {folder} are left out:{lines}", stacklevel=3
        )
    return cohort


def _read_cohort(folder, found: Found, asked, on_error, gathering: Gathering) -> Cohort:
    examined = examine(folder, found, asked, gathering.add)
    usable = [name for name in examined.values if name not in examined.problems]
    problems = [line for name in sorted(examined.problems) for line in examined.problems[name]]
    if examined.undecided or (problems and (on_error == "raise" or not usable)):
        raise CohortError(folder, problems + examined.undecided)
    left_out = {name: "; ".join(lines) for name, lines in sorted(examined.problems.items())}
    return gathering.cohort(usable, examined.scheme, tuple(found.cases[0].images), left_out)


def _file_identity(path: Path) -> list[int]:
    # ctime changes whenever the content does, even if a copy brought its old mtime along.
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
