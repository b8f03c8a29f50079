"""Results of a study: means and paired differences over cases, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["arm_table", "by_case", "in_words", "interval", "paired_differences", "verdicts"]

LARGEST_RATIO = 20


def by_case(results: pd.DataFrame, value: str = "dice") -> pd.DataFrame:
    """One row per case and region, one column per arm: the mean over the seeds.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it.
    value : {"dice", "volume ratio"}
        Volume ratios are clipped to 1/20 and 20, and given as base-2 logarithms: so half and double
        weigh the same, and a case with few true voxels weighs no more than the others.

    Raises
    ------
    ValueError
        If the results are of several lengths of training, or several cohorts.
    """
    for part in ("batches", "cohort"):
        if part in results and results[part].nunique() > 1:
            raise ValueError(
                f"results of {results[part].nunique()} {part}; one at a time is expected: "
                f"results.groupby({part!r})"
            )
    values = results[value]
    if value == "volume ratio":
        values = np.log2(values.clip(1 / LARGEST_RATIO, LARGEST_RATIO))
    table = results.assign(value=values).groupby(
        ["region", "case", "arm"], sort=False, observed=True
    )
    return table["value"].mean().unstack("arm").reindex(columns=results["arm"].unique())


def interval(values: Sequence[float] | pd.Series) -> tuple[float, float]:
    """95 % interval of the mean over cases, by bootstrap; NaN for fewer than two cases.

    Examples
    --------
    >>> low, high = interval([0.1, 0.2, 0.3, 0.4])
    >>> round(low, 3), round(high, 3)
    (0.15, 0.35)
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return float("nan"), float("nan")
    found = stats.bootstrap(
        (known,), np.mean, method="percentile", rng=np.random.default_rng(0), vectorized=True
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def arm_table(results: pd.DataFrame, regions: Sequence[str], value: str = "dice") -> pd.DataFrame:
    """One row per arm and region: the mean over the cases and its interval.

    Returns
    -------
    pandas.DataFrame
        Index arm and region; ``dice`` (mean), or ``volume`` (geometric mean of predicted over
        true), ``low`` and ``high`` (its 95 % interval), and ``cases`` (how many have a value).
    """
    cases = by_case(results, value)
    table = _table({(arm, region): cases.loc[region, arm] for arm in cases for region in regions})
    if value == "dice":
        return table.rename(columns={"mean": "dice"})
    numbers = ["mean", "low", "high"]
    return table.assign(**2 ** table[numbers]).rename(columns={"mean": "volume"})


def paired_differences(results: pd.DataFrame, regions: Sequence[str], to: str) -> pd.DataFrame:
    """One row per arm and region: Dice minus that of another arm on the same cases.

    Returns
    -------
    pandas.DataFrame
        Index arm and region; ``difference`` (the mean over cases), ``low``, ``high`` (its 95 %
        interval) and ``cases``.

    Raises
    ------
    ValueError
        If the arm to compare with is not among the results.
    """
    dice = by_case(results)
    if to not in dice:
        raise ValueError(f"to={to!r}; one of {', '.join(dice)} is expected")
    differences = {
        (arm, region): dice.loc[region, arm] - dice.loc[region, to]
        for arm in dice.columns.drop(to)
        for region in regions
    }
    return _table(differences).rename(columns={"mean": "difference"})


def verdicts(differences: pd.DataFrame) -> pd.Series:
    """Of each of the `paired_differences`: on which side of zero its whole interval lies.

    Returns
    -------
    pandas.Series
        ``"higher"``, ``"lower"`` or ``"undecided"``.
    """
    sides = [differences["low"] > 0, differences["high"] < 0]
    return pd.Series(np.select(sides, ["higher", "lower"], "undecided"), differences.index)


def in_words(differences: pd.DataFrame) -> pd.DataFrame:
    """One row per arm, one column per region: each of the `paired_differences` with its verdict.

    Examples
    --------
    >>> index = pd.MultiIndex.from_tuples([("hard", "whole")], names=["arm", "region"])
    >>> in_words(pd.DataFrame({"difference": 0.03, "low": 0.01, "high": 0.05}, index))
    region          whole
    arm
    hard    +0.030 higher
    """
    cells = differences["difference"].map("{:+.3f} ".format) + verdicts(differences)
    arms, regions = (cells.index.unique(level) for level in (0, 1))
    return cells.unstack().reindex(index=arms, columns=regions)


def _table(values: Mapping[tuple[str, str], pd.Series]) -> pd.DataFrame:
    rows = {
        key: (cases.mean(), *interval(cases), int(cases.count())) for key, cases in values.items()
    }
    index = pd.MultiIndex.from_tuples(rows, names=["arm", "region"])
    return pd.DataFrame(list(rows.values()), index, ["mean", "low", "high", "cases"])
