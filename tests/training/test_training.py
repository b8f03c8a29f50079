"""What decides a run, and how long it will take."""

import json
import os
import shutil
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import ExperimentConfig, load_cohort, open_lab, run_experiment
from imbalance_tf._tensorflow import keras
from imbalance_tf.lab import estimate
from imbalance_tf.training import config as training_config, experiment
from imbalance_tf.training.config import TRAINING_VERSION
from imbalance_tf.training.experiment import finished_share, run_folder
from imbalance_tf.training.run import Prepared

from ..conftest import relabelled

CONFIG = ExperimentConfig("balanced", epochs=1, steps=2, batch_size=10, patch_size=24)


@pytest.fixture(scope="module")
def split(phantom):
    return load_cohort(phantom).split(test_cases=1, seed=0)


@pytest.fixture(scope="module")
def straight(split, tmp_path_factory):
    return run_experiment(CONFIG, *split, tmp_path_factory.mktemp("straight"))


@pytest.fixture
def copy(straight, tmp_path):
    """The folder of the training, with the scores in it."""
    shutil.copytree(straight.folder.parent, tmp_path / straight.folder.parent.name)
    return tmp_path / straight.folder.parent.name


def _same_run(config, split, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run_experiment(config, *split, folder)
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "mixed_bfloat16"},  # another processor
        {"threshold": 0.5},  # of an arm that does not mine
        {"candidates_per_class": 7},
    ],
)
def test_what_makes_no_other_model_finds_the_run(copy, split, change):
    assert _same_run(replace(CONFIG, **change), split, copy.parent)


def test_another_version_of_the_package_finds_the_run(copy, split, monkeypatch):
    monkeypatch.setattr(experiment, "version", lambda _: "99.0")
    assert _same_run(CONFIG, split, copy.parent)


@pytest.mark.slow
def test_a_run_of_another_processor_is_found_by_the_lab(tmp_path, monkeypatch):
    """A teacher's results, computed before class on a machine with bfloat16."""
    from imbalance_tf.lab import workspace

    folders = set()
    for precision in ("mixed_bfloat16", "float32"):
        monkeypatch.setattr(workspace, "fastest_precision", lambda precision=precision: precision)
        folders.add(open_lab("smoke", out=tmp_path).run_folder("hard"))
    assert len(folders) == 1


def test_the_precision_that_was_used_is_told(split, tmp_path):
    config = replace(CONFIG, precision="mixed_bfloat16")
    assert config == CONFIG
    run_experiment(config, *split, tmp_path)
    assert run_experiment(CONFIG, *split, tmp_path).spent["precision"] == "mixed_bfloat16"


def test_a_new_field_with_a_default_orphans_no_run(split, monkeypatch, tmp_path):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Later(ExperimentConfig):
        label_smoothing: float = 0.0

    asked = {each.name: getattr(CONFIG, each.name) for each in fields(CONFIG)}
    assert run_folder(Later(**asked), *split, tmp_path) == run_folder(CONFIG, *split, tmp_path)
    other = Later(**asked, label_smoothing=0.1)
    assert run_folder(other, *split, tmp_path) != run_folder(CONFIG, *split, tmp_path)


@pytest.mark.slow
def test_another_training_version_is_trained_again_and_says_why(copy, split, monkeypatch, capsys):
    monkeypatch.setattr(training_config, "TRAINING_VERSION", TRAINING_VERSION + 1)
    run_experiment(CONFIG, *split, copy.parent)
    said = capsys.readouterr().out
    assert f"{copy} was trained by version {TRAINING_VERSION} of the training" in said
    assert f"this is version {TRAINING_VERSION + 1}" in said
    assert len(list(copy.parent.glob("balanced-*"))) == 2
    run_experiment(replace(CONFIG, seed=1), *split, copy.parent)
    assert "was trained by version" not in capsys.readouterr().out


