"""Charts of studies: any number of arms, each with its interval over the cases."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.evaluation.intervals import (
    arm_table,
    by_case,
    paired_differences,
    verdicts,
)

from .style import INK, VOLUME_TICKS, arm_legend, arm_styles, charts, described, span


def dice_by_arm(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Dice of every arm: a faint mark per case, the mean, and its 95 % interval over the cases.

    Parameters
    ----------
    results : pandas.DataFrame
        As `run_study` gives it.
    regions : sequence of str
        One panel each.
    """
    cases = by_case(results)
    table = arm_table(results, regions)
    figure, axes = _rows(table, "dice", "Dice")
    for axis, region in zip(axes, regions, strict=True):
        for row, arm in enumerate(cases):
            values = cases[arm].loc[region].dropna()
            axis.plot(
                values, np.full(len(values), row), "|", color="#767676", markersize=5, zorder=1
            )
        axis.set_xlim(0, 1)
    return described(figure, f"Mean Dice of {len(cases.columns)} arms. {_spans(table['dice'])}")


def difference_to(results: pd.DataFrame, regions: Sequence[str], to: str = "balanced") -> Figure:
    """Paired difference of every arm to one of them, with its 95 % interval over the cases.

    ValueError if there is no other arm.
    """
    arms = list(results["arm"].unique())
    expect(len(arms) > 1, "two arms or more", arms=arms)
    table = paired_differences(results, regions, to)
    figure, _ = _rows(table, "difference", f"Dice minus that of {to}", none=0)
    decided = (verdicts(table) != "undecided").sum()
    text = f"Dice of {len(table.index.unique('arm'))} arms minus that of {to}. "
    text += f"{_spans(table['difference'], '{:+.2f}')} "
    return described(figure, f"{text}{decided} of {len(table)} intervals lie on one side of zero.")


def volumes_by_arm(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Predicted over true volume of every arm: the geometric mean, and its 95 % interval.

    Right of 1 a region is over-segmented, left of it under-segmented.
    """
    table = arm_table(results, regions, "volume ratio")
    figure, axes = _rows(table, "volume", "predicted / true volume", none=1)
    for axis in axes:
        axis.set_xscale("log", base=2)
        low, high = axis.get_xlim()
        low, high = min(low, 0.48), max(high, 2.1)  # or 1 might be the only tick
        ticks = [tick for tick in VOLUME_TICKS if low <= tick <= high]
        if len(ticks) > 6:
            ticks = [tick for tick in VOLUME_TICKS[::2] if tick in ticks]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_xlim(low, high)
    over = (table["low"] > 1).sum()
    text = f"Predicted over true volume by arm. {_spans(table['volume'])} "
    return described(figure, f"{text}{over} of {len(table)} intervals lie above 1.")


def dice_by_length(results: pd.DataFrame, regions: Sequence[str]) -> Figure:
    """Mean Dice against the length of training, with its 95 % interval over the cases."""
    arms = list(results["arm"].unique())
    pairs = pd.MultiIndex.from_product([arms, regions], names=["arm", "region"])
    tables = {
        batches: arm_table(rows, regions).reindex(pairs)  # not every arm has every length
        for batches, rows in results.groupby("batches")
    }
    figure, axes = charts(len(regions), width=3.2 * len(regions) + 1, height=3.6)
    lengths = np.array(list(tables))
    # Side by side, or the intervals would overlap; all nearer to their own length than to another.
    step = min(1.04, (lengths[1:] / lengths[:-1]).min(initial=2) ** (0.5 / len(arms)))
    for axis, region in zip(axes, regions, strict=True):
        axis.set_title(fill(region, 26))
        for number, (arm, style) in enumerate(arm_styles(arms).items()):
            rows = pd.DataFrame([table.loc[(arm, region)] for table in tables.values()])
            axis.errorbar(
                lengths * step ** (number - (len(arms) - 1) / 2),
                rows["dice"],
                yerr=[rows["dice"] - rows["low"], rows["high"] - rows["dice"]],
                capsize=2,
                label=arm,
                **style,
            )
        axis.set_xscale("log")
        axis.set_xticks(list(tables), [f"{length:,}" for length in tables])
        axis.minorticks_off()
        axis.set_xlabel("batches")
    axes[0].set_ylabel("Dice")
    arm_legend(figure, arms)
    ends = tables[min(tables)]["dice"], tables[max(tables)]["dice"]
    changes = [
        f"{region}, {arm}: {ends[0][arm, region]:.2f} to {ends[1][arm, region]:.2f}"
        for region in regions
        for arm in arms
    ]
    text = f"Mean Dice after {min(tables):,} and after {max(tables):,} batches. "
    return described(figure, f"{text}{'; '.join(changes)}.")


def _spans(values: pd.Series, form: str = "{:.2f}") -> str:
    """Of each region, between which arms its values lie."""
    by_region = values.groupby(level="region", sort=False)
    return " ".join(
        f"{region}: {span(rows.droplevel('region'), form)}." for region, rows in by_region
    )


def _rows(
    table: pd.DataFrame, value: str, title: str, none: float | None = None
) -> tuple[Figure, Sequence[Axes]]:
    """A panel per region, a row per arm, the first on top: a value and its interval.

    A line marks the value that means no difference.
    """
    arms, regions = (list(table.index.unique(name)) for name in ("arm", "region"))
    width, height = 2.6 * len(regions) + 2.2, 0.24 * len(arms) + 1.1
    figure, axes = charts(len(regions), width=width, height=height)
    for axis, region in zip(axes, regions, strict=True):
        axis.set(title=fill(region, 26), ylim=(len(arms) - 0.5, -0.5))
        axis.set_yticks(range(len(arms)), arms if axis is axes[0] else [])
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.xaxis.set_major_locator(_few_ticks())
        if none is not None:
            axis.axvline(none, color=INK, linewidth=0.8)
        for row, (arm, style) in enumerate(arm_styles(arms).items()):
            line = table.loc[(arm, region)]
            bar = {**style, "marker": ""}
            axis.plot([line["low"], line["high"]], [row, row], linewidth=2, **bar)
            axis.plot(line[value], row, linestyle="", markersize=6, **style)
    figure.supxlabel(title, fontsize="medium")  # of all panels: it may be wider than one
    return figure, axes


def _few_ticks() -> MaxNLocator:
    return MaxNLocator(5, steps=[1, 2, 5, 10])
