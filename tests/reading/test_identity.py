"""What cases *are*, whatever they are called: no brain is two of them, no real one synthetic."""

import bz2
import gzip
import json
import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import CohortError, check_folder, load_cohort

from ..conftest import relabelled, save


def _scans(folder, case):
    return {path.name.split("_")[-1]: path for path in (folder / case).iterdir()}


def _as_case_9(folder, put):
    """A fourth case, made of the files of the second."""
    (folder / "case_9").mkdir()
    for name, path in _scans(folder, "case_1").items():
        put(path, folder / "case_9" / f"case_9_{name}")


def a_copy_under_another_name(folder):
    _as_case_9(folder, shutil.copy)


def links(folder):
    _as_case_9(folder, lambda path, target: target.symlink_to(path))


def hard_links(folder):
    _as_case_9(folder, lambda path, target: os.link(path, target))


def stored_otherwise(folder):
    """Not compressed, in float64, turned to RAS: the same voxels."""

    def put(path, target):
        image = nib.load(path)
        turned = nib.as_closest_canonical(nib.Nifti1Image(image.get_fdata(), image.affine))
        nib.save(turned, target.with_suffix(""))

    _as_case_9(folder, put)


def segmented_again(folder):
    """By another reader: the brain is still the same."""
    _as_case_9(folder, shutil.copy)
    path = folder / "case_9" / "case_9_seg.nii.gz"
    labels = np.asarray(nib.load(path).dataobj).copy()
    labels[labels == 2] = 0
    save(path, labels)


def one_modality_of_another_case(folder):
    shutil.copy(_scans(folder, "case_0")["t1.nii.gz"], _scans(folder, "case_1")["t1.nii.gz"])


TWICE = [
    a_copy_under_another_name,
    links,
    hard_links,
    stored_otherwise,
    segmented_again,
    one_modality_of_another_case,
]


@pytest.mark.parametrize("double", TWICE)
def test_a_brain_that_is_two_cases_is_refused(case_folder, double):
    double(case_folder)
    with pytest.raises(CohortError, match=r"the same scan as .*case_\d|belongs to 2 cases"):
        load_cohort(case_folder)
    assert check_folder(case_folder).problems
    with pytest.warns(UserWarning, match="left out"):
        kept = load_cohort(case_folder, on_error="skip")
    assert {"case_2"} < set(kept.case_ids) < {path.name for path in case_folder.iterdir()}
    assert not {"case_1", "case_9"} <= set(kept.case_ids)


def test_a_case_is_not_refused_for_another_that_is(case_folder):
    """The first of the two has a foreign label, and is refused for that."""
    a_copy_under_another_name(case_folder)
    path = _scans(case_folder, "case_1")["seg.nii.gz"]
    save(path, np.asarray(nib.load(path).dataobj) * np.uint8(2))
    with pytest.warns(UserWarning, match="label value 6, 8 is outside"):
        kept = load_cohort(case_folder, on_error="skip")
    assert kept.case_ids == ("case_0", "case_2", "case_9")


@pytest.mark.parametrize("pattern", ["../case_0/case_0_t1.nii.gz", "../*/case_0_t1*"])
def test_a_pattern_that_leads_to_another_case_is_refused(case_folder, pattern):
    files = {"t1": pattern, "labels": "*_seg.nii.gz"}
    with pytest.raises(CohortError, match="belongs to 3 cases"):
        load_cohort(case_folder, files=files)


def test_one_mask_may_serve_all_cases(case_folder):
    mask = np.zeros((40, 36, 12), np.uint8)
    mask[5:35, 5:30, 2:10] = 1
    save(case_folder.parent / "mask.nii.gz", mask)
    files = {"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "../../mask.nii.gz"}
    assert len(load_cohort(case_folder, files=files, scheme="brats2013")) == 3


def test_a_cohort_is_what_its_scans_are_however_it_was_read(case_folder, tmp_path):
    """From a cache or not, compressed or not: so a run is found on every machine."""
    whole = load_cohort(case_folder)
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == whole.fingerprint
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == whole.fingerprint
    path = _scans(case_folder, "case_1")["t1.nii.gz"]
    nib.save(nib.load(path), path.with_suffix(""))
    path.unlink()
    assert load_cohort(case_folder).fingerprint == whole.fingerprint
    path = _scans(case_folder, "case_1")["seg.nii.gz"]
    path.with_suffix(".bz2").write_bytes(bz2.compress(gzip.decompress(path.read_bytes())))
    path.unlink()
    assert load_cohort(case_folder).fingerprint == whole.fingerprint
    assert load_cohort(case_folder, modalities=["t1"]).fingerprint != whole.fingerprint


def test_a_cohort_that_was_read_stays_what_its_digests_say(case_folder):
    cohort = load_cohort(case_folder)
    train, _ = cohort.split(test_cases=1)
    for held in (cohort, train):
        with pytest.raises(ValueError, match="read-only"):
            held[0].labels[:] = 0
    other = relabelled(train, lambda case: np.zeros_like(case.labels))
    assert not {case.digest for case in other} & {case.digest for case in train}
    assert other.fingerprint != train.fingerprint
    assert other.class_counts()[:, 1:].sum() == 0


def test_synthetic_is_what_the_scans_say_of_themselves(case_folder, phantom, tmp_path):
    assert all(case.synthetic for case in load_cohort(phantom))
    shutil.copy(phantom / "cohort.json", case_folder / "cohort.json")
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        assert not any(case.synthetic for case in load_cohort(case_folder, cache=cache))


def test_synthetic_cases_under_other_names_and_among_real_ones_are_told(case_folder, phantom):
    shutil.rmtree(case_folder / "case_0")
    (case_folder / "case_0").mkdir()
    for path in (phantom / "phantom_001").iterdir():
        if path.name.split("_")[-1] in ("t1.nii.gz", "flair.nii.gz", "seg.nii.gz"):
            kind = path.name.split("_")[-1]
            shutil.copy(path, case_folder / "case_0" / f"case_0_{kind}")
    cohort = load_cohort(case_folder, scheme="brats2013")
    assert [case.synthetic for case in cohort] == [True, False, False]


def test_no_other_json_file_is_a_reason(case_folder):
    (case_folder / "cohort.json").write_text(json.dumps({"generator": "imbalance_tf phantom"}))
    assert not any(case.synthetic for case in load_cohort(case_folder))
