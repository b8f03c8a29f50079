"""Files that a process is killed over, and folders that are removed: nobody's work may go."""

import errno
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from imbalance_tf import load_cohort
from imbalance_tf.cohort.disk import remove_own, whole_folder, write_whole
from imbalance_tf.reading import store

WRITER = """
import sys
from pathlib import Path
from imbalance_tf.cohort.disk import write_whole
print("go", flush=True)
while True:
    for letter in "ab":
        write_whole(Path(sys.argv[1]), letter * 3_000_000)
"""


def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path):
    path = tmp_path / "table.csv"
    moments = random.Random(0)
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "go\n"
        time.sleep(moments.uniform(0.01, 0.1))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        if path.exists():
            content = path.read_text()
            assert content == content[0] * 3_000_000
    assert path.exists()


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "lab.json"
    write_whole(path, "before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"after")
    assert path.read_text() == "before"
    monkeypatch.undo()
    write_whole(path, "after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def _words(folder, what):
    return rf"the disk of {re.escape(str(folder))} is full .* {what} MB. Make room and start again"


def test_a_full_disk_is_named_with_what_is_needed(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_whole(path, "before")
    monkeypatch.setattr(type(path), "write_bytes", _full)
    with pytest.raises(OSError, match=_words(tmp_path, "table.csv takes 3.0")):
        write_whole(path, "a" * 3_000_000)
    assert path.read_text() == "before"
    monkeypatch.undo()
    write_whole(path, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_whatever_else_stops_a_write_is_named_with_the_file(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")  # as write(2), which knows no name

    monkeypatch.setattr(type(tmp_path), "write_bytes", fails)
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "table.csv"))):
        write_whole(tmp_path / "table.csv", "a")


def test_on_a_full_disk_the_cases_that_are_read_stay(case_folder, tmp_path, monkeypatch):
    cache, write, written = tmp_path / "cache", store._written, []

    def write_two(*arguments):
        written.append(arguments)
        return write(*arguments) if len(written) < 3 else _full()

    monkeypatch.setattr(store, "_written", write_two)
    with pytest.raises(OSError, match=_words(cache, "case case_. takes 0.0")):
        load_cohort(case_folder, cache=cache)
    assert len(list(cache.iterdir())) == 2
    monkeypatch.undo()
    assert len(load_cohort(case_folder, cache=cache)) == 3
    assert len(list(cache.iterdir())) == 3


def _write_folder(place, content, interrupted=False):
    with whole_folder(place, ("*.npy",)) as partial:
        (partial / "images.npy").write_text(content)
        assert partial.name.startswith(".")
        if interrupted:
            raise KeyboardInterrupt


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path):
    place = tmp_path / "abc"
    with pytest.raises(KeyboardInterrupt):
        _write_folder(place, "half", interrupted=True)
    assert not list(tmp_path.iterdir())
    for content in ("first", "second"):
        _write_folder(place, content)
        assert (place / "images.npy").read_text() == content
    with pytest.raises(KeyboardInterrupt):
        _write_folder(place, "half", interrupted=True)
    assert (place / "images.npy").read_text() == "second"
    assert list(tmp_path.iterdir()) == [place]


def test_what_a_killed_process_left_of_a_folder_is_removed(tmp_path):
    (tmp_path / ".abc.partial").mkdir()
    (tmp_path / ".abc.partial" / "half.npy").write_text("half")
    with whole_folder(tmp_path / "abc", ("*.npy",)) as partial:
        (partial / "images.npy").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["abc", "images.npy"]


def test_a_folder_is_removed_if_it_holds_nothing_but_our_own_files(tmp_path):
    place = tmp_path / "abc"
    remove_own(place, ("*.npy",))
    place.mkdir()
    (place / "images.npy").write_text("ours")
    remove_own(place, ("*.npy",))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["file among ours", "folder among ours", "file", "link"])
def test_what_a_person_put_there_is_moved_aside(tmp_path, what):
    for number in (1, 2):
        place = tmp_path / "abc"
        if what == "file":
            place.write_text("mine")
        elif what == "link":
            (tmp_path / "elsewhere").mkdir(exist_ok=True)
            (tmp_path / "elsewhere" / "thesis.txt").write_text("mine")
            place.symlink_to(tmp_path / "elsewhere")
        else:
            inside = place / "kept" if what.startswith("folder") else place
            inside.mkdir(parents=True)
            (place / "images.npy").write_text("ours")
            (inside / "thesis.txt").write_text("mine")
        remove_own(place, ("*.npy",))
        assert not place.exists()
        aside = tmp_path / f"abc.aside-{number}"
        kept = aside if aside.is_file() else next(aside.rglob("thesis.txt"))
        assert kept.read_text() == "mine"


COUNTER = """
import sys, time
from pathlib import Path
from imbalance_tf.cohort.disk import alone
path = Path(sys.argv[1]) / "count"
for _ in range(5):
    with alone(path.with_name(".lock")):
        count = int(path.read_text()) if path.exists() else 0
        time.sleep(0.02)
        path.write_text(str(count + 1))
"""


def test_one_process_at_a_time_and_no_lock_is_left(tmp_path):
    command = [sys.executable, "-c", COUNTER, str(tmp_path)]
    counters = [subprocess.Popen(command) for _ in range(4)]
    assert [counter.wait(timeout=60) for counter in counters] == [0] * 4
    assert (tmp_path / "count").read_text() == "20"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_a_cache_entry_that_holds_a_persons_file_is_not_deleted(case_folder, tmp_path):
    load_cohort(case_folder, cache=tmp_path / "cache")
    place = sorted((tmp_path / "cache").iterdir())[0]
    (place / "notes.txt").write_text("mine")
    (place / "arrays.bin").write_bytes(b"damaged")
    load_cohort(case_folder, cache=tmp_path / "cache")
    assert (tmp_path / "cache" / f"{place.name}.aside-1" / "notes.txt").read_text() == "mine"
