"""What the figures draw, read back from the drawing."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba_array

from imbalance_tf import SCHEMES
from imbalance_tf.evaluation import figures
from imbalance_tf.evaluation.dice import PAPER_DICE
from imbalance_tf.evaluation.figures import scans, style

COLUMNS = ["whole", "core", "active", *SCHEMES["brats2013"].classes]


@pytest.fixture
def tables():
    generator = np.random.default_rng(0)
    return {
        name: pd.DataFrame(generator.random((3, 8)), columns=COLUMNS)
        for name in ("random", "balanced", "hard")
    }


def test_a_figure_is_closed_so_that_a_notebook_shows_it_once(cohort):
    figures.modalities(cohort, "small")
    assert plt.get_fignums() == []


def test_healthy_is_transparent_and_every_other_class_has_its_own_colour():
    scheme = SCHEMES["brats2013"]
    overlay = scans._overlay(np.arange(5), scheme, alpha=0.6)
    assert overlay[:, 3].tolist() == [0, 0.6, 0.6, 0.6, 0.6]
    assert len({tuple(colour) for colour in overlay}) == 5


def test_segmentations_have_a_row_a_case_and_a_column_a_map(cohort):
    maps = {"random": {case.id: np.zeros_like(case.labels) for case in cohort}}
    figure = figures.segmentations(cohort, ["small", "large"], maps)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["flair", "truth", "random"]
    assert [figure.axes[k].get_ylabel() for k in (0, 3)] == ["small", "large"]


def test_a_batch_is_drawn_by_label_each_patch_inside_the_colour_of_its_class(cohort):
    labels = np.array([4, 0, 2])
    patches = np.stack([np.full((10, 10, 4), value, np.float16) for value in (4, -2.5, 0.75)])
    figure = figures.batches({"a batch": (patches, labels)}, cohort, columns=2)
    picture = figure.subfigs[0].axes[0].images[0].get_array()
    tiles = picture.reshape(2, 24, 2, 24, 4).transpose(0, 2, 1, 3, 4).reshape(4, 24, 24, 4)
    frames, middles = tiles[:, -1, -1], tiles[:, -10, -10]
    colours = [style.class_colours(cohort.scheme)[label] for label in (0, 2, 4)]
    np.testing.assert_allclose(frames, [*to_rgba_array(colours), (1, 1, 1, 1)])
    np.testing.assert_allclose(middles[:, 0], [0, 0.5, 1, 1], atol=0.01)


def test_every_case_and_the_papers_value_are_drawn(tables):
    figure = figures.dice_by_case(tables, ["whole", "healthy"], paper=PAPER_DICE)
    drawn = np.concatenate([line.get_ydata() for line in figure.axes[0].lines])
    for name, table in tables.items():
        assert np.isin(table[["whole", "healthy"]].to_numpy(), drawn).all()
        assert PAPER_DICE.loc[name, "whole"] in drawn


def test_a_ratio_beyond_the_axis_is_drawn_at_its_end(tables):
    tables["random"].loc[0, "whole"] = 0.0
    tables["random"].loc[1, "whole"] = 500.0
    figure = figures.volumes({"random": tables["random"]}, ["whole"])
    assert {0.05, 20} <= set(figure.axes[0].lines[0].get_xdata())


def test_a_class_that_the_package_does_not_know_gets_a_colour():
    from imbalance_tf import LabelScheme

    scheme = LabelScheme("lesions", ("healthy", "lesion"), (0, 1), {"whole": ("lesion",)})
    assert len(set(style.class_colours(scheme))) == 2


def test_a_page_has_three_planes_of_every_case_plain_and_outlined(cohort):
    figure = figures.case_page(cohort, ["large", "small"], modality="t1")
    assert figure.get_suptitle() == "t1"
    assert [figure.axes[row].get_ylabel() for row in (0, 6)] == ["large", "small"]
    plain, outlined = figure.axes[0], figure.axes[1]
    assert len(plain.images) == len(outlined.images) == 1
    assert not plain.collections
    assert outlined.collections


def test_thick_slices_are_drawn_as_tall_as_they_are(cohort):
    affine = np.diag([-1.0, -1.0, 4.0, 1.0])
    thick = replace(cohort, cases=[replace(case, affine=affine) for case in cohort])
    axial, coronal = figures.case_page(thick, ["large"]).axes[:3:2]
    assert axial.get_aspect() == 1
    assert coronal.get_aspect() == 4


def test_a_modality_that_is_not_there_is_refused(cohort):
    with pytest.raises(ValueError, match=r"modality='t2'; one of \['t1', 'flair'\]"):
        figures.case_page(cohort, modality="t2")


def test_draws_show_share_repeats_and_cases():
    table = pd.DataFrame(
        {"asked": 0.5, "drawn": [0.4, 0.6], "repeats": [1.5, np.nan], "cases": [1, 2], "of": 2},
        index=["healthy", "lesion"],
    )
    figure = figures.draws(table)
    shown = [[bar.get_width() for bar in axis.patches] for axis in figure.axes]
    assert shown == [[40, 60], [1.5, 0], [50, 100]]
