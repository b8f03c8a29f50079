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
    "t1": (-2.42, -0.36, +0.40, -0.88, -0.53, -0.58, -0.40),
    "t1ce": (-2.12, -0.38, +0.16, -1.12, -0.70, -1.05, +2.10),
    "t2": (+2.05, -0.16, -0.66, +2.40, +1.00, +0.95, +1.03),
    "flair": (-2.90, -0.36, -0.60, +0.48, +0.55, +0.52, +0.62),
}
LESION_MEAN_Z = {"t1": -0.55, "t1ce": -0.45, "t2": 1.2, "flair": 1.9}
"""The same for white matter lesions: dark on T1, bright on T2 and FLAIR."""
SD_Z = {
    # Texture within one class of one case; noise, bias and borders come on top.
    "t1": (0.50, 0.28, 0.22, 0.33, 0.33, 0.33, 0.33),
    "t1ce": (0.50, 0.28, 0.22, 0.40, 0.33, 0.33, 0.75),
    "t2": (0.75, 0.32, 0.26, 0.95, 0.55, 0.72, 0.68),
    "flair": (0.60, 0.40, 0.34, 1.20, 0.85, 0.95, 1.15),
}
VIGOUR = {
    # How much of that texture follows `vigour`: water darkens T1 and brightens T2 and FLAIR, a
    # leaky rim takes up contrast, liquid necrosis loses its signal on FLAIR.
    #        necr.  edema  non-e. enh.
    "t1": (-0.50, -0.70, -0.30, 0.00),
    "t1ce": (-0.50, -0.50, 0.00, 0.70),
    "t2": (0.60, 0.75, 0.30, 0.30),
    "flair": (-0.50, 0.80, 0.30, 0.30),
}
CASE_SD = {"t1": 0.33, "t1ce": 0.18, "t2": 0.30, "flair": 0.70}
"""How far a case's whole tumour is brighter or darker than the average case's."""
CLASS_SD = {"t1": 0.2, "t1ce": 0.15, "t2": 0.12, "flair": 0.47}
"""The same for single classes of it."""
MEAN_OVER_SD = {"t1": 4.5, "t1ce": 4.0, "t2": 2.6, "flair": 3.2}
"""Distance of the mean brain from no signal, in standard deviations of the brain."""
UPTAKE_SD = 0.6
"""How much more or less contrast the rims of two cases take up, on top of that."""


def scan(
    rng: np.random.Generator,
    grid: Grid,
    tissue: Tissue,
    labels: np.ndarray,
    vigour: np.ndarray,
    *,
    disease: str = "glioma",
) -> dict[str, np.ndarray]:
    """The images of one case, one per name of `MODALITIES`: int16, brain 1 or more, air 0.

    ``labels`` and ``vigour`` are what a disease made of every voxel, and how much of it.
    """
    box, weights = _class_weights(rng, grid, labels, 4 if disease == "glioma" else 1)
    extra = _distractors(rng, grid, tissue)

    def image(modality: str, rng: np.random.Generator) -> np.ndarray:
        means, spread, follows = _contrast(rng, modality, disease)
        z = _mix(means, tissue, box, weights, shine_through=0.3) + extra.get(modality, 0)
        # Many FLAIR and T2 scans are taken in slices of 3 to 6 mm and resampled to 1 mm.
        blur = np.full(3, rng.uniform(0.55, 0.9))
        blur[2] += rng.uniform(0.2, 1.4) * (modality in ("t2", "flair"))
        z = ndimage.gaussian_filter(z, blur / grid.spacing, truncate=3)
        z += _texture(rng, grid, tissue, box, weights, vigour, spread, follows)
        return _acquired(rng, grid, z + MEAN_OVER_SD[modality], tissue.brain)

    streams = rng.spawn(len(MODALITIES))
    return {name: image(name, own) for name, own in zip(MODALITIES, streams, strict=True)}


