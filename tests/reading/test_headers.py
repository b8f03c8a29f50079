"""Accidents in headers: what has one sound reading is mended and said, the rest costs one case."""

import bz2
import gzip
import logging
import re

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import check_folder, load_cohort
from imbalance_tf.reading import content, volumes
from imbalance_tf.reading.headers import files_of

from ..conftest import SHAPE, save


def _change(path, **values):
    """Write other values into the header of a file, as they are, without nibabel's checks."""
    content = path.read_bytes()
    zipped = content[:2] == b"\x1f\x8b"
    content = gzip.decompress(content) if zipped else content
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in values.items():
        header[name] = value
    content = header.binaryblock + content[348:]
    path.write_bytes(gzip.compress(content) if zipped else content)


HALF_TURN = {
    "qform_code": 1,
    "sform_code": 0,
    "quatern_b": 0,
    "quatern_c": 0,
    "quatern_d": 1,
    "pixdim": [1, 1, 1, 1, 0, 0, 0, 0],
}
METRES = {
    "xyzt_units": 1,
    "pixdim": [1, 1e-3, 1e-3, 1e-3, 0, 0, 0, 0],
    "srow_x": [-1e-3, 0, 0, 0],
    "srow_y": [0, -1e-3, 0, 0],
    "srow_z": [0, 0, 1e-3, 0],
}
NO_SFORM = {"sform_code": 2, "srow_x": 0, "srow_y": 0, "srow_z": 0}


def _notes(report, case):
    (found,) = [each for each in report.cases if each.case == case]
    return found.notes


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({**HALF_TURN, "quatern_d": 1.00001}, "a quaternion of length 1.00001 taken as 1"),
        (
            {**HALF_TURN, **NO_SFORM},
            "placed by its qform, for its sform is singular or without bounds",
        ),
        ({**HALF_TURN, **NO_SFORM, "srow_x": np.nan}, "placed by its qform, for its sform is"),
        ({"pixdim": [1, 0, -1, 0, 0, 0, 0, 0]}, "pixdim[1,2,3] should be non-zero and"),
        ({"pixdim": [1, np.nan, 1, 1, 0, 0, 0, 0]}, "voxels of nan x 1 x 1 taken as 1 there"),
        (
            {"pixdim": [1, np.inf, 1e-30, 1, 0, 0, 0, 0], "sform_code": 0, "qform_code": 0},
            "voxels of inf x 1e-30 x 1 taken as 1 there",
        ),
        ({"vox_offset": 0}, "voxels taken to begin at byte 352"),
        ({"vox_offset": 0, "magic": b"ni1"}, "voxels taken to begin at byte 352"),
        (METRES, "metres turned into mm"),
    ],
)
@pytest.mark.parametrize("suffix", ["t1", "seg"])
def test_what_has_one_sound_reading_is_mended_and_said(case_folder, values, note, suffix, caplog):
    before = load_cohort(case_folder)
    _change(case_folder / "case_1" / f"case_1_{suffix}.nii.gz", **values)
    notes = _notes(check_folder(case_folder), "case_1")
    assert any(each.startswith(f"case_1_{suffix}.nii.gz: {note}") for each in notes)
    assert load_cohort(case_folder).fingerprint == before.fingerprint
    assert not caplog.records  # nibabel's own log does not name the file


@pytest.mark.parametrize("degrees", [30, 45])
def test_scans_that_lie_askew_but_for_a_rounding_alike_share_a_grid(case_folder, degrees):
    """At 45 degrees the rounding decides which axis is nearer to left and right."""
    for path, off in zip(sorted((case_folder / "case_1").iterdir()), (-1e-5, 0, 1e-5), strict=True):
        angle, affine = np.deg2rad(degrees + off), np.eye(4)
        affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        save(path, np.asarray(nib.load(path).dataobj), affine)
    assert len(load_cohort(case_folder)) == 3


