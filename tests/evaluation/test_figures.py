"""What the figures show, read back from their artists."""

import ast
import base64
import html
import re
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_hex, to_rgb, to_rgba, to_rgba_array
from matplotlib.container import ErrorbarContainer

from imbalance_tf import AIR, SCHEMES, LabelScheme, finished_study
from imbalance_tf.evaluation import figures
from imbalance_tf.evaluation.dice import PAPER_DICE
from imbalance_tf.evaluation.figures import scans, style
from imbalance_tf.lab.notebooks import notebook_paths
from imbalance_tf.sampling.patches import cut_patches

CLASSES = SCHEMES["brats2013"].classes
COLOURS = style.class_colours(CLASSES)
COLUMNS = ["whole", "core", "active", *CLASSES]
STRATEGIES = ("random", "balanced", "hard")
OFFSETS = (-0.26, 0, 0.26)


@pytest.fixture
def tables():
    generator = np.random.default_rng(0)
    return {name: pd.DataFrame(generator.random((3, 8)), columns=COLUMNS) for name in STRATEGIES}


@pytest.fixture
def epochs():
    columns = {"epoch": [0, 1, 2], "loss": [1.5, 0.9, 0.7], "accuracy": [0.4, 0.7, 0.6]}
    return pd.DataFrame(columns | {f"hard_{name}": [8, 6, k] for k, name in enumerate(CLASSES)})


@pytest.fixture
def shares():
    rows = [[0.9, 0.02, 0.05, 0.01, 0.02], [0.8, 0.05, 0.1, 0.02, 0.03]]
    return pd.DataFrame(rows, columns=CLASSES)


@pytest.fixture
def drawn():
    columns = {"asked": 0.5, "drawn": [0.4, 0.6], "repeats": [1.5, np.nan], "cases": [1, 2]}
    return pd.DataFrame(columns, index=["healthy", "lesion"]).assign(of=2)


def texts(labels):
    return [label.get_text() for label in labels]


def entries(figure):
    (legend,) = figure.legends
    return texts(legend.get_texts())


def points(line):
    return np.column_stack(line.get_data()).tolist()


def looks(line):
    return to_hex(line.get_color()).upper(), line.get_marker()


def strategy_look(name):
    return style.STRATEGIES[name]["color"], style.STRATEGIES[name]["marker"]


def is_open(axis):
    return [axis.spines[side].get_visible() for side in ("top", "right", "left")] == [0, 0, 1]


def is_bare(axis):
    ticks = [*axis.get_xticks(), *axis.get_yticks()]
    return not ticks and not any(spine.get_visible() for spine in axis.spines.values())


