"""What the laws of `check_sampler` (test_checks.py) leave open: any shares, pools, wrong input."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from imbalance_tf import BalancedSampler, HardExampleSampler
from imbalance_tf.sampling.samplers import _class_counts, as_shares

from ..conftest import relabelled

WEIGHTS = st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any)


def _counts(cohort, centres):
    return np.bincount(cohort.labels_at(centres), minlength=5)


@given(
    weights=WEIGHTS,
    n=st.integers(1, 200),
)
@settings(deadline=None, max_examples=50)
def test_any_shares_are_met_to_the_next_whole_number(cohort, weights, n):
    shares = np.array(weights) / sum(weights)
    counts = _counts(cohort, BalancedSampler(cohort, seed=0, shares=shares).draw(n))
    assert counts.sum() == n
    assert (np.abs(counts - n * shares) < 1).all()


@given(
    weights=WEIGHTS,
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


@given(
    weights=WEIGHTS,
    decimals=st.integers(7, 12),
    n=st.integers(1, 10**6),
    start=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=200)
def test_a_batch_is_full_though_shares_add_up_to_nearly_one(weights, decimals, n, start):
    exact = np.array(weights) / sum(weights)
    for shares in (exact.astype(np.float32), np.round(exact, decimals)):
        counts = _class_counts(as_shares(shares, "abcde"), n, 0, start)
        assert counts.sum() == n
        assert (counts >= 0).all()


def test_shares_that_never_come_out_even_stay_within_a_few_samples():
    shares = np.array([0.5, *(0.5 * np.array([1, 2**0.5, 3**0.5, 5**0.5]))])
    shares[1:] *= 0.5 / shares[1:].sum()
    drawn = np.cumsum([_class_counts(shares, 120, 4, k) for k in range(20_000)], axis=0)
    asked = 120 * shares * np.arange(1, 20_001)[:, None]
    assert np.abs(drawn - asked).max() < 4


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
    assert np.array_equal(hard.draw(120), balanced.draw(120))


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
        labels = cohort.labels_at(centres)
        assert np.bincount(labels).tolist() == [24] * 5
        for number, pool in enumerate(sampler.pool):
            drawn = [tuple(centre) for centre in centres[labels == number]]
            in_pool = set(map(tuple, pool))
            assert len(in_pool & set(drawn)) == min(24, len(pool))
