from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import AIR, SCHEMES, Case, CohortError, load_cohort

from ..conftest import SHAPE, at, relabelled, save


def test_the_cohort_is_what_stands_in_the_files(case_folder):
    cohort = load_cohort(case_folder)
    assert cohort.case_ids == ("case_0", "case_1", "case_2")
    assert cohort.modalities == ("t1", "flair")
    assert cohort.scheme is SCHEMES["brats2013"]
    assert len(cohort) == 3
    for number, case in enumerate(cohort):
        assert cohort[number] is cohort[case.id] is case
        seg = nib.load(case_folder / case.id / f"{case.id}_seg.nii.gz")
        assert np.array_equal(case.to_scan(case.labels), np.asarray(seg.dataobj).T)
        assert np.array_equal(case.affine, seg.affine)
        assert case.scan_shape == SHAPE[::-1]
        assert case.images.shape == (8, 25, 30, 2)  # the brain of `write_case` is 30x25x8
        for axis in range(3):
            others = tuple({0, 1, 2} - {axis})
            assert case.brain.any(axis=others)[[0, -1]].all()


def test_intensities_are_z_scores_over_the_brain_and_air_is_apart(case_folder):
    for case in load_cohort(case_folder):
        inside = case.images[case.brain].astype(float)
        assert np.allclose(inside.mean(axis=0), 0, atol=2e-3)
        assert np.allclose(inside.std(axis=0), 1, atol=5e-3)
        assert (case.images[~case.brain] == AIR).all()


def test_the_scale_of_a_scanner_does_not_matter(tmp_path, write_case):
    for name, gain in (("a", 1.0), ("b", 280.0)):
        case = write_case(tmp_path, name, seed=1)
        for path in (case / f"{name}_t1.nii.gz", case / f"{name}_flair.nii.gz"):
            save(path, (nib.load(path).get_fdata() * gain).astype(np.float32))
    first, second = load_cohort(tmp_path)
    assert np.allclose(first.images, second.images, atol=5e-3)


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
    (one,), (other,) = load_cohort(tmp_path / "as_is"), load_cohort(tmp_path / "turned")
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.images, other.images)
    assert np.allclose(one.affine, other.affine)


def test_brats_2017_labels_have_four_classes(tmp_path, write_case):
    write_case(tmp_path, "a", values=(0, 1, 2, 4))
    cohort = load_cohort(tmp_path)
    assert cohort.scheme is SCHEMES["brats2017"]
    assert set(np.unique(cohort[0].labels)) == {0, 1, 2, 3}


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
    case = cohort[0]
    assert np.array_equal(case.to_scan(case.brain), brain.transpose(2, 1, 0))
    assert (case.images[~case.brain] == AIR).all()

    (without_mask,) = load_cohort(tmp_path, files={k: v for k, v in files.items() if k != "brain"})
    assert np.array_equal(without_mask.brain, case.brain)


def test_tumour_outside_the_brain_mask_is_brain(tmp_path, write_case):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0], labels[20, 20, 5] = 3, 4
    write_case(tmp_path, "a", seg=labels)
    (case,) = load_cohort(tmp_path)
    assert case.brain[case.labels > 0].all()
    assert (case.labels > 0).sum() == 2


def test_tumour_outside_a_given_mask_keeps_its_intensities(tmp_path, write_case):
    case = write_case(tmp_path, "a")
    mask = nib.load(case / "a_t1.nii.gz").get_fdata() > 0
    mask[:14] = False
    save(case / "mask.nii.gz", mask.astype(np.uint8))
    cohort = load_cohort(
        tmp_path, files={"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask.nii.gz"}
    )
    tumour = cohort[0].labels > 0
    assert cohort[0].brain[tumour].all()
    assert (cohort[0].images[tumour] != AIR).all()


def test_a_scan_without_one_value_around_the_brain_covers_all_of_it(tmp_path, write_case):
    """A 0 in it is then an intensity, not air."""
    case = write_case(tmp_path, "a")
    mask = nib.load(case / "a_t1.nii.gz").get_fdata() > 0
    scan = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    scan[20, 20, 5] = 0
    save(case / "a_t1.nii.gz", scan)
    save(case / "mask.nii.gz", mask.astype(np.uint8))
    files = {"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask.nii.gz"}
    (case,) = load_cohort(tmp_path, files=files)
    assert (case.images[case.brain] != AIR).all()


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
    assert not np.array_equal(cohort[0].images, cohort[1].images)


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
    (case,) = load_cohort(tmp_path)
    uncovered = case.brain.copy()
    uncovered[: 7 - case.origin[0]] = False
    assert uncovered.any()
    assert (case.images[uncovered, 0] == AIR).all()
    assert (case.images[uncovered, 1] != AIR).all()


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
    assert cohort["a"].scan_shape != cohort["b"].scan_shape
    counts = cohort.class_counts()
    assert (counts[0, 1:] == counts[1, 1:]).all()
    # Every voxel stays at the millimetre where its own file has it.
    case = cohort["b"]
    slices, rows, columns = np.nonzero(case.to_scan(case.labels) == 4)
    here = case.affine @ [columns, rows, slices, np.ones(len(rows))]
    file = nib.load(tmp_path / "b" / "b_seg.nii.gz")
    there = file.affine @ np.vstack([np.nonzero(np.asarray(file.dataobj) == 4), np.ones(len(rows))])
    assert set(map(tuple, here.T)) == set(map(tuple, there.T))


def test_split_is_by_case_and_by_seed(case_folder):
    cohort = load_cohort(case_folder)
    train, test = cohort.split(test_cases=1, seed=0)
    assert set(train.case_ids) | set(test.case_ids) == set(cohort.case_ids)
    assert not set(train.case_ids) & set(test.case_ids)
    assert all(case is cohort[case.id] for part in (train, test) for case in part)
    assert cohort.split(test_cases=1, seed=0)[1].case_ids == test.case_ids
    chosen = {cohort.split(test_cases=1, seed=seed)[1].case_ids for seed in range(12)}
    assert len(chosen) == 3
    assert cohort.split(test_cases=["case_1"])[1].case_ids == ("case_1",)


def test_a_subset_holds_the_cases_themselves(cohort):
    part = cohort.subset(["tiny", "small"])
    assert part.case_ids == ("tiny", "small")
    assert list(part) == [cohort["tiny"], cohort["small"]]
    assert part.scheme is cohort.scheme


@pytest.mark.parametrize("k", [2, 3])
def test_folds_test_every_case_once(cohort, k):
    folds = cohort.folds(k, seed=1)
    assert len(folds) == k
    assert sorted(case.id for _, test in folds for case in test) == sorted(cohort.case_ids)
    for train, test in folds:
        assert sorted(train.case_ids + test.case_ids) == sorted(cohort.case_ids)
        assert all(case is cohort[case.id] for case in [*train, *test])
    assert {len(test) for _, test in folds} <= {len(cohort) // k, len(cohort) // k + 1}
    again = [test.case_ids for _, test in cohort.folds(k, seed=1)]
    assert again == [test.case_ids for _, test in folds]
    assert len({tuple(test.case_ids for _, test in cohort.folds(k, s)) for s in range(9)}) > 1


@pytest.mark.parametrize(
    ("k", "words"), [(1, "from 2"), (4, "the cohort has 3 cases"), (0, "from 2"), (2.5, "from 2")]
)
def test_folds_need_cases_on_both_sides(cohort, k, words):
    with pytest.raises(ValueError, match=f"k={k}.*{words}"):
        cohort.folds(k)


def test_labels_at_centres_are_those_of_the_cases_and_air_is_healthy(cohort):
    generator = np.random.default_rng(0)
    case = generator.integers(3, size=200)
    centres = np.column_stack([case, generator.integers(cohort.shapes[case])])
    assert np.array_equal(cohort.labels_at(centres), at(cohort, "labels", centres))
    assert cohort.labels_at(centres).dtype == np.uint8
    beyond = [[0, -1, 0, 0], [0, 3, 0, 0], [1, 1, -1, 0], [1, 0, 70, 0], [1, 0, 2, -1]]
    beyond += [[2, 0, 0, 61]]
    tumour = relabelled(cohort, lambda case: np.ones_like(case.labels))
    assert not tumour.labels_at(beyond).any()
    assert tumour.labels_at(centres).all()
    assert cohort.labels_at(np.zeros((0, 4), int)).shape == (0,)
    turned = relabelled(cohort, lambda case: np.asfortranarray(case.labels))
    for kind in (np.uint8, np.uint64, np.int32):
        found = turned.labels_at(centres.astype(kind))
        assert np.array_equal(found, cohort.labels_at(centres)), kind


def test_a_map_goes_onto_the_scan_and_back(cohort):
    case = replace(cohort["tiny"], origin=(4, 10, 3), scan_shape=(9, 90, 80))
    whole = case.to_scan(case.labels)
    assert whole.shape == (9, 90, 80)
    assert np.array_equal(whole[4:6, 10:80, 3:64], case.labels)
    assert whole.sum() == case.labels.sum()
    assert np.array_equal(case.from_scan(whole), case.labels)


def test_the_affine_is_that_of_the_axes_unless_it_is_given(cohort):
    """Row 0 is anterior and column 0 the patient's right, as segmentations are written."""
    case = Case("made", *(getattr(cohort["tiny"], name) for name in ("images", "labels", "brain")))
    assert nib.aff2axcodes(case.affine) == ("L", "P", "S")
    assert case.spacing.tolist() == [1, 1, 1]
    given = replace(case, affine=case.affine.tolist())
    assert given.digest == case.digest
    assert given.spacing.tolist() == [1, 1, 1]


def test_the_fingerprint_follows_the_content(cohort):
    same = cohort.subset(cohort.case_ids)
    assert same.fingerprint == cohort.fingerprint
    others = {
        "labels": relabelled(cohort, lambda case: np.where(case.labels == 1, 2, case.labels)),
        "order": cohort.subset(["large", "small", "tiny"]),
        "name": replace(cohort, cases=[replace(cohort[0], id="other"), *cohort[1:]]),
        "place": replace(
            cohort,
            cases=[replace(cohort[0], scan_shape=(9, 90, 80), origin=(1, 0, 0)), *cohort[1:]],
        ),
        "modalities": replace(cohort, modalities=("t1", "t2")),
        "scheme": replace(
            cohort,
            scheme=replace(cohort.scheme, regions={**cohort.scheme.regions, "core": ("edema",)}),
        ),
    }
    fingerprints = {each.fingerprint for each in others.values()} | {cohort.fingerprint}
    assert len(fingerprints) == len(others) + 1


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"labels": np.zeros((1, 2, 2), np.uint8)},
            r"'small': images has .* labels \(1, 2, 2\), br",
        ),
        ({"images": np.zeros((3, 70, 61))}, r"'small': images has shape \(3, 70, 61\)"),
        ({"origin": (1, 0, 0)}, r"go from \(1, 0, 0\) to \(4, 70, 61\); the scan has \(3, 70"),
        ({"origin": (-1, 0, 0)}, r"its arrays go from \(-1, 0, 0\)"),
        ({"labels": np.full((3, 70, 61), -1)}, "'small': labels holds a -1; class numbers from 0"),
        *(  # a -1 without a sign, and one past what is cast to other types
            ({"labels": np.full((3, 70, 61), label, dtype)}, f"'small': labels holds a {label}; cl")
            for label, dtype in ((65535, "u2"), (65537, "i4"), (2**63, "u8"), (256, "i8"))
        ),
        (
            {
                "images": np.zeros((0, 9, 9, 2)),
                "labels": (nothing := np.zeros((0, 9, 9), int)),
                "brain": nothing,
            },
            "'small': labels holds no voxel",
        ),
        *(
            ({"affine": affine}, "'small': affine is .*; a 4x4 matrix is expected")
            for affine in (np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan))
        ),
    ],
)
def test_a_case_that_contradicts_itself_is_refused(cohort, change, words):
    with pytest.raises(ValueError, match=words):
        replace(cohort["small"], **change)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": SCHEMES["brats2017"]}, "holds class 4; scheme 'brats2017' has 4 classes"),
        ({"modalities": ("t1",)}, "1 modalities are named, case 'small' has 2"),
        ({"scheme": "brats2013"}, "scheme='brats2013'; a LabelScheme, such as SCHEMES"),
        *(({"cases": cases}, "cases=.*; a list of cases is expected") for cases in (None, [1])),
    ],
)
def test_a_cohort_that_contradicts_itself_is_refused(cohort, change, words):
    with pytest.raises(ValueError, match=words):
        replace(cohort, **change)
    with pytest.raises(ValueError, match="every case needs its own name"):
        replace(cohort, cases=[cohort[0], cohort[1], cohort[0]])


