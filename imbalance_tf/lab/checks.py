"""Checks for the exercises of the notebooks: each asks an answer on inputs of its own.

A check prints one line, and never raises: what was found, what is expected, and the likely mistake.
With the environment variable ``STRICT=1``, for graders and tests, a wrong answer raises an
AssertionError with the same line.
"""

import os
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.labels import SCHEMES
from imbalance_tf.sampling.samplers import BalancedSampler

__all__ = [
    "balanced_laws",
    "dice",
    "interval",
    "lost_by_the_first",
    "prior_correction",
    "samples_per_voxel",
]

_CLOSE = 2e-3  # a right value may be rounded to three digits


class _Wrong(Exception):
    """An answer is wrong; the message says how."""


def _check(ask: Callable[..., None]) -> Callable[..., None]:
    """A check that prints, out of a function that raises."""

    @wraps(ask)
    def check(answer, **how):
        problem = ""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                if not callable(answer):
                    raise _Wrong(f"{answer!r} found; a function is expected, without ( ) after it")
                ask(answer, **how)
        except _Wrong as wrong:
            problem = str(wrong)
        except Exception as error:
            problem = f"your code stopped with {type(error).__name__}: {error}"
        if problem and os.environ.get("STRICT") == "1":
            raise AssertionError(f"{ask.__name__}: {problem}")
        print(f"{ask.__name__}: {problem or 'right'}")

    return check


def _values(answered: Any) -> np.ndarray:
    if answered is None or answered is ...:
        raise _Wrong("no value yet: the function returns nothing")
    return np.asarray(list(answered.values()) if isinstance(answered, Mapping) else answered, float)


def _compare(found: Any, expected: Any, mistakes: Mapping[str, Any], where: str = "") -> None:
    """Refuse what is not expected, and name the mistake that gives it."""
    found, expected = _values(found).squeeze(), np.asarray(expected, float)
    if found.shape != expected.shape:
        shapes = f"shape {found.shape} found, {expected.shape} expected"
        raise _Wrong(where + shapes + " (() is one number)")

    def same(other):
        return np.allclose(found, other, rtol=_CLOSE, atol=_CLOSE / 10, equal_nan=True)

    if not same(expected):
        named = [f": {why}" for why, value in mistakes.items() if same(value)]
        if np.isnan(found).all():
            named = [": nothing is computed yet, or 0/0"]
        numbers = f"{_shown(found)} found, {_shown(expected)} expected"
        raise _Wrong(where + numbers + "".join(named[:1]))


def _shown(values: np.ndarray) -> str:
    shown = [f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}" for value in values.flat]
    return ", ".join(shown[:4]) + ", ..." * (len(shown) > 4)


@_check
def dice(answer: Callable) -> None:
    """``answer(truth, predicted)``: Dice of two bool arrays of one shape; NaN if both are empty.

    Examples
    --------
    >>> from imbalance_tf.lab import checks
    >>> checks.dice(lambda truth, predicted: (truth & predicted).sum() / (truth | predicted).sum())
    dice: 0.211 found, 0.348 expected: that is the Jaccard index, which divides by the union
    """
    voxels = np.random.default_rng(0).permutation(120).reshape(4, 5, 6)
    for true, said, both in [(16, 30, 8), (40, 25, 20), (12, 12, 12), (9, 30, 0), (7, 0, 0)]:
        union, total = true + said - both, true + said
        mistakes = {
            "that is the Jaccard index, which divides by the union": both / union,
            "that has the union where the intersection is meant": 2 * union / total,
            "that is half of it; divide by the mean of both sizes, not the sum": both / total,
            "that is the recall: the share of the truth that is predicted": both / true,
            "that is the precision: the share of the predicted that is true": both / (said or 1),
            "that is the accuracy, which counts what is in neither": 1 - (total - 2 * both) / 120,
        }
        predicted = (voxels >= true - both) & (voxels < union)
        where = "" if said else "where nothing is predicted: "
        _compare(answer(voxels < true, predicted), 2 * both / total, mistakes, where)
    empty = np.zeros((4, 5, 6), bool)
    mistakes = {"0/0 is no perfect score": 1, "0/0 is no bad score either": 0}
    _compare(answer(empty, empty.copy()), np.nan, mistakes, "where both are empty: ")


@_check
def samples_per_voxel(answer: Callable) -> None:
    """``answer(counts, shares, batches, batch_size)``: how often each voxel comes in a training.

    One number a class, the mean over its voxels. `counts` are the voxels of each class, and
    `shares` the part of each batch that it gets.
    """
    for batches, size in ((50, 20), (300, 64)):
        counts, shares = np.array([9000, 600, 330, 70]), np.array([0.4, 0.3, 0.2, 0.1])
        right = batches * size * shares / counts
        mistakes = {
            "those are the patches of a class; divide by its voxels": right * counts,
            "a class gets only its share of a batch": right / shares,
            "divided by the voxels of all classes": right * counts / counts.sum(),
            "batches are counted, and not the patches in them": right / size,
            "that is one batch; a training has many": right / batches,
            "upside down: that is voxels per sample": 1 / right,
        }
        _compare(answer(counts, shares, batches, size), right, mistakes)


