"""patch_dataset: centres -> a tf.data.Dataset of patches."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from imbalance_tf._tensorflow import start, tf
from imbalance_tf.cohort.arguments import expect_sizes, one_of
from imbalance_tf.cohort.case import AIR
from imbalance_tf.cohort.cohort import Cohort

from .buffers import Buffers
from .calls import waited_for
from .paper import BATCH_SIZE, PATCH_SIZE
from .protocol import Sampler, checked_centres


def cut_patches(
    volumes: Sequence[np.ndarray],
    centres: np.ndarray,
    size: int,
    *,
    fill: float,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Cut squares out of axial slices: (n, size, size, ...), in the dtype of the volumes.

    The centre voxel of a patch stands at ``[size // 2, size // 2]``.

    Parameters
    ----------
    volumes : sequence of (s, h, w, ...) arrays
        The images or label maps of each case.
    centres : (n, 4) int
        Case, slice, row, column.
    fill : float
        The value beyond the border of a volume.
    out : array, optional
        Where to write the patches; a new array by default.

    Examples
    --------
    >>> cut_patches([np.arange(4).reshape(1, 2, 2)], np.array([[0, 0, 0, 1]]), 2, fill=-1)
    array([[[-1, -1],
            [ 0,  1]]])
    """
    patches = out
    if patches is None:
        first = volumes[0]
        patches = np.empty((len(centres), size, size, *first.shape[3:]), first.dtype)
    corners = np.asarray(centres) - [0, 0, size // 2, size // 2]
    # One contiguous copy per patch is several times faster than one fancy index.
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
    batch_size: int = BATCH_SIZE,
    patch_size: int = PATCH_SIZE,
    target: Literal["centre", "patch"] = "centre",
    with_centres: bool = False,
) -> tf.data.Dataset:
    """Batches of patches around the centres that a sampler gives; one pass is one epoch.

    All centres of a pass are sampled when it starts, so what a `HardExampleMining` callback finds
    after an epoch is in the first batch of the next. (With ``.repeat()`` the next pass starts too
    early for that: let ``fit`` start each epoch.)

    Parameters
    ----------
    sampler : object with ``draw(n) -> (n, 4) centres`` and ``cohort``
        Patches are cut from the sampler's own cohort.
    steps, batch_size : int
        Batches in one pass, and patches in a batch.
    patch_size : int
        Rows and columns of a patch, in voxels.
    target : {"centre", "patch"}
        The label of the centre voxel, or the label map of the whole patch (to train a U-Net).
    with_centres : bool
        Also give the centres, to inspect them. (Not for ``fit``, which would take them for sample
        weights.)

    Returns
    -------
    tf.data.Dataset
        Of (patches, labels) or (patches, labels, centres). Patches (B, P, P, M) in the dtype of the
        cohort's images, float16, which Keras casts to what the model computes in; air beyond the
        border. Labels int32 (B,) or (B, P, P). Centres int32 (B, 4): case, slice, row, column.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong. A centre outside its scan raises when the dataset is read.

    Examples
    --------
    >>> batches = patch_dataset(BalancedSampler(train, seed=0), steps=2)
    >>> for patches, labels in batches:
    ...     print(patches.shape, np.bincount(labels))
    (120, 64, 64, 2) [24 24 24 24 24]
    (120, 64, 64, 2) [24 24 24 24 24]
    """
    expect_sizes(steps=steps, batch_size=batch_size, patch_size=patch_size)
    cohort = getattr(sampler, "cohort", None)
    if not isinstance(cohort, Cohort):
        raise TypeError(
            f"sampler is a {type(sampler).__name__} whose cohort is {cohort!r}; an object with "
            f"draw(n) and a Cohort as its cohort is expected: where its centres lie"
        )
    one_of("centre", "patch", target=target)

    start()

    def sample(_):
        # All at once: a pass that is broken off then costs as many draws as any other, and labels
        # that are looked up together cost a fraction.
        batches = [sampler.draw(batch_size) for _ in range(steps)]
        centres = checked_centres(batches, batch_size, cohort)
        return centres, cohort.labels_at(centres.reshape(-1, 4)).reshape(steps, batch_size)

    def one_pass(number):
        both = tf.numpy_function(waited_for(sample), [number], [tf.int32, tf.uint8])
        for sampled, shape in zip(both, [(steps, batch_size, 4), (steps, batch_size)], strict=True):
            sampled.set_shape(shape)
        return tf.data.Dataset.from_tensor_slices(tuple(both))

    def cutter(name, fill, *channels):
        volumes = [getattr(case, name) for case in cohort]
        shape = (batch_size, patch_size, patch_size, *channels)
        # TensorFlow takes memory as it is, in whatever order a file had its bytes.
        dtype = np.result_type(*{volume.dtype for volume in volumes}).newbyteorder("=")
        buffers = Buffers(shape, dtype)

        def cut(centres):
            return cut_patches(volumes, centres, patch_size, fill=fill, out=buffers.take())

        def tensor(centres):
            patches = tf.numpy_function(waited_for(cut), [centres], dtype, stateful=False)
            patches.set_shape(shape)
            return patches

        return tensor

    patches_at = cutter("images", AIR, len(cohort.modalities))
    maps_at = cutter("labels", 0)

    def to_tensors(centres, labels):
        labels = tf.cast(labels if target == "centre" else maps_at(centres), tf.int32)
        patches = patches_at(centres)
        return (patches, labels, centres) if with_centres else (patches, labels)

    # Without autotuning: an iterator at its end waits for the tuner, which wakes after 10, 20, 40
    # ms and so on, so that an epoch would take up to twice as long (TensorFlow 2.21).
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return (
        # Not from_generator: it makes malloc return all freed memory, for the whole process, and
        # every large tensor must then be allocated by the operating system (TensorFlow 2.21).
        tf.data.Dataset.range(1)
        .flat_map(one_pass)
        .apply(tf.data.experimental.assert_cardinality(steps))
        # Two at a time: what waits for the disk, or for memory, does not keep the other waiting.
        .map(to_tensors, num_parallel_calls=2, deterministic=True)
        .prefetch(2)
        .with_options(untuned)
    )
