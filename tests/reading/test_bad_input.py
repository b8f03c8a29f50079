"""Input that cannot be right: the words of the error, in Python and at the command line.

One table of kinds; nothing on disk is changed by any of them.
"""

import bz2
import gzip
import json
import os
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from imbalance_tf import CohortError, load_cohort
from imbalance_tf.lab.cli import main

from ..conftest import SHAPE, save


def _volume(value=0.0):
    return np.full(SHAPE, value, np.float32)


def missing_folder(folder):
    return {"folder": folder / "nowhere"}


def a_file(folder):
    return {"folder": next((folder / "case_0").iterdir())}


def empty_folder(folder):
    (folder / "empty").mkdir()
    return {"folder": folder / "empty"}


def only_what_nothing_reads(folder):
    for path in list(folder.rglob("*.nii.gz")):
        path.rename(path.with_name(path.name.replace(".nii.gz", ".dcm")))


def no_segmentation(folder):
    (folder / "case_1" / "case_1_seg.nii.gz").unlink()


def other_shape(folder):
    save(folder / "case_1" / "case_1_flair.nii.gz", _volume()[:, :, :-1])


def foreign_label(folder):
    labels = np.zeros(SHAPE, np.uint8)
    labels[20, 20, 5] = 9
    save(folder / "case_1" / "case_1_seg.nii.gz", labels)


def label_outside_named_scheme(folder):
    return {"scheme": "brats2017"}


def fractional_label(folder):
    save(folder / "case_1" / "case_1_seg.nii.gz", _volume(0.5))


def negative_label(folder):
    save(folder / "case_1" / "case_1_seg.nii.gz", _volume(-1))


