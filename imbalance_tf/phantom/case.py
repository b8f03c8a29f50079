"""One case in memory: anatomy, disease and scanner, a function of seed and number alone."""

import numpy as np

from .anatomy import Anatomy, Tissue
from .fields import FIELD_OF_VIEW, Grid
from .lesion import Lesion
from .scanner import scan
from .scattered import ScatteredLesions

HEAD = (slice(32, 208), slice(12, 228))
"""Columns and rows that a brain can reach; only these are computed."""


def make_case(
    seed: int,
    number: int,
    *,
    slice_thickness: int = 1,
    disease: str = "glioma",
    volume: float = 1,
    contrast: float = 1,
) -> dict[str, np.ndarray]:
    """One case: ``t1``, ``t1ce``, ``t2``, ``flair`` (int16) and ``seg`` (uint8).

    Arrays are (240, 240, 155 // slice_thickness): x to the left, y to the back, z up.
    """
    rng, grid, tissue, patient = _patient(seed, number, slice_thickness, disease, volume)
    labels, vigour = patient.labels(grid, tissue)
    volumes = scan(rng, grid, tissue, labels, vigour, disease=disease, contrast=contrast)
    volumes["seg"] = labels
    return {kind: _whole_field(voxels) for kind, voxels in volumes.items()}


def true_tissue(
    seed: int, number: int, *, slice_thickness: int = 1, disease: str = "glioma"
) -> Tissue:
    """The tissue maps under a case, on the grid of its files, which no real scan provides."""
    tissue = _patient(seed, number, slice_thickness, disease)[2]
    return Tissue(*map(_whole_field, tissue))


def _patient(
    seed: int, number: int, slice_thickness: int, disease: str, volume: float = 1
) -> tuple[np.random.Generator, Grid, Tissue, Lesion | ScatteredLesions]:
    """The scanner's random stream, the grid of the files, the tissue on it, and the disease."""
    # Seed and number are one 32-bit word each, so no two pairs give the same stream. Anatomy,
    # disease and scanner have a stream each: a change of one leaves the others as they are.
    shape, growth, scanner = np.random.default_rng([seed, number]).spawn(3)
    planes = FIELD_OF_VIEW[2] // slice_thickness
    x, y = (np.arange(part.start, part.stop, dtype=np.float32) for part in HEAD)
    grid = Grid(x, y, np.arange(planes, dtype=np.float32) * slice_thickness)
    anatomy = Anatomy(shape)
    if disease == "lesions":
        lesions = ScatteredLesions(growth, anatomy, volume=volume)
        return scanner, grid, anatomy.tissue(grid), lesions
    # One glioma in three is of low grade, as in BraTS 2013 (10 of 30), at a random place among its
    # three, so that a small cohort is never all low grade.
    low_grade = np.random.default_rng([seed, number // 3, 1]).integers(3) == number % 3
    tumour = Lesion(growth, anatomy, low_grade=bool(low_grade), volume=volume)
    return scanner, grid, anatomy.tissue(grid), tumour


def _whole_field(voxels: np.ndarray) -> np.ndarray:
    whole = np.zeros((*FIELD_OF_VIEW[:2], voxels.shape[2]), voxels.dtype)
    whole[HEAD] = voxels
    return whole
