"""What another system lacks, or does otherwise, as far as it can be had on this one."""

import os
import re
import sys
from pathlib import Path

import pytest

import imbalance_tf
from imbalance_tf import finished_study, load_cohort, write_phantom_cohort
from imbalance_tf.cohort.disk import alone, refuse_unwritable
from imbalance_tf.lab import setup_check
from imbalance_tf.lab.handout import write_handout
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.training.study_table import write_study

PACKAGE = Path(imbalance_tf.__file__).parent


@pytest.fixture
def elsewhere(monkeypatch):
    """Neither Linux' calls nor its /proc, nor Unix' limits; lines end as in Windows."""
    for name in ("sched_getaffinity", "sched_setaffinity", "fork", "uname"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(os, "linesep", "\r\n")
    read, opened = Path.read_text, Path.open

    def without_proc(function):
        def reads(path, *arguments, **options):
            if path.parts[:2] == ("/", "proc"):
                raise FileNotFoundError(path)
            return function(path, *arguments, **options)

        return reads

    monkeypatch.setattr(Path, "read_text", without_proc(read))
    monkeypatch.setattr(Path, "open", without_proc(opened))


def test_a_cohort_is_read_and_kept(elsewhere, case_folder, tmp_path):
    again = [load_cohort(case_folder, cache=tmp_path / "cache") for _ in range(2)]
    assert again[0].fingerprint == again[1].fingerprint


def test_the_machine_is_described(elsewhere):
    assert fastest_precision() == "float32"
    assert setup_check._processors() == os.cpu_count()


def test_a_study_is_written_with_the_same_bytes_everywhere(elsewhere, tmp_path):
    table = finished_study("real_patients", tmp_path).table
    table = table.assign(precision="float32", processor="one")
    write_study(table, tmp_path / "study.csv", command="x")
    assert b"\r" not in (tmp_path / "study.csv").read_bytes()


def test_every_table_is_written_with_one_kind_of_line_end():
    """pandas writes those of the system unless it is told."""
    for path in PACKAGE.rglob("*.py"):
        for call in re.findall(r"\.to_csv\([^\n]*", path.read_text(encoding="utf-8")):
            assert "lineterminator=" in call, f"{path.name}: {call}"


def test_an_open_lock_that_cannot_be_removed_is_left(tmp_path, monkeypatch):
    """Windows removes no file that is open."""

    def refused(path, missing_ok=False):
        raise PermissionError(13, "the process cannot access the file", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    with alone(tmp_path / ".lock"):
        pass
    with alone(tmp_path / ".lock"):
        pass


def test_no_two_files_of_the_project_are_one_where_capitals_are_alike():
    names = [path.as_posix() for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    assert len({name.casefold() for name in names}) == len(names)
    assert not [name for name in names if re.search(r'[<>:"|?*\\]', name)]


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path, monkeypatch):
    refuse_unwritable(tmp_path / "new" / "deeper", "choose another")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"deeper cannot be written; choose another"):
        refuse_unwritable(tmp_path / "new" / "deeper", "choose another")
    with pytest.raises(PermissionError, match=r"new cannot be written; .* for the cohort"):
        write_phantom_cohort(tmp_path / "new", cases=1)
    with pytest.raises(PermissionError, match=r"cannot be written; .* for the hand-out"):
        write_handout(tmp_path / "new", tmp_path)