@pytest.mark.parametrize("mm", [1e-3, 1e3])
def test_voxels_of_another_unit_than_said_are_noted(case_folder, mm):
    for path in (case_folder / "case_1").iterdir():
        save(path, np.asarray(nib.load(path).dataobj), np.diag([mm, mm, mm, 1]))
    assert any("the spacing in mm?" in note for note in _notes(check_folder(case_folder), "case_1"))


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair, nib.AnalyzeImage])
@pytest.mark.parametrize("half", ["hdr", "img"])
def test_a_pair_of_files_is_the_image_that_it_holds(case_folder, tmp_path, kind, half):
    for path in case_folder.rglob("*.nii.gz"):
        image, target = nib.load(path), tmp_path / "pairs" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nib.save(
            kind(np.asarray(image.dataobj), image.affine),
            target.with_name(target.name.replace(".nii.gz", ".img")),
        )
    files = {"t1": f"*_t1.{half}", "flair": f"*_flair.{half}", "labels": f"*_seg.{half}"}
    pairs, cache = tmp_path / "pairs", tmp_path / "cache"
    cohort = load_cohort(pairs, files=files, cache=cache)
    assert load_cohort(pairs).fingerprint == cohort.fingerprint  # by its names too
    assert [case.digest for case in cohort] == [case.digest for case in load_cohort(case_folder)]
    # Whichever half the pattern names, a change of the other is seen.
    changed = pairs / "case_1" / "case_1_t1.img"
    scan = np.frombuffer(changed.read_bytes(), "f4").copy()
    scan[scan > 0] = scan[scan > 0][::-1]
    changed.write_bytes(scan.tobytes())
    again = load_cohort(pairs, files=files, cache=cache)
    assert [a.digest == b.digest for a, b in zip(again, cohort, strict=True)] == [True, False, True]


def test_the_halves_of_a_pair_are_found_by_either_name(tmp_path):
    for name in ("a.hdr", "a.img"):
        assert [path.name for path in files_of(tmp_path / name)] == ["a.hdr", "a.img"]
    assert [path.name for path in files_of(tmp_path / "a.IMG.gz")] == ["a.HDR.gz", "a.IMG.gz"]
    assert files_of(tmp_path / "a.nii.gz") == [tmp_path / "a.nii.gz"]


@pytest.mark.parametrize(
    ("values", "labels"), [((1, 2, 4), np.uint8), ((1, 2, 3, 4), np.uint8), ((1, 2, 4), np.int16)]
)
def test_labels_that_were_stored_as_scaled_integers_are_rounded(
    tmp_path, write_case, values, labels
):
    write_case(tmp_path, "a", values=(0, *values))
    before = load_cohort(tmp_path)
    path = tmp_path / "a" / "a_seg.nii.gz"
    image = nib.load(path)
    header = nib.Nifti1Header()
    header.set_data_dtype(labels)
    nib.save(nib.Nifti1Image(image.get_fdata(), image.affine, header), path)
    stored = nib.load(path).get_fdata()
    assert not np.array_equal(stored, np.rint(stored))  # nibabel did scale
    assert load_cohort(tmp_path).fingerprint == before.fingerprint
    said = [note for note in _notes(check_folder(tmp_path), "a") if "rounded" in note]
    assert said == (
        ["labels up to 0.0078 off rounded: they are stored as uint8 times 0.0156863"]
        if labels is np.uint8
        else []
    )


def test_integers_of_64_bits_without_a_place_are_read(case_folder):
    labels = nib.load(case_folder / "case_1" / "case_1_seg.nii.gz")
    data = np.asarray(labels.dataobj).astype(np.int64)
    image = nib.Nifti1Image(data, np.diag([-1.0, -1, 1, 1]), dtype=np.int64)
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    before = load_cohort(case_folder)
    nib.save(image, case_folder / "case_1" / "case_1_seg.nii.gz")
    assert load_cohort(case_folder).fingerprint == before.fingerprint


def test_a_slab_cut_to_a_brain_that_fills_its_faces_is_read(tmp_path, write_case):
    row, column, _ = np.meshgrid(*[(np.arange(n) + 0.5) / n * 2 - 1 for n in SHAPE], indexing="ij")
    brain = np.abs(row) ** 3 + np.abs(column) ** 3 <= 1
    faces = [brain[[0, -1]], brain[:, [0, -1]], brain[:, :, [0, -1]]]
    assert all(face.any() for face in faces)
    assert np.concatenate([face.ravel() for face in faces]).mean() > 0.5
    scans = {
        name: np.where(brain, np.random.default_rng(seed).normal(300, 40, SHAPE), -3.5)
        for seed, name in enumerate(("t1", "flair"))
    }
    write_case(tmp_path, "a", **{name: scan.astype(np.float32) for name, scan in scans.items()})
    (case,) = load_cohort(tmp_path)
    assert np.array_equal(case.to_scan(case.brain), brain.T)
    assert "air is -3.5 in t1" in _notes(check_folder(tmp_path), "a")


