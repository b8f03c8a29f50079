"""One run: a config and cohorts in, folders with what came out."""

import json
import os
import platform
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import digest, expanded, locked, refuse_unwritable

from .arms import expect_finished
from .config import ExperimentConfig, Training
from .folder import read_history, read_training, write_config
from .result import TABLES, ExperimentResult


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
        Where the runs are kept. A training's folder is named by what decides its model: the arm
        without its name and decision, lengths, seed, cohort and `TRAINING_VERSION`. It contains the
        scores, in a folder named by decision and test cohort. See `ExperimentResult`.
    private : bool
        For many machines on one file system whose locks cannot be relied on: everything is written
        into a folder of this process alone, and the first that is complete counts.

    Raises
    ------
    ValueError
        If an argument is of another type, the cohorts do not fit each other or share a case, or
        the folder of the run was made by another config.
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
    expect(isinstance(config, ExperimentConfig), "an ExperimentConfig", config=config)
    expect_finished(config.arm)
    _refuse_other_cohorts(train, test)
    folder, trainings = expanded(folder=folder).absolute(), config.trainings()
    places = [_trained(training, train, folder, private) for training in trainings]
    scored = run_folder(config, train, test, folder)

    def fill(partial: Path) -> None:
        from .result import load_model  # reading needs no TensorFlow
        from .scoring import score

        models = [load_model(place / "model.keras") for place in places]
        score(trainings, models, train, test, partial, scored)
        about = {
            "config": config.described(),
            "test": _named(test),
            "trainings": [place.name for place in places],
            "steps": [place.name for place in _steps(config, train, folder)],
        }
        files = [f"segmentations/{case.id}.nii.gz" for case in test]
        files += [f"{name}.csv" for name in TABLES]
        write_config(partial, scored, files, about | _provenance())

    _made_once(scored, fill, private)
    return ExperimentResult.read(scored)


def run_folder(config: ExperimentConfig, train: Cohort, test: Cohort, folder: str | Path) -> Path:
    """Where the scores of this config on these cohorts are kept; another config, another place."""
    *others, last = [_training_folder(each, train, folder) for each in config.trainings()]
    decisions = [training.arm.decision.described() for training in config.trainings()]
    identity = [decisions, [other.name for other in others], test.fingerprint]
    return last / f"{decisions[-1]['is'].lower()}-{_digest(identity)}"


