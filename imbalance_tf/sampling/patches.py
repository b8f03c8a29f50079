"""patch_dataset: centres -> a tf.data.Dataset of patches."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from imbalance_tf._tensorflow import start, tf
from imbalance_tf.cohort.case import AIR
from imbalance_tf.cohort.cohort import Cohort

from .buffers import Buffers
from .calls import waited_for

__all__ = ["Sampler", "cut_patches", "patch_dataset"]


class Sampler(Protocol):
    """Whatever samples centres in the cases of a cohort."""

    cohort: Cohort

    def draw(self, n: int) -> np.ndarray:
        """Sample n centres: (n, 4) int32, case, slice, row, column."""


def cut_patches(
    volumes: Sequence[np.ndarray],
    centres: np.ndarray,
    size: int,
    *,
    fill: float,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Cut squares out of axial slices.

    A patch covers ``size // 2`` rows and columns before its centre voxel, and ends
    ``size - size // 2 - 1`` after it, so that the centre stands at ``[size // 2, size // 2]``.

    Parameters
    ----------
    volumes : sequence of (s, h, w, ...) arrays
        Of each case: images, or label maps.
    centres : (n, 4) int
        Case, slice, row, column.
    fill : float
        What lies beyond the border of a volume.
    out : array, optional
        Where to write the patches; a new array by default.

    Returns
    -------
    (n, size, size, ...) array, dtype of the volumes
    """
    patches = out
    if patches is None:
        first = volumes[0]
        patches = np.empty((len(centres), size, size, *first.shape[3:]), first.dtype)
    corners = np.asarray(centres) - [0, 0, size // 2, size // 2]
    # Patch by patch, a contiguous copy each: several times faster than one fancy index.
    for patch, (case, number, top, left) in zip(patches, corners.tolist(), strict=True):
        volume = volumes[case]
        depth, height, width = volume.shape[:3]
        if 0 <= top <= height - size and 0 <= left <= width - size and 0 <= number < depth:
            patch[...] = volume[number, top : top + size, left : left + size]
            continue
        patch[...] = fill
        above, before = max(0, -top), max(0, -left)
        bottom, right = min(size, height - top), min(size, width - left)
        if 0 <= number < depth and above < bottom and before < right:
            patch[above:bottom, before:right] = volume[
                number, top + above : top + bottom, left + before : left + right
            ]
    return patches


def patch_dataset(
    sampler: Sampler,
    *,
    steps: int,
    batch_size: int = 120,
    patch_size: int = 64,
    target: Literal["centre", "patch"] = "centre",
    with_centres: bool = False,
) -> tf.data.Dataset:
    """Batches of patches around the centres that a sampler draws; one pass is one epoch.

    Every pass draws all its centres afresh, when it starts and not before: what a
    `HardExampleMining` callback finds after an epoch is in the first batch of the next. (Not so
    with ``.repeat()``, which starts the next pass early: let ``fit`` start each epoch.)

    Parameters
    ----------
    sampler : object with ``draw(n) -> (n, 4) centres`` and ``cohort``
        Patches are cut from its own cohort, so they cannot be those of another.
    steps : int
        Batches in one pass.
    batch_size : int
        Patches in a batch (paper: 120).
    patch_size : int
        Rows and columns of a patch, in voxels (paper: 64).
    target : {"centre", "patch"}
        The label of the centre voxel, or the label map of the whole patch (to train a U-Net).
    with_centres : bool
        Give the centres too, so that any draw can be inspected. (Not for ``fit``, which would
        take them for sample weights.)

    Returns
    -------
    tf.data.Dataset
        Of (patches, labels) or (patches, labels, centres). Patches (B, P, P, M) in the dtype of the
        cohort's images, so float16, which a Keras model casts to what it calculates in; air beyond
        the border. Labels int32 (B,) or (B, P, P). Centres int32 (B, 4),
        case, slice, row, column.

    Examples
    --------
    >>> sampler = BalancedSampler(train, seed=0)                            # doctest: +SKIP
    >>> batches = patch_dataset(sampler, steps=100)                  # doctest: +SKIP
    >>> model.fit(batches, epochs=20, shuffle=False)                        # doctest: +SKIP
    """
    for name, value in {"steps": steps, "batch_size": batch_size, "patch_size": patch_size}.items():
        if value < 1:
            raise ValueError(f"{name}={value}; at least 1 is expected")
    cohort = getattr(sampler, "cohort", None)
    if not isinstance(cohort, Cohort):
        raise TypeError(
            f"sampler is a {type(sampler).__name__} whose cohort is {cohort!r}; an object with "
            f"draw(n) and a Cohort as its cohort is expected: where its centres lie"
        )
    if target not in ("centre", "patch"):
        raise ValueError(f"target={target!r}; 'centre' or 'patch' is expected")

    start()

    def draw(_):
        # All at once: a pass that is broken off then costs as many draws as any other.
        drawn = [sampler.draw(batch_size) for _ in range(steps)]
        return _checked(drawn, batch_size, cohort)

    def one_pass(number):
        centres = tf.numpy_function(waited_for(draw), [number], tf.int32)
        centres.set_shape((steps, batch_size, 4))
        return tf.data.Dataset.from_tensor_slices(centres)

    shape, channels = (batch_size, patch_size, patch_size), len(cohort.modalities)
    images, labels = ([getattr(case, name) for case in cohort] for name in ("images", "labels"))
    patch_buffers = Buffers((*shape, channels), images[0].dtype)
    label_buffers = Buffers(shape, labels[0].dtype)

    def cut(centres):
        patches = cut_patches(images, centres, patch_size, fill=AIR, out=patch_buffers.take())
        if target == "patch":
            own = cut_patches(labels, centres, patch_size, fill=0, out=label_buffers.take())
        else:
            own = cohort.labels_at(centres)
        return patches, own

    def to_tensors(centres):
        patches, own = tf.numpy_function(
            waited_for(cut), [centres], [images[0].dtype, labels[0].dtype], stateful=False
        )
        patches.set_shape((*shape, channels))
        own.set_shape(shape if target == "patch" else shape[:1])
        own = tf.cast(own, tf.int32)
        return (patches, own, centres) if with_centres else (patches, own)

    # Without tuning: an iterator whose pass is over waits for its tuner, which wakes after 10, 20,
    # 40 ms and so on, so that an epoch would take up to twice as long (TensorFlow 2.21).
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return (
        # Not from_generator: it tells malloc to give all memory back, for the whole process, and
        # every large tensor then costs the operating system's time (TensorFlow 2.21).
        tf.data.Dataset.range(1)
        .flat_map(one_pass)
        .apply(tf.data.experimental.assert_cardinality(steps))
        .map(to_tensors)
        .prefetch(2)
        .with_options(untuned)
    )


def _checked(batches, n: int, cohort: Cohort) -> np.ndarray:
    """What any sampler gave, as (batches, n, 4) int32; ValueError if these are no centres."""
    batches = [np.asarray(batch) for batch in batches]
    for batch in batches:
        if batch.shape != (n, 4) or not np.issubdtype(batch.dtype, np.integer):
            raise ValueError(
                f"the sampler drew {batch.dtype} of shape {batch.shape}; integers (case, slice, "
                f"row, column) of shape {(n, 4)} are expected"
            )
    centres = np.concatenate(batches)  # all at once: batch by batch it would take a while
    cases = centres[:, 0]
    if not 0 <= cases.min() <= cases.max() < len(cohort):
        raise ValueError(
            f"the sampler drew cases from {cases.min()} to {cases.max()}; the cohort has "
            f"{len(cohort)}"
        )
    low, high = cohort.limits
    if outside := np.flatnonzero(
        ((centres[:, 1:] < low[cases]) | (centres[:, 1:] >= high[cases])).any(axis=1)
    ).tolist():
        case, *centre = centres[outside[0]].tolist()
        raise ValueError(
            f"the sampler drew the centre {tuple(centre)} in case '{cohort.case_ids[case]}'; its "
            f"scan has slices, rows and columns from {tuple(low[case].tolist())} to "
            f"{tuple((high[case] - 1).tolist())}"
        )
    return centres.astype(np.int32, copy=False).reshape(len(batches), n, 4)
