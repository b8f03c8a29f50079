"""Checks for the exercises of the notebooks: each asks an answer on inputs of its own.

A check prints one line, and never raises: what was found, what is expected, and the likely mistake.
With the environment variable ``STRICT=1``, for graders and tests, a wrong answer raises an
AssertionError with the same line.
"""

from .batches import balanced_laws, is_hard, samples_per_voxel, split_by
from .scores import (
    dice,
    interval,
    lost_by_the_first,
    paired_difference,
    prior_correction,
    recalls,
)

__all__ = [
    "balanced_laws",
    "dice",
    "interval",
    "is_hard",
    "lost_by_the_first",
    "paired_difference",
    "prior_correction",
    "recalls",
    "samples_per_voxel",
    "split_by",
]
