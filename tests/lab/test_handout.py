"""What a class gets: of a finished lab, whole, and read elsewhere without training."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from imbalance_tf import finished_study, open_lab
from imbalance_tf.lab.cli import main
from imbalance_tf.lab.exercises import built
from imbalance_tf.lab.notebooks import notebook_paths
from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.study_table import write_study

SETTINGS = {"profile": "smoke", "data": "", "seed": 0, "files": {}, "scheme": "auto"}
SETTINGS |= {"on_error": "raise", "cases": 0, "test_cases": 0}
FORBIDDEN = """\
import imbalance_tf.lab.profiles as profiles, imbalance_tf.training.run as run
def refuse(*asked): raise AssertionError("this would train")
run.train = refuse
profiles.fastest_precision = lambda: "float32"
"""


pytestmark = pytest.mark.slow  # each takes a finished lab


@pytest.fixture(scope="module")
def finished(tmp_path_factory, phantom):
    """A lab with the runs of the paper; that its notebooks were executed is made up."""
    out = tmp_path_factory.mktemp("teacher") / "lab"
    shutil.copytree(phantom, out / "phantom-4x10mm-seed0")
    lab = open_lab("smoke", out=out)
    for arm in PAPER_ARMS:
        lab.run(arm)
    lab.run("balanced", seed=7)
    (out / "lab.json").write_text(json.dumps(SETTINGS))
    (out / "notebooks").mkdir()
    for path in notebook_paths()[:6]:
        executed = built(path, "solutions")
        for number, cell in enumerate(each for each in executed.cells if "outputs" in each):
            cell.execution_count = number + 1
        nbformat.write(executed, out / "notebooks" / path.name)
    (out / "html").mkdir()
    (out / "html" / "page.html").write_text("page")
    (out / "runs" / ".half.partial").mkdir()
    return out


@pytest.fixture
def lab(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "source"))


def _interrupt(out):
    """As Ctrl-C or a kernel that died leave a notebook: papermill notes no exception."""
    path = out / "notebooks" / "06_thresholds_and_shares.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in [each for each in notebook.cells if "outputs" in each][5:]:
        cell.execution_count = None
    nbformat.write(notebook, path)


def _handout(target, lab):
    return CliRunner().invoke(main, ["handout", str(target), "--from", str(lab)])


def _files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_it_holds_what_a_class_needs_and_nothing_else(lab, tmp_path):
    done = _handout(tmp_path / "course", lab)
    assert done.exit_code == 0, done.output
    assert "not executed in" in done.output
    course, names = tmp_path / "course", _files(tmp_path / "course")
    assert sorted(name for name in names if name.endswith("ipynb")) == [
        path.name for path in notebook_paths()[:6]
    ]
    place = "results/smoke"
    assert {name.split("/")[2] for name in names if name.startswith(place)} == {
        "lab.json", "phantom-4x10mm-seed0", "runs",
    }  # fmt: skip
    assert sum(name.endswith("model.keras") for name in names) == 4
    assert not [name for name in names if "/." in name or name.endswith((".lock", ".html"))]
    for name in names:
        assert str(lab).encode() not in (course / name).read_bytes(), name
    scans = [path.name for path in course.glob("results/smoke/phantom*/*/*")]
    assert len(scans) == 20
    assert all(name.endswith(".nii.bz2") for name in scans)
    sums = dict(line.split("  ")[::-1] for line in (course / "SHA256SUMS").read_text().splitlines())
    assert {*sums, "SHA256SUMS"} == names
    for name, said in sums.items():
        assert hashlib.sha256((course / name).read_bytes()).hexdigest() == said


def test_a_cohort_of_a_study_that_was_stopped_is_not_in_it(lab, tmp_path):
    """`imbalance-tf study characteristics` makes cohorts of its own beside that of the lab."""
    whole = lab / "phantom-4x10mm-seed0"
    for name, cases in (("phantom-9x10mm-seed0", ["phantom_000"]), ("phantom-8x10mm-seed0", [])):
        (lab / name).mkdir()
        shutil.copy(whole / "cohort.json", lab / name)
        for case in cases:
            shutil.copytree(whole / case, lab / name / case)
    said = _handout(tmp_path / "handout", lab)
    assert said.exit_code == 0, said.output
    held = {path.name for path in (tmp_path / "handout" / "results" / "smoke").iterdir()}
    assert held == {"lab.json", "phantom-4x10mm-seed0", "runs"}


def test_the_studies_of_the_lab_are_in_it_unless_they_are_of_a_folder(lab, tmp_path):
    """Else a notebook shows a class another study than it showed the teacher."""
    table = finished_study("paper", tmp_path).table.assign(precision="float32", processor="one")
    write_study(table, lab / "studies" / "paper.csv", command="imbalance-tf study paper")
    there = "imbalance-tf study shares --data /home/teacher/scans"
    write_study(table, lab / "studies" / "shares.csv", command=there)
    assert _handout(tmp_path / "handout", lab).exit_code == 0
    held = tmp_path / "handout" / "results" / "smoke"
    assert [path.name for path in (held / "studies").iterdir()] == ["paper.csv"]
    assert finished_study("paper", held).here


def test_a_zip_holds_the_same_and_is_the_same_twice(lab, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert _handout(tmp_path / name / "course.zip", lab).exit_code == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["course.zip"]
    one, other = (tmp_path / name / "course.zip" for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        archive.extractall(tmp_path)
    assert _handout(tmp_path / "folder", lab).exit_code == 0
    assert _files(tmp_path / "course") == _files(tmp_path / "folder")


def test_elsewhere_a_notebook_reads_its_results(lab, tmp_path, fresh_environment):
    """In another folder, in another precision, with a training that would raise."""
    assert _handout(tmp_path / "course", lab).exit_code == 0
    elsewhere = (tmp_path / "course").rename(tmp_path / "on a stick")
    shutil.rmtree(lab)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FORBIDDEN)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])
    command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
    done = subprocess.run(
        [*command, "05_dice_comparison.ipynb", "done.ipynb"],
        cwd=elsewhere, env={**fresh_environment, "PYTHONPATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "hard: read, not trained again" in (elsewhere / "done.ipynb").read_text()
    assert sorted(path.name for path in (elsewhere / "results").iterdir()) == ["smoke"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda out: (out / "lab.json").unlink(), "is no lab"),
        (lambda out: shutil.rmtree(open_lab("smoke", out=out).run_folder("hard").parent),
         "the run of 'hard' is not there (runs/balanced-mining-"),
        (lambda out: (out / "notebooks" / "03_balanced_sampling.ipynb").unlink(),
         "03_balanced_sampling was not executed"),
        (lambda out: shutil.copy(out / "notebooks" / "01_data_exploration.ipynb",
                                 out / "notebooks" / "06_thresholds_and_shares.ipynb"),
         "06_thresholds_and_shares is of another version"),
        (_interrupt, "06_thresholds_and_shares was interrupted"),
        (lambda out: (next(out.glob("runs/*/model.keras"))).write_bytes(b"half"),
         "is no complete run"),
        (lambda out: (out / "lab.json").write_text("[]"), "is no lab"),
        (lambda out: (out / "lab.json").write_text(json.dumps({"profile": "smoke"})),
         "lab.json has ['profile']; ['cases', 'data'"),
        (lambda out: (out / "lab.json").write_text(json.dumps(SETTINGS | {"newer": 1})),
         "are expected"),
        (lambda out: (out / "notebooks" / "03_balanced_sampling.ipynb").write_text("{"),
         "03_balanced_sampling is damaged"),
        (lambda out: (next(out.glob("runs/*/config.json"))).write_text("{}"),
         "is no complete run"),
        (lambda out: (next(out.glob("runs/*/config.json"))).write_text("1"),
         "is no complete run"),
        (lambda out: (out / "lab.json").write_text(json.dumps(SETTINGS | {"data": "/scans"})),
         "whose scans are not ours to hand out"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["course", "course.zip"])
def test_an_unfinished_lab_is_refused_whole(lab, tmp_path, spoil, words, name):
    spoil(lab)
    done = _handout(tmp_path / "new" / name, lab)
    assert done.exit_code == 1
    assert words in done.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["course", "course.zip"])
def test_what_exists_is_left_as_it_is(lab, tmp_path, name):
    (tmp_path / name).write_text("mine")
    done = _handout(tmp_path / name, lab)
    assert done.exit_code == 1
    assert f"{tmp_path / name} exists; choose another name" in done.output
    assert (tmp_path / name).read_text() == "mine"


def test_another_number_of_test_cases_is_handed_on(lab, tmp_path):
    """With its runs; without them students would train, on another split."""
    other = open_lab("smoke", out=lab, test_cases=2)
    for arm in PAPER_ARMS:
        other.run(arm)
    (lab / "lab.json").write_text(json.dumps(SETTINGS | {"test_cases": 2}))
    done = _handout(tmp_path / "course", lab)
    assert done.exit_code == 0, done.output
    cells = nbformat.read(tmp_path / "course" / "02_random_sampling.ipynb", as_version=4).cells
    (own,) = [cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "own_data = {'test_cases': 2}" in own.source
    for arm in PAPER_ARMS:
        run = other.run_folder(arm).relative_to(lab)
        assert (tmp_path / "course" / "results" / "smoke" / run / "dice.csv").exists(), arm


def test_other_settings_stand_in_the_notebooks(lab, tmp_path):
    assert _handout(tmp_path / "course", lab).exit_code == 0
    cells = nbformat.read(tmp_path / "course" / "02_random_sampling.ipynb", as_version=4).cells
    (own,) = [cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert own.source == "profile = 'smoke'"
