"""run_study: every arm on every case, here or on many machines, resumed by asking again."""

import contextlib
import io
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import expanded
from imbalance_tf.cohort.names import shown

from .arms import expect_finished
from .config import ExperimentConfig
from .experiment import remove_private, run_experiment, run_folder
from .parts import kinds_of
from .result import ExperimentResult
from .studies import Study
from .task import task_of

Opener = Callable[[], Cohort]
# In a worker with threads: a run redirects standard output, and clears the session of Keras.
_ONE_AT_A_TIME = threading.Lock()
_SELDOM = 120  # seconds between two lines about how far a run is
# What Keras, `train` and `score` print, and nothing that begins with the name of an arm.
_HOW_FAR = r"Epoch \d+/\d+|about .* left of this training|segmenting .* \(\d+ of \d+\)"
_DETAILS = r"batch \d+ of \d+$|\d+/\d+ - "


@dataclass(frozen=True)
class _Run:
    """One training and its test, of a study."""

    config: ExperimentConfig
    fold: int
    folds: int
    split_seed: int
    folder: Path

    def arguments(self, cohort: Cohort) -> tuple[ExperimentConfig, Cohort, Cohort, Path]:
        """Those of `run_experiment`."""
        train, test = cohort.folds(self.folds, self.split_seed)[self.fold]
        return self.config, train, test, self.folder

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

    Finished runs are read, so a study that was interrupted is resumed by asking again.

    Parameters
    ----------
    study : Study
    cohort : Cohort, or function without arguments that opens it
        A function is for machines that share a file system: each opens the cohort itself, instead
        of being sent its arrays.
    out : path
        Runs are kept in ``<out>/runs``.
    client : distributed.Client, optional
        Runs are divided among its workers. File locks are not relied on: see `run_experiment`.
    like : ExperimentConfig, optional
        Lengths, precision and the first seed; by default those of the lab profile.

    Raises
    ------
    ValueError
        If an argument is of another type, there are more folds than cases, the training cases of a
        fold lack a class that an arm samples, or workers would not have the code of an arm; before
        anything is trained.

    Returns
    -------
    pandas.DataFrame
        One row per run, test case and region (or class): ``study``, ``arm``, ``batches`` (of the
        training), ``fold``, ``seed``, ``case``, ``region``, ``dice``, ``volume ratio`` (predicted
        over true), ``seconds`` (of training), ``patches`` (trained on), ``mined`` (classified to
        find hard ones), ``precision`` and ``processor``.

    Examples
    --------
    >>> short = ExperimentConfig("random", epochs=1, steps=2, batch_size=10, patch_size=24)
    >>> study = Study("mine", "Does it help?", ["random"], folds=2)
    >>> table = run_study(study, cohort, "results", like=short)
    [1/2] random, 2 batches, fold 1 of 2, seed 0: ...
    >>> table.groupby("arm")["case"].nunique().to_dict()
    {'random': 3}
    """
    expect(isinstance(study, Study), "a Study, such as STUDIES[...],", study=study)
    like = ExperimentConfig("balanced", epochs=10, steps=100) if like is None else like
    expect(isinstance(like, ExperimentConfig), "an ExperimentConfig", like=like)
    expect(client is None or hasattr(client, "submit"), "a distributed.Client", client=client)
    for arm in study.arms:
        expect_finished(arm)
        if client and (typed := {kind for kind in kinds_of(arm) if kind.__module__ == "__main__"}):
            raise ValueError(
                f"arm '{arm.name}': {typed.pop().__name__} is defined in a notebook or script, "
                f"which the workers do not have; define it in a file, import it from there, and "
                f"hand that to them: client.upload_file"
            )
    opened: Any = cohort() if callable(cohort) else cohort
    expect(isinstance(opened, Cohort), "a Cohort, or a function that opens one,", cohort=opened)
    many = f"at most {len(opened)}, the cases of the cohort,"
    expect(study.folds <= len(opened), many, folds=study.folds)
    folder = expanded(out=out).absolute() / "runs"
    runs = [
        _Run(replace(config, seed=like.seed + seed), fold, study.folds, like.seed, folder)
        for seed in range(study.seeds)
        for fold in range(study.folds)
        for config in study.configs(like)
    ]
    for run in runs:
        _refuse_absent(run, opened)
    missing = [run for run in runs if not run_folder(*run.arguments(opened)).exists()]
    if missing and client is None:
        _report(((run, _seconds(run, opened)) for run in missing), missing)
    elif missing:
        _report(_on_workers(missing, cohort, client), missing)
        for run in missing:
            remove_private(*run.arguments(opened))
    return pd.concat([_rows(study, run, opened) for run in runs], ignore_index=True)


def _refuse_absent(run: _Run, cohort: Cohort) -> None:
    """ValueError if batches of a run are to hold a class that its training cases lack; or as
    `as_shares`."""
    _, train, _, _ = run.arguments(cohort)
    for step in (step for training in run.config.trainings() for step in training.chain):
        task = task_of(step.task, train.scheme.classes)
        shares = task.shares(step.arm.sampling, train)
        of_each = zip(task.names, task.counts(train), shares, strict=True)
        if absent := [name for name, count, share in of_each if share > 0 and count == 0]:
            raise ValueError(
                f"{run} cannot be trained: none of its {len(train)} training cases has "
                f"{', '.join(absent)}; take fewer folds or another seed, leave the arm out, or add "
                f"cases"
            )


def _report(done: Iterator[tuple[_Run, float]], runs: Sequence[_Run]) -> None:
    """Print a line for every run as it ends, with the time left at the speed so far."""
    begun, finished = time.monotonic(), list[tuple[_Run, float]]()
    for run, seconds in done:
        finished.append((run, seconds))
        left = _left(finished, runs, time.monotonic() - begun) / 60
        unit = "minutes" if round(left) > 1 else "minute"
        more = f"; about {left:.0f} {unit} left" if left >= 1 else ""
        print(shown(f"[{len(finished)}/{len(runs)}] {run}: {seconds:.0f} s{more}"), flush=True)


def _left(finished: list[tuple[_Run, float]], runs: Sequence[_Run], elapsed: float) -> float:
    """Seconds until all are finished, of which those of `finished` took so many.

    By what a batch of the same arm took, or of all arms before its first run: a study of several
    lengths begins with the shortest, and the others do not take as little.
    """
    done = [run for run, _ in finished]
    left = 0.0
    for run in runs:
        if run not in done:
            alike = [each for each in finished if each[0].config.arm == run.config.arm] or finished
            pace = sum(took for _, took in alike) / sum(_batches(each) for each, _ in alike)
            left += pace * _batches(run)
    return left * elapsed / max(sum(took for _, took in finished), 1e-9)  # several run at once


def _batches(run: _Run) -> int:
    """Of all trainings of a run."""
    steps = (step.config for each in run.config.trainings() for step in each.chain)
    return sum(config.epochs * config.steps for config in steps)


def _on_workers(
    missing: Sequence[_Run], cohort: Cohort | Opener, client: Any
) -> Iterator[tuple[_Run, float]]:
    from distributed import as_completed

    if not client.nthreads():
        print("the Dask scheduler has no worker yet: waiting for the first", flush=True)
        client.wait_for_workers(1)
    groups: dict[str, list[_Run]] = {}  # runs that share a training, made once, by one worker
    for run in missing:
        first = run.config.trainings()[0].chain[0]
        key = json.dumps([first.identity(), run.fold], default=str)
        groups.setdefault(key, []).append(run)
    shared = client.scatter(cohort, broadcast=True) if isinstance(cohort, Cohort) else cohort
    futures = [client.submit(_group, runs, shared, pure=False) for runs in groups.values()]
    for _, done in as_completed(futures, with_results=True):
        yield from done


def _group(runs: Sequence[_Run], cohort: Cohort | Opener) -> list[tuple[_Run, float]]:
    with _ONE_AT_A_TIME:
        opened = cohort if isinstance(cohort, Cohort) else cohort()
        return [(run, _seconds(run, opened, private=True)) for run in runs]


def _seconds(run: _Run, cohort: Cohort, *, private: bool = False) -> float:
    """Carry out a run, and measure the seconds that it takes."""
    from imbalance_tf._tensorflow import keras

    begun = time.monotonic()
    with contextlib.redirect_stdout(_OfOneRun(run)):
        run_experiment(*run.arguments(cohort), private=private)
    keras.backend.clear_session()  # else the graphs of all trained models stay in memory
    return time.monotonic() - begun


class _OfOneRun(io.TextIOBase):
    """Standard output of one run of many: how far it is now and then, the details not at all.

    All else at once, such as that it waits for another process, or why it is trained again.
    """

    def __init__(self, run: _Run):
        self._run, self._out, self._said, self._begun = run, sys.stdout, time.monotonic(), ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")  # print writes in pieces
        for line in filter(None, map(str.strip, lines)):
            self._pass_on(line)
        return len(text)

    def _pass_on(self, line: str) -> None:
        now = time.monotonic()
        due = not re.fullmatch(_HOW_FAR, line) or now - self._said > _SELDOM
        if due and not re.match(_DETAILS, line):
            self._said = now
            with contextlib.redirect_stdout(self._out):
                print(shown(f"    {self._run}: {line}"), flush=True)


def _rows(study: Study, run: _Run, cohort: Cohort) -> pd.DataFrame:
    result = ExperimentResult.read(run_folder(*run.arguments(cohort)))
    rows = result.dice.melt(ignore_index=False, var_name="region", value_name="dice")
    ratios = result.volume_ratios.melt(ignore_index=False, value_name="volume ratio")
    rows["volume ratio"] = ratios["volume ratio"]
    rows = rows.reset_index()
    about = {
        "study": study.name,
        "arm": run.config.arm.name,
        "batches": run.config.epochs * run.config.steps,
        "fold": run.fold,
        "seed": run.config.seed,
    }
    for place, (name, value) in enumerate(about.items()):
        rows.insert(place, name, value)
    return rows.assign(**result.spent)
