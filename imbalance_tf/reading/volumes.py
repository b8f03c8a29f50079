"""Read one file as a volume: axial slices of float32, however it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from .content import ScanError
from .headers import nifti_image
from .metaimage import meta_image


@dataclass(frozen=True)
class Opened:
    """A file as it is stored, and whether its header says where it lies.

    If it does not (sform and qform codes of 0), nibabel guesses an orientation, which would turn
    this file against the others of its case. `notes` say what was mended in the header.
    """

    path: Path
    image: nib.Nifti1Image
    placed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume as axial slices: row 0 is anterior, column 0 the patient's right.

    Attributes
    ----------
    path : Path
    data : (slice, row, column) float32
        With an axis of channels before these, if the file has channels.
    affine : (4, 4) float
        Maps (column, row, slice) to scanner millimetres.
    placed : bool
        Whether the header says where the volume lies.
    stored : str
        Orientation (such as "RAS") and number type of the file.
    step : float
        Distance between two numbers that the file can hold, if it stores integers with a scale
        factor; else 0.
    """

    path: Path
    data: np.ndarray
    affine: np.ndarray
    placed: bool
    stored: str
    step: float = 0.0


def open_scan(path: Path) -> Opened:
    """Read a whole NIfTI file, Analyze file or MetaImage (``.mha``); ScanError if that fails."""
    try:
        if path.suffix.lower() == ".mha":
            return Opened(path, meta_image(path), True)
        image, notes = nifti_image(path)
    except (ScanError, MemoryError):
        raise
    except Exception as error:  # whatever is wrong with a file, it is this file that is wrong
        raise _unreadable(path, error) from error
    placed = any(image.header[f"{form}_code"] for form in ("sform", "qform"))
    return Opened(path, image, placed, tuple(notes))


def volume_of(
    opened: Opened, default_affine: np.ndarray | None = None, channels: Sequence[str] = ()
) -> Volume:
    """The volume of a 3-D file; with `channels`, those of a 4-D file, as the first axis of data.

    `default_affine`, of another file of the case, is used if the header does not say where the
    volume lies. Without it, the order of the voxels is taken to be that of BraTS: to the left, back
    and up. Files that differ from it by a rounding are turned alike, also at 45 degrees.

    Raises
    ------
    ScanError
        If the file has another shape, or voxels that are NaN or infinite.
    """
    path, image = opened.path, opened.image
    try:
        if image.ndim > 3:  # axes of length 1 at the end are dropped
            image = nib.squeeze_image(image)
        if channels and (image.shape[3:] or (1,)) != (len(channels),):
            raise ScanError(
                f"{path}: shape {opened.image.shape}; four dimensions are expected, the last of "
                f"{len(channels)}: {', '.join(channels)}"
            )
        if not channels and image.ndim != 3:
            raise ScanError(
                f"{path}: shape {opened.image.shape}; a 3-D volume is expected: one file per "
                f"modality, with the slices of the case stacked in it"
            )
        if not opened.placed:
            zooms = image.header.get_zooms()[:3]
            brats = np.diag([-zooms[0], -zooms[1], zooms[2], 1])
            affine = brats if default_affine is None else default_affine
            image = type(image)(image.dataobj, affine, image.header)
        axes = nib.orientations.axcodes2ornt("LPS")
        alike = default_affine is not None and np.allclose(image.affine, default_affine, atol=1e-3)
        orientation = nib.io_orientation(default_affine if alike else image.affine)
        turned = image.as_reoriented(nib.orientations.ornt_transform(orientation, axes))
        with np.errstate(over="ignore", invalid="ignore"):  # infinite numbers are refused below
            data = np.asarray(turned.dataobj, dtype=np.float32).T
        if channels and data.ndim == 3:
            data = data[np.newaxis]
    except (ScanError, MemoryError):
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    if count := np.count_nonzero(~np.isfinite(data)):
        raise ScanError(
            f"{path}: {count} voxels are NaN or infinite; numbers are expected: set the air to 0"
        )
    codes = "".join(nib.orientations.ornt2axcodes(orientation))
    dtype, scale = opened.image.get_data_dtype(), getattr(opened.image.dataobj, "slope", 1)
    step = abs(scale) if dtype.kind in "iu" and scale != 1 else 0.0
    return Volume(path, data, turned.affine, opened.placed, f"{codes} {dtype}", step)


def _unreadable(path: Path, error: Exception) -> ScanError:
    if isinstance(error, OSError) and error.strerror:
        return ScanError(
            f"{path}: the system does not read it ({error.strerror}); give permission to read it, "
            f"or fetch it again"
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    kind = "MetaImage" if path.suffix.lower() == ".mha" else "NIfTI"
    return ScanError(
        f"{path}: cannot be read as {kind} ({reason}); is it complete, and what its name says? "
        f"Fetch or convert it again"
    )
