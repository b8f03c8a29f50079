"""load_cohort: read a folder of cases as a Cohort."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

from imbalance_tf.cohort.arguments import one_of, whole
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import expanded
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme

from .examining import examine, scheme_asked
from .finding import CaseFiles, find_cases
from .scan import CaseArrays
from .store import Store, allow_open_files


def load_cohort(
    folder: str | os.PathLike,
    *,
    scheme: str | os.PathLike | LabelScheme = "auto",
    files: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
    cases: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | os.PathLike | None = None,
) -> Cohort:
    """Read a folder of cases: the embedded cohort, any BraTS release, or files by patterns.

    Parameters
    ----------
    folder : path
        In the layout of BraTS 2012 to 2024, of Task 1 of the Medical Segmentation Decathlon, of
        nnU-Net, UCSF-PDGM, UPENN-GBM or BIDS; with `files`, every subfolder with scans is one case,
        or every text that ``{case}`` stands for.
    scheme : str, path or LabelScheme
        What the label values mean: a name of `SCHEMES`, a TOML file (`LabelScheme.from_toml`), or
        ``"auto"``: the file ``scheme.toml`` in the folder, if there is one, else the scheme that
        the file names and the values of all cases together allow.
    files : mapping of str to str, optional
        File name patterns for a folder that does not follow these names:
        ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz", "brain": "brainmask.nii.gz"}``; with
        ``{case}`` for what tells the cases apart where a folder is not a case:
        ``{"flair": "scans/{case}_0000.nii.gz", "labels": "masks/{case}.nii.gz"}``.
    modalities : sequence of str, optional
        The modalities to use; by default those that at least half of the cases have.
    cases : int, optional
        Read only this number of cases, the first by name.
    on_error : {"raise", "skip"}
        Whether a case that cannot be used stops everything, or is left out (`Cohort.left_out`).
    cache : path, optional
        A folder that keeps what was read, one entry per case, for any number of cohorts. A case
        is read once, even if reading the others is interrupted or refused, and is mapped into
        memory from then on, as long as its files are the same.

    Returns
    -------
    Cohort
        Each case is cut to the box of its brain. It takes two bytes per voxel and modality, and
        two more per voxel (three with a cache, if the values of the files are no class numbers):
        on disk with a cache, else in memory.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError, TypeError
        If another argument is not valid.
    CohortError
        With one line for every problem of every case; or if no case is left, or the scheme cannot
        be told.
    OSError
        If the cache cannot be written, or its disk is full.

    Examples
    --------
    >>> load_cohort(phantom, modalities=["flair", "t1c"])
    Cohort(4 cases, 2 modalities (flair, t1c), scheme 'brats2013')
    """
    folder = expanded(folder=folder)
    cases = cases if cases is None else whole(1, cases=cases)
    one_of("raise", "skip", on_error=on_error)
    asked = scheme_asked(folder, scheme)
    found = find_cases(folder, files=files, modalities=modalities).first(cases)
    store = Store(None if cache is None else expanded(cache=cache))
    allow_open_files(len(found.cases))
    read: list[tuple[CaseFiles, CaseArrays]] = []
    examined = examine(found, asked, lambda *pair: read.append(pair), store)
    usable = [pair for pair in read if pair[0].case_id not in examined.problems]
    if examined.scheme is None or not usable or (examined.problems and on_error == "raise"):
        raise CohortError(folder, examined.lines)
    left_out = {name: "; ".join(lines) for name, lines in examined.problems.items()}
    if left_out:
        lines = "".join(f"\n  - {problem}" for problem in left_out.values())
        warnings.warn(f"{len(left_out)} cases of {folder} are left out:{lines}", stacklevel=2)
    return Cohort(
        cases=[store.case(*pair, examined.scheme) for pair in usable],
        scheme=examined.scheme,
        modalities=tuple(found.cases[0].images),
        left_out=left_out,
    )
