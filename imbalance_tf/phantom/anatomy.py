"""A healthy brain: the ICBM 2009a average, made into an individual by scaling and bending."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from .fields import FIELD_OF_VIEW, Grid, RoughField, SmoothField

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


@dataclass(frozen=True)
class Tissue:
    """Fractions of grey matter, white matter and fluid in every voxel (float32, sum 1 in brain).

    ``periventricular`` is 1 deep in the lateral ventricles and falls to 0 a few mm outside them;
    ``brain`` is what a skull stripper would keep. ``compartment`` (uint8) is 1 in the right
    cerebral hemisphere, 2 in the left, 3 in the corpus callosum that joins them, and 0 elsewhere:
    cerebellum, brain stem and air.
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
    # The average of 152 people paints most sulci as grey matter; the T1, which is darker there,
    # gives them back: 0.63 is darker than grey matter (0.66), 0.50 is fluid. And one person's
    # border between grey and white matter is sharper than the average's.
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
    """What falx and tentorium leave of the template, as in `Tissue.compartment`.

    The tentorium is a tent of planes, fitted by eye to the gap above the cerebellum; x, y, z are
    MNI mm.
    """
    x, y, z = (
        axis - zero
        for axis, zero in zip(np.ogrid[: white.shape[0], :233, :189], (98, 134, 72), strict=True)
    )
    side = abs(x)
    tent = np.maximum(2 - 0.75 * side, -21 - 0.08 * side) - 0.45 * np.maximum(-58 - y, 0)
    below = (y < -28) & (z < tent)
    stem = (side < 16) & (z < -9) & (y > -50) & (y < -6)
    callosum = (side < 9) & (abs(y + 5) < 40) & (z > -4) & (z < 34) & (white > 0.6)
    halves = np.where(x > 0, np.uint8(1), np.uint8(2))
    return np.where(below | stem, np.uint8(0), np.where(callosum, np.uint8(CALLOSUM), halves))


class Anatomy:
    """One person's brain, defined at every point of the field of view.

    A point of the scan is mapped back to the template: pushes (ventricles, mass effect), a smooth
    random displacement, then rotation and scaling. The displacement differs between left and
    right; without it the template is exactly mirror-symmetric.
    """

    def __init__(self, rng: np.random.Generator):
        # 1,883 ml of template become 1,174-1,729 ml (median 1,465) of brain, as in BraTS 2018.
        scale = np.clip(rng.normal(0.914, 0.023), 0.88, 0.965) * rng.normal(1, 0.015, size=3)
        tilt = np.deg2rad(rng.normal(0, 2.5, size=3))
        rotation = np.eye(3) + np.cross(np.eye(3), tilt)  # of a few degrees: first order will do
        # The scan counts x to the left and y to the back (LPS), the template right and front.
        self._matrix = (rotation @ np.diag([-1, -1, 1] / scale)).astype(np.float32)
        self._displacement = [RoughField(rng, *BENDS) for _ in range(3)]
        self._ragged_edge = SmoothField(rng, 6)
        self._pushes: list[tuple[np.ndarray, float, float]] = []
        # Ventricles are the size of their owner's age: widen (or narrow) the middle of the brain.
        x, y, z = SCAN_CENTRE
        self.push((x, y, z + 6), reach=32, strength=rng.uniform(-0.15, 0.4))

    def push(self, centre, *, reach: float, strength: float) -> None:
        """Push tissue away from a centre (mm), strongly within ``reach`` mm, fading outside.

        ``strength`` 0.3 enlarges the middle by 1 / (1 - 0.3); negative values pull instead.
        """
        self._pushes.append((np.asarray(centre, np.float32), reach, strength))

    def template_position(self, grid: Grid) -> np.ndarray:
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

    def tissue(self, grid: Grid) -> Tissue:
        """Tissue fractions on a grid."""
        position = self.template_position(grid)
        *tissues, whole, compartments = _template()
        inside = ndimage.map_coordinates(whole, position, order=1, prefilter=False)
        brain = inside > 0.55 + 0.1 * self._ragged_edge.on(grid)
        position = position[:, brain]  # two thirds of the box are air: look up the rest only
        gm, wm, periventricular = (np.zeros(grid.shape, np.float32) for _ in tissues)
        for source, target in zip(tissues, (gm, wm, periventricular), strict=True):
            target[brain] = ndimage.map_coordinates(source, position, order=1, prefilter=False)
        compartment = np.zeros(grid.shape, np.uint8)
        nearest = np.rint(position).astype(np.int16)
        for axis, size in zip(nearest, compartments.shape, strict=True):
            np.clip(axis, 0, size - 1, out=axis)
        compartment[brain] = compartments[tuple(nearest)]
        csf = np.clip(brain - gm - wm, 0, 1)
        return Tissue(gm, wm, csf, brain, periventricular, compartment)
