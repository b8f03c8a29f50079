import re

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import SCHEMES, LabelScheme
from imbalance_tf.evaluation.claims import compare_with_paper, ratio_claim, study_claims, verdict

FIVE = SCHEMES["brats2013"]
CLASSES = ["edema", "enhancing", "necrosis", "non-enhancing"]  # from common to rare
COLUMNS = ["whole", "core", "active", *FIVE.classes]
ALL = {"scheme": FIVE, "classes": CLASSES}


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.1, 0.2, 0.15], "seen here"),
        ([-0.1, -0.2, -0.15], "the opposite here"),
        ([-0.2, 0.2, 0.01], "undecided"),
        ([0.0, 0.0], "undecided"),
        ([0.1, 0.3, -0.05], "undecided"),
        ([0.3], "as in the paper, but on one case only"),
        ([-0.3, np.nan], "not as in the paper, but on one case only"),
        ([np.nan, np.nan], "cannot be said"),
    ],
)
def test_the_verdict_follows_from_the_numbers(differences, words):
    assert verdict(pd.Series(differences)).startswith(words)


def test_a_study_decides_by_the_bootstrap():
    values = pd.Series([0.1, 0.3, 0.2, -0.05])
    assert verdict(values).startswith("undecided")
    assert verdict(values, bootstrap=True) == "seen here"
    table = pd.DataFrame(
        [
            (arm, "c", seed, f"case {number}", region, value + 0.2 * (arm == "balanced"))
            for arm in ("random", "balanced", "hard")
            for seed in (0,)
            for number, value in enumerate(values)
            for region in COLUMNS
        ],
        columns=["arm", "cohort", "seed", "case", "region", "dice"],
    ).assign(**{"volume ratio": lambda rows: 2.0 ** rows["dice"], "batches": 1000, "fold": 0})
    claims = study_claims(table, **ALL).set_index("claim")["verdict"]
    assert claims["hard example mining over-segments the whole tumour"] == "seen here"


@pytest.mark.parametrize(
    ("kept", "words"), [(0.995, "seen here"), (0.98, "the opposite here; the paper")]
)
def test_the_dice_of_healthy_tissue_is_kept_above_99(kept, words):
    claims = compare_with_paper(_tables(0.5, kept, 0.6), _tables(1, 1, 1), **ALL)
    (found,) = claims[claims["claim"].str.startswith("balanced keeps the Dice")]["verdict"]
    assert found.startswith(words)


def test_of_few_cases_the_dice_of_healthy_tissue_is_as_open_as_a_difference():
    dice = _tables(0.5, 0.995, 0.6)
    of = "balanced keeps the Dice of healthy tissue above 0.99"
    dice["balanced"]["healthy"] = [0.97, 0.999, 0.999, 0.999]
    claims = compare_with_paper(dice, _tables(1, 1, 1), **ALL).set_index("claim")
    assert claims.loc[of, "verdict"].startswith("undecided")
    one = {name: table[:1] for name, table in dice.items()}
    claims = compare_with_paper(one, _tables(1, 1, 1, 1), **ALL).set_index("claim")
    assert claims.loc[of, "verdict"] == "not as in the paper, but on one case only"


def _tables(random, balanced, hard, cases=4):
    generator = np.random.default_rng(0)
    return {
        name: pd.DataFrame(level + generator.normal(0, 0.001, (cases, 8)), columns=COLUMNS)
        for name, level in {"random": random, "balanced": balanced, "hard": hard}.items()
    }


def test_a_run_like_the_papers_and_its_opposite_get_opposite_verdicts():
    like = compare_with_paper(_tables(0.5, 0.7, 0.6), _tables(0.6, 1.5, 1.5), **ALL)
    opposite = compare_with_paper(_tables(0.7, 0.5, 0.6), _tables(1.5, 0.6, 0.6), **ALL)
    pairs = dict(zip(like.claim, zip(like.verdict, opposite.verdict, strict=True), strict=True))
    assert pairs["balanced is above random on core"] == ("seen here", "the opposite here")
    assert pairs["random is above balanced on whole"] == ("the opposite here", "seen here")
    assert pairs["balanced is above hard on active"] == ("seen here", "the opposite here")
    assert pairs["random under-segments the whole tumour"] == ("seen here", "the opposite here")
    assert pairs["hard example mining over-segments the whole tumour"] == (
        "seen here",
        "the opposite here",
    )


