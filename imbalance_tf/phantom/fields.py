"""Smooth random fields: the one kind of randomness that anatomy, lesion and scanner share."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

FIELD_OF_VIEW = (240, 240, 155)
"""Voxels of a BraTS volume, and its size in mm, along x (to the left), y (back) and z (up)."""


class Grid(NamedTuple):
    """Where voxels lie: the mm coordinates along x, y and z of a box of the field of view.

    Voxel (i, j, k) of the written files lies at ``x=i, y=j, z=k * slice_thickness``. Everything
    random is a function of these millimetres, so that the same patient can be computed on thick
    or thin slices, as a whole or in a box around the tumour.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @classmethod
    def regular(cls, step: float) -> "Grid":
        """The whole field of view, with a point every ``step`` mm."""
        return cls(*(np.arange(0, size, step, dtype=np.float32) for size in FIELD_OF_VIEW))

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.x), len(self.y), len(self.z)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size in mm along x, y and z."""
        return tuple(float(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in self)

    @property
    def open(self) -> tuple[np.ndarray, ...]:
        """The three axes, shaped to broadcast against each other."""
        return np.ix_(*self)

    def crop(self, box: Sequence[slice]) -> "Grid":
        return Grid(*(axis[section] for axis, section in zip(self, box, strict=True)))

    def box_around(self, point: Iterable[float], reach: float) -> tuple[slice, ...]:
        """The voxels within ``reach`` mm of a point along every axis."""
        return tuple(
            slice(*np.searchsorted(axis, (middle - reach, middle + reach)))
            for axis, middle in zip(self, point, strict=True)
        )

    def interpolate(self, values: np.ndarray, finer: "Grid") -> np.ndarray:
        """Values on this grid, linearly interpolated to another; beyond the ends they fade to 0."""
        return _weighted(
            values,
            (
                np.maximum(1 - np.abs(points[:, None] - knots) / np.float32(step), 0)
                for points, knots, step in zip(finer, self, self.spacing, strict=True)
            ),
        )


class SmoothField:
    """A Gaussian random field, the same at every point of space, that can be computed on any grid.

    It is a sum of one field per bump, each with mean 0 and the bump's amplitude as its standard
    deviation. Such a field is white noise on a lattice, summed with Gaussian weights; the weights
    are separable, so it costs three small matrix products. ``bumps`` are pairs of a size in mm (the
    autocorrelation is a Gaussian with this standard deviation) and an amplitude.
    """

    def __init__(self, rng: np.random.Generator, *bumps: tuple[float, float]):
        self._parts = []
        for size, amplitude in bumps:
            # A lattice finer than the kernel, and margins of three standard deviations of it, keep
            # the variance and the correlation free of any trace of the lattice.
            sigma = size / np.sqrt(2)
            knots = [np.arange(-3 * sigma, end + 3 * sigma, size) for end in FIELD_OF_VIEW]
            noise = rng.standard_normal([len(axis) for axis in knots], dtype=np.float32)
            self._parts.append((np.float32(amplitude), sigma, knots, noise))

    def on(self, grid: Grid) -> np.ndarray:
        """Values on a grid: float32 of the grid's shape."""
        total = np.zeros(grid.shape, np.float32)
        for amplitude, sigma, knots, noise in self._parts:
            weights = [
                np.exp(-0.5 * ((points[:, None] - axis) / sigma) ** 2)
                for points, axis in zip(grid, knots, strict=True)
            ]
            total += amplitude * _weighted(
                noise, (w / np.sqrt(np.square(w).sum(axis=1, keepdims=True)) for w in weights)
            )
        return total


def _weighted(values: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Sums of values along x, y and z, each with a matrix of weights (new points, old points)."""
    for matrix in weights:
        # Each product removes the first axis and appends the new one, so that after three of them
        # the axes are in order again.
        values = np.tensordot(values, matrix.astype(np.float32), axes=(0, 1))
    return values


def sample_voxels(rng: np.random.Generator, weight: np.ndarray, size: int | None) -> np.ndarray:
    """Indices (size, 3) of voxels, or (3,) of one, with probabilities proportional to a weight."""
    flat = weight.ravel().astype(np.float64)
    chosen = rng.choice(flat.size, p=flat / flat.sum(), size=size)
    return np.stack(np.unravel_index(chosen, weight.shape), axis=-1)
