"""imbalance-tf study: arms and ideas of one's own, in one file outside the package."""

import json
import os
import sys
import textwrap
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner

from imbalance_tf import (
    SCHEMES,
    ExperimentConfig,
    Study,
    finished_study,
    load_cohort,
    open_lab,
    run_study,
)
from imbalance_tf.lab.cli import main
from imbalance_tf.lab.study import _on_a_cluster, carry_out, study_of, written_claims, written_table
from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.studies import STUDIES
from imbalance_tf.training.study_table import read_study

from ..conftest import dask_processes

ARM = """
from imbalance_tf import Arm, Balanced, Mining

mine = Arm("mostly healthy", sampling=Balanced(shares=0.6), mining=Mining(threshold=0.9))
"""
IDEA = """
from dataclasses import dataclass

from imbalance_tf import Arm, Loss, Random


@dataclass(frozen=True)
class Smoothed(Loss):
    epsilon: float = 0.1

    def build(self, natural):
        import keras

        def loss(labels, logits):
            truth = keras.ops.one_hot(keras.ops.cast(labels, "int32"), len(natural))
            truth = (1 - self.epsilon) * truth + self.epsilon / len(natural)
            return keras.losses.categorical_crossentropy(truth, logits, from_logits=True)

        return loss


smoothed = Arm("smoothed", sampling=Random(), loss=Smoothed())
"""


@pytest.fixture
def own_file(tmp_path):
    """A file of arms; its module is forgotten afterwards, as when the process ends."""
    names = []

    def write(name, text):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        names.append(name)
        return str(path)

    yield write
    for name in names:
        sys.modules.pop(f"arms_of_{name}", None)


def _study(*arguments):
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


def test_the_list_says_every_question():
    done = _study("--list")
    assert done.exit_code == 0
    for study in STUDIES.values():
        assert f"{study.name} " in done.stdout
        assert study.question in done.stdout
    assert _study().stdout == done.stdout


