"""Every release in its own layout: small folders, and what is read from them."""

import itertools
import json
import os

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from imbalance_tf import AIR, SCHEMES, CohortError, check_folder, load_cohort
from imbalance_tf.reading.metaimage import meta_image

from ..conftest import SHAPE, save

FIVE = {"necrosis": 1, "edema": 2, "non-enhancing": 3, "enhancing": 4}


def _labels(values):
    """A block of every value, of another size each, so that no two can be confused."""
    labels = np.zeros(SHAPE, np.uint8)
    for number, value in enumerate(values):
        labels[8 + 4 * number : 12 + 4 * number, 8 : 14 + 2 * number, 4:8] = value
    return labels


SEEDS = itertools.count()


def _scan(labels, seed=None):
    """Another one each time, unless asked: two cases with the same scan are refused."""
    brain = np.zeros(SHAPE, bool)
    brain[5:35, 4:30, 2:10] = True
    scan = (
        np.random.default_rng(next(SEEDS) if seed is None else seed).normal(300, 40, SHAPE)
        + 50 * labels
    )
    return np.where(brain, scan, 0).astype(np.float32)


def _mha(path, volume):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(volume.T), str(path))


def brats2012(folder, labels):
    for modality in ("T1", "T1C", "T2", "FLAIR"):
        _mha(folder / "BRATS_HG0015" / f"BRATS_HG0015_{modality}.mha", _scan(labels))
    _mha(folder / "BRATS_HG0015" / "BRATS_HG0015_truth.mha", labels)


def brats2012_in_one_folder(folder, labels):
    for case in ("BRATS_HG0015", "BRATS_LG0001"):
        for modality in ("T1", "T1C", "T2", "FLAIR"):
            _mha(folder / f"{case}_{modality}.mha", _scan(labels))
        _mha(folder / f"{case}_truth.mha", labels)


def brats2013(folder, labels):
    _virtual_skeleton(folder, labels, "VSD", "HG", "LG", "0001")


def brats2015(folder, labels):
    """Its patients of 2013 have one name in both grades."""
    _virtual_skeleton(folder, labels, "VSD", "HGG", "LGG", "brats_2013_pat0001_1")


def brats2015_by_its_later_name(folder, labels):
    _virtual_skeleton(folder, labels, "SMIR", "HGG", "LGG", "brats_2013_pat0001_1")


def _virtual_skeleton(folder, labels, server, high, low, patient):
    for grade in (high, low):
        case = folder / grade / patient
        for number, modality in enumerate(("MR_T1", "MR_T1c", "MR_T2", "MR_Flair")):
            name = f"{server}.Brain.XX.O.{modality}.{54512 + number}"
            _mha(case / name / f"{name}.mha", _scan(labels))
        name = f"{server}.Brain_3more.XX.XX.OT.54517"
        _mha(case / name / f"{name}.mha", labels)


def _nifti(folder, labels, case, names, mark):
    for name in names:
        save(folder / case / f"{case}{mark}{name}.nii.gz", _scan(labels))
    save(folder / case / f"{case}{mark}seg.nii.gz", labels)


def brats2017(folder, labels):
    _nifti(folder, labels, "Brats17_TCIA_1", ("t1", "t1ce", "t2", "flair"), "_")


def brats2023(folder, labels):
    _nifti(folder, labels, "BraTS-GLI-00000-000", ("t1n", "t1c", "t2w", "t2f"), "-")


def decathlon(folder, labels):
    for number, case in enumerate(("BRATS_001", "BRATS_002")):
        stack = np.stack([_scan(labels, 4 * number + channel) for channel in range(4)], axis=-1)
        save(folder / "imagesTr" / f"{case}.nii.gz", stack)
        save(folder / "labelsTr" / f"{case}.nii.gz", labels)
    save(folder / "imagesTs" / "BRATS_485.nii.gz", stack)


def ucsf_pdgm(folder, labels):
    for number in (4, 5):
        case = f"UCSF-PDGM-{number:04}"
        place = folder / f"{case}_nifti"
        for modality in ("T1", "T1c", "T2", "FLAIR", "T1_bias", "ADC"):
            save(place / f"{case}_{modality}.nii.gz", _scan(labels))
        save(place / f"{case}_brain_segmentation.nii.gz", (_scan(labels) > 0).astype(np.uint8))
        save(place / f"{case}_tumor_segmentation.nii.gz", labels)


