"""Measured beside real, as tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from imbalance_tf.cohort.cohort import Cohort

from . import targets
from .measures import measure_case

__all__ = ["realism_table", "separability_table", "summarise"]

THIN_MM = 1.5
"""Pieces and gradients are a matter of voxel size: compared only where slices are this thin."""


def realism_table(cohort: Cohort) -> pd.DataFrame:
    """How a cohort compares with 26 real patients of BraTS 2013 and 2018.

    Returns
    -------
    DataFrame
        A row a figure: ``group``, ``figure``, ``measured``, ``low`` and ``high`` (the real range,
        or what still counts as the real mean), ``inside`` (bool). Figures that do not apply to
        the cohort's classes, modalities or slice thickness are left out.

    Examples
    --------
    >>> realism_table(cohort).query("not inside")                          # doctest: +SKIP
    """
    return summarise(measure_case(cohort, case_id) for case_id in cohort.case_ids)


def summarise(measured: Iterable[dict]) -> pd.DataFrame:
    """`realism_table` of cases measured one by one with `measure_case`."""
    cases = list(measured)
    rows = [*_volumes(cases), *_shapes(cases), *_intensities(cases)]
    table = pd.DataFrame(rows, columns=["group", "figure", "measured", "low", "high"])
    table["inside"] = table["measured"].between(table["low"], table["high"])
    return table


def separability_table(measured: Iterable[dict]) -> pd.DataFrame:
    """Best Dice that one threshold on one modality reaches: tumour classes by modalities.

    The threshold and its side are the best ones for these very cases, and voxels of the whole
    brain are judged by it: no honest classifier of that kind can do better.
    """
    cases = list(measured)
    names, modalities = cases[0]["classes"], cases[0]["modalities"]
    best = pd.DataFrame(index=pd.Index(names[1:], name="class"), columns=modalities, dtype=float)
    for modality in modalities:
        counts = sum(case["intensities"][modality]["histograms"] for case in cases)
        for number, name in enumerate(names[1:], start=1):
            best.loc[name, modality] = max(
                _dice_of_thresholds(counts[number, ::side], counts[:, ::side].sum(axis=0))
                for side in (1, -1)
            )
    return best


def _dice_of_thresholds(hits: np.ndarray, voxels: np.ndarray) -> float:
    chosen = np.cumsum(voxels)
    return float((2 * np.cumsum(hits) / np.maximum(chosen + hits.sum(), 1)).max())


def _volumes(cases: Sequence[dict]):
    classes = cases[0]["classes"]
    counts = np.stack([case["counts"] for case in cases]).astype(float)
    millilitres = [np.prod(case["spacing"]) / 1000 for case in cases]
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    pooled = 100 * counts.sum(axis=0) / counts.sum()
    for name, limits in targets.SHARES.items():
        if name in classes:
            number = classes.index(name)
            yield "share of brain, pooled, %", name, pooled[number], *limits
            yield from _span("share of brain, %", name, shares[:, number], limits)
    brain, tumour = (
        counts.sum(axis=1) * millilitres,
        counts[:, 1:].sum(axis=1) * millilitres,
    )
    yield from _span("volume, ml", "brain", brain, targets.BRAIN_ML)
    if not _is_glioma(classes):
        return
    yield from _span("volume, ml", "tumour", tumour, targets.TUMOUR_ML)
    yield from _span("share of brain, %", "tumour", 100 - shares[:, 0], targets.TUMOUR_SHARE)
    heights = [case["height"] for case in cases]
    yield from _span("height of tumour, mm", "tumour", heights, targets.TUMOUR_HEIGHT_MM)
    patches = np.array([100 * case["patches"] for case in cases])
    limits = targets.PATCHES_WITH_TUMOUR
    yield "64x64 patches with tumour, %", "mean", patches.mean(), *limits
    yield from _span("64x64 patches with tumour, %", "patches", patches, limits)


def _shapes(cases: Sequence[dict]):
    classes = cases[0]["classes"]
    if not _is_glioma(classes):
        return
    whole = [case["whole"] for case in cases]
    large = [int((volumes >= 50).sum()) for volumes in whole]
    yield from _span("pieces of 50 mm3 or more", "tumour", large, targets.TUMOUR_PIECES)
    surfaces = np.array([case["faces"][0].sum() for case in cases])
    # An empty case has no shape.
    rough = [s / v.sum() ** (2 / 3) for s, v in zip(surfaces, whole, strict=True) if v.size]
    yield from _span("surface / volume^(2/3)", "tumour", rough, targets.ROUGHNESS)
    thin = all(max(case["spacing"]) <= THIN_MM for case in cases)
    if set(targets.CLASSES) <= set(classes):
        yield from _faces(cases)
        for name, limits in targets.MAIN_PIECE.items():
            shares = [100 * p[0] / p.sum() for c in cases if (p := c["pieces"][name]).size]
            yield from _span("main piece, % of class", name, shares, limits)
        for name, limits in targets.PIECES.items() if thin else ():
            counts = [case["pieces"][name].size for case in cases]
            yield from _span("pieces", name, counts, limits)
        for name, limits in targets.LARGE_PIECES.items() if thin else ():
            counts = [int((case["pieces"][name] >= 50).sum()) for case in cases]
            yield from _span("pieces of 50 mm3 or more", name, counts, limits)
    for modality, limits in targets.GRADIENT.items() if thin else ():
        if modality in cases[0]["modalities"]:
            steep = np.nanmean([case["intensities"][modality]["gradient"] for case in cases])
            yield "mean |gradient| of z per mm", modality, steep, *limits


def _faces(cases: Sequence[dict]):
    """Shares of the shared faces (half or twice the real one is allowed), and their order."""
    classes = cases[0]["classes"]
    area = sum(case["faces"] for case in cases)
    area = area / max(area.sum() / 2, 1e-9)
    measured = {
        pair: 100 * area[classes.index(pair[0]), classes.index(pair[1])] for pair in targets.FACES
    }
    for pair, real in targets.FACES.items():
        yield "shared faces, %", "|".join(pair), measured[pair], real / 2, real * 2
    order = stats.spearmanr(list(measured.values()), list(targets.FACES.values())).statistic
    yield "shared faces, %", "rank correlation with the real order", order, 0.9, 1


def _intensities(cases: Sequence[dict]):
    for modality in cases[0]["modalities"]:
        merged = targets.MERGED.get(modality, {})
        for name, (real, between, within) in merged.items():
            moments = [_merged(case, modality, name) for case in cases]
            means, sds = (np.array([m[k] for m in moments if m[0] > 1]) for k in (1, 2))
            if not means.size:
                continue
            off = between or targets.TOLERANCE
            yield f"{modality}: mean z", name, means.mean(), real - off, real + off
            limits = within * (1 - targets.SD_WITHIN), within * (1 + targets.SD_WITHIN)
            yield f"{modality}: sd of z within a case", name, sds.mean(), *limits
            if between and means.size > 1:
                limits = between / targets.SD_BETWEEN, between * targets.SD_BETWEEN
                sd = means.std(ddof=1)
                yield f"{modality}: sd of mean z between cases", name, sd, *limits
        if not set(targets.CLASSES) <= set(cases[0]["classes"]):
            continue
        for name, real in targets.SINGLE.get(modality, {}).items():
            means = [m[1] for case in cases if (m := _merged(case, modality, name))[0] > 1]
            off = targets.SINGLE_SD.get(name, targets.TOLERANCE)
            if means:
                group = f"{modality}: mean z, slices of 2013"
                yield group, name, np.mean(means), real - off, real + off


def _merged(case: dict, modality: str, name: str) -> tuple[float, float, float]:
    """Voxels, mean and sd of one class of one case, or of two classes taken together."""
    parts = name.split(" + ") if name not in case["classes"] else [name]
    if not set(parts) <= set(case["classes"]):
        return 0, np.nan, np.nan
    moments = case["intensities"][modality]["moments"]
    count, mean, sd = moments[[case["classes"].index(part) for part in parts]].T
    weight = np.where(count > 0, count, 0) / max(count.sum(), 1)
    mean, sd = np.nan_to_num(mean), np.nan_to_num(sd)
    middle = weight @ mean
    return count.sum(), middle, np.sqrt(weight @ (sd**2 + (mean - middle) ** 2))


def _span(group: str, name: str, values, limits):
    """The lowest, the median and the highest case, each beside the range of real patients."""
    if len(values):
        for which, value in zip(
            ("lowest", "median", "highest"), np.percentile(values, (0, 50, 100)), strict=True
        ):
            yield group, f"{name}, {which} case", value, *limits


def _is_glioma(classes) -> bool:
    """Whether the figures of a whole tumour can be asked of these classes."""
    return {"edema", "enhancing"} <= set(classes)
