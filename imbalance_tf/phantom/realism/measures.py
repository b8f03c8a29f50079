"""What is measured on one case. Arrays are (slice, row, column); lengths are millimetres."""

from typing import Any

import numpy as np
from scipy import ndimage

from imbalance_tf.cohort.case import Case, box_of
from imbalance_tf.cohort.cohort import Cohort

from .targets import CLASSES, DEAD

PATCH_MM, LARGE_MM3 = 64, 50
THIN_MM = 1.5
"""Pieces and gradients depend on voxel size: measured only where slices are this thin."""
Values = dict[tuple[str, str], float]


def measure_case(cohort: Cohort, case_id: str) -> dict[str, Any]:
    """What `summarise` needs of one case.

    A cohort that is too large for memory can so be measured case by case.

    Returns
    -------
    dict
        ``values``: the single numbers, by group and name as in `realism_table`; ``counts``: voxels
        of each class; ``faces``: area between the classes, mm2; and the ``classes``.

    Examples
    --------
    >>> f"{measure_case(cohort, 'large')['values']['volume, ml', 'brain']:.1f} ml"
    '19.6 ml'
    """
    case, classes = cohort[case_id], cohort.scheme.classes
    counts = np.bincount(case.labels[case.brain], minlength=len(classes))
    faces = _faces(case, len(classes))
    masks = {name: case.labels == number for number, name in enumerate(classes)}
    values: Values = {
        ("share of brain, %", name): 100 * share
        for name, share in zip(classes, counts / counts.sum(), strict=True)
    }
    values["volume, ml", "brain"] = counts.sum() * np.prod(case.spacing) / 1000
    if {"edema", "enhancing"} <= set(classes):  # a glioma
        values |= _whole_tumour(case, counts, faces)
    if set(CLASSES) <= set(classes):
        values |= _pieces_of_classes(case, masks)
        masks[DEAD] = masks["necrosis"] | masks["non-enhancing"]
    inner = ndimage.binary_erosion(case.brain, iterations=2)
    for channel, modality in enumerate(cohort.modalities):
        z = case.images[..., channel].astype(np.float32)
        for name, mask in masks.items():
            found = z[case.brain & mask]
            if found.size > 1:
                values[f"{modality}: mean z", name] = found.mean(dtype=np.float64)
                values[f"{modality}: sd of z within a case", name] = found.std(dtype=np.float64)
        if max(case.spacing) <= THIN_MM and min(z.shape) > 1 and inner.any():
            steepness = np.sqrt(sum(part**2 for part in np.gradient(z, *case.spacing)))
            # Without the jump to air at the brain's edge.
            values["mean |gradient| of z per mm", modality] = float(steepness[inner].mean())
    return {"classes": classes, "counts": counts, "faces": faces, "values": values}


def _whole_tumour(case: Case, counts: np.ndarray, faces: np.ndarray) -> Values:
    tumour, pieces = case.labels > 0, _pieces(case.labels > 0, case.spacing)
    size = [1, *(max(round(PATCH_MM / step), 1) for step in case.spacing[1:])]
    # Of all patches centred in the brain, not of a sample.
    met = ndimage.maximum_filter(tumour, size=size, mode="constant")[case.brain]
    values: Values = {
        ("share of brain, %", "tumour"): 100 * counts[1:].sum() / counts.sum(),
        ("volume, ml", "tumour"): counts[1:].sum() * np.prod(case.spacing) / 1000,
        ("height of tumour, mm", "tumour"): tumour.any(axis=(1, 2)).sum() * case.spacing[0],
        ("64x64 patches with tumour, %", "patches"): 100 * met.mean(),
        ("pieces of 50 mm3 or more", "tumour"): (pieces >= LARGE_MM3).sum(),
    }
    if pieces.size:  # a case without tumour has no shape
        values["surface / volume^(2/3)", "tumour"] = faces[0].sum() / pieces.sum() ** (2 / 3)
    return values


def _pieces_of_classes(case: Case, masks: dict[str, np.ndarray]) -> Values:
    values: Values = {}
    for name in CLASSES[1:]:
        pieces = _pieces(masks[name], case.spacing)
        if pieces.size:
            values["main piece, % of class", name] = 100 * pieces[0] / pieces.sum()
        if max(case.spacing) <= THIN_MM:
            values["pieces", name] = pieces.size
            values["pieces of 50 mm3 or more", name] = (pieces >= LARGE_MM3).sum()
    return values


def _pieces(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Volumes of the connected pieces, mm3, largest first; voxels that share a corner connect."""
    pieces, _ = ndimage.label(mask[box_of(mask, margin=1)], structure=np.ones((3, 3, 3)))
    return np.sort(np.bincount(pieces.ravel())[1:])[::-1] * np.prod(spacing)


def _faces(case: Case, classes: int) -> np.ndarray:
    """Area between voxels of every two classes, mm2: (classes, classes), symmetric.

    Faces to air count as faces to healthy: annotators do not mark the brain's edge. Each face
    counts with its area, so that thick slices do not weigh less.
    """
    labels = case.labels[box_of(case.labels > 0, margin=1)].astype(np.intp)
    area = np.zeros((classes, classes))
    for axis in range(3):
        turned = np.moveaxis(labels, axis, 0)
        pairs = np.bincount((turned[:-1] * classes + turned[1:]).ravel(), minlength=classes**2)
        area += pairs.reshape(classes, classes) * np.prod(np.delete(case.spacing, axis))
    area += area.T
    np.fill_diagonal(area, 0)
    return area
