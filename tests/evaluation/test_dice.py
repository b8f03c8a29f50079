import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from imbalance_tf import SCHEMES, dice_scores, volume_ratios
from imbalance_tf.evaluation.dice import PAPER_DICE, comparison_table, confusion_matrix

FIVE = SCHEMES["brats2013"]
labels = st.lists(st.integers(0, 4), min_size=1, max_size=40)


def _slow_dice(truth, predicted, members):
    """The definition, with sets of voxels."""
    true = {i for i, label in enumerate(truth) if label in members}
    said = {i for i, label in enumerate(predicted) if label in members}
    if not true | said:
        return float("nan")
    return len(true & said) / ((len(true) + len(said)) / 2)


@given(truth=labels, data=st.data())
def test_dice_is_its_definition_by_sets(truth, data):
    predicted = data.draw(st.lists(st.integers(0, 4), min_size=len(truth), max_size=len(truth)))
    scores = dice_scores(np.array(truth), np.array(predicted), FIVE)
    members = {"whole": {1, 2, 3, 4}, "core": {1, 3, 4}, "active": {4}}
    members |= {name: {number} for number, name in enumerate(FIVE.classes)}
    assert list(scores) == list(members)
    for name, numbers in members.items():
        assert scores[name] == pytest.approx(_slow_dice(truth, predicted, numbers), nan_ok=True)


def test_a_class_confused_within_a_region_costs_the_class_but_not_the_region():
    scores = dice_scores(np.array([0, 1, 3, 4]), np.array([0, 3, 1, 4]), FIVE)
    assert scores["core"] == 1
    assert scores["necrosis"] == 0


def test_absent_from_both_is_undefined_and_from_the_truth_only_is_0():
    scores = dice_scores(np.array([0, 2]), np.array([4, 2]), FIVE)
    assert np.isnan(scores["necrosis"])
    assert scores["active"] == 0
    assert np.isnan(volume_ratios(np.array([0, 2]), np.array([4, 2]), FIVE)["active"])


@pytest.mark.parametrize("kind", [np.uint8, np.uint64, np.int32, bool])
def test_class_numbers_may_be_of_any_whole_type(kind):
    found = confusion_matrix(np.array([0, 1], kind), np.array([1, 1], kind), 2)
    assert found.tolist() == [[0, 1], [0, 1]]
    assert confusion_matrix([], [], 2).sum() == 0


def test_the_volume_ratio_tells_over_from_under():
    truth, predicted = np.array([0, 0, 2, 2, 4, 4]), np.array([2, 2, 2, 2, 4, 0])
    ratios = volume_ratios(truth, predicted, FIVE)
    assert ratios["edema"] == 2
    assert ratios["active"] == 0.5
    assert ratios["whole"] == 1.25


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        ([0, 1], [0, 1, 2], r"truth has shape \(2,\), predicted \(3,\)"),
        ([0, 5], [0, 1], "truth holds class 0 to 5; 0 to 4 is expected"),
        ([0, 1], [0, -1], "predicted holds class -1 to 0; 0 to 4 is expected"),
    ],
)
def test_what_cannot_be_compared_is_refused(truth, predicted, words):
    with pytest.raises(ValueError, match=words):
        dice_scores(np.array(truth), np.array(predicted), FIVE)


def test_the_comparison_leaves_undefined_scores_out_of_the_mean():
    dice = {"random": pd.DataFrame({"whole": [0.5, 0.7], "active": [np.nan, 0.4]})}
    ratios = {"random": pd.DataFrame({"whole": [1.0, 2.0], "active": [np.nan, 3.0]})}
    row = comparison_table(dice, ratios).loc["random"]
    assert row["whole"] == pytest.approx(0.6)
    assert row["active"] == pytest.approx(0.4)
    assert row["volume whole"] == pytest.approx(1.5)
    assert row["volume active"] == pytest.approx(3.0)
    assert row["cases whole"] == 2
    assert row["cases active"] == 1


def test_the_volume_in_the_comparison_is_the_median():
    """A mean would be that of the one case with a few true voxels."""
    ratios = {"random": pd.DataFrame({"whole": [1.0, 2.0, 90.0]})}
    dice = {"random": pd.DataFrame({"whole": [0.5, 0.6, 0.7]})}
    assert comparison_table(dice, ratios).loc["random", "volume whole"] == 2


def test_the_papers_numbers_say_what_its_text_says():
    best = PAPER_DICE.idxmax()
    assert best.to_dict() == {"whole": "random", "core": "balanced", "active": "balanced"}
    assert (PAPER_DICE.loc["hard"] < PAPER_DICE.loc["balanced"]).all()
