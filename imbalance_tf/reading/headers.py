"""Read one NIfTI or Analyze file as an image, and mend what its header says wrong."""

import io
import logging
import math
import re
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1PairHeader
from nibabel.nifti2 import Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.spm2analyze import Spm2AnalyzeHeader

from .content import ScanError, content_of

NIFTI_2 = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
"""The first bytes of a NIfTI-2 file: the length of its header."""
_UNITS = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}  # by their codes in a header


def files_of(path: Path) -> list[Path]:
    """The files that hold one image: header and voxels of a pair .hdr and .img, else one file."""
    if found := re.search(r"\.(hdr|img)(\.gz)?$", path.name, re.I):
        halves = ("HDR", "IMG") if found[1].isupper() else ("hdr", "img")
        stem, end = path.name[: found.start()], found[2] or ""
        return [path.with_name(f"{stem}.{half}{end}") for half in halves]
    return [path]


def nifti_image(path: Path) -> tuple[nib.Nifti1Image, list[str]]:
    """The image in a file, read whole but not yet scaled; and what was mended in its header.

    A pair of ``.hdr`` and ``.img`` is read by either name.

    Raises
    ------
    ScanError
        If a file is missing or only stands for one that is elsewhere; if there are fewer voxels
        than the header says, or none; if the header cannot say where the voxels lie.
    Exception
        Whatever nibabel raises for a file that it cannot read.
    """
    files = files_of(path)
    # Header and voxels: of one file both are in its content.
    contents = [content_of(file) for file in files]
    whole, voxels = contents[0], contents[-1]
    kind = _header_class(whole, single=len(files) == 1)
    log = _Notes(logging.WARNING)
    header = kind(whole[: kind.template_dtype.itemsize], check=False)
    header.check_fix(log.logger)
    if header.get_data_dtype().kind not in "iuf":
        raise ScanError(
            f"{path}: it holds {header.get_data_dtype()}, not one number per voxel; convert it"
        )
    least = getattr(kind, "single_vox_offset", 0) if len(files) == 1 else 0
    if header.get_data_offset() < least:  # nibabel would take the header for voxels
        header.set_data_offset(least)
        log.notes.append(f"voxels taken to begin at byte {least}")
    shape = tuple(map(int, header.get_data_shape()))
    if not shape or min(shape) < 1:
        raise ValueError(f"its header gives it the shape {shape}")
    begin = int(header.get_data_offset())
    refuse_missing_voxels(files[-1], shape, header.get_data_dtype(), begin, len(voxels))
    proxy = ArrayProxy(io.BytesIO(voxels), header)
    header.set_data_offset(0)  # an odd one would be noted again at each copy
    if isinstance(header, nib.Nifti1Header):
        _mend_units(header, log.notes)
        _mend_place(path, header, log.notes)
    else:  # Analyze, which does not say where the voxels lie
        header = nib.Nifti1Header.from_header(header)
    image = nib.Nifti2Image if whole[:4] in NIFTI_2 else nib.Nifti1Image
    return image(proxy, header.get_best_affine(), header), log.notes


class _Notes(logging.Handler):
    """What nibabel says while it checks a header; its own log does not say of which file."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.notes: list[str] = []
        self.logger = logging.Logger("header")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


def _header_class(content: bytes, *, single: bool) -> type[nib.AnalyzeHeader]:
    if content[:4] in NIFTI_2:
        return nib.Nifti2Header if single else Nifti2PairHeader
    if single:
        return nib.Nifti1Header
    return Nifti1PairHeader if content[344:347] == b"ni1" else Spm2AnalyzeHeader


def refuse_missing_voxels(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, begin: int, size: int
) -> None:
    """ScanError if there are fewer bytes than the voxels take that begin at byte `begin`."""
    needed = begin + math.prod(shape) * dtype.itemsize
    if size < needed:
        raise ScanError(
            f"{path}: its header promises {'x'.join(map(str, shape))} voxels of {dtype}, which "
            f"take {needed:,} bytes; it holds {size:,}: it was cut short, or its header is wrong; "
            f"fetch it again"
        )


def _mend_units(header: nib.Nifti1Header, notes: list[str]) -> None:
    """Turn metres or micrometres into millimetres, if the voxels are then such as scanners make;
    and give a voxel without a size the size 1, as nibabel does for 0."""
    sizes = header["pixdim"][1:4]
    if (unsized := ~((sizes > 1e-9) & (sizes < 1e9))).any():
        notes.append(f"voxels of {' x '.join(f'{size:g}' for size in sizes)} taken as 1 there")
        sizes[unsized] = 1
    unit, factor = _UNITS.get(int(header["xyzt_units"]) & 7, ("mm", 1))
    if factor != 1 and sizes.min() * factor > 0.01 and sizes.max() * factor < 100:
        for field in ("srow_x", "srow_y", "srow_z", "qoffset_x", "qoffset_y", "qoffset_z"):
            header[field] *= np.float32(factor)
        sizes *= factor
        notes.append(f"{unit} turned into mm")


def _mend_place(path: Path, header: nib.Nifti1Header, notes: list[str]) -> None:
    """Let the header say where the voxels lie by its sform, or else by its qform.

    A quaternion a little longer than 1 is a rounding error, which nibabel does not forgive.
    """
    quaternion = np.array([header[f"quatern_{axis}"] for axis in "bcd"], float)
    length = np.linalg.norm(quaternion)
    if header["qform_code"] and not _is_sound(header.get_qform) and 1 < length < 1.01:
        for axis, part in zip("bcd", quaternion / length, strict=True):
            header[f"quatern_{axis}"] = part
        notes.append(f"a quaternion of length {length:.7g} taken as 1")
    sform = header["sform_code"] and _is_sound(header.get_sform)
    qform = header["qform_code"] and _is_sound(header.get_qform)
    if sform or not (header["sform_code"] or header["qform_code"]):
        return
    if not qform:
        found = (
            "an sform that is singular or without bounds, and no sound qform"
            if header["sform_code"]
            else f"a qform with a quaternion of length {length:.4g}, and no sform"
        )
        raise ScanError(
            f"{path}: its header has {found}, so it cannot say where the voxels lie; "
            f"set a sound affine, or both codes to 0 if the voxels are in the order of BraTS"
        )
    if header["sform_code"]:
        header["sform_code"] = 0
        notes.append("placed by its qform, for its sform is singular or without bounds")


def _is_sound(form) -> bool:
    try:
        return is_sound(form())
    except (ValueError, HeaderDataError):
        return False


def is_sound(affine: np.ndarray) -> bool:
    """Whether an affine maps voxels to millimetres, one to one."""
    # No scanner is 1,000 km long; NaN is not below that either.
    return bool((np.abs(affine) < 1e9).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3)
