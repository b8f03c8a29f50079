"""One case in memory: anatomy, disease and scanner, a function of seed and number alone."""

import numpy as np

from .anatomy import Anatomy, Tissue
from .fields import FIELD_OF_VIEW, Grid
from .lesion import Lesion
from .scanner import scan
from .scattered import ScatteredLesions

DISEASES = ("glioma", "lesions")
HEAD = (slice(32, 208), slice(12, 228))
"""Columns and rows that a brain can reach; only these are computed."""


def make_case(
    seed: int, number: int, *, slice_thickness: int = 1, disease: str = "glioma"
) -> dict[str, np.ndarray]:
    """One case: ``t1``, ``t1ce``, ``t2``, ``flair`` (int16) and ``seg`` (uint8).

    Arrays are (240, 240, 155 // slice_thickness): x to the left, y to the back, z up.
    """
    streams, grid, anatomy, patient = _patient(seed, number, slice_thickness, disease)
    tissue = anatomy.tissue(grid)
    labels, vigour = patient.labels(grid, tissue)
    volumes = scan(streams[2], grid, tissue, labels, vigour, disease=disease) | {"seg": labels}
    return {kind: _whole_field(voxels) for kind, voxels in volumes.items()}


def true_tissue(
    seed: int, number: int, *, slice_thickness: int = 1, disease: str = "glioma"
) -> Tissue:
    """The tissue maps under a case, on the grid of its files: what no real scan tells."""
    _, grid, anatomy, _ = _patient(seed, number, slice_thickness, disease)
    maps = vars(anatomy.tissue(grid))
    return Tissue(**{name: _whole_field(voxels) for name, voxels in maps.items()})


def is_low_grade(seed: int, number: int) -> bool:
    """Whether a glioma case is of low grade: one in three, as in BraTS 2013 (10 of 30).

    It has a random place among its three, so that a small cohort is never all low grade.
    """
    return bool(np.random.default_rng([seed, number // 3, 1]).integers(3) == number % 3)


def _patient(seed: int, number: int, slice_thickness: int, disease: str):
    """Random streams, grid of the files, anatomy with all pushes, and the disease in it."""
    # Seed and number are one 32-bit word each, so no two pairs give the same stream. Anatomy,
    # disease and scanner have a stream each: a change of one leaves the others as they are.
    streams = np.random.default_rng([seed, number]).spawn(3)
    planes = FIELD_OF_VIEW[2] // slice_thickness
    x, y = (np.arange(part.start, part.stop, dtype=np.float32) for part in HEAD)
    grid = Grid(x, y, np.arange(planes, dtype=np.float32) * slice_thickness)
    anatomy = Anatomy(streams[0])
    if disease == "glioma":
        patient = Lesion(streams[1], anatomy, low_grade=is_low_grade(seed, number))
    else:
        patient = ScatteredLesions(streams[1], anatomy)
    return streams, grid, anatomy, patient


def _whole_field(voxels: np.ndarray) -> np.ndarray:
    whole = np.zeros((*FIELD_OF_VIEW[:2], voxels.shape[2]), voxels.dtype)
    whole[HEAD] = voxels
    return whole
