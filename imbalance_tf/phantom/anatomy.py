"""A healthy brain: the ICBM 2009a average, made into an individual by scaling and bending."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from .fields import FIELD_OF_VIEW, Grid, SmoothField

TEMPLATE_CENTRE = np.array([98.0, 117.0, 77.0])
"""Middle of the template's brain, in its voxels (1 mm, RAS); voxel = MNI mm + (98, 134, 72)."""
SCAN_CENTRE = (np.array(FIELD_OF_VIEW) - 1) / 2
"""Where that middle comes to lie in the scan, in mm."""
BENDS = ((45, 3.5), (18, 1.6), (8, 0.8))
"""Sizes and amplitudes of the random displacement, mm: of lobes, gyri and sulci."""
VENTRICLES = ((70, 126), (80, 172), (60, 108))
"""The box of the template, in its voxels, whose fluid is that of the lateral ventricles."""
CALLOSUM = 3
"""The compartment through which the two hemispheres (1, 2) meet; 0 is closed to any growth."""


class Tissue(NamedTuple):
    """Fractions of grey matter, white matter and fluid in every voxel (float32, sum 1 in brain).

    ``brain`` (bool) is what a skull stripper would keep. ``periventricular`` is 1 deep in the
    lateral ventricles and falls to 0 a few mm outside them. ``compartment`` (uint8) is 1 in the
    right cerebral hemisphere, 2 in the left, 3 in the corpus callosum that joins them, and 0
    elsewhere: cerebellum, brain stem and air.
    """

    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    brain: np.ndarray
    periventricular: np.ndarray
    compartment: np.ndarray


@lru_cache(maxsize=1)
def _template() -> tuple[np.ndarray, ...]:
    """Grey matter, white matter, periventricular, brain and compartment maps of ICBM 2009a, RAS."""
    from nilearn import datasets  # slow to import, and only needed when a cohort is written

    t1, gm, wm = (
        load(resolution=1).get_fdata(dtype=np.float32)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    )
    brain = t1 > 0
    # In the average of 152 people most sulci look like grey matter; the T1, which is darker there,
    # restores them: 0.63 is darker than grey matter (0.66), 0.50 is fluid. One person's border
    # between grey and white matter is also sharper than the average's.
    csf = np.clip(np.maximum(1 - gm - wm, (0.63 - t1) / 0.13), 0, 1) * brain
    white = np.clip(1.6 * wm / np.maximum(gm + wm, 1e-3) - 0.3, 0, 1)
    inside = np.zeros_like(csf)
    box = tuple(slice(*limits) for limits in VENTRICLES)
    inside[box] = csf[box] > 0.5
    inside = ndimage.binary_opening(inside, iterations=2).astype(np.float32)
    return (
        (1 - white) * (1 - csf) * brain,
        white * (1 - csf) * brain,
        ndimage.gaussian_filter(inside, 2.5),
        ndimage.gaussian_filter(brain.astype(np.float32), 1.5),
        _compartments(white),
    )


def _compartments(white: np.ndarray) -> np.ndarray:
    """The parts into which falx and tentorium divide the template, as in `Tissue.compartment`.

    The tentorium is a tent of planes, fitted by eye to the gap above the cerebellum.
    """
    voxels = np.ogrid[tuple(slice(size) for size in white.shape)]
    x, y, z = (axis - zero for axis, zero in zip(voxels, (98, 134, 72), strict=True))  # MNI mm
    side = abs(x)
    tent = np.maximum(2 - 0.75 * side, -21 - 0.08 * side) - 0.45 * np.maximum(-58 - y, 0)
    below = (y < -28) & (z < tent)
    stem = (side < 16) & (z < -9) & (y > -50) & (y < -6)
    callosum = (side < 9) & (abs(y + 5) < 40) & (z > -4) & (z < 34) & (white > 0.6)
    halves = np.where(x > 0, np.uint8(1), np.uint8(2))
    return np.where(below | stem, np.uint8(0), np.where(callosum, np.uint8(CALLOSUM), halves))


class Anatomy:
    """One person's brain, defined at every point of the field of view.

    A point of the scan is mapped to the template: by pushes (ventricles, mass effect), a smooth
    random displacement, then rotation and scaling. The displacement differs between left and
    right; without it the template is exactly mirror-symmetric.
    """

    def __init__(self, rng: np.random.Generator):
        # 1,883 ml of template become 1,174-1,729 ml (median 1,465) of brain, as in BraTS 2018.
        scale = np.clip(rng.normal(0.914, 0.023), 0.88, 0.965) * rng.normal(1, 0.015, size=3)
        tilt = np.deg2rad(rng.normal(0, 2.5, size=3))
        rotation = np.eye(3) + np.cross(np.eye(3), tilt)  # of a few degrees: first order is enough
        # In the scan x grows to the left and y to the back (LPS), in the template right and front.
        self._matrix = (rotation @ np.diag([-1, -1, 1] / scale)).astype(np.float32)
        self._displacement = [SmoothField(rng, *BENDS) for _ in range(3)]
        self._ragged_edge = SmoothField(rng, (6, 1))
        self._pushes: list[tuple[np.ndarray, float, float]] = []
        # Ventricles grow with age: widen (or narrow) the middle of the brain.
        x, y, z = SCAN_CENTRE
        self.push((x, y, z + 6), reach=32, strength=rng.uniform(-0.15, 0.4))

    def push(self, centre: ArrayLike, *, reach: float, strength: float) -> None:
        """Push tissue away from a centre (mm), strongly within ``reach`` mm, fading outside.

        ``strength`` 0.3 enlarges the middle by 1 / (1 - 0.3); negative values pull instead.
        """
        self._pushes.append((np.asarray(centre, np.float32), reach, strength))

    def tissue(self, grid: Grid) -> Tissue:
        """Tissue fractions on a grid."""
        position = self._template_position(grid)
        *tissues, whole, compartments = _template()
        inside = ndimage.map_coordinates(whole, position, order=1, prefilter=False)
        brain = inside > 0.55 + 0.1 * self._ragged_edge.on(grid)
        position = position[:, brain]  # two thirds of the box are air: look up the rest only

        def in_brain(values: np.ndarray) -> np.ndarray:
            whole = np.zeros(grid.shape, values.dtype)
            whole[brain] = values
            return whole

        gm, wm, periventricular = (
            in_brain(ndimage.map_coordinates(source, position, order=1, prefilter=False))
            for source in tissues
        )
        nearest = np.ravel_multi_index(
            tuple(np.rint(position).astype(np.int16)), compartments.shape, mode="clip"
        )
        csf = np.clip(brain - gm - wm, 0, 1)
        compartment = in_brain(compartments.ravel()[nearest])
        return Tissue(gm, wm, csf, brain, periventricular, compartment)

    def _template_position(self, grid: Grid) -> np.ndarray:
        """Template voxel coordinates of every point of a grid: (3, *shape) float32."""
        points = [np.broadcast_to(axis, grid.shape).astype(np.float32) for axis in grid.open]
        for centre, reach, strength in self._pushes:
            offsets = [point - c for point, c in zip(points, centre, strict=True)]
            square = sum(offset * offset for offset in offsets) / np.float32(reach**2)
            inward = np.float32(strength) * np.exp(-square)
            points = [p - inward * o for p, o in zip(points, offsets, strict=True)]
        for point, centre, bends in zip(points, SCAN_CENTRE, self._displacement, strict=True):
            point += bends.on(grid) - np.float32(centre)
        position = np.tensordot(self._matrix, np.stack(points), axes=1)
        position += TEMPLATE_CENTRE[:, None, None, None].astype(np.float32)
        return position
