"""Smooth random fields: the one kind of randomness that anatomy, lesion and scanner share."""

from dataclasses import dataclass

import numpy as np

FIELD_OF_VIEW = (240, 240, 155)
"""Voxels of a BraTS volume, and its size in mm, along x (to the left), y (back) and z (up)."""


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: the mm coordinates along x, y and z of a box of the field of view.

    Voxel (i, j, k) of the written files lies at ``x=i, y=j, z=k * slice_thickness``. Whatever is
    random is a function of these millimetres, so that the same patient can be looked at on thick
    or thin slices, as a whole or in a box around the tumour.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.x, self.y, self.z

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.x), len(self.y), len(self.z)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        return tuple(float(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in self.axes)

    @property
    def open(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three axes, shaped to broadcast against each other."""
        return np.ix_(*self.axes)

    def crop(self, box: tuple[slice, slice, slice]) -> "Grid":
        return Grid(*(axis[section] for axis, section in zip(self.axes, box, strict=True)))

    def box_around(self, point, reach: float) -> tuple[slice, slice, slice]:
        """The voxels within ``reach`` mm of a point along every axis."""
        return tuple(
            slice(*np.searchsorted(axis, (middle - reach, middle + reach)))
            for axis, middle in zip(self.axes, point, strict=True)
        )

    def interpolate(self, values: np.ndarray, finer: "Grid") -> np.ndarray:
        """Values on this grid, linearly interpolated to another one; beyond the ends they fade."""
        for points, knots, step in zip(finer.axes, self.axes, self.spacing, strict=True):
            weights = np.maximum(1 - np.abs(points[:, None] - knots) / np.float32(step), 0)
            # As in SmoothField.on: three turns bring the axes back in order.
            values = np.tensordot(values, weights.astype(np.float32), axes=(0, 1))
        return values

    @classmethod
    def regular(cls, step: float) -> "Grid":
        """The whole field of view, sampled every ``step`` mm."""
        return cls(*(np.arange(0, size, step, dtype=np.float32) for size in FIELD_OF_VIEW))


class SmoothField:
    """A stationary Gaussian random field: mean 0, variance 1 at every point of space.

    White noise on a lattice, summed with Gaussian weights. The weights are separable, so a field
    costs three small matrix products, and it is defined everywhere: the same field can be looked
    at on any `Grid`.

    Parameters
    ----------
    rng
        Source of the lattice noise; the amount drawn depends on ``scale`` alone.
    scale
        Size of the bumps in mm (the autocorrelation is a Gaussian with this standard deviation).
    """

    def __init__(self, rng: np.random.Generator, scale: float):
        # A lattice finer than the kernel, and margins of three standard deviations of it, keep
        # the variance and the correlation free of any trace of the lattice.
        self._sigma = scale / np.sqrt(2)
        self._knots = [
            np.arange(-3 * self._sigma, size + 3 * self._sigma, scale) for size in FIELD_OF_VIEW
        ]
        shape = [len(knots) for knots in self._knots]
        self._noise = rng.standard_normal(shape, dtype=np.float32)

    def on(self, grid: Grid) -> np.ndarray:
        """Values on a grid: float32 of the grid's shape."""
        values = self._noise
        for points, knots in zip(grid.axes, self._knots, strict=True):
            weights = np.exp(-0.5 * ((points[:, None] - knots) / self._sigma) ** 2)
            weights /= np.sqrt(np.square(weights).sum(axis=1, keepdims=True))
            # Contracting the first axis and appending the new one turns the axes round; after
            # three turns they are back in order.
            values = np.tensordot(values, weights.astype(np.float32), axes=(0, 1))
        return values


class RoughField:
    """A sum of smooth fields: ``bumps`` lists the scale in mm and the amplitude of each."""

    def __init__(self, rng: np.random.Generator, *bumps: tuple[float, float]):
        self._fields = [(np.float32(amplitude), SmoothField(rng, mm)) for mm, amplitude in bumps]

    def on(self, grid: Grid) -> np.ndarray:
        """Values on a grid: float32 of the grid's shape."""
        return sum(amplitude * field.on(grid) for amplitude, field in self._fields)