def test_training_version(cohort):
    """What the present version trains. If this fails, another model is trained than before: raise
    TRAINING_VERSION, so that old runs are not taken for today's, and put the new numbers here."""
    config = replace(CONFIG, arm="hard", steps=20, batch_size=30, seed=3)
    prepared = Prepared(replace(config, seed=0).trainings()[0], cohort)
    model = prepared.new_model()
    layers = [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in model.layers
    ]
    first = [float(np.square(weights).sum()) for weights in model.get_weights()[::2]]
    prepared = Prepared(config.trainings()[0], cohort)
    sampler = prepared.sampler
    drawn = sampler.draw(120).astype(int).sum(axis=0).tolist()
    sampler.draws = 0
    loss = model.fit(prepared.batches(), shuffle=False, verbose=0).history["loss"][0]
    assert TRAINING_VERSION == 1
    assert layers == LAYERS
    assert first == pytest.approx(FIRST_WEIGHTS, rel=1e-5)
    assert drawn == DRAWN
    assert loss == pytest.approx(LOSS, rel=1e-3)  # processors differ in the last bits


LAYERS = [
    ("Conv2D", (22, 22, 16), 288),
    ("MaxPooling2D", (11, 11, 16), 0),
    ("ChannelBias", (11, 11, 16), 16),
    ("ReLU", (11, 11, 16), 0),
    ("Conv2D", (9, 9, 32), 4608),
    ("MaxPooling2D", (4, 4, 32), 0),
    ("ChannelBias", (4, 4, 32), 32),
    ("ReLU", (4, 4, 32), 0),
    ("Conv2D", (2, 2, 64), 18432),
    ("MaxPooling2D", (1, 1, 64), 0),
    ("ChannelBias", (1, 1, 64), 64),
    ("ReLU", (1, 1, 64), 0),
    ("Conv2D", (1, 1, 32), 2080),
    ("Conv2D", (1, 1, 5), 165),
    ("Flatten", (5,), 0),
]
FIRST_WEIGHTS = [31.395250, 64.730133, 128.992004, 64.019569, 9.920430]
DRAWN = [107, 217, 3844, 3254]
LOSS = 2.98407


def test_the_learning_rate_falls_to_zero_over_the_whole_training(cohort):
    config = replace(CONFIG, epochs=3, steps=4)
    model = Prepared(config.trainings()[0], cohort).new_model()
    falls = [float(model.optimizer._learning_rate(step)) for step in (0, 4, 6, 12)]
    assert falls == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0], abs=1e-9)


OTHER_LOSSES = {  # of today's version, in the second epoch
    "random": [1.12677],
    "two classifiers": [1.12157, 1.79638],
    "SMOTE": [1.86220],
    "a third": [1.66741],
    "focal loss": [0.85606],
    "U-Net, balanced, Dice loss": [1.56161],
}


@pytest.mark.parametrize("name", OTHER_LOSSES)
@pytest.mark.slow
def test_training_version_of_other_arms(cohort, name):
    """As `test_training_version`: what only these arms have, and what comes after an epoch.

    Not of mining, after which the last bits of a processor decide which patches are hard.
    """
    config = replace(CONFIG, arm=name, epochs=2, steps=8, batch_size=20, patch_size=32, seed=3)
    losses = []
    for training in config.trainings():
        prepared = Prepared(training, cohort)
        history = prepared.new_model().fit(
            prepared.batches(),
            epochs=2,
            class_weight=training.arm.loss.class_weight(prepared.shares),
            shuffle=False,
            verbose=0,
        )
        losses.append(history.history["loss"][-1])
    assert losses == pytest.approx(
        OTHER_LOSSES[name], rel=0.02
    )  # processors differ in the last bits


def test_a_case_may_not_be_in_both_cohorts(split, phantom, tmp_path):
    (case,) = split[1].case_ids
    with pytest.raises(ValueError, match=f"{case} of the test cohort is in the training cohort"):
        run_experiment(CONFIG, load_cohort(phantom), split[1], tmp_path)
    assert not list(tmp_path.iterdir())


NAMES = ("001", "1e5", "NA", "True", "0x1F", "inf", "2026-11-26", "7.0", "a,b", "null")


