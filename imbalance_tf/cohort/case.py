"""Case: one examination, cut to the box of its brain."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from .arguments import expect, is_list, settle, whole
from .names import expect_name
from .runs import Runs, runs_of

AIR = -5.0
"""Intensity outside the brain. z-scores in the brain are clipped to [-5, 5], so nothing in the
brain is darker, and air cannot look like average brain (which is 0)."""
SYNTHETIC = "synthetic: imbalance_tf phantom"
"""How the description in the header of every scan of the embedded cohort begins."""


def digest_of(arrays: Iterable[np.ndarray]) -> str:
    """Digest of the content, shapes and dtypes of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def box_of(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """The box round a mask, `margin` voxels wider where the array allows it; the first corner if
    the mask is empty.

    Examples
    --------
    >>> box_of(np.array([0, 0, 1, 0, 1, 0]) > 0, margin=1)
    (slice(1, 6, None),)
    """
    found = ndimage.find_objects(mask.astype(np.uint8)) or [(slice(0, 0),) * mask.ndim]
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in found[0])


def _three(**found: Any) -> tuple[int, ...]:
    """Slices, rows and columns, given by their name, as ints."""
    (value,) = found.values()
    numbers = tuple(value) if is_list(value) else ()
    known = len(numbers) == 3 and all(isinstance(each, Integral) for each in numbers)
    expect(known, "three whole numbers: slices, rows, columns,", **found)
    return tuple(map(int, numbers))