def upenn_gbm(folder, labels):
    for case in ("UPENN-GBM-00001_11", "UPENN-GBM-00002_11"):
        for modality in ("T1", "T1GD", "T2", "FLAIR"):
            save(folder / "images_structural" / case / f"{case}_{modality}.nii.gz", _scan(labels))
        save(folder / "images_segm" / f"{case}_segm.nii.gz", labels)
        save(folder / "automated_segm" / f"{case}_automated_approx_segm.nii.gz", labels)


def bids(folder, labels):
    for case in ("sub-01", "sub-02"):
        for modality in ("T1w", "ce-gadolinium_T1w", "acq-3d_T2w", "FLAIR"):
            save(folder / case / "anat" / f"{case}_{modality}.nii.gz", _scan(labels))
        save(folder / "derivatives" / "seg" / case / "anat" / f"{case}_dseg.nii.gz", labels)


RELEASES = [
    (brats2012, "brats2012", {"edema": 1, "core": 2}),
    (brats2012_in_one_folder, "brats2012", {"edema": 1, "core": 2}),
    (brats2013, "brats2013", FIVE),
    (brats2015, "brats2013", FIVE),
    (brats2015_by_its_later_name, "brats2013", FIVE),
    (brats2017, "brats2017", {"necrosis + non-enhancing": 1, "edema": 2, "enhancing": 4}),
    (brats2017, "brats2013", FIVE),
    (brats2023, "brats2023", {"necrosis": 1, "edema": 2, "enhancing": 3}),
    (
        brats2023,
        "brats2024",
        {"necrosis": 1, "edema": 2, "enhancing": 3, "resection cavity": 4},
    ),
    (decathlon, "decathlon", {"edema": 1, "necrosis + non-enhancing": 2, "enhancing": 3}),
    (ucsf_pdgm, "brats2017", {"necrosis + non-enhancing": 1, "edema": 2, "enhancing": 4}),
    (upenn_gbm, "brats2017", {"necrosis + non-enhancing": 1, "edema": 2, "enhancing": 4}),
    (bids, "brats2017", {"necrosis + non-enhancing": 1, "edema": 2, "enhancing": 4}),
]


@pytest.mark.parametrize(
    ("write", "scheme", "values"), RELEASES, ids=[f"{w.__name__}-{s}" for w, s, _ in RELEASES]
)
def test_every_release_is_read_into_the_right_classes(tmp_path, write, scheme, values):
    labels = _labels(values.values())
    write(tmp_path, labels)
    cohort = load_cohort(tmp_path)
    assert cohort.scheme is SCHEMES[scheme]
    assert sorted(cohort.modalities) == ["flair", "t1", "t1c", "t2"]
    counts = cohort.class_counts()
    for name, value in values.items():
        number = cohort.scheme.classes.index(name)
        assert (counts[:, number] == (labels == value).sum()).all()
    assert cohort.scheme.classes[1:] == tuple(sorted(values, key=values.get))


def test_cases_of_two_grades_have_names_of_their_own(tmp_path):
    brats2013(tmp_path, _labels((1, 2, 3, 4)))
    assert load_cohort(tmp_path).case_ids == ("HG_0001", "LG_0001")


def test_a_folder_of_many_cases_is_told_apart_by_names(tmp_path):
    brats2012_in_one_folder(tmp_path, _labels((1, 2)))
    assert load_cohort(tmp_path).case_ids == ("BRATS_HG0015", "BRATS_LG0001")


def test_the_channels_of_the_decathlon_are_its_modalities(tmp_path):
    labels = _labels((1, 2, 3))
    decathlon(tmp_path, labels)
    cohort = load_cohort(tmp_path, modalities=["t2", "flair"])
    assert cohort.case_ids == ("BRATS_001", "BRATS_002")
    for channel, seed in enumerate((3, 0)):  # the order of the file: FLAIR, T1, T1c, T2
        case = cohort[0]
        scan = _scan(labels, seed).T[case.box][case.brain].astype(float)
        expected = (scan - scan.mean()) / scan.std()
        found = case.images[..., channel][case.brain]
        assert np.abs(expected - found).max() < 0.01


