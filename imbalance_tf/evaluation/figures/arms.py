"""Charts of studies: any number of arms, each with its interval over the cases."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imbalance_tf.evaluation.intervals import arm_table, by_case, interval, paired_differences

from .style import STRATEGY_COLOURS, STRATEGY_MARKERS, closed

__all__ = ["arm_styles", "dice_by_arm", "dice_by_length", "difference_to", "volumes_by_arm"]

# At least 3:1 on white.
_COLOURS = ("#0B5D3B", "#B34700", "#5E3C99", "#8A1C1C", "#006D8F", "#7A5C00", "#A0267A", "#3F4EA1")
_MARKERS = "DvPX<>*h"


def arm_styles(arms: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Colour and marker of each arm, by its position; the paper's three have their own."""
    others = [arm for arm in arms if arm not in STRATEGY_COLOURS]
    styles = {
        arm: (_COLOURS[number % len(_COLOURS)], _MARKERS[number // len(_COLOURS) % len(_MARKERS)])
        for number, arm in enumerate(others)
    }
    styles |= {name: (STRATEGY_COLOURS[name], STRATEGY_MARKERS[name]) for name in STRATEGY_COLOURS}
    return {arm: styles[arm] for arm in arms}


def dice_by_arm(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Dice of every arm: a faint mark per case, the mean, and its 95 % interval over the cases.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it.
    regions : sequence of str
        A panel each.
    """
    table, cases = arm_table(results, regions), by_case(results)
    figure, axes = _rows(list(cases), regions, "Dice")
    for axis, region in zip(axes, regions, strict=True):
        for row, arm in enumerate(cases):
            values = cases.loc[region, arm].dropna()
            axis.plot(values, np.full(len(values), row), "|", color="#767676", markersize=5)
        _points(axis, table.xs(region, level="region"), "dice")
        axis.set_xlim(0, 1)
    return closed(figure)


def difference_to(results: pd.DataFrame, regions: Sequence[str], to: str = "balanced") -> Figure:
    """Paired difference of every arm to one of them, with its 95 % interval over the cases."""
    table = paired_differences(results, regions, to)
    arms = list(table.index.unique("arm"))
    figure, axes = _rows(arms, regions, f"Dice minus that of {to}")
    for axis, region in zip(axes, regions, strict=True):
        axis.axvline(0, color="black", linewidth=0.8)
        _points(axis, table.xs(region, level="region"), "difference")
    return closed(figure)


def volumes_by_arm(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Predicted over true volume of every arm: the geometric mean and its interval.

    Right of 1 a region is over-segmented, left of it under-segmented.
    """
    logarithms = by_case(results, "volume ratio")
    figure, axes = _rows(list(logarithms), regions, "predicted / true volume")
    for axis, region in zip(axes, regions, strict=True):
        axis.axvline(1, color="black", linewidth=0.8)
        rows = {}
        for arm in logarithms:
            values = logarithms.loc[region, arm]
            low, high = interval(values)
            rows[arm] = {"volume": 2 ** values.mean(), "low": 2**low, "high": 2**high}
        _points(axis, pd.DataFrame.from_dict(rows, orient="index"), "volume")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
    return closed(figure)


def dice_by_length(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Mean Dice against the length of training, with its interval over the cases."""
    figure, axes = _panels(len(regions), width=3.2 * len(regions) + 1, height=3.6)
    styles = arm_styles(list(results["arm"].unique()))
    tables = {batches: arm_table(rows, regions) for batches, rows in results.groupby("batches")}
    lengths = list(tables)
    for axis, region in zip(axes, regions, strict=True):
        for number, (arm, (colour, marker)) in enumerate(styles.items()):
            rows = pd.DataFrame([tables[length].loc[(arm, region)] for length in lengths])
            aside = 1.03 ** (number - (len(styles) - 1) / 2)  # so that intervals do not overlap
            axis.errorbar(
                np.array(lengths) * aside,
                rows["dice"],
                yerr=[rows["dice"] - rows["low"], rows["high"] - rows["dice"]],
                color=colour,
                marker=marker,
                capsize=2,
                label=arm,
            )
        axis.set_xscale("log")
        axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
        axis.minorticks_off()
        axis.set(title=region, xlabel="batches")
    axes[0].set_ylabel("Dice")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return closed(figure)


def _panels(count: int, *, width: float, height: float):
    figure, axes = plt.subplots(
        1, count, figsize=(width, height), squeeze=False, layout="constrained"
    )
    return figure, axes[0]


def _rows(arms: Sequence[str], regions: Sequence[str], title: str):
    """A panel per region, a row per arm, the first on top."""
    height = 0.24 * len(arms) + 1.1
    figure, axes = _panels(len(regions), width=2.6 * len(regions) + 2.2, height=height)
    for axis, region in zip(axes, regions, strict=True):
        axis.set(title=region, ylim=(len(arms) - 0.5, -0.5))
        axis.set_yticks(range(len(arms)), arms if axis is axes[0] else [])
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
    figure.supxlabel(title, fontsize="medium")  # of all panels: it may be wider than one
    return figure, axes


def _points(axis, table: pd.DataFrame, value: str) -> None:
    """The mean of each arm and its interval, in the arm's colour."""
    for row, (arm, (colour, marker)) in enumerate(arm_styles(list(table.index)).items()):
        line = table.loc[arm]
        axis.plot([line["low"], line["high"]], [row, row], color=colour, linewidth=2)
        axis.plot(line[value], row, marker, color=colour, markersize=6, markeredgecolor="black")
