"""A cohort is read once, and never from a cache that is not what was written."""

import json
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import AIR, CohortError, load_cohort
from imbalance_tf.cohort import examining
from imbalance_tf.cohort.cache import _digest, _digest_of

from ..conftest import save


@pytest.fixture
def reads(monkeypatch):
    """The cases that were really read from their files, in order."""
    names, read_case = [], examining.read_case

    def counted(case):
        names.append(case.case_id)
        return read_case(case)

    monkeypatch.setattr(examining, "read_case", counted)
    return names


def _same_brains(cached, whole):
    """The cached cohort holds every brain voxel of the other, at the same millimetre."""
    assert cached.case_ids == whole.case_ids
    for case in whole.case_ids:
        for name in ("images", "labels", "brain"):
            box, scan = (getattr(c, name)[c.slices_of(case)] for c in (cached, whole))
            channels = [...] if name != "images" else range(box.shape[-1])
            for channel in channels:
                part = box if channel is ... else box[..., channel].astype(np.float32) - AIR
                full = scan if channel is ... else scan[..., channel].astype(np.float32) - AIR
                assert np.array_equal(cached.to_scan(case, part), whole.to_scan(case, full))
        assert np.array_equal(cached.scan_affine(case), whole.scan_affine(case))


def test_the_second_load_reads_no_scan_and_gives_the_same(case_folder, tmp_path, reads):
    first = load_cohort(case_folder, cache=tmp_path / "cache")
    assert reads == ["case_0", "case_1", "case_2"]
    second = load_cohort(case_folder, cache=tmp_path / "cache")
    assert len(reads) == 3
    assert second.fingerprint == first.fingerprint
    assert second.scheme == first.scheme
    _same_brains(second, load_cohort(case_folder))


def test_it_is_mapped_and_holds_the_brain_only(case_folder, tmp_path):
    cohort = load_cohort(case_folder, cache=tmp_path / "cache")
    assert isinstance(cohort.images, np.memmap)
    assert cohort.images.dtype == np.float16
    assert cohort.images.shape == (3 * 8, 25, 30, 2)  # the brain of `write_case` is 30x25x8
    assert cohort.brain.any(axis=(1, 2)).all()
    assert not list((tmp_path / "cache").rglob("[0-9]* *.npy"))  # what was put away meanwhile


def test_cases_of_different_size_are_cut_and_put_back(tmp_path, write_case):
    write_case(tmp_path / "cases", "a")
    small = {
        suffix: nib.load(tmp_path / "cases" / "a" / f"a_{suffix}.nii.gz").get_fdata()[9:33, 2:28]
        for suffix in ("t1", "flair", "seg")
    }
    write_case(tmp_path / "cases", "b", **small)
    cached = load_cohort(tmp_path / "cases", cache=tmp_path / "cache")
    for case in ("a", "b"):
        seg = nib.load(tmp_path / "cases" / case / f"{case}_seg.nii.gz")
        labels = cached.to_scan(case, cached.labels[cached.slices_of(case)])
        assert np.array_equal(labels.transpose(2, 1, 0), seg.get_fdata())
        assert np.array_equal(cached.scan_affine(case), seg.affine)
        assert np.array_equal(cached.from_scan(case, labels), cached.labels[cached.slices_of(case)])


def changed_file(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    save(path, (nib.load(path).get_fdata() ** 2).astype(np.float32))


def added_case(folder):
    for path in list((folder / "case_1").iterdir()):
        scan = nib.load(path).get_fdata().astype(np.float32)
        save(folder / "case_9" / path.name, scan[::-1].copy())


def removed_case(folder):
    for path in (folder / "case_1").iterdir():
        path.unlink()


@pytest.mark.parametrize("change", [changed_file, added_case, removed_case])
def test_another_file_is_noticed(case_folder, tmp_path, change):
    load_cohort(case_folder, cache=tmp_path / "cache")
    change(case_folder)
    _same_brains(load_cohort(case_folder, cache=tmp_path / "cache"), load_cohort(case_folder))


def test_a_file_of_the_same_size_and_time_is_noticed(case_folder, tmp_path):
    path = case_folder / "case_1" / "case_1_seg.nii"
    gz = path.with_suffix(".nii.gz")
    labels = nib.load(gz).get_fdata().astype(np.uint8)
    gz.unlink()
    save(path, labels)
    before = load_cohort(case_folder, cache=tmp_path / "cache")
    status = path.stat()
    labels[labels == 3] = 2
    save(path, labels)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    after = load_cohort(case_folder, cache=tmp_path / "cache")
    assert after.fingerprint != before.fingerprint


def test_other_options_are_another_cohort(case_folder, tmp_path):
    cache = tmp_path / "cache"
    assert load_cohort(case_folder, cache=cache).modalities == ("t1", "flair")
    assert load_cohort(case_folder, cache=cache, modalities=["flair"]).modalities == ("flair",)
    assert len(load_cohort(case_folder, cache=cache, cases=1).case_ids) == 1
    assert load_cohort(case_folder, cache=cache).modalities == ("t1", "flair")


def _flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1000] ^= 255
    path.write_bytes(content)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-500])


