"""A cohort is read once, and never from a cache that is not what was written."""

import contextlib
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from mmap import mmap

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import CohortError, LabelScheme, load_cohort
from imbalance_tf.reading import examining, loading, store

from ..conftest import SHAPE, save


@pytest.fixture
def reads(monkeypatch):
    """The cases that were really read from their files, in order."""
    names, read_case = [], examining.read_case

    def counted(case):
        names.append(case.case_id)
        return read_case(case)

    monkeypatch.setattr(examining, "read_case", counted)
    return names


def _same(cached, read):
    """The cached cohort is the one that was read, to the last bit."""
    assert cached.case_ids == read.case_ids
    assert cached.scheme == read.scheme
    assert cached.fingerprint == read.fingerprint
    for one, other in zip(cached, read, strict=True):
        for name in ("images", "labels", "brain", "affine"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
        assert (one.origin, one.scan_shape) == (other.origin, other.scan_shape)
        for each in fields(one.runs):
            assert np.array_equal(getattr(one.runs, each.name), getattr(other.runs, each.name))


def _entries(cache):
    return sorted(path for path in cache.iterdir() if not path.name.startswith("."))


def test_the_second_load_reads_no_scan_and_gives_the_same(case_folder, tmp_path, reads):
    first = load_cohort(case_folder, cache=tmp_path / "cache")
    assert sorted(reads) == ["case_0", "case_1", "case_2"]
    second = load_cohort(case_folder, cache=tmp_path / "cache")
    assert len(reads) == 3
    _same(second, first)
    _same(second, load_cohort(case_folder))


def test_a_folder_is_the_same_however_it_is_named(case_folder, tmp_path, reads, monkeypatch):
    load_cohort(case_folder, cache=tmp_path / "cache")
    monkeypatch.chdir(case_folder)
    for name in (".", "../cases", case_folder / ".." / "cases"):
        load_cohort(name, cache="../cache")
    assert len(reads) == len(_entries(tmp_path / "cache")) == 3


def test_it_is_mapped_and_not_in_memory(case_folder, tmp_path):
    for case in load_cohort(case_folder, cache=tmp_path / "cache"):
        for array in (case.images, case.labels, case.brain):
            assert not array.flags.writeable
            while isinstance(array.base, np.ndarray):
                array = array.base
            assert isinstance(array.base.obj if hasattr(array.base, "obj") else array.base, mmap)
    assert [path.name.rsplit("-", 1)[0] for path in _entries(tmp_path / "cache")] == [
        "case_0",
        "case_1",
        "case_2",
    ]
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize("values", [(0, 1, 2, 4), (0, 2, 1, 3)])
def test_values_that_are_no_class_numbers_are_mapped_too(tmp_path, write_case, reads, values):
    write_case(tmp_path / "cases", "a", values=values)
    scheme = LabelScheme("own", ("healthy", "x", "y", "z"), values, {"all": ("x", "y", "z")})
    cache = tmp_path / "cache"
    for _ in range(2):
        cohort = load_cohort(tmp_path / "cases", scheme=scheme, cache=cache)
        _same(cohort, load_cohort(tmp_path / "cases", scheme=scheme))
        file = nib.load(tmp_path / "cases" / "a" / "a_seg.nii.gz").get_fdata().T
        assert np.array_equal(scheme.to_file_values(cohort[0].to_scan(cohort[0].labels)), file)
        assert not cohort[0].labels.flags.writeable
        assert np.array_equal(
            cohort.class_counts()[0, 1:], [(file == value).sum() for value in values[1:]]
        )
    cohort = load_cohort(tmp_path / "cases", scheme=scheme)
    for damage in (_flip_a_byte, _cut, lambda path: path.unlink()):
        (labels,) = cache.rglob("labels-*.bin")
        damage(labels)
        _same(load_cohort(tmp_path / "cases", scheme=scheme, cache=cache), cohort)
    other = replace(scheme, values=(0, values[2], values[1], values[3]))
    turned = load_cohort(tmp_path / "cases", scheme=other, cache=cache)
    assert np.array_equal(turned[0].labels == 1, cohort[0].labels == 2)
    assert reads.count("a") == 1 + 3  # once into the cache, thrice without


def test_a_share_that_cannot_be_written_is_read(case_folder, tmp_path, reads, monkeypatch):
    """As a teacher's: nothing is written if nothing is missing."""
    cohort = load_cohort(case_folder, cache=tmp_path / "cache")

    def refused(*_, **__):
        raise PermissionError("read-only")

    for name in ("mkdir", "write_bytes", "write_text", "rename", "unlink", "touch"):
        monkeypatch.setattr(type(tmp_path), name, refused)
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), cohort)
    assert len(reads) == 3


