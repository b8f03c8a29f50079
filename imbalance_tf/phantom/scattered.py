"""A second disease of the same imbalance: small lesions scattered through the white matter.

As in multiple sclerosis or small vessel disease: many foci of a few millimetres, most of them near
the ventricles, bright on FLAIR and T2. Two classes, healthy and lesion.
"""

import numpy as np
from scipy import ndimage

from .anatomy import CALLOSUM, Anatomy, Tissue
from .fields import Grid, SmoothField, sample_voxels
from .lesion import highest, standardised

MEDIAN_ML, LOG_SD = 9, 0.8
SHARE_LIMITS = (0.15, 3)
"""% of brain; lesion loads from under one to some forty millilitres."""
RADIUS_MM, RADIUS_LOG_SD, RADIUS_LIMITS = 3.0, 0.45, (1.5, 9)
STEP_MM = 3


class ScatteredLesions:
    """The lesions of one patient: where they are, how large, and their ragged outlines."""

    def __init__(self, rng: np.random.Generator, anatomy: Anatomy, *, volume: float = 1):
        tissue = anatomy.tissue(Grid.regular(STEP_MM))
        brain_ml = tissue.brain.sum() * STEP_MM**3 / 1000
        limits = brain_ml * np.array(SHARE_LIMITS) / 100
        self._millilitres = volume * np.clip(MEDIAN_ML * np.exp(rng.normal(0, LOG_SD)), *limits)

        # Foci until their volume is reached, near the ventricles as often as anywhere else.
        radii = RADIUS_MM * np.exp(rng.normal(0, RADIUS_LOG_SD, size=4000))
        radii = np.clip(radii, *RADIUS_LIMITS)
        volumes = np.cumsum(4 / 3 * np.pi * radii**3 / 1000)
        self._radii = radii[: 1 + np.searchsorted(volumes, 1.4 * self._millilitres)]
        near = ndimage.gaussian_filter(tissue.periventricular, 2)
        weight = (tissue.wm > 0.75) * (tissue.compartment % CALLOSUM > 0) * (0.02 + near)
        corners = sample_voxels(rng, weight, len(self._radii)) * STEP_MM
        self._centres = corners + rng.uniform(-0.5, 0.5, corners.shape) * STEP_MM
        self._stretch = np.exp(rng.normal(0, 0.25, size=corners.shape))
        self._bumps = SmoothField(rng, (3, 0.22), (1.5, 0.12))

    def labels(self, grid: Grid, tissue: Tissue) -> tuple[np.ndarray, np.ndarray]:
        """Labels (uint8) and vigour (float32) on a grid, as `Lesion.labels` gives them."""
        depth = np.full(grid.shape, -np.inf, np.float32)
        for centre, radius, stretch in zip(self._centres, self._radii, self._stretch, strict=True):
            box = grid.box_around(centre, 2 * radius + max(grid.spacing))
            square = sum(
                (s * (axis - c)) ** 2
                for axis, c, s in zip(grid.crop(box).open, centre, stretch, strict=True)
            )
            np.maximum(depth[box], np.float32(1) - np.sqrt(square) / radius, out=depth[box])
        depth += self._bumps.on(grid)
        where = (tissue.wm > 0.6) & (tissue.compartment > 0) & (depth > -0.4)
        lesion = highest(depth, where, self._millilitres * 1000 / np.prod(grid.spacing))
        vigour = np.zeros(grid.shape, np.float32)
        vigour[lesion] = standardised(depth[lesion])
        return lesion.astype(np.uint8), vigour
