from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import AIR, SCHEMES, Cohort, CohortError, load_cohort

from ..conftest import SHAPE, save


def test_the_cohort_is_what_stands_in_the_files(case_folder):
    cohort = load_cohort(case_folder)
    assert cohort.case_ids == ("case_0", "case_1", "case_2")
    assert cohort.modalities == ("t1", "flair")
    assert cohort.scheme is SCHEMES["brats2013"]
    assert cohort.images.shape == (3 * SHAPE[2], SHAPE[1], SHAPE[0], 2)
    for number, case in enumerate(cohort.case_ids):
        seg = np.asarray(nib.load(case_folder / case / f"{case}_seg.nii.gz").dataobj)
        assert np.array_equal(cohort.labels[cohort.slices_of(case)], seg.transpose(2, 1, 0))
        assert (cohort.slice_case[cohort.slices_of(case)] == number).all()


def test_intensities_are_z_scores_over_the_brain_and_air_is_apart(case_folder):
    cohort = load_cohort(case_folder)
    for case in cohort.case_ids:
        slices = cohort.slices_of(case)
        inside = cohort.images[slices][cohort.brain[slices]].astype(float)
        assert np.allclose(inside.mean(axis=0), 0, atol=2e-3)
        assert np.allclose(inside.std(axis=0), 1, atol=5e-3)
        assert (cohort.images[slices][~cohort.brain[slices]] == AIR).all()


def test_the_scale_of_a_scanner_does_not_matter(tmp_path, write_case):
    for name, gain in (("a", 1.0), ("b", 280.0)):
        case = write_case(tmp_path, name, seed=1)
        for path in (case / f"{name}_t1.nii.gz", case / f"{name}_flair.nii.gz"):
            save(path, (nib.load(path).get_fdata() * gain).astype(np.float32))
    cohort = load_cohort(tmp_path)
    first, second = (cohort.images[cohort.slices_of(case)] for case in ("a", "b"))
    assert np.allclose(first, second, atol=5e-3)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PIR"])
def test_any_orientation_comes_out_the_same(tmp_path, write_case, axes):
    write_case(tmp_path / "as_is", "a")
    write_case(tmp_path / "turned", "a")
    for path in (tmp_path / "turned" / "a").iterdir():
        image = nib.load(path)
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
        )
        turned = image.as_reoriented(turn)
        save(path, np.asarray(turned.dataobj), turned.affine)
    one, other = load_cohort(tmp_path / "as_is"), load_cohort(tmp_path / "turned")
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.images, other.images)
    assert np.allclose(one.affines, other.affines)


def test_brats_2017_labels_have_four_classes(tmp_path, write_case):
    write_case(tmp_path, "a", values=(0, 1, 2, 4))
    cohort = load_cohort(tmp_path)
    assert cohort.scheme is SCHEMES["brats2017"]
    assert set(np.unique(cohort.labels)) == {0, 1, 2, 3}


def test_patterns_a_brain_mask_and_normalised_scans(tmp_path, write_case):
    """The traps of the real BraTS 2013 files: air is not zero, labels are float32, and the
    scaled brain mask holds 0.99999997."""
    case = write_case(tmp_path, "a")
    scan = nib.load(case / "a_flair.nii.gz").get_fdata()
    brain = scan > 0
    labels = nib.load(case / "a_seg.nii.gz").get_fdata()
    for path in case.iterdir():
        path.unlink()
    save(case / "Flair_norm.nii.gz", np.where(brain, scan / 100, -3.2).astype(np.float32))
    save(case / "OTMultiClass.nii.gz", labels.astype(np.float32))
    save(case / "brainmask.nii.gz", brain * np.float32(0.99999997))
    files = {"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz", "brain": "brainmask.nii.gz"}
    cohort = load_cohort(tmp_path, files=files)
    assert cohort.modalities == ("flair",)
    assert np.array_equal(cohort.brain, brain.transpose(2, 1, 0))
    assert (cohort.images[~cohort.brain] == AIR).all()

    without_mask = load_cohort(tmp_path, files={k: v for k, v in files.items() if k != "brain"})
    assert np.array_equal(without_mask.brain, cohort.brain)


def test_tumour_outside_the_brain_mask_is_brain(tmp_path, write_case):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0], labels[20, 20, 5] = 3, 4
    write_case(tmp_path, "a", seg=labels)
    cohort = load_cohort(tmp_path)
    assert cohort.brain[cohort.labels > 0].all()
    assert (cohort.labels > 0).sum() == 2


def test_tumour_outside_a_given_mask_keeps_its_intensities(tmp_path, write_case):
    case = write_case(tmp_path, "a")
    mask = nib.load(case / "a_t1.nii.gz").get_fdata() > 0
    mask[:14] = False
    save(case / "mask.nii.gz", mask.astype(np.uint8))
    cohort = load_cohort(
        tmp_path, files={"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask.nii.gz"}
    )
    tumour = cohort.labels > 0
    assert cohort.brain[tumour].all()
    assert (cohort.images[tumour] != AIR).all()


def test_linked_nested_and_hidden_folders(tmp_path, write_case):
    """Links to folders of the same name are different cases; droppings are none."""
    for who in ("anna", "bert"):
        write_case(tmp_path / "store" / who, "scan", seed=len(who) + ord(who[0]))
        (tmp_path / "data" / "HGG").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "HGG" / who).symlink_to(tmp_path / "store" / who / "scan")
    (tmp_path / "data" / "HGG" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "HGG" / "anna" / "._scan_t1.nii.gz").write_bytes(b"dropping")
    cohort = load_cohort(tmp_path / "data")
    assert cohort.case_ids == ("anna", "bert")
    assert not np.array_equal(*(cohort.images[cohort.slices_of(c)] for c in cohort.case_ids))


