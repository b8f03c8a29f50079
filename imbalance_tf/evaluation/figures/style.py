"""What the figures share: colours, panels, legends."""

import base64
import io
from collections.abc import Iterable, Sequence
from colorsys import hsv_to_rgb
from functools import partial
from html import escape
from itertools import chain, count
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from imbalance_tf.cohort.labels import LabelScheme

# Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
CLASS_COLOURS = {
    "healthy": "#BBBBBB",
    "necrosis": "#0072B2",
    "necrosis + non-enhancing": "#0072B2",
    "core": "#0072B2",
    "lesion": "#D55E00",
    "resection cavity": "#882255",
    "edema": "#009E73",
    "non-enhancing": "#F0E442",
    "enhancing": "#D55E00",
}
INK = "#333333"
VOLUME_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)  # of predicted over true, on a log scale
# Some of these colours hardly differ from white paper: their lines and marks get dark edges.
OUTLINE: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.5, foreground=INK)]}
WHITE_EDGE = withStroke(linewidth=6, foreground="white")
# Other colours than the classes', and a marker each.
STRATEGIES: dict[str, dict[str, Any]] = {
    "random": {"color": "#555555", "marker": "o", **OUTLINE},
    "balanced": {"color": "#56B4E9", "marker": "s", **OUTLINE},
    "hard": {"color": "#CC79A7", "marker": "^", **OUTLINE},
}
# For other arms, by position; at least 3:1 on white.
_MORE_COLOURS = ("#0B5D3B", "#B34700", "#5E3C99", "#8A1C1C", "#006D8F", "#7A5C00", "#A0267A")
_MORE_MARKERS = ("D", "v", "P", "X", "<", ">")
GREYS: dict[str, Any] = {"cmap": "gray", "vmin": -2.5, "vmax": 4.0, "interpolation": "nearest"}


def class_colours(classes: Iterable[str]) -> list[str]:
    """A colour of its own for each class, those that the package does not know included."""
    golden = ((number * 0.618 % 1, 0.8, (0.85, 0.5)[number % 2]) for number in count())
    more = chain(("#E69F00", "#44AA99", "#000000"), (to_hex(hsv_to_rgb(*hsv)) for hsv in golden))
    colours: list[str] = []
    for name in classes:
        colour = CLASS_COLOURS.get(name)
        colours.append(next(more) if colour is None or colour in colours else colour)
    return colours


def panels(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of pictures: axes (rows, columns) without ticks and frames."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes


def charts(columns: int, *, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure of charts side by side, open to the top and the right."""
    figure, axes = plt.subplots(
        1, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


def described(figure: Figure, text: str) -> Figure:
    """A finished figure, with a text for readers who cannot see it.

    A notebook shows both: the picture, and with it the text in HTML, where screen readers find it
    in JupyterLab and in exported pages.

    Examples
    --------
    >>> figure = described(plt.figure(figsize=(1, 1)), "an empty square")
    >>> 'alt="an empty square"' in figure._repr_html_()
    True
    """
    plt.close(figure)  # or the notebook would show it a second time
    vars(figure)["_repr_html_"] = partial(image_tag, figure, text)
    return figure


def image_tag(figure: Figure, text: str) -> str:
    """A figure as an HTML image that carries its picture with it, and its text."""
    return f'<img src="{image_source(figure)}" alt="{escape(text)}" style="max-width: 100%">'


def image_source(figure: Figure) -> str:
    """A figure as an address that holds the picture itself."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


def span(values: pd.Series, form: str = "{:.2f}") -> str:
    """The smallest and the largest value with their names, for a figure's text.

    Examples
    --------
    >>> span(pd.Series({"random": 0.3, "balanced": 0.7, "hard": 0.6}))
    'from 0.30 (random) to 0.70 (balanced)'
    """
    known = values.dropna()
    if known.empty:
        return "no values"
    ends = {known.idxmin(): known.min(), known.idxmax(): known.max()}
    named = [f"{form.format(value)} ({name})" for name, value in ends.items()]
    return named[0] if len(named) == 1 else f"from {named[0]} to {named[1]}"


def class_legend(figure: Figure, scheme: LabelScheme, *, healthy: bool = False) -> None:
    """The classes' colours; label maps leave out healthy, which is transparent in them."""
    named = list(zip(scheme.classes, class_colours(scheme.classes), strict=True))
    _legend(
        figure,
        [
            Patch(facecolor=colour, edgecolor="black", label=name)
            for name, colour in named[0 if healthy else 1 :]
        ],
    )


def arm_styles(arms: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each arm: the paper's three have their own, others get one by position.

    Examples
    --------
    >>> style = arm_styles(["random", "mine"])["mine"]
    >>> style["color"], style["marker"]
    ('#0B5D3B', 'D')
    """
    arms = list(arms)
    more = {
        arm: {
            "color": _MORE_COLOURS[number % len(_MORE_COLOURS)],
            "marker": _MORE_MARKERS[number // len(_MORE_COLOURS) % len(_MORE_MARKERS)],
        }
        for number, arm in enumerate(arm for arm in arms if arm not in STRATEGIES)
    }
    return {arm: STRATEGIES.get(arm) or more[arm] for arm in arms}


def arm_legend(figure: Figure, arms: Iterable[str]) -> None:
    """The arms' colours and markers."""
    styles = arm_styles(arms).items()
    _legend(figure, [Line2D([], [], linestyle="", label=name, **style) for name, style in styles])


def _legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Below the figure, in as many rows as it takes: names that come from files can be long."""
    options: dict[str, Any] = {"loc": "outside lower center", "frameon": False}
    labels, columns = [fill(str(each.get_label()), 40) for each in handles], len(handles)
    legend = figure.legend(handles, labels, ncols=columns, **options)
    while (width := legend.get_window_extent().width / figure.bbox.width) > 1 and columns > 1:
        legend.remove()
        columns = min(columns - 1, max(1, int(columns / width)))
        legend = figure.legend(handles, labels, ncols=columns, **options)
