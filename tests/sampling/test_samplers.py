"""The laws of the samplers: exact where they are exact, by a chi-square test where random."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from imbalance_tf import BalancedSampler, HardExampleSampler, RandomSampler
from imbalance_tf.sampling.samplers import _class_counts

from ..conftest import at, relabelled, stacked

SAMPLERS = (RandomSampler, BalancedSampler, HardExampleSampler)
UNLIKELY = 1e-3


def _labels(cohort, centres):
    return cohort.labels_at(centres)


def _counts(cohort, centres):
    return np.bincount(_labels(cohort, centres), minlength=5)


def _by_slice(cohort, centres):
    """How many centres lie in each slice of the cohort."""
    before = np.cumsum([0, *cohort.shapes[:, 0]])
    return np.bincount(before[centres[:, 0]] + centres[:, 1], minlength=before[-1])


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_draws_are_voxels_of_the_brain(cohort, Sampler):
    centres = Sampler(cohort, seed=0).draw(500)
    assert centres.shape == (500, 4)
    assert centres.dtype == np.int32
    assert at(cohort, "brain", centres).all()


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_the_seed_decides_the_draws(cohort, Sampler):
    one, same, other = (Sampler(cohort, seed=seed) for seed in (3, 3, 4))
    batches = [one.draw(120) for _ in range(3)]
    assert all(np.array_equal(batch, same.draw(120)) for batch in batches)
    assert not np.array_equal(batches[0], other.draw(120))
    assert not np.array_equal(batches[0], batches[1])
    same.draws = 1
    assert np.array_equal(same.draw(120), batches[1])


def test_drawing_leaves_the_global_random_state_alone(cohort):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    HardExampleSampler(cohort, seed=0).draw(120)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_random_follows_the_class_shares(cohort):
    sampler = RandomSampler(cohort, seed=1)
    drawn = sum(_counts(cohort, sampler.draw(120)) for _ in range(300))
    shares = sampler.index.counts / sampler.index.total
    assert chisquare(drawn, drawn.sum() * shares).pvalue > UNLIKELY


def test_random_within_the_slice_follows_the_slices(cohort):
    sampler = RandomSampler(cohort, seed=1, within="slice")
    centres = np.concatenate([sampler.draw(120) for _ in range(300)])
    drawn = _counts(cohort, centres)
    labels = stacked(cohort, "labels")
    shares = np.bincount(labels.ravel(), minlength=5) / labels.size
    assert chisquare(drawn, drawn.sum() * shares).pvalue > UNLIKELY
    assert not at(cohort, "brain", centres).all()


def test_random_within_the_slice_draws_from_the_whole_scan(cohort):
    """Also where the case holds the box of its brain only: there is air around it."""
    small = replace(cohort["small"], origin=(1, 20, 30), scan_shape=(5, 100, 99))
    sampler = RandomSampler(replace(cohort, cases=[small, cohort["tiny"]]), seed=0, within="slice")
    centres = np.concatenate([sampler.draw(500) for _ in range(60)])
    first = centres[centres[:, 0] == 0, 1:] + small.origin
    assert (
        chisquare(
            [len(first), len(centres) - len(first)],
            len(centres) * np.array([5 * 100 * 99, 2 * 70 * 61]) / (5 * 100 * 99 + 2 * 70 * 61),
        ).pvalue
        > UNLIKELY
    )
    assert first.min(axis=0).tolist() == [0, 0, 0]
    assert first.max(axis=0).tolist() == [4, 99, 98]
    assert chisquare(np.bincount(first[:, 0])).pvalue > UNLIKELY
    inside = ((first >= small.origin) & (first < np.add(small.origin, (3, 70, 61)))).all(axis=1)
    labels = sampler.cohort.labels_at(centres)[centres[:, 0] == 0]
    assert not labels[~inside].any()
    assert labels[inside].any()


@pytest.mark.parametrize("Sampler", [BalancedSampler, HardExampleSampler])
def test_every_batch_of_120_holds_24_of_each_class(cohort, Sampler):
    sampler = Sampler(cohort, seed=2)
    for _ in range(200):
        assert _counts(cohort, sampler.draw(120)).tolist() == [24] * 5


@pytest.mark.parametrize("number", range(5))
def test_balanced_is_uniform_within_a_class_over_cases_of_different_size(cohort, number):
    sampler = BalancedSampler(cohort, seed=5)
    centres = np.concatenate([sampler.draw(120) for _ in range(400)])
    drawn = _by_slice(cohort, centres[_labels(cohort, centres) == number])
    available = ((stacked(cohort, "labels") == number) & stacked(cohort, "brain")).sum(axis=(1, 2))
    assert chisquare(drawn, drawn.sum() * available / available.sum()).pvalue > UNLIKELY


@given(
    weights=st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any),
    n=st.integers(1, 200),
)
@settings(deadline=None, max_examples=50)
def test_any_shares_are_met_to_the_next_whole_number(cohort, weights, n):
    shares = np.array(weights) / sum(weights)
    counts = _counts(cohort, BalancedSampler(cohort, seed=0, shares=shares).draw(n))
    assert counts.sum() == n
    assert (np.abs(counts - n * shares) < 1).all()


@given(
    weights=st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any),
    n=st.integers(1, 200),
    seed=st.integers(0, 2**32),
    start=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=100)
def test_shares_are_met_exactly_over_time(weights, n, seed, start):
    """Over the draws in which they come out even, from wherever one starts to count."""
    shares = np.array(weights) / sum(weights)
    whole = np.array(weights) * n
    draws = int(sum(weights) // np.gcd.reduce([sum(weights), *whole]))
    counts = [_class_counts(shares, n, seed, start + k) for k in range(draws)]
    assert np.array_equal(sum(counts), draws * whole // sum(weights))


def test_shares_that_never_come_out_even_stay_within_a_few_samples(cohort):
    shares = np.array([0.5, *(0.5 * np.array([1, 2**0.5, 3**0.5, 5**0.5]))])
    shares[1:] *= 0.5 / shares[1:].sum()
    drawn = np.cumsum([_class_counts(shares, 120, 4, k) for k in range(20_000)], axis=0)
    asked = 120 * shares * np.arange(1, 20_001)[:, None]
    assert np.abs(drawn - asked).max() < 4


def test_within_case_every_case_with_the_class_is_as_likely(cohort):
    sampler = BalancedSampler(cohort, seed=5, within="case")
    centres = np.concatenate([sampler.draw(120) for _ in range(400)])
    labels, cases = _labels(cohort, centres), centres[:, 0]
    assert np.bincount(labels).tolist() == [400 * 24] * 5
    for number in range(5):
        assert chisquare(np.bincount(cases[labels == number])).pvalue > UNLIKELY
    # And within a case every voxel: the slices of the large case follow their voxels.
    mine = (labels == 0) & (cases == 1)
    drawn = np.bincount(centres[mine, 1], minlength=6)
    there = ((cohort[1].labels == 0) & cohort[1].brain).sum(axis=(1, 2))
    assert chisquare(drawn, drawn.sum() * there / there.sum()).pvalue > UNLIKELY


def test_within_case_leaves_out_the_cases_without_the_class(cohort):
    def only_the_large(case):
        return np.where((case.labels == 4) & (case.id != "large"), 0, case.labels)

    other = relabelled(cohort, only_the_large)
    centres = BalancedSampler(other, seed=0, within="case").draw(600)
    rare = centres[other.labels_at(centres) == 4]
    assert len(rare) == 120
    assert set(rare[:, 0]) == {1}


def test_within_something_else_is_refused(cohort):
    with pytest.raises(ValueError, match="within='voxel'; 'class' or 'case' is expected"):
        BalancedSampler(cohort, seed=0, within="voxel")


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.5, 0.5], "5 shares from 0 that add up to 1"),
        ([0.5, 0.5, 0.5, 0, 0], "5 shares from 0 that add up to 1"),
        ([1.5, -0.5, 0, 0, 0], "5 shares from 0 that add up to 1"),
        ({"oedema": 1.0}, r"shares names \['oedema'\]; the classes are"),
    ],
)
def test_wrong_shares_are_refused(cohort, shares, words):
    with pytest.raises(ValueError, match=words):
        BalancedSampler(cohort, seed=0, shares=shares)


def test_a_class_that_no_case_has_is_named(cohort):
    without = relabelled(cohort, lambda case: np.where(case.labels == 3, 0, case.labels))
    with pytest.raises(ValueError, match="class 'non-enhancing' is to fill 20% of every batch"):
        BalancedSampler(without, seed=0)
    shares = [0.25, 0.25, 0.25, 0, 0.25]
    counts = _counts(without, BalancedSampler(without, seed=0, shares=shares).draw(120))
    assert counts.tolist() == [30, 30, 30, 0, 30]


def test_hard_without_a_pool_is_balanced(cohort):
    hard, balanced = HardExampleSampler(cohort, seed=9), BalancedSampler(cohort, seed=9)
    counts = [_counts(cohort, sampler.draw(120)).tolist() for sampler in (hard, balanced)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("size", [1, 10, 24, 60])
def test_the_pool_comes_first_without_repeats_and_is_topped_up(cohort, size):
    sampler = HardExampleSampler(cohort, seed=0)
    index = sampler.index
    sampler.pool = [
        index.centres(first + np.arange(min(size, count)))
        for first, count in zip(index.first, index.counts, strict=True)
    ]
    for _ in range(20):
        centres = sampler.draw(120)
        labels = _labels(cohort, centres)
        assert np.bincount(labels).tolist() == [24] * 5
        for number, pool in enumerate(sampler.pool):
            drawn = [tuple(centre) for centre in centres[labels == number]]
            in_pool = set(map(tuple, pool))
            assert len(in_pool & set(drawn)) == min(24, len(pool))
