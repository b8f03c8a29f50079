"""The scanner: tissue and tumour become T1, T1c, T2 and FLAIR images."""

import numpy as np
from scipy import ndimage

from imbalance_tf.cohort.case import box_of

from .anatomy import Tissue
from .fields import Grid, SmoothField

MODALITIES = ("t1", "t1ce", "t2", "flair")

MEAN_Z = {
    # Mean intensities in standard deviations of the brain, before the final z-scoring. After it the
    # tissues have the means of eight slices of BraTS 2013, the tumour classes those and the means
    # of sixteen high-grade cases of BraTS 2018.
    #         CSF    GM     WM     necr.  edema  non-e. enh.
    "t1": (-2.42, -0.36, +0.40, -0.88, -0.53, -0.58, -0.40),
    "t1ce": (-2.12, -0.38, +0.16, -1.12, -0.70, -1.05, +2.10),
    "t2": (+2.05, -0.16, -0.66, +2.40, +1.00, +0.95, +1.03),
    "flair": (-2.90, -0.36, -0.60, +0.48, +0.55, +0.52, +0.62),
}
LESION_MEAN_Z = {"t1": -0.55, "t1ce": -0.45, "t2": 1.2, "flair": 1.9}
"""The same for white matter lesions: dark on T1, bright on T2 and FLAIR."""
SD_Z = {
    # Texture within one class of one case; noise, bias and borders add to it.
    "t1": (0.50, 0.28, 0.22, 0.33, 0.33, 0.33, 0.33),
    "t1ce": (0.50, 0.28, 0.22, 0.40, 0.33, 0.33, 0.75),
    "t2": (0.75, 0.32, 0.26, 0.95, 0.55, 0.72, 0.68),
    "flair": (0.60, 0.40, 0.34, 1.20, 0.85, 0.95, 1.15),
}
VIGOUR = {
    # The share of that texture due to `vigour`: water darkens T1 and brightens T2 and FLAIR, a
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
    disease: str,
    contrast: float = 1,
) -> dict[str, np.ndarray]:
    """The images of one case, one per name of `MODALITIES`: int16, brain 1 or more, air 0.

    ``labels`` and ``vigour`` are the class and the appearance that a disease gave every voxel;
    ``contrast`` is a factor on how far the disease's means are from those of the brain.
    """
    box, weights = _class_weights(rng, grid, labels, 4 if disease == "glioma" else 1)
    extra = _distractors(rng, grid, tissue)

    def image(modality: str, rng: np.random.Generator) -> np.ndarray:
        means, spread, follows = _contrast(rng, modality, disease)
        means[3:] += (contrast - 1) * (means[3:] - means[1:3].mean())
        z = _mix(means, tissue, box, weights, shine_through=0.3) + extra.get(modality, 0)
        # Many FLAIR and T2 scans are taken in slices of 3 to 6 mm and resampled to 1 mm.
        blur = np.full(3, rng.uniform(0.55, 0.9))
        blur[2] += rng.uniform(0.2, 1.4) * (modality in ("t2", "flair"))
        z = ndimage.gaussian_filter(z, blur / grid.spacing, truncate=3)
        # What varies within a class: at random, and in a tumour with its vigour.
        texture = SmoothField(rng, (22, 0.7), (5, 0.4), (1.6, 0.22)).on(grid)
        texture *= _mix(spread, tissue, box, weights, shine_through=0)
        explained, left = np.zeros_like(weights[0]), np.ones_like(weights[0])
        for share, sd, weight in zip(follows, spread[3:], weights, strict=True):
            explained += np.float32(share * sd) * weight
            left -= np.float32(1 - np.sqrt(1 - share**2)) * weight
        texture[box] = left * texture[box] + explained * vigour[box]
        return _acquired(rng, grid, z + texture + MEAN_OVER_SD[modality], tissue.brain)

    streams = rng.spawn(len(MODALITIES))
    return {name: image(name, own) for name, own in zip(MODALITIES, streams, strict=True)}


def _contrast(rng: np.random.Generator, modality: str, disease: str) -> tuple[np.ndarray, ...]:
    """Mean and texture of every tissue and class in one image, and the share due to vigour."""
    means, spread, follows = (np.array(of[modality]) for of in (MEAN_Z, SD_Z, VIGOUR))
    means[:3] += rng.normal(0, 0.12, size=3)
    brighter = rng.normal(0, CASE_SD[modality])
    means[3:] += brighter + rng.normal(0, CLASS_SD[modality], size=4)
    if modality == "t1ce":
        means[6] += rng.normal(0, UPTAKE_SD)
    if disease == "lesions":
        means = np.append(means[:3], LESION_MEAN_Z[modality] + 0.5 * brighter)
        spread, follows = spread[[0, 1, 2, 4]], follows[[1]]
    return means, spread, follows


