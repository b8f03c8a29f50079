"""What is measured on one case. Arrays are (slice, row, column); lengths are millimetres."""

import numpy as np
from scipy import ndimage

from imbalance_tf.cohort.cohort import Cohort

__all__ = ["Z_EDGES", "measure_case"]

Z_EDGES = np.arange(-5, 5.01, 0.05)
"""Bins of the intensity histograms: a cohort's z-scores are clipped to [-5, 5]."""
LARGE_MM3 = 50
PATCH_MM = 64


def measure_case(cohort: Cohort, case_id: str) -> dict:
    """Everything about one case that `summarise` needs, as numbers and small arrays.

    Cohorts too large for memory can so be measured case by case.
    """
    case = cohort[case_id]
    labels, brain, spacing = case.labels, case.brain, case.spacing
    classes = cohort.scheme.classes
    masks = {name: labels == number for number, name in enumerate(classes) if number}
    measured = {
        "classes": classes,
        "modalities": tuple(cohort.modalities),
        "spacing": spacing,
        "counts": np.bincount(labels[brain], minlength=len(classes)),
        "height": float((labels > 0).any(axis=(1, 2)).sum() * spacing[0]),
        "faces": _faces(labels, spacing, len(classes)),
        "pieces": {name: _pieces(mask, spacing) for name, mask in masks.items()},
        "whole": _pieces(labels > 0, spacing),
        "patches": _patches_with_tumour(labels > 0, brain, spacing),
        "intensities": {},
    }
    inner = ndimage.binary_erosion(brain, iterations=2)
    for channel, modality in enumerate(cohort.modalities):
        z = case.images[..., channel].astype(np.float32)
        measured["intensities"][modality] = {
            "histograms": np.stack(
                [np.histogram(z[brain & (labels == c)], Z_EDGES)[0] for c in range(len(classes))]
            ),
            "moments": np.stack([_moments(z[brain & (labels == c)]) for c in range(len(classes))]),
            "gradient": _gradient(z, inner, spacing),
        }
    return measured


def _moments(values: np.ndarray) -> tuple[int, float, float]:
    """Count, mean and sd (NaN where there is nothing to measure)."""
    if values.size == 0:
        return 0, np.nan, np.nan
    return values.size, values.mean(dtype=np.float64), values.std(dtype=np.float64)


def _faces(labels, spacing, classes: int) -> np.ndarray:
    """Area between voxels of every two classes, mm2: (classes, classes), symmetric.

    Faces to air count as faces to healthy: annotators do not draw the brain's edge. Each face
    counts with its area, so that thick slices do not weigh less.
    """
    box = _box(labels > 0)
    if box is None:
        return np.zeros((classes, classes))
    labels = labels[box].astype(np.intp)
    area = np.zeros((classes, classes))
    for axis in range(3):
        turned = np.moveaxis(labels, axis, 0)
        pairs = np.bincount((turned[:-1] * classes + turned[1:]).ravel(), minlength=classes**2)
        area += pairs.reshape(classes, classes) * np.prod(np.delete(spacing, axis))
    area += area.T
    np.fill_diagonal(area, 0)
    return area


def _pieces(mask: np.ndarray, spacing) -> np.ndarray:
    """Volumes of the connected pieces, mm3, largest first; voxels that share a corner connect."""
    box = _box(mask)
    if box is None:
        return np.zeros(0)
    pieces, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    return np.sort(np.bincount(pieces.ravel())[1:])[::-1] * np.prod(spacing)


def _patches_with_tumour(tumour, brain, spacing) -> float:
    """Share of the brain voxels whose axial patch holds tumour: all of them, not a sample."""
    size = [1, *(max(round(PATCH_MM / step), 1) for step in spacing[1:])]
    met = ndimage.maximum_filter(tumour, size=size, mode="constant")
    return float(met[brain].mean())


def _gradient(z: np.ndarray, inner: np.ndarray, spacing) -> float:
    """Mean |gradient| per mm; ``inner`` leaves out the jump to air at the brain's edge."""
    if min(z.shape) < 2 or not inner.any():
        return np.nan
    return float(np.sqrt(sum(part**2 for part in np.gradient(z, *spacing)))[inner].mean())


def _box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The box round a mask, one voxel wider where the array allows it; None round nothing."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return None
    return tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in found[0])
