"""Studies: every arm on every case, resumed, and over many machines."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import product

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import ExperimentConfig, finished_study, load_cohort, run_experiment
from imbalance_tf._tensorflow import keras
from imbalance_tf.training import config as config_module, study_run
from imbalance_tf.training.arms import ARMS, Arm
from imbalance_tf.training.batches import Balanced
from imbalance_tf.training.experiment import remove_private, run_folder
from imbalance_tf.training.studies import STUDIES, Study, study_named
from imbalance_tf.training.study_run import run_study
from imbalance_tf.training.study_table import read_study, write_study

from ..conftest import dask_processes, relabelled

LIKE = ExperimentConfig("random", epochs=2, steps=2, batch_size=10, patch_size=24)
STUDY = Study(
    "small",
    "Which?",
    ["random", "balanced", "balanced, priors corrected", "two classifiers"],
    folds=2,
)
TIMED = ["seconds"]


@pytest.fixture(scope="module")
def here(phantom, tmp_path_factory):
    """The table of the study as one process makes it."""
    out = tmp_path_factory.mktemp("here")
    return run_study(STUDY, load_cohort(phantom), out, like=LIKE), out


def _same(table, other):
    pd.testing.assert_frame_equal(
        table.drop(columns=TIMED), other.drop(columns=TIMED), check_exact=True
    )


@pytest.mark.slow
def test_every_case_is_tested_once_per_arm_and_seed(here, phantom):
    table, _ = here
    cohort = load_cohort(phantom)
    names = [*cohort.scheme.regions, *cohort.scheme.classes]
    assert list(table["arm"].unique()) == [arm.name for arm in STUDY.arms]
    for _, rows in table.groupby(["arm", "seed"]):
        assert sorted(rows["case"]) == sorted(list(cohort.case_ids) * len(names))
        assert set(rows["region"]) == set(names)
    tested = table.groupby("fold")["case"].unique()
    for fold, (_, test) in enumerate(cohort.folds(2, seed=0)):
        assert set(tested[fold]) == set(test.case_ids)


@pytest.mark.slow
def test_the_table_holds_what_the_runs_scored(here, phantom):
    table, out = here
    train, test = load_cohort(phantom).folds(2, seed=0)[1]
    result = run_experiment(replace(LIKE, arm="balanced"), train, test, out / "runs")
    rows = table[(table["arm"] == "balanced") & (table["fold"] == 1)]
    for name, scores in {"dice": result.dice, "volume ratio": result.volume_ratios}.items():
        found = rows.pivot(index="case", columns="region", values=name)
        found = found.loc[scores.index, scores.columns]
        pd.testing.assert_frame_equal(found, scores, check_names=False)


@pytest.mark.slow
def test_arms_that_differ_in_their_decision_share_a_training(here):
    table, out = here
    trainings = [path for path in (out / "runs").iterdir() if path.is_dir()]
    # random, balanced, and the two classifiers; each on two folds.
    assert len(trainings) == 2 * 4
    patches = table.groupby("arm")["patches"].unique().map(list)
    assert patches["balanced"] == patches["balanced, priors corrected"] == [2 * 2 * 10]
    assert patches["two classifiers"] == [2 * 2 * 10], "half the budget each"


@pytest.mark.slow
def test_every_seed_is_another_training_on_the_same_folds(phantom, tmp_path):
    study = Study("seeds", "?", ["random"], folds=2, seeds=2)
    table = run_study(study, load_cohort(phantom), tmp_path, like=replace(LIKE, seed=5))
    assert len(list(tmp_path.glob("runs/[!.]*"))) == 4
    assert table["seed"].unique().tolist() == [5, 6]
    one, other = (rows.reset_index(drop=True) for _, rows in table.groupby("seed"))
    assert one[["fold", "case", "region"]].equals(other[["fold", "case", "region"]])
    assert not one["dice"].equals(other["dice"])


@pytest.mark.slow
def test_a_study_that_is_there_is_read(here, phantom, capsys):
    table, out = here
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run_study(STUDY, load_cohort(phantom), out, like=LIKE)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.slow
def test_one_more_arm_trains_that_arm_only(here, phantom, capsys):
    _, out = here
    more = replace(STUDY, arms=[*STUDY.arms, Arm("mine", sampling=ARMS["half healthy"].sampling)])
    run_study(more, load_cohort(phantom), out, like=LIKE)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["[1/2] mine", "[2/2] mine"]
    named = replace(more, arms=[replace(more.arms[-1], name="by another name")])
    run_study(named, load_cohort(phantom), out, like=LIKE)
    assert capsys.readouterr().out == ""


def test_a_long_run_of_a_study_says_now_and_then_how_far_it_is(monkeypatch, capsys):
    clock = iter([0, 1, 125, 130, 140, 200, 270, 280])
    monkeypatch.setattr(study_run.time, "monotonic", lambda: next(clock))
    said = study_run._OfOneRun("random, fold 1")
    for line in (
        "Epoch 1/2",
        "batch 50 of 100",
        "about 4 minutes left of this training",
        "Epoch 2/2",
        "segmenting a (1 of 2)",
        "segmenting b (2 of 2)",
        "Waiting: another process is making c",
    ):
        said.write(f"{line}\n")
    assert capsys.readouterr().out.splitlines() == [
        "    random, fold 1: about 4 minutes left of this training",
        "    random, fold 1: segmenting b (2 of 2)",
        "    random, fold 1: Waiting: another process is making c",
    ]


def test_a_line_of_a_run_is_passed_on_whole_whatever_an_arm_is_called(capsys):
    said = study_run._OfOneRun("mine, fold 1")
    print("my loss", 3, file=said)
    for name in ("batch 2 of 3", "about half", "segmenting", "Epoch 1/2"):
        print(f"{name}: going on after epoch 3 of 10", file=said)
    assert capsys.readouterr().out.splitlines() == [
        "    mine, fold 1: my loss 3",
        "    mine, fold 1: batch 2 of 3: going on after epoch 3 of 10",
        "    mine, fold 1: about half: going on after epoch 3 of 10",
        "    mine, fold 1: segmenting: going on after epoch 3 of 10",
        "    mine, fold 1: Epoch 1/2: going on after epoch 3 of 10",
    ]


def test_what_a_run_of_a_study_has_to_say_is_said(phantom, tmp_path, monkeypatch, capsys):
    study = Study("one", "Which?", ["random"], folds=2)
    monkeypatch.setattr(study_run, "_SELDOM", -1)
    run_study(study, load_cohort(phantom), tmp_path, like=LIKE)
    lines = capsys.readouterr().out.splitlines()
    of_one = "    random, 4 batches, fold 1 of 2, seed 0: "
    assert lines[:2] == [f"{of_one}Epoch 1/2", f"{of_one}Epoch 2/2"]
    assert lines[2].startswith(f"{of_one}segmenting phantom_")
    monkeypatch.undo()
    monkeypatch.setattr(config_module, "TRAINING_VERSION", 99)
    run_study(study, load_cohort(phantom), tmp_path, like=LIKE)
    why, done, *_ = capsys.readouterr().out.splitlines()
    assert why.startswith(of_one)
    assert "was trained by version 1 of the training; this is version 99" in why
    assert done.startswith("[1/2] random, 4 batches, fold 1 of 2, seed 0: ")


def test_lengths_are_those_asked_and_no_epoch_is_longer_than_the_papers():
    study = Study("length", "How long?", ["random"], lengths=(250, 1000, 16000, 50000))
    lab = ExperimentConfig("random", epochs=10, steps=100)
    lengths = [(config.epochs, config.steps) for config in study.configs(lab)]
    assert lengths == [(10, 25), (10, 100), (16, 1000), (50, 1000)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": ["random", "bagging"]}, "arm='bagging'; an Arm, or one of 'random', 'balanced'"),
        ({"arms": ["random", Arm("random")]}, "arms named random twice"),
        ({"folds": 1}, "folds=1; a whole number from 2"),
        ({"seeds": 0}, "seeds=0; a whole number from 1"),
        ({"lengths": []}, r"lengths=\[\]; a list of one or more lengths"),
        ({"lengths": 250}, "lengths=250; a list of one or more lengths"),
        ({"arms": [["random"]]}, r"arm=\['random'\]; an Arm, or one of"),
        ({"arms": [Arm("a\nb")]}, "arm: the name 'a.nb' holds characters that cannot be printed"),
        ({"question": None}, "question=None; a sentence"),
        ({"cohorts": {}}, "cohorts={}; for each name a mapping of settings"),
        ({"cohorts": ["a"]}, "for each name a mapping of settings: cases, volume or contrast"),
        ({"cohorts": {"a": {"colour": 1}}}, "cohorts=.*cases, volume or contrast, is expected"),
        ({"cohorts": {"": {}}}, "cohort: the name '' is empty"),
    ],
)
def test_wrong_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        replace(STUDY, **change)


def test_few_cases_are_a_fold_each():
    for cases, folds in {3: 3, 4: 4, 5: 5, 20: 5}.items():
        assert STUDIES["paper"].fitted(cases).folds == folds
    assert replace(STUDY, folds=6).fitted(3).folds == 6, "who asks for more is refused"


def test_a_study_is_found_by_its_name_with_a_space():
    assert study_named("two classifiers") is STUDIES["two-classifiers"]


def test_lists_of_any_kind_are_lists():
    some = Study("x", "?", (name for name in ("random", "hard")), lengths=np.array([5, 9]))
    assert [arm.name for arm in some.arms] == ["random", "hard"]
    assert some.lengths == (5, 9)


def test_two_lengths_that_are_one_training_are_trained_once():
    study = Study("x", "?", ["random"], lengths=(250, 250, 255))
    lab = ExperimentConfig("random", epochs=10, steps=100)
    assert [(config.epochs, config.steps) for config in study.configs(lab)] == [(10, 25)]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"like": "lab"}, "like='lab'; an ExperimentConfig"),
        ({"client": "tcp://head:8786"}, "client='tcp://head:8786'; a distributed.Client"),
        ({"cohort": "cases"}, "cohort='cases'; a Cohort, or a function"),
        ({"cohort": lambda: None}, "cohort=None; a Cohort, or a function"),
        ({"out": None}, "out=None; a path"),
        ({"study": replace(STUDY, folds=4)}, "folds=4; at most 3, the cases of the cohort"),
    ],
)
def test_arguments_of_a_study_are_named(cohort, tmp_path, change, words):
    asked = {"study": STUDY, "cohort": cohort, "out": tmp_path, "like": LIKE, **change}
    with pytest.raises(ValueError, match=words):
        run_study(**asked)
    assert not list(tmp_path.iterdir())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arms", "words"),
    [
        (["random", "balanced"], r"balanced, 4 batches, fold \d of 3.*has enhancing; take fewer"),
        (["two classifiers"], "none of its 2 training cases has enhancing"),
        (["balanced, natural head"], "none of its 2 training cases has enhancing"),
        ([Arm("x", sampling=Balanced({"helthy": 1}))], r"shares names \['helthy'\]"),
        ([Arm("x", sampling=Balanced([0.5, 0.5]))], "5 shares from 0 that add up to 1"),
    ],
)
def test_a_fold_that_lacks_a_class_is_refused_before_anything_is_trained(
    cohort, tmp_path, arms, words
):
    one = relabelled(cohort, lambda case: case.labels * (case.labels < 4 + (case.id == "large")))
    with pytest.raises(ValueError, match=words):
        run_study(Study("x", "?", arms, folds=3), one, tmp_path, like=LIKE)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_names_in_a_table_are_text_whatever_they_look_like(here, tmp_path):
    """Two arms named 0.5 and 0.50 are two arms."""
    table, path = here[0], tmp_path / "x.csv"
    names = dict(zip(table["arm"].unique(), ["0.5", "0.50", "NA", "1e3"], strict=True))
    regions = {name: f"{number:03}" for number, name in enumerate(table["region"].unique())}
    table = table.assign(arm=table["arm"].map(names), region=table["region"].map(regions))
    table = table.assign(study="001", cohort="7")
    write_study(table, path, command="x")
    again, _ = read_study(path)
    for name in ("study", "cohort", "arm", "region"):
        assert again[name].tolist() == table[name].tolist(), name


PAPER = {"random", "balanced", "hard"}
TWO = {"two classifiers", "two classifiers, twice the budget"}
THRESHOLDS = {"hard 0", "hard 0.5", "hard 0.9", "hard 0.99"}
SHARES = {"majority 50%", "majority 80%", "majority 90%"}
SHARES |= {"half healthy", "half healthy, mined", "by case"}
LOSSES = {"weighted loss", "focal loss", "logit-adjusted loss"}
CORRECTED = {"balanced, priors corrected", "hard, priors corrected", "balanced, natural head"}
UNETS = {"U-Net, random", "U-Net, balanced", "U-Net, a third"}
UNETS |= {"U-Net, random, Dice loss", "U-Net, balanced, Dice loss", "U-Net, a third, Dice loss"}
ARMS_OF = {
    "paper": PAPER,
    "thresholds": {"balanced", "hard", *THRESHOLDS},
    "shares": {"random", "balanced", *SHARES},
    "two-classifiers": {*PAPER, *TWO},
    "remedies": {*PAPER, *THRESHOLDS, *SHARES, *TWO, *LOSSES, *CORRECTED}
    | {"hard negatives", "a third", "SMOTE"},
    "networks": {"random", "balanced", "a third", *UNETS},
    "length": PAPER,
    "characteristics": {"random", "balanced"},
}
LENGTHS_OF = {"length": (250, 1000, 4000, 16000)}
COHORTS_OF = {
    "characteristics": {
        "as it is": {},
        "rarer": {"volume": 0.3},
        "commoner": {"volume": 1.5},
        "clearer": {"contrast": 1.6},
        "more ambiguous": {"contrast": 0.6},
        "fewer cases": {"cases": 10},
        "more cases": {"cases": 40},
    }
}


def test_the_arms_of_every_study_are_written_down():
    assert set(ARMS_OF) == set(STUDIES)


@pytest.mark.parametrize("name", ARMS_OF)
def test_a_study_compares_what_its_question_is_about(name):
    study = STUDIES[name]
    assert {arm.name for arm in study.arms} == ARMS_OF[name]
    assert all(arm == ARMS[arm.name] for arm in study.arms)
    assert (study.folds, study.seeds) == (5, 1)
    assert study.lengths == LENGTHS_OF.get(name)
    assert study.cohorts == COHORTS_OF.get(name)


@pytest.mark.parametrize("name", ARMS_OF)
def test_the_finished_study_that_ships_is_of_all_that_it_compares(name, tmp_path):
    """Five folds of every arm; of the longest training it may have none."""
    finished = finished_study(name, tmp_path)
    assert not finished.here
    table = finished.table.assign(cohort=finished.table.get("cohort", ""))
    cohorts, lengths = set(COHORTS_OF.get(name, [""])), {1000}
    if name == "length":
        lengths = {250, 1000, 4000} | ({16000} & set(table["batches"]))
    folds = table.groupby(["cohort", "batches", "arm"])["fold"].unique().map(sorted)
    assert set(folds.index) == set(product(cohorts, lengths, ARMS_OF[name]))
    assert all(found == [0, 1, 2, 3, 4] for found in folds)


def test_the_studies_are_named_as_they_are_found():
    assert all(name == study.name for name, study in STUDIES.items())
    assert all(study.question.endswith("?") for study in STUDIES.values())
    assert set(ARMS) == {arm.name for study in STUDIES.values() for arm in study.arms}


@pytest.mark.slow
def test_a_written_table_reads_back_with_how_it_was_made(here, tmp_path):
    table, _ = here
    table = table.assign(case=table["case"].replace({"phantom_001": "001", "phantom_002": "NA"}))
    path = tmp_path / "studies" / "small.csv"
    write_study(table, path, command="imbalance-tf study small")
    again, about = read_study(path)
    assert about["command"] == "imbalance-tf study small"
    of_runs = table[["precision", "processor"]].drop_duplicates()
    assert about["imbalance_tf"] == version("imbalance_tf")
    assert of_runs.to_dict("records") == [{name: about[name] for name in of_runs}]
    kept = table.drop(columns=list(of_runs))
    pd.testing.assert_frame_equal(again, kept, rtol=1e-5, check_dtype=False)


def test_a_table_says_which_machines_made_it_and_not_which_asked_for_it(tmp_path):
    """Also of several workers, and of runs that were read."""
    rows = [{"arm": "random", "precision": "float32", "processor": name} for name in "ABA"]
    write_study(pd.DataFrame(rows), tmp_path / "x.csv", command="x")
    heads = (tmp_path / "x.csv").read_text().splitlines()[:4]
    assert heads[2:] == ["# precision: float32", "# processor: A and B"]


def test_the_time_left_counts_the_batches_that_are_left(capsys, monkeypatch):
    """A study begins with its shortest trainings; the others do not take as little."""
    now = iter(range(0, 10_000, 60))
    monkeypatch.setattr(study_run.time, "monotonic", lambda: next(now))
    configs = [replace(LIKE, epochs=epochs) for epochs in (1, 1, 2, 8)]
    runs = [study_run._Run(config, fold, 4, 0, None) for fold, config in enumerate(configs)]
    study_run._report(((run, 60) for run in runs), runs)
    left = [int(found) for found in re.findall(r"about (\d+) minute", capsys.readouterr().out)]
    # 60 s for 1 of 12 epochs; then 2 for 2 of 12, 3 for 4 of 12.
    assert left == [11, 10, 6]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:-5], "it is not as it was written"),
        (lambda text: text.replace("random,", "balanced,", 1), "it is not as it was written"),
        (lambda text: text.replace("digest", "digesu"), "it has no line with its digest"),
        (
            lambda text: text[text.index("study,") :],
            "it has no line with its command, imbalance_tf",
        ),
        (lambda text: "", "it has no line with its command"),
    ],
)
@pytest.mark.slow
def test_a_table_that_was_damaged_is_refused(here, tmp_path, change, words):
    path = tmp_path / "small.csv"
    write_study(here[0], path, command="imbalance-tf study small")
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=rf"small.csv is no whole table .*{words}.*make it again"):
        read_study(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table[:-1], "rows for"),
        (lambda table: table.drop(columns="dice"), "no column dice"),
        (lambda table: table[:0], "it has no rows"),
        *(
            (lambda table, how=how: table.assign(**how), f"column {next(iter(how))} holds")
            for how in ({"seed": np.nan}, {"batches": "many"}, {"fold": 0.5}, {"arm": ""})
        ),
    ],
)
@pytest.mark.slow
def test_a_table_that_is_not_complete_is_refused(here, tmp_path, change, words):
    write_study(change(here[0]), tmp_path / "small.csv", command="x")
    with pytest.raises(ValueError, match=words):
        read_study(tmp_path / "small.csv")


@pytest.mark.parametrize("value", [7, -0.5, "good"])
@pytest.mark.slow
def test_a_table_with_an_impossible_dice_is_refused(here, tmp_path, value):
    path = tmp_path / "small.csv"
    table = here[0].astype({"dice": object})
    table.loc[3, "dice"] = value
    write_study(table, path, command="imbalance-tf study small")
    with pytest.raises(ValueError, match=r"small.csv is no whole table of a study"):
        read_study(path)


def _process(*arguments, **other):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    return subprocess.Popen([sys.executable, *map(str, arguments)], cwd=root, **other)


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_in_the_same_table(here, phantom, tmp_path):
    table, _ = here
    code = (
        "from tests.training.test_studies import LIKE, STUDY\n"
        "from imbalance_tf import load_cohort\n"
        "from imbalance_tf.training.study_run import run_study\n"
        f"run_study(STUDY, load_cohort({str(phantom)!r}), {str(tmp_path)!r}, like=LIKE)"
    )
    generator, kills = np.random.default_rng(0), 0
    for number in range(1, 4):  # with that many runs begun, somewhere in the next
        process = _process("-c", code, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            begun = [path for path in tmp_path.glob("runs/*") if path.suffix != ".lock"]
            if len(begun) > number:
                break
            time.sleep(0.02)
        time.sleep(generator.uniform(0, 2))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills, "it was over before it was killed"
    _same(run_study(STUDY, load_cohort(phantom), tmp_path, like=LIKE), table)
    assert not list(tmp_path.rglob(".*.partial"))


def test_only_the_private_folders_of_a_study_are_removed(cohort, tmp_path):
    """Other studies, and notebooks, may be writing into the same folder."""
    train, test = cohort.split(test_cases=["tiny"])
    mine = run_folder(LIKE, train, test, tmp_path)
    other = run_folder(replace(LIKE, seed=1), train, test, tmp_path)
    left = [mine.parent.with_name(f".{mine.parent.name}-1f.partial")]
    left.append(mine.with_name(f".{mine.name}-2a.partial"))
    kept = [mine.parent.with_name(f".{mine.parent.name}.partial")]
    kept.append(other.parent.with_name(f".{other.parent.name}-3b.partial"))
    for path in (*left, *kept):
        path.mkdir(parents=True)
    remove_private(LIKE, train, test, tmp_path)
    assert [path for path in (*left, *kept) if path.exists()] == kept


def test_the_session_of_keras_is_cleared_after_every_run(cohort, tmp_path, monkeypatch):
    """Else the graphs of all models of a study stay in memory."""
    happened = []
    monkeypatch.setattr(study_run, "run_experiment", lambda *_, **__: happened.append("run"))
    monkeypatch.setattr(study_run, "_rows", lambda *_: pd.DataFrame())
    monkeypatch.setattr(keras.backend, "clear_session", lambda: happened.append("cleared"))
    run_study(replace(STUDY, arms=["random", "balanced"]), cohort, tmp_path, like=LIKE)
    assert happened == ["run", "cleared"] * 4


def test_on_workers_runs_that_share_a_training_are_of_one_task(cohort, tmp_path, monkeypatch):
    """Else two workers would make it at once; and every run writes into a folder of its own."""
    from distributed import Client, get_worker

    asked = []

    def run(config, train, test, folder, *, private=False):
        asked.append((get_worker().get_current_task(), test.case_ids, config.arm.name, private))

    monkeypatch.setattr(study_run, "run_experiment", run)
    monkeypatch.setattr(study_run, "_rows", lambda *_: pd.DataFrame())
    study = replace(STUDY, arms=[*STUDY.arms, "balanced, natural head"])
    here = {"processes": False, "n_workers": 1, "dashboard_address": None}
    with Client(**here, local_directory=tmp_path / "dask") as client:
        run_study(study, cohort, tmp_path / "out", client, like=LIKE)
    assert all(private for *_, private in asked)
    tasks = {}
    for task, test, arm, _ in asked:
        tasks.setdefault(task, []).append((test, arm))
    sharing = [{"random"}, {"two classifiers"}]
    sharing += [{"balanced", "balanced, priors corrected", "balanced, natural head"}]
    tests = [test.case_ids for _, test in cohort.folds(2, seed=0)]
    together = [sorted(product([test], arms)) for test, arms in product(tests, sharing)]
    assert sorted(map(sorted, tasks.values())) == sorted(together)


@pytest.mark.slow
def test_with_workers_of_which_one_is_killed_the_table_is_the_same(here, phantom, tmp_path):
    from distributed import Client

    table, _ = here
    with dask_processes(tmp_path, workers=2) as (address, workers):
        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=120)
            killer = _kill_when(workers[0], lambda: list(tmp_path.glob("out/runs/*/argmax-*")))
            opener = partial(load_cohort, phantom)
            found = run_study(STUDY, opener, tmp_path / "out", client, like=LIKE)
            killer.join()
        assert workers[0].poll() is not None, "no worker was killed"
    _same(found, table)
    assert not list((tmp_path / "out").rglob(".*.partial"))


def _kill_when(process, condition):
    from threading import Thread

    def wait():
        while not condition():
            time.sleep(0.05)
        process.kill()
        process.wait()

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread
