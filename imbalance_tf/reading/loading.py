"""load_cohort: a folder of cases -> a Cohort."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme

from .examining import examine, scheme_asked
from .finding import CaseFiles, find_cases
from .scan import CaseArrays
from .store import Store, allow_open_files

__all__ = ["load_cohort"]


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
        A folder that keeps what was read, one entry a case (`Store`), for any number of cohorts.
        A case is then read once, also if the reading of the others is interrupted or refused, and
        mapped into memory from then on, as long as its files are the same.

    Returns
    -------
    Cohort
        Each case cut to the box of its brain. It takes two bytes a voxel and modality, and two
        more a voxel: on disk with a cache, else in memory.

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
    folder = Path(folder).expanduser()
    if cases is not None and cases < 1:
        raise ValueError(f"cases={cases}; at least 1 is expected")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r}; 'raise' or 'skip' is expected")
    asked = scheme_asked(folder, scheme)
    found = find_cases(folder, files=files, modalities=modalities).first(cases)
    store = Store(Path(cache).expanduser() if cache is not None else None)
    allow_open_files(len(found.cases))
    read: list[tuple[CaseFiles, CaseArrays]] = []
    examined = examine(folder, found, asked, lambda *pair: read.append(pair), store)
    usable = [pair for pair in read if pair[0].case_id not in examined.problems]
    problems = [line for name in sorted(examined.problems) for line in examined.problems[name]]
    if examined.undecided or (problems and (on_error == "raise" or not usable)):
        raise CohortError(folder, problems + examined.undecided)
    left_out = {name: "; ".join(lines) for name, lines in sorted(examined.problems.items())}
    if left_out:
        lines = "".join(f"\n  - {problem}" for problem in left_out.values())
        warnings.warn(f"{len(left_out)} cases of {folder} are left out:{lines}", stacklevel=2)
    return Cohort(
        cases=[store.case(*pair, examined.scheme) for pair in usable],
        scheme=examined.scheme,
        modalities=tuple(found.cases[0].images),
        left_out=left_out,
    )
