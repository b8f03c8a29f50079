"""Is anything lost when a process is killed? Each must end as if it had not been.

    python benchmarks/kills.py [SITUATION ...] [--kills 100] [--seed 0]

Every situation is carried out once in peace. Then, in turn, it is begun in an empty folder, killed
(SIGKILL), begun again, and what it leaves is compared with what the undisturbed one left. Every
other kill is at a random moment, the others at a chosen one: before and after a file or folder is
renamed or removed, when a file has just been opened to write and is empty, and, before it is
renamed, with only half of it on the disk. Of a study with two Dask workers, either a worker is
killed, or all of it; of the notebooks, the process that executes them.

All files must hold the same bytes, but for what holds times: the date in ``model.keras`` (its
weights and its description are compared), ``seconds`` and the digests in the ``config.json`` of a
training, the time in the ``arrays.json`` of a store, executed notebooks and their pages (which also
say that runs were read), the ``time`` in any ``config.json``, and of the table of a study the
``seconds`` and the folder in its command. Needs a system with fork. Prints a line per kill and a
table, writes ``benchmarks/kills.json``, by the situations that were asked for, and fails if one
differs.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from functools import partial
from hashlib import blake2b
from pathlib import Path

import click
import numpy as np
import pandas as pd
from moments import Moments

from imbalance_tf import ExperimentConfig, Study, load_cohort, run_experiment, write_phantom_cohort
from imbalance_tf._tensorflow import keras  # noqa: F401 - here, so that no child imports it again
from imbalance_tf.lab.cli import main as command_line
from imbalance_tf.training.study_run import run_study

LIKE = ExperimentConfig(
    "random", epochs=2, steps=2, batch_size=10, patch_size=24, candidates_per_class=20
)
ARMS = (
    "random",
    "hard",
    "SMOTE",
    "balanced, natural head",
    "two classifiers",
    "balanced, priors corrected",
)
STUDY = Study("kills", "Which?", ["random", "balanced"], folds=2)


def train(arm: str, cohort: Path, out: Path, **_):
    first, second = load_cohort(cohort).folds(2, seed=0)[0]
    run_experiment(ExperimentConfig(**{**vars(LIKE), "arm": arm}), first, second, out / "runs")


def study(cohort: Path, out: Path, kill_after: float | None = None):
    from distributed import Client, LocalCluster

    def kill_a_worker():
        print("killed a worker: it begins elsewhere", flush=True)
        os.kill(cluster.workers[0].process.pid, signal.SIGKILL)

    options = {"threads_per_worker": 1, "dashboard_address": None, "local_directory": str(out)}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        timer = threading.Timer(kill_after or 0, kill_a_worker)
        if kill_after is not None:
            timer.start()
        table = run_study(STUDY, partial(load_cohort, cohort), out, client, like=LIKE)
        timer.cancel()
    table.drop(columns="seconds").to_csv(out / "table.csv", index=False)
    for path in out.glob("dask-*"):
        shutil.rmtree(path, ignore_errors=True)


def notebooks(cohort: Path, out: Path, **_):
    arguments = ["run", "2", "3", "--profile", "smoke", "--data", str(cohort), "--out", str(out)]
    command_line(arguments, standalone_mode=False)


def typed(cohort: Path, out: Path, **_):
    arguments = ["study", "paper", "--profile", "smoke", "--folds", "2", "--data", str(cohort)]
    command_line([*arguments, "--out", str(out)], standalone_mode=False)


SITUATIONS = {
    "cohort": lambda cohort, out, **_: write_phantom_cohort(
        out / "phantom", cases=3, slice_thickness=10, progress=False
    ),
    "store": lambda cohort, out, **_: load_cohort(cohort, cache=out / "cache"),
    **{arm: partial(train, arm) for arm in (*ARMS, "two classifiers")},
    "scoring": partial(train, "random"),  # begun with the training finished
    "study": study,
    "study at the command line": typed,
    "notebooks": notebooks,
}


def begin(situation: str, arguments: dict, log: Path, at: int | None = None) -> int:
    """Carry it out in a process of its own; its number."""
    if child := os.fork():
        return child
    code = 1
    try:
        os.setsid()
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        moments = Moments(arguments["out"], at)
        SITUATIONS[situation](**arguments)
        log.with_suffix(".moments").write_text(str(moments.count))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Trial:
    """One situation: as nobody disturbs it, and killed."""

    def __init__(self, situation: str, work: Path):
        self.situation, self.work = situation, work
        self.reference = work / f"{situation}-reference"
        self.reference.mkdir()
        log = work / f"{situation}.log"
        self.measure(self.reference, log)
        if situation == "scoring":  # that was with the training
            self.measure(self.without_scores(work / "scoring-alone"), log)
        self.expected = contents(self.reference)

    def measure(self, out: Path, log: Path) -> None:
        """Carry it out, and note its seconds and moments."""
        started = time.monotonic()
        if ended(begin(self.situation, {"cohort": self.work / "cohort", "out": out}, log)):
            raise click.ClickException(f"{self.situation}, not killed:\n{log.read_text()}")
        self.seconds = time.monotonic() - started
        self.moments = int(log.with_suffix(".moments").read_text())

    def without_scores(self, out: Path) -> Path:
        """A copy of the undisturbed run, of which only the training is finished."""
        shutil.copytree(self.reference, out)
        for scores in out.glob("runs/*/argmax-*"):
            shutil.rmtree(scores)
        return out

    def kill(self, number: int, chosen: bool, generator) -> tuple[str, list[str], str]:
        """What was killed and when, the files that differ in the end, and what was printed."""
        out, log = self.work / f"out-{number}", self.work / f"{number}.log"
        if self.situation == "scoring":
            self.without_scores(out)
        else:
            out.mkdir()
        arguments = {"cohort": self.work / "cohort", "out": out}
        moment, after = int(generator.integers(self.moments)), generator.uniform(0, self.seconds)
        if not chosen:
            child = begin(self.situation, arguments, log)
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        elif self.situation == "study":
            child = begin(self.situation, {**arguments, "kill_after": after}, log)
        else:
            child = begin(self.situation, arguments, log, at=moment)
        code = ended(child)
        what = [line for line in log.read_text().splitlines() if line.startswith("killed ")]
        if not what and code == -signal.SIGKILL:
            what = [f"killed at random: after {after:.1f} s"]
        if code == -signal.SIGKILL:  # any other is a failure, and shown
            code = ended(begin(self.situation, arguments, log))
        found = {} if code else contents(out)
        shutil.rmtree(out)
        if not what and not code:  # it was over before
            return "", [], ""
        names = sorted(found.keys() | self.expected)
        other = [name for name in names if found.get(name) != self.expected.get(name)]
        return what[0] if what else "not killed", other, log.read_text() if code else ""


def comparable(path: Path):
    """What a file holds, without times."""
    content = path.read_bytes()
    if path.suffix in (".ipynb", ".html") or path.name == "lab.json":  # it names the folder
        return "there"
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as parts:
            kept = {name: parts.read(name) for name in parts.namelist()}
        kept.pop("metadata.json")
        content = repr(sorted(kept.items())).encode()
    elif path.name == "config.json":
        kept = json.loads(content)
        kept.get("spent", {}).pop("seconds", None)
        return {key: kept[key] for key in kept if key not in ("files", "digest", "time")}
    elif path.parent.name == "studies" and path.suffix == ".csv":
        lines = content.decode().splitlines(keepends=True)
        kept = pd.read_csv(path, comment="#").drop(columns="seconds")
        return [*(line for line in lines[:4] if str(path.parents[1]) not in line), kept.to_csv()]
    elif path.suffix == ".json" and path.with_suffix(".bin").exists():
        size, _, digest = json.loads(content)
        return [size, digest]
    return blake2b(content, digest_size=8).hexdigest()


def contents(out: Path) -> dict:
    paths = (path for path in out.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(out).as_posix(): comparable(path) for path in paths}


@click.command(help=__doc__)
@click.argument("situations", nargs=-1, type=click.Choice(list(SITUATIONS)))
@click.option("--kills", default=100, type=click.IntRange(min=1))
@click.option("--seed", default=0)
def main(situations, kills, seed):
    generator, begun = np.random.default_rng(seed), time.monotonic()
    results, lost = [], []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_phantom_cohort(work / "cohort", cases=4, slice_thickness=10, progress=False)
        trials = [Trial(name, work) for name in situations or SITUATIONS]
        for trial in trials:
            click.echo(f"{trial.situation}: {trial.seconds:.0f} s, {trial.moments} moments")
        for tries in itertools.count():
            if len(results) == kills:
                break
            round_, place = divmod(tries, len(trials))
            trial = trials[place]
            what, other, printed = trial.kill(tries, (round_ + place) % 2 == 0, generator)
            if not what:
                continue
            results.append([trial.situation, what.partition(":")[0].removeprefix("killed ")])
            line = f"[{len(results)}/{kills}] {trial.situation}, {what}: "
            if other:
                lost.append(f"{line}NOT the same: {', '.join(other[:4])}")
            click.echo(f"{lost[-1]}\n{printed}".strip() if other else f"{line}the same")
            table = pd.crosstab(*zip(*results, strict=True), rownames=[""], colnames=[""])
            counts = {name: row[row > 0].to_dict() for name, row in table.iterrows()}
            minutes = round((time.monotonic() - begun) / 60, 1)
            report = {"seed": seed, "minutes": minutes, "done": len(results), "not the same": lost}
            kept = Path(__file__).with_suffix(".json")
            reports = json.loads(kept.read_text()) if kept.exists() else {}
            reports[", ".join(situations) or "all"] = report | {"kills": counts}
            kept.write_text(json.dumps(reports, indent=2) + "\n")
    click.echo(f"{table.to_string()}\n{kills - len(lost)} of {kills} ended in the same files")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
