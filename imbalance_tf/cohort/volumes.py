"""One file -> one volume: however it is stored, as axial slices of float32."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

__all__ = ["ScanError", "Volume", "affine_of", "read_channels", "read_volume"]


class ScanError(ValueError):
    """One file, or the files of one case, cannot be used; the message says why."""


@dataclass(frozen=True)
class Volume:
    """A volume as axial slices: row 0 is anterior, column 0 the patient's right.

    Attributes
    ----------
    path : Path
    data : (slice, row, column) float32
    affine : (4, 4) float
        (column, row, slice) to scanner millimetres.
    placed : bool
        Whether the header says where the volume lies.
    stored : str
        Orientation (such as "RAS") and number type of the file.
    """

    path: Path
    data: np.ndarray
    affine: np.ndarray
    placed: bool
    stored: str

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between columns, rows and slices."""
        return nib.affines.voxel_sizes(self.affine)


def affine_of(paths: Iterable[Path]) -> np.ndarray | None:
    """Voxel to millimetres of the first file that says where it lies; None if none does.

    A header may not say it (sform and qform codes of 0). nibabel then guesses an orientation,
    which would turn that file against the others of its case.
    """
    for path in paths:
        if path.suffix != ".mha" and (opened := _nifti(path))[1]:
            return opened[0].affine
    return None


def read_volume(path: Path, otherwise: np.ndarray | None = None) -> Volume:
    """Read a 3-D file, NIfTI or MetaImage.

    `otherwise` is the voxel to millimetres of a file that does not say it; without it, the order
    of the voxels is taken for that of BraTS: to the left, back and up.

    Raises
    ------
    ScanError
        If it cannot be read, is not 3-D, or holds what is no number.
    """
    volume = _read(path, otherwise)
    if volume.data.ndim != 3:
        raise ScanError(
            f"{path}: shape {_stored_shape(volume.data)}; a 3-D volume is expected, one file a "
            f"modality"
        )
    return volume


def read_channels(
    path: Path, channels: tuple[str, ...], otherwise: np.ndarray | None = None
) -> dict[str, Volume]:
    """Read a 4-D file: the volume of each of its channels, by name.

    Raises
    ------
    ScanError
        As `read_volume`; also if the number of channels is another.
    """
    stack = _read(path, otherwise)
    if stack.data.ndim != 4 or len(stack.data) != len(channels):
        raise ScanError(
            f"{path}: shape {_stored_shape(stack.data)}; four dimensions are expected, the last "
            f"of {len(channels)}: {', '.join(channels)}"
        )
    return {
        name: Volume(path, data, stack.affine, stack.placed, stack.stored)
        for name, data in zip(channels, stack.data, strict=True)
    }


def _read(path: Path, otherwise: np.ndarray | None) -> Volume:
    image, placed = _meta_image(path) if path.suffix == ".mha" else _nifti(path)
    try:
        if not placed:
            zooms = (*image.header.get_zooms(), 1, 1)[:3]
            affine = (
                np.diag([-1, -1, 1, 1] * np.append(zooms, 1)) if otherwise is None else otherwise
            )
            image = nib.Nifti1Image(image.dataobj, affine)
        if image.ndim > 3:  # a trailing axis of length 1 says nothing
            image = nib.squeeze_image(image)
        if image.ndim < 3:
            raise ScanError(
                f"{path}: shape {image.shape}; a 3-D volume is expected: stack the slices of a "
                f"case in one file"
            )
        axes = nib.orientations.axcodes2ornt("LPS")
        orientation = nib.io_orientation(image.affine)
        turned = image.as_reoriented(nib.orientations.ornt_transform(orientation, axes))
        data = np.asarray(turned.dataobj, dtype=np.float32).T
    except ScanError:
        raise
    except (EOFError, OSError, zlib.error, ValueError, TypeError, np.linalg.LinAlgError) as error:
        raise ScanError(f"{path}: cannot be read as NIfTI ({error}); is it complete?") from error
    if not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise ScanError(f"{path}: {count} voxels are NaN or infinite; numbers are expected")
    codes = "".join(nib.orientations.ornt2axcodes(orientation))
    return Volume(path, data, turned.affine, placed, f"{codes} {image.get_data_dtype()}")


def _nifti(path: Path) -> tuple[nib.spatialimages.SpatialImage, bool]:
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise ScanError(f"{path}: cannot be read as NIfTI ({error}); is it complete?") from error
    return image, any(image.header.get(f"{form}_code", 0) for form in ("sform", "qform"))


def _meta_image(path: Path) -> tuple[nib.spatialimages.SpatialImage, bool]:
    """A MetaImage as nibabel would hold it; nibabel itself does not read the format."""
    try:
        import SimpleITK as sitk  # an extra: only BraTS 2012 to 2015 need it
    except ImportError as error:
        raise ScanError(
            f"{path}: .mha files are read with SimpleITK, which is not installed; "
            f'pip install "imbalance_tf[mha]"'
        ) from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ScanError(
            f"{path}: cannot be read as MetaImage ({reason}); is it complete?"
        ) from error
    dimensions = image.GetDimension()
    if dimensions != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ScanError(f"{path}: {dimensions} dimensions; a 3-D volume is expected")
    # ITK counts millimetres to the left and back, nibabel to the right and front.
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    data = sitk.GetArrayFromImage(image).T  # from (z, y, x)
    if data.dtype not in (np.uint8, np.int16, np.float32):
        data = data.astype(np.float32)  # NIfTI in nibabel holds no 64-bit integers by default
    return nib.Nifti1Image(data, np.diag([-1, -1, 1, 1]) @ affine), True


def _stored_shape(data: np.ndarray) -> tuple[int, ...]:
    return data.shape[::-1]
