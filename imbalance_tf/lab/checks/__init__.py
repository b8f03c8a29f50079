"""Checks for the exercises of the notebooks: each asks an answer on inputs of its own.

A check prints one line, and never raises: what was found, what is expected, and the likely mistake.
With the environment variable ``STRICT=1``, for graders and tests, a wrong answer raises an
AssertionError with the same line.
"""

from .batches import balanced_laws, is_hard, samples_per_voxel, split_by
from .beyond import cases_needed, hard_repeats, lean, shares_as_in_tumour
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
    "cases_needed",
    "dice",
    "hard_repeats",
    "interval",
    "is_hard",
    "lean",
    "lost_by_the_first",
    "paired_difference",
    "prior_correction",
    "recalls",
    "samples_per_voxel",
    "shares_as_in_tumour",
    "split_by",
]
