"""Read and check one case: files in, arrays out."""

from dataclasses import dataclass

import numpy as np

from .finding import CaseFiles
from .volumes import ScanError, Volume, affine_of, read_channels, read_volume

__all__ = ["AIR", "CaseArrays", "read_case"]

AIR = -5.0
"""Intensity of everything outside the brain. z-scores in the brain are clipped to [-5, 5], so
nothing in the brain is darker, and air can never look like average brain (which is 0)."""


@dataclass(frozen=True)
class CaseArrays:
    """One case as axial slices: row 0 is anterior, column 0 the patient's right.

    Attributes
    ----------
    images : (S, H, W, M) float16
        z-scores over the brain of this case and modality, `AIR` outside.
    values : (S, H, W) uint8
        The segmentation as it stands in the file.
    brain : (S, H, W) bool
        The brain mask if the case has one, else wherever a modality is not air; always with the
        labelled tumour.
    affine : (4, 4) float
        Voxel (column, row, slice) to scanner millimetres.
    spacing : (3,) float
        Millimetres between columns, rows and slices.
    stored : str
        Orientation and number type of the segmentation's file.
    notes : tuple of str
        What was decided while reading, for people.
    """

    images: np.ndarray
    values: np.ndarray
    brain: np.ndarray
    affine: np.ndarray
    spacing: np.ndarray
    stored: str
    notes: tuple[str, ...]


def read_case(case: CaseFiles) -> CaseArrays:
    """Read one case.

    Raises
    ------
    ScanError
        If a file cannot be read or holds what cannot be right.
    """
    affine = affine_of(case.paths)
    labels = read_volume(case.labels, affine)
    values = _label_values(labels)
    if case.channels:
        (path,) = set(case.images.values())
        channels = read_channels(path, case.channels, affine)
        scans = {modality: channels[modality] for modality in case.images}
    else:
        scans = {modality: read_volume(path, affine) for modality, path in case.images.items()}
    mask = read_volume(case.brain, affine) if case.brain else None
    for volume in [*scans.values(), *([mask] if mask else [])]:
        _refuse_other_grid(volume, labels)

    brain, covered, notes = _brain(values, scans, mask)
    if affine is None and not case.labels.name.endswith(".mha"):
        notes.append("no sform or qform: the order of the voxels taken for that of BraTS")
    if not labels.stored.startswith("LPS"):
        notes.append("turned to LPS")
    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (modality, scan) in enumerate(scans.items()):
        inside = brain & covered[modality]
        intensities = scan.data[inside]
        if intensities.size == 0 or np.ptp(intensities) == 0:
            raise ScanError(f"{scan.path}: the same value in the whole brain")
        z = (intensities - intensities.mean(dtype=np.float64)) / intensities.std(dtype=np.float64)
        images[inside, channel] = np.clip(z, AIR, -AIR)
        if (share := inside.sum() / brain.sum()) < 0.95:
            notes.append(f"{modality} covers {share:.0%} of the brain")
    return CaseArrays(
        images, values, brain, labels.affine, labels.spacing, labels.stored, tuple(notes)
    )


def _brain(values: np.ndarray, scans: dict[str, Volume], mask: Volume | None):
    """Where the brain is, where each modality covers it, and how that was decided."""
    if mask:
        brain = mask.data > 0.5  # scaled masks hold 0.99999997
        if not brain.any():
            raise ScanError(f"{mask.path}: no voxel above 0.5; a mask of the brain is expected")
        covered = dict.fromkeys(scans, brain | (values > 0))
        notes = [f"brain: {mask.path.name}"]
    else:
        air = {name: _air_value(scan) for name, scan in scans.items()}
        covered = {name: scan.data != air[name] for name, scan in scans.items()}
        brain = np.logical_or.reduce([*covered.values()])
        notes = ["brain: where a modality is not air"]
        notes += [f"air is {value:g} in {name}" for name, value in air.items() if value != 0]
    outside = int(((values > 0) & ~brain).sum())
    if outside:
        notes.append(f"{outside} tumour voxels outside the brain counted as brain")
    return brain | (values > 0), covered, notes


def _label_values(labels: Volume) -> np.ndarray:
    values = np.rint(labels.data)
    if (off := np.abs(labels.data - values) > 1e-3).any():
        raise ScanError(
            f"{labels.path}: label value {labels.data[off][0]:g}; integers are expected "
            f"(resample segmentations with nearest neighbour)"
        )
    if values.min() < 0 or values.max() > 255:
        bad = values.min() if values.min() < 0 else values.max()
        raise ScanError(f"{labels.path}: label value {bad:g}; values from 0 to 255 are expected")
    return values.astype(np.uint8)


def _refuse_other_grid(volume: Volume, labels: Volume) -> None:
    if volume.data.shape != labels.data.shape:
        raise ScanError(
            f"{volume.path}: {volume.data.shape[::-1]} voxels, but {labels.path.name} has "
            f"{labels.data.shape[::-1]}; all files of a case must share one grid"
        )
    ends = np.array([[0, 0, 0, 1], [*np.subtract(labels.data.shape[::-1], 1), 1]]).T
    apart = np.linalg.norm(((volume.affine - labels.affine) @ ends)[:3], axis=0).max()
    if volume.placed and labels.placed and apart > 1:
        raise ScanError(
            f"{volume.path}: its header puts it {apart:.0f} mm away from {labels.path.name}; all "
            f"files of a case must share one grid: register them, or mend the header"
        )


def _air_value(scan: Volume) -> float:
    """The constant around a skull-stripped brain: 0 in BraTS, anything in normalised images."""
    faces = [scan.data[[0, -1]], scan.data[:, [0, -1]], scan.data[:, :, [0, -1]]]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    if counts.max() < 0.5 * counts.sum():
        raise ScanError(
            f"{scan.path}: no constant background, so the brain cannot be told from air; "
            f"skull-strip the scan, or give a mask with files={{'brain': ...}}"
        )
    return values[counts.argmax()]
