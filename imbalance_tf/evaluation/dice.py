"""Dice scores, predicted volumes, and the tables made of them."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.labels import LabelScheme

LARGEST_RATIO = 20
_Ratios = TypeVar("_Ratios", pd.Series, pd.DataFrame)

PAPER_DICE = pd.DataFrame(
    {
        "whole": [0.863, 0.833, 0.810],
        "core": [0.776, 0.845, 0.801],
        "active": [0.786, 0.862, 0.835],
    },
    index=pd.Index(["random", "balanced", "hard"], name="strategy"),
)
"""The Dice scores that the paper prints (sections VI and VII)."""


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Voxels of each pair of classes: (classes, classes) int64, truth by predicted.

    Raises
    ------
    ValueError
        If the shapes differ, or the values are no whole numbers, or outside 0 to classes - 1.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 0], [1, 1]]
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, predicted {predicted.shape}; they differ")
    for name, array in {"truth": truth, "predicted": predicted}.items():
        if array.size and array.dtype.kind not in "biu":
            raise ValueError(
                f"{name} is {array.dtype}; class numbers (whole numbers) are expected. Of a file, "
                f"np.asarray(image.dataobj) gives the values as they are stored, and "
                f"scheme.to_classes(values) their class numbers"
            )
        if array.size and not 0 <= array.min() <= array.max() < classes:
            raise ValueError(
                f"{name} holds class {array.min()} to {array.max()}; 0 to {classes - 1} is expected"
            )
    pairs = truth.ravel().astype(np.intp) * classes + predicted.ravel().astype(np.intp)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def dice_scores(truth: ArrayLike, predicted: ArrayLike, scheme: LabelScheme) -> dict[str, float]:
    """Dice of each scored region and of each class.

    ``Dice = 2 |P and T| / (|P| + |T|)``. The paper (section V) prints a union where the
    intersection is meant. A region that is absent from both has no Dice (NaN); absent from the
    truth only, 0.

    Parameters
    ----------
    truth, predicted : int arrays of one shape
        Class numbers. Give the voxels of the brain only, or the Dice of healthy tissue is
        mostly a score of the air.
    scheme : LabelScheme

    Returns
    -------
    dict
        The regions of the scheme (``"whole"``, ``"core"`` and ``"active"`` in BraTS), then every
        class, by name.

    Examples
    --------
    >>> dice_scores([0, 2, 4], [0, 2, 2], SCHEMES["brats2013"])["whole"]
    1.0
    """
    return {
        name: 2 * both / (true + said) if true + said else float("nan")
        for name, (both, true, said) in _volumes(truth, predicted, scheme).items()
    }


def volume_ratios(truth: ArrayLike, predicted: ArrayLike, scheme: LabelScheme) -> dict[str, float]:
    """Predicted over true volume, with the keys of `dice_scores`.

    Above 1 the region is over-segmented, below 1 under-segmented; NaN if the truth has none of it.

    Examples
    --------
    >>> volume_ratios([0, 2, 4], [2, 2, 2], SCHEMES["brats2013"])["whole"]
    1.5
    """
    return {
        name: said / true if true else float("nan")
        for name, (_, true, said) in _volumes(truth, predicted, scheme).items()
    }


def _volumes(
    truth: ArrayLike, predicted: ArrayLike, scheme: LabelScheme
) -> dict[str, tuple[int, int, int]]:
    """Voxels in both, in the truth and in the prediction, for every region and class."""
    expect(isinstance(scheme, LabelScheme), "a LabelScheme, such as SCHEMES[...]", scheme=scheme)
    matrix = confusion_matrix(truth, predicted, len(scheme.classes))
    members = {region: scheme.region_numbers(region) for region in scheme.regions}
    members |= {name: (number,) for number, name in enumerate(scheme.classes)}
    return {
        name: (
            int(matrix[np.ix_(numbers, numbers)].sum()),
            int(matrix[list(numbers)].sum()),
            int(matrix[:, list(numbers)].sum()),
        )
        for name, numbers in members.items()
    }


def comparison_table(
    dice: Mapping[str, pd.DataFrame], ratios: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row per strategy: mean Dice of each region and class, then median volume ratios.

    Parameters
    ----------
    dice, ratios : mapping of strategy to DataFrame
        One row per case, as `dice_scores` and `volume_ratios` give them.

    Returns
    -------
    pandas.DataFrame
        Columns: the regions and classes; ``volume`` and ``cases`` of each, the latter the number of
        cases in the mean Dice: those where it is undefined are left out. Volume ratios have a
        median, since one case with a few true voxels can have a ratio of a hundred.

    Examples
    --------
    >>> one = {"random": pd.DataFrame({"whole": [0.5, 0.7, np.nan]})}
    >>> comparison_table(one, one)
              whole  volume whole  cases whole
    strategy
    random      0.6           0.6            2
    """
    rows = {
        name: pd.concat(
            [
                dice[name].mean(),
                ratios[name].median().add_prefix("volume "),
                dice[name].count().add_prefix("cases "),
            ]
        )
        for name in dice
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("strategy")
    return table.astype({name: int for name in table if name.startswith("cases ")})


def doublings(ratios: _Ratios) -> _Ratios:
    """Volume ratios as base-2 logarithms: half and double weigh the same, and 0 stands for right.

    Cut at 1/20 and 20: a ratio of 0 has no logarithm, and a ratio of 500 mostly says that the true
    volume is tiny.

    Examples
    --------
    >>> doublings(pd.Series([0.5, 1, 2])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return np.log2(ratios.clip(1 / LARGEST_RATIO, LARGEST_RATIO))


def volume_table(ratios: pd.DataFrame) -> pd.DataFrame:
    """Averages of volume ratios over cases, and how many cases are over-segmented.

    Parameters
    ----------
    ratios : pandas.DataFrame
        One row per case, as `volume_ratios` gives them.

    Returns
    -------
    pandas.DataFrame
        One row per region: ``median``, ``geometric mean`` (a ratio below 1/20 counts as 1/20, one
        above 20 as 20), ``cases over-segmented``, and ``of`` how many that have the region.

    Examples
    --------
    >>> volume_table(pd.DataFrame({"whole": [0.5, 1, 4], "core": [2, 2, np.nan]}))
           median  geometric mean  cases over-segmented  of
    whole     1.0            1.26                     1   3
    core      2.0            2.00                     2   2
    """
    return pd.DataFrame(
        {
            "median": ratios.median(),
            "geometric mean": 2 ** doublings(ratios).mean(),
            "cases over-segmented": (ratios > 1).sum(),
            "of": ratios.count(),
        }
    ).round(2)