@pytest.mark.parametrize("test_cases", [0, 3])
def test_a_split_needs_cases_on_both_sides(cohort, test_cases):
    with pytest.raises(ValueError, match=f"test_cases={test_cases} of a cohort of 3"):
        cohort.split(test_cases=test_cases)


@pytest.mark.parametrize("test_cases", [-1, 1.0, True, "tiny"])
def test_a_split_is_by_a_count_or_by_names(cohort, test_cases):
    with pytest.raises(ValueError, match=f"test_cases={test_cases!r}; "):
        cohort.split(test_cases=test_cases)


def test_a_case_is_in_the_cohort_by_itself_and_by_its_name(cohort):
    part = cohort.subset(["tiny"])
    assert "tiny" in part
    assert cohort["tiny"] in part
    assert "large" not in part
    assert cohort["large"] not in part


def test_an_unknown_case_is_named(cohort):
    with pytest.raises(KeyError, match=r"no case 'nobody' in the cohort.*'large'"):
        cohort.subset(["nobody"])
    for which, error in ((3, IndexError), (1.0, TypeError), (cohort[0], TypeError)):
        with pytest.raises(error, match=r"no case .* in the cohort; its name, or a number from 0"):
            cohort[which]
    with pytest.raises(ValueError, match=r"case_ids=\['tiny', 'tiny'\]; each case once"):
        cohort.subset(["tiny", "tiny"])


def test_a_problem_is_reported_for_every_case_at_once(case_folder):
    (case_folder / "case_0" / "case_0_seg.nii.gz").unlink()
    (case_folder / "case_2" / "case_2_t1.nii.gz").unlink()
    with pytest.raises(CohortError) as error:
        load_cohort(case_folder)
    assert len(error.value.problems) == 2
    assert "case_0: no segmentation" in str(error.value)
    assert "case_2: no file for 't1'" in str(error.value)
