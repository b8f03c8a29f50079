"""Checks about what is predicted: scores, corrections, and how sure they are."""

import inspect
from collections.abc import Callable

import numpy as np
import pandas as pd

from .asking import Wrong, check, compare, shown, values_of

__all__ = [
    "dice",
    "interval",
    "lost_by_the_first",
    "paired_difference",
    "prior_correction",
    "recalls",
]


@check
def dice(answer: Callable) -> None:
    """``answer(truth, predicted)``: Dice of two bool arrays of one shape; NaN if both are empty.

    Examples
    --------
    >>> from imbalance_tf.lab import checks
    >>> checks.dice(lambda truth, predicted: (truth & predicted).sum() / (truth | predicted).sum())
    dice: 0.211 found, 0.348 expected: that is the Jaccard index, which divides by the union
    """
    voxels = np.random.default_rng(0).permutation(120).reshape(4, 5, 6)
    sizes = [(16, 30, 8), (40, 25, 20), (12, 12, 12), (9, 30, 0), (7, 0, 0), (0, 7, 0)]
    for true, said, both in sizes:
        union, total = true + said - both, true + said
        mistakes = {
            "that is the Jaccard index, which divides by the union": both / union,
            "that has the union where the intersection is meant": 2 * union / total,
            "that is half of it; divide by the mean of both sizes, not the sum": both / total,
            "that is the recall: the share of the truth that is predicted": both / (true or 1),
            "that is the precision: the share of the predicted that is true": both / (said or 1),
            "that is the accuracy, which counts what is in neither": 1 - (total - 2 * both) / 120,
        }
        where = ""
        if not said or not true:
            mistakes["only where both are empty is it 0/0"] = np.nan
            where = f"where {'nothing is predicted' if true else 'the truth is empty'}: "
        predicted = (voxels >= true - both) & (voxels < union)
        compare(answer(voxels < true, predicted), 2 * both / total, mistakes, where)
    empty = np.zeros((4, 5, 6), bool)
    mistakes = {"0/0 is no perfect score": 1, "0/0 is no bad score either": 0}
    compare(answer(empty, empty.copy()), np.nan, mistakes, "where both are empty: ")


@check
def recalls(answer: Callable) -> None:
    """``answer(truth, predicted, classes)``: the recall of each class; NaN where it is absent.

    `truth` and `predicted` hold class numbers from 0 to ``classes - 1``.
    """
    generator = np.random.default_rng(0)
    truth = generator.choice(4, p=[0.6, 0.25, 0.1, 0.05], size=(3, 20, 20))
    predicted = np.where(
        generator.random(truth.shape) < 0.6, truth, generator.integers(4, size=truth.shape)
    )
    predicted = np.where(generator.random(truth.shape) < 0.2, 1, predicted)
    situations = {
        "": (4, predicted),
        "where the last class is absent: ": (5, predicted),
        "where an absent class is predicted: ": (5, np.where(truth == 3, 4, predicted)),
        "where the last class is never predicted: ": (4, np.where(predicted == 3, 0, predicted)),
    }
    for where, (classes, predicted) in situations.items():
        right = np.bincount(truth[truth == predicted], minlength=classes)
        true, said = (np.bincount(each.ravel(), minlength=classes) for each in (truth, predicted))
        recall = right / true
        mistakes = {
            "that is the precision: divide by the true voxels of the class": right / said,
            "that is Dice": 2 * right / (true + said),
            "divide by the voxels of the class, not by all": right / truth.size,
            "those are counts; divide by the true voxels of the class": right,
            "that is what is missed": 1 - recall,
            "that is the accuracy of 'this class or not'": 1
            - (true + said - 2 * right) / truth.size,
            "a class that is not there has no recall: NaN": np.nan_to_num(recall),
            "a class that is there and never predicted has a recall of 0": np.where(
                right > 0, recall, np.nan
            ),
        }
        compare(answer(truth.copy(), predicted.copy(), classes), recall, mistakes, where)


