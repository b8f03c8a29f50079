"""patch_dataset: centres -> a tf.data.Dataset of patches."""

from typing import Literal, Protocol

import numpy as np

from imbalance_tf._tensorflow import start, tf
from imbalance_tf.cohort.reading import AIR
from imbalance_tf.cohort.slices import Cohort

from .buffers import Buffers
from .calls import waited_for

__all__ = ["Sampler", "cut_patches", "patch_dataset"]


class Sampler(Protocol):
    """Whatever draws centres in the slices of a cohort."""

    cohort: Cohort

    def draw(self, n: int) -> np.ndarray:
        """Draw n centres: (n, 3) int32, slice, row, column."""


def cut_patches(
    stack: np.ndarray,
    centres: np.ndarray,
    size: int,
    *,
    fill: float,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Cut squares out of slices.

    A patch covers ``size // 2`` rows and columns before its centre voxel, and ends
    ``size - size // 2 - 1`` after it, so that the centre stands at ``[size // 2, size // 2]``.

    Parameters
    ----------
    stack : (S, H, W, ...) array
        Slices: images, or label maps.
    centres : (n, 3) int
        Slice, row, column.
    fill : float
        What lies beyond the border of a slice.
    out : array, optional
        Where to write the patches; a new array by default.

    Returns
    -------
    (n, size, size, ...) array, dtype of `stack`
    """
    patches = out
    if patches is None:
        patches = np.empty((len(centres), size, size, *stack.shape[3:]), stack.dtype)
    stack = np.asarray(stack)  # of a memory map each slicing would take twice as long
    height, width = stack.shape[1:3]
    corners = np.asarray(centres) - [0, size // 2, size // 2]
    whole = ((corners[:, 1:] >= 0) & (corners[:, 1:] + size <= [height, width])).all(axis=1)
    # Patch by patch, a contiguous copy each: several times faster than one fancy index.
    for patch, (number, top, left), inside in zip(
        patches, corners.tolist(), whole.tolist(), strict=True
    ):
        if inside:
            patch[...] = stack[number, top : top + size, left : left + size]
            continue
        above, before = max(0, -top), max(0, -left)
        bottom, right = min(size, height - top), min(size, width - left)
        patch[...] = fill
        patch[above:bottom, before:right] = stack[
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
    sampler : object with ``draw(n) -> (n, 3) centres`` and ``cohort``
        Patches are cut from the slices of its own cohort, so they cannot be those of another.
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
        the border. Labels int32 (B,) or (B, P, P). Centres int32 (B, 3), slice, row, column.

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
        return np.stack([_checked(batch, batch_size, cohort.labels.shape) for batch in drawn])

    def one_pass(number):
        centres = tf.numpy_function(waited_for(draw), [number], tf.int32)
        centres.set_shape((steps, batch_size, 3))
        return tf.data.Dataset.from_tensor_slices(centres)

    shape = (batch_size, patch_size, patch_size)
    patch_buffers = Buffers((*shape, cohort.images.shape[-1]), cohort.images.dtype)
    label_buffers = Buffers(shape, cohort.labels.dtype)

    def cut(centres):
        patches = cut_patches(
            cohort.images, centres, patch_size, fill=AIR, out=patch_buffers.take()
        )
        if target == "patch":
            labels = cut_patches(
                cohort.labels, centres, patch_size, fill=0, out=label_buffers.take()
            )
        else:
            labels = cohort.labels[tuple(centres.T)]
        return patches, labels

    def to_tensors(centres):
        patches, labels = tf.numpy_function(
            waited_for(cut), [centres], [cohort.images.dtype, cohort.labels.dtype], stateful=False
        )
        patches.set_shape((*shape, cohort.images.shape[-1]))
        labels.set_shape(shape if target == "patch" else shape[:1])
        labels = tf.cast(labels, tf.int32)
        return (patches, labels, centres) if with_centres else (patches, labels)

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


def _checked(centres, n: int, shape: tuple[int, ...]) -> np.ndarray:
    """What any sampler drew, as (n, 3) int32; ValueError if these are no centres in slices."""
    centres = np.asarray(centres)
    if centres.shape != (n, 3) or not np.issubdtype(centres.dtype, np.integer):
        raise ValueError(
            f"the sampler drew {centres.dtype} of shape {centres.shape}; integers (slice, row, "
            f"column) of shape {(n, 3)} are expected"
        )
    if n and ((centres < 0) | (centres >= shape)).any():
        raise ValueError(
            f"the sampler drew centres from {centres.min(axis=0)} to {centres.max(axis=0)}; the "
            f"cohort has slices, rows and columns {shape}"
        )
    return centres.astype(np.int32, copy=False)
