from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_tf import SCHEMES, ClassIndex, Cohort, load_cohort


def _cohort(labels, brain):
    return Cohort(
        images=np.zeros((*labels.shape, 1), np.float16),
        labels=labels,
        brain=brain,
        case_ids=("a",),
        slice_case=np.zeros(len(labels), int),
        scheme=SCHEMES["brats2013"],
    )


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_the_ranks_of_a_class_are_its_voxels_each_once(shape, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, shape).astype(np.uint8)
    brain = generator.random(shape) < 0.5
    index = ClassIndex(_cohort(labels, brain))
    for number in range(5):
        expected = np.argwhere((labels == number) & (brain | (labels > 0)))
        assert index.counts[number] == len(expected)
        ranks = index.first[number] + np.arange(index.counts[number])
        assert np.array_equal(index.centres(ranks), expected)


@given(
    cases=st.lists(st.integers(0, 2), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_the_voxels_of_a_class_come_case_by_case(cases, seed):
    """Also where the slices of a case do not lie together."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, (len(cases), 5, 6)).astype(np.uint8)
    cohort = replace(
        _cohort(labels, generator.random(labels.shape) < 0.7),
        case_ids=("a", "b", "c"),
        slice_case=np.array(cases),
    )
    index = ClassIndex(cohort)
    for number in range(3):
        ranks = index.first[number] + np.arange(index.counts[number])
        found = cohort.slice_case[index.centres(ranks)[:, 0]]
        assert np.array_equal(found, np.repeat(range(3), index.case_counts[:, number]))


def test_the_index_is_small(phantom):
    cohort = load_cohort(phantom)
    index = ClassIndex(cohort)
    assert index.total == (cohort.brain | (cohort.labels > 0)).sum()
    assert index.nbytes < 0.1 * 4 * index.total  # a list of positions has 4 bytes a voxel


class _Slices:
    """So many slices, all empty but the last: more than would fit in memory."""

    def __init__(self, shape, last):
        self.shape, self._last = shape, last

    def __iter__(self):
        empty = np.zeros_like(self._last)
        yield from (empty for _ in range(self.shape[0] - 1))
        yield self._last


def test_two_thousand_whole_cases_do_not_overflow():
    shape = (2000 * 155, 240, 240)  # 1.8e10 voxels
    last = np.zeros(shape[1:], np.uint8)
    last[238, 230:239] = 4
    cohort = SimpleNamespace(
        labels=_Slices(shape, last),
        brain=_Slices(shape, last > 0),
        case_ids=[f"case_{number}" for number in range(2000)],
        slice_case=np.repeat(np.arange(2000), 155),
        scheme=SCHEMES["brats2013"],
    )
    index = ClassIndex(cohort)
    assert index.counts.tolist() == [0, 0, 0, 0, 9]
    expected = [(shape[0] - 1, 238, column) for column in range(230, 239)]
    assert np.array_equal(index.centres(np.arange(9)), expected)


def test_a_row_may_be_wider_than_65_thousand_voxels():
    labels = np.zeros((1, 2, 70_000), np.uint8)
    labels[0, 1, 69_990:] = 2
    index = ClassIndex(_cohort(labels, labels == 0))
    assert index.counts.tolist() == [139_990, 0, 10, 0, 0]
    assert index.centres([139_989, 139_999]).tolist() == [[0, 1, 69_989], [0, 1, 69_999]]
