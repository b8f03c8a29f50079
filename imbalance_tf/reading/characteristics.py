"""What a data set is like, in numbers: how rare each class is, and how far from its nearest."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.labels import LabelScheme

Moments = Mapping[int, np.ndarray]


def characteristics(cohort: Cohort) -> pd.DataFrame:
    """How rare every class and region is, and how far its intensities are from others'.

    Returns
    -------
    pandas.DataFrame
        One row per class and region: ``share`` of all brain voxels, ``cases`` that have it, the
        ``nearest`` class outside it, and ``sd``, the distance to that: between the mean intensities
        of a voxel (all modalities, all cases), in standard deviations along the direction that
        tells the two apart best (Mahalanobis', with the mean of the two covariances). What a
        network sees around a voxel comes on top.

    Examples
    --------
    >>> characteristics(cohort).columns.tolist()
    ['share', 'cases', 'nearest', 'sd']
    """
    numbers = range(len(cohort.scheme.classes))
    cases = (moments(case.images, case.labels, case.brain) for case in cohort)
    return table_of(cases, cohort.scheme, numbers)


def moments(images: np.ndarray, labels: np.ndarray, brain: np.ndarray) -> Moments:
    """Of each label of a case, the sum of (1, x)'(1, x) over its voxels of intensities x.

    These sums of several cases or labels can be added; they hold the number of voxels, the mean and
    the covariance.
    """
    inside, named = images[brain].astype(np.float64), labels[brain]
    x = np.column_stack([np.ones(len(inside)), inside])
    return {int(label): (own := x[named == label]).T @ own for label in np.unique(named)}


def table_of(cases: Iterable[Moments], scheme: LabelScheme, values: Sequence[int]) -> pd.DataFrame:
    """`characteristics` of the moments of each case; `values` are the labels of the classes."""
    label_of = dict(zip(scheme.classes, values, strict=True))
    members = {**{name: (name,) for name in scheme.classes}, **scheme.regions}
    cases = list(cases)
    size = next(iter(cases[0].values())).shape
    by_class = {
        name: sum((case[value] for case in cases if value in case), np.zeros(size))
        for name, value in label_of.items()
    }
    voxels = sum(each[0, 0] for each in by_class.values())
    rows = {}
    for name, parts in members.items():
        own = np.sum([by_class[part] for part in parts], axis=0)
        outside = {each: _distance(own, by_class[each]) for each in by_class if each not in parts}
        distances = pd.Series(outside).dropna()
        rows[name] = {
            "share": own[0, 0] / voxels,
            "cases": sum(any(label_of[part] in case for part in parts) for case in cases),
            "nearest": "" if distances.empty else distances.idxmin(),
            "sd": distances.min(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two means in sd; NaN where there are too few voxels to know the spread."""
    if min(one[0, 0], other[0, 0]) <= len(one):
        return float("nan")
    means = [sums[0, 1:] / sums[0, 0] for sums in (one, other)]
    spreads = [
        sums[1:, 1:] / sums[0, 0] - np.outer(mean, mean)
        for sums, mean in zip((one, other), means, strict=True)
    ]
    apart = means[0] - means[1]
    return float(np.sqrt(apart @ np.linalg.pinv((spreads[0] + spreads[1]) / 2) @ apart))
