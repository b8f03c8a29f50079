"""Read one MetaImage (``.mha``) as an image: lines of text, and the voxels behind them.

Not by SimpleITK: a damaged number of dimensions ends the process there, and compressed voxels that
are damaged come back as other ones, without an error.
"""

import math
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from .content import LARGEST, ScanError, content_of
from .headers import is_sound, refuse_missing_voxels

_TYPES = {
    **{"MET_CHAR": "i1", "MET_SHORT": "i2", "MET_INT": "i4", "MET_LONG": "i4"},
    **{"MET_UCHAR": "u1", "MET_USHORT": "u2", "MET_UINT": "u4", "MET_ULONG": "u4"},
    **{"MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}


def meta_image(path: Path) -> nib.Nifti1Image:
    """A MetaImage as nibabel would hold it; nibabel itself does not read the format.

    Raises
    ------
    ScanError
        If the file is missing, is no volume of single numbers, is cut short, or does not say where
        its voxels lie.
    ValueError
        If its header makes no sense.
    """
    head, _, rest = content_of(path).partition(b"ElementDataFile")
    where, _, voxels = rest.partition(b"\n")
    lines = (line.partition("=") for line in head.decode("latin-1").splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    if where.strip(b" =\r").upper() != b"LOCAL":
        raise ValueError("no line ElementDataFile = LOCAL, after which the voxels follow")

    def numbers(default: np.ndarray, *names: str) -> np.ndarray:
        said = [fields[name].split() for name in names if name in fields]
        return np.array([*said, default][0], float).reshape(default.shape)

    dimensions, channels = (
        int(fields.get(name, default))
        for name, default in {"NDims": 3, "ElementNumberOfChannels": 1}.items()
    )
    if (dimensions, channels) != (3, 1):
        raise ScanError(
            f"{path}: {dimensions} dimensions and {channels} numbers per voxel; a 3-D volume of "
            f"single numbers is expected"
        )
    shape = tuple(map(int, fields.get("DimSize", "").split()))
    if len(shape) != 3 or min(shape) < 1 or fields.get("ElementType") not in _TYPES:
        raise ValueError(f"DimSize is {shape}, ElementType {fields.get('ElementType')}")
    if not _is_true({"BinaryData": "True", **fields}, "BinaryData"):
        raise ValueError("its voxels are written as text")
    big = _is_true(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    dtype = np.dtype((">" if big else "<") + _TYPES[fields["ElementType"]])
    if _is_true(fields, "CompressedData"):
        voxels = _unpacked(voxels, math.prod(shape) * dtype.itemsize)
    refuse_missing_voxels(path, shape, dtype, 0, len(voxels))
    data = np.frombuffer(voxels, dtype, count=math.prod(shape)).reshape(shape, order="F")
    # As NIfTI holds them: in nibabel it has no 64-bit integers by default.
    data = data.astype(dtype.name if dtype.name in ("uint8", "int16") else np.float32)

    axes = numbers(np.eye(3), "TransformMatrix", "Rotation", "Orientation")
    affine = np.eye(4)
    with np.errstate(all="ignore"):  # infinite numbers are refused below
        affine[:3, :3] = axes.T * numbers(np.ones(3), "ElementSpacing", "ElementSize")
    affine[:3, 3] = numbers(np.zeros(3), "Offset", "Position", "Origin")
    affine[:2] *= -1  # millimetres are counted to the left and back, in nibabel to right and front
    if not is_sound(affine):
        raise ScanError(
            f"{path}: its TransformMatrix, ElementSpacing and Offset are singular or without "
            f"bounds, so it cannot say where the voxels lie; mend its header"
        )
    return nib.Nifti1Image(data, affine)


def _is_true(fields: dict[str, str], *names: str) -> bool:
    return any(fields.get(name, "").upper() in ("TRUE", "1") for name in names)


def _unpacked(content: bytes, size: int) -> bytes:
    """What zlib or gzip packed; ValueError unless it is whole, and so many bytes."""
    stream = zlib.decompressobj(wbits=47)  # either of the two
    voxels = stream.decompress(content, min(size, LARGEST) + 1)
    if not stream.eof or len(voxels) != size:
        raise ValueError(f"its compressed voxels are not {size:,} bytes, or were cut short")
    return voxels
