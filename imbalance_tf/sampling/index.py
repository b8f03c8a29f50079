"""ClassIndex: the voxels of each class of a cohort, numbered."""

import numpy as np

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.cohort import Cohort

__all__ = ["ClassIndex"]

_BLOCK = 32  # runs
_GROUP = 32  # blocks


class ClassIndex:
    """The brain voxels of a cohort, ordered by class: the k-th voxel of a class is looked up.

    A uniform random number is thus a uniform random voxel. The index consists of the runs of the
    cases (`Case.runs`), eight bytes each: a fraction of the memory of a list of voxels. Voxels
    outside the brain are left out, unless they carry a tumour label.

    Attributes
    ----------
    counts : (classes,) int64
        Number of voxels of each class.
    case_counts : (cases, classes) int64
        The same per case.
    first : (classes,) int64
        Rank of the first voxel of each class.

    Examples
    --------
    >>> index = ClassIndex(cohort)
    >>> ranks = index.first[4] + np.arange(3)  # the first three of the last class
    >>> cohort.labels_at(index.centres(ranks))
    array([4, 4, 4], dtype=uint8)
    """

    def __init__(self, cohort: Cohort):
        expect(isinstance(cohort, Cohort), "a Cohort", cohort=cohort)
        classes, cases = len(cohort.scheme.classes), len(cohort)
        self.case_counts = cohort.class_counts()
        self.counts = self.case_counts.sum(axis=0)
        self.first = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        # Ranks go by class, then by case.
        voxels = self.case_counts.T.ravel()
        self._case_firsts = np.cumsum(voxels) - voxels  # first rank per class and case
        self._cases = cases
        shapes = cohort.shapes
        self._widths = shapes[:, 2]
        self._areas = shapes[:, 1] * shapes[:, 2]

        # A rank is looked up by bisection among groups, then compared with all blocks of the group
        # and all runs of the block: a bisection down to the runs would miss the processor's cache
        # at every step. A block keeps the ends of its runs (ranks within the block) and the low
        # and high halves of their starts in one place of memory.
        runs = sum(len(case.runs.starts) for case in cohort)
        blocks = -(-runs // _BLOCK)
        longest = max((int(case.runs.lengths.max(initial=0)) for case in cohort), default=0)
        word = np.min_scalar_type(max(_BLOCK * longest, 0xFFFF))
        fields = np.zeros((3, blocks * _BLOCK), word)
        filled = 0
        for number in range(classes):
            for case in cohort:
                for own in np.flatnonzero(case.runs.classes == number):
                    part = slice(*case.runs.bounds[own : own + 2])
                    into = slice(filled, filled + part.stop - part.start)
                    fields[0, into] = case.runs.lengths[part]
                    fields[1, into] = case.runs.starts[part] & 0xFFFF
                    fields[2, into] = case.runs.starts[part] >> 16
                    filled = into.stop
        self._blocks = fields.reshape(3, blocks, _BLOCK).swapaxes(0, 1).copy()
        np.cumsum(self._blocks[:, 0], axis=1, dtype=word, out=self._blocks[:, 0])
        groups = -(-blocks // _GROUP)
        firsts = np.full(groups * _GROUP, np.iinfo(np.int64).max)
        ends = np.cumsum(self._blocks[:, 0, -1], dtype=np.int64)
        firsts[:blocks] = ends - self._blocks[:, 0, -1]
        self._firsts = firsts.reshape(groups, _GROUP)  # first rank per block
        self._group_firsts = self._firsts[:, 0].copy()

    @property
    def total(self) -> int:
        """Number of voxels in all classes."""
        return int(self.counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the index in bytes."""
        held = (self._blocks, self._firsts, self._group_firsts, self._case_firsts)
        return self.case_counts.nbytes + sum(array.nbytes for array in held)

    def centres(self, ranks: np.ndarray) -> np.ndarray:
        """Centres (n, 4) int32 - case, slice, row, column - of the voxels at these ranks (n,).

        Class c holds the ranks from ``first[c]`` to ``first[c] + counts[c]``, case by case.
        """
        ranks = np.asarray(ranks, np.int64)
        group = np.searchsorted(self._group_firsts, ranks, side="right") - 1
        block = group * _GROUP - 1 + np.count_nonzero(self._firsts[group] <= ranks[:, None], axis=1)
        offset = ranks - self._firsts.ravel()[block]
        found = self._blocks[block]
        run = np.count_nonzero(found[:, 0] <= offset[:, None], axis=1)
        each = np.arange(len(run))
        begin = np.where(run > 0, found[each, 0, run - 1], 0)
        start = found[each, 1, run].astype(np.int64) + (found[each, 2, run].astype(np.int64) << 16)
        position = start + (offset - begin)
        case = (np.searchsorted(self._case_firsts, ranks, side="right") - 1) % self._cases
        number, rest = np.divmod(position, self._areas[case])
        row, column = np.divmod(rest, self._widths[case])
        return np.stack([case, number, row, column], axis=-1).astype(np.int32)