def test_a_metaimage_lies_where_its_header_says(tmp_path):
    """The same case as NIfTI and as MetaImage is the same cohort; ITK counts to the left."""
    labels = _labels((1, 2, 3, 4))
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    affine[:3, 3] = 10, 20, 30
    save(tmp_path / "nifti" / "a" / "a_t1.nii.gz", _scan(labels, 0), affine)
    save(tmp_path / "nifti" / "a" / "a_seg.nii.gz", labels, affine)
    for name, volume in (("T1", _scan(labels, 0)), ("truth", labels)):
        path = tmp_path / "meta" / "a" / f"a_{name}.mha"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = sitk.GetImageFromArray(volume.T)
        image.SetSpacing((1, 1, 2))
        image.SetOrigin((-10, -20, 30))
        sitk.WriteImage(image, str(path))
    nifti = load_cohort(tmp_path / "nifti")
    meta = load_cohort(tmp_path / "meta", scheme="brats2013")
    assert np.allclose(meta[0].affine, nifti[0].affine)
    assert np.array_equal(meta[0].images, nifti[0].images)
    assert np.array_equal(meta[0].labels, nifti[0].labels)
    assert meta[0].digest == nifti[0].digest


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_a_metaimage_holds_what_simpleitk_reads_in_it(tmp_path, kind, compressed):
    image = sitk.GetImageFromArray(np.arange(60).reshape(3, 4, 5).astype(kind))
    image.SetSpacing((0.5, 1, 3))
    image.SetOrigin((-10, 20, 30))
    image.SetDirection((0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, -1))
    path = tmp_path / "a.mha"
    sitk.WriteImage(image, str(path), useCompression=compressed)
    found, oracle = meta_image(path), sitk.ReadImage(str(path))
    assert np.array_equal(found.get_fdata().T, sitk.GetArrayFromImage(oracle))
    for voxel in ((0, 0, 0), (4, 0, 0), (0, 3, 0), (1, 2, 2)):
        left, back, up = oracle.TransformIndexToPhysicalPoint(voxel)
        assert np.allclose(found.affine @ [*voxel, 1], [-left, -back, up, 1])


def test_a_metaimage_with_the_largest_byte_first(tmp_path):
    path = tmp_path / "a.mha"
    _mha(path, np.arange(60, dtype=np.int16).reshape(5, 4, 3))
    before = meta_image(path).get_fdata()
    head, mark, voxels = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
    head = head.replace(b"OrderMSB = False", b"OrderMSB = True")
    path.write_bytes(head + mark + np.frombuffer(voxels, "<i2").astype(">i2").tobytes())
    assert np.array_equal(meta_image(path).get_fdata(), before)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.name.replace("_t2", "_t2W") if "t2" in path.name else path.name,
        lambda path: path.name.replace(".nii", " (1).nii"),
        lambda path: path.name.replace("_seg.nii.gz", "_Segm.nii.gz"),
        lambda path: path.name.replace("_t1.", "_T1."),
        lambda path: path.name.replace("_t1ce.", "_t1Gd."),
        lambda path: path.name.replace("Brats17_TCIA_1_seg", "W39_1998.09.19_seg"),
    ],
    ids=["capital", "copy", "Segm", "T1", "t1Gd", "foreign case name"],
)
def test_odd_names_are_read(tmp_path, change):
    _nifti(tmp_path, _labels((1, 2, 4)), "Brats17_TCIA_1", ("t1", "t1ce", "flair"), "_")
    for path in list((tmp_path / "Brats17_TCIA_1").iterdir()):
        path.rename(path.with_name(change(path)))
    cohort = load_cohort(tmp_path)
    assert cohort.case_ids == ("Brats17_TCIA_1",)
    assert len(cohort.modalities) == 3
    assert cohort.scheme is SCHEMES["brats2017"]


def test_folders_of_one_case_may_call_each_file_as_they_like(tmp_path):
    brats2017(tmp_path, _labels((1, 2, 4)))
    (tmp_path / "Brats17_TCIA_1").rename(tmp_path / "p1")
    brats2017(tmp_path, _labels((1, 2, 4)))
    (tmp_path / "Brats17_TCIA_1").rename(tmp_path / "p2")
    for number, path in enumerate(sorted(tmp_path.rglob("*.nii.gz"))):
        path.rename(path.with_name(path.name.replace("Brats17_TCIA_1", f"scan{number}")))
    assert load_cohort(tmp_path).case_ids == ("p1", "p2")