def test_the_names_of_2023_decide_what_a_3_is(tmp_path, write_case):
    case = write_case(tmp_path, "a", values=(0, 1, 2, 3), modalities=("t1n",))
    for path in list(case.iterdir()):
        path.rename(case / path.name.replace("_", "-"))
    assert load_cohort(tmp_path).scheme is SCHEMES["brats2023"]


def test_a_modality_that_covers_part_of_the_brain_is_air_elsewhere(tmp_path, write_case):
    case = write_case(tmp_path, "a")
    scan = nib.load(case / "a_t1.nii.gz").get_fdata().astype(np.float32)
    scan[:, :, 7:] = 0
    save(case / "a_t1.nii.gz", scan)
    cohort = load_cohort(tmp_path)
    uncovered = cohort.brain.copy()
    uncovered[:7] = False
    assert uncovered.any()
    assert (cohort.images[uncovered, 0] == AIR).all()
    assert (cohort.images[uncovered, 1] != AIR).all()


def test_a_subset_of_modalities(case_folder):
    assert load_cohort(case_folder, modalities=["flair"]).modalities == ("flair",)


def test_cases_of_different_size_share_a_cohort(tmp_path, write_case):
    write_case(tmp_path, "a")
    small = {
        suffix: np.asarray(nib.load(tmp_path / "a" / f"a_{suffix}.nii.gz").dataobj)[4:38, 2:34]
        for suffix in ("t1", "flair", "seg")
    }
    write_case(tmp_path, "b", **small)
    cohort = load_cohort(tmp_path)
    assert cohort.images.shape[1:3] == (SHAPE[1], SHAPE[0])
    counts = cohort.class_counts()
    assert (counts[0, 1:] == counts[1, 1:]).all()
    # Every voxel stays at the millimetre where its own file has it.
    slices, rows, columns = np.nonzero(cohort.labels[cohort.slices_of("b")] == 4)
    here = cohort.affines[1] @ [columns, rows, slices, np.ones(len(rows))]
    file = nib.load(tmp_path / "b" / "b_seg.nii.gz")
    there = file.affine @ np.vstack([np.nonzero(np.asarray(file.dataobj) == 4), np.ones(len(rows))])
    assert set(map(tuple, here.T)) == set(map(tuple, there.T))


def test_split_is_by_case_and_by_seed(case_folder):
    cohort = load_cohort(case_folder)
    train, test = cohort.split(test_cases=1, seed=0)
    assert set(train.case_ids) | set(test.case_ids) == set(cohort.case_ids)
    assert not set(train.case_ids) & set(test.case_ids)
    assert len(train.images) + len(test.images) == len(cohort.images)
    assert cohort.split(test_cases=1, seed=0)[1].case_ids == test.case_ids
    chosen = {cohort.split(test_cases=1, seed=seed)[1].case_ids for seed in range(12)}
    assert len(chosen) == 3
    assert cohort.split(test_cases=["case_1"])[1].case_ids == ("case_1",)


def test_a_subset_holds_the_slices_of_its_cases(cohort):
    part = cohort.subset(["tiny", "small"])
    assert part.case_ids == ("tiny", "small")
    expected = np.concatenate([cohort.slices_of("tiny"), cohort.slices_of("small")])
    assert np.array_equal(part.labels, cohort.labels[expected])
    assert part.slice_case.tolist() == [0, 0, 1, 1, 1]


def test_the_fingerprint_follows_the_content(cohort):
    same = cohort.subset(cohort.case_ids)
    assert same.fingerprint == cohort.fingerprint
    changed = cohort.subset(cohort.case_ids)
    changed.labels[0, 0, 0] += 1
    assert changed.fingerprint != cohort.fingerprint
    regions = replace(cohort.scheme, regions={**cohort.scheme.regions, "core": ("edema",)})
    assert replace(cohort, scheme=regions).fingerprint != cohort.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.zeros((1, 2, 2), np.uint8)}, r"labels has shape \(1, 2, 2\)"),
        ({"slice_case": np.zeros(3, int)}, "slice_case names a case for 3 of 11 slices"),
        ({"scheme": SCHEMES["brats2017"]}, "scheme 'brats2017' has 4 classes"),
        ({"case_ids": ("a", "a", "b")}, "every case needs its own name"),
        ({"slice_case": np.full(11, 5)}, "slice_case holds 5 to 5; positions in the 3 case_ids"),
        ({"modalities": ("t1",)}, "1 modalities are named, images has 2"),
    ],
)
def test_a_cohort_that_contradicts_itself_is_refused(cohort, change, words):
    fields = {name: getattr(cohort, name) for name in cohort.__dataclass_fields__}
    with pytest.raises(ValueError, match=words):
        Cohort(**{**fields, **change})


@pytest.mark.parametrize("test_cases", [0, 3, -1])
def test_a_split_needs_cases_on_both_sides(cohort, test_cases):
    with pytest.raises(ValueError, match=f"test_cases={test_cases} of a cohort of 3"):
        cohort.split(test_cases=test_cases)


def test_an_unknown_case_is_named(cohort):
    with pytest.raises(KeyError, match=r"no case 'nobody' in the cohort.*'large'"):
        cohort.subset(["nobody"])


def test_a_problem_is_reported_for_every_case_at_once(case_folder):
    (case_folder / "case_0" / "case_0_seg.nii.gz").unlink()
    (case_folder / "case_2" / "case_2_t1.nii.gz").unlink()
    with pytest.raises(CohortError) as error:
        load_cohort(case_folder)
    assert len(error.value.problems) == 2
    assert "case_0: no segmentation" in str(error.value)
    assert "case_2: no file for 't1'" in str(error.value)
