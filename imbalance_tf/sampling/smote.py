"""SMOTE for patches: random batches, topped up to equal shares with synthetic patches."""

import numpy as np
from threadpoolctl import threadpool_limits

from imbalance_tf._tensorflow import tf
from imbalance_tf.cohort.arguments import LARGEST_POOL, expect, whole
from imbalance_tf.cohort.case import AIR

from .calls import waited_for
from .paper import BATCH_SIZE, PATCH_SIZE
from .patches import cut_patches, patch_dataset
from .samplers import BalancedSampler

_STREAM = 2  # keeps these random numbers apart from those of the centres


def smote_dataset(
    sampler: BalancedSampler,
    *,
    steps: int,
    neighbours: int = 5,
    pool: int = 300,
    batch_size: int = BATCH_SIZE,
    patch_size: int = PATCH_SIZE,
) -> tf.data.Dataset:
    """As `patch_dataset`, but the patches that a class has beyond a random batch are synthetic.

    As many patches of each class are real as a random batch with that many patches of the majority
    would have. Each of the others lies at a random place on the line from a patch of the class to
    one of its nearest neighbours in the class (Chawla et al. 2002, "SMOTE"). imbalanced-learn
    resamples once, before training, and needs all patches in memory; here the patches come from a
    pool of each class, which is sampled anew for every pass.

    Parameters
    ----------
    sampler : BalancedSampler
        Its shares are those of the classes, real and synthetic patches together.
    steps, batch_size, patch_size : int
        As in `patch_dataset`.
    neighbours : int
        Among how many nearest neighbours one is chosen; all, if the class has fewer voxels.
    pool : int
        Patches of each class, or all if it has fewer voxels; at most 10,000.

    Returns
    -------
    tf.data.Dataset
        Patches (B, P, P, M) in the dtype of the images, and labels int32 (B,).

    Examples
    --------
    >>> batches = smote_dataset(BalancedSampler(train, seed=0), steps=2, batch_size=10)
    >>> [np.bincount(labels).tolist() for _, labels in batches]
    [[2, 2, 2, 2, 2], [2, 2, 2, 2, 2]]
    """
    expect(isinstance(sampler, BalancedSampler), "a BalancedSampler", sampler=sampler)
    neighbours, pool = whole(1, neighbours=neighbours), whole(1, LARGEST_POOL, pool=pool)
    counts = sampler.index.counts
    # The share of real patches. The majority is sought among the classes with a share, since the
    # second of two classifiers sees no healthy tissue.
    asked = np.where(sampler.shares > 0, counts, 0)
    majority = asked.argmax()
    wanted = np.where(asked > 0, sampler.shares, 1) / sampler.shares[majority]
    real = np.minimum(1, asked / asked[majority] / wanted)
    real[sampler.shares == 0] = 1  # not in any batch, and perhaps without a voxel
    images = [case.images for case in sampler.cohort]
    pools: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def new_pools() -> None:
        generator = np.random.default_rng([sampler.seed, sampler.draws, _STREAM])
        for label in np.flatnonzero(real < 1).tolist():
            first, count = sampler.index.first[label], counts[label]
            ranks = first + generator.choice(count, size=min(count, pool), replace=False)
            centres = sampler.index.centres(ranks)
            patches = cut_patches(images, centres, patch_size, fill=AIR).astype(np.float32)
            pools[label] = patches, nearest(patches, neighbours)

    def synthetic(number, labels):
        if number == 0:
            new_pools()
        generator = np.random.default_rng([sampler.seed, sampler.draws, number, _STREAM])
        rows = np.flatnonzero(generator.random(len(labels)) >= real[labels])
        rows = rows[np.argsort(labels[rows], kind="stable")]
        made = np.empty((len(rows), patch_size, patch_size, images[0].shape[-1]), np.float32)
        of_class = np.unique(labels[rows], return_index=True, return_counts=True)
        for label, first, n in zip(*of_class, strict=True):
            interpolate(*pools[label], generator, out=made[first : first + n])
        return rows, made

    def mixed(number, batch):
        patches, labels = batch
        kinds = (tf.int64, tf.float32)
        rows, made = tf.numpy_function(waited_for(synthetic), [number, labels], kinds)
        # TensorFlow rounds to half precision ten times as fast as NumPy.
        made = tf.cast(made, patches.dtype)
        topped_up = tf.tensor_scatter_nd_update(patches, rows[:, None], made)
        return tf.ensure_shape(topped_up, patches.shape), labels

    batches = patch_dataset(sampler, steps=steps, batch_size=batch_size, patch_size=patch_size)
    return batches.enumerate().map(mixed).prefetch(2)


def nearest(patches: np.ndarray, neighbours: int) -> np.ndarray:
    """Numbers of the nearest other patches of each (n, k), k < n, by Euclidean distance."""
    flat = patches.reshape(len(patches), -1)
    k = min(neighbours, len(flat) - 1)
    # Not by cdist: a matrix product takes a tenth of its time.
    squares = np.einsum("ij,ij->i", flat, flat)
    # One thread: several would go on waiting busily, and take the processor from the training.
    with threadpool_limits(1, "blas"):
        distances = squares[:, None] + squares - 2 * (flat @ flat.T)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def interpolate(
    patches: np.ndarray, near: np.ndarray, generator: np.random.Generator, *, out: np.ndarray
) -> None:
    """Fill `out` (n, ...) with patches that lie between a random one and one of its neighbours."""
    bases = generator.integers(len(patches), size=len(out))
    # Everything in place: this waits for memory. In mode "raise", `take` would copy once more.
    np.take(patches, bases, axis=0, out=out, mode="clip")
    if near.shape[1]:  # a single patch has no neighbour: it is repeated
        others = near[bases, generator.integers(near.shape[1], size=len(out))]
        step = patches[others]
        step -= out
        step *= generator.random(len(out), np.float32).reshape(-1, *np.ones(out.ndim - 1, int))
        out += step
