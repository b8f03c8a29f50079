"""What a sampler is, and what it gives."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from imbalance_tf.cohort.cohort import Cohort


class Sampler(Protocol):
    """Whatever samples centres in the cases of its cohort."""

    cohort: Cohort

    def draw(self, n: int) -> np.ndarray:
        """Sample n centres: (n, 4) int32, case, slice, row, column."""


def checked_centres(batches: Sequence, n: int, cohort: Cohort) -> np.ndarray:
    """Batches of n centres from any sampler as (batches, n, 4) int32.

    ValueError if they are not integers of shape (n, 4), or lie outside the scans of the cohort.
    """
    batches = [np.asarray(batch) for batch in batches]
    for batch in batches:
        if batch.shape != (n, 4) or not np.issubdtype(batch.dtype, np.integer):
            raise ValueError(
                f"the sampler gave {batch.dtype} of shape {batch.shape}; integers (case, slice, "
                f"row, column) of shape {(n, 4)} are expected"
            )
    centres = np.concatenate(batches)  # checked together, which is faster than batch by batch
    low, high = cohort.limits
    cases = centres[:, 0].clip(0, len(cohort) - 1)
    inside = ((centres[:, 1:] >= low[cases]) & (centres[:, 1:] < high[cases])).all(axis=1)
    wrong = np.flatnonzero(~inside | (cases != centres[:, 0]))
    if len(wrong):
        case = cases[wrong[0]]
        raise ValueError(
            f"the sampler gave the centre {tuple(centres[wrong[0]].tolist())}; the cohort has "
            f"{len(cohort)} cases, and the scan of case {case}, '{cohort.case_ids[case]}', goes "
            f"from {tuple(low[case].tolist())} to {tuple((high[case] - 1).tolist())}"
        )
    return centres.astype(np.int32, copy=False).reshape(len(batches), n, 4)
