"""Task: what a classifier tells apart, of the classes of a scheme."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.sampling.samplers import as_shares

from .batches import Sampling

ALL, FIRST, SECOND = "all classes", "healthy or not", "which kind"


@dataclass(frozen=True)
class Task:
    """What a classifier tells apart.

    Attributes
    ----------
    names : sequence of str
        Of its outputs.
    output_of : (classes,) int32
        The output for each class of the scheme; -1 for a class that it is not trained on.
    """

    names: Sequence[str]
    output_of: np.ndarray

    def counts(self, cohort: Cohort) -> np.ndarray:
        """Brain voxels of each output in a cohort: (outputs,)."""
        counts = cohort.class_counts().sum(axis=0)
        seen = self.output_of >= 0
        return np.bincount(self.output_of[seen], counts[seen], len(self.names)).astype(np.int64)

    def shares(self, sampling: Sampling, cohort: Cohort) -> np.ndarray:
        """Share of each output in the batches of a training on a cohort: (outputs,)."""
        return as_shares(sampling.class_shares(self.counts(cohort), self.names), self.names)

    def class_shares(self, shares: np.ndarray, cohort: Cohort) -> np.ndarray:
        """Shares of the classes (classes,) that give the outputs these shares (outputs,).

        Classes of one output divide its share in proportion to their frequency in the cohort.
        """
        counts = cohort.class_counts().sum(axis=0).astype(float)
        own = np.zeros(len(counts))
        for output, share in enumerate(shares):
            members = self.output_of == output
            together = counts[members].sum()
            own[members] = share * (counts[members] / together if together else 1 / members.sum())
        return own


def task_of(name: str, classes: Sequence[str]) -> Task:
    """The task of this name, for the classes of a scheme; class 0 is healthy."""
    numbers = np.arange(len(classes), dtype=np.int32)
    if name == FIRST:
        return Task((classes[0], f"not {classes[0]}"), np.minimum(numbers, 1))
    if name == SECOND:
        return Task(tuple(classes[1:]), numbers - 1)
    return Task(tuple(classes), numbers)