def test_names_of_cases_are_text_whatever_they_look_like(tmp_path, write_case):
    """Plain numbers are BraTS 2013's own names; to a table reader they are numbers."""
    for number, name in enumerate(NAMES):
        write_case(tmp_path / "cases", name, seed=number)
    cohort = load_cohort(tmp_path / "cases")
    assert set(cohort.case_ids) == set(NAMES)
    train, test = cohort.split(test_cases=NAMES[1:])
    run = run_experiment(CONFIG, train, test, tmp_path / "runs")
    for table in (run.dice, run.volume_ratios):
        assert table.index.tolist() == list(test.case_ids)
        assert all(np.issubdtype(dtype, np.floating) for dtype in table.dtypes)
    assert list(run.segmentation(test)) == list(test.case_ids)
    again = run_experiment(CONFIG, train, test, tmp_path / "runs")
    pd.testing.assert_frame_equal(again.dice, run.dice)


def test_a_segmentation_is_of_the_cases_that_were_tested(straight, split):
    train, test = split
    with pytest.raises(ValueError, match=r"is no case that .* was tested on"):
        straight.segmentation(train)
    other = relabelled(test, lambda case: np.zeros_like(case.labels))
    with pytest.raises(ValueError, match="or has another content"):
        straight.segmentation(other)


def _half_run(split, folder, config):
    """A run that was killed while its second epoch was being saved."""
    from imbalance_tf.training import run as training

    saves = []

    def replace_once(source, target):
        saves.extend([target] if str(target).endswith("half.keras") else [])
        if len(saves) > 1:
            raise KeyboardInterrupt
        os.rename(source, target)

    kept, training.os.replace = training.os.replace, replace_once
    try:
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, *split, folder)
    finally:
        training.os.replace = kept
    (partial,) = folder.glob(".*.partial")
    return partial


@pytest.mark.slow
def test_the_history_is_never_torn(split, tmp_path, monkeypatch):
    """A resumed run is killed in its turn, whenever: the epochs behind it stay, and it goes on."""
    config = replace(CONFIG, epochs=3)
    partial = _half_run(split, tmp_path, config)
    before = (partial / "history.csv").read_text()
    assert len(before.splitlines()) == 3  # two epochs, of which the model of one was saved
    assert finished_share(config, *split, tmp_path) == 2 / 3

    from imbalance_tf.training import run as training

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.HardExampleMining, "__init__", killed)
    monkeypatch.setattr(training.Prepared, "batches", killed)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, *split, tmp_path)
    assert (partial / "history.csv").read_text() == before
    monkeypatch.undo()
    resumed = run_experiment(config, *split, tmp_path)
    assert resumed.history.epoch.tolist() == [0, 1, 2]
    straight = run_experiment(config, *split, tmp_path / "straight")
    pd.testing.assert_frame_equal(resumed.history, straight.history)


