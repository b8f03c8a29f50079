"""What the paper claims, beside what was measured, in words that follow from the numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from imbalance_tf.cohort.labels import LabelScheme

__all__ = ["compare_with_paper", "ratio_claim", "verdict"]

LARGEST_RATIO = 20


def compare_with_paper(
    dice: Mapping[str, pd.DataFrame],
    ratios: Mapping[str, pd.DataFrame],
    *,
    scheme: LabelScheme,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Each claim of the paper's sections VI and VII, what was measured here, and a verdict.

    A claim is a difference with a sign: of two strategies over the same test cases, or of the
    logarithm of a volume ratio from 0, so that half and double weigh the same. The verdict follows
    from its mean over the cases and the standard error of that mean: "seen here" and "the opposite
    here" if the mean is more than two standard errors from zero, "undecided" otherwise. With one
    test case there is no standard error, and the verdict says so.

    Parameters
    ----------
    dice, ratios : mapping of strategy to DataFrame
        A row a test case: Dice, and predicted over true volume.
    scheme : LabelScheme
        Where it lacks the paper's regions (whole, core, active), the claims are made of those it
        has: of the first what the paper says of the whole tumour, of the others what it says of
        the rare parts.
    classes : sequence of str
        The tumour classes, the commonest of the training cohort first, the rarest last.

    Returns
    -------
    pandas.DataFrame
        Columns ``claim``, ``measured``, ``verdict``.
    """
    healthy, (tumour, *parts) = scheme.classes[0], scheme.regions
    named = "the whole tumour" if tumour == "whole" else tumour
    rare = classes[1:] or classes
    drawn = ratios["random"].clip(1 / LARGEST_RATIO, LARGEST_RATIO).map(np.log2)
    less = drawn[tumour] - drawn[classes[-1]]
    rows = [
        ratio_claim(f"random under-draws {named}", ratios["random"][tumour], below=True),
        (
            f"random under-draws the rarest class ({classes[-1]}) more than {named}",
            f"its ratio is {_number(2 ** -less.mean())} times that of {named} (geometric mean)",
            verdict(less),
        ),
        *(
            ratio_claim(f"balanced over-draws a rare class: {name}", ratios["balanced"][name])
            for name in rare
        ),
        _better("random", "balanced", tumour, dice),
        *(_better("balanced", "random", region, dice) for region in parts),
        _healthy(healthy, dice["balanced"][healthy]),
        _better("random", "balanced", healthy, dice, note=" (the paper: marginally)"),
        *(_better("balanced", "hard", region, dice) for region in scheme.regions),
        ratio_claim(f"hard example mining over-draws {named}", ratios["hard"][tumour]),
    ]
    if len(classes) == 1:  # then the rarest class is the tumour
        del rows[1]
    return pd.DataFrame(rows, columns=["claim", "measured", "verdict"])


def verdict(differences: pd.Series) -> str:
    """Words for a difference that the paper says is positive; cases without a value are left out.

    Examples
    --------
    >>> verdict(pd.Series([0.1, 0.2, 0.15]))
    'seen here'
    """
    differences = differences.dropna()
    if differences.empty:
        return "cannot be said: no test case has a value"
    mean, error = differences.mean(), differences.sem()
    if len(differences) == 1:
        direction = "as in the paper" if mean > 0 else "not as in the paper"
        return f"{direction}, but on one case only"
    if abs(mean) <= 2 * error:
        return "undecided: the mean is within two standard errors of no difference"
    return "seen here" if mean > 0 else "the opposite here"


def _better(first: str, second: str, region: str, dice, note: str = ""):
    differences = dice[first][region] - dice[second][region]
    one, other = (_number(dice[strategy][region].mean()) for strategy in (first, second))
    measured = f"{first} {one}, {second} {other}; difference {_spread(differences, sign='+')}"
    return f"{first} is above {second} on {region}{note}", measured, verdict(differences)


def ratio_claim(claim: str, ratio: pd.Series, *, below: bool = False) -> tuple[str, str, str]:
    """A claim that volumes are over-drawn (or under-drawn: `below`), measured, and the verdict."""
    ratio = ratio.dropna()
    if ratio.empty:
        return claim, "absent from every test case", verdict(ratio)
    # A ratio of 0 has no logarithm, and one of 500 is mostly a tiny denominator.
    logarithms = np.log2(ratio.clip(1 / LARGEST_RATIO, LARGEST_RATIO))
    over = int((ratio > 1).sum())
    measured = f"predicted / true volume {_number(2 ** logarithms.mean())} (geometric mean); "
    measured += f"above 1 in {over} of {len(ratio)} cases"
    return claim, measured, verdict(-logarithms if below else logarithms)


def _healthy(healthy: str, scores: pd.Series):
    mean = scores.mean()
    return (
        f"balanced keeps the Dice of {healthy} tissue above 0.99",
        f"{_spread(scores)}, counted in the brain, without the air",
        "seen here" if mean > 0.99 else "not here; the paper may have counted the air as well",
    )


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.3f}"


def _spread(values: pd.Series, sign: str = "") -> str:
    """Mean and standard error over the cases that have a value."""
    values = values.dropna()
    if values.empty:
        return "undefined in every test case"
    error = f" ± {values.sem():.3f}" if len(values) > 1 else ""
    cases = f"{len(values)} cases" if len(values) > 1 else "1 case"
    return f"{values.mean():{sign}.3f}{error} ({cases})"
