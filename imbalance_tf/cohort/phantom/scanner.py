"""The scanner: tissue and tumour become T1, T1c, T2 and FLAIR images."""

import numpy as np
from scipy import ndimage

from .anatomy import Tissue
from .fields import Grid, RoughField, SmoothField

MODALITIES = ("t1", "t1ce", "t2", "flair")

MEAN_Z = {
    # Mean intensities in standard deviations of the brain, as before the final z-scoring: after it
    # the tissues have the means of eight slices of BraTS 2013, the tumour classes those and the
    # ones of sixteen high-grade cases of BraTS 2018.
    #         CSF    GM     WM     necr.  edema  non-e. enh.
    "t1": (-2.20, -0.36, +0.80, -0.80, -0.36, -0.50, -0.32),
    "t1ce": (-1.80, -0.38, +0.62, -0.88, -0.45, -0.55, +1.75),
    "t2": (+2.00, -0.16, -0.70, +2.05, +0.88, +1.02, +1.03),
    "flair": (-2.20, -0.32, -0.38, +1.25, +1.45, +1.55, +1.70),
}
SD_Z = {
    # Texture within one class of one case; noise, bias and borders come on top.
    "t1": (0.50, 0.28, 0.22, 0.33, 0.33, 0.33, 0.33),
    "t1ce": (0.50, 0.28, 0.22, 0.35, 0.28, 0.28, 0.75),
    "t2": (0.75, 0.32, 0.26, 0.98, 0.54, 0.72, 0.65),
    "flair": (0.60, 0.40, 0.34, 0.94, 0.83, 0.83, 0.94),
}
CASE_SD = {"t1": 0.33, "t1ce": 0.25, "t2": 0.40, "flair": 0.80}
"""How far a case's whole tumour is brighter or darker than the average case's."""
MEAN_OVER_SD = {"t1": 4.5, "t1ce": 4.0, "t2": 2.6, "flair": 3.2}
"""Distance of the mean brain from no signal, in standard deviations of the brain."""
WATER = {"t1": -1, "t1ce": -1, "t2": 1, "flair": 1}
"""Where tissue holds more water, T1 darkens and T2 brightens."""


def scan(
    rng: np.random.Generator, grid: Grid, tissue: Tissue, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """The images of one case, one per name of `MODALITIES`: int16, brain 1 or more, air 0."""
    box, weights = _class_weights(rng, grid, labels)
    wet = SmoothField(rng, 3).on(grid)
    vessels, choroid, hyperintense = _distractors(rng, grid, tissue)
    images = {}
    for modality in MODALITIES:
        means, spread = np.array(MEAN_Z[modality]), np.array(SD_Z[modality])
        means[:3] += rng.normal(0, 0.12, size=3)
        means[3:] += rng.normal(0, CASE_SD[modality]) + rng.normal(0, 0.2, size=4)

        z = _mix(means, tissue, box, weights, shine_through=0.3)
        if modality == "t1ce":
            z += 3 * vessels + 2.5 * choroid
        elif modality == "t2":
            z -= 1.5 * vessels
        elif modality == "flair":
            z += 1.5 * hyperintense
        blur = rng.uniform(0.5, 0.9)
        z = ndimage.gaussian_filter(z, [blur / step for step in grid.spacing], truncate=3)

        texture = RoughField(rng, (18, 0.6), (6, 0.55), (2, 0.22)).on(grid)
        texture += np.float32(0.5 * WATER[modality]) * wet
        z += _mix(spread, tissue, box, weights, shine_through=0) * texture

        signal = np.maximum(z + MEAN_OVER_SD[modality], 0)
        signal *= np.exp(np.float32(rng.uniform(0.02, 0.07)) * SmoothField(rng, 70).on(grid))
        noise = np.float32(rng.uniform(0.05, 0.15))
        signal += noise * rng.standard_normal(grid.shape, np.float32)
        signal = np.hypot(signal, noise * rng.standard_normal(grid.shape, np.float32))
        signal *= np.float32(np.exp(rng.uniform(np.log(20), np.log(800))))
        images[modality] = np.where(tissue.brain, np.clip(np.rint(signal), 1, 32767), 0).astype(
            np.int16
        )
    return images


def _class_weights(rng: np.random.Generator, grid: Grid, labels: np.ndarray):
    """The box round the tumour, and in it how much each tumour class makes up of a voxel.

    Annotators draw borders where the image has none: the classes fade into each other and into
    healthy tissue over a distance that differs between cases.
    """
    box = tuple(
        slice(max(section.start - 6, 0), section.stop + 6)
        for section in ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    )
    sigma = [rng.uniform(0.8, 1.4) / step for step in grid.spacing]
    return box, [
        ndimage.gaussian_filter((labels[box] == value).astype(np.float32), sigma)
        for value in (1, 2, 3, 4)
    ]


def _mix(values, tissue: Tissue, box, weights, *, shine_through: float) -> np.ndarray:
    """Values of tissues and tumour classes, averaged by how much of each is in a voxel.

    ``shine_through`` of the contrast of the anatomy stays visible under the tumour.
    """
    csf, gm, wm = np.float32(values[:3])
    mixed = csf * tissue.csf + gm * tissue.gm + wm * tissue.wm
    below = mixed[box]
    beside = sum(np.float32(v) * weight for v, weight in zip(values[3:], weights, strict=True))
    part = sum(weights)
    ground = (gm + wm) / 2
    mixed[box] = below * (1 - part) + beside + np.float32(shine_through) * part * (below - ground)
    return mixed


def _distractors(rng: np.random.Generator, grid: Grid, tissue: Tissue):
    """What is bright and no tumour: vessels, choroid plexus, white matter by the ventricles.

    Vessels are tubes round the curves where two random fields are both zero.
    """
    first, second = SmoothField(rng, 10).on(grid), SmoothField(rng, 10).on(grid)
    vessels = np.exp(-(first * first + second * second) / (2 * 0.07**2))
    vessels *= np.clip(tissue.csf + 0.5 * tissue.gm, 0, 1)
    choroid = np.clip(SmoothField(rng, 5).on(grid) - 0.8, 0, 1)
    choroid *= (tissue.periventricular > 0.6) * tissue.csf
    amount = np.float32(rng.uniform(0.2, 1))
    hyperintense = amount * np.clip(1 + 0.7 * SmoothField(rng, 12).on(grid), 0, 2)
    hyperintense *= np.clip(2 * tissue.periventricular, 0, 1) * tissue.wm
    return vessels, choroid, hyperintense
