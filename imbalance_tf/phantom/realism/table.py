"""Measured beside real, as tables."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from imbalance_tf.cohort.cohort import Cohort

from . import targets
from .measures import measure_case

Row = tuple[str, str, float | np.floating, float, float]


def realism_table(cohort: Cohort) -> pd.DataFrame:
    """How a cohort compares with 26 real patients of BraTS 2013 and 2018.

    Returns
    -------
    DataFrame
        One row per value: ``group``, ``figure`` (its name), ``measured``, ``low`` and ``high`` (of
        shares, volumes and shapes the least and the most of single patients; of intensities and of
        what touches their mean with a tolerance of ours), ``inside`` (bool). Values
        that do not apply to the cohort's classes, modalities or slice thickness are left out.

    Examples
    --------
    >>> table = realism_table(cohort)
    >>> print(table[table.group == "volume, ml"].iloc[0, 1:].to_string())
    figure      brain, lowest case
    measured                 6.451
    low                     1174.0
    high                    1729.0
    inside                   False
    """
    return summarise(measure_case(cohort, case_id) for case_id in cohort.case_ids)


def summarise(measured: Iterable[dict]) -> pd.DataFrame:
    """`realism_table` of cases measured one by one with `measure_case`.

    Examples
    --------
    >>> summarise([measure_case(cohort, "tiny")]).equals(realism_table(cohort.subset(["tiny"])))
    True
    """
    cases = list(measured)
    rows = [*_shares(cases), *_ranges(cases), *_means(cases)]
    if set(targets.CLASSES) <= set(cases[0]["classes"]):
        rows += [*_faces(cases), *_means_of_single_classes(cases)]
    table = pd.DataFrame(rows, columns=["group", "figure", "measured", "low", "high"])
    table["inside"] = table["measured"].between(table["low"], table["high"])
    return table


def _values(cases: Sequence[dict], group: str, name: str) -> list[float]:
    """One value of every case that has it."""
    return [case["values"][group, name] for case in cases if (group, name) in case["values"]]


def _shares(cases: Sequence[dict]) -> Iterator[Row]:
    counts = sum(case["counts"] for case in cases)
    for name, share in zip(cases[0]["classes"], 100 * counts / counts.sum(), strict=True):
        if name in targets.SHARES:
            yield "share of brain, pooled, %", name, share, *targets.SHARES[name]


def _ranges(cases: Sequence[dict]) -> Iterator[Row]:
    """The lowest, the median and the highest case, each beside the range of real patients."""
    for (group, name), limits in targets.RANGES.items():
        if values := _values(cases, group, name):
            order = ("lowest", "median", "highest")
            for which, value in zip(order, np.percentile(values, (0, 50, 100)), strict=True):
                yield group, f"{name}, {which} case", value, *limits


def _means(cases: Sequence[dict]) -> Iterator[Row]:
    """The mean case, and how far the means of intensities lie apart."""
    for (group, name), limits in targets.MEANS.items():
        if values := _values(cases, group, name):
            yield group, name, np.mean(values), *limits
    for modality, classes in targets.MERGED.items():
        for name, (real, between, within) in zip(targets.MERGED_CLASSES, classes, strict=True):
            means = _values(cases, f"{modality}: mean z", name)
            if not means:
                continue
            off = between or targets.TOLERANCE
            yield f"{modality}: mean z", name, np.mean(means), real - off, real + off
            group = f"{modality}: sd of z within a case"
            sd = np.mean(_values(cases, group, name))
            limits = within * (1 - targets.SD_WITHIN), within * (1 + targets.SD_WITHIN)
            yield group, name, sd, *limits
            if between and len(means) > 1:
                limits = between / targets.SD_BETWEEN, between * targets.SD_BETWEEN
                sd = np.std(means, ddof=1)
                yield f"{modality}: sd of mean z between cases", name, sd, *limits


def _means_of_single_classes(cases: Sequence[dict]) -> Iterator[Row]:
    for modality, classes in targets.SINGLE.items():
        for name, real in classes.items():
            off = targets.SINGLE_SD.get(name, targets.TOLERANCE)
            if means := _values(cases, f"{modality}: mean z", name):
                group = f"{modality}: mean z, slices of 2013"
                yield group, name, np.mean(means), real - off, real + off


def _faces(cases: Sequence[dict]) -> Iterator[Row]:
    """Shares of the shared faces (half to twice the real one is allowed), and their order."""
    area = sum(case["faces"] for case in cases)
    area = 100 * area / max(area.sum() / 2, 1e-9)
    number = cases[0]["classes"].index
    measured = [area[number(one), number(other)] for one, other in targets.FACES]
    for pair, share, real in zip(targets.FACES, measured, targets.FACES.values(), strict=True):
        yield "shared faces, %", "|".join(pair), share, real / 2, real * 2
    order = stats.spearmanr(measured, list(targets.FACES.values())).statistic
    yield "shared faces, %", "rank correlation with the real order", order, 0.9, 1
