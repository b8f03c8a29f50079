"""A glioma: its centre, its mass effect, and the five classes of voxels it makes."""

import numpy as np
from scipy import ndimage

from .anatomy import TEMPLATE_CENTRE, Anatomy, Tissue
from .fields import Grid, RoughField

HEALTHY, NECROSIS, EDEMA, NON_ENHANCING, ENHANCING = range(5)
"""Label values of BraTS 2013; 0 is healthy brain and air alike."""

MEDIAN_ML, LOG_SD, SMALLEST_ML, LARGEST_ML = 122, 0.5, 26, 232
"""Whole-tumour volumes: 26-232 ml, median 116, in twenty patients of BraTS 2018."""
CORE_MIX = {
    # Shares of necrosis, non-enhancing and enhancing tumour in the core, and how alike the cases
    # are (the concentration of a Dirichlet distribution).
    "high grade": ((0.40, 0.07, 0.53), 9),
    "low grade": ((0.15, 0.63, 0.22), 20),
}
REACH_MM = 62
"""Half side of the box in which a tumour may grow."""
STEP_MM = 3
"""Voxel size of the coarse grid on which edema travels."""


class Lesion:
    """One tumour in one brain; making it pushes the anatomy aside (mass effect).

    The classes get exactly the volumes that were drawn: each region is the wanted number of
    voxels with the highest score, and the scores are what makes the shapes.
    """

    def __init__(self, rng: np.random.Generator, anatomy: Anatomy, *, low_grade: bool):
        volume = np.clip(MEDIAN_ML * np.exp(rng.normal(0, LOG_SD)), SMALLEST_ML, LARGEST_ML)
        edema_share = np.clip(rng.normal(0.58, 0.11), 0.35, 0.82)
        mix, concentration = CORE_MIX["low grade" if low_grade else "high grade"]
        mix = rng.dirichlet(np.multiply(mix, concentration))
        self.edema_ml = volume * edema_share
        self.core_ml = volume - self.edema_ml
        # Every class is present: 3 % of the core at least.
        self.necrosis_share, _, self.enhancing_share = 0.91 * mix + 0.03

        self.radius = np.cbrt(self.core_ml * 1000 * 3 / (4 * np.pi))
        self.centre = _choose_centre(rng, anatomy)
        # Most tumours are one lump; some have a second or third focus beside the first.
        foci = rng.choice(3, p=(0.5, 0.3, 0.2))
        offsets = rng.normal(0, 0.8 * self.radius, size=(foci, 3))
        self._foci = [(self.centre, 1.0)] + [
            (self.centre + offset, rng.uniform(0.35, 0.75)) for offset in offsets
        ]
        self._stretch = np.exp(rng.normal(0, 0.15, size=3))
        self._core_bumps = RoughField(
            rng, (max(0.7 * self.radius, 5), 0.28 * self.radius), (6, 1.5), (2.5, 0.4)
        )
        self._edema_bumps = RoughField(rng, (9, 2.5), (3, 0.8))
        self._rim_width = RoughField(rng, (10, 0.35))
        patchy = 1.6 if low_grade else 0.7
        self._rim_gaps = RoughField(rng, (14, 1.3 * patchy), (2, 0.7 * patchy))
        self._necrosis_bumps = RoughField(rng, (7, 2.0), (2, 2.0))

        anatomy.push(self.centre, reach=1.3 * self.radius, strength=rng.uniform(0.15, 0.45))
        self._travel = self._edema_travel(anatomy)

    def labels(self, grid: Grid, tissue: Tissue) -> np.ndarray:
        """Class of every voxel: uint8 of the grid's shape, the values of BraTS 2013."""
        labels = np.zeros(grid.shape, np.uint8)
        box = tuple(
            slice(*np.searchsorted(axis, (middle - REACH_MM, middle + REACH_MM)))
            for axis, middle in zip(grid.axes, self.centre, strict=True)
        )
        grid, view = grid.crop(box), labels[box]
        gm, csf, ventricle, brain = (
            part[box] for part in (tissue.gm, tissue.csf, tissue.periventricular, tissue.brain)
        )
        voxels_per_ml = 1000 / np.prod(grid.spacing)

        core = _highest(
            self._core_score(grid), brain & (ventricle < 0.5), self.core_ml * voxels_per_ml
        )

        # Edema follows white matter and stops at cortex and fluid: the way there, coarse, and
        # the tissue on the spot, fine.
        at = [axis / STEP_MM for axis in grid.open]
        travel = ndimage.map_coordinates(
            self._travel, np.stack(np.broadcast_arrays(*at)), order=1, prefilter=False
        )
        score = self._edema_bumps.on(grid) - travel - 9 * gm
        edema = _highest(score, brain & (csf < 0.4) & ~core, self.edema_ml * voxels_per_ml)

        view[edema] = EDEMA
        self._divide_core(grid, core, view)
        pieces, count = ndimage.label(view > 0)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            view[pieces != 1 + np.argmax(sizes[1:])] = HEALTHY
        return labels

    def _divide_core(self, grid: Grid, core: np.ndarray, labels: np.ndarray) -> None:
        """Enhancing rim, necrosis inside, non-enhancing tumour in what is left of the core."""
        depth = ndimage.distance_transform_edt(core, sampling=grid.spacing).astype(np.float32)
        rim = self._rim_gaps.on(grid) - depth / (3 * np.exp(self._rim_width.on(grid)))
        enhancing = _highest(rim, core, self.enhancing_share * core.sum())
        dead = np.minimum(depth, 4) + self._necrosis_bumps.on(grid)
        necrosis = _highest(dead, core & ~enhancing, self.necrosis_share * core.sum())
        labels[core] = NON_ENHANCING
        labels[enhancing] = ENHANCING
        labels[necrosis] = NECROSIS

    def _core_score(self, grid: Grid) -> np.ndarray:
        """Depth in mm under an irregular surface round the foci; what is outside is negative."""
        score = np.full(grid.shape, -np.inf, np.float32)
        for centre, size in self._foci:
            square = sum(
                (stretch * (axis - middle)) ** 2
                for axis, middle, stretch in zip(grid.open, centre, self._stretch, strict=True)
            )
            np.maximum(score, np.float32(size * self.radius) - np.sqrt(square), out=score)
        return score + self._core_bumps.on(grid)

    def _edema_travel(self, anatomy: Anatomy) -> np.ndarray:
        """How far edema had to come from the core, mm of free white matter, on a coarse grid.

        The heat method: let something leave the core, blurring and losing what falls on cortex
        or fluid, and read the distance off the logarithm of what arrives (Varadhan's formula).
        """
        grid = Grid.regular(STEP_MM)
        tissue = anatomy.tissue(grid)
        core = _highest(self._core_score(grid), tissue.brain, self.core_ml * 1000 / STEP_MM**3)
        mobility = tissue.wm + np.float32(0.3) * tissue.gm
        heat = core.astype(np.float32)
        steps = 15
        for _ in range(steps):
            heat = ndimage.gaussian_filter(heat, 1, truncate=2) * mobility
            heat[core] = 1
        return STEP_MM * np.sqrt(-2 * steps * np.log(np.maximum(heat, 1e-30)))


