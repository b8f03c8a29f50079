"""ClassIndex: where the voxels of each class are, as runs along the rows."""

import numpy as np

from imbalance_tf.cohort.slices import Cohort

__all__ = ["ClassIndex"]

_NOWHERE = 255


class ClassIndex:
    """Every brain voxel of a cohort, ordered by class, so that the k-th voxel of a class is found.

    Only the runs of equal class along the rows are stored, with their cumulative lengths: a
    fraction of the memory of a list of voxels, and a draw that is exactly uniform in every class.
    Voxels outside the brain are left out, unless they carry a tumour label.

    Attributes
    ----------
    counts : (classes,) int64
        Number of voxels of each class.

    Examples
    --------
    >>> index = ClassIndex(cohort)                                  # doctest: +SKIP
    >>> index.centres(index.first[4] + np.arange(10))   # first ten enhancing    # doctest: +SKIP
    """

    def __init__(self, cohort: Cohort):
        self.shape = cohort.labels.shape
        starts, lengths, classes = [], [], []
        for number, (labels, brain) in enumerate(zip(cohort.labels, cohort.brain, strict=True)):
            voxels = np.where(brain | (labels > 0), labels, _NOWHERE).ravel()
            start = np.concatenate([[0], np.flatnonzero(np.diff(voxels)) + 1])
            length = np.diff(start, append=voxels.size)
            inside = voxels[start] != _NOWHERE
            starts.append(start[inside] + np.int64(number) * voxels.size)
            lengths.append(length[inside])
            classes.append(voxels[start[inside]])
        starts, lengths, classes = map(np.concatenate, (starts, lengths, classes))
        order = np.argsort(classes, kind="stable")
        self._starts = starts[order]
        self._ends = np.cumsum(lengths[order])  # in ranks, exclusive
        self.counts = np.bincount(
            classes, weights=lengths, minlength=len(cohort.scheme.classes)
        ).astype(np.int64)
        self.first = np.concatenate([[0], np.cumsum(self.counts)[:-1]])

    @property
    def total(self) -> int:
        """Number of voxels in all classes."""
        return int(self.counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory that the index holds, in bytes."""
        return self._starts.nbytes + self._ends.nbytes

    def centres(self, ranks: np.ndarray) -> np.ndarray:
        """Centres (n, 3) int32 - slice, row, column - of the voxels at these ranks (n,).

        Class c holds the ranks from ``first[c]`` to ``first[c] + counts[c]``.
        """
        ranks = np.asarray(ranks)
        run = np.searchsorted(self._ends, ranks, side="right")
        begin = np.where(run > 0, self._ends[run - 1], 0)
        position = self._starts[run] + (ranks - begin)
        return np.stack(np.unravel_index(position, self.shape), axis=-1).astype(np.int32)
