"""How a check asks: it prints one line and never raises, and names the likely mistake."""

import os
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np

__all__ = ["Wrong", "check", "compare", "shown", "values_of"]

_CLOSE = 2e-3  # a right value may be rounded to three digits


class Wrong(Exception):
    """An answer is wrong; the message says how."""


def check(ask: Callable[..., None]) -> Callable[..., None]:
    """A check that prints, out of a function that raises."""

    @wraps(ask)
    def asked(answer, **how):
        problem = ""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                if not callable(answer):
                    raise Wrong(f"{answer!r} found; a function is expected, without ( ) after it")
                ask(answer, **how)
        except Wrong as wrong:
            problem = str(wrong)
        except (Exception, SystemExit) as error:
            problem = f"your code stopped with {type(error).__name__}: {error}"
        if problem and os.environ.get("STRICT") == "1":
            raise AssertionError(f"{ask.__name__}: {problem}")
        print(f"{ask.__name__}: {problem or 'right'}")

    return asked


def values_of(answered: Any) -> np.ndarray:
    """The numbers of an answer, whatever holds them; Wrong if there are none yet."""
    if answered is None or answered is ...:
        raise Wrong("no value yet: the function returns nothing")
    values = list(answered.values()) if isinstance(answered, Mapping) else answered
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:  # text, or lists of different lengths
        raise Wrong(f"{answered!r:.80} found; numbers are expected") from error


def compare(found: Any, expected: Any, mistakes: Mapping[str, Any], where: str = "") -> None:
    """Refuse what is not expected, and name the mistake that gives it."""
    found, expected = values_of(found).squeeze(), np.asarray(expected, float)
    if found.shape != expected.shape:
        shapes = f"shape {found.shape} found, {expected.shape} expected"
        raise Wrong(where + shapes + " (() is one number)")

    def same(other):
        return np.allclose(found, other, rtol=_CLOSE, atol=_CLOSE / 10, equal_nan=True)

    if not same(expected):
        named = [f": {why}" for why, value in mistakes.items() if same(value)]
        if not named and np.isnan(found).all():
            named = [": nothing is computed yet, or 0/0"]
        numbers = f"{shown(found)} found, {shown(expected)} expected"
        raise Wrong(where + numbers + "".join(named[:1]))


def shown(values: np.ndarray) -> str:
    """The first numbers of an array, for people."""
    each = [f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}" for value in values.flat]
    return ", ".join(each[:4]) + ", ..." * (len(each) > 4)
