"""SMOTE for patches, held against imbalanced-learn and against the patches that it is made of."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from scipy.stats import binom

from imbalance_tf import AIR, BalancedSampler
from imbalance_tf.sampling.patches import cut_patches
from imbalance_tf.sampling.smote import interpolate, nearest, smote_dataset

from ..conftest import relabelled

SIZE, POOL, NEIGHBOURS = 12, 30, 4


def _batches(sampler, *, steps=4, batch_size=60, **other):
    sizes = {"patch_size": SIZE, "pool": POOL, "neighbours": NEIGHBOURS, **other}
    data = smote_dataset(sampler, steps=steps, batch_size=batch_size, **sizes)
    return [(patches.numpy(), labels.numpy()) for patches, labels in data]


def _real(cohort, *, seed=0, draws=0, steps=4, batch_size=60, **shares):
    """Where a batch stands where the sampler said, so that its patches would be real."""
    twin = BalancedSampler(cohort, seed=seed, **shares)
    twin.draws = draws
    images = [case.images for case in cohort]
    return [cut_patches(images, twin.draw(batch_size), SIZE, fill=AIR) for _ in range(steps)]


def _all_patches(cohort, label):
    """Of every voxel of a class: (n, values)."""
    centres = [
        (number, *voxel)
        for number, case in enumerate(cohort)
        for voxel in np.argwhere((case.labels == label) & (case.brain | (case.labels > 0)))
    ]
    patches = cut_patches([case.images for case in cohort], np.array(centres), SIZE, fill=AIR)
    return patches.reshape(len(centres), -1).astype(float)


@pytest.fixture(scope="module")
def rare(cohort):
    """The cohort with 30 voxels of its rarest class: a pool of 30 holds them all."""

    def change(case):
        labels = np.where(case.labels == 4, 3, case.labels)
        labels.ravel()[np.flatnonzero(case.labels == 4)[:10]] = 4
        return labels

    return relabelled(cohort, change)


@pytest.mark.parametrize("k", [1, 5])
def test_the_neighbours_are_those_of_imbalanced_learn(cohort, k):
    generator = np.random.default_rng(k)
    centres = BalancedSampler(cohort, seed=0).draw(70)
    images = [case.images for case in cohort]
    patches = cut_patches(images, centres, SIZE, fill=AIR).astype(np.float32)
    others = generator.normal(size=(90, *patches.shape[1:]))
    rows = np.concatenate([patches, others]).reshape(160, -1)
    oracle = SMOTE(k_neighbors=k, random_state=0)
    oracle.fit_resample(rows, np.repeat([1, 0], [70, 90]))
    theirs = oracle.nn_k_.kneighbors(rows[:70], return_distance=False)
    assert (theirs[:, 0] == np.arange(70)).all()  # a patch is the nearest to itself
    np.testing.assert_array_equal(nearest(patches, k), theirs[:, 1:])


def test_a_synthetic_patch_lies_between_a_patch_of_its_class_and_a_near_one(rare):
    """Its place between the two is solved for; all patches of the class are tried."""
    batches = _batches(BalancedSampler(rare, seed=0))
    made = [
        patch
        for (patches, labels), real in zip(batches, _real(rare), strict=True)
        for patch, same, label in zip(patches, real, labels, strict=True)
        if label == 4 and not np.array_equal(patch, same)
    ]
    assert len(made) > 40
    whole = _all_patches(rare, 4)
    assert len(whole) == POOL
    near = np.argsort(((whole[:, None] - whole) ** 2).sum(axis=-1), axis=1)[:, 1 : NEIGHBOURS + 1]
    bases, ends = np.repeat(whole, NEIGHBOURS, axis=0), whole[near].reshape(-1, whole.shape[1])
    along = ends - bases
    places, ways = [], set()
    for patch in np.reshape(made, (len(made), -1)).astype(float):
        place = ((patch - bases) * along).sum(axis=1) / (along**2).sum(axis=1)
        off = np.abs(bases + place[:, None] * along - patch).max(axis=1)
        best = off.argmin()
        assert off[best] < 4e-3  # float16: 11 bits of a number up to 8
        assert -1e-3 <= place[best] <= 1 + 1e-3
        places.append(place[best])
        ways.add(best)
    assert len(ways) > 0.7 * len(made), "always between the same two"
    assert min(places) < 0.1
    assert max(places) > 0.9


@pytest.mark.parametrize(
    "shares",
    [
        None,
        [0, 0.25, 0.25, 0.25, 0.25],  # of the second of two classifiers
        [0.5, 0.2, 0.1, 0.1, 0.1],
        [0.2, 0.5, 0.1, 0.1, 0.1],
    ],
)
def test_as_many_are_real_as_a_random_batch_with_that_majority_has(cohort, shares):
    steps, size = 8, 120
    sampler = BalancedSampler(cohort, seed=3, shares=shares)
    batches = _batches(sampler, steps=steps, batch_size=size)
    twins = _real(cohort, seed=3, steps=steps, batch_size=size, shares=shares)
    seen, real = np.zeros(5, int), np.zeros(5, int)
    for (patches, labels), twin in zip(batches, twins, strict=True):
        same = (patches == twin).all(axis=(1, 2, 3))
        seen += np.bincount(labels, minlength=5)
        real += np.bincount(labels[same], minlength=5)
    share = np.full(5, 0.2) if shares is None else np.array(shares)
    np.testing.assert_array_equal(seen, steps * size * share)
    brain = np.concatenate([case.labels[case.brain | (case.labels > 0)] for case in cohort])
    counts = np.where(share > 0, np.bincount(brain, minlength=5), 0)
    # A random batch with as many of the majority has this many of each class.
    random = seen[counts.argmax()] * counts / counts.max()
    for number in np.flatnonzero(share):
        expected = binom(seen[number], min(1, random[number] / seen[number]))
        assert expected.ppf(1e-4) <= real[number] <= expected.isf(1e-4), number
    assert real[counts.argmax()] == seen[counts.argmax()], "the majority is never made up"


def test_the_same_seed_and_draws_give_the_same_batches(cohort):
    first, second = BalancedSampler(cohort, seed=0), BalancedSampler(cohort, seed=0)
    one, two = _batches(first), _batches(first)
    second.draws = 4  # goes on after the first pass
    for (patches, labels), (same, same_labels) in zip(two, _batches(second), strict=True):
        np.testing.assert_array_equal(patches, same)
        np.testing.assert_array_equal(labels, same_labels)
    other = _batches(BalancedSampler(cohort, seed=1))
    assert not any(np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_every_pass_has_another_pool(cohort):
    """With a pool of one patch, which nothing lies near, the pool can be seen: it is repeated."""
    sampler = BalancedSampler(cohort, seed=0)
    data = smote_dataset(sampler, steps=4, batch_size=60, patch_size=SIZE, pool=1)
    pools = []
    for epoch in range(2):
        batches = [(patches.numpy(), labels.numpy()) for patches, labels in data]
        twins = _real(cohort, draws=4 * epoch)
        made = {
            patch.tobytes()
            for (patches, labels), twin in zip(batches, twins, strict=True)
            for patch, same, label in zip(patches, twin, labels, strict=True)
            if label == 4 and not np.array_equal(patch, same)
        }
        assert len(made) == 1, "one pool a pass"
        pools.append(made)
    assert pools[0] != pools[1]


def test_a_class_of_one_voxel_is_repeated(cohort):
    def change(case):
        labels = np.where(case.labels == 4, 3, case.labels)
        if case.id == "tiny":
            labels[1, 30, 30] = 4
        return labels

    single = relabelled(cohort, change)
    (expected,) = _all_patches(single, 4)
    for patches, labels in _batches(BalancedSampler(single, seed=0), steps=2):
        assert (labels == 4).sum() == 12
        for patch in patches[labels == 4]:
            np.testing.assert_array_equal(patch.ravel(), expected)


def test_a_class_without_a_voxel_is_left_out(cohort):
    """As the error of `BalancedSampler` says: by shares without it."""
    without = relabelled(cohort, lambda case: np.where(case.labels == 4, 3, case.labels))
    shares = [0.25, 0.25, 0.25, 0.25, 0]
    for _, labels in _batches(BalancedSampler(without, seed=0, shares=shares), steps=2):
        assert np.bincount(labels).tolist() == [15, 15, 15, 15]


def test_a_line_has_both_ends():
    """Two patches, 0 and 1: what lies between them is as often in any tenth as in another."""
    patches = np.array([0, 1], np.float32).reshape(2, 1, 1, 1)
    made = np.empty((5000, *patches.shape[1:]), patches.dtype)
    interpolate(patches, nearest(patches, 5), np.random.default_rng(0), out=made)
    made = made.ravel()
    tenths = np.histogram(made, bins=10, range=(0, 1))[0]
    assert tenths.sum() == 5000
    assert np.abs(tenths - 500).max() < 5 * 500**0.5