def test_names_of_2023_with_a_capital_are_read(tmp_path):
    _nifti(tmp_path, _labels((1, 2, 3)), "BraTS-GLI-1", ("t1n", "t2W", "t2f"), "-")
    assert load_cohort(tmp_path).modalities == ("t1", "t2", "flair")


@pytest.mark.parametrize("values", [(1, 2), (1, 2, 3), ()])
def test_what_the_files_cannot_decide_is_left_to_the_person(tmp_path, values):
    brats2017(tmp_path, _labels(values))
    with pytest.raises(CohortError, match=r"scheme=.*brats2023.*a \.toml file"):
        load_cohort(tmp_path)
    assert load_cohort(tmp_path, scheme="brats2023").scheme is SCHEMES["brats2023"]


@pytest.mark.parametrize(
    ("scheme", "usual", "names", "mark"),
    [("brats2017", (1, 2, 4), ("t1", "flair"), "_"), ("brats2023", (1, 2, 3), ("t1n", "t2f"), "-")],
)
def test_a_slip_in_one_of_many_cases_changes_no_other(tmp_path, scheme, usual, names, mark):
    """A stray voxel must not make a class of its own, to which a fifth of every batch goes."""
    for number in range(25):
        values = (1, 2, 3, 4) if number == 7 else usual
        _nifti(tmp_path, _labels(values), f"p{number:02}", names, mark)
    with pytest.raises(CohortError, match=f"p07.*label value . is outside scheme '{scheme}'"):
        load_cohort(tmp_path)
    with pytest.warns(UserWarning, match="1 cases of"):
        cohort = load_cohort(tmp_path, on_error="skip")
    assert (len(cohort), cohort.scheme) == (24, SCHEMES[scheme])


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    brats2017(tmp_path / "old", _labels((1, 2, 4)))
    brats2012(tmp_path / "older", _labels((1, 2)))
    with pytest.raises(CohortError, match=r"BraTS 2012 in .*older.*; BraTS 2017 to 2021 in .*old"):
        load_cohort(tmp_path)


def test_a_metaimage_whose_name_is_no_text_is_read(tmp_path):
    brats2012(tmp_path, _labels((1, 2)))
    path = tmp_path / "BRATS_HG0015" / "BRATS_HG0015_T1.mha"
    try:
        path.rename(path.with_name(os.fsdecode(b"caf\xe9_T1.mha")))
    except OSError:
        pytest.skip("the file system takes no such name")
    assert check_folder(tmp_path).problems == ()


def test_a_scheme_that_lies_in_the_folder_is_used(tmp_path):
    labels = (_labels((1,)) > 0).astype(np.uint8)
    save(tmp_path / "a" / "a_flair.nii.gz", _scan(labels))
    save(tmp_path / "a" / "a_seg.nii.gz", labels)
    toml = 'name = "mine"\nclasses = ["no", "yes"]\nvalues = [0, 1]\n[regions]\nyes = ["yes"]\n'
    (tmp_path / "scheme.toml").write_text(toml)
    cohort = load_cohort(tmp_path)
    assert cohort.scheme.name == "mine"
    assert cohort.class_counts()[0, 1] == labels.sum()


@pytest.mark.parametrize(
    ("lost", "axes"),
    [
        ("_t1.nii.gz", "LPS"),
        ("_t1.nii.gz", "RAS"),
        ("_seg.nii.gz", "RAS"),
        (".nii.gz", "LPS"),  # nothing says the orientation: BraTS' own is assumed, and noted
    ],
)
def test_a_file_that_does_not_say_where_it_lies(tmp_path, lost, axes):
    """sform and qform codes of 0: such a file is not turned against the others of its case."""
    labels = _labels((1, 2, 3, 4))
    brats2017(tmp_path / "placed", labels)
    for path in (tmp_path / "placed").rglob("*.nii.gz"):
        image = nib.load(path)
        start, end = nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
        image = image.as_reoriented(nib.orientations.ornt_transform(start, end))
        affine = None if path.name.endswith(lost) else image.affine
        image = nib.Nifti1Image(np.asarray(image.dataobj), affine)
        if affine is None:
            image.header.set_sform(None, code=0)
            image.header.set_qform(None, code=0)
        target = tmp_path / "lost" / "case" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, target)
    placed, unplaced = load_cohort(tmp_path / "placed"), load_cohort(tmp_path / "lost")
    for one, other in zip(placed, unplaced, strict=True):
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.images, other.images)
    (report,) = check_folder(tmp_path / "lost").cases
    as_in = "BraTS" if lost == ".nii.gz" else "the other files"
    assert any(
        note.startswith("no sform or qform in ") and note.endswith(f"as in {as_in}")
        for note in report.notes
    )


