"""Pictures of scans: slices, label maps, patches."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from scipy import ndimage

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.labels import LabelScheme

from .style import GREYS, INK, class_colours, class_legend, described, panels


def modalities(cohort: Cohort, case_id: str) -> Figure:
    """The slice with most tumour in every modality, and below the same with the labels over it.

    Examples
    --------
    >>> [axis.get_title() for axis in modalities(cohort, "large").axes[:2]]
    ['t1', 'flair']
    """
    columns = len(cohort.modalities)
    figure, axes = panels(2, columns, width=2.5 * columns, height=5.6)
    case = cohort[case_id]
    window = _widest(case)
    overlay = _overlay(case.labels[window], cohort.scheme, alpha=0.6)
    for channel, name in enumerate(cohort.modalities):
        for axis in axes[:, channel]:
            axis.imshow(case.images[window][..., channel].astype(float), **GREYS)
        axes[0, channel].set_title(name)
        axes[1, channel].imshow(overlay)
    _to_scale(axes, case)
    class_legend(figure, cohort.scheme)
    text = f"Slice {window[0]} of {case_id} in {', '.join(cohort.modalities)}; below, its classes: "
    return described(figure, f"{text}{_counted(case.labels[window], cohort.scheme)}.")


def patch_on_slice(cohort: Cohort, centre: Sequence[int], size: int) -> Figure:
    """A slice with the outline of a patch and its centre voxel, the patch, and its labels.

    `centre` is (case, slice, row, column).

    Examples
    --------
    >>> patch_on_slice(cohort, (1, 2, 30, 20), 32).axes[0].get_title()
    'a slice of flair'
    """
    case, number, row, column = cohort[int(centre[0])], *(int(value) for value in centre[1:])
    channel = shown_channel(cohort)
    image = case.images[number, ..., channel].astype(float)
    top, left = row - size // 2 - 0.5, column - size // 2 - 0.5
    figure, axes = panels(1, 3, width=9.5, height=3.8)
    name = cohort.scheme.classes[cohort.labels_at(np.array([centre]))[0]]
    titles = f"a slice of {cohort.modalities[channel]}", f"a patch, label: {name}", "its classes"
    for axis, title in zip(axes[0], titles, strict=True):
        axis.imshow(image, **GREYS)
        axis.plot(column, row, "+", color="red", markersize=11)
        axis.set(xlim=(left, left + size), ylim=(top + size, top), facecolor="black")
        axis.set_title(fill(title, 36))
    axes[0, 2].imshow(_overlay(case.labels[number], cohort.scheme, alpha=0.8))
    axes[0, 0].add_patch(Rectangle((left, top), size, size, fill=False, color="red", linewidth=1.5))
    _to_scale(axes, case)
    height, width = image.shape
    axes[0, 0].set(
        xlim=(min(left, -0.5), max(left + size, width - 0.5)),
        ylim=(max(top + size, height - 0.5), min(top, -0.5)),
    )
    class_legend(figure, cohort.scheme)
    firsts = (place - size // 2 for place in (row, column))
    rows, columns = (slice(max(0, first), max(0, first + size)) for first in firsts)
    inside = _counted(case.labels[number, rows, columns], cohort.scheme)
    text = f"A patch of {size} x {size} voxels on slice {number} of {case.id}, centre in {name}; "
    return described(figure, f"{text}it holds {inside}.")


def batches(
    shown: Mapping[str, tuple[np.ndarray, np.ndarray]], cohort: Cohort, *, columns: int = 12
) -> Figure:
    """Whole batches side by side, each patch framed in the colour of its label.

    Parameters
    ----------
    shown : mapping of title to (patches (B, P, P, M), labels (B,))
        As `patch_dataset` yields them; shown sorted by label.
    cohort : Cohort
        Where they come from.

    Examples
    --------
    >>> patches, labels = np.zeros((4, 16, 16, 2)), np.array([0, 2, 2, 4])
    >>> batches({"a batch": (patches, labels)}, cohort).subfigs[0].get_suptitle()
    'a batch'
    """
    colours = to_rgba_array(class_colours(cohort.scheme.classes))
    channel = shown_channel(cohort)
    rows = max(-(-len(labels) // columns) for _, labels in shown.values())
    size = (0.54 * columns * len(shown), 0.54 * rows + 0.7)
    figure = plt.figure(figsize=size, layout="constrained")
    parts = figure.subfigures(1, len(shown), squeeze=False)[0]
    for part, (title, (patches, labels)) in zip(parts, shown.items(), strict=True):
        part.suptitle(title)
        axis = part.subplots()
        axis.set_axis_off()
        order = np.argsort(labels, kind="stable")
        axis.imshow(_mosaic(patches[order, ..., channel], colours[labels[order]], rows, columns))
    class_legend(figure, cohort.scheme, healthy=True)
    counts = {title: _counted(labels, cohort.scheme) for title, (_, labels) in shown.items()}
    text = "; ".join(f"{title}: {numbers}" for title, numbers in counts.items())
    return described(figure, f"Batches of patches, framed by label. {text}.")


def segmentations(
    cohort: Cohort, case_ids: Sequence[str], maps: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """One row per case, its slice with most tumour: the scan, the truth, and predictions.

    As in the paper's figures 5 to 7.

    Parameters
    ----------
    cohort : Cohort
    case_ids : sequence of str
    maps : mapping of title to mapping of case to (s, h, w) class numbers
        What was predicted, as `ExperimentResult.segmentation` gives it.

    Examples
    --------
    >>> truth = {case.id: case.labels for case in cohort}
    >>> figure = segmentations(cohort, ["small"], {"a perfect model": truth})
    >>> [axis.get_title() for axis in figure.axes]
    ['flair', 'truth', 'a perfect model']
    """
    channel = shown_channel(cohort)
    titles = [cohort.modalities[channel], "truth", *maps]
    side = min(2.6, 10 / len(titles))  # a wider figure would be shown smaller, its letters too
    height = 1.15 * side * len(case_ids) + 0.6
    figure, axes = panels(len(case_ids), len(titles), width=side * len(titles), height=height)
    sizes = []
    for row, case in zip(axes, map(cohort.__getitem__, case_ids), strict=True):
        window = _widest(case)
        image = case.images[window][..., channel].astype(float)
        for axis in row:
            axis.imshow(image, **GREYS)
        row[0].set_ylabel(fill(case.id, 22))
        shown = {"truth": case.labels, **{name: every[case.id] for name, every in maps.items()}}
        for axis, classes in zip(row[1:], shown.values(), strict=True):
            axis.imshow(_overlay(classes[window], cohort.scheme, alpha=1.0))
        _to_scale(row, case)
        areas = [f"{name} {(classes[window[0]] > 0).sum()}" for name, classes in shown.items()]
        sizes.append(f"{case.id}: {', '.join(areas)}")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(fill(title, max(8, int(7 * side))))
    class_legend(figure, cohort.scheme)
    text = "The slice of each case with most tumour. Tumour voxels in it: "
    return described(figure, f"{text}{'; '.join(sizes)}.")


def gallery(cohort: Cohort, examples: pd.DataFrame, size: int, *, columns: int = 3) -> Figure:
    """Hard examples (rows of ``HardExampleMining.hard``) as patches, framed by true class.

    Each in two modalities, FLAIR and T1c where the cohort has them.

    Examples
    --------
    >>> found = {"case": 0, "slice": 1, "row": 30, "column": 20, "label": 4, "predicted": 2}
    >>> figure = gallery(cohort, pd.DataFrame([found | {"probability": 0.1}]), 32)
    >>> figure.subfigs[0].get_suptitle()
    'is enhancing, predicted edema\\np(true) = 0.100'
    """
    expect(len(examples), "one hard example or more", examples=len(examples))
    scheme, colours = cohort.scheme, class_colours(cohort.scheme.classes)
    names = [name for name in ("flair", "t1c") if name in cohort.modalities]
    names = (names + [name for name in cohort.modalities if name not in names])[:2]
    rows = -(-len(examples) // columns)
    figure = plt.figure(figsize=(3.3 * columns, 2.25 * rows + 0.4), layout="constrained")
    parts = figure.subfigures(rows, columns, squeeze=False).ravel()
    pairs = []
    for part, example in zip(parts, examples.itertuples(), strict=False):
        top, left = example.row - size // 2 - 0.5, example.column - size // 2 - 0.5
        axes = part.subplots(1, len(names), squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            image = cohort[example.case].images[example.slice, ..., cohort.modalities.index(name)]
            axis.imshow(image.astype(float), **GREYS)
            axis.set(xlim=(left, left + size), ylim=(top + size, top), facecolor="black")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(color=colours[example.label], linewidth=3)
            axis.spines[:].set_path_effects([withStroke(linewidth=4.5, foreground=INK)])
            axis.plot(example.column, example.row, "+", color="red", markersize=9)
            axis.set_xlabel(name, fontsize=9, labelpad=2)
        own, other = scheme.classes[example.label], scheme.classes[example.predicted]
        probability = example.probability
        part.suptitle(f"is {own}, predicted {other}\np(true) = {probability:.3f}", fontsize=10)
        pairs.append(f"{own} predicted as {other} (p {probability:.2f})")
    class_legend(figure, scheme, healthy=True)
    return described(figure, f"{len(pairs)} hard examples: {'; '.join(pairs)}.")


def _counted(labels: np.ndarray, scheme: LabelScheme) -> str:
    """How many labels of each class there are, the absent left out."""
    counts = np.bincount(labels.ravel(), minlength=len(scheme.classes))
    return ", ".join(
        f"{number} {name}" for name, number in zip(scheme.classes, counts, strict=True) if number
    )


def _overlay(classes: np.ndarray, scheme: LabelScheme, *, alpha: float) -> np.ndarray:
    """Class numbers (H, W) as colours (H, W, 4); healthy is transparent."""
    table = to_rgba_array(class_colours(scheme.classes), alpha)
    table[0, 3] = 0
    return table[classes]


def _mosaic(patches: np.ndarray, colours: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Patches (n, P, P), each in a frame of its colour (n, 4) with a dark edge.

    All are one picture, since axes are slow.
    """
    edge, frame, gap, size = 1, 5, 4, patches.shape[1]
    side = gap + frame + size + frame
    tiles = np.ones((rows * columns, side, side, 4))
    tiles[: len(patches), gap:, gap:, :3] = to_rgb(INK)
    tiles[: len(patches), gap + edge : -edge, gap + edge : -edge] = colours[:, None, None]
    greys = ScalarMappable(Normalize(GREYS["vmin"], GREYS["vmax"]), GREYS["cmap"])
    inside = slice(gap + frame, gap + frame + size)
    tiles[: len(patches), inside, inside] = [greys.to_rgba(patch) for patch in patches]
    tiles = tiles.reshape(rows, columns, side, side, 4)
    return tiles.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 4)


def shown_channel(cohort: Cohort) -> int:
    """The modality that figures show: FLAIR, where the whole tumour is bright, or the first."""
    return cohort.modalities.index("flair") if "flair" in cohort.modalities else 0


def _to_scale(axes: np.ndarray, case: Case) -> None:
    """Rows and columns of a slice may lie unequally far apart."""
    for axis in axes.flat:
        axis.set_aspect(case.spacing[1] / case.spacing[2])


def _widest(case: Case) -> tuple[int, slice, slice]:
    """The slice of a case with most tumour, and the rows and columns of it that hold brain."""
    number = case.widest_slice()
    (box,) = ndimage.find_objects(case.brain[number].view(np.uint8)) or [(slice(None),) * 2]
    return number, *box
