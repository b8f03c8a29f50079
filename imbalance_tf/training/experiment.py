"""One run: a config and a cohort in, a results folder out."""

import hashlib
import json
import os
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from filelock import FileLock

from imbalance_tf.cohort.cohort import Cohort

from .config import ExperimentConfig, deciding
from .result import ExperimentResult, read_table

__all__ = ["TRAINING_VERSION", "finished_epochs", "run_experiment", "run_folder"]

TRAINING_VERSION = 1
"""Raised whenever the same config trains another model: another network, other draws, other
defaults. `test_training_version` fails when that has been forgotten."""


def run_folder(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> Path:
    """Where the run of this config on these cohorts is kept; another config, another place.

    Nothing of the machine or of the installation enters, so that what was trained on one is found
    on another.
    """
    defaults = {each.name: each.default for each in fields(config)}
    # Only what differs from its default, so that a new field orphans no run.
    own = {key: value for key, value in deciding(config).items() if value != defaults[key]}
    identity = [own, train.fingerprint, test.fingerprint, TRAINING_VERSION]
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=5)
    return Path(folder) / f"{config.strategy}-{digest.hexdigest()}"


def finished_epochs(folder: Path) -> int:
    """Epochs that a run which is not finished has behind it; `folder` is where it will be."""
    try:
        return len(read_table(_partial(folder) / "history.csv"))
    except (OSError, ValueError):
        return 0


def _partial(folder: Path) -> Path:
    """Where a run is while it is not finished."""
    return folder.with_name(f".{folder.name}.partial")


def run_experiment(
    config: ExperimentConfig, train: Cohort, test: Cohort, folder="results/runs"
) -> ExperimentResult:
    """Train on one cohort, segment and score another; or read the result if it is there.

    A run writes into a hidden folder, which gets its name when it is complete. A run that was
    killed goes on from its last finished epoch, with the same batches as if it had not been.

    Parameters
    ----------
    config : ExperimentConfig
    train, test : Cohort
        Of the same scheme and modalities.
    folder : path
        Where the runs are kept. This one's folder is named by the strategy and a digest of the
        config, the cohorts and `TRAINING_VERSION`. It holds ``config.json``, ``model.keras``,
        ``history.csv``, ``dice.csv``, ``volume_ratios.csv`` and ``segmentations/<case>.nii.gz``.

    Raises
    ------
    ValueError
        If the cohorts do not fit each other or share a case, or the folder of the run was made by
        another config.
    FileNotFoundError
        If the folder of the run lacks one of its files.

    Examples
    --------
    >>> train, test = cohort.split(test_cases=6, seed=0)                    # doctest: +SKIP
    >>> run_experiment(ExperimentConfig("balanced", epochs=20, steps=100), train, test).dice
    ... # doctest: +SKIP
    """
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
    finished = run_folder(config, train, test, folder)
    asked = {
        "config": asdict(config),
        "train": _named(train),
        "test": _named(test),
        "training": TRAINING_VERSION,
        "left_out": list(train.left_out),
        "imbalance_tf": version("imbalance_tf"),
    }
    if not finished.exists():  # what is there is read without a lock, so from a read-only share too
        finished.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(finished.with_name(f".{finished.name}.lock")):
            if not finished.exists():
                partial = _partial(finished)
                partial.mkdir(exist_ok=True)
                from .run import train_and_score  # reading needs no TensorFlow

                _say_what_is_not_read(finished, asked)
                asked["config"]["precision"] = train_and_score(config, train, test, partial)
                (partial / "config.json").write_text(json.dumps(asked, indent=2))
                os.replace(partial, finished)
    result = ExperimentResult.read(finished)
    found = json.loads((finished / "config.json").read_text())
    if different := _different(found, asked):
        raise ValueError(
            f"{finished} was made by another config: {'; '.join(different)}. Move it away, or run "
            f"into another folder"
        )
    return result


def _named(cohort: Cohort) -> dict:
    cases = {case.id: case.digest for case in cohort}
    return {"cases": cases, "fingerprint": cohort.fingerprint}


def _different(found: dict, asked: dict) -> list[str]:
    """What decides a run and is another: a line each."""
    flat = [
        pd.json_normalize(
            {
                "config": deciding(ExperimentConfig(**kept["config"])),
                **{part: kept.get(part) for part in ("train", "test", "training")},
            }
        )
        .iloc[0]
        .to_dict()
        for kept in (found, asked)
    ]
    return [
        f"{key} is {flat[0].get(key)!r}, not {flat[1].get(key)!r}"
        for key in sorted(flat[0].keys() | flat[1].keys())
        if flat[0].get(key) != flat[1].get(key)
    ]


def _say_what_is_not_read(finished: Path, asked: dict) -> None:
    """Say so if the same was trained by another version of the training."""
    for other in finished.parent.glob(f"{asked['config']['strategy']}-*/config.json"):
        try:
            found = json.loads(other.read_text())
            same = not _different({**found, "training": TRAINING_VERSION}, asked)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not to be read today
            continue
        if same:
            print(
                f"{other.parent} was trained by version {found.get('training')} of the training; "
                f"this is version {TRAINING_VERSION}, which makes other models: trained again"
            )
