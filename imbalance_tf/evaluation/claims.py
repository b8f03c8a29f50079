"""What the paper claims, beside what was measured, in words that follow from the numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imbalance_tf.cohort.labels import LabelScheme

from .dice import doublings
from .intervals import by_case, interval

Tables = Mapping[str, pd.DataFrame]


def compare_with_paper(
    dice: Tables,
    ratios: Tables,
    *,
    scheme: LabelScheme,
    classes: Sequence[str],
    bootstrap: bool = False,
) -> pd.DataFrame:
    """Each claim of the paper's sections VI and VII, what was measured here, and a verdict.

    A claim is a difference with a sign: of two strategies over the same test cases, of a Dice from
    0.99, or of the logarithm of a volume ratio from 0, so that half and double weigh the same.
    `verdict` decides.

    Parameters
    ----------
    dice, ratios : mapping of strategy to DataFrame
        One row per test case: Dice, and predicted over true volume.
    scheme : LabelScheme
        If it lacks the paper's regions (whole, core, active), its first region stands for the
        whole tumour and its other regions for the rare parts.
    classes : sequence of str
        The tumour classes, the commonest of the training cohort first; the others are the rare
        ones, if there are any.
    bootstrap : bool
        As in `verdict`.

    Returns
    -------
    pandas.DataFrame
        Columns ``claim``, ``measured``, ``verdict``.

    Examples
    --------
    >>> columns = ["whole", "core", "active", *SCHEMES["brats2013"].classes]
    >>> tables = {
    ...     name: pd.DataFrame([[value] * 8, [value + 0.01] * 8], columns=columns)
    ...     for name, value in {"random": 0.5, "balanced": 0.7, "hard": 0.6}.items()
    ... }
    >>> claims = compare_with_paper(
    ...     tables, tables, scheme=SCHEMES["brats2013"], classes=["edema", "enhancing"]
    ... )
    >>> claims[["claim", "verdict"]].iloc[0].tolist()
    ['random under-segments the whole tumour', 'seen here']
    """
    healthy, (tumour, *parts) = scheme.classes[0], scheme.regions
    named = "the whole tumour" if tumour == "whole" else tumour
    rule: dict[str, Any] = {"bootstrap": bootstrap}

    def better(first: str, second: str, region: str, note: str = "") -> tuple[str, str, str]:
        # Of the cases in which both have a value: an empty prediction of what is absent has none.
        of_both = pd.concat([dice[arm][region] for arm in (first, second)], axis=1).dropna()
        means = of_both.mean()
        one, other = ("undefined" if np.isnan(mean) else f"{mean:.3f}" for mean in means)
        differences = of_both.iloc[:, 0] - of_both.iloc[:, 1]
        difference = _spread(differences, sign="+", **rule)
        measured = f"{first} {one}, {second} {other}; difference {difference}"
        claim = f"{first} is above {second} on {region}{note}"
        return claim, measured, verdict(differences, **rule)

    random = ratios["random"]
    rows = [ratio_claim(f"random under-segments {named}", random[tumour], below=True, **rule)]
    logarithms = doublings(random)
    for name in classes[1:]:  # an only class is the tumour
        less = logarithms[tumour] - logarithms[name]
        claim = f"random under-segments a rare class more than {named}: {name}"
        times = f"its ratio is {_factor(-less, **rule)} times that of {named} (geometric mean)"
        rows.append((claim, times, verdict(less, **rule)))
    for name in classes[1:] or classes:
        claim = f"balanced over-segments a rare class: {name}"
        rows.append(ratio_claim(claim, ratios["balanced"][name], **rule))
    kept = dice["balanced"][healthy]
    opposite, perhaps = "the opposite here", "the paper may have counted the air as well"
    rows += [
        better("random", "balanced", tumour),
        *(better("balanced", "random", region) for region in parts),
        (
            f"balanced keeps the Dice of {healthy} tissue above 0.99",
            f"{_spread(kept, **rule)}, counted in the brain, without the air",
            verdict(kept - 0.99, **rule).replace(opposite, f"{opposite}; {perhaps}"),
        ),
        better("random", "balanced", healthy, " (the paper: marginally)"),
        *(better("balanced", "hard", region) for region in scheme.regions),
        ratio_claim(f"hard example mining over-segments {named}", ratios["hard"][tumour], **rule),
    ]
    return pd.DataFrame(rows, columns=["claim", "measured", "verdict"])


def study_claims(
    results: pd.DataFrame, *, scheme: LabelScheme, classes: Sequence[str]
) -> pd.DataFrame:
    """As `compare_with_paper`, of a study: on every case, and with bootstrapped intervals.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it, of the arms random, balanced and hard at one length. The values of
        a case are the means over the seeds.
    """
    arms = [arm for arm in ("random", "balanced", "hard") if arm in set(results["arm"])]
    dice, ratios = by_case(results), 2 ** by_case(results, "volume ratio")
    tables = ({arm: table[arm].unstack("region") for arm in arms} for table in (dice, ratios))
    return compare_with_paper(*tables, scheme=scheme, classes=classes, bootstrap=True)


def verdict(differences: pd.Series, *, bootstrap: bool = False) -> str:
    """Words for a difference that the paper says is positive; cases without a value are left out.

    "seen here" or "the opposite here" if zero is outside of the interval of the mean, "undecided"
    otherwise: two standard errors to either side for the few cases of one run, or with `bootstrap`
    95 % by bootstrap over the cases. One test case has no interval, and the verdict says so.

    Examples
    --------
    >>> verdict(pd.Series([0.1, 0.2, 0.15]))
    'seen here'
    """
    differences = differences.dropna()
    if differences.empty:
        return "cannot be said: no test case has a value"
    mean = differences.mean()
    if len(differences) == 1:
        direction = "as in the paper" if mean > 0 else "not as in the paper"
        return f"{direction}, but on one case only"
    low, high = _ends(differences, bootstrap=bootstrap)
    if low <= 0 <= high:
        within = "the 95 % interval" if bootstrap else "two standard errors of the mean"
        return f"undecided: 'no difference' is within {within}"
    return "seen here" if mean > 0 else "the opposite here"


def ratio_claim(
    claim: str, ratio: pd.Series, *, below: bool = False, bootstrap: bool = False
) -> tuple[str, str, str]:
    """A claim of over-segmentation (or under-segmentation: `below`), measured, and the verdict.

    Examples
    --------
    >>> ratio_claim("tumour is over-segmented", pd.Series([1.5, 2.0, 1.8]))[2]
    'seen here'
    """
    ratio = ratio.dropna()
    if ratio.empty:
        return claim, "absent from every test case", verdict(ratio)
    logarithms = doublings(ratio)
    measured = (
        f"predicted / true volume {_factor(logarithms, bootstrap=bootstrap)} (geometric mean); "
        f"above 1 in {(ratio > 1).sum()} of {len(ratio)} cases"
    )
    return claim, measured, verdict(-logarithms if below else logarithms, bootstrap=bootstrap)


def _ends(values: pd.Series, *, bootstrap: bool) -> tuple[float, float]:
    """Between which the mean lies: two standard errors to either side, or the interval."""
    if bootstrap:
        return interval(values)
    return values.mean() - 2 * values.sem(), values.mean() + 2 * values.sem()


def _factor(logarithms: pd.Series, *, bootstrap: bool) -> str:
    """Geometric mean of ratios, and between which it lies, if more than one case has a value."""
    known = logarithms.dropna()
    if known.empty:
        return "undefined"
    ends = _ends(known, bootstrap=bootstrap) if len(known) > 1 else ()
    within = f" [{', '.join(f'{2**end:.3f}' for end in ends)}]" if ends else ""
    return f"{2 ** known.mean():.3f}{within}"


def _spread(values: pd.Series, *, bootstrap: bool, sign: str = "") -> str:
    """Mean and standard error, or interval, over the cases that have a value."""
    values = values.dropna()
    if len(values) < 2:
        return f"{values.iloc[0]:{sign}.3f} (1 case)" if len(values) else "undefined in every case"
    spread = f"± {values.sem():.3f}"
    if bootstrap:
        spread = "[{0:{2}.3f}, {1:{2}.3f}]".format(*interval(values), sign)
    return f"{values.mean():{sign}.3f} {spread} ({len(values)} cases)"
