"""One file -> one volume: however it is stored, as axial slices of float32."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage
from nibabel.wrapstruct import WrapStructError

__all__ = ["Opened", "ScanError", "Volume", "channels_of", "open_scan", "volume_of"]


class ScanError(ValueError):
    """One file, or the files of one case, cannot be used; the message says why."""


@dataclass(frozen=True)
class Opened:
    """A file as it is stored, and whether its header says where it lies.

    A header may not say it (sform and qform codes of 0). nibabel then guesses an orientation,
    which would turn that file against the others of its case.
    """

    path: Path
    image: SpatialImage
    placed: bool

    @property
    def description(self) -> str:
        """What its header says about itself."""
        return self.image.header["descrip"].item().decode("latin-1")


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


def open_scan(path: Path) -> Opened:
    """Open a NIfTI file or a MetaImage (``.mha``), whole.

    Raises
    ------
    ScanError
        If it cannot be read.
    """
    if path.suffix.lower() == ".mha":
        return Opened(path, _meta_image(path), True)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            # Whole, unlike nibabel, which stops before the checksum at the end of the file.
            content = gzip.decompress(content)
        kind = nib.Nifti2Image if content[:4] in NIFTI_2 else nib.Nifti1Image
        image = kind.from_bytes(content)
    except (
        ImageFileError,
        HeaderDataError,
        WrapStructError,
        OSError,
        EOFError,
        zlib.error,
        ValueError,
    ) as error:
        raise _unreadable(path, error) from error
    if image.get_data_dtype().kind not in "iuf":
        raise _unreadable(path, f"it holds {image.get_data_dtype()}, not one number a voxel")
    codes = [image.header[f"{form}_code"] for form in ("sform", "qform")]
    return Opened(path, image, any(codes))


NIFTI_2 = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
"""How a NIfTI-2 file begins: with the length of its header."""


def volume_of(opened: Opened, otherwise: np.ndarray | None = None) -> Volume:
    """The volume of a 3-D file.

    `otherwise` is the voxel to millimetres of a file that does not say it; without it, the order
    of the voxels is taken for that of BraTS: to the left, back and up.

    Raises
    ------
    ScanError
        If it is not 3-D, or holds what is no number.
    """
    volume = _turned(opened, otherwise)
    if volume.data.ndim != 3:
        raise ScanError(
            f"{opened.path}: shape {opened.image.shape}; a 3-D volume is expected, one file a "
            f"modality"
        )
    return volume


def channels_of(
    opened: Opened, channels: tuple[str, ...], otherwise: np.ndarray | None = None
) -> dict[str, Volume]:
    """The volume of each channel of a 4-D file, by name.

    Raises
    ------
    ScanError
        As `volume_of`; also if the number of channels is another.
    """
    stack = _turned(opened, otherwise)
    if stack.data.ndim != 4 or len(stack.data) != len(channels):
        raise ScanError(
            f"{opened.path}: shape {opened.image.shape}; four dimensions are expected, the last "
            f"of {len(channels)}: {', '.join(channels)}"
        )
    return {
        name: Volume(stack.path, data, stack.affine, stack.placed, stack.stored)
        for name, data in zip(channels, stack.data, strict=True)
    }


def _turned(opened: Opened, otherwise: np.ndarray | None) -> Volume:
    """All axes of a file, reversed, with the first three turned to LPS."""
    path, image = opened.path, opened.image
    try:
        if image.ndim > 3:  # a trailing axis of length 1 says nothing
            image = nib.squeeze_image(image)
        if image.ndim < 3:
            raise ScanError(
                f"{path}: shape {image.shape}; a 3-D volume is expected: stack the slices of a "
                f"case in one file"
            )
        if not opened.placed:
            zooms = image.header.get_zooms()[:3]
            brats = np.diag([-zooms[0], -zooms[1], zooms[2], 1])
            affine = brats if otherwise is None else otherwise
            image = nib.Nifti1Image(image.dataobj, affine)
        axes = nib.orientations.axcodes2ornt("LPS")
        orientation = nib.io_orientation(image.affine)
        turned = image.as_reoriented(nib.orientations.ornt_transform(orientation, axes))
        data = np.asarray(turned.dataobj, dtype=np.float32).T
    except ScanError:
        raise
    except (EOFError, OSError, ValueError, TypeError, np.linalg.LinAlgError) as error:
        raise _unreadable(path, error) from error
    if not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise ScanError(
            f"{path}: {count} voxels are NaN or infinite; numbers are expected: set the air to 0"
        )
    codes = "".join(nib.orientations.ornt2axcodes(orientation))
    stored = f"{codes} {opened.image.get_data_dtype()}"
    return Volume(path, data, turned.affine, opened.placed, stored)


def _unreadable(path: Path, reason) -> ScanError:
    return ScanError(
        f"{path}: cannot be read as NIfTI ({reason}); is it complete, and what its name says? "
        f"Fetch or convert it again"
    )


def _meta_image(path: Path) -> SpatialImage:
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
        raise ScanError(
            f"{path}: {dimensions} dimensions and {image.GetNumberOfComponentsPerPixel()} numbers "
            f"a voxel; a 3-D volume of single numbers is expected"
        )
    # ITK counts millimetres to the left and back, nibabel to the right and front.
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    data = sitk.GetArrayFromImage(image).T  # from (z, y, x)
    if data.dtype not in (np.uint8, np.int16, np.float32):
        data = data.astype(np.float32)  # NIfTI in nibabel holds no 64-bit integers by default
    return nib.Nifti1Image(data, np.diag([-1, -1, 1, 1]) @ affine)
