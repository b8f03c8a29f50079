import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from imbalance_tf import (
    AIR,
    BalancedSampler,
    Cohort,
    HardExampleSampler,
    RandomSampler,
    patch_dataset,
)
from imbalance_tf.sampling.patches import cut_patches

from ..conftest import at, relabelled


class Fixed:
    """A sampler that gives what it was given: whatever has a cohort and draw(n) is a sampler."""

    def __init__(self, cohort, centres):
        self.cohort = cohort
        self.centres = np.asarray(centres, np.int32)

    def draw(self, n):
        return self.centres[:n]


def _by_padding(volumes, centres, size, fill):
    """The slow obvious way."""
    half = size // 2
    patches = []
    for case, number, row, column in centres:
        volume = volumes[case]
        rest = [(0, 0)] * (volume.ndim - 3)
        padded = np.pad(volume, [(0, 0), (size, size), (size, size), *rest], constant_values=fill)
        top, left = row + size - half, column + size - half
        patches.append(padded[number, top : top + size, left : left + size])
    return np.stack(patches)


@given(size=st.integers(1, 40), data=st.data())
@settings(deadline=None, max_examples=60)
def test_patches_are_those_of_a_padded_slice_at_every_border(size, data):
    generator = np.random.default_rng(0)
    shapes = ((2, 17, 23, 3), (1, 9, 30, 3))
    volumes = [generator.normal(size=shape).astype(np.float16) for shape in shapes]
    centre = st.integers(0, 1).flatmap(
        lambda case: st.tuples(
            st.just(case), *(st.integers(0, side - 1) for side in shapes[case][:3])
        )
    )
    centres = np.array(data.draw(st.lists(centre, min_size=1, max_size=5)))
    patches = cut_patches(volumes, centres, size, fill=AIR)
    assert patches.dtype == np.float16
    assert np.array_equal(patches, _by_padding(volumes, centres, size, AIR))


@given(size=st.integers(1, 12), data=st.data())
@settings(deadline=None, max_examples=40)
def test_beyond_the_box_of_the_brain_there_is_air(size, data):
    """Centres anywhere in the scan, of which a case holds a part."""
    whole = np.full((5, 20, 22), -7, np.int16)
    whole[1:4, 5:15, 8:20] = np.arange(360).reshape(3, 10, 12)
    box = whole[1:4, 5:15, 8:20]
    centre = st.tuples(st.integers(0, 4), st.integers(0, 19), st.integers(0, 21))
    places = np.array(data.draw(st.lists(centre, min_size=1, max_size=5)))
    centres = np.insert(places - [1, 5, 8], 0, 0, axis=1)
    patches = cut_patches([box], centres, size, fill=-7)
    assert np.array_equal(patches, _by_padding([whole], np.insert(places, 0, 0, axis=1), size, -7))


