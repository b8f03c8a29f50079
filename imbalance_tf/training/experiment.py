"""One run: a config and a cohort in, folders with what came out."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from imbalance_tf.cohort.cohort import Cohort

from .config import ExperimentConfig, Training
from .result import ExperimentResult, complete, read_table, read_training

__all__ = ["finished_share", "run_experiment", "run_folder"]


def run_experiment(
    config: ExperimentConfig,
    train: Cohort,
    test: Cohort,
    folder: str | Path = "results/runs",
    *,
    private: bool = False,
) -> ExperimentResult:
    """Train on one cohort, segment and score another; or read the result if it is there.

    A training writes into a hidden folder, which gets its name when it is complete; so do the
    scores. A run that was killed goes on from its last finished epoch, with the same batches as if
    it had not been.

    Parameters
    ----------
    config : ExperimentConfig
    train, test : Cohort
        Of the same scheme and modalities.
    folder : path
        Where the runs are kept. A training's folder is named by what decides its model: the arm but
        for its name and decision, lengths, seed, cohort and `TRAINING_VERSION`. The scores lie in
        it, in a folder named by decision and test cohort. See `ExperimentResult`.
    private : bool
        For many machines on one file system, whose locks are not relied on: everything is written
        in a folder of this process alone, and the first that is complete counts.

    Raises
    ------
    ValueError
        If the cohorts do not fit each other or share a case, or the folder of the run was made by
        another config.
    FileNotFoundError
        If the folder of the run lacks one of its files.

    Examples
    --------
    >>> config = ExperimentConfig("balanced", epochs=1, steps=2, batch_size=10, patch_size=24)
    >>> result = run_experiment(config, train, test, "runs")
    2/2 - ...
    >>> list(result.dice.index), len(result.history)
    (['tiny'], 1)
    """
    _refuse_other_cohorts(train, test)
    folder, trainings = Path(folder), config.trainings()
    for training in trainings:
        _trained(training, train, folder, private)
    scored = run_folder(config, train, test, folder)

    def fill(partial: Path) -> None:
        from .result import load_model  # reading needs no TensorFlow
        from .scoring import score

        places = [_training_folder(training, train, folder) for training in trainings]
        models = [load_model(place / "model.keras") for place in places]
        score(trainings, models, train, test, partial)
        about = {
            "config": config.described(),
            "test": _named(test),
            "trainings": [place.name for place in places],
            "steps": [
                _training_folder(step, train, folder).name
                for training in trainings
                for step in training.chain
            ],
            **_provenance(),
        }
        (partial / "config.json").write_text(json.dumps(about, indent=2))

    _made_once(scored, fill, private)
    return ExperimentResult.read(scored)


def run_folder(config: ExperimentConfig, train: Cohort, test: Cohort, folder: str | Path) -> Path:
    """Where the scores of this config on these cohorts are kept; another config, another place."""
    *others, last = [_training_folder(each, train, folder) for each in config.trainings()]
    decisions = [training.arm.decision.described() for training in config.trainings()]
    identity = [decisions, [other.name for other in others], test.fingerprint]
    return last / f"{decisions[-1]['is'].lower()}-{_digest(identity)}"


def finished_share(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> float:
    """How much of a run is done, of 1: by the epochs that its trainings have behind them."""
    if run_folder(config, train, test, folder).exists():
        return 1.0
    places = [
        _training_folder(step, train, folder)
        for training in config.trainings()
        for step in training.chain
    ]
    done = [1.0 if place.exists() else _finished_epochs(place) / config.epochs for place in places]
    return sum(done) / len(done)


def _finished_epochs(place: Path) -> int:
    try:
        return len(read_table(_partial(place) / "history.csv"))
    except (OSError, ValueError):
        return 0


def _training_folder(training: Training, train: Cohort, folder: str | Path) -> Path:
    identity = [training.identity(), train.fingerprint]
    return Path(folder) / f"{training.label}-{_digest(identity)}"


def _digest(identity: Any) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def _trained(training: Training, train: Cohort, folder: Path, private: bool) -> Path:
    """The folder of a training, which is made if it is not there."""
    before = _trained(training.after, train, folder, private) if training.after else None
    place = _training_folder(training, train, folder)
    about = {
        "identity": training.identity(),
        "train": _named(train),
        "left_out": list(train.left_out),
        "after": [before.name] if before else [],
    }

    def fill(partial: Path) -> None:
        from .run import train as train_model  # reading needs no TensorFlow

        _say_what_is_not_read(place, about)
        spent = train_model(training, train, partial, before)
        kept = {**about, "arm": training.arm.name, "spent": spent, **_provenance()}
        (partial / "config.json").write_text(json.dumps(kept, indent=2))

    _made_once(place, fill, private)
    read_training(place)  # refuses what is not complete
    with complete(place):
        found = json.loads((place / "config.json").read_text())
    if different := _different(found, about):
        raise ValueError(
            f"{place} was made by another config: {'; '.join(different)}. Move it away, or run "
            f"into another folder"
        )
    return place


def _made_once(place: Path, fill: Callable[[Path], None], private: bool) -> None:
    """Fill a hidden folder that gets its name when it is complete, unless it is there."""
    if place.exists():  # read without a lock, so from a read-only share too
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if private:
        partial = Path(tempfile.mkdtemp(".partial", f".{place.name}-", place.parent))
        try:
            fill(partial)
            if not place.exists():
                os.rename(partial, place)
        except OSError:
            if not place.exists():  # else another process was the first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # made here, just now
        return
    with FileLock(place.with_name(f".{place.name}.lock")):
        if not place.exists():
            partial = _partial(place)
            partial.mkdir(exist_ok=True)
            fill(partial)
            os.replace(partial, place)


def _partial(place: Path) -> Path:
    """Where a training, or its scores, are while they are not finished."""
    return place.with_name(f".{place.name}.partial")


def _refuse_other_cohorts(train: Cohort, test: Cohort) -> None:
    if train.scheme.classes != test.scheme.classes or train.modalities != test.modalities:
        raise ValueError(
            f"the training cohort has {train.modalities} and {train.scheme.classes}, the test "
            f"cohort {test.modalities} and {test.scheme.classes}; they must be the same"
        )
    trained = {case.digest for case in train}
    if names := [case.id for case in test if case.digest in trained]:
        raise ValueError(
            f"{', '.join(names)} of the test cohort is in the training cohort too; split the cases "
            f"with cohort.split(...)"
        )


def _named(cohort: Cohort) -> dict:
    cases = {case.id: case.digest for case in cohort}
    return {"cases": cases, "fingerprint": cohort.fingerprint}


def _provenance() -> dict[str, str]:
    """What does not decide a run, but is good to know of it."""
    return {"imbalance_tf": version("imbalance_tf"), "machine": platform.machine()}


def _different(found: dict, asked: dict) -> list[str]:
    """What decides a training and is another: a line each."""
    flat = [
        pd.json_normalize({part: kept.get(part) for part in ("identity", "train")})
        .iloc[0]
        .to_dict()
        for kept in (found, asked)
    ]
    return [
        f"{key.removeprefix('identity.')} is {flat[0].get(key)!r}, not {flat[1].get(key)!r}"
        for key in sorted(flat[0].keys() | flat[1].keys())
        if json.dumps(flat[0].get(key), default=str) != json.dumps(flat[1].get(key), default=str)
    ]


def _say_what_is_not_read(place: Path, about: dict) -> None:
    """Say so if the same was trained by another version of the training."""
    for other in place.parent.glob("*/config.json"):
        try:
            found = json.loads(other.read_text())
            was = found["identity"]["version"]
            found["identity"]["version"] = about["identity"]["version"]
            same = not _different(found, about)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not to be read today
            continue
        if same:
            print(
                f"{other.parent} was trained by version {was} of the training; this is version "
                f"{about['identity']['version']}, which makes other models: trained again"
            )
