"""Where the brain is in a case, by its mask or by the air around it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .content import ScanError
from .volumes import Volume


def brain_of(
    values: np.ndarray, scans: Mapping[str, Volume], mask: Volume | None, path: Path
) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    """Where the brain is, where each modality covers it, and how that was decided.

    `path` is the file of the segmentation, whose values these are.
    """
    if mask:
        brain = mask.data > 0.5  # scaled masks hold 0.99999997
        if not brain.any():
            raise ScanError(f"{mask.path}: no voxel above 0.5; a mask of the brain is expected")
        air = {name: _air(scan, brain) for name, scan in scans.items()}
        notes = [f"brain: {mask.path.name}"]
    else:
        air = {name: _air(scan, None) for name, scan in scans.items()}
        notes = ["brain: where a modality is not air"]
        notes += [f"air is {value:g} in {name}" for name, value in air.items() if value != 0]
    covered = {name: scan.data != air[name] for name, scan in scans.items()}
    if not mask:
        brain = np.logical_or.reduce([*covered.values()])
        if not brain.any():
            paths = ", ".join(sorted({str(scan.path) for scan in scans.values()}))
            raise ScanError(f"{paths}: nothing but air; fetch the scans again")
    nowhere = np.logical_and.reduce([~each for each in covered.values()])
    tumour = np.count_nonzero(values)
    if (in_air := np.count_nonzero(values[nowhere])) > tumour / 2:
        raise ScanError(
            f"{path}: {in_air} of {tumour} tumour voxels lie where every modality is air; turn or "
            f"move it to where the scans are, or give its background the value 0"
        )
    if outside := np.count_nonzero(values[~brain]):
        notes.append(f"{outside} tumour voxels outside the brain counted as brain")
    return brain | (values > 0), covered, notes


def _air(scan: Volume, brain: np.ndarray | None) -> float:
    """The constant around a brain: 0 in BraTS, anything in normalised images.

    It is the value of most voxels outside a known brain; NaN, which equals no value, if there is
    no such value. If the brain is not known, it is the value of most voxels at the six faces; or at
    the twelve edges, where the scan was cut to a brain that fills the faces.
    """
    if brain is not None:
        places = [scan.data[~brain]]
    else:
        places = [np.concatenate([part.ravel() for part in parts]) for parts in _borders(scan.data)]
    for place in places:
        values, counts = np.unique(place, return_counts=True)
        if not counts.size or counts.max() < 0.5 * counts.sum():
            continue
        *_, second, first = [None, *np.argsort(counts)]
        if brain is None and second is not None and counts[second] >= 0.1 * counts.sum():
            raise ScanError(
                f"{scan.path}: both {values[first]:g} and {values[second]:g} fill its borders, as "
                f"if it was padded; give all that is not brain one value"
            )
        return values[first]
    if brain is None:
        raise ScanError(
            f"{scan.path}: no constant background, neither at the faces nor at the edges of the "
            f"scan, so the brain cannot be told from air; skull-strip the scan, or give a mask of "
            f"the brain beside the other patterns: files={{..., 'brain': 'mask*.nii.gz'}} (command "
            f"line: --file 'brain=mask*.nii.gz')"
        )
    return np.nan


def _borders(data: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pairs of faces of a volume, and its quadruples of edges."""
    ends = [0, -1]
    faces = [data[ends], data[:, ends], data[:, :, ends]]
    return faces, [faces[0][:, ends], faces[0][:, :, ends], faces[1][:, :, ends]]
