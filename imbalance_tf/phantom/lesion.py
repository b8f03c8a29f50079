"""A glioma: its centre, its mass effect, and the five classes of voxels it makes."""

import numpy as np
from scipy import ndimage

from .anatomy import CALLOSUM, Anatomy, Tissue
from .fields import Grid, SmoothField, sample_voxels
from .growth import STEP_MM, grow

HEALTHY, NECROSIS, EDEMA, NON_ENHANCING, ENHANCING = range(5)
"""Label values of BraTS 2013; 0 is healthy brain and air alike."""

MEDIAN_ML, LOG_SD, SMALLEST_ML, LARGEST_ML = 112, 0.45, 34, 205
"""Whole-tumour volumes: 26-232 ml, median 116, in twenty patients of BraTS 2018."""
SHARE_LIMITS = ((0.01, 2.4), (2.4, 8.4), (0.07, 3.3), (0.55, 2.5))
"""% of brain that necrosis, edema, non-enhancing and enhancing tumour may take up: slightly
narrower than the ranges of six patients of BraTS 2013."""
LOW_GRADE_ENHANCING = (0.03, 0.4)
"""The same for the enhancing part of a low-grade tumour, which hardly enhances."""
CORE_MIX = {
    # Shares of necrosis, non-enhancing and enhancing tumour in the core, and how alike the cases
    # are (the concentration of a Dirichlet distribution).
    "high grade": ((0.37, 0.12, 0.51), 10),
    "low grade": ((0.09, 0.81, 0.10), 20),
}
REACH_MM = 66
"""Half side of the box in which a tumour may grow."""


class Lesion:
    """One tumour in one brain; making it pushes the anatomy aside (mass effect).

    The shapes are those of the fields that grew (`growth.Growth`); the volumes are sampled. Each
    class is the wanted number of voxels with the highest score, so that class shares are right
    whatever the anatomy did to the growth.
    """

    def __init__(
        self, rng: np.random.Generator, anatomy: Anatomy, *, low_grade: bool, volume: float = 1
    ):
        self._class_ml = volume * _sample_volumes(rng, anatomy, low_grade)
        core_ml = _core(self._class_ml)
        radius = np.cbrt(core_ml * 1000 * 3 / (4 * np.pi))
        self._centre = _sample_centre(rng, anatomy)
        # Most tumours are one lump; some have one or two more foci beside the first.
        foci = rng.choice(3, p=(0.6, 0.28, 0.12))
        offsets = rng.normal(0, 0.6 * radius, size=(foci, 3)) * (1, 1, 0.35)
        seeds = [(self._centre, 0.8)]
        seeds += [(self._centre + offset, rng.uniform(0.05, 0.4)) for offset in offsets]

        anatomy.push(self._centre, reach=1.3 * radius, strength=rng.uniform(0.15, 0.45))
        diffuse = rng.uniform(2.2, 3.2) if low_grade else rng.uniform(1.5, 2.4)
        self._growth = grow(rng, anatomy, seeds, core_ml=core_ml, length=diffuse)

        self._core_bumps = SmoothField(rng, (6, 0.5), (2.5, 0.2))
        self._edema_bumps = SmoothField(rng, (9, 1.8), (3, 0.7))
        self._rim_width = SmoothField(rng, (9, 0.4))
        patchy = 1.6 if low_grade else 0.7
        self._rim_gaps = SmoothField(rng, (13, patchy))
        self._rim_holes = SmoothField(rng, (2, 0.75 * patchy))
        self._necrosis_bumps = SmoothField(rng, (8, 0.8), (1.6, 0.38))

    def labels(self, grid: Grid, tissue: Tissue) -> tuple[np.ndarray, np.ndarray]:
        """Labels (uint8, the values of BraTS 2013) and vigour (float32) of every voxel of a grid.

        Vigour is how pronounced a voxel is within its class, mean 0 and sd 1: wet edema, bright
        rim, liquid necrosis. It is 0 in healthy tissue.
        """
        labels, vigour = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32)
        box = grid.box_around(self._centre, REACH_MM)
        grid, view = grid.crop(box), labels[box]
        tissue = Tissue(*(part[box] for part in tissue))
        wanted = self._class_ml * 1000 / np.prod(grid.spacing)
        scores = np.zeros((5, *grid.shape), np.float32)

        def grown(name: str, lowest: float) -> np.ndarray:
            return self._growth.on(grid, tissue.compartment, name, lowest)

        free = tissue.brain & (tissue.compartment > 0)
        score = grown("cells", -16) + self._core_bumps.on(grid)
        solid = free & (tissue.periventricular < 0.4) & (tissue.csf < 0.75)
        core = _main_piece(highest(score, solid, _core(wanted)))

        # Fluid spreads in white matter and stops at cortex and ventricles: `flow` says so on the
        # coarse grid, the tissue on the fine one. Where cells are dense there is more fluid.
        scores[EDEMA] = grown("flow", -80) + np.clip(score, -8, 0) - 9 * tissue.gm
        scores[EDEMA] += self._edema_bumps.on(grid)
        outside = free & ~core & (tissue.csf < 0.4)
        view[highest(scores[EDEMA], outside, wanted[EDEMA - 1])] = EDEMA

        self._divide_core(grid, core, grown("starved", 0), wanted, view, scores)
        self._wrap(grid, tissue, view)
        view[~_main_piece(view > 0)] = HEALTHY
        for value in (NECROSIS, EDEMA, NON_ENHANCING, ENHANCING):
            here = view == value
            if here.any():
                vigour[box][here] = standardised(scores[value][here])
        return labels, vigour

    def _divide_core(self, grid, core, starved, wanted, labels, scores) -> None:
        """An uneven rim with gaps enhances, starved tissue behind it dies, the rest does neither.

        New vessels, which leak contrast, form where living tumour lacks oxygen: next to the
        necrosis, under the surface. The surface itself is still fed by the vessels of the brain.
        """
        share = core.sum() / max(_core(wanted), 1)
        depth = ndimage.distance_transform_edt(core, sampling=grid.spacing).astype(np.float32)
        width = 3 * np.exp(self._rim_width.on(grid))
        gaps = self._rim_gaps.on(grid)
        scores[ENHANCING] = gaps + self._rim_holes.on(grid) - np.abs(depth - 2.2) / width
        enhancing = highest(scores[ENHANCING], core, share * wanted[ENHANCING - 1])
        # Where the rim has gaps the necrosis may reach the surface.
        scores[NECROSIS] = 0.25 * starved + np.minimum(depth, 2.5) / 5 - 1.1 * gaps
        scores[NECROSIS] += self._necrosis_bumps.on(grid)
        necrosis = highest(scores[NECROSIS], core & ~enhancing, share * wanted[NECROSIS - 1])
        scores[NON_ENHANCING] = -depth
        labels[core] = NON_ENHANCING
        labels[enhancing] = ENHANCING
        labels[necrosis] = NECROSIS

    def _wrap(self, grid: Grid, tissue: Tissue, labels: np.ndarray) -> None:
        """Leave little necrosis or non-enhancing tumour right beside healthy brain.

        The transition from such tissue to brain is gradual, and annotators label it as edema.
        """
        beside = ndimage.binary_dilation(tissue.brain & (labels == HEALTHY))
        beside &= np.isin(labels, (NECROSIS, NON_ENHANCING)) & (tissue.csf < 0.4)
        beside &= self._edema_bumps.on(grid) > -1
        labels[beside] = EDEMA