def test_killed_just_before_it_gets_its_name_nothing_is_trained_again(
    split, straight, tmp_path, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    def named(source, target):
        return killed() if os.path.isdir(source) else os.rename(source, target)

    monkeypatch.setattr(experiment.os, "replace", named)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(CONFIG, *split, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("imbalance_tf.training.run.train", killed)
    resumed = run_experiment(CONFIG, *split, tmp_path)
    pd.testing.assert_frame_equal(resumed.history, straight.history)
    assert not list(tmp_path.rglob("spent.json"))


@pytest.mark.parametrize("epochs", [1, 2])
def test_the_seconds_before_a_kill_are_counted(cohort, tmp_path, monkeypatch, epochs):
    """Also if its last epoch was behind it."""
    from imbalance_tf.training import run as training

    asked = (*replace(CONFIG, epochs=epochs).trainings(), cohort, tmp_path, None)
    save = training._save_whole

    def save_once(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save_whole", save_once)
    with pytest.raises(KeyboardInterrupt):
        training.train(*asked)
    monkeypatch.undo()
    spent = tmp_path / "spent.json"
    spent.write_text(json.dumps({**json.loads(spent.read_text()), "seconds": 1000.0}))
    assert 1000 <= training.train(*asked)["seconds"] < 2000


@pytest.mark.slow
def test_a_run_keeps_the_precision_that_it_was_begun_in(split, tmp_path):
    config = replace(CONFIG, epochs=2, precision="mixed_bfloat16")
    _half_run(split, tmp_path, config)
    resumed = run_experiment(replace(config, precision="float32"), *split, tmp_path)
    assert resumed.spent["precision"] == "mixed_bfloat16"
    kept = json.loads((resumed.trainings[0] / "config.json").read_text())
    assert kept["spent"]["precision"] == "mixed_bfloat16"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return open_lab("smoke", out=tmp_path_factory.mktemp("lab"))


@pytest.mark.slow
def test_the_estimate_is_made_with_the_model_that_a_run_trains(lab, monkeypatch):
    """Logits and a loss that knows it, ten steps at once; mining as in a run."""
    made, new_model = [], Prepared.new_model
    monkeypatch.setattr(
        Prepared, "new_model", lambda prepared: made.append(new_model(prepared)) or made[-1]
    )
    hours = estimate.estimate_hours(lab)
    assert list(hours) == ["random", "balanced", "hard"]
    assert 0 < hours["random"] == hours["balanced"] < hours["hard"]
    assert made[0].loss.from_logits
    assert made[0].steps_per_execution == 10
    assert int(made[0].optimizer.iterations) == estimate._STEPS


def test_the_estimate_adds_up_what_a_run_does():
    config = ExperimentConfig("hard", epochs=50, steps=1000, candidates_per_class=5000)
    assert estimate._hours(config, 0.03, 0.001, 60) == pytest.approx((50 * 35 + 60) / 3600)
    for arm, seconds in {
        "random": 50 * 30,
        "two classifiers": 2 * 50 * 15,
        "two classifiers, twice the budget": 2 * 50 * 30,
        "balanced, natural head": 50 * 33,
    }.items():
        config = replace(config, arm=arm)
        assert estimate._hours(config, 0.03, 0.001, 60) == pytest.approx((seconds + 60) / 3600)


def test_the_forecast_is_of_what_is_missing_and_is_renewed(lab, monkeypatch):
    hours = {"random": 2.0, "balanced": 2.0, "hard": 4.0}
    monkeypatch.setattr(estimate, "estimate_hours", lambda _: hours)
    assert estimate.Forecast.of(lab).left() == 8
    lab.run("random")
    partial = lab.run_folder("hard").parent
    partial = partial.with_name(f".{partial.name}.partial")
    partial.mkdir()
    (partial / "history.csv").write_text("epoch,accuracy,loss\n0,0.5,1.5\n")
    forecast = estimate.Forecast.of(lab)
    assert forecast.left() == 2 + 4 / 2  # half of its two epochs are behind it
    forecast.took("balanced", 3.0)
    assert forecast.left() == pytest.approx(2 * 1.5)
    forecast.took("random", 9.0)  # nothing that was asked for
    assert forecast.left() == pytest.approx(2 * 1.5)
    (partial / "history.csv").unlink()
    partial.rmdir()


def test_long_trainings_say_what_is_left(monkeypatch, capsys):
    from imbalance_tf.training import run as training

    clock = iter([0.0, 90.0, 150.0, 210.0, 270.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    left = training._SignsOfLife(epochs=6, steps=9)
    left.on_train_begin()
    for epoch in range(4):
        left.on_epoch_end(epoch)
    assert capsys.readouterr().out.splitlines() == [
        "about 8 minutes left of this training",  # by the first epoch, which also compiled
        "about 4 minutes left of this training",
        "about 3 minutes left of this training",
    ]
    clock = iter([0.0, 600.0])
    left = training._SignsOfLife(epochs=16, steps=9)
    left.on_train_begin()
    left.on_epoch_end(0)
    assert capsys.readouterr().out == "about 2.5 hours left of this training\n"


def test_a_long_epoch_shows_that_it_is_alive(monkeypatch, capsys):
    from imbalance_tf.training import run as training

    clock = iter(range(0, 100, 3))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    alive = training._SignsOfLife(epochs=2, steps=9)
    alive.on_train_begin()
    for batch in range(9):
        alive.on_train_batch_end(batch)
    alive.on_epoch_end(0)
    alive.on_train_batch_end(0)  # 3 seconds after the line of the epoch
    said = capsys.readouterr().out.splitlines()
    assert said == ["batch 2 of 9", "batch 4 of 9", "batch 6 of 9", "batch 8 of 9"]


def test_the_model_of_a_run_gives_logits_to_a_loss_that_knows(split):
    model = Prepared(CONFIG.trainings()[0], split[0]).new_model()
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)
    assert model.loss.from_logits
