"""load_cohort: a folder of cases -> a Cohort."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .finding import CaseFiles, CohortError, find_cases
from .labels import SCHEMES, LabelScheme, scheme_named, scheme_of_values
from .reading import AIR, ScanError, read_case
from .slices import Cohort

__all__ = ["load_cohort"]


def load_cohort(
    folder,
    *,
    scheme: str | LabelScheme = "auto",
    files: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
    cases: int | None = None,
) -> Cohort:
    """Read a folder of cases: the embedded cohort, BraTS, or any NIfTI files by patterns.

    Parameters
    ----------
    folder : path
        Every subfolder with scans is one case.
    scheme : str or LabelScheme
        What the label values mean: ``"brats2013"``, ``"brats2017"``, ``"brats2023"``, or
        ``"auto"`` to tell from the values of all cases together.
    files : mapping of str to str, optional
        File name patterns for a folder that does not follow BraTS' names:
        ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz", "brain": "brainmask.nii.gz"}``.
    modalities : sequence of str, optional
        The modalities to use; by default all that the cases have.
    cases : int, optional
        Read the first so many only.

    Returns
    -------
    Cohort
        Cases of different in-plane size are centred on the largest one's grid. It holds two bytes
        a voxel and modality, and two more a voxel; while it is read, twice that.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        With a line for every problem of every case.

    Examples
    --------
    >>> from imbalance_tf import load_cohort, write_phantom_cohort
    >>> cohort = load_cohort(write_phantom_cohort("phantom", cases=4))     # doctest: +SKIP
    """
    folder = Path(folder)
    if isinstance(scheme, str):
        scheme = scheme_named(scheme)
    if cases is not None and cases < 1:
        raise ValueError(f"cases={cases}; at least 1 is expected")
    found = find_cases(folder, files=files, modalities=modalities)[:cases]
    names = tuple(found[0].images)

    read, problems = [], []
    for case in tqdm(found, desc="reading cases", unit="case", disable=None, leave=False):
        try:
            read.append(read_case(case))
        except ScanError as error:
            problems.append(str(error))
    if problems:
        raise CohortError(folder, problems)

    present = [np.unique(values).tolist() for _, values, _, _ in read]
    if scheme is None:
        scheme = _decide_scheme(folder, found, present)
    _refuse_foreign_values(folder, [case.labels for case in found], present, scheme)

    height, width = np.max([values.shape[1:] for _, values, _, _ in read], axis=0)
    depths = [len(values) for _, values, _, _ in read]
    images = np.full((sum(depths), height, width, len(names)), AIR, np.float16)
    labels = np.zeros(images.shape[:3], np.uint8)
    brain = np.zeros(images.shape[:3], bool)
    affines, end = [], 0
    while read:  # each case is let go as soon as it is in its place
        scans, values, mask, affine = read.pop(0)
        start, end = end, end + len(values)
        top, left = (height - values.shape[1]) // 2, (width - values.shape[2]) // 2
        place = np.s_[start:end, top : top + values.shape[1], left : left + values.shape[2]]
        images[place], labels[place], brain[place] = scans, scheme.to_classes(values), mask
        shift = np.eye(4)
        shift[:2, 3] = -left, -top
        affines.append(affine @ shift)
    return Cohort(
        images=images,
        labels=labels,
        brain=brain,
        case_ids=tuple(case.case_id for case in found),
        slice_case=np.repeat(np.arange(len(found)), depths),
        scheme=scheme,
        modalities=names,
        affines=np.stack(affines),
    )


def _decide_scheme(folder: Path, found: list[CaseFiles], present: list[list[int]]) -> LabelScheme:
    """The scheme that the file names and the values of all cases allow, or a CohortError."""
    values = set().union(*present)
    if any(
        re.search(r"-(t1n|t2w|t2f)\.nii", str(path), re.I)
        for case in found
        for path in case.images.values()
    ):  # the names from 2023 on
        if values <= {0, 1, 2, 3}:
            return SCHEMES["brats2023"]
        raise CohortError(
            folder,
            [
                f"the names are those of BraTS 2023 and later, but there is a label value "
                f"{max(values)} (in 2024, a resection cavity), which no scheme here has; say what "
                f"the values mean with a LabelScheme of your own, scheme=..."
            ],
        )
    try:
        return scheme_of_values(values)
    except ValueError as error:
        foreign = [
            f"{case.labels}: label value {max(values)}; BraTS segmentations hold 0 to 4"
            for case, values in zip(found, present, strict=True)
            if max(values) > 4
        ]
        raise CohortError(folder, foreign or [str(error)]) from None


def _refuse_foreign_values(folder, paths, present, scheme) -> None:
    problems = []
    for path, values in zip(paths, present, strict=True):
        if foreign := sorted(set(values) - set(scheme.values)):
            problems.append(
                f"{path}: label value {foreign[0]} is outside scheme "
                f"'{scheme.name}' {list(scheme.values)}"
            )
    if problems:
        raise CohortError(folder, problems)
