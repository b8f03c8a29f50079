"""What a sampler is, what it gives, and the size of the paper's batches."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from imbalance_tf.cohort.cohort import Cohort

__all__ = ["BATCH_SIZE", "PATCH_SIZE", "Sampler", "checked_centres"]

BATCH_SIZE = 120
"""Patches in a batch of the paper."""
PATCH_SIZE = 64
"""Rows and columns of a patch of the paper, in voxels."""


class Sampler(Protocol):
    """Whatever samples centres in the cases of its cohort."""

    cohort: Cohort

    def draw(self, n: int) -> np.ndarray:
        """Sample n centres: (n, 4) int32, case, slice, row, column."""


def checked_centres(batches: Sequence, n: int, cohort: Cohort) -> np.ndarray:
    """Check batches of n centres from any sampler; return them as (batches, n, 4) int32.

    Raises
    ------
    ValueError
        If they are not integers of shape (n, 4), or lie outside the scans of the cohort.
    """
    batches = [np.asarray(batch) for batch in batches]
    for batch in batches:
        if batch.shape != (n, 4) or not np.issubdtype(batch.dtype, np.integer):
            raise ValueError(
                f"the sampler gave {batch.dtype} of shape {batch.shape}; integers (case, slice, "
                f"row, column) of shape {(n, 4)} are expected"
            )
    centres = np.concatenate(batches)  # checked together, which is faster than batch by batch
    cases = centres[:, 0]
    if not 0 <= cases.min() <= cases.max() < len(cohort):
        raise ValueError(
            f"the sampler gave cases from {cases.min()} to {cases.max()}; the cohort has "
            f"{len(cohort)}"
        )
    low, high = cohort.limits
    outside = ((centres[:, 1:] < low[cases]) | (centres[:, 1:] >= high[cases])).any(axis=1)
    if outside.any():
        case, *centre = centres[outside][0].tolist()
        raise ValueError(
            f"the sampler gave the centre {tuple(centre)} in case '{cohort.case_ids[case]}'; its "
            f"scan has slices, rows and columns from {tuple(low[case].tolist())} to "
            f"{tuple((high[case] - 1).tolist())}"
        )
    return centres.astype(np.int32, copy=False).reshape(len(batches), n, 4)