def _acquired(
    rng: np.random.Generator, grid: Grid, signal: np.ndarray, brain: np.ndarray
) -> np.ndarray:
    """What the coil receives: bias field, Rician noise, an arbitrary scale; air is 0."""
    bias = np.float32(rng.uniform(0.02, 0.07)) * SmoothField(rng, (70, 1)).on(grid)
    # Three quarters of the box are air: noise is sampled for the brain only.
    received = np.maximum(signal[brain], 0) * np.exp(bias[brain])
    noise = np.float32(rng.uniform(0.04, 0.13))
    real, imaginary = noise * rng.standard_normal((2, received.size), np.float32)
    received = np.hypot(received + real, imaginary)
    received *= np.float32(np.exp(rng.uniform(np.log(20), np.log(800))))
    image = np.zeros(grid.shape, np.int16)
    image[brain] = np.clip(np.rint(received), 1, 32767)
    return image


def _class_weights(
    rng: np.random.Generator, grid: Grid, labels: np.ndarray, classes: int
) -> tuple[tuple[slice, ...], list[np.ndarray]]:
    """The box round the tumour, and in it how much each tumour class makes up of a voxel.

    Annotators set borders where the image has none: the classes fade into each other and into
    healthy tissue over a distance that differs between cases.
    """
    box = box_of(labels > 0, margin=6)
    sigma = [rng.uniform(0.8, 1.4) / step for step in grid.spacing]
    return box, [
        ndimage.gaussian_filter((labels[box] == value).astype(np.float32), sigma)
        for value in range(1, classes + 1)
    ]


def _mix(
    values: np.ndarray, tissue: Tissue, box, weights: list[np.ndarray], *, shine_through: float
) -> np.ndarray:
    """Values of tissues and tumour classes, averaged by how much of each is in a voxel.

    ``shine_through`` of the contrast of the anatomy stays visible under the tumour.
    """
    csf, gm, wm, *classes = values.astype(np.float32)
    mixed = csf * tissue.csf + gm * tissue.gm + wm * tissue.wm
    below, part = mixed[box], sum(weights)
    beside = sum(value * weight for value, weight in zip(classes, weights, strict=True))
    contrast = below - (gm + wm) / 2
    mixed[box] = below * (1 - part) + beside + np.float32(shine_through) * part * contrast
    return mixed


def _distractors(rng: np.random.Generator, grid: Grid, tissue: Tissue) -> dict[str, np.ndarray]:
    """Bright (or dark) structures that are no tumour, in z, by modality.

    Vessels, choroid plexus and dura take up contrast; white matter by the ventricles is bright on
    FLAIR with age. Vessels are tubes round the curves where two random fields are both zero.
    """

    def field(size: float) -> np.ndarray:
        return SmoothField(rng, (size, 1)).on(grid)

    vessels = np.exp(-(field(10) ** 2 + field(10) ** 2) / (2 * 0.07**2))
    vessels *= np.clip(tissue.csf + 0.5 * tissue.gm, 0, 1)
    choroid = np.clip(field(5) - 0.8, 0, 1) * ((tissue.periventricular > 0.6) * tissue.csf)
    # What a skull stripper left of dura and sinuses: patches on the brain's surface.
    sigma = [2 / step for step in grid.spacing]
    depth = ndimage.gaussian_filter(tissue.brain.astype(np.float32), sigma, truncate=2)
    dura = np.clip(field(12) - 0.7, 0, 1) * (np.clip((0.72 - depth) / 0.15, 0, 1) * tissue.brain)
    hyperintense = np.float32(rng.uniform(0.3, 1.1)) * np.clip(1 + 0.7 * field(12), 0, 2)
    hyperintense *= np.clip(2 * tissue.periventricular, 0, 1) * tissue.wm
    return {
        "t1ce": 3 * vessels + 2.5 * choroid + np.float32(rng.uniform(2, 5)) * dura,
        "t2": -1.5 * vessels,
        "flair": 1.5 * hyperintense,
    }
