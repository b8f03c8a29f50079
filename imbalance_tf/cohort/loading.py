"""load_cohort: a folder of cases -> a Cohort."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .labels import SCHEMES, LabelScheme, scheme_of_values
from .reading import AIR, CohortError, ScanError, find_cases, read_case
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
        Cases of different in-plane size are centred on the largest one's grid.

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
    if isinstance(scheme, str) and scheme != "auto" and scheme not in SCHEMES:
        raise ValueError(f"scheme={scheme!r}; one of {', '.join(SCHEMES)} or auto is expected")
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
    if scheme == "auto":
        scheme = _decide_scheme(folder, [case.labels for case in found], present)
    elif isinstance(scheme, str):
        scheme = SCHEMES[scheme]
    _refuse_foreign_values(folder, [case.labels for case in found], present, scheme)

    height, width = np.max([values.shape[1:] for _, values, _, _ in read], axis=0)
    depths = [len(values) for _, values, _, _ in read]
    images = np.full((sum(depths), height, width, len(names)), AIR, np.float16)
    labels = np.zeros(images.shape[:3], np.uint8)
    brain = np.zeros(images.shape[:3], bool)
    affines, end = [], 0
    while read:  # one by one, so that the cohort is not in memory twice
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


def _decide_scheme(folder, paths, present) -> LabelScheme:
    try:
        return scheme_of_values(set().union(*present))
    except ValueError as error:
        if any(max(values) > 4 for values in present):
            problems = [
                f"{path}: label value {max(values)}; BraTS segmentations hold 0 to 4"
                for path, values in zip(paths, present, strict=True)
                if max(values) > 4
            ]
        else:
            problems = [str(error)]
        raise CohortError(folder, problems) from None


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