def _contrast(rng: np.random.Generator, modality: str, disease: str):
    """Mean and texture of every tissue and class in one image, and what of it is vigour."""
    means, spread = np.array(MEAN_Z[modality]), np.array(SD_Z[modality])
    follows = np.array(VIGOUR[modality])
    means[:3] += rng.normal(0, 0.12, size=3)
    brighter = rng.normal(0, CASE_SD[modality])
    means[3:] += brighter + rng.normal(0, CLASS_SD[modality], size=4)
    if modality == "t1ce":
        means[6] += rng.normal(0, UPTAKE_SD)
    if disease == "lesions":
        means = np.append(means[:3], LESION_MEAN_Z[modality] + 0.5 * brighter)
        spread, follows = spread[[0, 1, 2, 4]], follows[[1]]
    return means, spread, follows


def _texture(rng, grid, tissue, box, weights, vigour, spread, follows) -> np.ndarray:
    """What varies within a class: at random, and in a tumour with its vigour."""
    texture = RoughField(rng, (22, 0.7), (5, 0.4), (1.6, 0.22)).on(grid)
    uneven = _mix(spread, tissue, box, weights, shine_through=0) * texture
    explained, left = np.float32(0), np.float32(1)
    for share, sd, weight in zip(follows, spread[3:], weights, strict=True):
        explained = explained + np.float32(share * sd) * weight
        left = left - np.float32(1 - np.sqrt(1 - share**2)) * weight
    uneven[box] = left * uneven[box] + explained * vigour[box]
    return uneven


def _acquired(rng, grid, signal, brain) -> np.ndarray:
    """What the coil receives: bias field, Rician noise, an arbitrary scale; air is 0."""
    bias = np.float32(rng.uniform(0.02, 0.07)) * SmoothField(rng, 70).on(grid)
    # Three quarters of the box are air: noise is drawn for the brain only.
    received = np.maximum(signal[brain], 0) * np.exp(bias[brain])
    noise = np.float32(rng.uniform(0.04, 0.13))
    real, imaginary = noise * rng.standard_normal((2, received.size), np.float32)
    received = np.hypot(received + real, imaginary)
    received *= np.float32(np.exp(rng.uniform(np.log(20), np.log(800))))
    image = np.zeros(grid.shape, np.int16)
    image[brain] = np.clip(np.rint(received), 1, 32767)
    return image


def _class_weights(rng: np.random.Generator, grid: Grid, labels: np.ndarray, classes: int):
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
        for value in range(1, classes + 1)
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


def _distractors(rng: np.random.Generator, grid: Grid, tissue: Tissue) -> dict[str, np.ndarray]:
    """What is bright (or dark) and no tumour, in z, by modality.

    Vessels, choroid plexus and dura take up contrast; white matter by the ventricles is bright on
    FLAIR with age. Vessels are tubes round the curves where two random fields are both zero.
    """
    first, second = SmoothField(rng, 10).on(grid), SmoothField(rng, 10).on(grid)
    vessels = np.exp(-(first * first + second * second) / (2 * 0.07**2))
    vessels *= np.clip(tissue.csf + 0.5 * tissue.gm, 0, 1)
    choroid = np.clip(SmoothField(rng, 5).on(grid) - 0.8, 0, 1)
    choroid *= (tissue.periventricular > 0.6) * tissue.csf
    # What a skull stripper left of dura and sinuses: patches on the brain's surface.
    depth = ndimage.gaussian_filter(
        tissue.brain.astype(np.float32), [2 / step for step in grid.spacing], truncate=2
    )
    dura = np.clip(SmoothField(rng, 12).on(grid) - 0.7, 0, 1)
    dura *= np.clip((0.72 - depth) / 0.15, 0, 1) * tissue.brain
    amount = np.float32(rng.uniform(0.3, 1.1))
    hyperintense = amount * np.clip(1 + 0.7 * SmoothField(rng, 12).on(grid), 0, 2)
    hyperintense *= np.clip(2 * tissue.periventricular, 0, 1) * tissue.wm
    return {
        "t1ce": 3 * vessels + 2.5 * choroid + np.float32(rng.uniform(2, 5)) * dura,
        "t2": -1.5 * vessels,
        "flair": 1.5 * hyperintense,
    }
