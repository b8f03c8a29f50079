"""ClassIndex: the voxels of each class of a cohort, numbered."""

import numpy as np

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.cohort import Cohort

_BLOCK = 32  # runs


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
        classes = len(cohort.scheme.classes)
        self.case_counts = cohort.class_counts()
        self.counts = self.case_counts.sum(axis=0)
        self.first = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        shapes = cohort.shapes
        self._widths = shapes[:, 2]
        self._areas = shapes[:, 1] * shapes[:, 2]

        # Ranks go by class, then by case; the runs of a case and class fill blocks of their own. A
        # block keeps the ends of its runs (ranks within the block) and the low and high halves of
        # their starts in one place of memory: the processor fetches it once.
        pieces = [
            (number, case.runs, slice(*case.runs.bounds[own : own + 2]))
            for each in range(classes)
            for number, case in enumerate(cohort)
            for own in np.flatnonzero(case.runs.classes == each)
        ]
        filled = [-(-(part.stop - part.start) // _BLOCK) for _, _, part in pieces]
        longest = max((int(case.runs.lengths.max(initial=0)) for case in cohort), default=0)
        word = np.min_scalar_type(max(_BLOCK * longest, 0xFFFF))
        self._blocks = np.zeros((sum(filled), 3, _BLOCK), word)
        self._cases = np.repeat([number for number, _, _ in pieces], filled).astype(np.int32)
        ends = np.cumsum(filled)
        for (_, runs, part), begin, end in zip(pieces, ends - filled, ends, strict=True):
            fields = np.zeros((3, (end - begin) * _BLOCK), word)
            fields[:, : part.stop - part.start] = (
                runs.lengths[part],
                runs.starts[part] & 0xFFFF,
                runs.starts[part] >> 16,
            )
            self._blocks[begin:end] = fields.reshape(3, -1, _BLOCK).swapaxes(0, 1)
        np.cumsum(self._blocks[:, 0], axis=1, dtype=word, out=self._blocks[:, 0])
        self._guide_to(self._blocks[:, 0, -1].astype(np.int64))

    def _guide_to(self, voxels: np.ndarray) -> None:
        """Where to look for a rank: a table of blocks (Chen & Asau 1974), not a bisection, which
        would miss the processor's cache at every step."""
        ends = np.cumsum(voxels)
        firsts = ends - voxels
        mean = self.total // max(len(voxels), 1)
        self._shift = max(mean.bit_length() - 2, 0)
        marks = np.arange((self.total >> self._shift) + 2) << self._shift
        self._guide = (np.searchsorted(firsts, marks, side="right") - 1).astype(np.int32)
        self._near = np.arange(np.diff(self._guide).max(initial=0) + 1)
        word = np.uint32 if self.total < 2**32 else np.int64
        beyond = np.full(len(self._near), np.iinfo(word).max, word)
        self._firsts = np.concatenate([firsts.astype(word), beyond])  # first rank per block

    @property
    def total(self) -> int:
        """Number of voxels in all classes."""
        return int(self.counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the index in bytes."""
        held = (self._blocks, self._cases, self._firsts, self._guide)
        return self.case_counts.nbytes + sum(array.nbytes for array in held)

    def centres(self, ranks: np.ndarray) -> np.ndarray:
        """Centres (n, 4) int32 - case, slice, row, column - of the voxels at these ranks (n,).

        Class c holds the ranks from ``first[c]`` to ``first[c] + counts[c]``, case by case.

        Raises
        ------
        ValueError
            If there is no voxel of such a rank.
        """
        ranks = np.asarray(ranks)
        fit = ranks.ndim == 1 and (ranks.dtype.kind in "iu" or not ranks.size)
        expect(fit, "whole numbers (n,)", shape=ranks.shape, dtype=str(ranks.dtype))
        ranks = ranks.astype(np.int64, copy=False)
        if ranks.size:
            least, most = int(ranks.min()), int(ranks.max())
            within = least >= 0 and most < self.total
            expect(within, f"a rank from 0 to {self.total - 1}", least=least, most=most)
        # By `take`, whose loop is short enough that the processor waits for many places at once.
        block = self._guide.take(ranks >> self._shift)
        near = self._firsts.take(block[:, None] + self._near)
        block += np.count_nonzero(near <= ranks[:, None], axis=1) - 1
        offset = ranks - self._firsts.take(block)
        found = self._blocks.take(block, axis=0)
        run = np.count_nonzero(found[:, 0] <= offset[:, None], axis=1)
        each = np.arange(len(run))
        begin = np.where(run > 0, found[each, 0, run - 1], 0)
        start = found[each, 1, run].astype(np.int64) + (found[each, 2, run].astype(np.int64) << 16)
        position = start + (offset - begin)
        case = self._cases.take(block)
        number, rest = np.divmod(position, self._areas.take(case))
        row, column = np.divmod(rest, self._widths.take(case))
        return np.stack([case, number, row, column], axis=-1).astype(np.int32)
