import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from imbalance_tf import (
    ExperimentConfig,
    ExperimentResult,
    dice_scores,
    load_cohort,
    run_experiment,
    segment,
)
from imbalance_tf._tensorflow import keras
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.sampling.buffers import Buffers
from imbalance_tf.sampling.index import ClassIndex
from imbalance_tf.training.arms import Arm, TwoStage
from imbalance_tf.training.batches import Random
from imbalance_tf.training.decisions import PriorCorrected
from imbalance_tf.training.experiment import _made_once, run_folder
from imbalance_tf.training.folder import complete, read_training

from ..conftest import relabelled

CONFIG = ExperimentConfig(
    "hard", epochs=3, steps=4, batch_size=30, patch_size=32, candidates_per_class=40
)


@pytest.fixture(scope="module")
def split(phantom):
    return load_cohort(phantom).split(test_cases=1, seed=0)


@pytest.fixture(scope="module")
def straight(split, tmp_path_factory):
    """A run that nobody disturbed."""
    return run_experiment(CONFIG, *split, tmp_path_factory.mktemp("straight"))


def test_a_run_leaves_nothing_of_its_cohort_in_memory(split, tmp_path):
    """TensorFlow keeps the graphs of a training, but they must not keep the class index: that of
    1,251 cases has hundreds of megabytes, and a study has a hundred runs."""
    before = [each for each in gc.get_objects() if isinstance(each, ClassIndex | Buffers)]
    for arm in ("balanced", "SMOTE"):
        run_experiment(replace(CONFIG, arm=arm, epochs=1, seed=9), *split, tmp_path)
    keras.backend.clear_session()
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, ClassIndex | Buffers)]
    assert not [each for each in left if not any(each is other for other in before)]