def test_the_numbers_measured_stand_beside_the_claim():
    claims = compare_with_paper(_tables(0.5, 0.7, 0.6), _tables(1, 1, 1), **ALL)
    row = claims.set_index("claim").loc["balanced is above random on core", "measured"]
    assert "balanced 0.70" in row
    assert "random 0.50" in row
    assert "+0.2" in row
    assert "(4 cases)" in row


def test_one_case_with_hardly_any_true_voxels_does_not_decide_a_ratio():
    ratio = pd.Series([0.3, 0.3, 0.3, 0.3, 100.0])
    claim = ratio_claim("under", ratio, below=True)
    assert "above 1 in 1 of 5 cases" in claim[1]
    low, high = re.search(r"\[(.+), (.+)\]", claim[1]).groups()
    assert float(low) < 1 < float(high)
    assert claim[2].startswith("undecided")
    assert ratio_claim("under", ratio[:4], below=True)[2] == "seen here"
    assert ratio_claim("over", ratio[:4])[2] == "the opposite here"


def test_means_beside_a_difference_are_of_the_same_cases():
    """Of a region that a case lacks, an arm that predicts nothing there has no Dice."""
    tables = _tables(0.5, 0.7, 0.6)
    tables["random"].loc[0, "core"], tables["balanced"].loc[0, "core"] = np.nan, 0.0
    claims = compare_with_paper(tables, tables, **ALL).set_index("claim")
    measured = claims.loc["balanced is above random on core", "measured"]
    assert measured.startswith("balanced 0.70")
    assert ", random 0.50" in measured
    assert "(3 cases)" in measured


def test_what_stands_behind_a_mean_is_its_standard_error():
    tables = _tables(0.5, 0.7, 0.6)
    tables["balanced"]["healthy"] = [0.90, 0.92, 0.94, 0.96]
    claims = compare_with_paper(tables, _tables(1, 1, 1), **ALL).set_index("claim")
    measured = claims.loc["balanced keeps the Dice of healthy tissue above 0.99", "measured"]
    assert measured.startswith("0.930 ± 0.013 (4 cases)")  # 0.0258 / sqrt(4)


def test_a_class_that_no_test_case_has_gives_no_verdict():
    claim = ratio_claim("over", pd.Series([np.nan, np.nan]))
    assert claim[1:] == ("absent from every test case", "cannot be said: no test case has a value")


def test_a_rare_class_that_is_predicted_least_is_told_from_a_tumour_predicted_small():
    ratios = _tables(0.5, 1.0, 1.0)
    claim = "random under-segments a rare class more than the whole tumour: non-enhancing"
    ratios["random"]["non-enhancing"] = [0.2, 0.25, 0.2, 0.25]
    table = compare_with_paper(_tables(0.5, 0.5, 0.5), ratios, **ALL)
    measured, verdict = table.set_index("claim").loc[claim]
    assert verdict == "seen here"
    # sqrt(0.2 * 0.25) / 0.5; the standard error of the logarithms is log2(1.25) / sqrt(12)
    assert "0.447 [0.393, 0.509] times that of the whole tumour" in measured
    ratios["random"]["non-enhancing"] = [1.0, 1.1, 1.0, 1.1]
    table = compare_with_paper(_tables(0.5, 0.5, 0.5), ratios, **ALL)
    assert table.set_index("claim").loc[claim, "verdict"] == "the opposite here"


def test_a_ratio_of_nothing_predicted_is_under_segmented():
    ratios = _tables(0.0, 1.0, 1.0)
    ratios["random"][:] = 0.0
    claims = compare_with_paper(_tables(0.5, 0.5, 0.5), ratios, **ALL)
    assert (
        claims.set_index("claim").loc["random under-segments the whole tumour", "verdict"]
        == "seen here"
    )


def test_a_scheme_with_one_class_has_the_claims_that_it_can_have():
    scheme = LabelScheme("lesions", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)})
    tables = {name: table[["healthy", "edema"]].set_axis(["healthy", "lesion"], axis=1)
              for name, table in _tables(0.5, 0.7, 0.6).items()}  # fmt: skip
    claims = compare_with_paper(tables, tables, scheme=scheme, classes=["lesion"])
    assert "random under-segments lesion" in claims.claim.tolist()
    assert not claims.claim.str.contains("more than|whole|core|active").any()