def test_a_volume_is_the_same_however_it_is_stored(tmp_path):
    brats2017(tmp_path / "plain", _labels((1, 2, 3, 4)))
    for path in (tmp_path / "plain").rglob("*.nii.gz"):
        image = nib.load(path)
        target = tmp_path / "other" / "case" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if "flair" in path.name:
            image = nib.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine)
        elif "seg" in path.name:
            image = nib.Nifti1Image(image.get_fdata(), image.affine)
        else:
            image = nib.Nifti2Image(np.asarray(image.dataobj), image.affine)
        nib.save(image, target)
    assert load_cohort(tmp_path / "other")[0].digest == load_cohort(tmp_path / "plain")[0].digest


@pytest.mark.parametrize("stray", ["docs/atlas_t1n.nii.gz", "atlas_T1.mha", "imagesTr/a.nii.gz"])
def test_a_file_that_follows_another_layout_does_not_cost_the_cases(tmp_path, stray):
    brats2017(tmp_path, _labels((1, 2, 4)))
    (tmp_path / stray).parent.mkdir(exist_ok=True)
    (tmp_path / stray).write_bytes(b"no scan of a case")
    assert load_cohort(tmp_path).case_ids == ("Brats17_TCIA_1",)
    assert any(stray.rpartition("/")[2] in line for line in check_folder(tmp_path).ignored)


def test_names_that_two_releases_share_leave_the_choice_to_the_person(tmp_path):
    """t1c and seg are names of 2017 and of 2023; 3 and 4 are other tissues there."""
    _nifti(tmp_path, _labels((1, 2, 3, 4)), "BraTS-GLI-1", ("t1c",), "-")
    with pytest.raises(CohortError, match="fit several releases"):
        load_cohort(tmp_path)
    assert load_cohort(tmp_path, scheme="brats2024").scheme is SCHEMES["brats2024"]


def test_a_3_here_and_a_4_there_may_be_two_releases(tmp_path):
    _nifti(tmp_path, _labels((1, 2, 4)), "a", ("t1",), "_")
    _nifti(tmp_path, _labels((1, 2, 3)), "b", ("t1",), "_")
    with pytest.raises(CohortError, match="fit several releases"):
        load_cohort(tmp_path)


def test_children_have_other_labels(tmp_path):
    _nifti(tmp_path, _labels((1, 2, 3, 4)), "BraTS-PED-00005-000", ("t1n", "t2f"), "-")
    with pytest.raises(CohortError, match="BraTS-PED, whose values mean other tissues"):
        load_cohort(tmp_path)


def test_a_folder_can_be_named_from_within(tmp_path, monkeypatch):
    brats2013(tmp_path, _labels((1, 2, 3, 4)))
    monkeypatch.chdir(tmp_path / "HG" / "0001")
    cohort = load_cohort(".")
    assert cohort.case_ids == ("HG_0001",)
    assert len(cohort.modalities) == 4


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_files_unpacked_into_folders_of_their_own_name(tmp_path, suffix):
    brats2017(tmp_path, _labels((1, 2, 4)))
    for path in list(tmp_path.rglob("*.nii.gz")):
        # A_t1.nii/A_t1.nii.gz, as some unpackers leave it
        path = path.rename(tmp_path / path.name)
        inner = tmp_path / "Brats17_TCIA_1" / path.name.replace(".nii.gz", suffix)
        inner.mkdir()
        path.rename(inner / path.name)
    assert load_cohort(tmp_path).case_ids == ("Brats17_TCIA_1",)


def test_one_case_without_segmentation_among_many_in_a_folder(tmp_path):
    brats2012_in_one_folder(tmp_path, _labels((1, 2)))
    for path in list(tmp_path.glob("*HG0015*")):
        if "truth" not in path.name:
            path.with_name(path.name.replace("HG0015", "HG0016")).write_bytes(path.read_bytes())
    with pytest.raises(CohortError, match="BRATS_HG0016: no segmentation"):
        load_cohort(tmp_path)
    with pytest.warns(UserWarning, match="1 cases"):
        cohort = load_cohort(tmp_path, on_error="skip")
    assert cohort.case_ids == ("BRATS_HG0015", "BRATS_LG0001")