@pytest.mark.parametrize("size", [16, 33])
def test_the_dataset_gives_patch_label_and_centre(cohort, size):
    dataset = patch_dataset(RandomSampler(cohort, seed=0), steps=2, batch_size=7, patch_size=size,
        with_centres=True,
    )  # fmt: skip
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == len(dataset) == 2
    sampler = RandomSampler(cohort, seed=0)
    for patches, labels, centres in batches:
        assert patches.dtype == cohort[0].images.dtype == np.float16
        assert patches.shape == (7, size, size, 2)
        assert labels.dtype == np.int32
        assert np.array_equal(centres, sampler.draw(7))
        assert np.array_equal(
            patches, _by_padding([case.images for case in cohort], centres, size, AIR)
        )
        assert np.array_equal(labels, cohort.labels_at(centres))
        assert np.array_equal(patches[:, size // 2, size // 2], at(cohort, "images", centres))


def test_the_target_can_be_the_label_map_of_the_patch(cohort):
    sampler = Fixed(cohort, [[0, 0, 0, 0], [1, 0, 69, 60], [1, 2, 30, 30]])
    ((_, labels),) = patch_dataset(
        sampler, steps=1, batch_size=3, patch_size=16, target="patch"
    ).as_numpy_iterator()
    assert labels.dtype == np.int32
    assert np.array_equal(
        labels, _by_padding([case.labels for case in cohort], sampler.centres, 16, 0)
    )


@pytest.mark.parametrize("Sampler", [BalancedSampler, HardExampleSampler])
def test_every_batch_that_keras_gets_holds_24_of_each_class(cohort, Sampler):
    dataset = patch_dataset(Sampler(cohort, seed=0), steps=12, patch_size=24)
    counts = [np.bincount(labels).tolist() for _, labels in dataset.as_numpy_iterator()]
    assert counts == [[24] * 5] * 12


def _epochs(cohort, seed):
    dataset = patch_dataset(RandomSampler(cohort, seed=seed), steps=3, batch_size=20, patch_size=8,
        with_centres=True,
    )  # fmt: skip
    return np.array([[batch[2] for batch in dataset.as_numpy_iterator()] for _ in range(2)])


def test_the_same_seed_gives_the_same_batches_and_every_pass_others(cohort):
    first = _epochs(cohort, seed=7)
    assert np.array_equal(first, _epochs(cohort, seed=7))
    assert not np.array_equal(first, _epochs(cohort, seed=8))
    assert not np.array_equal(first[0], first[1])


def test_a_pass_that_is_broken_off_costs_as_many_draws_as_any_other(cohort):
    sampler = RandomSampler(cohort, seed=0)
    dataset = patch_dataset(sampler, steps=40, batch_size=5, patch_size=8)
    next(iter(dataset))
    assert sampler.draws == 40


@pytest.mark.parametrize(
    ("centres", "words"),
    [
        (
            [[0, 0, -1, 2]],
            r"the centre \(0, 0, -1, 2\); .* 3 cases, .* case 0, 'small', goes .* \(2, 69, 60\)",
        ),
        ([[0, 0, 0, 61]], r"gave the centre \(0, 0, 0, 61\); .* case 0, 'small'"),
        ([[2, 2, 0, 0]], r"gave the centre \(2, 2, 0, 0\); .* case 2, 'tiny'"),
        ([[3, 0, 0, 0]], r"gave the centre \(3, 0, 0, 0\); the cohort has 3 cases"),
        ([[0.0, 9.7, 2.0, 1.0]], "gave float64 of shape"),
        ([[0, 1, 2]], r"gave int64 of shape \(1, 3\)"),
    ],
)
def test_centres_that_are_none_are_refused(cohort, centres, words):
    given = cohort

    class Odd:
        cohort = given

        def draw(self, n):
            return np.array(centres)

    dataset = patch_dataset(Odd(), steps=1, batch_size=1, patch_size=8)
    with pytest.raises(Exception, match=words):
        next(iter(dataset))


def test_any_integers_are_centres(cohort):
    given = cohort

    class Plain:
        cohort = given

        def draw(self, n):
            return [[0, 0, 10, 20]] * n

    ((_, labels),) = patch_dataset(Plain(), steps=1, batch_size=2, patch_size=8)
    assert labels.numpy().tolist() == [cohort[0].labels[0, 10, 20]] * 2


def test_patches_and_labels_are_those_of_the_samplers_own_cohort(cohort):
    """Of another one of the same shape, 24 patches of each class could all be healthy."""
    other = relabelled(cohort, lambda case: np.zeros_like(case.labels))
    with pytest.raises(TypeError):
        patch_dataset(other, BalancedSampler(cohort, seed=0), steps=1)
    ((_, labels),) = patch_dataset(BalancedSampler(cohort, seed=0), steps=1, patch_size=8)
    assert np.bincount(labels).tolist() == [24] * 5


def test_a_sampler_that_does_not_say_where_its_centres_lie_is_refused():
    class Lost:
        def draw(self, n):
            return [[0, 0, 10, 20]] * n

    with pytest.raises(TypeError, match="Lost whose cohort is None; an object with draw"):
        patch_dataset(Lost(), steps=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps=0; a whole number from 1"),
        ({"batch_size": 0}, "batch_size=0; a whole number from 1"),
        ({"patch_size": -1}, "patch_size=-1; a whole number from 1"),
        ({"target": "center"}, "target='center'; 'centre' or 'patch' is expected"),
    ],
)
def test_wrong_arguments_are_named(cohort, change, words):
    with pytest.raises(ValueError, match=words):
        patch_dataset(RandomSampler(cohort, seed=0), **{"steps": 1, **change})


@pytest.mark.slow
def test_a_script_ends_in_silence_although_it_leaves_an_iterator_behind():
    code = """
import numpy as np
from imbalance_tf import SCHEMES, BalancedSampler, Case, Cohort, patch_dataset
labels = np.random.default_rng(0).integers(0, 5, (4, 80, 80)).astype(np.uint8)
case = Case("one", np.zeros((4, 80, 80, 2), np.float16), labels, np.ones(labels.shape, bool))
cohort = Cohort([case], SCHEMES["brats2013"], ("t1", "flair"))
dataset = patch_dataset(BalancedSampler(cohort, seed=0), steps=500, batch_size=1000)
batches = iter(dataset)
for _ in range(5):
    next(batches)
"""
    # Three, since without the wait at exit one in three ends by luck.
    command = [sys.executable, "-c", code]
    scripts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for script in scripts:
            assert script.communicate(timeout=120)[1] == ""
            assert script.returncode == 0
    finally:
        for script in scripts:
            script.kill()


@pytest.mark.parametrize(("images", "labels"), [(">f2", ">i2"), (">f4", ">u2"), ("<f4", "u1")])
def test_the_order_of_bytes_changes_no_patch(cohort, images, labels):
    """As of a NIfTI file of another machine; TensorFlow takes memory as it is."""
    other = Cohort(
        [replace(case, images=case.images.astype(images), labels=case.labels.astype(labels))
         for case in cohort],
        cohort.scheme,
        cohort.modalities,
    )  # fmt: skip
    sizes = {"steps": 1, "batch_size": 20, "patch_size": 24, "target": "patch"}
    for one, swapped in zip(
        patch_dataset(BalancedSampler(cohort, seed=0), **sizes).take(1),
        patch_dataset(BalancedSampler(other, seed=0), **sizes).take(1),
        strict=True,
    ):
        for mine, theirs in zip(one, swapped, strict=True):
            assert np.array_equal(mine.numpy().astype(float), theirs.numpy().astype(float))


def test_cases_of_several_precisions_are_not_cut_to_the_first(cohort):
    large = replace(cohort[1], images=np.full(cohort[1].images.shape, 1e6, np.float32))
    mixed = Cohort([cohort[0], large], cohort.scheme, cohort.modalities)
    sizes = {"steps": 1, "batch_size": 50, "patch_size": 24}
    ((patches, _),) = patch_dataset(RandomSampler(mixed, seed=0), **sizes)
    assert patches.dtype == "float32"
    assert patches.numpy().max() == 1e6