def _pickle(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("array", ["images", "labels", "brain"])
@pytest.mark.parametrize("damage", [_flip_a_byte, _cut, _pickle, lambda path: path.unlink()])
def test_a_damaged_cache_is_built_again(case_folder, tmp_path, reads, array, damage):
    good = load_cohort(case_folder, cache=tmp_path / "cache").fingerprint
    (path,) = (tmp_path / "cache").rglob(f"{array}.npy")
    damage(path)
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == good
    assert len(reads) == 6


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": 1}'])
def test_damaged_contents_are_built_again(case_folder, tmp_path, reads, text):
    good = load_cohort(case_folder, cache=tmp_path / "cache").fingerprint
    (path,) = (tmp_path / "cache").rglob("cohort.json")
    path.write_text(text)
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == good
    assert len(reads) == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("case_ids", ["case_0", "case_1", "nobody"]),
        ("modalities", ["flair", "t1"]),
        ("slice_case", [0] * 24),
        ("digests", {}),
        ("scheme", ["brats2013", ["a", "b", "c", "d", "e"], [0, 1, 2, 3, 4], {"x": ["b"]}]),
    ],
)
def test_contents_that_were_changed_are_built_again(case_folder, tmp_path, reads, key, value):
    good = load_cohort(case_folder, cache=tmp_path / "cache").fingerprint
    (path,) = (tmp_path / "cache").rglob("cohort.json")
    kept = json.loads(path.read_text())
    kept["contents"][key] = value
    path.write_text(json.dumps(kept))
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == good
    assert len(reads) == 6


@pytest.mark.parametrize("what", ["file", "link"])
def test_something_else_in_its_place_is_replaced(case_folder, tmp_path, what):
    good = load_cohort(case_folder, cache=tmp_path / "cache").fingerprint
    (place,) = (tmp_path / "cache").glob("[!.]*")
    place.rename(tmp_path / "moved")
    if what == "file":
        place.write_text("not a folder")
    else:
        place.symlink_to(tmp_path / "nowhere")
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == good


def test_a_cache_that_cannot_be_written_says_so(case_folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"the cache .*file cannot be written .*cache=\.\.\. .*--out"):
        load_cohort(case_folder, cache=tmp_path / "file")


def test_a_pickle_that_vouches_for_itself_is_not_opened(case_folder, tmp_path, reads):
    """Even with a matching digest: an array file is never unpickled."""
    load_cohort(case_folder, cache=tmp_path / "cache")
    (contents,) = (tmp_path / "cache").rglob("cohort.json")
    path = contents.with_name("labels.npy")
    _pickle(path)
    kept = json.loads(contents.read_text())
    kept["contents"]["digests"]["labels"] = _digest(path)
    kept["digest"] = _digest_of(kept["contents"])
    contents.write_text(json.dumps(kept))
    load_cohort(case_folder, cache=tmp_path / "cache")
    assert len(reads) == 6


def test_a_folder_that_is_refused_leaves_no_cache(case_folder, tmp_path):
    (case_folder / "case_1" / "case_1_seg.nii.gz").write_bytes(b"no scan")
    with pytest.raises(CohortError):
        load_cohort(case_folder, cache=tmp_path / "out" / "cache")
    assert not (tmp_path / "out").exists()


def test_a_read_that_was_killed_leaves_nothing_that_is_trusted(case_folder, tmp_path):
    script = (
        "import os, sys\n"
        "from imbalance_tf.cohort import assembling, loading\n"
        "assembling.Gathering.cohort = lambda *_: os.kill(os.getpid(), 9)\n"
        "loading.load_cohort(sys.argv[1], cache=sys.argv[2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, case_folder, tmp_path / "cache"])
    assert killed.returncode == -9
    assert list((tmp_path / "cache").glob(".*.partial"))
    cohort = load_cohort(case_folder, cache=tmp_path / "cache")
    _same_brains(cohort, load_cohort(case_folder))
    assert not list((tmp_path / "cache").glob(".*.partial"))


def _loads_at_once(folder, cache, processes):
    """What each of several processes, started together, prints of the same load."""
    script = (
        "import sys\n"
        "from imbalance_tf import CohortError, load_cohort\n"
        "try:\n"
        "    print(load_cohort(sys.argv[1], cache=sys.argv[2]).fingerprint)\n"
        "except CohortError as error:\n"
        "    print(error.problems[0])\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, folder, cache], stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    return [process.communicate(timeout=120)[0] for process in started]


def test_several_processes_may_build_it_at_once(case_folder, tmp_path):
    found = _loads_at_once(case_folder, tmp_path / "cache", 3)
    assert found == [load_cohort(case_folder, cache=tmp_path / "cache").fingerprint + "\n"] * 3
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 1


def test_several_processes_may_be_refused_at_once(case_folder, tmp_path):
    (case_folder / "case_1" / "case_1_seg.nii.gz").write_bytes(b"no scan")
    found = _loads_at_once(case_folder, tmp_path / "out" / "cache", 4)
    assert all("case_1_seg.nii.gz: cannot be read" in problem for problem in found)
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]
