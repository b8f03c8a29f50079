"""Charts of numbers: shares, curves, pools, Dice, volumes."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imbalance_tf.cohort.labels import LabelScheme

from .style import (
    OUTLINE,
    VOLUME_TICKS,
    WHITE_EDGE,
    arm_legend,
    arm_styles,
    charts,
    class_colours,
    described,
    span,
)


def class_shares(shares: pd.DataFrame, pooled: pd.Series) -> Figure:
    """Shares of the brain by class on a log scale: one ring per case, a diamond for all together.

    `shares` has one row per case and one column per class; `pooled` one value per class.

    Examples
    --------
    >>> counts = pd.DataFrame(cohort.class_counts(), columns=cohort.scheme.classes)
    >>> shares, pooled = counts.div(counts.sum(axis=1), axis=0), counts.sum() / counts.sum().sum()
    >>> class_shares(shares, pooled).axes[0].get_yticklabels()[1].get_text()
    'necrosis'
    """
    figure, (axis,) = charts(1, width=8, height=3.4)
    named = zip(pooled.index, class_colours(pooled.index), strict=True)
    for position, (name, colour) in enumerate(named):
        values, all_together = 100 * shares[name], 100 * pooled[name]
        here = np.full(len(values), position)
        axis.plot(values, here, "o", color=colour, fillstyle="none", **OUTLINE)
        axis.plot(all_together, position, "D", color=colour, markersize=11, **OUTLINE)
        beside = axis.get_yaxis_transform()
        axis.text(1.01, position, f"{all_together:.2g} %", va="center", transform=beside)
    axis.set(
        xscale="log",
        yticks=range(len(pooled)),
        yticklabels=pooled.index,
        xlabel="share of brain voxels, % (log scale); one ring per case, diamond: all together",
        xlim=(50 * shares[shares > 0].min().min(), 130),
        ylim=(len(pooled) - 0.5, -0.5),
    )
    axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(axis="x", linewidth=0.5)
    parts = [f"{name} {100 * share:.2g}" for name, share in pooled.items()]
    text = f"Share of the brain in {len(shares)} cases together, %: {', '.join(parts)}."
    rarest = pooled.idxmin()
    ends = f"{100 * shares[rarest].min():.2g} to {100 * shares[rarest].max():.2g}"
    return described(figure, f"{text} From case to case {rarest} goes from {ends}.")


def draws(table: pd.DataFrame) -> Figure:
    """What was sampled of each class: its share, how often a voxel came back, the cases covered.

    `table` is that of an `Audit`.

    Examples
    --------
    >>> table = audit(BalancedSampler(cohort, seed=0), batches=2).table
    >>> [axis.get_xlabel() for axis in draws(table).axes][1:]
    ['samples per distinct voxel', 'cases covered, %']
    """
    figure, axes = charts(3, width=10, height=0.9 + 0.4 * len(table))
    columns = {
        "share of all samples, %": 100 * table["drawn"],
        "samples per distinct voxel": table["repeats"],
        "cases covered, %": 100 * table["cases"] / table["of"],
    }
    colours = class_colours(table.index)
    for axis, (label, values) in zip(axes, columns.items(), strict=True):
        axis.barh(table.index, values.fillna(0), color=colours, edgecolor="black", linewidth=0.5)
        axis.set(xlabel=label, xlim=(0, None))
        axis.invert_yaxis()
    mark: dict[str, Any] = {"markersize": 24, "markeredgewidth": 3, "path_effects": [WHITE_EDGE]}
    axes[0].plot(100 * table["asked"], table.index, "k|", **mark)
    if table["asked"].notna().any():
        axes[0].set_xlabel(f"{axes[0].get_xlabel()}\n(black mark: the share asked for)")
    for axis in axes[1:]:
        axis.set_yticks([])
    text = f"Of all samples, {span(100 * table['drawn'], '{:.3g} %')}; samples per distinct voxel "
    text += f"{span(table['repeats'], '{:.3g}')}; cases covered "
    return described(figure, f"{text}{span(100 * table['cases'] / table['of'], '{:.0f} %')}.")


def training_curve(history: pd.DataFrame, strategy: str, *, baseline: float) -> Figure:
    """Training loss and accuracy over the epochs, on the batches that the strategy makes.

    `baseline` is the accuracy of always naming the commonest class of these batches.

    Examples
    --------
    >>> history = pd.DataFrame({"epoch": [0, 1], "loss": [1.5, 0.9], "accuracy": [0.4, 0.7]})
    >>> training_curve(history, "balanced", baseline=0.2).axes[1].get_title()
    'training accuracy, balanced batches'
    """
    figure, axes = charts(2, width=9, height=3)
    for axis, column in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history.epoch + 1, history[column], **arm_styles([strategy])[strategy])
        axis.set(xlabel="epoch", title=f"training {column}, {strategy} batches")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].axhline(baseline, color="black", linestyle="--", label="always one class")
    axes[1].set_ylim(min(0.9 * baseline, 0.9 * history.accuracy.min()), 1)
    axes[1].legend(frameon=False)
    changes = [
        f"{name} from {history[name].iloc[0]:.2f} to {history[name].iloc[-1]:.2f}"
        for name in ("loss", "accuracy")
    ]
    text = f"Training on {strategy} batches, {len(history)} epochs: {', '.join(changes)}; "
    return described(figure, f"{text}always naming one class has an accuracy of {baseline:.2f}.")


def hard_pool(
    history: pd.DataFrame, scheme: LabelScheme, *, candidates: Mapping[str, int]
) -> Figure:
    """The share of each class' candidates that was hard, after every epoch.

    Examples
    --------
    >>> history = pd.DataFrame({f"hard_{name}": [8, 5] for name in cohort.scheme.classes})
    >>> tried = dict.fromkeys(cohort.scheme.classes, 10)
    >>> figure = hard_pool(history.assign(epoch=[0, 1]), cohort.scheme, candidates=tried)
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [80.0, 50.0]
    """
    figure, (axis,) = charts(1, width=8, height=3.2)
    for name, colour in zip(scheme.classes, class_colours(scheme.classes), strict=True):
        share = 100 * history[f"hard_{name}"] / candidates[name]
        axis.plot(history.epoch + 1, share, "o-", color=colour, label=name, **OUTLINE)
    axis.set(xlabel="after epoch", ylabel="hard, % of the candidates", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    tried = pd.Series(candidates)[list(scheme.classes)]
    first, last = (
        100
        * history[[f"hard_{name}" for name in scheme.classes]].iloc[row].set_axis(tried.index)
        / tried
        for row in (0, -1)
    )
    text = f"Hard candidates, %, after the first epoch: {span(first, '{:.0f}')}; "
    return described(figure, f"{text}after epoch {len(history)}: {span(last, '{:.0f}')}.")


def dice_by_case(
    dice: Mapping[str, pd.DataFrame], columns: Sequence[str], *, paper: pd.DataFrame | None = None
) -> Figure:
    """Dice of every test case, a grey line through each; the mean; what the paper reports.

    Examples
    --------
    >>> dice = {name: pd.DataFrame({"whole": [0.7, 0.8]}) for name in ("random", "balanced")}
    >>> dice_by_case(dice, ["whole"]).axes[0].get_title()
    'one mark per test case, joined by a line; bar: mean'
    """
    narrow = _step(len(dice)) / _STEP
    wide = 1.6 * max(1, len(dice) / 5)  # of a column, so that many marks have room
    figure, (axis,) = charts(1, width=max(7, wide * len(columns) + 2), height=4)
    styles = arm_styles(dice)
    for position, name in enumerate(columns):
        x = position + _offsets(len(dice))
        by_case = pd.DataFrame({strategy: table[name] for strategy, table in dice.items()})
        axis.plot(x, by_case.T.to_numpy(), color="#8C8C8C", linewidth=0.8, zorder=1)
        for here, (strategy, values) in zip(x, by_case.items(), strict=True):
            marks = np.full(len(values), here)
            axis.plot(marks, values, linestyle="", **styles[strategy])
            bar = [here - 0.1 * narrow, here + 0.1 * narrow]
            axis.plot(bar, [values.mean()] * 2, color="black", linewidth=2)
            if paper is not None and name in paper.columns:
                axis.plot(
                    here + 0.12 * narrow, paper.loc[strategy, name], "x", color="red", markersize=7
                )
    ends = -0.6, len(columns) - 0.4
    axis.set(xlim=ends, ylim=(0, 1.02), ylabel="Dice", xticks=range(len(columns)))
    axis.set_xticklabels([fill(name, 20) for name in columns])
    title = "one mark per test case, joined by a line; bar: mean"
    if paper is not None:
        title += "; red cross: the paper, on its own cases"
    axis.set_title(title, fontsize=10)
    arm_legend(figure, dice)
    means = _spans({arm: table.mean() for arm, table in dice.items()}, columns)
    return described(figure, f"Dice of every test case, {', '.join(dice)}. Means of {means}")


def volumes(ratios: Mapping[str, pd.DataFrame], columns: Sequence[str]) -> Figure:
    """Predicted over true volume, one mark per case: right of 1 is over-segmented, left under.

    Examples
    --------
    >>> ratios = {"random": pd.DataFrame({"whole": [0.7, 1.2, 40]})}
    >>> volumes(ratios, ["whole"]).axes[0].lines[0].get_xdata().tolist()
    [0.7, 1.2, 20.0]
    """
    height = 0.9 + 0.32 * len(columns) * max(len(ratios), 2)
    figure, (axis,) = charts(1, width=8, height=height)
    floor, ceiling = VOLUME_TICKS[0], VOLUME_TICKS[-1]
    styles = arm_styles(ratios)
    for offset, (strategy, table) in zip(_offsets(len(ratios)), ratios.items(), strict=True):
        for position, name in enumerate(columns):
            values = table[name].dropna().clip(floor, ceiling)
            middle = np.clip(table[name].median(), floor, ceiling)
            here = np.full(len(values), position + offset)
            axis.plot(values, here, linestyle="", **styles[strategy])
            axis.plot(
                middle, position + offset, "|", color="black", markersize=14, markeredgewidth=2
            )
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set(
        xscale="log",
        xlim=(floor * 0.85, ceiling * 1.15),
        yticks=range(len(columns)),
        yticklabels=columns,
        xlabel="predicted / true volume (log scale); black bar: median",
        ylim=(len(columns) - 0.5, -0.5),
    )
    labels = ["≤ 0.05", *(f"{tick:g}" for tick in VOLUME_TICKS[1:-1]), "≥ 20"]
    axis.set_xticks(VOLUME_TICKS, labels)
    axis.set_xticks([], minor=True)
    arm_legend(figure, ratios)
    medians = _spans({arm: table.median() for arm, table in ratios.items()}, columns)
    text = f"Predicted over true volume of every case, {', '.join(ratios)}. "
    return described(figure, f"{text}Medians of {medians}")


def _spans(averages: Mapping[str, pd.Series], columns: Sequence[str]) -> str:
    """Of each column, between which arms its averages lie."""
    by_column = pd.DataFrame(averages).loc[list(columns)]
    return " ".join(f"{name}: {span(values)}." for name, values in by_column.iterrows())


_STEP = 0.26  # from one of a few arms to the next, where columns are 1 apart


def _step(count: int) -> float:
    return min(_STEP, 0.8 / max(1, count - 1))


def _offsets(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2) * _step(count)
