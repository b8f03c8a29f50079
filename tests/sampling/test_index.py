import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_tf import SCHEMES, ClassIndex, Cohort


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


def test_the_index_is_small(phantom):
    from imbalance_tf import load_cohort

    cohort = load_cohort(phantom)
    index = ClassIndex(cohort)
    assert index.total == (cohort.brain | (cohort.labels > 0)).sum()
    assert index.nbytes < 0.2 * 4 * index.total  # a list of positions has 4 bytes a voxel