def _sample_volumes(rng: np.random.Generator, anatomy: Anatomy, low_grade: bool) -> np.ndarray:
    """Millilitres of necrosis, edema, non-enhancing and enhancing tumour."""
    volume = np.clip(MEDIAN_ML * np.exp(rng.normal(0, LOG_SD)), SMALLEST_ML, LARGEST_ML)
    edema = np.clip(rng.normal(0.62, 0.09), 0.42, 0.82)
    mean_mix, concentration = CORE_MIX["low grade" if low_grade else "high grade"]
    # Every class is present: 1 % of the core at least.
    mix = 0.97 * rng.dirichlet(np.multiply(mean_mix, concentration)) + 0.01
    shares = np.insert(mix * (1 - edema), 1, edema)
    limits = np.array(SHARE_LIMITS)
    if low_grade:
        limits[-1] = LOW_GRADE_ENHANCING
    brain_ml = anatomy.tissue(Grid.regular(STEP_MM)).brain.sum() * STEP_MM**3 / 1000
    return np.clip(volume * shares, *(brain_ml * limits.T / 100))


def _sample_centre(rng: np.random.Generator, anatomy: Anatomy) -> np.ndarray:
    """A point of the cerebral white matter, in mm of the field of view."""
    step = 4
    tissue = anatomy.tissue(Grid.regular(step))
    weight = ndimage.gaussian_filter(tissue.wm, 1)
    hemisphere = (tissue.compartment > 0) & (tissue.compartment != CALLOSUM)
    weight = np.where(hemisphere & (weight > 0.4), weight, 0)
    return np.float32(step) * sample_voxels(rng, weight, None).astype(np.float32)


def _core(amounts: np.ndarray) -> float:
    """The sum over all tumour classes but edema."""
    return amounts.sum() - amounts[EDEMA - 1]


def _main_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a mask."""
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])


def highest(score: np.ndarray, where: np.ndarray, count: float) -> np.ndarray:
    """Mask of the ``count`` voxels of ``where`` with the highest score."""
    candidates = score[where]
    count = min(round(count), candidates.size)
    if count == 0:
        return np.zeros_like(where)
    threshold = np.partition(candidates, candidates.size - count)[candidates.size - count]
    return where & (score >= threshold)


def standardised(values: np.ndarray) -> np.ndarray:
    """Values with mean 0 and sd 1, clipped to 2.5."""
    return np.clip((values - values.mean()) / (values.std() + 1e-3), -2.5, 2.5)