@dataclass(frozen=True, eq=False)
class Case:
    """One examination as axial slices: row 0 is anterior, column 0 the patient's right.

    Parameters
    ----------
    id : str
        Name of the case, which may be the name of a file (`names`).
    images : (s, h, w, M) float16
        z-scores over the brain of each of M modalities; `AIR` outside the brain.
    labels : (s, h, w) uint8
        Class number of each voxel, by the scheme of the cohort.
    brain : (s, h, w) bool
        Where there is brain.
    affine : (4, 4) float
        Maps voxels (column, row, slice) of the whole scan to scanner millimetres; by default of
        1 mm, columns to the left and rows to the back.
    origin : (3,) int
        Slice, row and column of the scan at which the arrays begin: they hold only the brain.
    scan_shape : (3,) int
        Slices, rows and columns of the scan; by default those of the arrays.
    synthetic : bool
        Whether the headers of the scans say that `write_phantom_cohort` made them.

    Raises
    ------
    ValueError
        If the id cannot be the name of a file, the images are no floats or the labels no whole
        numbers from 0, the shapes of the arrays do not agree, there is no voxel, the affine is
        singular, or the arrays reach beyond the scan.

    Examples
    --------
    >>> case = cohort["small"]
    >>> case.images.shape, case.labels.shape, case.brain.shape
    ((3, 70, 61, 2), (3, 70, 61), (3, 70, 61))
    """

    id: str
    images: np.ndarray
    labels: np.ndarray
    brain: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.diag([-1.0, -1.0, 1.0, 1.0]))
    origin: tuple[int, ...] = (0, 0, 0)
    scan_shape: tuple[int, ...] = ()
    synthetic: bool = False

    def __post_init__(self) -> None:
        expect_name(self.id, "case", of_file=True)
        arrays = {name: np.asarray(getattr(self, name)) for name in ("images", "labels", "brain")}
        settle(self, **arrays)
        if self.labels.dtype.kind not in "biu":
            raise ValueError(
                f"case '{self.id}': labels is {self.labels.dtype}; class numbers (uint8) are "
                f"expected, such as those of LabelScheme.to_classes"
            )
        if self.images.dtype.kind != "f":  # AIR would be another number, such as 251
            raise ValueError(
                f"case '{self.id}': images is {self.images.dtype}; z-scores over the brain "
                f"(float16) are expected, with {AIR:g} as air"
            )
        shape = self.images.shape[:3]
        if self.images.ndim != 4 or not shape == self.labels.shape == self.brain.shape:
            raise ValueError(
                f"case '{self.id}': images has shape {self.images.shape}, labels "
                f"{self.labels.shape}, brain {self.brain.shape}; (slices, rows, columns) are "
                f"expected to be equal, and for images the modalities as a fourth axis"
            )
        wide = self.labels.dtype not in (np.uint8, np.bool_)
        extremes = [self.labels.min(initial=0), self.labels.max(initial=0)] if wide else []
        wrong = [label for label in extremes if not 0 <= label <= 255]
        if not self.labels.size or wrong:
            found = f"a {wrong[0]}" if wrong else "no voxel"
            raise ValueError(
                f"case '{self.id}': labels holds {found}; class numbers from 0, at most 255, are "
                f"expected"
            )
        affine = np.asarray(self.affine)
        known = affine.shape == (4, 4) and np.isfinite(affine).all()
        if not known or np.linalg.det(affine) == 0:
            raise ValueError(
                f"case '{self.id}': affine is {affine.tolist()}; a 4x4 matrix is expected that is "
                f"not singular, from voxels (column, row, slice) to millimetres"
            )
        by_default = self.scan_shape is None or np.shape(self.scan_shape) == (0,)
        settle(
            self,
            brain=self.brain.astype(bool, copy=False),
            affine=affine,
            origin=_three(origin=self.origin),
            scan_shape=_three(scan_shape=shape if by_default else self.scan_shape),
        )
        ends = np.add(self.origin, shape)
        if min(self.origin) < 0 or (ends > self.scan_shape).any():
            raise ValueError(
                f"case '{self.id}': its arrays go from {self.origin} to {tuple(ends.tolist())}; "
                f"the scan has {self.scan_shape}"
            )

    def __repr__(self) -> str:
        slices, height, width, channels = self.images.shape
        return f"Case('{self.id}', {slices} slices of {height}x{width}, {channels} modalities)"

    @property
    def digest(self) -> str:
        """Digest of the scans as they were read, so that it is the same on every processor; of the
        arrays if the case does not come from files."""
        # Not a field: a copy with other arrays (dataclasses.replace) must not keep it.
        return self.__dict__.get("_digest") or digest_of(
            [self.images, self.labels, self.brain, self.affine, np.array(self.origin)]
        )

    def as_read(self, digest: str, runs: Runs) -> "Case":
        """This case, with the digest of the files that it was read from, and its runs.

        Its arrays become read-only, so that they stay what the digest says.
        """
        self.__dict__.update(_digest=digest, runs=runs)
        for array in (self.images, self.labels, self.brain):
            array.flags.writeable = False
        return self

    @cached_property
    def runs(self) -> Runs:
        """Where the voxels of each class are."""
        return runs_of(self.labels, self.brain)

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between slices, rows and columns: (3,)."""
        return voxel_sizes(self.affine)[::-1]

    @property
    def box(self) -> tuple[slice, ...]:
        """The part of the scan that the arrays hold."""
        ends = np.add(self.origin, self.labels.shape).tolist()
        return tuple(map(slice, self.origin, ends))

    def to_scan(self, volume: np.ndarray) -> np.ndarray:
        """A map (s, h, w) of the case on the grid of the whole scan; 0 outside the box."""
        volume = np.asarray(volume)
        fits = volume.shape == self.labels.shape
        expect(fits, f"a map of the case, {self.labels.shape},", volume=volume.shape)
        whole = np.zeros(self.scan_shape, volume.dtype)
        whole[self.box] = volume
        return whole

    def from_scan(self, whole: np.ndarray) -> np.ndarray:
        """The part (s, h, w) of a map on the grid of the whole scan that the case holds."""
        whole = np.asarray(whole)
        expect(
            whole.shape == self.scan_shape,
            f"a map of the scan, {self.scan_shape},",
            whole=whole.shape,
        )
        return whole[self.box]

    def widest_slice(self, axis: int = 0) -> int:
        """Number of the slice with most tumour, across an axis of the arrays; of the middle slice
        if there is no tumour."""
        tumour = np.moveaxis(self.labels > 0, whole(0, 2, axis=axis), 0).sum(axis=(1, 2))
        return int(tumour.argmax()) if tumour.any() else len(tumour) // 2
