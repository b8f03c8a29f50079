"""Charts of numbers: shares, curves, pools, Dice, volumes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imbalance_tf.cohort.labels import LabelScheme

from .style import CLASS_COLOURS, STRATEGY_COLOURS, class_colours, closed, strategy_legend

__all__ = ["class_shares", "dice_by_case", "hard_pool", "training_curve", "volumes"]


def class_shares(shares: pd.DataFrame, pooled: pd.Series) -> Figure:
    """Shares of the brain by class, on a log scale: a dot a case, a bar for all together.

    `shares` has a row a case and a column a class; `pooled` a value a class.
    """
    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    positions = np.arange(len(pooled))
    colours = [CLASS_COLOURS.get(name, "#CC79A7") for name in pooled.index]
    axis.barh(positions, 100 * pooled, color=colours, edgecolor="black", height=0.6)
    for position, name in enumerate(pooled.index):
        values = 100 * shares[name]
        axis.plot(values, np.full(len(values), position), "|", color="black", markersize=9)
        axis.annotate(
            f"{100 * pooled[name]:.2g} %",
            (1.01, position),
            va="center",
            xycoords=("axes fraction", "data"),
        )
    axis.set(
        xscale="log",
        yticks=positions,
        yticklabels=pooled.index,
        xlabel="share of brain voxels, % (log scale); one tick a case",
    )
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlim(left=max(0.005, 50 * shares[shares > 0].min().min()), right=100)
    axis.spines[["top", "right"]].set_visible(False)
    return closed(figure)


def training_curve(history: pd.DataFrame, strategy: str) -> Figure:
    """Loss and accuracy over the epochs, on the batches that the strategy makes."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    for axis, column in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history.epoch + 1, history[column], "o-", color=STRATEGY_COLOURS[strategy])
        axis.set(xlabel="epoch", title=f"{column} on {strategy} batches")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].set_ylim(0, 1)
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
    """Dice of every test case, its mean, and what the paper reports (a cross)."""
    figure, axis = plt.subplots(figsize=(max(7, 1.5 * len(columns) + 2), 4), layout="constrained")
    for offset, (strategy, table) in zip(_offsets(len(dice)), dice.items(), strict=True):
        for position, name in enumerate(columns):
            values = table[name].dropna()
            x = position + offset
            axis.plot(
                np.full(len(values), x),
                values,
                "o",
                color=STRATEGY_COLOURS[strategy],
                alpha=0.55,
                markeredgewidth=0,
            )
            axis.plot([x - 0.1, x + 0.1], [values.mean()] * 2, color="black", linewidth=2)
            if paper is not None and name in paper.columns:
                axis.plot(x, paper.loc[strategy, name], "x", color="black", markersize=7)
    axis.set(ylim=(0, 1.02), ylabel="Dice", xticks=range(len(columns)))
    axis.set_xticklabels([name.replace(" + ", " +\n") for name in columns])
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(
        "a dot a test case; bar: mean"
        + ("; cross: the paper, on its own cases" if paper is not None else ""),
        fontsize=10,
    )
    strategy_legend(figure, dice)
    return closed(figure)


def volumes(ratios: Mapping[str, pd.DataFrame], columns: Sequence[str]) -> Figure:
    """Predicted over true volume, a dot a case: right of 1 is over-drawn, left under-drawn."""
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
                "o",
                alpha=0.55,
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