def test_a_copy_of_the_cache_is_checked_once_and_used(case_folder, tmp_path, reads):
    """Its times are others, so that its content is held against the digest; then they are noted."""
    first = load_cohort(case_folder, cache=tmp_path / "cache")
    for path in _entries(tmp_path / "cache"):
        for file in path.iterdir():
            os.utime(file, ns=(1, 1))
    digested = []

    def counted(path):
        digested.append(path)
        return digest(path)

    digest, store._digest = store._digest, counted
    try:
        for _ in range(2):
            _same(load_cohort(case_folder, cache=tmp_path / "cache"), first)
    finally:
        store._digest = digest
    assert len(digested) == 3
    assert len(reads) == 3


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


@pytest.mark.parametrize(
    ("change", "read_again"),
    [(changed_file, ["case_1"]), (added_case, ["case_9"]), (removed_case, [])],
)
def test_only_what_changed_is_read_again(case_folder, tmp_path, reads, change, read_again):
    load_cohort(case_folder, cache=tmp_path / "cache")
    change(case_folder)
    reads.clear()
    cached = load_cohort(case_folder, cache=tmp_path / "cache")
    assert reads == read_again
    _same(cached, load_cohort(case_folder))


def test_two_cohorts_share_what_they_share(case_folder, tmp_path, reads, write_case):
    load_cohort(case_folder, cache=tmp_path / "cache")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "case_0").symlink_to(case_folder / "case_0")
    write_case(tmp_path / "other", "new", seed=7)
    reads.clear()
    load_cohort(case_folder, cases=2, cache=tmp_path / "cache")
    assert reads == []
    assert load_cohort(tmp_path / "other", cache=tmp_path / "cache").case_ids == ("case_0", "new")
    assert "new" in reads


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
    assert len(load_cohort(case_folder, cache=cache, cases=1)) == 1
    assert load_cohort(case_folder, cache=cache).modalities == ("t1", "flair")


def _flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def _pickle(path):
    path.write_bytes(pickle.dumps([{"a": 1}]))


@pytest.mark.parametrize("file", ["arrays.bin", "arrays.json", "case.json"])
@pytest.mark.parametrize(
    "damage", [_flip_a_byte, _cut, _pickle, lambda path: path.unlink(), lambda p: p.write_text("")]
)
def test_a_damaged_entry_is_read_again(case_folder, tmp_path, reads, file, damage):
    good = load_cohort(case_folder)  # not mapped from the file that is damaged
    load_cohort(case_folder, cache=tmp_path / "cache")
    entries = _entries(tmp_path / "cache")
    damage(entries[1] / file)
    reads.clear()
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), good)
    assert reads == ["case_1"]
    assert _entries(tmp_path / "cache") == entries  # nothing of it is moved aside
    reads.clear()
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), good)
    assert reads == []


