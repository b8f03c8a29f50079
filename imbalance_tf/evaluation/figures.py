"""Every figure of the notebooks.

Each function returns a closed `matplotlib.figure.Figure`: a notebook shows it as the value of its
cell, a script saves it with ``savefig``. Slices are drawn as radiologists look at them: anterior
up, the patient's right on the left.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from imbalance_tf.cohort.labels import LabelScheme
from imbalance_tf.cohort.slices import Cohort

__all__ = [
    "batches",
    "class_shares",
    "dice_by_case",
    "gallery",
    "hard_pool",
    "modalities",
    "patch_on_slice",
    "segmentations",
    "training_curve",
    "volumes",
]

# Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
CLASS_COLOURS = {
    "healthy": "#BBBBBB",
    "necrosis": "#0072B2",
    "necrosis + non-enhancing": "#0072B2",
    "edema": "#009E73",
    "non-enhancing": "#F0E442",
    "enhancing": "#D55E00",
}
_MORE_COLOURS = ("#CC79A7", "#56B4E9", "#E69F00", "#000000")
STRATEGY_COLOURS = {"random": "#E69F00", "balanced": "#0072B2", "hard": "#CC79A7"}
_GREYS = {"cmap": "gray", "vmin": -2.5, "vmax": 4.0, "interpolation": "nearest"}


def class_colours(scheme: LabelScheme) -> list[str]:
    """A colour for each class, in class order."""
    more = iter(_MORE_COLOURS * len(scheme.classes))
    return [CLASS_COLOURS.get(name) or next(more) for name in scheme.classes]


def modalities(cohort: Cohort, number: int) -> Figure:
    """One slice in every modality, and below it the same with the labels over it."""
    columns = len(cohort.modalities)
    figure, axes = _panels(2, columns, width=2.5 * columns, height=5.6)
    window = _box(cohort.brain[number])
    overlay = _overlay(cohort.labels[number][window], cohort.scheme, alpha=0.6)
    for channel, name in enumerate(cohort.modalities):
        for axis in axes[:, channel]:
            axis.imshow(cohort.images[number, ..., channel][window].astype(float), **_GREYS)
        axes[0, channel].set_title(name)
        axes[1, channel].imshow(overlay)
    _class_legend(figure, cohort.scheme)
    return _closed(figure)


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
    return _closed(figure)


def batches(
    shown: Mapping[str, tuple[np.ndarray, np.ndarray]],
    cohort: Cohort,
    *,
    columns: int = 12,
) -> Figure:
    """Whole batches side by side, each patch framed in the colour of its label.

    Parameters
    ----------
    shown : mapping of title to (patches (B, P, P, M), labels (B,))
        As `patch_dataset` yields them; drawn sorted by label.
    cohort : Cohort
        Where they come from.
    """
    colours, channel = class_colours(cohort.scheme), shown_channel(cohort)
    rows = max(-(-len(labels) // columns) for _, labels in shown.values())
    figure = plt.figure(figsize=(6.4 * len(shown), 0.56 * rows + 1), layout="constrained")
    for part, (title, (patches, labels)) in zip(
        np.atleast_1d(figure.subfigures(1, len(shown))), shown.items(), strict=True
    ):
        part.suptitle(title)
        axes = part.subplots(rows, columns, gridspec_kw={"wspace": 0.02, "hspace": 0.02}).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, which in zip(axes, np.argsort(labels, kind="stable"), strict=False):
            _framed(axis, patches[which, ..., channel], colours[labels[which]], line=2.5)
    _class_legend(figure, cohort.scheme)
    return _closed(figure)


def training_curve(history: pd.DataFrame, strategy: str) -> Figure:
    """Loss and accuracy over the epochs, on the batches that the strategy makes."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    for axis, column in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history.epoch + 1, history[column], "o-", color=STRATEGY_COLOURS[strategy])
        axis.set(xlabel="epoch", title=f"{column} on {strategy} batches")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].set_ylim(0, 1)
    return _closed(figure)


def segmentations(cohort: Cohort, slices: Sequence[int], maps: Mapping[str, np.ndarray]) -> Figure:
    """Slices in rows; the scan and label maps in columns, as in the paper's figures 5 to 7.

    Parameters
    ----------
    cohort : Cohort
    slices : sequence of int
        Positions in the cohort.
    maps : mapping of title to (S, H, W) class numbers
        The truth, then predictions, for all slices of the cohort.
    """
    channel = shown_channel(cohort)
    figure, axes = _panels(
        len(slices), 1 + len(maps), width=2.6 * (1 + len(maps)), height=3 * len(slices) + 0.4
    )
    for row, number in enumerate(slices):
        window = _box(cohort.brain[number])
        image = cohort.images[number, ..., channel][window].astype(float)
        for axis in axes[row]:
            axis.imshow(image, **_GREYS)
        axes[row, 0].set_ylabel(cohort.case_ids[cohort.slice_case[number]])
        for axis, classes in zip(axes[row, 1:], maps.values(), strict=True):
            axis.imshow(_overlay(classes[number][window], cohort.scheme, alpha=1.0))
    for axis, title in zip(axes[0], [cohort.modalities[channel], *maps], strict=True):
        axis.set_title(title)
    _class_legend(figure, cohort.scheme)
    return _closed(figure)


