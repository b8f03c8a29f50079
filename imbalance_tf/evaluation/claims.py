"""What the paper claims, beside what was measured, in words that follow from the numbers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["compare_with_paper"]


def compare_with_paper(
    dice: Mapping[str, pd.DataFrame], ratios: Mapping[str, pd.DataFrame], *, rarest: str
) -> pd.DataFrame:
    """Each claim of the paper's sections VI and VII, what was measured here, and a verdict.

    A claim is a difference with a sign: of two strategies over the same test cases, or of a
    ratio from 1. The verdict follows from its mean over the cases and the standard error of that
    mean: "seen here" and "the opposite here" if the mean is more than one standard error from
    zero, "undecided" otherwise. With one test case there is no standard error, and the verdict
    says so.

    Parameters
    ----------
    dice, ratios : mapping of strategy to DataFrame
        A row a test case: Dice, and predicted over true volume.
    rarest : str
        The rarest class of the training cohort.

    Returns
    -------
    pandas.DataFrame
        Columns ``claim``, ``measured``, ``verdict``.
    """
    rows = [
        _ratio("random under-draws the tumour", ratios["random"]["whole"], below=True),
        _ratio(
            f"random under-draws the rarest class ({rarest})", ratios["random"][rarest], below=True
        ),
        _ratio(f"balanced over-draws the rarest class ({rarest})", ratios["balanced"][rarest]),
        _better("random", "balanced", "whole", dice),
        _better("balanced", "random", "core", dice),
        _better("balanced", "random", "active", dice),
        _healthy(dice["balanced"]["healthy"]),
        _better("random", "balanced", "healthy", dice, note=" (the paper: marginally)"),
        *(_better("balanced", "hard", region, dice) for region in ("whole", "core", "active")),
        _ratio("hard example mining over-draws the tumour", ratios["hard"]["whole"]),
    ]
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
    if abs(mean) <= error or mean == 0:
        return "undecided: the mean difference is within one standard error"
    return "seen here" if mean > 0 else "the opposite here"


def _better(first: str, second: str, region: str, dice, note: str = ""):
    differences = dice[first][region] - dice[second][region]
    measured = (
        f"{first} {_number(dice[first][region])}, {second} {_number(dice[second][region])}; "
        f"difference {_spread(differences, sign='+')}"
    )
    return f"{first} is above {second} on {region}{note}", measured, verdict(differences)


def _ratio(claim: str, ratio: pd.Series, *, below: bool = False):
    measured = f"predicted / true volume {_spread(ratio)}"
    return claim, measured, verdict(1 - ratio if below else ratio - 1)


def _healthy(scores: pd.Series):
    mean = scores.mean()
    return (
        "balanced keeps the Dice of healthy tissue above 0.99",
        f"{_spread(scores)}",
        "seen here" if mean > 0.99 else "not here",
    )


def _number(values: pd.Series) -> str:
    return "undefined" if np.isnan(values.mean()) else f"{values.mean():.3f}"


def _spread(values: pd.Series, sign: str = "") -> str:
    """Mean and standard error over the cases that have a value."""
    values = values.dropna()
    if values.empty:
        return "undefined in every test case"
    error = f" ± {values.sem():.3f}" if len(values) > 1 else ""
    cases = f"{len(values)} cases" if len(values) > 1 else "1 case"
    return f"{values.mean():{sign}.3f}{error} ({cases})"
