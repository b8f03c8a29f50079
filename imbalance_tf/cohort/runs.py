"""Runs: where the voxels of each class are in a case, as runs of voxels along the rows."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Runs:
    """The voxels in the brain or with a tumour label, by class.

    They are listed as runs of one class along the rows, eight bytes each, which takes a fraction
    of the memory of a list of voxels.

    Attributes
    ----------
    classes : (k,) int
        The class numbers that occur.
    voxels : (k,) int64
        Number of voxels of each.
    bounds : (k + 1,) int64
        Class ``classes[i]`` has the runs from ``bounds[i]`` to ``bounds[i + 1]``.
    starts, lengths : (n,) uint32
        Position of the first voxel of each run in the flattened (slice, row, column) array, and
        number of its voxels.
    """

    classes: np.ndarray
    voxels: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def runs_of(labels: np.ndarray, brain: np.ndarray) -> Runs:
    """The runs of a case, from its labels (s, h, w) uint8 and its brain (s, h, w) bool."""
    slices, height, width = labels.shape
    inside = brain | (labels > 0)
    # A column of -1 at the end of each row, so that no run continues in the next row.
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
