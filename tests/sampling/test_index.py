from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from imbalance_tf import SCHEMES, Case, ClassIndex, Cohort, load_cohort
from imbalance_tf.cohort.runs import Runs


def _cohort(*pairs):
    """Of the labels and the brain of each case."""
    cases = [
        Case(f"case {number}", np.zeros((*labels.shape, 1), np.float16), labels, brain)
        for number, (labels, brain) in enumerate(pairs)
    ]
    return Cohort(cases, SCHEMES["brats2013"], ("t1",))


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_the_ranks_of_a_class_are_its_voxels_each_once(shape, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, shape).astype(np.uint8)
    brain = generator.random(shape) < 0.5
    index = ClassIndex(_cohort((labels, brain)))
    for number in range(5):
        expected = np.argwhere((labels == number) & (brain | (labels > 0)))
        expected = np.insert(expected, 0, 0, axis=1)
        assert index.counts[number] == len(expected)
        ranks = index.first[number] + np.arange(index.counts[number])
        assert np.array_equal(index.centres(ranks), expected)


sizes = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


@given(shapes=st.lists(sizes, min_size=1, max_size=6), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_the_voxels_of_a_class_come_case_by_case(shapes, seed):
    """Cases of different size, some of them without the class, or without any brain."""
    generator = np.random.default_rng(seed)
    pairs = [
        (generator.integers(0, 3, shape).astype(np.uint8), generator.random(shape) < 0.5)
        for shape in shapes
    ]
    pairs[0] = (np.zeros_like(pairs[0][0]), np.zeros_like(pairs[0][1]))
    cohort = _cohort(*pairs)
    index = ClassIndex(cohort)
    for number in range(3):
        expected = [
            (case, *voxel)
            for case, (labels, brain) in enumerate(pairs)
            for voxel in np.argwhere((labels == number) & (brain | (labels > 0))).tolist()
        ]
        ranks = index.first[number] + np.arange(index.counts[number])
        assert list(map(tuple, index.centres(ranks).tolist())) == expected
        own = [case for case, *_ in expected]
        assert np.array_equal(np.bincount(own, minlength=len(pairs)), index.case_counts[:, number])


def test_the_index_is_small(phantom):
    cohort = load_cohort(phantom)
    index = ClassIndex(cohort)
    assert index.total == sum((case.brain | (case.labels > 0)).sum() for case in cohort)
    assert index.nbytes < 0.1 * 4 * index.total  # a list of positions has 4 bytes a voxel


def test_two_thousand_whole_cases_do_not_overflow():
    shape = (155, 240, 240)  # 1.8e10 voxels together
    images = np.broadcast_to(np.float16(0), (*shape, 1))
    labels, brain = (np.broadcast_to(value, shape) for value in (np.uint8(0), np.True_))
    whole = Runs(
        classes=np.array([0]),
        voxels=np.array([labels.size]),
        bounds=np.array([0, 155 * 240]),
        starts=np.arange(0, labels.size, 240, dtype=np.uint32),
        lengths=np.full(155 * 240, 240, np.uint32),
    )
    first = Case("0", images, labels, brain).as_read("", whole)
    cases = [replace(first, id=str(number)).as_read("", whole) for number in range(2000)]
    index = ClassIndex(Cohort(cases, SCHEMES["brats2013"], ("t1",)))
    assert index.total == 2000 * labels.size
    last = index.total - 1 - np.arange(3)
    assert index.centres(last).tolist() == [[1999, 154, 239, 239 - k] for k in range(3)]
    middle = 1234 * labels.size + np.ravel_multi_index((77, 5, 3), shape)
    assert index.centres([middle]).tolist() == [[1234, 77, 5, 3]]


def test_a_row_may_be_wider_than_65_thousand_voxels():
    labels = np.zeros((1, 2, 70_000), np.uint8)
    labels[0, 1, 69_990:] = 2
    index = ClassIndex(_cohort((labels, labels == 0)))
    assert index.counts.tolist() == [139_990, 0, 10, 0, 0]
    assert index.centres([139_989, 139_999]).tolist() == [[0, 0, 1, 69_989], [0, 0, 1, 69_999]]


@pytest.mark.bad_input
@pytest.mark.parametrize("rank", [-1, -(10**12), 70, 10**15])
def test_a_rank_without_a_voxel_is_refused(rank):
    index = ClassIndex(_cohort((np.zeros((1, 7, 10), np.uint8), np.ones((1, 7, 10), bool))))
    with pytest.raises(ValueError, match=f"={rank}.*; a rank from 0 to 69 is expected"):
        index.centres([5, rank])
    assert index.centres([]).shape == (0, 4)
    assert index.centres([0, 69]).tolist() == [[0, 0, 0, 0], [0, 0, 6, 9]]