def test_a_modality_that_covers_part_of_a_brain_mask_is_air_elsewhere(tmp_path):
    labels = _labels((1, 2, 3, 4))
    scan = _scan(labels)
    brain = scan > 0
    scan[30:] = 0
    save(tmp_path / "a" / "t1.nii.gz", scan)
    save(tmp_path / "a" / "seg.nii.gz", labels)
    save(tmp_path / "a" / "brain.nii.gz", brain.astype(np.uint8))
    files = {"t1": "t1.nii.gz", "labels": "seg.nii.gz", "brain": "brain.nii.gz"}
    (case,) = load_cohort(tmp_path, files=files)
    covered = (scan > 0).T[case.box]
    assert np.array_equal(case.to_scan(case.brain), brain.T)
    assert (case.images[case.brain & ~covered] == AIR).all()
    inside = case.images[case.brain & covered].astype(float)
    assert abs(inside.mean()) < 0.01


def _nnunet(folder, labels, channels=None):
    for case in ("BRATS_0001", "BRATS_0002"):
        for channel in range(2):
            save(folder / "imagesTr" / f"{case}_{channel:04}.nii.gz", _scan(labels))
        save(folder / "labelsTr" / f"{case}.nii.gz", labels)
    if channels:
        (folder / "dataset.json").write_text(json.dumps(channels))


@pytest.mark.parametrize(
    ("channels", "modalities"),
    [
        ({"channel_names": {"0": "FLAIR", "1": "T1Gd"}}, ("t1c", "flair")),
        ({"modality": {"0": "T2", "1": "ADC"}}, ("t2", "ADC")),
        ({"channel_names": {"0": "noNorm", "1": "noNorm"}}, ("0000", "0001")),
        (None, ("0000", "0001")),
    ],
    ids=["version 2", "version 1", "names that tell nothing", "without dataset.json"],
)
def test_the_channels_of_nnunet_are_named_by_its_dataset_json(tmp_path, channels, modalities):
    _nnunet(tmp_path, _labels((1, 2, 3)), channels)
    cohort = load_cohort(tmp_path, scheme="decathlon")
    assert cohort.case_ids == ("BRATS_0001", "BRATS_0002")
    assert cohort.modalities == modalities


TASK_1 = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}


@pytest.mark.parametrize(
    "labels", [TASK_1, {"background": 0, "edema": 1}, {}], ids=["Task 1", "version 2", "none"]
)
def test_the_channels_of_4d_files_are_in_the_order_of_their_dataset_json(tmp_path, labels):
    decathlon(tmp_path, _labels((1, 2, 3)))
    as_it_is = load_cohort(tmp_path)
    modality = {"0": "T2w", "1": "t1gd", "2": "T1w", "3": "FLAIR"}
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": modality, "labels": labels}))
    cohort = load_cohort(tmp_path)
    assert cohort.scheme is SCHEMES["decathlon"]
    # In the file, the channels that are FLAIR, T1, T1c and T2 by themselves.
    for name, own in {"t2": "flair", "t1c": "t1", "t1": "t1c", "flair": "t2"}.items():
        found, expected = (
            each[0].images[..., each.modalities.index(which)]
            for each, which in ((cohort, name), (as_it_is, own))
        )
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("names", [("MRI",) * 4, ("T1", "MRI", "MRI", "FLAIR")])
def test_channels_of_4d_files_that_have_one_name_are_numbered(tmp_path, names):
    """Not named as Task 1 has them, which would call the T1 of the second a FLAIR."""
    decathlon(tmp_path, _labels((1, 2, 3)))
    said = {"modality": dict(enumerate(names)), "labels": {}}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    assert load_cohort(tmp_path).modalities == ("0000", "0001", "0002", "0003")


def test_the_files_of_a_case_may_each_have_their_own_orientation(tmp_path, write_case):
    case = write_case(tmp_path, "a")
    alike = load_cohort(tmp_path)
    for role, codes in {"t1": "RAS", "seg": "PIR"}.items():  # flair stays as it is, LPS
        path = case / f"a_{role}.nii.gz"
        image, wanted = nib.load(path), nib.orientations.axcodes2ornt(codes)
        own = nib.io_orientation(image.affine)
        nib.save(image.as_reoriented(nib.orientations.ornt_transform(own, wanted)), path)
    turned = load_cohort(tmp_path)
    assert nib.load(case / "a_seg.nii.gz").shape != nib.load(case / "a_flair.nii.gz").shape
    assert turned.fingerprint == alike.fingerprint
    assert np.array_equal(turned[0].images, alike[0].images)
    assert np.array_equal(turned[0].labels, alike[0].labels)


