"""Case: one examination, cut to its own brain."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .runs import Runs, runs_of

__all__ = ["AIR", "SYNTHETIC", "Case", "digest_of"]

AIR = -5.0
"""Intensity of everything outside the brain. z-scores in the brain are clipped to [-5, 5], so
nothing in the brain is darker, and air can never look like average brain (which is 0)."""
SYNTHETIC = "synthetic: imbalance_tf phantom"
"""How the description in the header of every scan of the embedded cohort begins."""


def digest_of(arrays: Iterable[np.ndarray]) -> str:
    """Of the content of arrays, with their shapes and dtypes."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Case:
    """One examination as axial slices: row 0 is anterior, column 0 the patient's right.

    Parameters
    ----------
    id : str
        Its name.
    images : (s, h, w, M) float16
        z-scores over the brain of each of M modalities, `AIR` outside the brain.
    labels : (s, h, w) uint8
        Class number of each voxel, by the scheme of the cohort.
    brain : (s, h, w) bool
        Where there is brain.
    affine : (4, 4) float
        Voxel (column, row, slice) of the whole scan to scanner millimetres.
    origin : (3,) int
        Slice, row and column of the scan where the arrays begin: they hold the brain only.
    scan_shape : (3,) int
        Slices, rows and columns of the scan; by default those of the arrays.
    synthetic : bool
        Whether `write_phantom_cohort` made it, as its scans themselves say.

    Raises
    ------
    ValueError
        If the arrays do not fit each other or the scan.

    Examples
    --------
    >>> case = cohort["small"]
    >>> case.images.shape[:3] == case.labels.shape == case.brain.shape
    True
    """

    id: str
    images: np.ndarray
    labels: np.ndarray
    brain: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    origin: tuple[int, int, int] = (0, 0, 0)
    scan_shape: tuple[int, int, int] | None = None
    synthetic: bool = False

    def __post_init__(self):
        if self.images.ndim != 4:
            raise ValueError(
                f"case '{self.id}': images has shape {self.images.shape}; (slices, rows, columns, "
                f"modalities) is expected"
            )
        for name in ("labels", "brain"):
            if (shape := getattr(self, name).shape) != self.images.shape[:3]:
                raise ValueError(
                    f"case '{self.id}': {name} has shape {shape}, images {self.images.shape}; the "
                    f"first three axes must agree"
                )
        whole = self.images.shape[:3] if self.scan_shape is None else self.scan_shape
        origin = tuple(int(first) for first in self.origin)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "scan_shape", tuple(int(size) for size in whole))
        object.__setattr__(self, "brain", self.brain.astype(bool, copy=False))
        ends = np.add(origin, self.images.shape[:3])
        if min(origin) < 0 or (ends > self.scan_shape).any():
            raise ValueError(
                f"case '{self.id}': its arrays go from {origin} to {tuple(ends.tolist())}; the "
                f"scan has {self.scan_shape}"
            )

    def __repr__(self):
        slices, height, width, channels = self.images.shape
        return f"Case('{self.id}', {slices} slices of {height}x{width}, {channels} modalities)"

    @property
    def digest(self) -> str:
        """Of its content: of the scans as they were read, where it comes from files, so that it is
        the same on every processor; else of the arrays."""
        # Not a field: a copy with other arrays (dataclasses.replace) must not keep it.
        return self.__dict__.get("_digest") or digest_of(
            [self.images, self.labels, self.brain, self.affine, np.array(self.origin)]
        )

    def as_read(self, digest: str, runs: Runs) -> "Case":
        """This case, with the digest of the files that it was read from, and its runs.

        Its arrays cannot be written to from then on, so that they stay what the digest says.
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
        return np.linalg.norm(self.affine[:3, :3], axis=0)[::-1]

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The part of the scan that the arrays hold."""
        sizes = self.images.shape[:3]
        return tuple(slice(at, at + size) for at, size in zip(self.origin, sizes, strict=True))

    def to_scan(self, volume: np.ndarray) -> np.ndarray:
        """A map (s, h, w) of the case on the grid of the whole scan; 0 outside."""
        whole = np.zeros(self.scan_shape, volume.dtype)
        whole[self.box] = volume
        return whole

    def from_scan(self, whole: np.ndarray) -> np.ndarray:
        """The part of a map on the scan's grid that the case holds: (s, h, w)."""
        return whole[self.box]

    def widest_slice(self) -> int:
        """The slice with most tumour; the middle one where there is none."""
        tumour = (self.labels > 0).sum(axis=(1, 2))
        return int(tumour.argmax()) if tumour.any() else len(tumour) // 2
