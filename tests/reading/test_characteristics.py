"""characteristics: against shares and distances that are known, and the slow obvious way."""

import numpy as np
import pytest

from imbalance_tf import Case, Cohort, LabelScheme
from imbalance_tf.reading.characteristics import characteristics

SCHEME = LabelScheme("three", ("healthy", "rim", "core"), (0, 1, 2), {"all": ("rim", "core")})


def cohort_of(*labels, means=(0, 2, 3), seed=0):
    """Cases with two modalities: noise of 1 and 0.5 sd; the first says the class, by its mean."""
    rng = np.random.default_rng(seed)
    cases = []
    for number, own in enumerate(labels):
        noise = rng.normal(0, (1, 0.5), (*own.shape, 2))
        noise[..., 0] += np.take(means, own)
        cases.append(Case(f"case {number}", noise.astype(np.float16), own, np.ones(own.shape)))
    return Cohort(cases, SCHEME, ("t1", "flair"))


@pytest.fixture
def labels():
    labels = np.zeros((4, 50, 50), np.uint8)
    labels[:2] = 1
    labels[0] = 2
    return labels


def test_shares_cases_and_distances(labels):
    table = characteristics(cohort_of(labels, np.zeros_like(labels)))
    assert table["share"].to_dict() == {"healthy": 0.75, "rim": 0.125, "core": 0.125, "all": 0.25}
    assert table["cases"].tolist() == [2, 1, 1, 1]
    assert table["nearest"].tolist() == ["rim", "core", "rim", "healthy"]
    # 2.5 between the means; the sd of healthy is 1, that of both others together 1.12
    expected = [2, 1, 1, 2.5 / np.sqrt((1 + 1.25) / 2)]
    assert table["sd"].tolist() == pytest.approx(expected, rel=0.05)


def test_a_common_scale_or_mixture_of_the_modalities_changes_nothing(labels):
    cohort = cohort_of(labels)
    (case,) = cohort
    mixed = (case.images.astype(float) @ [[2, 1], [-1, 3]]).astype(np.float32)
    other = Cohort([Case("mixed", mixed, labels, case.brain)], SCHEME, cohort.modalities)
    np.testing.assert_allclose(characteristics(other)["sd"], characteristics(cohort)["sd"], 1e-4)


def test_a_class_that_is_absent_has_no_distance_and_is_nobodys_nearest(labels):
    table = characteristics(cohort_of(np.where(labels == 2, 1, labels).astype(np.uint8)))
    assert table.loc["core", ["share", "cases", "nearest"]].tolist() == [0, 0, ""]
    assert np.isnan(table.loc["core", "sd"])
    assert table.loc["rim", "nearest"] == "healthy"


def test_air_is_not_counted(labels):
    cohort = cohort_of(labels)
    (case,) = cohort
    brain = np.zeros(labels.shape, bool)
    brain[1:3] = True
    half = Cohort([Case("half", case.images, case.labels, brain)], SCHEME, cohort.modalities)
    assert characteristics(half)["share"].tolist() == [0.5, 0.5, 0, 0.5]
