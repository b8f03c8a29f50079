"""Diagrams: what becomes of a patch, the loop of mining, and two classifiers in a row."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from imbalance_tf.cohort.case import AIR
from imbalance_tf.cohort.cohort import Cohort

from .scans import shown_channel
from .style import GREYS, INK, class_colours, described, panels


def patch_to_label(cohort: Cohort, centre: Sequence[int], size: int) -> Figure:
    """What a network gets of a patch, what it answers, and the label that this is held against.

    `centre` is (case, slice, row, column). The bars of the answer are made up.

    Examples
    --------
    >>> figure = patch_to_label(cohort, (1, 2, 30, 20), 32)
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['patch\\n32 x 32 voxels, 2 modalities', 'network']
    """
    case, number, row, column = cohort[int(centre[0])], *(int(value) for value in centre[1:])
    classes, colours = cohort.scheme.classes, class_colours(cohort.scheme.classes)
    label = int(cohort.labels_at(np.array([centre]))[0])
    figure, axis = _canvas(10, 4.2)

    first = shown_channel(cohort)
    channels = [first, *(k for k in range(len(cohort.modalities)) if k != first)]
    beyond = [(size, size), (size, size), (0, 0)]
    images = np.pad(case.images[number].astype(float), beyond, constant_values=AIR)
    rows, columns = (slice(place + size - size // 2, place + 2 * size - size // 2)
                     for place in (row, column))  # fmt: skip
    for depth, channel in enumerate(channels):  # one behind the other
        x, y, side = 0.2 + 0.14 * depth, 1.3 + 0.14 * depth, 1.9
        above: dict[str, Any] = {"zorder": 10 - depth}
        picture = images[rows, columns, channel]
        axis.imshow(picture, extent=(x, x + side, y, y + side), **GREYS, **above)
        axis.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor="white", **above))
    axis.text(1.35, 3.9, f"patch\n{size} x {size} voxels, {len(channels)} modalities", **_CENTRED)
    _box(axis, 4.1, 2.25, "network", width=1.2)
    axis.text(6.7, 3.9, "answer\na probability per class", **_CENTRED)
    made_up = np.roll(np.linspace(0.9, 0.1, len(classes)), label)
    step = 2 / len(classes)
    for place, (name, colour, length) in enumerate(zip(classes, colours, made_up, strict=True)):
        y = 3.3 - step * (place + 0.5)
        bar: dict[str, Any] = {"color": colour, "edgecolor": INK, "linewidth": 0.7}
        axis.barh(y, length, 0.6 * step, left=6.9, **bar)
        axis.text(6.8, y, shorten(name, 22), ha="right", va="center", fontsize=9)
    _box(axis, 9.2, 2.25, "loss", width=1)
    _box(axis, 4.1, 0.45, f"label: {classes[label]}\n(class of the centre voxel)", width=3.2)
    axis.plot(0.2 + side / 2, 1.3 + side / 2, "+", color="red", markersize=11, zorder=20)

    _arrow(axis, (2.65, 2.25), (3.45, 2.25))
    _arrow(axis, (4.75, 2.25), (5.35, 2.25))
    _arrow(axis, (7.95, 2.25), (8.65, 2.25))
    _arrow(axis, (0.2 + side / 2, 2.15), (2.45, 0.45), color="red", bend="angle,rad=4")
    _arrow(axis, (5.75, 0.45), (9.2, 1.9), bend="angle,angleA=0,angleB=90,rad=4")
    text = f"A patch of {size} x {size} voxels in {len(channels)} modalities goes through the "
    text += "network, which answers with a probability per class. The class of its centre voxel, "
    text += f"{cohort.scheme.classes[label]}, is the label. The loss compares the two."
    return described(figure, text)


def mining_loop(*, threshold: float, candidates: int, batches: int) -> Figure:
    """The loop of training and mining, with the settings of a training.

    Examples
    --------
    >>> figure = mining_loop(threshold=0.75, candidates=1000, batches=100)
    >>> "under 75 %" in figure.axes[0].texts[2].get_text()
    True
    """
    figure, axis = _canvas(10, 4)
    _box(axis, 2.1, 3.2, f"one epoch of training\n{batches:,} batches", width=3.4)
    _box(axis, 7.7, 3.2, f"classify candidates\nat most {candidates:,} of each class", width=4)
    _box(axis, 7.7, 1, f"keep the hard ones: wrong,\nor right with under {threshold:.0%}"
         .replace("%", " %"), width=4)  # fmt: skip
    _box(axis, 2.1, 1, "fill each class' share of a batch\nhard ones first, then any", width=3.4)
    _arrow(axis, (3.9, 3.2), (5.6, 3.2), "network")
    _arrow(axis, (7.7, 2.7), (7.7, 1.5), "probabilities")
    _arrow(axis, (5.6, 1), (3.9, 1), "pool")
    _arrow(axis, (2.1, 1.5), (2.1, 2.7), "batches")
    axis.text(0.4, 3.85, "first epoch: the pool is empty, so balanced batches", fontsize=9)
    text = (
        f"A loop of four steps. One epoch of training, {batches} batches. The network classifies "
    )
    text += f"at most {candidates} candidates of each class. Those that it gets wrong, or right "
    text += (
        f"with less than {threshold:.0%}, are the pool. The pool fills each class' share of the "
    )
    text += "next epoch's batches first, and any voxels of the class fill the rest."
    return described(figure, text)


def two_in_a_row(classes: Sequence[str]) -> Figure:
    """One classifier of all classes; and below two, of which the second names what the first finds.

    Examples
    --------
    >>> figure = two_in_a_row(["healthy", "edema", "core"])
    >>> [text.get_text() for text in figure.axes[0].texts if "second" in text.get_text()]
    ['second network\\nwhich kind?', 'what stops here, the second never sees']
    """
    healthy, *kinds = classes
    colours = dict(zip(classes, class_colours(classes), strict=True))
    figure, axis = _canvas(10, 4.6)
    step = min(0.3, 1.8 / len(classes))
    for y, title in ((3.4, "one classifier"), (1.5, "two classifiers")):
        axis.text(0.1, y + 0.65, title, weight="bold")
        _box(axis, 0.9, y, "patch of\na voxel", width=1.4)
        _arrow(axis, (1.7, y), (2.5, y))
    _box(axis, 3.5, 3.4, "network\nwhich class?", width=1.8)
    _arrow(axis, (4.5, 3.4), (7.9, 3.4))
    _box(axis, 3.5, 1.5, f"first network\n{healthy} or not?", width=1.8)
    _arrow(axis, (4.5, 1.5), (5.6, 1.5), "not")
    _box(axis, 6.6, 1.5, "second network\nwhich kind?", width=1.8)
    _arrow(axis, (7.6, 1.5), (7.9, 1.5))
    _arrow(axis, (3.5, 1.1), (3.5, 0.5))
    axis.text(4.7, 0.3, "what stops here, the second never sees", va="center", style="italic")
    for x, y, names in ((8.15, 3.4, classes), (8.15, 1.5, kinds), (3.1, 0.3, [healthy])):
        for place, name in enumerate(names):
            row = y + step * ((len(names) - 1) / 2 - place)
            axis.plot(x, row, "s", color=colours[name], markersize=30 * step, markeredgecolor=INK)
            axis.text(x + 0.2, row, shorten(name, 22), va="center", fontsize=min(10, 36 * step))
    text = f"Above, one network names a voxel {', '.join(classes)}. Below, a first network says "
    text += f"{healthy}, which is then the answer, or not. Only if not, a second network names the "
    text += f"kind: {', '.join(kinds)}."
    return described(figure, text)


_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose units are inches, from the lower left."""
    figure, ((axis,),) = panels(1, 1, width=width, height=height)
    axis.set(xlim=(0, width), ylim=(0, height), aspect="equal", autoscale_on=False)
    return figure, axis


def _box(axis: Axes, x: float, y: float, text: str, *, width: float) -> None:
    """A box around a point, with a text in it."""
    look: dict[str, Any] = {
        "boxstyle": "round,pad=0,rounding_size=0.1",
        "facecolor": "#F2F2F2",
        "edgecolor": INK,
    }
    axis.add_patch(FancyBboxPatch((x - width / 2, y - 0.35), width, 0.7, **look))
    axis.text(x, y, text, **_CENTRED)


def _arrow(axis: Axes, start, end, text: str = "", *, color: str = INK, bend: str = "arc3"):
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "color": color,
        "linewidth": 1.5,
        "connectionstyle": bend,
    }
    axis.annotate("", end, start, zorder=15, arrowprops=look)
    (x0, y0), (x1, y1) = start, end
    across = y0 == y1
    axis.text(
        (x0 + x1) / 2 + (0 if across else 0.12),
        (y0 + y1) / 2 + (0.15 if across else 0),
        text,
        ha="center" if across else "left",
        va="bottom" if across else "center",
        fontsize=9,
    )