def test_datasets_whose_channels_have_another_order_are_refused(tmp_path):
    """Each would be read with the names of the other, and nobody could see it."""
    for name, order in {
        "one": ("FLAIR", "T1w", "t1gd", "T2w"),
        "two": ("T2", "T1", "T1c", "FLAIR"),
    }.items():
        decathlon(tmp_path / name, _labels((1, 2, 3)))
        said = {"modality": {str(number): each for number, each in enumerate(order)}}
        (tmp_path / name / "dataset.json").write_text(json.dumps(said))
    words = "other channels: flair, t1, t1c, t2 in .*one; t2, t1, t1c, flair in .*two; give one"
    with pytest.raises(CohortError, match=words):
        load_cohort(tmp_path)
    assert len(load_cohort(tmp_path / "two")) == 2


def test_one_channel_needs_no_fourth_axis(tmp_path):
    labels = _labels((1, 2, 3))
    for case, shape in {"a": SHAPE, "b": (*SHAPE, 1)}.items():
        save(tmp_path / "imagesTr" / f"{case}.nii.gz", _scan(labels).reshape(shape))
        save(tmp_path / "labelsTr" / f"{case}.nii.gz", labels)
    said = {"modality": {"0": "FLAIR"}, "labels": None}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    cohort = load_cohort(tmp_path)
    assert len(cohort) == 2
    assert cohort.modalities == ("flair",)


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing"},
        {"background": 0, "edema": 1, "enhancing": 2, "non-enhancing": 3},
    ],
)
def test_4d_files_with_classes_of_their_own_ask_for_a_scheme(tmp_path, labels):
    decathlon(tmp_path, _labels((1, 2, 3)))
    modality = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": modality, "labels": labels}))
    with pytest.raises(CohortError, match=r"each dataset numbers its classes anew.*--scheme"):
        load_cohort(tmp_path)
    assert load_cohort(tmp_path, scheme="brats2023").scheme is SCHEMES["brats2023"]


@pytest.mark.parametrize(
    ("write", "scheme"), [(decathlon, "decathlon"), (bids, "brats2017"), (brats2017, "brats2017")]
)
def test_an_extension_in_capitals_is_the_same(tmp_path, write, scheme):
    write(tmp_path, _labels((1, 2, 4) if scheme == "brats2017" else (1, 2, 3)))
    before = load_cohort(tmp_path).fingerprint
    for path in list(tmp_path.rglob("*.nii.gz")):
        path.rename(path.with_name(path.name.replace(".nii.gz", ".NII.GZ")))
    assert load_cohort(tmp_path).fingerprint == before


def test_nnunet_made_of_task_1_has_its_classes(tmp_path):
    said = {"modality": {"0": "FLAIR", "1": "T1w"}, "labels": TASK_1}
    _nnunet(tmp_path, _labels((1, 2, 3)), said)
    assert load_cohort(tmp_path).scheme is SCHEMES["decathlon"]


@pytest.mark.parametrize(
    "classes", [{}, TASK_1 | {"4": "cavity"}, {"whole": [1, 2, 3], "core": [2, 3]}]
)
def test_what_nnunet_numbers_mean_is_asked(tmp_path, classes):
    said = {"modality": {"0": "FLAIR", "1": "T1w"}, "labels": classes}
    _nnunet(tmp_path, _labels((1, 2, 3, 4)), said if classes else None)
    with pytest.raises(CohortError, match=r"each dataset numbers its classes anew.*--scheme"):
        load_cohort(tmp_path)


def test_a_decathlon_with_names_like_channels_is_one(tmp_path):
    decathlon(tmp_path, _labels((1, 2, 3)))
    for path in list(tmp_path.rglob("*.nii.gz")):
        path.rename(path.with_name(path.name.replace("BRATS_", "BRATS_0")))
    cohort = load_cohort(tmp_path)
    assert cohort.case_ids == ("BRATS_0001", "BRATS_0002")
    assert cohort.modalities == ("t1", "t1c", "t2", "flair")