def test_a_run_leaves_all_that_it_promises(straight, split):
    (training,) = straight.trainings
    assert straight.folder.parent == training
    candidates = np.minimum(CONFIG.candidates_per_class, split[0].class_counts().sum(axis=0))
    assert straight.spent["mined"] == CONFIG.epochs * candidates.sum(), "counted, to be fair"
    scores = straight.folder.name
    names = {
        str(path.relative_to(training))
        for path in training.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
    (case,) = split[1].case_ids
    assert names == {
        "config.json",
        "model.keras",
        "history.csv",
        f"{scores}/config.json",
        f"{scores}/dice.csv",
        f"{scores}/volume_ratios.csv",
        f"{scores}/segmentations/{case}.nii.gz",
    }
    assert [p.name for p in training.parent.iterdir() if p.is_dir()] == [training.name]
    assert straight.config == CONFIG
    assert straight.history.epoch.tolist() == [0, 1, 2]
    assert {f"hard_{name}" for name in split[0].scheme.classes} < set(straight.history)


@pytest.mark.parametrize(
    "script",
    [
        "from pathlib import Path; from imbalance_tf import ExperimentResult\n"
        "print(ExperimentResult.read(Path({folder!r})).model.name)",
        "import keras; from imbalance_tf import patch_cnn\n"
        "print(keras.models.load_model({folder!r} + '/../model.keras').name)",
    ],
)
@pytest.mark.slow
def test_another_process_loads_the_model(straight, script):
    done = subprocess.run(
        [sys.executable, "-c", script.format(folder=str(straight.folder))],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "patch_cnn", done.stderr


def test_scores_segmentation_and_model_belong_together(straight, split):
    _, test = split
    (case,) = test.case_ids
    predicted = straight.segmentation(test)[case]
    labels, brain = test[case].labels, test[case].brain
    assert predicted.shape == labels.shape
    assert not predicted[~brain].any()
    expected = segment(straight.model, test[case].images).argmax(axis=-1)
    assert (predicted == expected)[brain].mean() > 0.9999  # ties in the last bit
    scores = dice_scores(labels[brain], predicted[brain], test.scheme)
    assert straight.dice.loc[case].to_dict() == pytest.approx(scores, nan_ok=True)


def test_the_segmentation_lies_over_the_scan(straight, split, phantom):
    (case,) = split[1].case_ids
    truth = nib.load(phantom / case / f"{case}_seg.nii.gz")
    written = nib.load(straight.folder / "segmentations" / f"{case}.nii.gz")
    assert np.allclose(written.affine, truth.affine)
    assert written.shape == truth.shape
    assert set(np.unique(written.dataobj)) <= set(split[1].scheme.values)


def test_a_run_that_is_there_is_read_and_not_repeated(straight, split):
    runs = straight.trainings[0].parent
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    again = run_experiment(CONFIG, *split, runs)
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before
    pd.testing.assert_frame_equal(again.dice, straight.dice)


def test_another_config_or_cohort_has_another_folder(split, tmp_path):
    train, test = split
    folders = {run_folder(CONFIG, train, test, tmp_path)}
    for change in ({"seed": 1}, {"epochs": 4}, {"threshold": 0.5}, {"arm": "random"}):
        folders.add(run_folder(replace(CONFIG, **change), train, test, tmp_path))
    folders.add(run_folder(CONFIG, train.subset(train.case_ids[:1]), test, tmp_path))
    folders.add(run_folder(CONFIG, train, train, tmp_path))
    assert len(folders) == 7


def test_each_of_two_classifiers_and_its_decision_has_other_scores(split, tmp_path):
    arms = [TwoStage("two")]
    for part in ({"sampling": Random()}, {"decision": PriorCorrected()}):
        arms += [TwoStage("two", **{stage: Arm("x", **part)}) for stage in ("first", "second")]
    assert len({run_folder(replace(CONFIG, arm=arm), *split, tmp_path) for arm in arms}) == 5


def _run_in_a_process(phantom, folder):
    code = (
        "from tests.training.test_experiment import CONFIG\n"
        "from imbalance_tf import load_cohort, run_experiment\n"
        f"train, test = load_cohort({str(phantom)!r}).split(test_cases=1, seed=0)\n"
        f"run_experiment(CONFIG, train, test, {str(folder)!r})"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_killed_in_an_epoch_it_resumes_as_if_it_had_not_been(phantom, split, straight, tmp_path):
    process = _run_in_a_process(phantom, tmp_path)
    deadline = time.monotonic() + 120
    while not (saved := list(tmp_path.glob(".balanced-mining-*.partial/half.keras"))):
        assert process.poll() is None, "the run ended before its first epoch was saved"
        assert time.monotonic() < deadline, "no epoch was saved"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(saved) == 1
    assert not list(tmp_path.glob("balanced-*")), "a killed run must not look finished"

    resumed = run_experiment(CONFIG, *split, tmp_path)
    assert resumed.history.epoch.tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(resumed.history, straight.history, rtol=1e-3)
    for mine, theirs in zip(resumed.model.get_weights(), straight.model.get_weights(), strict=True):
        assert np.allclose(mine, theirs, atol=1e-3)
    assert not list(tmp_path.rglob(".*.partial"))


@pytest.mark.slow
def test_killed_while_scoring_nothing_half_written_is_read(split, straight, tmp_path, monkeypatch):
    from imbalance_tf.training import scoring

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "volume_ratios", killed)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(CONFIG, *split, tmp_path)
    assert not list(tmp_path.rglob("argmax-*"))
    monkeypatch.undo()
    again = run_experiment(CONFIG, *split, tmp_path)
    assert again.history.epoch.tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(again.dice, straight.dice, atol=1e-3)


@pytest.mark.filterwarnings("error")  # also what pyproject.toml lets pass
def test_the_same_seed_gives_the_same_run(split, straight, tmp_path):
    again = run_experiment(CONFIG, *split, tmp_path)
    pd.testing.assert_frame_equal(again.history, straight.history)
    pd.testing.assert_frame_equal(again.dice, straight.dice)


def test_a_private_folder_is_as_readable_as_any(tmp_path):
    for name, private in {"mine": True, "shared": False}.items():
        _made_once(tmp_path / name, lambda partial: None, private)
    mine, shared = (tmp_path / name for name in ("mine", "shared"))
    assert mine.stat().st_mode == shared.stat().st_mode
    assert not list(tmp_path.glob(".*.partial"))


def test_of_two_private_folders_the_first_that_is_complete_counts(tmp_path):
    def fill(partial):
        (partial / "late").touch()
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "early").touch()

    _made_once(tmp_path / "run", fill, private=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["early", "run"]


@pytest.fixture
def copy(straight, tmp_path):
    """The folder of the training, with the scores in it."""
    shutil.copytree(straight.folder.parent, tmp_path / straight.folder.parent.name)
    return tmp_path / straight.folder.parent.name


def _older(folder):
    """As a version that noted no digests has left it."""
    for path in folder.rglob("config.json"):
        kept = json.loads(path.read_text())
        for key in ("name", "files", "digest"):
            del kept[key]
        path.write_text(json.dumps(kept))


def _read(folder):
    (scores,) = folder.glob("argmax-*")
    return ExperimentResult.read(scores)


def test_a_run_of_before_there_were_digests_is_read(copy, straight):
    _older(copy)
    again = _read(copy)
    pd.testing.assert_frame_equal(again.dice, straight.dice)
    pd.testing.assert_frame_equal(again.history, straight.history)


FILES = ["config.json", "model.keras", "history.csv", "argmax-*/config.json", "argmax-*/dice.csv"]
FILES += ["argmax-*/volume_ratios.csv", "argmax-*/segmentations/*.nii.gz"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_file_that_is_not_as_it_was_written_is_refused(copy, name, damage):
    (path,) = copy.glob(name)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:-4],
            "flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
            "empty": b"",
        }[damage]
    )
    with pytest.raises(FileNotFoundError, match=r"is no complete run .*put a copy of it back, or"):
        _read(copy)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("argmax-*/dice.csv", lambda t: t[["case"]], "dice.csv has no regions"),
        ("argmax-*/dice.csv", lambda t: t.assign(whole=7.0), "dice.csv has a value outside 0 to 1"),
        ("argmax-*/dice.csv", lambda t: t.assign(whole="good"), "could not convert .*good"),
        ("argmax-*/dice.csv", lambda t: t.drop(columns="whole"), "its tables have the regions"),
        ("argmax-*/dice.csv", lambda t: pd.concat([t, t]), "does not hold the test cases"),
        ("argmax-*/volume_ratios.csv", lambda t: t.assign(core=-1.0), "outside 0 to inf"),
        ("history.csv", lambda t: t[:1], "history.csv has 1 epochs of 3"),
        ("history.csv", lambda t: t[1:], r"history.csv has epochs \[1, 2\]"),
        ("history.csv", lambda t: t.drop(columns="loss"), "history.csv has no column loss"),
        ("history.csv", lambda t: t.assign(accuracy=2), "accuracy outside 0 to 1"),
        ("history.csv", lambda t: t.assign(loss="low"), "could not convert .*low"),
        ("history.csv", lambda t: t.assign(loss=float("nan")), "a loss that is no number"),
        ("history.csv", lambda t: t.assign(accuracy=[None, 0.5, 0.5]), "accuracy outside 0 to 1"),
    ],
)
def test_what_cannot_be_in_a_table_is_refused_without_digests_too(copy, name, change, words):
    _older(copy)
    (path,) = copy.glob(name)
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(FileNotFoundError, match=words):
        _read(copy)