def test_the_entry_of_another_case_is_not_taken_for_this_one(case_folder, tmp_path, reads):
    good = load_cohort(case_folder)  # not mapped from the file that is damaged
    load_cohort(case_folder, cache=tmp_path / "cache")
    reads.clear()
    _, one, other = _entries(tmp_path / "cache")
    for name in ("case.json", "arrays.bin", "arrays.json"):
        shutil.copy2(one / name, other / name)
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), good)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": 1}', '{"digest": 1, "contents": 2}'])
def test_damaged_contents_are_read_again(case_folder, tmp_path, reads, text):
    good = load_cohort(case_folder)  # not mapped from the file that is damaged
    load_cohort(case_folder, cache=tmp_path / "cache")
    reads.clear()
    (_entries(tmp_path / "cache")[0] / "case.json").write_text(text)
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), good)
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("origin", [0, 0, 0]),
        ("synthetic", True),
        ("digest", "other"),
        ("scan_shape", [1, 2, 3]),
        ("runs", {"classes": [0], "voxels": [1], "bounds": [0, 1]}),
    ],
)
def test_contents_that_were_changed_are_read_again(case_folder, tmp_path, reads, key, value):
    good = load_cohort(case_folder)  # not mapped from the file that is damaged
    load_cohort(case_folder, cache=tmp_path / "cache")
    reads.clear()
    path = _entries(tmp_path / "cache")[0] / "case.json"
    kept = json.loads(path.read_text())
    kept["contents"][key] = value
    path.write_text(json.dumps(kept))
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), good)
    assert len(reads) == 1


def test_a_cache_of_the_first_version_is_left_alone(case_folder, tmp_path):
    """One padded array of all cases, in a folder named by what was asked for."""
    old = tmp_path / "cache" / "b7133114bc56"
    old.mkdir(parents=True)
    np.save(old / "images.npy", np.zeros((3, 4, 5, 2), np.float16))
    (old / "cohort.json").write_text("{}")
    _same(load_cohort(case_folder, cache=tmp_path / "cache"), load_cohort(case_folder))
    assert sorted(path.name for path in old.iterdir()) == ["cohort.json", "images.npy"]


