"""ClassIndex: where the voxels of each class are, as runs along the rows."""

import numpy as np

from imbalance_tf.cohort.slices import Cohort

__all__ = ["ClassIndex"]

_NOWHERE = 255
_BLOCK = 32  # runs
_GROUP = 32  # blocks


class ClassIndex:
    """Every brain voxel of a cohort, ordered by class, so that the k-th voxel of a class is found.

    Only the runs of equal class along the rows are stored, some eight bytes each: a fraction of
    the memory of a list of voxels, and a draw that is exactly uniform in every class. Voxels
    outside the brain are left out, unless they carry a tumour label.

    Attributes
    ----------
    counts : (classes,) int64
        Number of voxels of each class.
    case_counts : (cases, classes) int64
        The same of each case.
    shape : (3,) int
        Slices, rows and columns of the cohort.

    Examples
    --------
    >>> index = ClassIndex(cohort)                                  # doctest: +SKIP
    >>> index.centres(index.first[4] + np.arange(10))   # first ten enhancing    # doctest: +SKIP
    """

    def __init__(self, cohort: Cohort):
        self.shape = cohort.labels.shape
        classes, cases = len(cohort.scheme.classes), len(cohort.case_ids)
        slices, height, width = self.shape
        rows, columns, lengths, group = [], [], [], []
        row_type = np.min_scalar_type(slices * height)
        column_type = np.min_scalar_type(width)
        for number, (labels, brain) in enumerate(zip(cohort.labels, cohort.brain, strict=True)):
            inside = brain | (labels > 0)
            if not inside.any():
                continue
            # A column of nowhere at the end of each row: no run goes on in the next.
            voxels = np.full((height, width + 1), _NOWHERE, np.uint8)
            voxels[:, :-1] = np.where(inside, labels, _NOWHERE)
            voxels = voxels.ravel()
            start = np.concatenate([[0], np.flatnonzero(voxels[1:] != voxels[:-1]) + 1])
            length = np.diff(start, append=voxels.size)
            start, length = (part[voxels[start] != _NOWHERE] for part in (start, length))
            row, column = np.divmod(start, width + 1)
            rows.append((row + number * height).astype(row_type))
            columns.append(column.astype(column_type))
            lengths.append(length.astype(column_type))
            # Ordered by class, then case: the voxels of a class in a case follow each other.
            own = voxels[start].astype(np.int64) * cases + cohort.slice_case[number]
            group.append(own.astype(np.min_scalar_type(classes * cases)))
        rows, columns, lengths, group = map(_joined, (rows, columns, lengths, group))
        self.case_counts = (
            np.bincount(group, weights=lengths, minlength=classes * cases)
            .astype(np.int64)
            .reshape(classes, cases)
            .T
        )
        self.counts = self.case_counts.sum(axis=0)
        self.first = np.concatenate([[0], np.cumsum(self.counts)[:-1]])

        # A rank is found among the groups by bisection, and then by looking at all blocks of its
        # group and all runs of its block: a bisection down to the runs would miss the processor's
        # cache at every step, and cost more the more cases there are.
        order = np.argsort(group, kind="stable")
        blocks = -(-len(order) // _BLOCK)
        padded = np.zeros(blocks * _BLOCK, np.int64)
        padded[: len(order)] = lengths[order]
        ends = np.cumsum(padded.reshape(blocks, _BLOCK), axis=1)
        self._ends = ends.astype(np.min_scalar_type(_BLOCK * width))  # in ranks, in the block
        groups = -(-blocks // _GROUP)
        firsts = np.full(groups * _GROUP, np.iinfo(np.int64).max)
        firsts[:blocks] = np.cumsum(ends[:, -1]) - ends[:, -1]
        self._firsts = firsts.reshape(groups, _GROUP)  # ranks, of each block
        self._group_firsts = self._firsts[:, 0].copy()
        self._rows, self._columns = rows[order], columns[order]

    @property
    def total(self) -> int:
        """Number of voxels in all classes."""
        return int(self.counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory that the index holds, in bytes."""
        held = (self._rows, self._columns, self._ends, self._firsts, self._group_firsts)
        return self.case_counts.nbytes + sum(array.nbytes for array in held)

    def centres(self, ranks: np.ndarray) -> np.ndarray:
        """Centres (n, 3) int32 - slice, row, column - of the voxels at these ranks (n,).

        Class c holds the ranks from ``first[c]`` to ``first[c] + counts[c]``, case by case.
        """
        ranks = np.asarray(ranks, np.int64)
        group = np.searchsorted(self._group_firsts, ranks, side="right") - 1
        block = group * _GROUP - 1 + np.count_nonzero(self._firsts[group] <= ranks[:, None], axis=1)
        offset = ranks - self._firsts.ravel()[block]
        ends = self._ends[block]
        run = np.count_nonzero(ends <= offset[:, None], axis=1)
        begin = np.where(run > 0, ends[np.arange(len(run)), run - 1], 0)
        run += block * _BLOCK
        slices, rows = np.divmod(self._rows[run].astype(np.int64), self.shape[1])
        columns = self._columns[run] + (offset - begin)
        return np.stack([slices, rows, columns], axis=-1).astype(np.int32)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)