def test_a_file_that_is_cut_short_is_one_problem(case_folder):
    path = case_folder / "case_1" / "case_1_t1.nii"
    nib.save(nib.load(path.with_suffix(".nii.gz")), path)
    path.with_suffix(".nii.gz").unlink()
    path.write_bytes(path.read_bytes()[:2000])
    (problem,) = check_folder(case_folder).problems
    assert "promises 40x36x12 voxels of float32" in problem
    assert "it holds 2,000: it was cut short" in problem


def test_a_file_name_of_two_lines_is_one_problem(case_folder):
    path = case_folder / "case_1" / "case_1_t1.nii.gz"
    path.rename(path.with_name("case\n1_t1.nii.gz")).write_bytes(b"no scan")
    assert len(check_folder(case_folder).problems) == 1


@pytest.mark.parametrize("step", ["unpacking", "turning"])
def test_too_little_memory_costs_the_case(case_folder, monkeypatch, step):
    """Wherever it ends: it is not the file that is wrong, and to fetch it again is no way out."""
    affine = np.diag([-2.0, -2.0, 2.0, 1.0])
    for path in (case_folder / "case_1").iterdir():
        save(path, np.asarray(nib.load(path).dataobj), affine)
    nifti_image, io_orientation = volumes.nifti_image, nib.io_orientation

    def unpacking(path):
        if path.parent.name == "case_1":
            raise MemoryError
        return nifti_image(path)

    def turning(found):
        if np.allclose(found, affine):
            raise MemoryError
        return io_orientation(found)

    if step == "unpacking":
        monkeypatch.setattr(volumes, "nifti_image", unpacking)
    else:
        monkeypatch.setattr(nib, "io_orientation", turning)
    report = check_folder(case_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_2"]
    assert "case_1_seg.nii.gz: its case needs more memory" in report.problems[0]


@pytest.mark.bad_input
@pytest.mark.parametrize("write", [gzip.compress, bz2.compress, bytes])
def test_what_unpacks_to_more_than_fits_into_memory_costs_its_case(case_folder, monkeypatch, write):
    """A gigabyte of nothing takes a megabyte, and a hole in a file nothing."""
    monkeypatch.setattr(content, "LARGEST", 100_000)
    path = case_folder / "case_1" / "case_1_t1.nii.gz"
    path.write_bytes(write(gzip.decompress(path.read_bytes()) + bytes(100_000)))
    report = check_folder(case_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_2"]
    (problem,) = report.problems
    assert re.search(r"case_1_t1.nii.gz: .* more than 100,000 bytes; crop it to the head", problem)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_bytes_are_wrong_they_cost_one_case(tmp_path, write_case, seed, caplog):
    """Bytes changed at random in headers, and files cut: no error, no warning, no stray log."""
    generator = np.random.default_rng(seed)
    for number, name in enumerate(("good", "bad")):
        write_case(tmp_path, name, seed=number, values=(0, 3, 4))
    path = tmp_path / "bad" / f"bad_{('t1', 'seg', 'flair')[seed]}.nii.gz"
    content = gzip.decompress(path.read_bytes())
    path.unlink()
    path = path.with_suffix("")
    with caplog.at_level(logging.WARNING):
        for _ in range(15):
            spoiled = np.frombuffer(content, np.uint8).copy()
            spoiled[generator.integers(0, 360, 3)] = generator.integers(0, 256, 3)
            end = generator.choice([len(content), generator.integers(len(content))])
            path.write_bytes(spoiled[:end].tobytes())
            report = check_folder(tmp_path)
            assert "good" in [case.case for case in report.cases]
            assert all(path.name in problem for problem in report.problems)
    assert not caplog.records


def test_a_mask_for_all_reads_a_brain_that_fills_the_scan(tmp_path, write_case):
    generator = np.random.default_rng(0)
    scans = {m: generator.normal(300, 40, SHAPE).astype("f4") for m in ("t1", "flair")}
    write_case(tmp_path, "a", **scans)
    save(tmp_path / "a" / "mask.nii.gz", np.ones(SHAPE, np.uint8))
    files = {"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask*.nii.gz"}
    assert load_cohort(tmp_path, files=files)[0].brain.all()