def _choose_centre(rng: np.random.Generator, anatomy: Anatomy) -> np.ndarray:
    """A point of the cerebral white matter, in mm of the field of view."""
    grid = Grid.regular(4)
    right, front, up = (
        position - middle
        for position, middle in zip(anatomy.template_position(grid), TEMPLATE_CENTRE, strict=True)
    )
    # Above the brain stem and the cerebellum, and not between the hemispheres.
    cerebral = (up > np.where(front < -10, -8, -30)) & (np.abs(right) > 14)
    weight = np.where(cerebral, ndimage.gaussian_filter(anatomy.tissue(grid).wm, 1), 0)
    weight = np.where(weight > 0.4, weight, 0).ravel().astype(np.float64)
    chosen = rng.choice(weight.size, p=weight / weight.sum())
    voxel = np.unravel_index(chosen, grid.shape)
    return np.array([axis[i] for axis, i in zip(grid.axes, voxel, strict=True)], np.float32)


def _highest(score: np.ndarray, where: np.ndarray, count: float) -> np.ndarray:
    """Mask of the ``count`` voxels of ``where`` with the highest score."""
    candidates = score[where]
    count = min(round(count), candidates.size)
    if count == 0:
        return np.zeros_like(where)
    threshold = np.partition(candidates, candidates.size - count)[candidates.size - count]
    return where & (score >= threshold)
