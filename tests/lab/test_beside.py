"""One run beside a study: every way in which two verdicts can meet."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import SCHEMES, LabelScheme
from imbalance_tf.lab.beside import LESSONS, claims_beside, lessons, said, scheme_of

SCHEME = SCHEMES["brats2013"]
NAMES = [*SCHEME.regions, *SCHEME.classes]
CLAIM = "balanced is above hard on whole"


def run(random, balanced, hard):
    """Dice of four cases, a mean and how much the cases differ; volumes are right."""
    wobble = np.array([-0.01, 0.0, 0.01, 0.0])[:, None]
    ones = pd.DataFrame(np.ones((4, len(NAMES))), columns=NAMES)
    return {
        arm: SimpleNamespace(dice=ones * dice + wobble * spread, volume_ratios=ones)
        for arm, (dice, spread) in {"random": random, "balanced": balanced, "hard": hard}.items()
    }


def study(results, *, here=True):
    rows = [
        (arm, region, f"case {case}", dice, 1.0)
        for arm, result in results.items()
        for region, column in result.dice.items()
        for case, dice in enumerate(column)
    ]
    table = pd.DataFrame(rows, columns=["arm", "region", "case", "dice", "volume ratio"])
    return SimpleNamespace(table=table, here=here)


@pytest.fixture
def lab():
    counts = np.array([[1000, 20, 10, 5, 50]])  # enhancing is the commonest tumour here
    return SimpleNamespace(train=SimpleNamespace(scheme=SCHEME, class_counts=lambda: counts))


APART, TURNED = run((0.5, 1), (0.7, 1), (0.6, 1)), run((0.7, 1), (0.5, 1), (0.6, 1))
EQUAL = run((0.5, 1), (0.5, -1), (0.5, 1))


@pytest.mark.parametrize(
    ("one", "many", "how"),
    [
        (APART, APART, "both decide, and agree"),
        (TURNED, TURNED, "both decide, and agree"),
        (APART, TURNED, "they contradict each other"),
        (TURNED, APART, "they contradict each other"),
        (EQUAL, APART, "only the study decides"),
        (APART, EQUAL, "only this run decides"),
        (EQUAL, EQUAL, "neither decides"),
    ],
)
def test_run_and_study_meet_in_every_way(lab, one, many, how):
    claims = claims_beside(lab, one, study(many))
    assert claims.set_index("claim").loc[CLAIM, "meet"] == how
    sorted_claims = lessons(claims).set_index("how they meet")
    assert CLAIM in sorted_claims.loc[how, "which"]
    assert sorted_claims.loc[how, "what it teaches"] == LESSONS[how]
    assert sorted_claims["claims"].sum() == len(claims)


def test_a_shipped_study_and_a_run_of_the_same_classes_speak_of_the_same_rare_ones(lab):
    rare = "balanced over-segments a rare class: {}".format
    own = claims_beside(lab, APART, study(APART))["claim"].tolist()
    shipped = claims_beside(lab, APART, study(APART, here=False))
    assert rare("edema") in own
    assert rare("enhancing") not in own
    assert rare("enhancing") in shipped["claim"].tolist()
    assert rare("edema") not in shipped["claim"].tolist()
    assert (shipped["meet"] != "").all()


def test_a_study_of_other_classes_is_asked_its_own_claims(lab):
    lesions = LabelScheme("lesions", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)})
    assert scheme_of(study(APART), lesions).regions == SCHEME.regions
    lab.train = SimpleNamespace(scheme=lesions, class_counts=lambda: np.array([[1000, 10]]))
    one = run((0.5, 1), (0.7, 1), (0.6, 1))
    for result in one.values():
        result.dice = result.dice[["healthy", "edema"]].set_axis(["healthy", "lesion"], axis=1)
        result.volume_ratios = result.dice / result.dice
    claims = claims_beside(lab, one, study(APART, here=False)).set_index("claim")
    assert claims.loc[CLAIM, ["verdict run", "meet"]].tolist() == ["not asked", ""]
    assert claims.loc["balanced is above hard on lesion", "verdict study"] == "not asked"


def test_a_verdict_says_for_against_or_neither():
    words = ["seen here", "the opposite here; the paper ...", "undecided: ...", "as in"]
    assert [said(each) for each in words] == ["for", "against", "open", "open"]