def truncated(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


def without_the_checksum_at_its_end(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    path.write_bytes(path.read_bytes()[:-8])


def bzip2_without_its_end(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    content = bz2.compress(gzip.decompress(path.read_bytes()))
    path.with_suffix(".bz2").write_bytes(content[:-8])
    path.unlink()


def another_byte_than_was_compressed(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    content = gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0)
    middle = content.rindex(b"\x04\x04")
    path.write_bytes(content[:middle] + b"\x02" + content[middle + 1 :])


def garbage_at_its_end(folder):
    with (folder / "case_1" / "case_1_t1.nii.gz").open("ab") as file:
        file.write(b"garbage")


def half_a_voxel_away(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    moved = np.diag([-1.0, -1.0, 1.0, 1.0])
    moved[0, 3] = 0.6
    save(path, nib.load(path).get_fdata().astype(np.float32), moved)


def complex_numbers(folder):
    save(folder / "case_1" / "case_1_t1.nii.gz", np.zeros(SHAPE, np.complex64))


def one_file_for_two_modalities(folder):
    return {"files": {"t1": "*_t1.nii.gz", "t2": "*_t1.nii.gz", "labels": "*_seg.nii.gz"}}


def patterns_across_cases(folder):
    for case in ("case_0", "case_2"):
        for path in (folder / case).iterdir():
            path.unlink()
    return {"files": {"t1": "**/*_t1.nii.gz", "labels": "**/*_seg.nii.gz"}}


def pattern_of_no_name(folder):
    return {"files": {"t1": ".", "labels": "*_seg.nii.gz"}}


def not_nifti(folder):
    (folder / "case_1" / "case_1_t1.nii.gz").write_bytes(b"these are not the bytes of a scan")


def empty_file(folder):
    (folder / "case_1" / "case_1_t1.nii.gz").write_bytes(b"")


def nan_voxels(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    scan = nib.load(path).get_fdata().astype(np.float32)
    scan[20, 20, 5:7] = np.nan
    save(path, scan)


def constant_scan(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    scan = nib.load(path).get_fdata()
    save(path, np.where(scan > 0, 7, 0).astype(np.float32))


def one_modality_of_nothing(folder):
    save(folder / "case_1" / "case_1_t1.nii.gz", _volume(5))


def nothing_but_air(folder):
    for suffix in ("t1", "flair", "seg"):
        save(folder / "case_1" / f"case_1_{suffix}.nii.gz", np.zeros(SHAPE, np.uint8))


def four_dimensions(folder):
    save(folder / "case_1" / "case_1_t1.nii.gz", np.zeros((*SHAPE, 2), np.float32))


def two_dimensions(folder):
    for suffix in ("t1", "flair", "seg"):
        save(folder / "case_1" / f"case_1_{suffix}.nii.gz", np.zeros(SHAPE[:2], np.uint8))


def header_of_another_type(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    image = nib.load(path)
    header = image.header.copy()
    header["datatype"] = 7777
    path.with_suffix("").write_bytes(header.binaryblock + bytes(4 + image.get_fdata().nbytes))
    path.unlink()


def metaimage_of_no_bytes(folder):
    for path in list(folder.rglob("*.nii.gz")):
        path.with_name(
            path.name.replace("_seg.nii.gz", "_truth.mha").replace("nii.gz", "mha")
        ).touch()
        path.unlink()


def metaimage_in_colour(folder):
    for path in list(folder.rglob("*.nii.gz")):
        rgb = np.zeros((*SHAPE[::-1], 3), np.uint8)
        name = path.name.replace("_seg.nii.gz", "_truth.mha").replace("nii.gz", "mha")
        sitk.WriteImage(sitk.GetImageFromArray(rgb, isVector=True), str(path.with_name(name)))
        path.unlink()


def decathlon_of_two_channels(folder):
    for path in list(folder.rglob("*.nii.gz")):
        path.unlink()
    save(folder / "imagesTr" / "BRATS_001.nii.gz", np.ones((*SHAPE, 2), np.float32))
    save(folder / "labelsTr" / "BRATS_001.nii.gz", np.zeros(SHAPE, np.uint8))


def scheme_file_in_the_folder_without_values(folder):
    (folder / "scheme.toml").write_text('name = "mine"\nclasses = ["no", "yes"]\n')


def missing_scheme_file(folder):
    return {"scheme": str(folder / "mine.toml")}


def label_above_255(folder):
    labels = np.zeros(SHAPE, np.int16)
    labels[20, 20, 5] = 1002
    save(folder / "case_1" / "case_1_seg.nii.gz", labels)


def two_layouts(folder):
    for suffix in ("FLAIR", "truth"):
        (folder / f"BRATS_HG0001_{suffix}.mha").touch()


def another_place(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    moved = np.diag([-1.0, -1.0, 1.0, 1.0])
    moved[0, 3] = 50
    save(path, nib.load(path).get_fdata().astype(np.float32), moved)


def nan_affine(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    image = nib.load(path)
    header = image.header.copy()
    header["srow_x"][:] = np.nan
    path.write_bytes(header.binaryblock + bytes(4) + image.get_fdata().astype("f4").tobytes())
    path.rename(path.with_suffix(""))


def colours(folder):
    rgb = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    save(folder / "case_1" / "case_1_t1.nii.gz", rgb)


def empty_brain_mask(folder):
    for case in ("case_0", "case_1", "case_2"):
        save(folder / case / "mask.nii.gz", _volume(0))
    return {"files": {"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask.nii.gz"}}


def absolute_pattern(folder):
    return {"files": {"t1": "/scans/*_t1.nii.gz", "labels": "*_seg.nii.gz"}}


def labels_as_a_modality(folder):
    return {"modalities": ["t1", "labels"]}


def modalities_in_one_word(folder):
    return {"modalities": "flair"}


def names_of_2023_with_the_values_of_2017(folder):
    for path in list(folder.rglob("*.nii.gz")):
        new = path.name.replace("_t1.", "-t1n.").replace("_flair.", "-t2f.")
        path = path.rename(path.with_name(new.replace("_seg.", "-seg.")))
        if path.name.endswith("-seg.nii.gz"):
            labels = np.asarray(nib.load(path).dataobj)
            save(path, np.where(labels == 3, 0, labels).astype(np.uint8))


def noisy_background(folder):
    noise = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    save(folder / "case_1" / "case_1_t1.nii.gz", noise)


def two_files_for_a_pattern(folder):
    return {"files": {"any": "*.nii.gz", "labels": "*_seg.nii.gz"}}


def two_files_by_name(folder):
    save(folder / "case_1" / "copy_of_case_1_t1.nii.gz", _volume())


def pattern_without_labels(folder):
    return {"files": {"t1": "*_t1.nii.gz"}}


def pattern_matching_nothing(folder):
    return {"files": {"t1": "*_t1w.nii.gz", "labels": "*_seg.nii.gz"}}


def only_segmentations(folder):
    for path in folder.rglob("*.nii.gz"):
        if "_seg" not in path.name:
            path.unlink()


def modality_of_one_case(folder):
    save(folder / "case_1" / "case_1_t2.nii.gz", _volume())


def modality_of_two_cases(folder):
    modality_of_one_case(folder)
    save(folder / "case_2" / "case_2_t2.nii.gz", _volume())


def missing_modality(folder):
    return {"modalities": ["t1", "t2"]}


def unknown_scheme(folder):
    return {"scheme": "brats1999"}


def same_name_twice(folder):
    (folder / "copy").mkdir()
    for path in (folder / "case_1").iterdir():
        (folder / "copy" / "case_1").mkdir(exist_ok=True)
        (folder / "copy" / "case_1" / path.name).write_bytes(path.read_bytes())


def _header(path, **values):
    """Another header, without nibabel's checks, in a file that is not compressed."""
    content = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in values.items():
        header[name] = value
    path.with_suffix("").write_bytes(header.binaryblock + content[348:])
    path.unlink()


def more_voxels_than_fit_anywhere(folder):
    _header(folder / "case_1" / "case_1_t1.nii.gz", dim=[3, 30000, 30000, 30000, 1, 1, 1, 1])


def plain_file_cut_short(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes())[:2000])
    path.unlink()


def no_voxels(folder):
    _header(folder / "case_1" / "case_1_t1.nii.gz", dim=[3, 40, 36, -12, 1, 1, 1, 1])


def long_quaternion(folder):
    turned = {"qform_code": 1, "sform_code": 0, "quatern_d": 1.5}
    _header(folder / "case_1" / "case_1_t1.nii.gz", **turned)


def link_to_nowhere(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.unlink()
    path.symlink_to("../.git/annex/objects/t1")


def case_that_is_a_link_to_nowhere(folder):
    (folder / "case_3").symlink_to("/mnt/scans/case_3")


def pointer_of_git_lfs(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")


def voxels_without_their_header(folder):
    for case in ("case_0", "case_1", "case_2"):
        for path in list((folder / case).iterdir()):
            kept = path.with_name(path.name.replace(".nii.gz", ".img"))
            nib.save(nib.Nifti1Pair(nib.load(path).get_fdata().astype("f4"), np.eye(4)), kept)
    (folder / "case_1" / "case_1_t1.hdr").unlink()
    return {"files": {"t1": "*_t1.img", "labels": "*_seg.img"}}


def interpolated_labels_under_an_integer_header(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    image = nib.load(path)
    labels = image.get_fdata()
    labels[20, 20, 5] = 0.5
    path.unlink()
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)


def case_in_one_pattern_only(folder):
    return {"files": {"t1": "{case}_t1.nii.gz", "labels": "*_seg.nii.gz"}}


def case_in_a_pattern_without_end(folder):
    return {"files": {"t1": "{case}_t[9-1].nii.gz", "labels": "{case}_seg.nii.gz"}}


def nnunet_without_names_of_channels(folder):
    for path in list(folder.rglob("*.nii.gz")):
        place, name = ("labelsTr", "") if "_seg" in path.name else ("imagesTr", "_0000")
        (folder / place).mkdir(exist_ok=True)
        path.rename(folder / place / f"{path.parent.name}{name}.nii.gz")
    (folder / "dataset.json").write_text('{"name": "mine"}')


def labels_from_1(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    labels = np.asarray(nib.load(path).dataobj)
    save(path, np.where(labels == 4, 1, labels + 1).astype(np.uint8))


def labels_beside_the_brain(folder):
    path = folder / "case_1" / "case_1_seg.nii.gz"
    save(path, np.roll(np.asarray(nib.load(path).dataobj), 25, axis=0))


def one_outlier(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    scan = nib.load(path).get_fdata().astype(np.float32)
    scan[20, 20, 5] = -3e38
    save(path, scan)


def padded_with_another_value(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    scan = nib.load(path).get_fdata().astype(np.float32)
    scan[:4] = -1
    save(path, scan)


def mask_of_the_air(folder):
    for case in ("case_0", "case_1", "case_2"):
        scan = nib.load(folder / case / f"{case}_t1.nii.gz").get_fdata()
        save(folder / case / "mask.nii.gz", (scan == 0).astype(np.uint8))
    return {"files": {"t1": "*_t1.nii.gz", "labels": "*_seg.nii.gz", "brain": "mask.nii.gz"}}


def one_scan_under_two_names(folder):
    case = folder / "case_1"
    (case / "case_1_t1.nii.gz").write_bytes((case / "case_1_flair.nii.gz").read_bytes())


def segmentation_as_a_scan(folder):
    case = folder / "case_1"
    (case / "case_1_t1.nii.gz").write_bytes((case / "case_1_seg.nii.gz").read_bytes())


def device(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.unlink()
    path.symlink_to(os.devnull)


def name_that_changes_a_terminal(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.rename(path.with_name("case\x1b[2J\n_t1.nii.gz")).write_bytes(b"no scan")


def two_cases_alike_but_for_capitals(folder):
    for path in list((folder / "case_1").iterdir()):
        volume = np.asarray(nib.load(path).dataobj)
        save(folder / "other" / "CASE_1" / path.name, volume + (volume > 0).astype(volume.dtype))
        if "_seg" in path.name:
            save(folder / "other" / "CASE_1" / path.name, volume)


def two_halves_of_cases_in_one_folder(folder):
    for path in list(folder.rglob("*.nii.gz")):
        if path.name in ("case_1_t1.nii.gz", "case_1_flair.nii.gz", "case_2_seg.nii.gz"):
            path.rename(folder / path.name)
        else:
            path.unlink()


def nnunet_datasets_with_cases_of_one_name(folder):
    for number in (1, 2):
        save(folder / f"Dataset00{number}" / "imagesTr" / "a_0000.nii.gz", _volume(number))
        save(folder / f"Dataset00{number}" / "labelsTr" / "a.nii.gz", _volume())
    for case in ("case_0", "case_1", "case_2"):
        shutil.rmtree(folder / case)


def nnunet_dataset_that_is_a_device(folder):
    _as_nnunet(folder, {})
    (folder / "dataset.json").unlink()
    (folder / "dataset.json").symlink_to(os.devnull)


def nothing_but_archives(folder):
    for case in ("case_0", "case_1", "case_2"):
        shutil.make_archive(folder / case, "zip", folder / case)
        shutil.rmtree(folder / case)


def an_archive(folder):
    return {"folder": shutil.make_archive(folder, "zip", folder)}


def role_with_markup(folder):
    return {"files": {"<b>": "*_t1.nii.gz", "labels": "*_seg.nii.gz"}}


def modalities_without_an_order(folder):
    return {"modalities": {"t1", "flair"}}


def _as_nnunet(folder, names):
    for path in list(folder.rglob("*.nii.gz")):
        place, name = ("labelsTr", "") if "_seg" in path.name else ("imagesTr", "_0000")
        name = "_0001" if "_flair" in path.name else name
        (folder / place).mkdir(exist_ok=True)
        path.rename(folder / place / f"{path.parent.name}{name}.nii.gz")
    (folder / "dataset.json").write_text(json.dumps({"channel_names": names}))


def nnunet_channel_with_markup(folder):
    _as_nnunet(folder, {"0": "<script>", "1": "FLAIR"})


def nnunet_channel_named_as_the_mask(folder):
    _as_nnunet(folder, {"0": "brain", "1": "FLAIR"})


def nnunet_dataset_that_is_a_link_to_nowhere(folder):
    _as_nnunet(folder, {})
    (folder / "dataset.json").unlink()
    (folder / "dataset.json").symlink_to("elsewhere.json")


def _as_metaimages(folder):
    """Of 2012; one of them is to be spoiled."""
    for path in list(folder.rglob("*.nii.gz")):
        volume = np.asarray(nib.load(path).dataobj)
        volume = np.minimum(volume, 2) if "_seg" in path.name else volume
        name = path.name.replace("_seg.nii.gz", "_truth.mha").replace("nii.gz", "mha")
        sitk.WriteImage(sitk.GetImageFromArray(volume.T), str(path.with_name(name)))
        path.unlink()
    return folder / "case_1" / "case_1_t1.mha"


def metaimage_that_is_a_link_to_nowhere(folder):
    path = _as_metaimages(folder)
    path.unlink()
    path.symlink_to("../.git/annex/objects/t1")


def metaimage_that_is_a_pointer(folder):
    _as_metaimages(folder).write_text("version https://git-lfs.github.com/spec/v1\n")


def metaimage_cut_short(folder):
    path = _as_metaimages(folder)
    path.write_bytes(path.read_bytes()[:500])


KINDS = [
    (labels_from_1, CohortError, "case_1_seg.nii.gz: no voxel has the value 0, .*: renumber"),
    (labels_beside_the_brain, CohortError, "case_1_seg.nii.gz: 3.. of 3.. tumour voxels lie where"),
    (one_outlier, CohortError, r"case_1_t1.nii.gz: the same value in 100% .* values from -3e\+38"),
    (padded_with_another_value, CohortError, "case_1_t1.nii.gz: both 0 and -1 fill its borders"),
    (mask_of_the_air, CohortError, "case_1_t1.nii.gz: the same value in .*mend the mask if it hol"),
    (one_scan_under_two_names, CohortError, "case_1_t1.nii.gz: t1 is the same as flair; fetch"),
    (segmentation_as_a_scan, CohortError, "case_1_t1.nii.gz: t1 is the same as the segmentation"),
    (device, CohortError, "case_1_t1.nii.gz: no file, but a device or a pipe"),
    (name_that_changes_a_terminal, CohortError, r"case\\x1b\[2J\\n_t1.nii.gz: cannot be read"),
    (two_cases_alike_but_for_capitals, CohortError, "'case_1' and 'CASE_1' differ in capitals"),
    (two_halves_of_cases_in_one_folder, CohortError, "case_1: no segmentation"),
    (role_with_markup, ValueError, "files=: the name '<b>' holds '<'"),
    (modalities_without_an_order, ValueError, "a list of different modalities is expected"),
    (nnunet_channel_with_markup, CohortError, "dataset.json: .*the name '<script>' holds '<'"),
    (nnunet_channel_named_as_the_mask, CohortError, "dataset.json: .*channel='brain'; another"),
    (nnunet_dataset_that_is_a_link_to_nowhere, CohortError, "dataset.json: .*No such file"),
    (metaimage_that_is_a_link_to_nowhere, CohortError, "case_1_t1.mha: a link to .*annex"),
    (metaimage_that_is_a_pointer, CohortError, "case_1_t1.mha: only the name of .*: git lfs pull"),
    (metaimage_cut_short, CohortError, "case_1_t1.mha: .*it holds .*: it was cut short"),
    (more_voxels_than_fit_anywhere, CohortError, "case_1_t1.nii: .*promises 30000x30000x30000"),
    (plain_file_cut_short, CohortError, "case_1_t1.nii: .*it holds 2,000: it was cut short"),
    (no_voxels, CohortError, r"case_1_t1.nii: .*the shape \(40, 36, -12\)"),
    (long_quaternion, CohortError, "case_1_t1.nii: .*a quaternion of length 1.5, and no sform"),
    (link_to_nowhere, CohortError, "case_1_t1.nii.gz: a link to .*annex.*; fetch that file"),
    (case_that_is_a_link_to_nowhere, CohortError, "case_3: a link to /mnt/.*; fetch or mount"),
    (pointer_of_git_lfs, CohortError, "case_1_t1.nii.gz: only the name of .*: git lfs pull"),
    (voxels_without_their_header, CohortError, "case_1_t1.hdr: missing; a .hdr and an .img file"),
    (
        interpolated_labels_under_an_integer_header,
        CohortError,
        "label value 0.50.*nearest neighbour; they are stored as uint8 times 0.01568",
    ),
    (case_in_one_pattern_only, ValueError, r"has \{case\} in the pattern of t1, but not of labels"),
    (case_in_a_pattern_without_end, ValueError, r"has the pattern '\{case\}_t\[9-1\].nii.gz', wh"),
    (nnunet_without_names_of_channels, CohortError, 'dataset.json: names no channels .*"FLAIR"'),
    (
        nnunet_datasets_with_cases_of_one_name,
        CohortError,
        "2 files for 'labels' .Dataset001/labelsTr/a.nii.gz, Dataset002/labelsTr/a.nii.gz;",
    ),
    (
        nnunet_dataset_that_is_a_device,
        CohortError,
        "dataset.json: .* a device, a pipe or large",
    ),
    (nothing_but_archives, CohortError, "(?s)no case found.*not recognised: .*case_0.zip, case"),
    (an_archive, NotADirectoryError, "cases.zip is a file; .*: unpack it, if it is an archive"),
    (missing_folder, FileNotFoundError, "there is no folder .*nowhere"),
    (a_file, NotADirectoryError, "is a file; a folder of cases is expected"),
    (empty_folder, CohortError, r"no case found; the file names looked for: .*_\{t1,t1ce,t2"),
    (
        only_what_nothing_reads,
        CohortError,
        r"(?s)no case found.*not recognised: .*case_1_flair\.dcm",
    ),
    (no_segmentation, CohortError, "case_1: no segmentation"),
    (other_shape, CohortError, r"case_1_flair.nii.gz: \(40, 36, 11\) voxels.*12\).*resample"),
    (foreign_label, CohortError, "case_1_seg.nii.gz: label value 9 is outside scheme .brats2013"),
    (label_outside_named_scheme, CohortError, "label value 3 is outside scheme 'brats2017'"),
    (fractional_label, CohortError, "case_1_seg.nii.gz: label value 0.5; integers"),
    (negative_label, CohortError, "case_1_seg.nii.gz: label value -1; values from 0"),
    (truncated, CohortError, "case_1_t1.nii.gz: cannot be read as NIfTI .*is it complete"),
    (without_the_checksum_at_its_end, CohortError, "case_1_seg.nii.gz: cannot be read"),
    (bzip2_without_its_end, CohortError, "case_1_seg.nii.bz2: cannot be read .*ended before"),
    (
        another_byte_than_was_compressed,
        CohortError,
        "case_1_seg.nii.gz: cannot be read .*CRC check failed",
    ),
    (garbage_at_its_end, CohortError, "case_1_t1.nii.gz: cannot be read .*Not a gzipped file"),
    (half_a_voxel_away, CohortError, "its header puts it 0.6 mm away from case_1_seg"),
    (complex_numbers, CohortError, "holds complex64, not one number per voxel"),
    (one_file_for_two_modalities, CohortError, "case_0_t1.nii.gz is t1 and t2; narrow the patt"),
    (patterns_across_cases, CohortError, "case_1_t1.nii.gz belongs to 2 cases"),
    (pattern_of_no_name, ValueError, "has the pattern '.' for 't1'; a file name pattern"),
    (not_nifti, CohortError, "case_1_t1.nii.gz: cannot be read as NIfTI"),
    (empty_file, CohortError, "case_1_t1.nii.gz: cannot be read as NIfTI"),
    (nan_voxels, CohortError, "case_1_t1.nii.gz: 2 voxels are NaN or infinite"),
    (constant_scan, CohortError, "case_1_t1.nii.gz: the same value in 100% of the brain"),
    (one_modality_of_nothing, CohortError, "case_1_t1.nii.gz: air in the whole brain; fetch it"),
    (nothing_but_air, CohortError, "case_1_flair.nii.gz, .*case_1_t1.nii.gz: nothing but air"),
    (four_dimensions, CohortError, r"case_1_t1.nii.gz: shape \(40, 36, 12, 2\); a 3-D volume"),
    (two_dimensions, CohortError, r"case_1_seg.nii.gz: shape \(40, 36\); a 3-D volume.*stack"),
    (header_of_another_type, CohortError, "case_1_t1.nii: cannot be read as NIfTI"),
    (metaimage_of_no_bytes, CohortError, "case_1_truth.mha: cannot be read as MetaImage"),
    (metaimage_in_colour, CohortError, "case_1_t1.mha: 3 dimensions and 3 numbers per voxel"),
    (decathlon_of_two_channels, CohortError, r"\(40, 36, 12, 2\); four dimensions.* of 4: flair"),
    (scheme_file_in_the_folder_without_values, ValueError, r"scheme.toml is no label scheme: its"),
    (missing_scheme_file, FileNotFoundError, "there is no scheme file .*mine.toml"),
    (label_above_255, CohortError, "label value 1002; values from 0 to 255 are expected"),
    (two_layouts, CohortError, "more than one layout: BraTS 2012 in .*one folder at a time, or"),
    (another_place, CohortError, "case_1_t1.nii.gz: its header puts it 50 mm away from case_1_seg"),
    (
        nan_affine,
        CohortError,
        "case_1_t1.nii: its header has an sform that is singular or without bounds",
    ),
    (colours, CohortError, "case_1_t1.nii.gz: it holds .*, not one number per voxel; convert it"),
    (empty_brain_mask, CohortError, "mask.nii.gz: no voxel above 0.5; a mask of the brain"),
    (absolute_pattern, ValueError, "has the pattern '/scans/.*' for 't1'; a file name pattern"),
    (labels_as_a_modality, ValueError, "a list of different modalities is expected"),
    (modalities_in_one_word, ValueError, "modalities='flair'; a list of different modalities"),
    (names_of_2023_with_the_values_of_2017, CohortError, "fit several .*brats2017, brats2024"),
    (noisy_background, CohortError, "case_1_t1.nii.gz: no constant background.*--file 'brain="),
    (two_files_for_a_pattern, CohortError, r"3 files for 'any'.*'\*.nii.gz'\).*narrower pattern"),
    (two_files_by_name, CohortError, "2 files for 't1' .*copy_of_case_1_t1"),
    (pattern_without_labels, ValueError, "must name 'labels' and at least one modality"),
    (pattern_matching_nothing, CohortError, r"no file for 't1' \(looked for '\*_t1w.nii.gz'\)"),
    (only_segmentations, CohortError, "case_0: a segmentation without any modality"),
    (
        modality_of_one_case,
        CohortError,
        "case_1: 't2', which only 1 of 3 cases have; give it to the others, move it away, or say",
    ),
    (
        modality_of_two_cases,
        CohortError,
        "case_0: no file for 't2' .* leave it out, which 2 of 3 cases have: modalities=.*--file",
    ),
    (missing_modality, CohortError, "case_0: no file for 't2'"),
    (unknown_scheme, ValueError, "scheme='brats1999'; one of brats2012, .*a .toml file"),
    (same_name_twice, CohortError, "2 cases are named case_1 .*copy/case_1.*rename"),
]


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ONLY_IN_PYTHON = (
    labels_as_a_modality,
    modalities_in_one_word,
    modalities_without_an_order,
    missing_modality,
)


@pytest.mark.bad_input
@pytest.mark.parametrize(("spoil", "error", "words"), KINDS, ids=[k[0].__name__ for k in KINDS])
def test_bad_input_is_refused_in_words(case_folder, spoil, error, words):
    arguments = {"folder": case_folder, **(spoil(case_folder) or {})}
    before = _contents(case_folder)
    with pytest.raises(error, match=words):
        load_cohort(arguments.pop("folder"), **arguments)
    assert _contents(case_folder) == before


AT_THE_COMMAND_LINE = [(spoil, words) for spoil, _, words in KINDS if spoil not in ONLY_IN_PYTHON]


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("spoil", "words"), AT_THE_COMMAND_LINE, ids=[k[0].__name__ for k in AT_THE_COMMAND_LINE]
)
def test_at_the_command_line_it_is_a_message(case_folder, tmp_path, spoil, words, command):
    arguments = {"folder": case_folder, **(spoil(case_folder) or {})}
    before = _contents(tmp_path)
    options = [f"--file={role}={pattern}" for role, pattern in arguments.get("files", {}).items()]
    options += [f"--scheme={arguments['scheme']}"] if "scheme" in arguments else []
    folder = str(arguments["folder"])
    if command == "run":
        folder = ["--profile=smoke", f"--data={folder}", f"--out={tmp_path / 'out'}"]
    else:
        folder = [folder]
    result = CliRunner().invoke(main, [command, *options, *folder])
    assert result.exit_code == 1
    assert re.search(words, result.stderr)
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    after = _contents(tmp_path)
    # What was read of the good cases is kept: reading a thousand takes an hour.
    kept = {path for path in after if path.is_relative_to(tmp_path / "out" / "cache")}
    assert {path: content for path, content in after.items() if path not in kept} == before