@pytest.mark.parametrize("what", ["file", "link"])
def test_something_else_in_its_place_is_replaced(case_folder, tmp_path, what):
    good = load_cohort(case_folder, cache=tmp_path / "cache").fingerprint
    place = _entries(tmp_path / "cache")[1]
    place.rename(tmp_path / "moved")
    if what == "file":
        place.write_text("not a folder")
    else:
        place.symlink_to(tmp_path / "nowhere")
    assert load_cohort(case_folder, cache=tmp_path / "cache").fingerprint == good
    assert place.is_dir()
    aside = place.with_name(f"{place.name}.aside-1")
    assert aside.is_symlink() if what == "link" else aside.read_text() == "not a folder"


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes():
    resource = pytest.importorskip("resource")
    before = _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        enough = len(os.listdir("/dev/fd")) + 600
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
        store.allow_open_files(40)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough, hard)
        store.allow_open_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough + 112, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_is_open_already_counts_too():
    """A notebook cell that is run again opens a second cohort beside the first."""
    resource = pytest.importorskip("resource")
    before = _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 50, hard))
        store.allow_open_files(40)
        free = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - len(os.listdir("/dev/fd"))
        with contextlib.ExitStack() as opened:
            for _ in range(100):
                opened.enter_context(open(os.devnull))
            store.allow_open_files(40)
            more = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - len(os.listdir("/dev/fd"))
        assert more == free > 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_many_open_files_are_no_missing_entry(case_folder, tmp_path, reads, monkeypatch):
    load_cohort(case_folder, cache=tmp_path / "cache")
    reads.clear()

    def refused(*arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(store, "_mapped", refused)
    with pytest.raises(OSError, match=r"case case_0: .* no more open files.*ulimit -n"):
        load_cohort(case_folder, cache=tmp_path / "cache")
    assert not reads


def test_a_scan_that_is_replaced_while_it_is_read_is_read_again(
    case_folder, tmp_path, reads, monkeypatch
):
    path = case_folder / "case_1" / "case_1_t1.nii.gz"
    older = path.read_bytes()
    other = (case_folder / "case_2" / "case_2_t1.nii.gz").read_bytes()
    kept = examining.read_case

    def read_and_replace(case):
        arrays = kept(case)
        if case.case_id == "case_1":
            path.write_bytes(other)
        return arrays

    with monkeypatch.context() as patch:
        patch.setattr(examining, "read_case", read_and_replace)
        before = load_cohort(case_folder, cache=tmp_path / "cache")["case_1"]
    reads.clear()
    path.write_bytes(older)
    assert load_cohort(case_folder, cache=tmp_path / "cache")["case_1"].digest == before.digest
    assert reads == ["case_1"]


def test_an_entry_of_the_files_as_they_were_is_removed(case_folder, tmp_path):
    load_cohort(case_folder, cache=tmp_path / "cache")
    os.utime(case_folder / "case_1" / "case_1_t1.nii.gz", (1, 1))
    load_cohort(case_folder, cache=tmp_path / "cache")
    load_cohort(case_folder, cache=tmp_path / "cache", modalities=["t1"])
    names = [path.name.rsplit("-", 1)[0] for path in _entries(tmp_path / "cache")]
    assert names == ["case_0"] * 2 + ["case_1"] * 2 + ["case_2"] * 2  # one for each of the options


def test_several_processes_may_write_the_labels_at_once(tmp_path, write_case):
    """The values of BraTS 2017 are no class numbers, so there is a file of those, too."""
    for number in range(12):
        write_case(tmp_path / "cases", f"case_{number}", seed=number, values=(0, 1, 2, 4))
    printed = _loads_at_once(tmp_path / "cases", tmp_path / "cache", 3)
    assert len({lines.splitlines()[-1] for lines in printed}) == 1
    labels = [path.name for path in (tmp_path / "cache").rglob("labels-*")]
    assert {name[:14] for name in labels} == {"labels-0-1-2-4"}
    assert sorted(name[31:] for name in labels) == [".bin"] * 12 + [".json"] * 12


def test_labels_of_a_scan_that_was_replaced_are_not_kept_with_the_new_one(
    tmp_path, write_case, monkeypatch
):
    """Another process may put the entry of the new scan while this one has read the older."""
    folder, cache = tmp_path / "cases", tmp_path / "cache"
    path = write_case(folder, "a", values=(0, 1, 2, 4)) / "a_seg.nii.gz"
    examine = loading.examine

    def examine_and_correct(*arguments):
        examined = examine(*arguments)
        monkeypatch.undo()
        labels = np.asarray(nib.load(path).dataobj)
        save(path, np.where(labels == 1, 4, labels).astype(np.uint8))
        with monkeypatch.context() as patch:  # it puts the entry, and is killed before its labels
            patch.setattr(store.Store, "case", None)
            with pytest.raises(TypeError):
                load_cohort(folder, scheme="brats2017", cache=cache)
        return examined

    monkeypatch.setattr(loading, "examine", examine_and_correct)
    load_cohort(folder, scheme="brats2017", cache=cache)
    again = load_cohort(folder, scheme="brats2017", cache=cache)
    _same(again, load_cohort(folder, scheme="brats2017"))


def test_another_order_of_the_channels_is_another_entry(tmp_path):
    """The files and what they are for are the same: dataset.json alone was corrected."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:20, 10:20, 4:8] = 1
    stack = np.zeros((*SHAPE, 2), np.float32)
    brain = stack[5:35, 5:30, 2:10]
    brain[:] = np.random.default_rng(0).normal(300, 40, brain.shape)
    save(tmp_path / "cases" / "imagesTr" / "a.nii.gz", stack)
    save(tmp_path / "cases" / "labelsTr" / "a.nii.gz", labels)
    scheme = LabelScheme("own", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)})
    for order in (("T1w", "FLAIR"), ("FLAIR", "T1w")):
        said = {"modality": dict(enumerate(order))}
        (tmp_path / "cases" / "dataset.json").write_text(json.dumps(said))
        cached = load_cohort(tmp_path / "cases", scheme=scheme, cache=tmp_path / "cache")
        _same(cached, load_cohort(tmp_path / "cases", scheme=scheme))


def test_entries_of_another_version_are_read_again(case_folder, tmp_path, reads, monkeypatch):
    load_cohort(case_folder, cache=tmp_path / "cache")
    reads.clear()
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    load_cohort(case_folder, cache=tmp_path / "cache")
    assert sorted(reads) == ["case_0", "case_1", "case_2"]


def test_without_a_cache_a_case_holds_its_brain_alone(case_folder):
    for case in load_cohort(case_folder):
        for array in (case.images, case.labels, case.brain):
            base = array if array.base is None else array.base
            assert base.nbytes == array.nbytes


def test_a_cache_that_cannot_be_written_says_so(case_folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"the cache .*file cannot be written .*cache=\.\.\. .*--out"):
        load_cohort(case_folder, cache=tmp_path / "file")


def test_what_was_read_stays_though_the_folder_is_refused(case_folder, tmp_path, reads):
    """With a thousand cases, one bad file must not cost the hour that the others took."""
    path = case_folder / "case_1" / "case_1_seg.nii.gz"
    kept = path.read_bytes()
    path.write_bytes(b"no scan")
    with pytest.raises(CohortError):
        load_cohort(case_folder, cache=tmp_path / "out" / "cache")
    path.write_bytes(kept)
    reads.clear()
    load_cohort(case_folder, cache=tmp_path / "out" / "cache")
    assert reads == ["case_1"]


def test_a_folder_that_is_refused_before_it_is_read_leaves_no_cache(case_folder, tmp_path):
    (case_folder / "case_1" / "case_1_seg.nii.gz").unlink()
    for path in case_folder.rglob("*_t1.nii.gz"):
        path.unlink()
    for path in case_folder.rglob("*_flair.nii.gz"):
        path.unlink()
    with pytest.raises(CohortError):
        load_cohort(case_folder, cache=tmp_path / "out" / "cache")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("moment", ["store._written", "store._seal", "Path.rename"])
def test_a_read_that_was_killed_goes_on_with_what_was_read(case_folder, tmp_path, reads, moment):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imbalance_tf.reading import loading, store\n"
        f"kept, calls = {moment}, []\n"
        "def killed(*arguments):\n"
        "    calls.append(arguments)\n"
        "    if len(calls) == 3: os.kill(os.getpid(), 9)\n"
        "    return kept(*arguments)\n"
        f"{moment} = killed\n"
        "loading.load_cohort(sys.argv[1], cache=sys.argv[2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, case_folder, tmp_path / "cache"])
    assert killed.returncode == -9
    assert list((tmp_path / "cache").glob(".*.partial"))
    there = len(_entries(tmp_path / "cache"))
    cohort = load_cohort(case_folder, cache=tmp_path / "cache")
    assert len(reads) == 3 - there
    _same(cohort, load_cohort(case_folder))
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
    printed = _loads_at_once(case_folder, tmp_path / "cache", 3)
    found = [lines.splitlines()[-1] for lines in printed]  # before it, who waits may say so
    assert found == [load_cohort(case_folder, cache=tmp_path / "cache").fingerprint] * 3
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_several_processes_may_be_refused_at_once(case_folder, tmp_path):
    (case_folder / "case_1" / "case_1_seg.nii.gz").write_bytes(b"no scan")
    found = _loads_at_once(case_folder, tmp_path / "out" / "cache", 4)
    assert all("case_1_seg.nii.gz: cannot be read" in problem for problem in found)
    assert len(list((tmp_path / "out" / "cache").iterdir())) == 2  # those that could be read