def test_an_unknown_study_is_refused_with_what_there_is(tmp_path):
    done = _study("remedy", "--out", tmp_path)
    assert done.exit_code == 1
    assert "study 'remedy'; one of paper, thresholds" in done.stderr
    assert "or a Python file with arms of your own" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_without_arms_is_refused(own_file, tmp_path):
    done = _study(own_file("empty", "x = 1"), "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "empty.py defines no Arm, TwoStage or Study, such as mine = Arm('mine')" in done.stderr


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nArm(", "line 2 stopped with SyntaxError"),
        ("import sys\nimport no_such_module", "line 2 stopped with ModuleNotFoundError"),
        ("\n\n1 / 0", "line 3 stopped with ZeroDivisionError"),
        ("def f():\n    raise KeyError('x')\nf()", "line 2 stopped with KeyError"),
        ("raise SystemExit(0)", "line 1 stopped with SystemExit"),
        ("from imbalance_tf import Arm\nx = Arm('x', loss=lambda a, b: b)", "line 2 stopped with"),
        ("\0", "stopped with"),
        (
            "from imbalance_tf import Arm, CrossEntropy\nclass Own(CrossEntropy):\n"
            "    def __init__(self): self.__dict__['f'] = abs\na = Arm('x', loss=Own())",
            "wrong.py: arm 'x': Own keeps f, by which one run could not be told from another",
        ),
        ("from imbalance_tf import Arm\na, b = Arm('x'), Arm('x')", "arms named x twice"),
        ("from imbalance_tf import Arm\na = Arm('random')", "arms named random twice"),
        ("from imbalance_tf import Arm\na = Arm('x$y$')", "the name 'x$y$' holds '$'"),
        ("from imbalance_tf import Arm\na = Arm('')", "is empty"),
        ("from imbalance_tf import ARMS\nmine = [ARMS['hard']]", "defines no Arm, TwoStage or St"),
        (
            "from imbalance_tf import Study\na = Study('a', '?', ['hard'])\n"
            "b = Study('b', '?', ['hard'])",
            "defines the studies a, b; one is expected: make a file",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_where(own_file, tmp_path, text, words):
    done = _study(own_file("wrong", text), "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception
    assert words in done.stderr
    assert "wrong" in done.stderr or "arms named" in done.stderr or "arm: " in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["random", "json", "imbalance_tf", "click"])
def test_a_file_stands_in_for_no_other_module(own_file, name):
    before = sys.modules.get(name)
    study = study_of(own_file(name, ARM))
    assert study.arms[-1].name == "mostly healthy"
    assert sys.modules.get(name) is before


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "text"),
    [("paper", ARM), ("x", "from imbalance_tf import Study\na = Study('length', '?', ['hard'])")],
)
def test_an_own_study_takes_the_place_of_none_of_ours(own_file, name, text):
    with pytest.raises(ValueError, match=r"is a study of the package.*choose another name"):
        study_of(own_file(name, text))


def test_an_arm_with_two_names_in_a_file_is_one(own_file):
    text = "from imbalance_tf import ARMS, Arm\na = Arm('x')\nb = a\nrandom = ARMS['random']"
    assert [arm.name for arm in study_of(own_file("two", text)).arms] == [*PAPER_ARMS, "x"]


def test_the_table_of_results_that_are_only_to_be_read_is_printed(tmp_path, monkeypatch, capsys):
    table = finished_study("paper", tmp_path).table
    lab = open_lab("smoke", out=tmp_path)
    monkeypatch.setattr(type(lab), "study", lambda *_: table)
    monkeypatch.setattr("imbalance_tf.lab.study.open_lab", lambda **_: lab)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    carry_out(STUDIES["paper"], {}, tmp_path, "", "command")
    said = capsys.readouterr().out
    assert "Mean Dice [95 % interval over 20 cases]" in said
    assert "studies cannot be written; so the table is printed, and not kept" in said
    assert not (tmp_path / "studies").exists()


def test_a_region_that_cases_lack_says_over_how_many_it_is(tmp_path):
    table = finished_study("paper", tmp_path).table
    assert "(n)" not in written_table(table, ["whole", "core"])
    lacking = (table["case"] == "phantom_000") & (table["region"] == "core")
    table.loc[lacking & (table["arm"] != "hard"), "dice"] = float("nan")
    said = written_table(table, ["whole", "core"]).splitlines()
    lines = {line.split()[0]: line for line in said if line.startswith(PAPER_ARMS)}
    assert lines["random"].count("(19)") == lines["balanced"].count("(19)") == 1
    assert "(" not in lines["hard"]
    assert any(line.startswith("(n): over n cases") for line in said)


def test_a_written_table_says_volumes_and_what_an_arm_took():
    """By hand: two cases, one fold each; the geometric mean of 0.5 and 2 is 1."""
    rows = [
        {"arm": arm, "batches": 10, "fold": case, "seed": 0, "case": f"c{case}", "region": "whole"}
        | {"dice": dice + 0.01 * case, "volume ratio": (0.5, 2.0)[case] * volume}
        | {"seconds": 10.0 + 2 * case, "patches": 1200, "mined": 40 * case}
        for arm, dice, volume in (("balanced", 0.5, 1), ("better", 0.8, 2), ("same", 0.5, 1))
        for case in range(2)
    ]
    table, apart = written_table(pd.DataFrame(rows), ["whole"]).split("These differ")
    lines = {line.split()[0]: line.split() for line in table.splitlines() if "[0." in line}
    assert lines["balanced"][-4:] == ["1.00", "1,200", "20", "11"]
    assert lines["better"][-4:] == ["2.00", "1,200", "20", "11"]
    assert apart.strip().splitlines()[1:] == ["better, whole: +0.300 [+0.300, +0.300]"]


@pytest.mark.bad_input
def test_a_study_of_other_data_is_none_of_a_labs_own(tmp_path, monkeypatch):
    """Its table would stand in the notebooks of the lab as that of the lab's own cases."""
    (tmp_path / "lab.json").write_text(json.dumps({"profile": "smoke", "data": "", "seed": 0}))
    monkeypatch.setattr("imbalance_tf.lab.study.open_lab", None)  # nothing is read, or trained
    settings = {"profile": "smoke", "data": "/scans", "seed": 0}
    with pytest.raises(FileExistsError, match=r"run with data=''; this one has data='/scans'"):
        carry_out(STUDIES["paper"], settings, tmp_path, "", "command")
    assert [path.name for path in tmp_path.iterdir()] == ["lab.json"]


def test_several_cohorts_and_lengths_are_drawn_together(tmp_path, monkeypatch):
    table = finished_study("characteristics", tmp_path).table
    table = table.assign(precision="float32", processor="one")
    table = pd.concat([table, table.assign(batches=250)])
    lab = open_lab("smoke", out=tmp_path)
    monkeypatch.setattr(type(lab), "study", lambda *_: table)
    monkeypatch.setattr("imbalance_tf.lab.study.open_lab", lambda **_: lab)
    carry_out(STUDIES["characteristics"], {}, tmp_path, "", "command")
    assert (tmp_path / "studies" / "characteristics.png").stat().st_size > 10_000


def test_a_study_of_a_file_is_taken_as_it_is(own_file):
    study = study_of(
        own_file(
            "question",
            """
            from imbalance_tf import Study

            asked = Study("shorter", "Is one fold less enough?", ["random", "hard"], folds=4)
            """,
        )
    )
    assert (study.name, study.folds) == ("shorter", 4)
    assert [arm.name for arm in study.arms] == ["random", "hard"]


def test_a_study_at_other_lengths_keeps_the_command_that_asks_for_them(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "imbalance_tf.lab.study.carry_out",
        lambda study, *_, command: asked.append((study, command)),
    )
    assert _study("paper", "--batches", 250, "--batches", 4000).exit_code == 0
    ((study, command),) = asked
    assert study.lengths == (250, 4000)
    assert command == "imbalance-tf study paper --batches 250 --batches 4000"


@pytest.mark.parametrize(
    ("text", "name", "lines"), [(ARM, "mostly healthy", 5), (IDEA, "smoothed", 25)]
)
@pytest.mark.slow
def test_a_new_arm_and_a_new_idea_appear_everywhere(
    own_file, tmp_path, monkeypatch, text, name, lines
):
    from imbalance_tf.evaluation import figures

    assert len(text.strip().splitlines()) <= lines
    drawn = []
    monkeypatch.setattr(
        figures,
        "dice_by_arm",
        lambda *a, show=figures.dice_by_arm: drawn.append(show(*a)) or drawn[0],
    )
    path, out = own_file("mine", text), tmp_path / "out"
    done = _study(path, "--profile", "smoke", "--folds", 2, "--out", out)
    assert done.exit_code == 0, done.output
    assert "4 arms, 2 folds of 4 cases (all synthetic)" in done.stdout
    assert "[8/8] " in done.stdout
    table, about = read_study(out / "studies" / "mine.csv")
    assert list(table["arm"].unique()) == ["random", "balanced", "hard", name]
    assert about["command"] == f"imbalance-tf study {path} --profile smoke --folds 2"
    assert (out / "studies" / "mine.png").stat().st_size > 10_000
    assert name in [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    for arm, rows in table[table["region"] == "whole"].groupby("arm"):
        (line,) = (each for each in done.stdout.splitlines() if each.startswith(arm + " "))
        assert f"{rows['dice'].mean():.3f} [" in line
    assert "balanced is above random on core:" in done.stdout
    # Asked again, nothing is trained.
    again = _study(path, "--profile", "smoke", "--folds", 2, "--out", out)
    assert "[1/" not in again.stdout


@pytest.mark.slow
def test_workers_train_with_the_code_of_every_own_part(own_file, phantom, tmp_path):
    """Also with the parts of the arms of a `TwoStage`, and in a worker with several threads."""
    text = IDEA + "\nfrom imbalance_tf import TwoStage\ntwo = TwoStage('two', first=smoothed)"
    study = study_of(own_file("nested", text))
    study = replace(study, arms=study.arms[-2:], folds=2)
    like = ExperimentConfig("random", epochs=1, steps=2, batch_size=10, patch_size=24)
    opener = partial(load_cohort, phantom, cache=tmp_path / "cache")

    def run(study, client=None, out=tmp_path / "there"):
        return run_study(study, opener, out, client, like=like)

    with dask_processes(tmp_path, workers=1, threads=2) as (address, _):
        found = _on_a_cluster(study, SimpleNamespace(study=run), address)
    here = run(study, out=tmp_path / "here")
    columns = ["arm", "fold", "case", "region", "dice", "patches"]
    pd.testing.assert_frame_equal(found[columns], here[columns])
    here, there = ({p.name for p in tmp_path.glob(f"{o}/runs/[!.]*")} for o in ("here", "there"))
    assert here == there, "another process tells the parts by the same digests"


def test_workers_are_not_sent_what_they_do_not_have(cohort, tmp_path):
    """The code of a class that was typed into a notebook."""
    namespace = {"__name__": "__main__"}
    exec(IDEA, namespace)
    study = Study("mine", "?", [namespace["smoothed"]], folds=2)
    with pytest.raises(ValueError, match=r"Smoothed is .*define it in a file.*upload_file"):
        run_study(study, cohort, tmp_path, SimpleNamespace(submit=None))
    assert not list(tmp_path.iterdir())


@pytest.mark.bad_input
def test_a_scheduler_that_is_none_is_refused_with_its_address():
    with pytest.raises(OSError, match=r"--scheduler head: no Dask .* \(missing port.*start one"):
        _on_a_cluster(STUDIES["paper"], SimpleNamespace(), "head")


@pytest.mark.slow
def test_a_lab_runs_arms_by_name_with_changes_and_of_ones_own(tmp_path, capsys):
    from imbalance_tf import Arm, Balanced

    lab = open_lab("smoke", out=tmp_path)
    changed = lab.run("balanced", shares=0.6)
    own = lab.run(Arm("mine", sampling=Balanced(shares=0.6)))
    assert changed.folder == own.folder
    assert lab.run("balanced", seed=1, shares=0.6).folder != own.folder
    with pytest.raises(ValueError, match=r"treshold=0\.9; arm 'hard' has no such setting"):
        lab.run("hard", treshold=0.9)
    with pytest.raises(ValueError, match="study='paperr'; a Study, or one of paper, th"):
        lab.study("paperr")


def test_the_claims_are_of_the_papers_arms_and_say_how_many_cases(cohort):
    values = {"random": 0.5, "balanced": 0.7, "hard": 0.6}
    scheme = SCHEMES["brats2013"]
    rows = [
        {"arm": arm, "batches": 10, "fold": case % 2, "seed": 0, "case": f"c{case}"}
        | {"region": region, "dice": value + 0.01 * case, "volume ratio": 1.0}
        | {"seconds": 1.0, "patches": 10, "mined": 0}
        for arm, value in values.items()
        for case in range(4)
        for region in (*scheme.regions, *scheme.classes)
    ]
    results = pd.DataFrame(rows)
    text = written_claims(results, cohort)
    assert "after 10 batches, on 4 cases (2 folds, 1 seed)" in text
    assert "balanced is above random on core: seen here. balanced 0.715, random 0.515" in text
    assert "difference +0.200 [+0.200, +0.200] (4 cases)" in text
    assert "a rare class more than the whole tumour: enhancing" in text
    assert written_claims(results[results["arm"] != "hard"], cohort) == ""
    assert "0.515 [0.5" in written_table(results, ["whole"])