def finished_share(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> float:
    """The part of a run that is done, up to 1: the finished epochs of its trainings."""
    if run_folder(config, train, test, folder).exists():
        return 1.0
    places = _steps(config, train, folder)
    done = [1.0 if place.exists() else _finished_epochs(place) / config.epochs for place in places]
    return sum(done) / len(done)


def remove_private(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> None:
    """Remove what killed processes have left of a run that was asked for with `private`."""
    for place in [*_steps(config, train, folder), run_folder(config, train, test, folder)]:
        for partial in place.parent.glob(_partial(place, "-*").name):
            shutil.rmtree(partial, ignore_errors=True)


def _finished_epochs(place: Path) -> int:
    try:
        return len(read_history(_partial(place) / "history.csv"))
    except Exception:  # whatever is broken in it is said when it goes on
        return 0


def _steps(config: ExperimentConfig, train: Cohort, folder: str | Path) -> list[Path]:
    """The folders of all trainings of a run, in the order in which they are trained."""
    chains = (training.chain for training in config.trainings())
    return [_training_folder(step, train, folder) for chain in chains for step in chain]


def _training_folder(training: Training, train: Cohort, folder: str | Path) -> Path:
    identity = [training.identity(), train.fingerprint]
    return Path(folder) / f"{training.label}-{_digest(identity)}"


def _digest(identity: Any) -> str:
    return digest(json.dumps(identity, sort_keys=True, default=str).encode(), 5)


def _trained(training: Training, train: Cohort, folder: Path, private: bool) -> Path:
    """The folder of a training, which is made if it is not there."""
    before = _trained(training.after, train, folder, private) if training.after else None
    place = _training_folder(training, train, folder)
    about = {
        "identity": json.loads(json.dumps(training.identity(), default=str)),
        "train": _named(train),
        "left_out": list(train.left_out),
        "after": [before.name] if before else [],
    }

    def fill(partial: Path) -> None:
        from .run import train as train_model  # reading needs no TensorFlow

        if not (partial / "config.json").exists():  # else killed just before it got its name
            _say_what_is_not_read(place, about)
            spent = train_model(training, train, partial, before)
            kept = {**about, "arm": training.arm.name, "spent": spent, **_provenance()}
            write_config(partial, place, ["model.keras", "history.csv"], kept)
        (partial / "spent.json").unlink(missing_ok=True)  # it stands in the config from now on

    _made_once(place, fill, private)
    _, found = read_training(place)  # refuses what is not complete
    if different := _different(found, about):
        changes = "; ".join(f"{key} is {was!r}, not {now!r}" for key, was, now in different)
        raise ValueError(
            f"{place} was made by another config: {changes}. Move it away, or run into another "
            f"folder"
        )
    return place


def _made_once(place: Path, fill: Callable[[Path], None], private: bool) -> None:
    """Fill a hidden folder that gets its name when it is complete, unless it is there."""
    if place.exists():  # read without a lock, so from a read-only share too
        return
    if place.is_symlink():
        raise FileNotFoundError(f"{place} is a link to nowhere; remove it, and it is run again")
    refuse_unwritable(place.parent, "this run is not finished there, so give another: --out, out=")
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(place, f"-{uuid4().hex}" if private else "")
    with nullcontext() if private else locked(place.with_name(f".{place.name}.lock"), f"{place}"):
        if place.exists():
            return
        partial.mkdir(exist_ok=True)
        try:
            fill(partial)
            os.replace(partial, place)
        except OSError:
            if not place.exists():  # else another process was the first
                raise
        finally:
            if private:  # it could not be resumed
                shutil.rmtree(partial, ignore_errors=True)


def _partial(place: Path, own: str = "") -> Path:
    """Where a training, or its scores, are while they are not finished."""
    return place.with_name(f".{place.name}{own}.partial")


def _refuse_other_cohorts(train: Cohort, test: Cohort) -> None:
    for name, cohort in {"train": train, "test": test}.items():
        whole = isinstance(cohort, Cohort) and len(cohort) > 0
        expect(whole, "a Cohort with at least one case", **{name: cohort})
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


def _named(cohort: Cohort) -> dict[str, Any]:
    cases = {case.id: case.digest for case in cohort}
    return {"cases": cases, "fingerprint": cohort.fingerprint}


def _provenance() -> dict[str, str]:
    """What does not decide a run, but is good to know about it."""
    return {
        "imbalance_tf": version("imbalance_tf"),
        "processor": _processor(),
        "host": platform.node(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()


def _different(found: dict[str, Any], asked: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What differs between two trainings: its name, what was found, what was asked for."""
    was, now = (
        {**each["identity"], "cohort": each["train"]["fingerprint"]} for each in (found, asked)
    )
    keys = sorted(was.keys() | now.keys())
    return [(key, was.get(key), now.get(key)) for key in keys if was.get(key) != now.get(key)]


def _say_what_is_not_read(place: Path, about: dict[str, Any]) -> None:
    """Say so if another version of the training has trained the same."""
    for other in place.parent.glob("*/config.json"):
        try:
            different = _different(json.loads(other.read_text()), about)
        except Exception:  # not a run of today's format, or damaged
            continue
        if [key for key, _, _ in different] == ["version"]:
            (_, was, now), *_ = different
            print(
                f"{other.parent} was trained by version {was} of the training; this is version "
                f"{now}, which makes other models: trained again"
            )