@check
def prior_correction(answer: Callable, logits: bool = False) -> None:
    """``answer(values, natural, batch)``: from the class shares of the batches to natural ones.

    An answer with a fourth argument, `strength`, raises the factor to that power.

    The values (..., classes) are probabilities, or logits with ``logits=True``. An answer may give
    probabilities, what is proportional to them, or their logarithms.
    """
    given = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 5))
    natural, batch = np.array([0.9, 0.06, 0.03, 0.01]), np.array([0.4, 0.1, 0.3, 0.2])
    values = np.log(given) + 1 if logits else given
    factor = natural / batch

    def asked(*strength):
        found = values_of(answer(values.copy(), natural.copy(), batch.copy(), *strength))
        if (found < 0).any():  # logarithms
            found = np.exp(found - found.max(axis=-1, keepdims=True))
        return _normal(found)

    mistakes = {
        "nothing is changed": given,
        "multiply by the natural share and divide by the batch's": given / factor,
        "by the natural share one multiplies": given / natural,
        "the share of the batch, too, is needed": given * natural,
        "the natural share, too, is needed": given / batch,
        "logarithms are added to logits; a probability is multiplied": np.exp(given) * factor,
    }
    compare(asked(), _normal(given * factor), {why: _normal(v) for why, v in mistakes.items()})
    if "strength" not in inspect.signature(answer).parameters:
        return
    for strength in (0.5, 0):
        mistakes = {
            "the strength changes no order; it is an exponent on the factor": given * factor,
            "the factor alone has the exponent, not the probability": (given * factor) ** strength,
            "the strength is an exponent": given * (1 + strength * (factor - 1)),
        }
        named = {why: _normal(v) for why, v in mistakes.items()}
        right = _normal(given * factor**strength)
        compare(asked(strength), right, named, f"with a strength of {strength}: ")


def _normal(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=-1, keepdims=True)


@check
def paired_difference(answer: Callable) -> None:
    """``answer(one, other)``: (low, high), the mean of one - other, two standard errors each way.

    Two series with a value for each case. A case without one of the values is left out.
    """
    generator = np.random.default_rng(3)
    other = pd.Series(generator.uniform(30, 90, 7), index=[f"case {n}" for n in range(7)])
    one = other + generator.normal(2, 3, 7)
    for lacking in ((), ("one",), ("one", "other")):
        where = f"where a case has no value in {lacking[-1]}: " if lacking else ""
        if "one" in lacking:
            one = one.mask(one.index == "case 2")
        if "other" in lacking:
            other = other.mask(other.index == "case 5")
        each = (one - other).dropna()
        mean, error, n = each.mean(), each.sem(), len(each)
        unpaired = np.hypot(one.sem(), other.sem())
        halves = {
            "that is one standard error to each side; two are meant": error,
            "that is the spread of the cases; divide by the root of their number": 2 * each.std(),
            "the cases are not paired: subtract case by case first": 2 * unpaired,
            "the spread has n - 1 below the line (ddof=1, as pandas has it)": 2
            * each.std(ddof=0)
            / n**0.5,
            "1.96 is for many cases; the rule here says two": 1.96 * error,
            "the case without a value is counted": 2 * each.std() / len(one) ** 0.5,
            "high comes after low": -2 * error,
        }
        mistakes = {why: (mean - half, mean + half) for why, half in halves.items()}
        mistakes["that is other - one"] = (-mean - 2 * error, -mean + 2 * error)
        if where:
            mistakes["leave that case out"] = (np.nan, np.nan)
            zero = (one - other).fillna(0)
            ends = zero.mean() - 2 * zero.sem(), zero.mean() + 2 * zero.sem()
            mistakes["a case without a value has no difference of 0; leave it out"] = ends
        compare(
            answer(one.copy(), other.copy()), (mean - 2 * error, mean + 2 * error), mistakes, where
        )


