"""Checks of the notebooks beyond the paper: shares, pools, lean, and how many cases it takes."""

from collections.abc import Callable

import numpy as np

from .asking import check, compare, values_of

__all__ = ["cases_needed", "hard_repeats", "lean", "shares_as_in_tumour"]


@check
def shares_as_in_tumour(answer: Callable) -> None:
    """``answer(counts, majority)``: shares of a batch, one a class; class 0 is the majority.

    The majority gets its share, and the other classes divide the rest as they are in the tumour.
    """
    for voxels, majority in (([9000, 600, 330, 70], 0.5), ([400, 30, 10], 0.8)):
        counts, rest = np.array(voxels), 1 - majority
        others = counts[1:]
        right = np.r_[majority, rest * others / others.sum()]
        mistakes = {
            "those are equal shares of all classes": np.full(len(counts), 1 / len(counts)),
            "those are the shares of the brain": counts / counts.sum(),
            "the others get equal shares": np.r_[
                majority, np.full(len(others), rest / len(others))
            ],
            "the others get more than is left": np.r_[majority, others / others.sum()],
            "divide by the voxels of the tumour, not of the brain": np.r_[
                majority, rest * others / counts.sum()
            ],
            "in percent; as parts of 1": 100 * right,
            "whole numbers cut off what is after the point; begin with floats": np.zeros(
                len(counts)
            ),
            "`majority` is not always a half": np.r_[0.5, 0.5 * others / others.sum()],
            "the majority is missing": np.r_[0, right[1:]],
        }
        compare(answer(counts.copy(), majority), right, mistakes)


@check
def hard_repeats(answer: Callable) -> None:
    """``answer(pool, patches, batches)``: in how many batches each hard patch of a class comes.

    `pool` is how many of the class are hard, and `patches` how many of a batch the class gets. It
    takes them from its pool, without repeats within the batch.
    """
    for pool, patches, batches in ((250, 24, 90), (10, 24, 90), (60, 20, 30)):
        right = batches * min(patches, pool) / pool
        mistakes = {
            "a hard patch comes at most once in a batch": batches * patches / pool,
            "those are all the patches; divide by how many are hard": batches * patches,
            "that is one batch": right / batches,
            "upside down": 1 / right,
            "a pool larger than its share does not fit into a batch": batches,
        }
        where = f"{pool} hard, {patches} a batch, {batches} batches: "
        compare(answer(pool, patches, batches), right, mistakes, where)


@check
def lean(answer: Callable) -> None:
    """``answer(natural, batch)``: by what factor a batch raises the odds of a class.

    Both are its share: of all voxels, and of the patches of a batch. The odds of a share are
    itself, divided by what it leaves to everything else.
    """
    for natural, batch in ((0.01, 0.2), (0.3, 0.6), (0.5, 0.2)):
        odds = {"natural": natural / (1 - natural), "batch": batch / (1 - batch)}
        right = odds["batch"] / odds["natural"]
        mistakes = {
            "upside down": 1 / right,
            "that divides the shares; divide their odds": batch / natural,
            "those are the odds in the batch; divide by those in the brain": odds["batch"],
            "those are the odds in the brain": odds["natural"],
            "that subtracts; a factor is asked": odds["batch"] - odds["natural"],
            "that is its logarithm": np.log(right),
        }
        where = f"{natural} of the voxels, {batch} of a batch: "
        compare(answer(natural, batch), right, mistakes, where)


@check
def cases_needed(answer: Callable) -> None:
    """``answer(values)``: of how many cases the 95 % interval of the mean would begin at zero.

    With the mean and the spread of these values. A multiple of the standard error or a bootstrap,
    rounded or not, is right.
    """
    for cases, shift in ((40, 0.1), (90, -0.3)):
        values = np.random.default_rng(cases).normal(size=cases)
        values += shift - values.mean()
        right = (1.96 * values.std() / shift) ** 2
        found = values_of(answer(values.copy())).squeeze()
        mistakes = {
            "the width falls with the square root of the cases": right**0.5 * cases**0.5,
            "not squared: that is the root of the cases": right**0.5,
            "that is so many times as many; how many cases?": right / cases,
            "that is one standard error; 95 % is about two": right / 1.96**2,
            "that many more; how many in all?": right - cases,
            "upside down": cases**2 / right,
        }
        # A bootstrap is not exact, so what lies near one of these is taken for it.
        near = [each for each in (right, *mistakes.values()) if np.allclose(found, each, 0.12)]
        compare(near[0] if near and not found.shape else found, right, mistakes, f"{cases} cases: ")
