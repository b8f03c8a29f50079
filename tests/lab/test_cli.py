"""The command line as a person meets it: words, exit codes, what is left on disk."""

import re
import shutil
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from filelock import FileLock

from imbalance_tf import CohortError, open_lab
from imbalance_tf.lab.cli import main
from imbalance_tf.lab.notebooks import notebook_paths

from ..conftest import SHAPE, save


def _invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def no_such_folder(folder):
    return folder / "nowhere"


def no_cases(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def no_segmentation(folder):
    (folder / "case_1" / "case_1_seg.nii.gz").unlink()


def other_shape(folder):
    save(folder / "case_1" / "case_1_t1.nii.gz", np.ones((9, 9, 9), np.float32))


def foreign_label(folder):
    labels = np.zeros(SHAPE, np.uint8)
    labels[20, 20, 5] = 6
    save(folder / "case_1" / "case_1_seg.nii.gz", labels)


def truncated(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    path.write_bytes(path.read_bytes()[:3000])


def nan_voxels(folder):
    path = folder / "case_1" / "case_1_t1.nii.gz"
    scan = nib.load(path).get_fdata().astype(np.float32)
    scan[20, 20, 5] = np.nan
    save(path, scan)


def one_case(folder):
    for name in ("case_1", "case_2"):
        for path in (folder / name).iterdir():
            path.unlink()


def a_class_in_the_test_case_only(folder):
    """Whichever case is the test case (seed 0), only that one keeps its enhancing tumour."""
    from imbalance_tf import load_cohort

    _, test = load_cohort(folder).split(test_cases=1, seed=0)
    for path in folder.rglob("*_seg.nii.gz"):
        if path.parent.name not in test.case_ids:
            labels = np.asarray(nib.load(path).dataobj).copy()
            labels[labels == 4] = 0
            save(path, labels)


REFUSED = [
    (no_such_folder, "there is no folder"),
    (no_cases, "no case found; the file names looked for"),
    (no_segmentation, "case_1: no segmentation"),
    (other_shape, "(9, 9, 9) voxels, but case_1_seg.nii.gz has (40, 36, 12)"),
    (foreign_label, "case_1_seg.nii.gz: label value 6"),
    (truncated, "case_1_t1.nii.gz: cannot be read as NIfTI"),
    (nan_voxels, "case_1_t1.nii.gz: 1 voxels are NaN or infinite"),
    (one_case, "one case only; at least two are needed"),
    (a_class_in_the_test_case_only, "class 'enhancing' is in none of the 2 training cases"),
]


@pytest.mark.parametrize(("spoil", "words"), REFUSED, ids=[kind[0].__name__ for kind in REFUSED])
def test_bad_data_ends_in_one_message_and_leaves_no_results(case_folder, tmp_path, spoil, words):
    """Only what was read of the good cases is kept: reading a thousand takes an hour."""
    data = spoil(case_folder) or case_folder
    before = _contents(tmp_path)
    result = _invoke("run", "--profile", "smoke", "--data", data, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert _contents(tmp_path).items() >= before.items()
    assert {path.name for path in (tmp_path / "out").glob("*")} <= {"cache"}


def test_a_pattern_that_matches_two_files_is_refused(case_folder, tmp_path):
    result = _invoke("run", "--data", case_folder, "--out", tmp_path / "out",
                     "--file", "flair=*.nii.gz", "--file", "labels=*_seg.nii.gz")  # fmt: skip
    assert result.exit_code == 1
    assert "3 files for 'flair'" in result.stderr
    assert "looked for '*.nii.gz'); keep one of them, or give a narrower pattern" in result.stderr


def test_an_output_folder_that_cannot_be_written_is_refused(case_folder, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    result = _invoke("run", "--data", case_folder, "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "file is a file; choose another" in result.stderr
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.bad_input
@pytest.mark.parametrize("place", ["file", "file/deeper", "link", "link/deeper"])
@pytest.mark.parametrize("command", ["run", "study paper", "notebooks"])
def test_what_can_be_no_folder_is_named_with_the_way_out(tmp_path, place, command):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file" / "nowhere")
    option = [] if command == "notebooks" else ["--profile", "smoke", "--out"]
    result = CliRunner().invoke(main, [*command.split(), *option, str(tmp_path / place)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert "can be no folder: " in result.stderr
    assert re.search(r"; (choose|give|name) another", result.stderr), result.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "command", ["notebooks", "phantom", "check", "handout", "study", "run --data", "run --out"]
)
def test_the_name_of_a_folder_may_not_be_empty(tmp_path, monkeypatch, command):
    """As of a variable that is not set: --data would be the embedded cohort, without a word."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*command.split(), ""])
    assert result.exit_code == 2
    assert "it is empty; name one" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a folder cannot be deleted")
@pytest.mark.parametrize("command", ["run", "study paper", "notebooks x", "setup-check"])
def test_in_a_folder_that_was_deleted_one_is_told_to_leave(tmp_path, monkeypatch, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 1
    assert "was deleted; go to another (cd)" in result.stderr


def test_the_results_of_other_settings_are_not_overwritten(case_folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "lab.json").write_text('{"profile": "lab", "seed": 0}')
    before = _contents(tmp_path)
    result = _invoke(
        "run", "--data", case_folder, "--out", tmp_path / "out", "--seed", 5, "--profile", "smoke"
    )
    assert result.exit_code == 1
    assert "holds the results of a run with profile='lab'" in result.stderr
    assert "seed=5" in result.stderr
    assert "Choose another folder with --out" in result.stderr
    assert _contents(tmp_path) == before


def test_a_persons_own_files_are_not_overwritten(case_folder, tmp_path):
    assert _invoke("notebooks", tmp_path / "mine" / "notebooks").exit_code == 0
    before = _contents(tmp_path)
    result = _invoke("run", "--data", case_folder, "--out", tmp_path / "mine")
    assert result.exit_code == 1
    assert "has notebooks, not made by imbalance-tf run; choose another folder" in result.stderr
    assert _contents(tmp_path) == before


def test_two_runs_do_not_share_a_folder(case_folder, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lab.lock"):
        result = _invoke("run", "--data", case_folder, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "another imbalance-tf run is writing into" in result.stderr
    assert not (tmp_path / "out" / "lab.json").exists()


def test_a_damaged_settings_file_is_named_and_the_way_out_works(case_folder, tmp_path):
    """Even beside results, which without their settings would be refused as a person's own."""
    out = tmp_path / "out"
    (out / "notebooks").mkdir(parents=True)
    (out / "lab.json").write_text("{")
    command = ("run", "--profile", "smoke", "--data", case_folder / "case_0", "--out", out)
    result = _invoke(*command)
    assert result.exit_code == 1
    advice = re.search(r"lab.json is damaged .* let it hold (\{.*\}); else choose", result.stderr)
    (out / "lab.json").write_text(advice[1])
    result = _invoke(*command)
    assert "one case only" in result.stderr  # it went on to the cohort


def test_the_settings_are_there_whole_or_as_they_were(case_folder, tmp_path, monkeypatch):
    from imbalance_tf.lab import runner

    monkeypatch.setattr(runner, "_execute_all", lambda *_: None)
    monkeypatch.setattr(runner, "_compare", lambda *_: None)
    command = ("run", "--profile", "smoke", "--data", case_folder, "--out", tmp_path / "out")
    assert _invoke(*command).exit_code == 0
    before = (tmp_path / "out" / "lab.json").read_text()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tmp_path), "replace", killed)
    assert _invoke(*command).exit_code == 130
    assert (tmp_path / "out" / "lab.json").read_text() == before


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", ["a folder", "[" * 100_000, "[]"])
def test_settings_that_cannot_be_read_are_named(case_folder, tmp_path, damage):
    settings = tmp_path / "out" / "lab.json"
    settings.parent.mkdir()
    settings.mkdir() if damage == "a folder" else settings.write_text(damage)
    result = _invoke("run", "--profile", "smoke", "--data", case_folder, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert re.search(r"lab.json is damaged .* let it hold", result.stderr)


@pytest.mark.parametrize(
    ("arguments", "called", "expected"),
    [
        ("run 1 --test-cases 2", "runner.run_lab", "'test_cases': 2"),
        ("run 1 --data x --on-error skip", "runner.run_lab", "'on_error': 'skip'"),
        ("run 1 --data x --cases 3", "runner.run_lab", "'cases': 3"),
        ("study paper --seeds 3", "study.carry_out", "seeds=3"),
        ("study paper --folds 4", "study.carry_out", "folds=4"),
        ("study paper --batches 7 --batches 9", "study.carry_out", "lengths=(7, 9)"),
        ("study paper --scheduler tcp://head:1", "study.carry_out", "'tcp://head:1'"),
        ("study paper --on-error skip", "study.carry_out", "'on_error': 'skip'"),
    ],
)
def test_options_arrive(monkeypatch, arguments, called, expected):
    taken = []
    monkeypatch.setattr(f"imbalance_tf.lab.{called}", lambda *a, **k: taken.append(repr((a, k))))
    done = _invoke(*arguments.split())
    assert done.exit_code == 0, done.output
    assert expected in taken[0]
    without = arguments.split(" --")[0]
    assert _invoke(*without.split()).exit_code == 0
    assert expected not in taken[1], "not by itself"


def test_the_disease_of_the_embedded_cohort_arrives(monkeypatch, tmp_path):
    taken = []
    name = "imbalance_tf.phantom.write_phantom_cohort"
    monkeypatch.setattr(name, lambda *_, **settings: taken.append(settings))
    assert _invoke("phantom", tmp_path, "--disease", "lesions", "--cases", 3).exit_code == 0
    assert taken == [{"cases": 3, "seed": 0, "slice_thickness": 1, "disease": "lesions"}]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_whoever_stops_it_is_told_that_it_goes_on(name):
    """A person, a scheduler, or a terminal that is closed; the exit code is that of the signal."""
    handler = "default_int_handler" if name == "SIGINT" else "SIG_DFL"
    code = (
        "import os, signal; from imbalance_tf.lab import cli, notebooks\n"
        # Whatever the tests were started with: nohup ignores one of them.
        f"signal.signal(signal.{name}, signal.{handler})\n"
        f"notebooks.chosen_notebooks = lambda *_, **__: os.kill(os.getpid(), signal.{name})\n"
        "cli.main(['run'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + getattr(signal, name)
    assert done.stderr == "\nStopped. The same command goes on from here.\n"


@pytest.mark.slow
def test_a_damaged_case_of_the_embedded_cohort_can_be_made_again(tmp_path):
    open_lab("smoke", out=tmp_path)
    (case,) = tmp_path.glob("phantom-*/phantom_001")
    scans = case.rename(tmp_path / "scans")
    for make in (case.mkdir, case.touch):  # not three cases instead of four, without a word
        make()
        with pytest.raises(CohortError, match=r"(?s)phantom_001: holds no scans.*delete what is"):
            open_lab("smoke", out=tmp_path)
        case.rmdir() if case.is_dir() else case.unlink()
    scans.rename(case)
    next(case.glob("*_t1.nii.gz")).unlink()
    with pytest.raises(CohortError, match=r"(?s)no file for .t1.*delete what is damaged here"):
        open_lab("smoke", out=tmp_path)


@pytest.mark.parametrize("where", ["newdir/../kept", "kept", "kept/deeper", "link/deeper"])
def test_a_refused_cohort_deletes_nothing_of_a_person(case_folder, tmp_path, where):
    for name in ("cache", "cache/runs", "runs"):
        (tmp_path / "kept" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "kept" / name / "thesis.txt").write_text("years of work")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    no_segmentation(case_folder)
    before = _contents(tmp_path)
    with pytest.raises(CohortError):
        open_lab("smoke", data=case_folder, out=tmp_path / where)
    assert _contents(tmp_path).items() >= before.items()
    assert not (tmp_path / "newdir").exists()


@pytest.mark.slow
def test_a_folder_of_real_cases_is_not_called_synthetic(case_folder, phantom, tmp_path):
    shutil.copy(phantom / "cohort.json", case_folder / "cohort.json")
    lab = open_lab("smoke", data=case_folder, out=tmp_path / "out")
    assert not lab.synthetic
    assert lab.origin == "all real"
    lab = open_lab("smoke", data=phantom, out=tmp_path / "other")
    assert lab.synthetic
    assert lab.origin == "all synthetic"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scheme", "brats2018"], "scheme='brats2018'; one of brats2012"),
        (["--file", "t1=*t1*", "--file", "labels=*seg*"], "give that as data="),
        (["--cases", "2"], "cases=2, but the embedded cohort has as many"),
    ],
)
def test_wrong_settings_are_refused_before_a_cohort_is_written(tmp_path, arguments, words):
    result = _invoke("run", "--profile", "smoke", "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--profile", "quick"], "'quick' is not one of 'smoke', 'lab', 'evening', 'paper'"),
        (["run", "--seed", "-1"], "-1 is not in the range"),
        (["run", "--file", "flair"], "ROLE=PATTERN is expected"),
        (["run", "--file", "t1=a*", "--file", "t1=b*"], "'t1' is given twice"),
        (["phantom", "x", "--cases", "0"], "0 is not in the range x>=1"),
        (["train"], "No such command 'train'"),
    ],
)
def test_bad_options_are_named(arguments, words):
    result = _invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.slow
def test_phantom_writes_a_cohort_and_refuses_to_mix_two(tmp_path):
    written = _invoke("phantom", tmp_path / "p", "--cases", 1, "--slice-thickness", 10)
    assert written.exit_code == 0, written.output
    before = _contents(tmp_path)
    result = _invoke("phantom", tmp_path / "p", "--cases", 1, "--slice-thickness", 10, "--seed", 1)
    assert result.exit_code == 1
    assert "choose" in result.stderr.lower()
    assert _contents(tmp_path) == before


def test_notebooks_are_written_and_never_over_a_students_work(tmp_path):
    result = _invoke("notebooks", tmp_path / "course")
    assert result.exit_code == 0
    copied = sorted((tmp_path / "course").iterdir())
    assert [path.name for path in copied] == [path.name for path in notebook_paths()]
    copied[1].write_text("a student's work")
    copied[2].unlink()
    again = _invoke("notebooks", tmp_path / "course")
    assert again.exit_code == 1
    assert "already has 01_data_exploration.ipynb" in again.stderr
    assert copied[1].read_text() == "a student's work"
    assert not copied[2].exists()


def test_a_part_of_a_folder_can_be_taken(case_folder, tmp_path, write_case):
    for number in range(3, 6):
        write_case(case_folder, f"case_{number}", seed=number)
    lab = open_lab("smoke", data=case_folder, out=tmp_path / "out", cases=5, test_cases=3)
    assert (len(lab.train), len(lab.test)) == (2, 3)
    assert "case_5" not in lab.train.case_ids + lab.test.case_ids
    lab = open_lab("smoke", data=case_folder, out=tmp_path / "out", cases=0, test_cases=0)
    assert (len(lab.train), len(lab.test)) == (4, 2)
    with pytest.raises(ValueError, match="test_cases=6 of a cohort of 6"):
        open_lab("smoke", data=case_folder, out=tmp_path / "out", test_cases=6)


def test_many_test_cases_are_forecast(case_folder, tmp_path, monkeypatch):
    from imbalance_tf.lab import estimate, runner

    monkeypatch.setattr(runner, "_execute_all", lambda *_: None)
    monkeypatch.setattr(runner, "_compare", lambda *_: None)
    monkeypatch.setattr(estimate, "estimate_hours", lambda _: dict.fromkeys(ESTIMATED, 1.5))
    command = ("run", "--profile", "smoke", "--data", case_folder, "--out", tmp_path / "out")
    assert "hours" not in _invoke(*command).stdout
    monkeypatch.setattr(runner, "MANY", 0)
    said = _invoke(*command).stdout
    assert "about 4.5 hours on this machine" in said
    assert "1 cases to segment" in said


def test_what_a_large_folder_takes_is_said_before_all_of_it_is_read(
    case_folder, tmp_path, monkeypatch, write_case
):
    from imbalance_tf.lab import estimate, runner

    for number in range(3, 9):
        write_case(case_folder, f"case_{number}", seed=number)
    opened, open_lab = [], runner.open_lab
    monkeypatch.setattr(runner, "MANY", 2)
    monkeypatch.setattr(
        runner, "open_lab", lambda **how: opened.append(how["cases"]) or open_lab(**how)
    )

    def measured(lab, test_cases):
        assert opened == [6]
        assert test_cases == 3
        return {"random": 0.5, "balanced": 0.5, "hard": 0.5}

    monkeypatch.setattr(runner, "estimate_hours", measured)
    monkeypatch.setattr(estimate, "estimate_hours", lambda _: dict.fromkeys(ESTIMATED, 9.0))
    monkeypatch.setattr(runner, "_execute_all", lambda *_: None)
    monkeypatch.setattr(runner, "_compare", lambda *_: None)
    command = ("run", "--profile", "smoke", "--data", case_folder, "--out", tmp_path / "out")
    said = _invoke(*command).stdout
    assert "9 cases: to read them will take about 0 minutes" in said
    assert "segment 3 cases with each 1.5 hours" in said
    assert "--cases and --test-cases shorten it" in said
    assert "will take about 1.5 hours on this machine" in said, "measured once"
    assert "to read them" not in _invoke(*command).stdout  # the store has them


ESTIMATED = ("random", "balanced", "hard")
