"""What the figures share: colours, panels, legends."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

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
_MORE_COLOURS = ("#E69F00", "#44AA99", "#000000")
# Other colours than the classes', and a marker each.
STRATEGY_COLOURS = {"random": "#555555", "balanced": "#56B4E9", "hard": "#CC79A7"}
STRATEGY_MARKERS = {"random": "o", "balanced": "s", "hard": "^"}
GREYS = {"cmap": "gray", "vmin": -2.5, "vmax": 4.0, "interpolation": "nearest"}


def class_colours(scheme: LabelScheme) -> list[str]:
    """A colour for each class, in class order."""
    more = iter(_MORE_COLOURS * len(scheme.classes))
    return [CLASS_COLOURS.get(name) or next(more) for name in scheme.classes]


def panels(rows: int, columns: int, *, width: float, height: float):
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes


def closed(figure: Figure) -> Figure:
    plt.close(figure)  # or the notebook would show it a second time
    return figure


def class_legend(figure: Figure, scheme: LabelScheme, *, healthy: bool = False) -> None:
    """The classes' colours; healthy only where it is drawn, for in label maps it is transparent."""
    handles = [
        Patch(facecolor=colour, edgecolor="black", label=name)
        for name, colour in zip(scheme.classes, class_colours(scheme), strict=True)
    ][0 if healthy else 1 :]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def strategy_legend(figure: Figure, strategies) -> None:
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            label=name,
            color=STRATEGY_COLOURS[name],
            marker=STRATEGY_MARKERS[name],
        )
        for name in strategies
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
