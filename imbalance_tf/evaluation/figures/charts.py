"""Charts of numbers: shares, curves, pools, Dice, volumes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imbalance_tf.cohort.labels import LabelScheme

from .style import (
    CLASS_COLOURS,
    STRATEGY_COLOURS,
    STRATEGY_MARKERS,
    class_colours,
    closed,
    strategy_legend,
)

__all__ = ["class_shares", "dice_by_case", "draws", "hard_pool", "training_curve", "volumes"]


def class_shares(shares: pd.DataFrame, pooled: pd.Series) -> Figure:
    """Shares of the brain by class on a log scale: a ring per case, a diamond for all together.

    `shares` has a row a case and a column a class; `pooled` a value a class.
    """
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for position, name in enumerate(pooled.index):
        colour = CLASS_COLOURS.get(name, "#E69F00")
        values = 100 * shares[name]
        axis.plot(values, np.full(len(values), position), "o", color=colour, fillstyle="none")
        axis.plot(
            100 * pooled[name], position, "D", color=colour, markeredgecolor="black", markersize=11
        )
        axis.annotate(
            f"{100 * pooled[name]:.2g} %",
            (1.01, position),
            va="center",
            xycoords=("axes fraction", "data"),
        )
    axis.set(
        xscale="log",
        yticks=range(len(pooled)),
        yticklabels=pooled.index,
        xlabel="share of brain voxels, % (log scale); one ring per case, diamond: all together",
        xlim=(max(0.005, 50 * shares[shares > 0].min().min()), 130),
        ylim=(len(pooled) - 0.5, -0.5),
    )
    axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(axis="x", linewidth=0.5)
    axis.spines[["top", "right"]].set_visible(False)
    return closed(figure)


def draws(table: pd.DataFrame) -> Figure:
    """What was drawn of each class: its share, how often a voxel came back, the cases covered.

    `table` is that of an `Audit`.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10, 0.9 + 0.4 * len(table)), layout="constrained")
    colours = [CLASS_COLOURS.get(name, "#E69F00") for name in table.index]
    covered = 100 * table["cases"] / table["of"]
    columns = {
        "share of what was drawn, %": 100 * table["drawn"],
        "draws per distinct voxel": table["repeats"],
        "cases covered, %": covered,
    }
    for axis, (label, values) in zip(axes, columns.items(), strict=True):
        axis.barh(table.index, values.fillna(0), color=colours, edgecolor="black", linewidth=0.5)
        axis.set(xlabel=label, xlim=(0, None))
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].plot(100 * table["asked"], table.index, "k|", markersize=24, label="asked")
    if table["asked"].notna().any():
        figure.legend(loc="outside lower left", frameon=False)
    for axis in axes[1:]:
        axis.set_yticks([])
    return closed(figure)


def training_curve(history: pd.DataFrame, strategy: str, *, baseline: float) -> Figure:
    """Training loss and accuracy over the epochs, on the batches that the strategy makes.

    `baseline` is the accuracy of always naming the commonest class of these batches.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axis, column in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(
            history.epoch + 1,
            history[column],
            marker=STRATEGY_MARKERS[strategy],
            color=STRATEGY_COLOURS[strategy],
        )
        axis.set(xlabel="epoch", title=f"training {column}, {strategy} batches")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].axhline(baseline, color="black", linestyle="--", label="always one class")
    axes[1].set_ylim(min(0.9 * baseline, 0.9 * history.accuracy.min()), 1)
    axes[1].legend(frameon=False)
    return closed(figure)


def hard_pool(
    history: pd.DataFrame, scheme: LabelScheme, *, candidates: Mapping[str, int]
) -> Figure:
    """The share of each class' candidates that was hard, after every epoch."""
    figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    for name, colour in zip(scheme.classes, class_colours(scheme), strict=True):
        share = 100 * history[f"hard_{name}"] / candidates[name]
        axis.plot(
            history.epoch + 1,
            share,
            "o-",
            color=colour,
            label=name,
            markeredgecolor="black",
            markeredgewidth=0.5,
        )
    axis.set(xlabel="after epoch", ylabel="hard, % of the candidates", ylim=(0, None))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return closed(figure)


def dice_by_case(
    dice: Mapping[str, pd.DataFrame], columns: Sequence[str], *, paper: pd.DataFrame | None = None
) -> Figure:
    """Dice of every test case, a grey line through each; the mean; what the paper reports."""
    figure, axis = plt.subplots(figsize=(max(7, 1.6 * len(columns) + 2), 4), layout="constrained")
    offsets = dict(zip(dice, _offsets(len(dice)), strict=True))
    for position, name in enumerate(columns):
        by_case = pd.DataFrame({strategy: table[name] for strategy, table in dice.items()})
        x = [position + offsets[strategy] for strategy in by_case]
        axis.plot(x, by_case.T.to_numpy(), color="#CCCCCC", linewidth=0.8, zorder=1)
        for strategy, values in by_case.items():
            here = position + offsets[strategy]
            axis.plot(
                np.full(len(values), here),
                values,
                STRATEGY_MARKERS[strategy],
                color=STRATEGY_COLOURS[strategy],
                alpha=0.7,
                markeredgewidth=0,
            )
            axis.plot([here - 0.1, here + 0.1], [values.mean()] * 2, color="black", linewidth=2)
            if paper is not None and name in paper.columns:
                axis.plot(here + 0.12, paper.loc[strategy, name], "x", color="red", markersize=7)
    axis.set(ylim=(0, 1.02), ylabel="Dice", xticks=range(len(columns)))
    axis.set_xticklabels([name.replace(" + ", " +\n") for name in columns])
    axis.spines[["top", "right"]].set_visible(False)
    title = "one mark per test case, joined by a line; bar: mean"
    if paper is not None:
        title += "; red cross: the paper, on its own cases"
    axis.set_title(title, fontsize=10)
    strategy_legend(figure, dice)
    return closed(figure)


def volumes(ratios: Mapping[str, pd.DataFrame], columns: Sequence[str]) -> Figure:
    """Predicted over true volume, a mark per case: right of 1 is over-drawn, left under-drawn."""
    figure, axis = plt.subplots(
        figsize=(8, 0.9 + 0.32 * len(columns) * max(len(ratios), 2)), layout="constrained"
    )
    floor, ceiling = 0.05, 20
    for offset, (strategy, table) in zip(_offsets(len(ratios)), ratios.items(), strict=True):
        for position, name in enumerate(columns):
            values = table[name].dropna().clip(floor, ceiling)
            axis.plot(
                values,
                np.full(len(values), position + offset),
                STRATEGY_MARKERS[strategy],
                alpha=0.6,
                color=STRATEGY_COLOURS[strategy],
                markeredgewidth=0,
            )
            axis.plot(
                [values.median()],
                [position + offset],
                "|",
                color="black",
                markersize=14,
                markeredgewidth=2,
            )
    axis.axvline(1, color="black", linewidth=0.8)
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axis.set(
        xscale="log",
        xlim=(floor * 0.85, ceiling * 1.15),
        yticks=range(len(columns)),
        xlabel="predicted / true volume (log scale); black bar: median",
    )
    axis.set_xticks(ticks, ["≤ 0.05", *(f"{tick:g}" for tick in ticks[1:-1]), "≥ 20"])
    axis.set_xticks([], minor=True)
    axis.set_yticklabels(columns)
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    strategy_legend(figure, ratios)
    return closed(figure)


def _offsets(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2) * 0.26
