"""Read and check one case: files in, arrays out."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .finding import CaseFiles

__all__ = ["AIR", "ScanError", "read_case"]

AIR = -5.0
"""Intensity of everything outside the brain. z-scores in the brain are clipped to [-5, 5], so
nothing in the brain is darker, and air can never look like average brain (which is 0)."""


class ScanError(ValueError):
    """One file, or the files of one case, cannot be used; the message says why."""


def read_case(case: CaseFiles) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read one case as axial slices: row 0 is anterior, column 0 the patient's right.

    Returns
    -------
    images : (S, H, W, M) float16
        z-scores over the brain of this case and modality, `AIR` outside.
    values : (S, H, W) uint8
        The segmentation as it stands in the file.
    brain : (S, H, W) bool
        The brain mask if the case has one, else wherever a modality is not air; always with the
        labelled tumour.
    affine : (4, 4) float
        Voxel (column, row, slice) to scanner millimetres.

    Raises
    ------
    ScanError
        If a file cannot be read or holds what cannot be right.
    """
    labels = _read_volume(case.labels)
    values = _label_values(labels)
    scans = {modality: _read_volume(path) for modality, path in case.images.items()}
    mask = _read_volume(case.brain) if case.brain else None
    for volume in [*scans.values(), *([mask] if mask else [])]:
        _refuse_other_grid(volume, labels)

    if mask:
        brain = mask.data > 0.5  # scaled masks hold 0.99999997
        if not brain.any():
            raise ScanError(f"{mask.path}: no voxel above 0.5; a mask of the brain is expected")
        brain |= values > 0
        covered = dict.fromkeys(scans, brain)
    else:
        covered = {name: scan.data != _air_value(scan) for name, scan in scans.items()}
        brain = np.logical_or.reduce([values > 0, *covered.values()])

    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (modality, scan) in enumerate(scans.items()):
        inside = brain & covered[modality]
        intensities = scan.data[inside]
        if intensities.size == 0 or np.ptp(intensities) == 0:
            raise ScanError(f"{scan.path}: the same value in the whole brain")
        z = (intensities - intensities.mean(dtype=np.float64)) / intensities.std(dtype=np.float64)
        images[inside, channel] = np.clip(z, AIR, -AIR)
    return images, values, brain, labels.affine


@dataclass(frozen=True)
class _Volume:
    """A volume as (slice, row, column) float32, however it is stored."""

    path: Path
    data: np.ndarray
    affine: np.ndarray  # (column, row, slice) to millimetres
    placed: bool  # whether the header says where the volume lies


def _read_volume(path: Path) -> _Volume:
    try:
        stored = nib.load(path)
        shape = stored.shape
        if len(shape) == 3:
            axes = nib.orientations.axcodes2ornt("LPS")
            turn = nib.orientations.ornt_transform(nib.io_orientation(stored.affine), axes)
            image = stored.as_reoriented(turn)
            data = np.asarray(image.dataobj, dtype=np.float32).transpose(2, 1, 0)
    except (
        ImageFileError,
        HeaderDataError,
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        TypeError,
        np.linalg.LinAlgError,
    ) as error:
        raise ScanError(f"{path}: cannot be read as NIfTI ({error}); is it complete?") from error
    if len(shape) != 3:
        raise ScanError(f"{path}: shape {shape}; a 3-D volume is expected")
    if not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise ScanError(f"{path}: {count} voxels are NaN or infinite; numbers are expected")
    codes = [stored.header.get(f"{form}_code", 0) for form in ("sform", "qform")]
    return _Volume(path, data, image.affine, any(codes))


def _label_values(labels: _Volume) -> np.ndarray:
    values = np.rint(labels.data)
    if (off := np.abs(labels.data - values) > 1e-3).any():
        raise ScanError(
            f"{labels.path}: label value {labels.data[off][0]:g}; integers are expected"
        )
    if values.min() < 0 or values.max() > 255:
        bad = values.min() if values.min() < 0 else values.max()
        raise ScanError(f"{labels.path}: label value {bad:g}; values from 0 to 255 are expected")
    return values.astype(np.uint8)


def _refuse_other_grid(volume: _Volume, labels: _Volume) -> None:
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


def _air_value(scan: _Volume) -> float:
    """The constant around a skull-stripped brain: 0 in BraTS, anything in normalised images."""
    faces = [scan.data[[0, -1]], scan.data[:, [0, -1]], scan.data[:, :, [0, -1]]]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    if counts.max() < 0.5 * counts.sum():
        raise ScanError(
            f"{scan.path}: no constant background, so the brain cannot be told from air; "
            f"skull-strip the scan, or give a mask with files={{'brain': ...}}"
        )
    return values[counts.argmax()]
