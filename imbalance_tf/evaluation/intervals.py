"""Results of a study: means and paired differences over cases, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from imbalance_tf.cohort.arguments import one_of
from imbalance_tf.cohort.labels import SCHEMES, LabelScheme

from .dice import doublings


def by_case(results: pd.DataFrame, value: str = "dice") -> pd.DataFrame:
    """One row per case and region, one column per arm: the mean over the seeds.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it.
    value : {"dice", "volume ratio"}
        Volume ratios are given as their `doublings`.

    Returns
    -------
    pandas.DataFrame
        NaN where no seed has a value; where only some have, the mean is over these. (Of a region
        that a case lacks, a Dice is 0 if anything was predicted, else undefined.)

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
        values = doublings(values)
    table = results.assign(value=values).groupby(
        ["region", "case", "arm"], sort=False, observed=True
    )
    return table["value"].mean().unstack("arm").reindex(columns=results["arm"].unique())


def regions_of(results: pd.DataFrame, scheme: LabelScheme) -> list[str]:
    """The regions in a study's results, in its order, without the classes.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it.
    scheme : LabelScheme
        Its regions count too, beside those of the schemes that the package knows.

    Examples
    --------
    >>> regions_of(pd.DataFrame({"region": ["whole", "healthy", "core"]}), cohort.scheme)
    ['whole', 'core']
    """
    known = {name for each in (scheme, *SCHEMES.values()) for name in each.regions}
    return [name for name in results["region"].unique() if name in known]


def interval(values: Sequence[float] | pd.Series) -> tuple[float, float]:
    """95 % interval of the mean over cases, by bootstrap; NaN for fewer than two cases.

    It is too narrow for few cases. Of normal values with the mean 0, it leaves 0 out in 7 % of the
    samples of 20, in 11 % of 6, in 22 % of 4, and in half of 2.

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
    options = {"vectorized": True, "batch": 500}  # not 200 MB for a thousand cases
    found = stats.bootstrap(
        (known,), np.mean, method="percentile", rng=np.random.default_rng(0), **options
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def arm_table(results: pd.DataFrame, regions: Sequence[str], value: str = "dice") -> pd.DataFrame:
    """One row per arm and region: the mean over the cases and its interval.

    Returns
    -------
    pandas.DataFrame
        Index arm and region; ``dice`` (mean), or ``volume`` (geometric mean of predicted over
        true), ``low`` and ``high`` (its 95 % interval), and ``cases`` (how many have a value).

    Raises
    ------
    ValueError
        If a region is not among the results.
    """
    cases = by_case(results, value)
    _refuse_unknown(regions, cases)
    table = _table({(arm, region): cases[arm].loc[region] for arm in cases for region in regions})
    if value == "dice":
        return table.rename(columns={"mean": "dice"})
    numbers = ["mean", "low", "high"]
    return table.assign(**2 ** table[numbers]).rename(columns={"mean": "volume"})


def _refuse_unknown(regions: Sequence[str], cases: pd.DataFrame) -> None:
    for region in regions:
        one_of(*cases.index.unique("region"), region=region)


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
        If the arm to compare with, or a region, is not among the results.
    """
    dice = by_case(results)
    one_of(*dice, to=to)
    _refuse_unknown(regions, dice)
    differences = {
        (arm, region): dice[arm].loc[region] - dice[to].loc[region]
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


def decided(differences: pd.DataFrame) -> str:
    """How many of the `paired_differences` are decided, and how many would be by chance.

    By chance one in twenty, if intervals were exact and cases independent. It is more: intervals of
    few cases are too narrow (see `interval`), and the cases of a fold share a training.

    Examples
    --------
    >>> print(decided(pd.DataFrame({"low": [0.1, -0.2], "high": [0.3, 0.2]})))
    Of 2 differences: 1 higher, 1 undecided.
    If nothing differed, about 0.1 or more would still be decided.
    """
    found = verdicts(differences).value_counts()
    counts = ", ".join(f"{count} {word}" for word, count in found.items())
    chance = 0.05 * differences["low"].notna().sum()  # one case has no interval
    return (
        f"Of {len(differences)} differences: {counts}.\n"
        f"If nothing differed, about {chance:.1f} or more would still be decided."
    )


def together(one: str, other: str) -> str:
    """Whether two `verdicts` about the same question agree.

    Examples
    --------
    >>> together("higher", "lower"), together("higher", "undecided")
    ('they contradict each other', 'one is undecided')
    """
    if "undecided" in (one, other):
        return "both are undecided" if one == other else "one is undecided"
    return "they agree" if one == other else "they contradict each other"


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Of the `paired_differences` that a study and the patients both have: whether they agree.

    Returns
    -------
    pandas.DataFrame
        In the order of `theirs`: ``study`` and ``patients`` (the differences), each followed by its
        verdict, and ``together``.

    Examples
    --------
    >>> one = pd.DataFrame({"difference": 0.1, "low": 0.05, "high": 0.2}, ["a", "b"])
    >>> agreement(one, -one[:1].rename(columns={"low": "high", "high": "low"}))["together"]
    a    they contradict each other
    Name: together, dtype: ...
    """
    common = theirs.index.intersection(ours.index, sort=False)
    columns = {
        "study": ours["difference"],
        "its verdict": verdicts(ours),
        "patients": theirs["difference"],
        "their verdict": verdicts(theirs),
    }
    table = pd.DataFrame({name: column[common] for name, column in columns.items()})
    pairs = zip(table["its verdict"], table["their verdict"], strict=True)
    return table.assign(together=[together(*pair) for pair in pairs])


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