def patch_on_slice(cohort: Cohort, centre: Sequence[int], size: int) -> Figure:
    """A slice with the outline of a patch and its centre voxel, and the patch alone."""
    number, row, column = (int(value) for value in centre)
    channel = shown_channel(cohort)
    image = cohort.images[number, ..., channel].astype(float)
    top, left = row - size // 2, column - size // 2
    figure, axes = _panels(1, 2, width=7, height=3.6)
    for axis in axes[0]:
        axis.imshow(image, **_GREYS)
        axis.plot(column, row, "+", color="red", markersize=11)
    axes[0, 0].add_patch(
        Rectangle((left - 0.5, top - 0.5), size, size, fill=False, color="red", linewidth=1.5)
    )
    axes[0, 1].set(xlim=(left - 0.5, left + size - 0.5), ylim=(top + size - 0.5, top - 0.5))
    axes[0, 0].set_title(f"a slice of {cohort.modalities[channel]}")
    name = cohort.scheme.classes[cohort.labels[number, row, column]]
    axes[0, 1].set_title(f"a patch; its label: {name}")
    return _closed(figure)


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
    _strategy_legend(figure, ratios)
    return _closed(figure)


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
    return _closed(figure)


def gallery(cohort: Cohort, examples: pd.DataFrame, size: int, *, columns: int = 6) -> Figure:
    """Hard examples (rows of ``HardExampleMining.hard``) as patches, framed by true class."""
    scheme, channel = cohort.scheme, shown_channel(cohort)
    rows = -(-len(examples) // columns)
    figure, axes = _panels(rows, columns, width=1.8 * columns, height=2.3 * rows + 0.4)
    for axis in axes.ravel()[len(examples) :]:
        axis.set_axis_off()
    for axis, example in zip(axes.ravel(), examples.itertuples(), strict=False):
        image = cohort.images[example.slice, ..., channel]
        _framed(axis, image, class_colours(scheme)[example.label], line=4)
        top, left = example.row - size // 2 - 0.5, example.column - size // 2 - 0.5
        axis.set(xlim=(left, left + size), ylim=(top + size, top), facecolor="black")
        axis.plot(example.column, example.row, "+", color="red", markersize=9)
        axis.set_title(
            f"is {scheme.classes[example.label]}\nsays {scheme.classes[example.predicted]}\n"
            f"p(true) = {example.probability:.3f}",
            fontsize=8,
        )
    _class_legend(figure, scheme)
    return _closed(figure)


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
    _strategy_legend(figure, dice)
    return _closed(figure)


def _panels(rows: int, columns: int, *, width: float, height: float):
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes


def _closed(figure: Figure) -> Figure:
    plt.close(figure)  # or the notebook would show it a second time
    return figure


def _overlay(classes: np.ndarray, scheme: LabelScheme, *, alpha: float) -> np.ndarray:
    """Class numbers (H, W) as colours (H, W, 4); healthy is transparent."""
    table = np.array([to_rgba(colour, alpha) for colour in class_colours(scheme)])
    table[0, 3] = 0
    return table[classes]


def _framed(axis, patch: np.ndarray, colour: str, *, line: float) -> None:
    axis.imshow(patch.astype(float), **_GREYS)
    axis.set(xticks=[], yticks=[])
    axis.set_axis_on()
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=line)


def shown_channel(cohort: Cohort) -> int:
    """The modality that figures draw: FLAIR, where the whole tumour is bright, or the first."""
    return cohort.modalities.index("flair") if "flair" in cohort.modalities else 0


def _box(brain: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold the brain."""
    return tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(brain))


def _offsets(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2) * 0.26


def _class_legend(figure: Figure, scheme: LabelScheme) -> None:
    handles = [
        Patch(facecolor=colour, edgecolor="black", label=name)
        for name, colour in zip(scheme.classes, class_colours(scheme), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _strategy_legend(figure: Figure, strategies) -> None:
    handles = [Patch(color=STRATEGY_COLOURS[name], label=name) for name in strategies]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