def test_a_damaged_model_or_cost_is_refused_without_digests_too(copy):
    _older(copy)
    model = (copy / "model.keras").read_bytes()
    flipped = bytearray(model)
    flipped[len(model) // 2] ^= 1
    (copy / "model.keras").write_bytes(flipped)
    with pytest.raises(FileNotFoundError, match=r"model.keras is damaged"):
        _read(copy)
    (copy / "model.keras").write_bytes(model)
    kept = json.loads((copy / "config.json").read_text())
    kept["spent"]["seconds"] = "long"
    (copy / "config.json").write_text(json.dumps(kept))
    with pytest.raises(FileNotFoundError, match=r"numbers from 0 are expected"):
        _read(copy)


def test_what_may_not_be_read_is_not_called_for_deletion(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"right to read it") as found, complete(tmp_path):
        raise PermissionError(13, "Permission denied", "dice.csv")
    assert "delete" not in str(found.value)


def test_a_folder_that_was_copied_over_another_is_refused(copy):
    """Another arm's model, or the scores of another decision, under this one's name."""
    other = copy.rename(copy.with_name("balanced-0123456789"))
    with pytest.raises(FileNotFoundError, match=f"it is of {copy.name}, copied"):
        _read(other)
    with pytest.raises(FileNotFoundError, match=f"it is {copy.name}, copied or renamed"):
        read_training(other)
    other.rename(copy)
    (scores,) = copy.glob("argmax-*")
    scores.rename(copy / "argmax-0123456789")
    with pytest.raises(FileNotFoundError, match=f"it is {scores.name}, copied or renamed"):
        _read(copy)


@pytest.mark.parametrize("key", ["name", "files", "digest"])
def test_a_run_that_has_lost_its_digest_is_not_taken_for_one_of_before(copy, key):
    (path,) = copy.glob("argmax-*/config.json")
    path.write_text(path.read_text().replace(f'"{key}"', f'"{key}x"'))
    with pytest.raises(FileNotFoundError, match=r"is no complete run .*config.json is not as it"):
        _read(copy)


def test_a_folder_made_by_another_config_is_refused(copy, split):
    _older(copy)
    kept = json.loads((copy / "config.json").read_text())
    kept["identity"]["steps"] = 5
    (copy / "config.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"made by another config: steps is 5, not 4. Move it"):
        run_experiment(CONFIG, *split, copy.parent)


@pytest.mark.parametrize("name", ["config.json", "history.csv", "dice.csv", "model.keras"])
def test_a_folder_that_lacks_a_file_is_refused(copy, split, name):
    (path,) = copy.rglob(name) if name != "config.json" else (copy / name,)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"is no complete run .*delete it"):
        run_experiment(CONFIG, *split, copy.parent)


def test_a_folder_that_lacks_a_segmentation_or_a_row_is_refused(copy, split):
    (scores,) = copy.glob("argmax-*")
    (segmentation,) = (scores / "segmentations").iterdir()
    kept = segmentation.read_bytes()
    segmentation.unlink()
    with pytest.raises(FileNotFoundError, match=rf"no complete run .*{segmentation.name}"):
        run_experiment(CONFIG, *split, copy.parent)
    segmentation.write_bytes(kept)
    _older(copy)
    header = (scores / "dice.csv").read_text().splitlines()[0]
    (scores / "dice.csv").write_text(header + "\n")
    with pytest.raises(FileNotFoundError, match="does not hold the test cases"):
        run_experiment(CONFIG, *split, copy.parent)


@pytest.fixture(scope="module")
def half(split, tmp_path_factory):
    """The hidden folder of a training that was stopped after two of its three epochs."""
    from imbalance_tf.training import run as training

    folder, save, saved = tmp_path_factory.mktemp("half"), training._save_whole, []

    def save_twice(model, path, keep):
        save(model, path, keep)
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_save_whole", save_twice)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(CONFIG, *split, folder)
    (partial,) = folder.glob(".*.partial")
    return partial


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("half.keras", lambda content: b"not a model"),
        ("half.keras", lambda content: content[:-100]),
        ("half.keras", lambda content: content[:9000] + b"?" + content[9001:]),
        ("history.csv", lambda content: b""),
        ("history.csv", lambda content: content.replace(b"epoch", b"e")),
        ("history.csv", lambda content: content.splitlines(keepends=True)[0]),
        ("history.csv", lambda content: content.replace(b"0.", b"zero")),
        ("history.csv", lambda content: b"\xff\x00" + content),
        ("history.csv", lambda content: b"\xef\xbb\xbf" + content),
        ("history.csv", lambda content: content.replace(b"\n", b"\r\n")),
        ("history.csv", lambda content: content.replace(b".", b",")),
        ("history.csv", lambda content: b"".join(sorted(content.splitlines(True), reverse=True))),
        ("history.csv", lambda content: content + content.splitlines(True)[-1]),
        ("half.keras", lambda content: _other_weights(content)),
        ("spent.json", lambda content: b"[1]"),
        ("spent.json", lambda content: b'{"seconds": "long"}'),
        ("spent.json", lambda content: b'{"precision": "float8"}'),
        ("spent.json", lambda content: b'{"precision": "float32"}'),
        ("spent.json", lambda content: b'{"seconds": 3}'),
        ("spent.json", lambda content: content.replace(b'"precision"', b'"precisio"')),
        ("spent.json", lambda content: b'{"seconds": Infinity, "precision": "float32"}'),
        ("spent.json", None),
    ],
)
def test_a_half_run_that_cannot_go_on_says_so_and_is_kept(split, half, tmp_path, name, damage):
    partial = tmp_path / half.name
    shutil.copytree(half, partial)
    content = (partial / name).read_bytes()
    (partial / name).unlink()
    if damage:
        (partial / name).write_bytes(damage(content))
    before = {path.name: path.read_bytes() for path in partial.iterdir()}
    with pytest.raises(ValueError, match=rf"{half.name} cannot be continued .*delete it") as found:
        run_experiment(CONFIG, *split, tmp_path)
    assert "Other trainings are kept" in str(found.value)
    assert {path.name: path.read_bytes() for path in partial.iterdir()} == before