LAYOUTS_BY_PATTERNS = {
    "two folders": (
        _nnunet,
        {"one": "imagesTr/{case}_0000.nii.gz", "labels": "lab*/{case}.nii.gz"},
    ),
    "the end of a path": (bids, {"one": "{case}_T1w.nii.gz", "labels": "{case}_dseg.nii.gz"}),
    "twice": (
        ucsf_pdgm,
        {
            "one": "{case}_nifti/{case}_T1.nii.gz",
            "labels": "**/{case}_tumor_segmentation.nii.gz",
            "brain": "{case}_nifti/{case}_brain_segmentation.nii.gz",
        },
    ),
    "from here": (
        _nnunet,
        {"one": "./{case}_0000.nii.gz", "labels": ".//labelsTr/./{case}.nii.gz"},
    ),
    "more stars than a regular expression ends with": (
        _nnunet,
        {"one": f"{{case}}_0000.nii{30 * '*'}", "labels": f"l{30 * '*'}Tr/{{case}}.nii.gz"},
    ),
    "characters": (
        brats2012_in_one_folder,
        {"one": "BRATS_{case}_T1[!C]mha", "labels": "BRATS_{case}_?ruth.*"},
    ),
}


@pytest.mark.parametrize(
    ("write", "files"), LAYOUTS_BY_PATTERNS.values(), ids=list(LAYOUTS_BY_PATTERNS)
)
def test_case_in_a_pattern_tells_the_cases_apart(tmp_path, write, files):
    write(tmp_path, _labels((1, 2, 4)))
    for path in list(tmp_path.rglob("*ce-*")):
        path.unlink()  # a contrast agent makes no other case
    cohort = load_cohort(tmp_path, files=files, scheme="brats2017")
    assert len(cohort) == 2
    assert cohort.modalities == ("one",)


def test_one_mask_may_serve_all_cases_of_a_folder(tmp_path):
    labels = _labels((1, 2, 4))
    _nnunet(tmp_path, labels)
    mask = _scan(labels) > 0
    save(tmp_path / "mask.nii.gz", mask.astype(np.uint8))
    files = {"t1": "{case}_0000.nii.gz", "labels": "labelsTr/{case}.nii.gz", "brain": "mask.nii.gz"}
    cohort = load_cohort(tmp_path, files=files)
    assert all(np.array_equal(case.to_scan(case.brain), mask.T) for case in cohort)


def test_folders_named_anat_are_named_by_subject_and_session(tmp_path):
    for case in ("sub-01", "sub-02"):
        for name in ("T1w", "roi"):
            volume = _labels((1, 2, 4)) if name == "roi" else _scan(_labels(()))
            save(tmp_path / case / "ses-1" / "anat" / f"{case}_ses-1_{name}.nii.gz", volume)
    cohort = load_cohort(tmp_path, files={"t1": "*_T1w.nii.gz", "labels": "*_roi.nii.gz"})
    assert cohort.case_ids == ("sub-01_ses-1", "sub-02_ses-1")


@pytest.mark.bad_input
def test_a_modality_that_one_case_has_costs_that_case_only(tmp_path):
    for case in ("a", "b", "c"):
        _nifti(tmp_path, _labels((1, 2, 4)), case, ("t1", "t2") if case == "c" else ("t1",), "_")
    with pytest.warns(UserWarning, match="c: 't2', which only 1 of 3 cases have"):
        cohort = load_cohort(tmp_path, on_error="skip")
    assert cohort.case_ids == ("a", "b")
    assert load_cohort(tmp_path, modalities=["t1"]).case_ids == ("a", "b", "c")


@pytest.mark.parametrize("cases", [("A", "B"), ("A", "B", "C")])
@pytest.mark.parametrize("lost", ["_seg.nii.gz", "_t1.nii.gz"])
def test_a_flat_folder_loses_only_the_case_that_lacks_a_file(tmp_path, cases, lost):
    for case in cases:
        for name in ("t1", "flair", "seg"):
            volume = _labels((1, 2, 4)) if name == "seg" else _scan(_labels(()))
            save(tmp_path / f"{case}_{name}.nii.gz", volume)
    (tmp_path / f"B{lost}").unlink()
    with pytest.warns(UserWarning, match=f"{tmp_path.name}: B: no (segmentation|file for 't1')"):
        cohort = load_cohort(tmp_path, on_error="skip")
    assert cohort.case_ids == tuple(case for case in cases if case != "B")
