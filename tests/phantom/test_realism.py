"""What is measured on a cohort, against cases whose values can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from imbalance_tf import SCHEMES, Case, Cohort, LabelScheme, load_cohort
from imbalance_tf.phantom.realism import measure_case, measures, realism_table, summarise


@pytest.fixture
def block():
    """One case: a brain of 10 x 40 x 40 voxels with a tumour of five layers in it; 2 mm slices."""
    labels = np.zeros((12, 44, 44), np.uint8)
    labels[4:8, 20:24, 20:24] = 2
    labels[4:8, 20:24, 21] = 4
    brain = np.zeros(labels.shape, bool)
    brain[1:11, 2:42, 2:42] = True
    generator = np.random.default_rng(0)
    images = generator.normal(size=(*labels.shape, 2)).astype(np.float16)
    images[labels == 4, 0] = 4.5
    images[~brain] = -5
    case = Case("block", images, labels, brain, affine=np.diag([-1.0, -1.0, 2.0, 1.0]))
    return Cohort([case], SCHEMES["brats2013"], ("t1c", "flair"))


def value(table, group, figure):
    (row,) = table[(table["group"] == group) & (table["figure"] == figure)].itertuples()
    return row.measured


def test_volumes_count_millimetres(block):
    table = realism_table(block)
    assert value(table, "volume, ml", "brain, median case") == pytest.approx(2 * 16.0)
    assert value(table, "volume, ml", "tumour, median case") == pytest.approx(2 * 0.064)
    assert value(table, "height of tumour, mm", "tumour, median case") == 8
    assert value(table, "share of brain, pooled, %", "enhancing") == pytest.approx(0.1)


def test_faces_count_with_their_area(block):
    faces = measure_case(block, "block")["faces"]
    np.testing.assert_array_equal(faces, faces.T)
    # Two sheets of 4 x 4 faces of 1 x 2 mm.
    assert faces[2, 4] == 2 * 16 * 2
    assert faces[0].sum() == 4 * 16 * 2 + 2 * 16


def test_pieces_are_the_connected_ones_largest_first(block):
    case = block[0]
    assert measures._pieces(case.labels == 2, case.spacing).tolist() == [64, 32]
    assert measures._pieces(case.labels == 1, case.spacing).size == 0
    values = measure_case(block, "block")["values"]
    assert values["main piece, % of class", "edema"] == pytest.approx(100 * 64 / 96)
    assert values["pieces of 50 mm3 or more", "tumour"] == 1


def test_intensities_are_those_of_the_class(block):
    table = realism_table(block)
    assert value(table, "t1c: mean z", "enhancing") == pytest.approx(4.5)
    assert value(table, "t1c: sd of z within a case", "enhancing") == 0
    chosen = block[0].images[block[0].labels == 2, 1].astype(float)
    assert value(table, "flair: mean z", "edema") == pytest.approx(chosen.mean())


def test_every_patch_on_the_brain_is_asked_for_tumour(block):
    values = measure_case(block, "block")["values"]
    assert values["64x64 patches with tumour, %", "patches"] == pytest.approx(40)


def test_case_by_case_is_the_whole_cohort(cohort):
    whole = realism_table(cohort)
    merged = summarise([measure_case(cohort.subset([c]), c) for c in cohort.case_ids])
    assert whole.equals(merged)


def test_inside_means_between_the_limits(cohort):
    table = realism_table(cohort)
    between = (table["low"] <= table["measured"]) & (table["measured"] <= table["high"])
    assert (table["inside"] == between).all()
    assert table["inside"].dtype == bool
    assert set(table["inside"]) == {True, False}


def test_a_cropped_cohort_has_the_same_figures(block):
    cut = np.s_[:, 2:42, 2:42]
    case = block[0]
    parts = {name: getattr(case, name)[cut] for name in ("images", "labels", "brain")}
    cropped = replace(block, cases=[replace(case, **parts, scan_shape=None)])
    one, two = realism_table(block), realism_table(cropped)
    np.testing.assert_allclose(one["measured"], two["measured"], rtol=1e-6)


def test_what_does_not_apply_is_left_out(block):
    two = LabelScheme("lesions", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)})
    case = replace(block[0], labels=(block[0].labels > 0).astype(np.uint8))
    other = replace(block, cases=[case], scheme=two, modalities=("pd", "dwi"))
    table = realism_table(other)
    assert set(table["group"]) == {"share of brain, pooled, %", "share of brain, %", "volume, ml"}
    assert not table["figure"].str.contains("edema|tumour").any()


def test_the_embedded_cohort_is_near_real_scans(phantom):
    """Four cases on coarse slices: loosely; benchmarks/cohort_realism.py measures in earnest."""
    table = realism_table(load_cohort(phantom))
    pooled = table[table["group"] == "share of brain, pooled, %"]
    assert pooled["inside"].all()
    assert table["inside"].mean() > 0.7