def _other_weights(content):
    """A model of the same network, as another run would have left it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "half.keras")
        path.write_bytes(content)
        model = keras.models.load_model(path)
        model.set_weights([weights + 0.01 for weights in model.get_weights()])
        model.save(path)
        return path.read_bytes()


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["partial", "partial/saving.keras", "lock"])
def test_what_is_in_the_way_of_a_run_is_named_with_the_way_out(split, tmp_path, name):
    place = run_folder(CONFIG, *split, tmp_path).parent
    obstacle = tmp_path / f".{place.name}.{name}"
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.touch() if name == "partial" else obstacle.mkdir()
    with pytest.raises(OSError, match=rf"{obstacle.name} is in the way .* move it away, and start"):
        run_experiment(CONFIG, *split, tmp_path)


def test_a_half_run_under_the_name_of_another_is_refused(split, half, tmp_path):
    other = replace(CONFIG, seed=1)
    place = run_folder(other, *split, tmp_path).parent
    shutil.copytree(half, place.with_name(f".{place.name}.partial"))
    with pytest.raises(ValueError, match=f"cannot be continued .it is {half.name}, copied"):
        run_experiment(other, *split, tmp_path)


def test_a_half_run_of_before_there_were_digests_goes_on(split, half, straight, tmp_path):
    shutil.copytree(half, tmp_path / half.name)
    spent = tmp_path / half.name / "spent.json"
    kept = json.loads(spent.read_text())
    spent.write_text(json.dumps({key: kept[key] for key in ("seconds", "precision")}))
    again = run_experiment(CONFIG, *split, tmp_path)
    pd.testing.assert_frame_equal(again.history, straight.history, rtol=1e-3)


@pytest.mark.parametrize("learning_rate", [1e30])
def test_a_training_that_diverges_is_no_result(split, tmp_path, learning_rate):
    config = replace(CONFIG, arm="random", epochs=2, learning_rate=learning_rate)
    with pytest.raises(ValueError, match=r"'random' cannot be trained so: .* loss is (nan|inf); "):
        run_experiment(config, *split, tmp_path)
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("change", ["other run", "other grid", "other values", "a folder"])
def test_a_segmentation_of_another_run_or_case_is_made_again(copy, split, straight, change):
    (scores,) = copy.glob("argmax-*")
    partial = scores.rename(copy / f".{scores.name}.partial")
    (path,) = (partial / "segmentations").iterdir()
    image = nib.load(path)
    data = np.zeros(image.shape, np.uint8)
    if change == "other grid":
        data = data[:-1]
    if change == "other values":
        data += 77
    header = image.header if change != "other run" else None
    path.unlink()
    if change == "a folder":
        path.mkdir()
        with pytest.raises(OSError, match=path.name):
            run_experiment(CONFIG, *split, copy.parent)
        return
    nib.save(nib.Nifti1Image(data, image.affine, header), path)
    again = run_experiment(CONFIG, *split, copy.parent)
    pd.testing.assert_frame_equal(again.dice, straight.dice)


def test_a_run_is_read_wherever_one_stands_and_by_text(copy, monkeypatch, straight):
    (scores,) = copy.glob("argmax-*")
    monkeypatch.chdir(copy)
    found = ExperimentResult.read(scores.name)
    monkeypatch.chdir("/")
    assert found.model.name == "patch_cnn"
    pd.testing.assert_frame_equal(found.dice, straight.dice)


def test_the_folder_of_a_training_is_not_called_damaged(copy):
    with pytest.raises(ValueError, match=r"is of a training; name one of its scores: argmax-"):
        ExperimentResult.read(copy)


@pytest.mark.bad_input
@pytest.mark.parametrize("where", [("config",), ("config", "arm"), ("config", "arm", "mining")])
def test_a_setting_of_a_newer_version_is_named(copy, where):
    _older(copy)
    (path,) = copy.glob("argmax-*/config.json")
    kept = json.loads(path.read_text())
    part = kept
    for key in where:
        part = part[key]
    part["sparkle"] = 3
    path.write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"sparkle.*version"):
        _read(copy)


def test_what_was_segmented_before_a_kill_is_kept(copy, split, straight, monkeypatch):
    from imbalance_tf.training import scoring

    (scores,) = copy.glob("argmax-*")
    scores.rename(copy / f".{scores.name}.partial")
    monkeypatch.setattr(scoring, "predicted_classes", None)  # it would be called
    again = run_experiment(CONFIG, *split, copy.parent)
    pd.testing.assert_frame_equal(again.dice, straight.dice)
    (case,) = split[1].case_ids
    name = f"segmentations/{case}.nii.gz"
    assert (again.folder / name).read_bytes() == (straight.folder / name).read_bytes()


def test_what_a_killed_process_has_segmented_counts_for_its_run_and_case_only(
    split, tmp_path, monkeypatch
):
    from imbalance_tf.training import scoring

    train, test = split
    segmented = []

    def all_healthy(trainings, models, case, train):
        segmented.append(case)
        return np.zeros(case.labels.shape, np.uint8)

    monkeypatch.setattr(scoring, "predicted_classes", all_healthy)
    other_case = relabelled(test, lambda case: np.zeros_like(case.labels))
    for number, (place, cases) in enumerate(
        [
            ("training/argmax-1", test),
            ("training/argmax-2", test),
            ("other/argmax-2", test),
            ("other/argmax-2", other_case),
        ],
        start=1,
    ):
        for _ in range(2):
            scoring.score([], [], train, cases, tmp_path, Path(place))
        assert len(segmented) == number


def test_a_segmentation_that_was_damaged_before_a_kill_is_made_again(copy, split, straight):
    (scores,) = copy.glob("argmax-*")
    partial = scores.rename(copy / f".{scores.name}.partial")
    (path,) = (partial / "segmentations").iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    again = run_experiment(CONFIG, *split, copy.parent)
    pd.testing.assert_frame_equal(again.dice, straight.dice)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arm": "bagging"}, "arm='bagging'; an Arm, or one of 'random', 'balanced'"),
        ({"epochs": 0}, "epochs=0; a whole number from 1"),
        ({"epochs": 1.5}, "epochs=1.5; a whole number from 1"),
        ({"patch_size": 8}, "patch_size=8; a whole number from 22"),
        ({"seed": -1}, "seed=-1; a whole number from 0"),
        ({"threshold": 75}, "threshold=75; a probability from 0 to 1"),
        ({"steps": -1}, "steps=-1; a whole number from 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0; .* is expected"),
    ],
)
def test_wrong_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        replace(CONFIG, **change)


def test_what_is_not_trained_in_a_read_only_folder_says_where_it_could_be(
    split, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"runs cannot be written; this run is not finished"):
        run_experiment(CONFIG, *split, tmp_path / "runs")


def test_cohorts_that_do_not_fit_are_refused(split, cohort, tmp_path):
    with pytest.raises(ValueError, match="they must be the same"):
        run_experiment(CONFIG, split[0], cohort, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("flags : fpu avx2 avx512_bf16 sse", "mixed_bfloat16"),
        ("flags : amx_bf16 amx_tile", "mixed_bfloat16"),
        ("flags : fpu avx2 avx512f", "float32"),
        (None, "float32"),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(tmp_path, flags, precision):
    cpuinfo = tmp_path / "cpuinfo"
    if flags:
        cpuinfo.write_text(flags)
    assert fastest_precision(cpuinfo) == precision


def test_a_run_in_bfloat16_keeps_its_precision(split, tmp_path):
    train, test = split
    config = ExperimentConfig(
        "balanced", epochs=1, steps=2, batch_size=8, patch_size=24, precision="mixed_bfloat16"
    )
    run = run_experiment(config, train, test, tmp_path)
    assert run.model.layers[0].compute_dtype == "bfloat16"
    assert run.model.layers[-1].compute_dtype == run.model.layers[-2].compute_dtype == "float32"
    assert all(weight.dtype == "float32" for weight in run.model.weights)
    for case in test:
        segmented = segment(run.model, case.images, case.brain).argmax(axis=-1)
        assert np.array_equal(segmented, run.segmentation(test)[case.id])
