"""Runs: where the voxels of each class are in a case, as runs along the rows."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Runs", "runs_of"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Every brain voxel of a case, and every labelled one, by class.

    Only the runs of equal class along the rows are listed, eight bytes each: a fraction of the
    memory of a list of voxels.

    Attributes
    ----------
    classes : (k,) int
        The classes that the case has.
    voxels : (k,) int64
        How many voxels each has.
    bounds : (k + 1,) int64
        Class number ``classes[i]`` holds the runs from ``bounds[i]`` to ``bounds[i + 1]``.
    starts, lengths : (n,) uint32
        The first voxel of each run, as a position in the flattened (slice, row, column) array, and
        how many it has.
    """

    classes: np.ndarray
    voxels: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def renamed(self, lookup: np.ndarray) -> "Runs":
        """The same runs under other class numbers: ``lookup[class]``."""
        return replace(self, classes=lookup[self.classes])


def runs_of(labels: np.ndarray, brain: np.ndarray) -> Runs:
    """The runs of a case, from its labels and its brain (both (slice, row, column))."""
    slices, height, width = labels.shape
    inside = brain | (labels > 0)
    # A column of nowhere at the end of each row: no run goes on in the next.
    voxels = np.full((slices, height, width + 1), -1, np.int16)
    voxels[..., :-1][inside] = labels[inside]
    voxels = voxels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(voxels[1:] != voxels[:-1]) + 1])
    lengths = np.diff(starts, append=voxels.size)
    own = voxels[starts]
    order = np.argsort(own, kind="stable")
    order = order[own[order] >= 0]
    row, column = np.divmod(starts[order], width + 1)
    classes, first = np.unique(own[order], return_index=True)
    lengths = lengths[order]
    return Runs(
        classes=classes.astype(np.int64),
        voxels=np.add.reduceat(lengths, first) if len(first) else np.zeros(0, np.int64),
        bounds=np.append(first, len(order)),
        starts=(row * width + column).astype(np.uint32),
        lengths=lengths.astype(np.uint32),
    )