class _OnAverage(BalancedSampler):
    """Breaks the first law: a class has its share on average, not in every batch."""

    def draw(self, n):
        many = super().draw(20 * n)
        return many[np.random.default_rng(self.draws).choice(len(many), n, replace=False)]


@_check
def balanced_laws(answer: Callable) -> None:
    """``answer(sampler)``: asserts the two laws of a balanced sampler, or returns if they hold.

    It is handed three samplers of a cohort, ``sampler.cohort``: one keeps both laws, and each of
    the others breaks one.
    """
    generator, cases = np.random.default_rng(0), []
    for name, shape in {"large": (2, 30, 30), "small": (1, 20, 20), "tiny": (1, 12, 12)}.items():
        labels = generator.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1], size=shape).astype(np.uint8)
        cases.append(Case(name, np.zeros((*shape, 1), np.float16), labels, np.ones(shape, bool)))
    cohort = Cohort(cases, SCHEMES["brats2013"], ("t1",))

    def passes(sampler):
        try:
            return (held := answer(sampler)) is None or held is ... or bool(held)
        except AssertionError:
            return False

    good = passes(BalancedSampler(cohort, seed=0))
    average = passes(_OnAverage(cohort, seed=0))
    by_case = passes(BalancedSampler(cohort, seed=0, within="case"))
    broken = "a sampler passes that breaks the {} law: "
    if good and average and by_case:
        raise _Wrong("all three samplers pass; two of them break a law, and nothing objects yet")
    if not good:
        raise _Wrong(
            "a sampler that keeps both laws does not pass. Counts are exact; but voxels are only "
            "equally likely, and a case gives of a class as it has of it, give or take chance"
        )
    if average:
        held = "the shares hold on average. Look at every batch, not at a sum or mean of them"
        raise _Wrong(broken.format("first") + held)
    if by_case:
        held = "each case gives equally many. Compare what it gives of a class with what it has"
        raise _Wrong(broken.format("second") + held)


@_check
def prior_correction(answer: Callable, logits: bool = False) -> None:
    """``answer(values, natural, batch)``: from the class shares of the batches to natural ones.

    The values (..., classes) are probabilities, or logits with ``logits=True``. An answer may give
    probabilities, what is proportional to them, or their logarithms.
    """
    given = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 5))
    natural, batch = np.array([0.9, 0.06, 0.03, 0.01]), np.array([0.4, 0.1, 0.3, 0.2])
    values = np.log(given) + 1 if logits else given
    found = _values(answer(values.copy(), natural.copy(), batch.copy()))
    mistakes = {
        "nothing is changed": given,
        "multiply by the natural share and divide by the batch's": given * batch / natural,
        "the share of the batch, too, is needed": given * natural,
        "the natural share, too, is needed": given / batch,
        "logarithms are added to logits; a probability is multiplied": np.exp(given)
        * natural
        / batch,
    }
    if (found < 0).any():  # logarithms
        found = np.exp(found - found.max(axis=-1, keepdims=True))
    named = {why: _normal(values) for why, values in mistakes.items()}
    _compare(_normal(found), _normal(given * natural / batch), named)


def _normal(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=-1, keepdims=True)


@_check
def interval(answer: Callable) -> None:
    """``answer(values)``: (low, high), the 95 % interval of the mean of the values, by bootstrap.

    Any kind of bootstrap, or Student's interval, is right.
    """
    for cases in (60, 200):
        values = 5 + np.random.default_rng(cases).exponential(2, cases)
        # The mean of several, since an answer may have few resamples and no seed.
        found = np.mean([_values(answer(values.copy())) for _ in range(5)], axis=0)
        if found.shape != (2,):
            raise _Wrong(f"shape {found.shape} found; two numbers are expected: low, high")
        reach = 1.96 * values.std() / np.sqrt(cases)
        width, off = np.diff(found)[0] / (2 * reach), (found.mean() - values.mean()) / reach
        if 0.88 < width < 1.2 and abs(off) < 0.25:
            continue
        mistakes = {
            "nothing is computed yet": np.isnan(width),
            "low comes first": width < 0,
            "no width; is each resample drawn with replacement?": width < 0.01,
            "that is the spread of the values, not of their mean": width > 3,
            "it does not lie around the mean": abs(off) >= 0.25,
            "that is about one standard error to each side; 95 % is two": 0.4 < width < 0.65,
        }
        why = [f": {reason}" for reason, holds in mistakes.items() if holds]
        expected = _shown(values.mean() + reach * np.array([-1, 1]))
        raise _Wrong(f"{_shown(found)} found, about {expected} expected" + "".join(why[:1]))


@_check
def lost_by_the_first(answer: Callable) -> None:
    """``answer(truth, first)``: tumour voxels that the first of two classifiers loses.

    `truth` holds class numbers, 0 for healthy; `first` is True where the first classifier predicts
    tumour. Counts of every class, or of the tumour classes, or one number for all are right.
    """
    generator = np.random.default_rng(0)
    truth = generator.choice(4, p=[0.6, 0.2, 0.15, 0.05], size=(3, 20, 20))
    first = generator.random(truth.shape) < np.array([0.1, 0.9, 0.7, 0.5])[truth]
    found = _values(answer(truth.copy(), first.copy()))

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
    _compare(found, lost, mistakes)
