"""run_study: every arm on every case, here or on many machines, resumed by asking again."""

import contextlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import write_whole

from .config import ExperimentConfig
from .experiment import run_experiment, run_folder
from .result import ExperimentResult
from .studies import Study

__all__ = ["read_study", "run_study", "write_study"]

Opener = Callable[[], Cohort]


@dataclass(frozen=True)
class _Run:
    """One training and its test, of a study."""

    config: ExperimentConfig
    fold: int
    folds: int
    split_seed: int

    def cohorts(self, cohort: Cohort) -> tuple[Cohort, Cohort]:
        return cohort.folds(self.folds, self.split_seed)[self.fold]

    def __str__(self) -> str:
        batches = self.config.epochs * self.config.steps
        return (
            f"{self.config.arm.name}, {batches} batches, fold {self.fold + 1} of {self.folds}, "
            f"seed {self.config.seed}"
        )


def run_study(
    study: Study,
    cohort: Cohort | Opener,
    out: str | Path,
    client: Any = None,
    *,
    like: ExperimentConfig | None = None,
) -> pd.DataFrame:
    """Train and test what is missing of a study, and give its table.

    A run that is there is read; so a study that was interrupted is resumed by asking again.

    Parameters
    ----------
    study : Study
    cohort : Cohort, or function without arguments that opens it
        A function for machines that share a file system: each opens the cohort itself, instead of
        being sent its arrays.
    out : path
        Runs are kept in ``<out>/runs``.
    client : distributed.Client, optional
        Runs are divided among its workers. File locks are not relied on: see `run_experiment`.
    like : ExperimentConfig, optional
        Lengths, precision and the first seed; by default those of the lab profile.

    Returns
    -------
    pandas.DataFrame
        One row per run, test case and region (and class): ``study``, ``arm``, ``batches`` (of the
        training), ``fold``, ``seed``, ``case``, ``region``, ``dice``, ``volume ratio`` (predicted
        over true), ``seconds`` (of training), ``patches`` (trained on), ``mined`` (classified to
        find hard ones).

    Examples
    --------
    >>> short = ExperimentConfig("random", epochs=1, steps=2, batch_size=10, patch_size=24)
    >>> study = Study("mine", "Does it help?", ["random", "balanced"], folds=3)
    >>> table = run_study(study, cohort, "results", like=short)
    [1/6] random, 2 batches, fold 1 of 3, seed 0: ...
    >>> table.groupby("arm")["case"].nunique().to_dict()
    {'balanced': 3, 'random': 3}
    """
    like = like or ExperimentConfig("balanced", epochs=10, steps=100)
    opened = cohort if isinstance(cohort, Cohort) else cohort()
    runs = [
        _Run(replace(config, seed=like.seed + seed), fold, study.folds, like.seed)
        for seed in range(study.seeds)
        for fold in range(study.folds)
        for config in study.configs(like)
    ]
    folder = Path(out).absolute() / "runs"
    missing = [
        run for run in runs if not run_folder(run.config, *run.cohorts(opened), folder).exists()
    ]
    if missing:
        if client is None:
            done = _here(missing, opened, folder)
        else:
            done = _there(missing, cohort, folder, client)
        _report(done, len(missing))
        if client is not None:
            for partial in folder.glob(".*.partial"):  # of workers that were killed
                shutil.rmtree(partial, ignore_errors=True)
    return pd.concat([_rows(study, run, opened, folder) for run in runs], ignore_index=True)


def _report(done: Iterator[tuple[_Run, float]], runs: int) -> None:
    """A line for every run as it ends, with the time left by what was measured."""
    begun, taken = time.monotonic(), dict[str, list[float]]()
    for number, (run, seconds) in enumerate(done, start=1):
        taken.setdefault(run.config.arm.name, []).append(seconds)
        left = (time.monotonic() - begun) / number * (runs - number) / 60
        print(
            f"[{number}/{runs}] {run}: {seconds:.0f} s"
            + (f"; about {left:.0f} minutes left" if left >= 1 else ""),
            flush=True,
        )


def _here(missing: Sequence[_Run], cohort: Cohort, folder: Path) -> Iterator[tuple[_Run, float]]:
    for run in missing:
        yield run, _one(run, cohort, folder, private=False)


def _there(missing, cohort: Cohort | Opener, folder: Path, client) -> Iterator[tuple[_Run, float]]:
    from distributed import as_completed

    shared = client.scatter(cohort, broadcast=True) if isinstance(cohort, Cohort) else cohort
    futures = [
        client.submit(_on_a_worker, group, shared, folder, pure=False) for group in _groups(missing)
    ]
    for _, done in as_completed(futures, with_results=True):
        yield from done


def _groups(missing: Sequence[_Run]) -> list[list[_Run]]:
    """Runs that share a training follow each other on one worker, so that none is made twice."""
    groups: dict[str, list[_Run]] = {}
    for run in missing:
        first = run.config.trainings()[0]
        key = json.dumps([(first.after or first).identity(), run.fold], default=str)
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def _on_a_worker(runs, cohort: Cohort | Opener, folder: Path) -> list[tuple[_Run, float]]:
    opened = cohort if isinstance(cohort, Cohort) else _opened(cohort)
    return [(run, _one(run, opened, folder, private=True)) for run in runs]


@lru_cache(maxsize=1)
def _opened(opener: Opener) -> Cohort:
    return opener()


def _one(run: _Run, cohort: Cohort, folder: Path, *, private: bool) -> float:
    """Seconds that a run took."""
    from imbalance_tf._tensorflow import keras

    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        run_experiment(run.config, *run.cohorts(cohort), folder, private=private)
    keras.backend.clear_session()  # or the graphs of all models that were trained stay
    return time.monotonic() - begun


def _rows(study: Study, run: _Run, cohort: Cohort, folder: Path) -> pd.DataFrame:
    result = ExperimentResult.read(run_folder(run.config, *run.cohorts(cohort), folder))
    rows = result.dice.melt(ignore_index=False, var_name="region", value_name="dice")
    ratios = result.volume_ratios.melt(ignore_index=False, value_name="volume ratio")
    rows["volume ratio"] = ratios["volume ratio"]
    rows = rows.reset_index()
    rows.insert(0, "study", study.name)
    rows.insert(1, "arm", run.config.arm.name)
    rows.insert(2, "batches", run.config.epochs * run.config.steps)
    rows.insert(3, "fold", run.fold)
    rows.insert(4, "seed", run.config.seed)
    spent = {key: result.spent[key] for key in ("seconds", "patches", "mined")}
    return rows.assign(**spent)


def write_study(results: pd.DataFrame, path: Path, *, command: str, precision: str) -> None:
    """Keep the table of a study, with lines before it that say how it was made."""
    about = {
        "command": command,
        "imbalance_tf": version("imbalance_tf"),
        "precision": precision,
        "processor": _processor(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"# {name}: {value}\n" for name, value in about.items())
    write_whole(path, lines + results.to_csv(index=False, float_format="%.6g"))


def read_study(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table of a study, and how it was made: `write_study` backwards."""
    about = {}
    with path.open() as file:
        for line in file:
            if not line.startswith("# "):
                break
            name, _, value = line[2:].rstrip("\n").partition(": ")
            about[name] = value
    table = pd.read_csv(
        path,
        skiprows=len(about),
        dtype={"case": str},
        keep_default_na=False,
        na_values=[""],
    )
    return table, about


def _processor() -> str:
    """The name of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