@check
def interval(answer: Callable) -> None:
    """``answer(values)``: (low, high), the 95 % interval of the mean of the values, by bootstrap.

    Any kind of bootstrap, or Student's interval, is right.
    """
    for cases in (60, 200):
        values = 5 + np.random.default_rng(cases).exponential(2, cases)
        # The mean of several, since an answer may have few resamples and no seed.
        found = np.mean([values_of(answer(values.copy())) for _ in range(5)], axis=0)
        if found.shape != (2,):
            raise Wrong(f"shape {found.shape} found; two numbers are expected: low, high")
        reach = 1.96 * values.std() / np.sqrt(cases)
        width, off = np.diff(found)[0] / (2 * reach), (found.mean() - values.mean()) / reach
        if 0.94 < width < 1.075 and abs(off) < 0.25:
            continue
        mistakes = {
            "nothing is computed yet": np.isnan(width),
            "low comes first": width < 0,
            "no width; is it the mean of each row, and is each sampled with replacement?": width
            < 0.01,
            "np.percentile counts from 0 to 100": width < 0.4 and found[1] < values.mean(),
            "much too narrow; take the mean of each row (axis=1)": width < 0.4,
            "that is the spread of the values, not of their mean": width > 3,
            "that is more than 95 %; leave out 2.5 % at each end": width > 1.075,
            "it does not lie around the mean": abs(off) >= 0.25,
            "that is less than 95 %; leave out 2.5 % at each end": 0.78 < width < 0.94,
            "that is about one standard error to each side; 95 % is two": 0.4 < width < 0.65,
        }
        why = [f": {reason}" for reason, holds in mistakes.items() if holds]
        expected = shown(values.mean() + reach * np.array([-1, 1]))
        raise Wrong(f"{shown(found)} found, about {expected} expected" + "".join(why[:1]))


@check
def lost_by_the_first(answer: Callable) -> None:
    """``answer(truth, first)``: tumour voxels that the first of two classifiers loses.

    `truth` holds class numbers, 0 for healthy; `first` is True where the first classifier predicts
    tumour. Counts of every class, or of the tumour classes, are right.
    """
    generator = np.random.default_rng(0)
    truth = generator.choice(4, p=[0.6, 0.2, 0.15, 0.05], size=(3, 20, 20))
    first = generator.random(truth.shape) < np.array([0.1, 0.9, 0.7, 0.5])[truth]
    _lost(values_of(answer(truth.copy(), first.copy())), truth, first)
    first |= truth == 3
    found = values_of(answer(truth.copy(), first.copy()))
    lost = np.bincount(truth[(truth > 0) & ~first], minlength=4)
    if not any(
        found.size >= each.size and np.array_equal(np.trim_zeros(found, "b"), each[:-1])
        for each in (lost, lost[1:])
    ):
        raise Wrong(
            f"where nothing of the last class is lost: {shown(found)} found ({found.size} "
            f"counts), {shown(lost)} expected; np.bincount(..., minlength=...) counts it as 0"
        )


def _lost(found: np.ndarray, truth: np.ndarray, first: np.ndarray) -> None:
    """Refuse what are not the counts of what was lost, in a cohort that loses of every kind."""
    if found.any():  # there may be room for more classes
        found = np.trim_zeros(np.atleast_1d(found), "b")

    def counts(where):
        each = np.bincount(truth[where], minlength=4)
        return each.sum() if found.size == 1 else each[1:] if found.size == 3 else each

    lost, tumour = counts((truth > 0) & ~first), truth > 0
    mistakes = {
        "healthy tissue is counted, too": counts(~first),
        "those are found, not lost": counts(tumour & first),
        "those are false alarms: healthy, and predicted as tumour": counts(~tumour & first),
        "false alarms are counted, too": counts(tumour != first),
        "a class number is compared with yes or no": counts(truth != first),
        "those are shares; counts are expected": lost / counts(truth >= 0),
    }
    compare(found, lost, mistakes)
    if found.size == 1:
        raise Wrong(f"{shown(found)} found: all classes together; one count a class is expected")