def picture(case, number, channel):
    """A slice of a case, and the overlay of its labels; all of the brain is in the window."""
    rows, columns = (np.flatnonzero(case.brain[number].any(axis=k)) for k in (1, 0))
    window = (number, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return case.images[window][..., channel], case.labels[window]


def shows_scan(image, expected):
    np.testing.assert_array_equal(image.get_array(), expected)
    assert (image.get_cmap().name, image.get_clim()) == ("gray", (-2.5, 4.0))


def shows_labels(image, labels, alpha):
    expected = to_rgba_array(COLOURS, alpha)[labels]
    expected[labels == 0, 3] = 0
    np.testing.assert_allclose(image.get_array(), expected)


def every_chart(tables, epochs, shares, drawn):
    lengths = finished_study("length", "nowhere").table
    of_one = lengths[lengths["batches"] == 1000]
    return [
        figures.dice_by_arm(of_one, COLUMNS),
        figures.difference_to(of_one, COLUMNS),
        figures.volumes_by_arm(of_one, COLUMNS),
        figures.dice_by_length(lengths, COLUMNS),
        figures.class_shares(shares, shares.mean()),
        figures.draws(drawn),
        *(figures.training_curve(epochs, name, baseline=0.5) for name in STRATEGIES),
        figures.hard_pool(epochs, SCHEMES["brats2013"], candidates=dict.fromkeys(CLASSES, 10)),
        figures.dice_by_case(tables, COLUMNS, paper=PAPER_DICE),
        figures.volumes(tables, COLUMNS),
    ]


def contrast(colour):
    """Of a colour on white, after WCAG 2."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (np.dot((0.2126, 0.7152, 0.0722), channels) + 0.05)


def edges(artist):
    return [effect._gc["foreground"] for effect in artist.get_path_effects()]


def test_every_line_mark_and_bar_stands_out_from_white(tables, epochs, shares, drawn):
    for figure in every_chart(tables, epochs, shares, drawn):
        legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
        handles = [handle for legend in legends if legend for handle in legend.legend_handles]
        lines = [line for axis in figure.axes for line in axis.lines]
        for line in [*lines, *handles]:
            colour = (
                line[0].get_color() if isinstance(line, ErrorbarContainer) else line.get_color()
            )
            assert max(map(contrast, [colour, *edges(line)])) >= 3, line
        for bars in (each for axis in figure.axes for each in axis.collections):
            assert min(map(contrast, bars.get_color())) >= 3 or edges(bars), bars
        for axis in figure.axes:
            for bar in axis.patches:
                assert contrast(bar.get_edgecolor()) >= 3
                assert bar.get_linewidth() > 0


def test_the_lines_of_any_number_of_arms_stand_out_from_white():
    for name, look in style.arm_styles([*STRATEGIES, *map(str, range(60))]).items():
        outlines = [effect._gc["foreground"] for effect in look.get("path_effects", ())]
        assert max(map(contrast, [look["color"], *outlines])) >= 3, name
    assert contrast(style.INK) >= 3


def calls_with_a_colour():
    """Of every notebook: name, call, colour, for colours that are written down in it."""
    for path in notebook_paths():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                for call in ast.walk(ast.parse(cell.source.replace("%matplotlib inline", ""))):
                    for word in call.keywords if isinstance(call, ast.Call) else ():
                        if word.arg == "color" and isinstance(word.value, ast.Constant):
                            yield path.stem, call, word.value.value


def test_what_a_notebook_draws_itself_stands_out_from_white():
    """Or has an edge that does. Only guides behind all else may be faint."""
    calls = list(calls_with_a_colour())
    assert len(calls) > 20
    for name, call, colour in calls:
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        edged = {"edgecolor", "markeredgecolor", None} & set(words)  # None: **OUTLINE, **edges
        guide = words.get("zorder") == "0" or call.func.attr == "grid"
        assert contrast(colour) >= 3 or edged or guide, (name, ast.unparse(call))


def test_a_figure_is_closed_so_that_a_notebook_shows_it_once(cohort, tables, epochs, shares, drawn):
    figures.modalities(cohort, "small")
    figures.patch_on_slice(cohort, (0, 1, 30, 20), 16)
    figures.batches({"one": (np.zeros((1, 8, 8, 2)), np.array([0]))}, cohort)
    figures.segmentations(cohort, ["small"], {})
    figures.case_page(cohort, ["small"])
    every_chart(tables, epochs, shares, drawn)
    assert plt.get_fignums() == []


def text_of(figure):
    """The text that a screen reader finds, and the picture, from what a notebook stores."""
    data, _ = DisplayFormatter().format(figure)
    (tag,) = re.findall("<img[^>]+>", data["text/html"])
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', tag)
    assert base64.b64decode(source).startswith(b"\x89PNG")
    return html.unescape(*re.findall(r'alt="([^"]+)"', tag))


def test_every_figure_has_a_text_of_its_own(cohort, tables, epochs, shares, drawn):
    hard = {"case": 0, "slice": 1, "row": 30, "column": 20, "label": 4, "predicted": 2}
    shown = [
        figures.modalities(cohort, "small"),
        figures.modalities(cohort, "large"),
        figures.patch_on_slice(cohort, (0, 1, 30, 20), 16),
        figures.patch_to_label(cohort, (0, 1, 30, 20), 16),
        figures.mining_loop(threshold=0.75, candidates=10, batches=20),
        figures.two_in_a_row(cohort.scheme.classes),
        figures.batches({"one": (np.zeros((1, 8, 8, 2)), np.array([0]))}, cohort),
        figures.segmentations(cohort, ["small"], {}),
        figures.case_page(cohort, ["small", "large"]),
        figures.gallery(cohort, pd.DataFrame([hard | {"probability": 0.1}]), 16),
        *every_chart(tables, epochs, shares, drawn),
    ]
    texts = [text_of(figure) for figure in shown]
    assert len(set(texts)) == len(shown)
    assert min(map(len, texts)) > 40


def test_the_text_says_what_is_shown_and_where_the_ends_lie(cohort):
    dice = {"random": pd.DataFrame({"whole": [0.5, 0.9]}), "hard": pd.DataFrame({"whole": [0.6]})}
    assert text_of(figures.dice_by_case(dice, ["whole"])) == (
        "Dice of every test case, random, hard. Means of whole: from 0.60 (hard) to 0.70 (random)."
    )
    assert text_of(
        figures.batches({"b": (np.zeros((3, 8, 8, 2)), np.array([0, 2, 2]))}, cohort)
    ) == ("Batches of patches, framed by label. b: 1 healthy, 2 edema.")
    case = cohort["small"]
    number = case.widest_slice()
    empty = {"nothing": {case.id: np.zeros_like(case.labels)}}
    found = (case.labels[number] > 0).sum()
    expected = f"small: truth {found}, nothing 0."
    assert text_of(figures.segmentations(cohort, ["small"], empty)).endswith(expected)
    nothing = {"random": pd.DataFrame({"core": [np.nan]})}
    assert text_of(figures.volumes(nothing, ["core"])).endswith("core: no values.")


def test_healthy_is_transparent_and_every_other_class_has_its_own_colour():
    overlay = scans._overlay(np.arange(5), SCHEMES["brats2013"], alpha=0.6)
    assert overlay[:, 3].tolist() == [0, 0.6, 0.6, 0.6, 0.6]
    assert len({tuple(colour) for colour in overlay[:, :3]}) == 5


def test_a_class_that_the_package_does_not_know_gets_a_colour():
    assert len(set(style.class_colours(["healthy", "lesion", "cyst", "scar"]))) == 4
    own = ["healthy", "necrosis", "core", "lesion", "enhancing", *map("class {}".format, range(40))]
    assert len(set(style.class_colours(own))) == len(own)


LONG = "necrotic and non-enhancing core of the tumour"


@pytest.mark.parametrize(
    "classes",
    [CLASSES, ("none", *(f"{LONG} {n}" for n in range(8))), tuple(f"c{n}" for n in range(60))],
    ids=["BraTS", "long names", "many classes"],
)
def test_a_legend_lies_within_its_figure_whatever_the_classes_are_called(classes):
    scheme = LabelScheme("s", classes, tuple(range(len(classes))), {"all": classes[1:]})
    for width in (3.5, 10):
        figure, _ = style.panels(1, 1, width=width, height=6)
        style.class_legend(figure, scheme)
        (legend,) = figure.legends
        assert legend.get_window_extent().width <= figure.bbox.width
        named = [" ".join(text.get_text().split()) for text in legend.get_texts()]
        assert named == list(classes[1:])
        style.described(figure, "")


def test_class_shares_have_a_ring_per_case_and_a_diamond_for_all(shares):
    pooled = shares.mean()
    figure = figures.class_shares(shares, pooled)
    (axis,) = figure.axes
    for position, name in enumerate(CLASSES):
        rings, diamond = axis.lines[2 * position : 2 * position + 2]
        assert points(rings) == [[100 * share, position] for share in shares[name]]
        assert points(diamond) == [[100 * pooled[name], position]]
        assert looks(rings) == (COLOURS[position], "o")
        assert rings.get_fillstyle() == "none"
        assert looks(diamond) == (COLOURS[position], "D")
        assert axis.texts[position].get_position() == (1.01, position)
    assert len(axis.lines) == 10
    assert texts(axis.texts) == ["85 %", "3.5 %", "7.5 %", "1.5 %", "2.5 %"]
    assert axis.get_yticks().tolist() == list(range(5))
    assert texts(axis.get_yticklabels()) == list(CLASSES)
    assert axis.get_xscale() == "log"
    assert axis.get_xlim() == (0.5, 130)
    assert axis.get_ylim() == (4.5, -0.5)
    assert axis.get_xlabel().startswith("share of brain voxels, % (log scale); one ring per case")
    assert axis.xaxis.get_major_formatter()(10) == "10"
    assert axis.xaxis.get_gridlines()[0].get_visible()
    assert is_open(axis)


def test_draws_show_share_repeats_and_cases(drawn):
    figure = figures.draws(drawn)
    shown = [[bar.get_width() for bar in axis.patches] for axis in figure.axes]
    assert shown == [[40, 60], [1.5, 0], [50, 100]]
    for axis in figure.axes:
        colours = [to_hex(bar.get_facecolor()).upper() for bar in axis.patches]
        assert colours == style.class_colours(drawn.index)
        assert axis.yaxis_inverted()
        assert axis.get_xlim()[0] == 0
        assert is_open(axis)
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "share of all samples, %\n(black mark: the share asked for)",
        "samples per distinct voxel",
        "cases covered, %",
    ]
    assert texts(figure.axes[0].get_yticklabels()) == ["healthy", "lesion"]
    assert [list(axis.get_yticks()) for axis in figure.axes[1:]] == [[], []]
    (asked,) = figure.axes[0].lines
    assert asked.get_xdata().tolist() == [50, 50]
    assert list(asked.get_ydata(orig=True)) == ["healthy", "lesion"]
    assert looks(asked) == ("#000000", "|")
    assert asked.get_markersize() > 20
    (edge,) = edges(asked)  # or the mark would hide in the edge of a bar of just that length
    assert to_hex(edge) == "#ffffff"
    unasked = figures.draws(drawn.assign(asked=np.nan))
    assert unasked.axes[0].get_xlabel() == "share of all samples, %"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_training_curves_show_every_epoch_and_the_baseline(epochs, strategy):
    figure = figures.training_curve(epochs, strategy, baseline=0.5)
    loss, accuracy = figure.axes
    for axis, column in ((loss, "loss"), (accuracy, "accuracy")):
        assert points(axis.lines[0]) == [[k + 1, value] for k, value in enumerate(epochs[column])]
        assert looks(axis.lines[0]) == strategy_look(strategy)
        assert axis.get_title() == f"training {column}, {strategy} batches"
        assert axis.get_xlabel() == "epoch"
        assert all(tick == round(tick) for tick in axis.get_xticks())
        assert is_open(axis)
    assert len(loss.lines) == 1
    _, baseline = accuracy.lines
    assert list(baseline.get_ydata()) == [0.5, 0.5]
    assert (baseline.get_color(), baseline.get_linestyle()) == ("black", "--")
    assert texts(accuracy.get_legend().get_texts()) == ["always one class"]
    assert accuracy.get_ylim() == (pytest.approx(0.36), 1)


def test_the_hard_pool_has_a_line_per_class_with_the_share_of_its_candidates(epochs):
    candidates = {name: 10 * (k + 1) for k, name in enumerate(CLASSES)}
    figure = figures.hard_pool(epochs, SCHEMES["brats2013"], candidates=candidates)
    (axis,) = figure.axes
    for number, (line, name) in enumerate(zip(axis.lines, CLASSES, strict=True)):
        share = 100 * epochs[f"hard_{name}"] / candidates[name]
        assert points(line) == [[1, share[0]], [2, share[1]], [3, share[2]]]
        assert looks(line) == (COLOURS[number], "o")
        assert line.get_linestyle() == "-"
    assert texts(axis.get_legend().get_texts()) == list(CLASSES)
    assert axis.get_xlabel() == "after epoch"
    assert axis.get_ylabel() == "hard, % of the candidates"
    assert axis.get_ylim()[0] == 0
    assert all(tick == round(tick) for tick in axis.get_xticks())
    assert is_open(axis)


def test_dice_by_case_shows_every_case_its_line_the_mean_and_the_paper(tables):
    figure = figures.dice_by_case(tables, ["whole", "healthy"], paper=PAPER_DICE)
    (axis,) = figure.axes
    lines = list(axis.lines)
    for position, name in enumerate(["whole", "healthy"]):
        for case in range(3):
            joined = lines.pop(0)
            assert joined.get_linestyle() == "-"
            assert joined.get_xdata().tolist() == [position + offset for offset in OFFSETS]
            assert joined.get_ydata().tolist() == [tables[s][name][case] for s in STRATEGIES]
        for offset, strategy in zip(OFFSETS, STRATEGIES, strict=True):
            marks, mean = lines.pop(0), lines.pop(0)
            values, here = tables[strategy][name], position + offset
            assert points(marks) == [[here, value] for value in values]
            assert looks(marks) == strategy_look(strategy)
            assert marks.get_linestyle() == "None"
            assert points(mean) == [[here - 0.1, values.mean()], [here + 0.1, values.mean()]]
            assert mean.get_linewidth() == 2
            if name == "whole":
                cross = lines.pop(0)
                assert points(cross) == [[here + 0.12, PAPER_DICE.loc[strategy, "whole"]]]
                assert looks(cross) == ("#FF0000", "x")
    assert not lines
    assert entries(figure) == list(STRATEGIES)
    handles = figure.legends[0].legend_handles
    assert [looks(handle) for handle in handles] == [strategy_look(name) for name in STRATEGIES]
    assert texts(axis.get_xticklabels()) == ["whole", "healthy"]
    assert axis.get_xticks().tolist() == [0, 1]
    assert axis.get_ylim() == (0, 1.02)
    assert axis.get_ylabel() == "Dice"
    assert "one mark per test case" in axis.get_title()
    assert "red cross: the paper" in axis.get_title()
    assert is_open(axis)


def test_without_the_paper_there_is_no_cross(tables):
    (axis,) = figures.dice_by_case(tables, ["whole"]).axes
    assert len(axis.lines) == 3 + 2 * 3
    assert "paper" not in axis.get_title()


def test_volumes_show_every_ratio_and_the_median_and_cut_at_the_ends_of_the_axis(tables):
    tables["random"].loc[:1, "whole"] = 0.0, 500.0
    tables["hard"].loc[2, "core"] = np.nan
    figure = figures.volumes(tables, ["whole", "core"])
    (axis,) = figure.axes
    *lines, one = axis.lines
    for offset, strategy in zip(OFFSETS, STRATEGIES, strict=True):
        for position, name in enumerate(["whole", "core"]):
            marks, median = lines.pop(0), lines.pop(0)
            values = tables[strategy][name].dropna().clip(0.05, 20)
            assert points(marks) == [[value, position + offset] for value in values]
            assert looks(marks) == strategy_look(strategy)
            assert marks.get_linestyle() == "None"
            middle = np.clip(tables[strategy][name].median(), 0.05, 20)
            assert points(median) == [[middle, position + offset]]
            assert looks(median) == ("#000000", "|")
    assert not lines
    assert list(one.get_xdata()) == [1, 1]
    assert entries(figure) == list(STRATEGIES)
    assert axis.get_xscale() == "log"
    assert axis.get_xlim() == (0.05 * 0.85, 20 * 1.15)
    assert axis.get_xticks().tolist() == [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    assert texts(axis.get_xticklabels())[::4] == ["≤ 0.05", "1", "≥ 20"]
    assert list(axis.get_xticks(minor=True)) == []
    assert axis.get_xlabel().startswith("predicted / true volume (log scale)")
    assert axis.get_yticks().tolist() == [0, 1]
    assert texts(axis.get_yticklabels()) == ["whole", "core"]
    assert axis.yaxis_inverted()
    assert is_open(axis)


def test_the_bar_is_the_median_that_the_text_says():
    ratios = {"random": pd.DataFrame({"whole": [2.0, 100.0]})}
    figure = figures.volumes(ratios, ["whole"])
    assert figure.axes[0].lines[1].get_xdata().tolist() == [20]
    assert "whole: 51.00 (random)" in text_of(figure)


@pytest.mark.parametrize("count", [5, 7, 25])
def test_marks_of_many_arms_lie_at_their_own_region_and_inside(count):
    tables = {f"arm {n}": pd.DataFrame({"a": [0.5], "b": [0.6]}) for n in range(count)}
    for figure, along in (
        (figures.dice_by_case(tables, ["a", "b"]), "x"),
        (figures.volumes(tables, ["a", "b"]), "y"),
    ):
        (axis,) = figure.axes
        limits = sorted(getattr(axis, f"get_{along}lim")())
        marks = [line for line in axis.lines if line.get_marker() not in ("", "None", None, "|")]
        found = np.concatenate([getattr(line, f"get_{along}data")() for line in marks])
        for place in (0, 1):
            own = found[np.abs(found - place) < 0.5]
            assert len(own) == count
            assert limits[0] < own.min() < own.max() < limits[1]


def test_a_share_however_small_has_its_ring(shares):
    shares.loc[0, "core"] = 1e-6
    (axis,) = figures.class_shares(shares, shares.mean()).axes
    assert axis.get_xlim()[0] < 1e-4


def test_modalities_are_shown_plain_and_under_their_labels(cohort):
    figure = figures.modalities(cohort, "large")
    case = cohort["large"]
    for channel, name in enumerate(("t1", "flair")):
        plain, under = figure.axes[channel], figure.axes[2 + channel]
        scan, labels = picture(case, case.widest_slice(), channel)
        (image,) = plain.images
        shows_scan(image, scan)
        shows_scan(under.images[0], scan)
        shows_labels(under.images[1], labels, 0.6)
        assert (plain.get_title(), under.get_title()) == (name, "")
        assert is_bare(plain)
        assert is_bare(under)
    assert entries(figure) == list(CLASSES[1:])
    colours = [handle.get_facecolor() for handle in figure.legends[0].legend_handles]
    assert colours == [to_rgba(colour) for colour in COLOURS[1:]]


def test_a_patch_is_shown_where_it_lies(cohort):
    figure = figures.patch_on_slice(cohort, (1, 4, 30, 2), 16)
    case = cohort["large"]
    whole, patch, labels = figure.axes
    for axis in figure.axes:
        shows_scan(axis.images[0], case.images[4, ..., 1])
        (cross,) = axis.lines
        assert points(cross) == [[2, 30]]
        assert looks(cross) == ("#FF0000", "+")
        assert to_hex(axis.get_facecolor()) == "#000000"
    shows_labels(labels.images[1], case.labels[4], 0.8)
    (outline,) = whole.patches
    assert outline.get_bbox().bounds == (-6.5, 21.5, 16, 16)
    assert to_hex(outline.get_edgecolor()) == "#ff0000"
    assert not outline.get_fill()
    assert not patch.patches
    for axis in (patch, labels):
        assert (axis.get_xlim(), axis.get_ylim()) == ((-6.5, 9.5), (37.5, 21.5))
    assert (whole.get_xlim(), whole.get_ylim()) == ((-6.5, 60.5), (69.5, -0.5))
    label = CLASSES[case.labels[4, 30, 2]]
    expected = ["a slice of flair", f"a patch, label: {label}", "its classes"]
    assert [axis.get_title() for axis in figure.axes] == expected
    assert entries(figure) == list(CLASSES[1:])


def test_a_patch_outside_the_brain_is_air_as_in_the_batches(cohort):
    centre = (1, 4, -2, 5)
    figure = figures.patch_on_slice(cohort, centre, 17)
    assert figure.axes[1].get_title() == "a patch, label: healthy"
    (axis,) = figures.patch_to_label(cohort, (1, 4, 30, 2), 16).axes
    front = max(axis.images, key=lambda image: image.get_zorder())
    batch = cut_patches([case.images for case in cohort], np.array([(1, 4, 30, 2)]), 16, fill=AIR)
    np.testing.assert_array_equal(front.get_array(), batch[0, ..., 1])


def test_all_voxels_of_a_patch_of_odd_size_are_counted(cohort):
    case = cohort["large"]
    figure = figures.patch_on_slice(cohort, (1, 4, 30, 20), 17)
    counts = np.bincount(case.labels[4, 22:39, 12:29].ravel(), minlength=5)
    for name, number in zip(CLASSES, counts, strict=True):
        assert (f"{number} {name}" in text_of(figure)) == bool(number)


def test_a_batch_is_sorted_by_label_each_patch_inside_the_colour_of_its_class(cohort):
    labels = np.array([4, 0, 2])
    patches = np.stack([np.full((10, 10, 4), value, np.float16) for value in (4, -2.5, 0.75)])
    figure = figures.batches({"a batch": (patches, labels)}, cohort, columns=2)
    (part,) = figure.subfigs
    (axis,) = part.axes
    tiles = axis.images[0].get_array().reshape(2, 24, 2, 24, 4)
    tiles = tiles.transpose(0, 2, 1, 3, 4).reshape(4, 24, 24, 4)
    edge, frames, middles = tiles[:, -1, -1], tiles[:, -3, -3], tiles[:, -10, -10]
    np.testing.assert_allclose(edge[:3], [to_rgba(style.INK)] * 3)
    colours = [COLOURS[label] for label in (0, 2, 4)]
    np.testing.assert_allclose(frames, [*to_rgba_array(colours), (1, 1, 1, 1)])
    np.testing.assert_allclose(middles[:, 0], [0, 0.5, 1, 1], atol=0.01)
    assert (tiles[:, 0] == 1).all()
    assert part.get_suptitle() == "a batch"
    assert not axis.axison
    assert entries(figure) == list(CLASSES)


def test_segmentations_have_one_row_per_case_and_one_column_per_map(cohort):
    maps = {"random": {case.id: (case.labels + 1) % 5 for case in cohort}}
    figure = figures.segmentations(cohort, ["small", "large"], maps)
    axes = np.reshape(figure.axes, (2, 3))
    assert [axis.get_title() for axis in axes[0]] == ["flair", "truth", "random"]
    assert [axis.get_ylabel() for axis in axes[:, 0]] == ["small", "large"]
    for row, name in zip(axes, ("small", "large"), strict=True):
        case = cohort[name]
        scan, labels = picture(case, case.widest_slice(), 1)
        for axis in row:
            shows_scan(axis.images[0], scan)
            assert is_bare(axis)
        assert len(row[0].images) == 1
        shows_labels(row[1].images[1], labels, 1)
        shows_labels(row[2].images[1], (labels + 1) % 5, 1)
    assert entries(figure) == list(CLASSES[1:])


def test_the_gallery_shows_every_hard_example_in_two_modalities(cohort):
    examples = pd.DataFrame(
        {"case": [0, 1], "slice": [1, 4], "row": [30, 40], "column": [20, 5]}
        | {"label": [4, 3], "predicted": [2, 0], "probability": [0.1, 0.25]}
    )
    figure = figures.gallery(cohort, examples, 16, columns=2)
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "is enhancing, predicted edema\np(true) = 0.100",
        "is non-enhancing, predicted healthy\np(true) = 0.250",
    ]
    for part, example in zip(figure.subfigs, examples.itertuples(), strict=True):
        assert [axis.get_xlabel() for axis in part.axes] == ["flair", "t1"]
        for axis, channel in zip(part.axes, (1, 0), strict=True):
            scan = cohort[example.case].images[example.slice, ..., channel]
            shows_scan(axis.images[0], scan)
            assert points(axis.lines[0]) == [[example.column, example.row]]
            assert looks(axis.lines[0]) == ("#FF0000", "+")
            left, top = example.column - 8.5, example.row - 8.5
            assert axis.get_xlim() == (left, left + 16)
            assert axis.get_ylim() == (top + 16, top)
            assert not [*axis.get_xticks(), *axis.get_yticks()]
            assert to_hex(axis.get_facecolor()) == "#000000"
            for spine in axis.spines.values():
                assert to_hex(spine.get_edgecolor()).upper() == COLOURS[example.label]
                assert spine.get_linewidth() == 3
                assert max(map(contrast, edges(spine))) >= 3
    assert entries(figure) == list(CLASSES)


@pytest.mark.bad_input
def test_no_hard_example_is_refused_in_words(cohort):
    with pytest.raises(ValueError, match="examples=0; one hard example or more is expected"):
        figures.gallery(cohort, pd.DataFrame(columns=["case", "slice"]), 16)


def test_titles_of_many_maps_do_not_run_into_each_other(cohort):
    case = cohort["large"]
    maps = {f"balanced, priors corrected {n}": {"large": case.labels} for n in range(4)}
    figure = figures.segmentations(cohort, ["large"], maps)
    figure.canvas.draw()
    boxes = [axis.title.get_window_extent() for axis in figure.axes]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


@pytest.mark.parametrize("count", [2, 5, 10])
def test_no_class_lies_over_another_in_the_two_in_a_row(count):
    figure = figures.two_in_a_row([f"class {number}" for number in range(count)])
    (axis,) = figure.axes
    figure.canvas.draw()
    names = [text for text in axis.texts if text.get_text().startswith("class")]
    boxes = [text.get_window_extent() for text in names]
    for number, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[number + 1 :])
        assert axis.bbox.y0 <= one.y0 <= one.y1 <= axis.bbox.y1


def test_a_page_has_three_planes_of_every_case_plain_and_outlined(cohort):
    figure = figures.case_page(cohort, ["large", "small"], modality="t1")
    axes = np.reshape(figure.axes, (2, 3, 2))
    assert figure.get_suptitle() == "t1"
    assert [axis.get_ylabel() for axis in axes[:, 0, 0]] == ["large", "small"]
    planes = [axis.get_title() for axis in axes[0].ravel()]
    assert planes == ["axial"] * 2 + ["coronal"] * 2 + ["sagittal"] * 2
    for row, name in zip(axes, ("large", "small"), strict=True):
        case = cohort[name]
        for plane, (plain, outlined) in enumerate(row):
            fullest = (case.labels > 0).sum(axis=tuple({0, 1, 2} - {plane})).argmax()
            scan, labels = (
                np.take(of, fullest, plane) for of in (case.images[..., 0], case.labels)
            )
            head_up = slice(None, None, -1 if plane else 1)
            shows_scan(plain.images[0], scan[head_up])
            shows_scan(outlined.images[0], scan[head_up])
            assert not plain.collections
            # The outlined one shows the tumour, and a little around it.
            of_tumour = np.nonzero(labels[head_up] > 0)[::-1]
            ends = (outlined.get_xlim(), outlined.get_ylim()[::-1])
            for (low, high), where in zip(ends, of_tumour, strict=True):
                assert (low, high) == (where.min() - 5, where.max() + 5)
            there = np.unique(labels[labels > 0])
            for outline, value in zip(outlined.collections, there, strict=True):
                assert to_hex(outline.get_edgecolor()[0]).upper() == COLOURS[value]
                (path,) = outline.get_paths()
                rows, columns = np.nonzero(labels[head_up] == value)
                low, high = path.get_extents().get_points()
                np.testing.assert_allclose(low, (columns.min(), rows.min()), atol=0.5)
                np.testing.assert_allclose(high, (columns.max(), rows.max()), atol=0.5)
            assert is_bare(plain)
    assert entries(figure) == list(CLASSES[1:])


def test_a_page_shows_six_cases_in_flair_unless_told_otherwise(cohort):
    figure = figures.case_page(cohort)
    assert figure.get_suptitle() == "flair"
    assert len(figure.axes) == 6 * len(cohort)
    none = replace(cohort, modalities=("t1", "t2"))
    assert figures.case_page(none, ["tiny"]).get_suptitle() == "t1"


def test_thick_slices_are_shown_as_tall_as_they_are(cohort):
    affine = np.diag([-1.0, -1.0, 4.0, 1.0])
    thick = replace(cohort, cases=[replace(case, affine=affine) for case in cohort])
    axial, coronal = figures.case_page(thick, ["large"]).axes[:3:2]
    assert axial.get_aspect() == 1
    assert coronal.get_aspect() == 4


def test_slices_are_shown_as_wide_as_they_are(cohort):
    """As of scans in sagittal slices: rows of 1 mm, columns of 5 mm."""
    affine = np.diag([-5.0, -1.0, 1.0, 1.0])
    wide = replace(cohort, cases=[replace(case, affine=affine) for case in cohort])
    labels = {case.id: case.labels for case in wide}
    drawn = [
        figures.modalities(wide, "large"),
        figures.segmentations(wide, ["large", "small"], {"mine": labels}),
        figures.patch_on_slice(wide, (1, 2, 30, 20), 32),
    ]
    for figure in drawn:
        aspects = {axis.get_aspect() for axis in figure.axes if axis.images}
        assert aspects == {0.2}


def test_a_modality_that_is_not_there_is_refused(cohort):
    with pytest.raises(ValueError, match=r"modality='t2'; one of \['t1', 'flair'\]"):
        figures.case_page(cohort, modality="t2")


def test_the_way_of_a_patch_shows_it_in_every_modality_and_names_its_label(cohort):
    centre = (1, 4, 30, 2)
    case = cohort["large"]
    (axis,) = figures.patch_to_label(cohort, centre, 16).axes
    assert len(axis.images) == 2
    front, behind = sorted(axis.images, key=lambda image: -image.get_zorder())
    np.testing.assert_array_equal(front.get_array()[:, 6:], case.images[4, 22:38, :10, 1])
    np.testing.assert_array_equal(behind.get_array()[:, 6:], case.images[4, 22:38, :10, 0])
    said = texts(axis.texts)
    assert f"label: {CLASSES[case.labels[4, 30, 2]]}\n(class of the centre voxel)" in said
    assert set(CLASSES) < set(said)
    bars = [bar for container in axis.containers for bar in container]
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars] == COLOURS


def test_the_loop_of_mining_names_its_settings():
    (axis,) = figures.mining_loop(threshold=0.9, candidates=1000, batches=100).axes
    said = " ".join(texts(axis.texts))
    assert "100 batches" in said
    assert "at most 1,000 of each class" in said
    assert "right with under 90 %" in said
