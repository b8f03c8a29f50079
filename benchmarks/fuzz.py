"""Does anything go wrong that is not said? Valid input, spoiled by chance, many times.

    python benchmarks/fuzz.py [KIND ...] [--minutes 60] [--seed 0] [--round NUMBER]

In every round one file of a valid input is spoiled (bits and bytes, lines, numbers, values of JSON
and header fields), or a command gets values that nobody would give, and the input is read as users
read it. It must be refused with an error that the package raises on purpose, or read; then what it
holds must be what it held before, wherever a digest or a second copy can tell. Nothing may end in
another error or take more than two minutes, and no file may change outside the folder that the
input is written to.

Round k of seed s is always the same: ``--round`` repeats one, with its traceback. Prints every
fault, writes ``benchmarks/fuzz.json``, and fails if there is one. Needs a system with SIGALRM.
"""

import contextlib
import gzip
import io
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import pandas as pd
from click.testing import CliRunner
from spoil import ODD, spoiled

from imbalance_tf import ExperimentConfig, Study, load_cohort, run_experiment
from imbalance_tf.lab import runner
from imbalance_tf.lab.cli import main as command_line
from imbalance_tf.lab.predictions import predict, predictions
from imbalance_tf.lab.workspace import open_lab
from imbalance_tf.reading.checking import check_folder
from imbalance_tf.training.experiment import run_folder
from imbalance_tf.training.result import ExperimentResult
from imbalance_tf.training.study_run import run_study
from imbalance_tf.training.study_table import read_study, write_study

CONFIG = ExperimentConfig("balanced", epochs=2, steps=2, batch_size=10, patch_size=24)
SCHEME = """name = "mine"
classes = ["healthy", "necrosis", "edema", "non-enhancing", "enhancing"]
values = [0, 1, 2, 3, 4]
regions = { whole = ["necrosis", "edema", "non-enhancing", "enhancing"], active = ["enhancing"] }
"""


class Hang(BaseException):
    """A round that takes too long; not an Exception, or it would be taken for a bad file."""


def write_cases(folder: Path, layout: str) -> Path:
    """Three small cases of five classes, in the names of BraTS or of nnU-Net."""
    g = np.random.default_rng(7)
    shape = (40, 36, 12)
    brain = np.zeros(shape, bool)
    brain[5:35, 5:30, 2:10] = True
    for case in ("a", "b", "c"):
        labels = np.zeros(shape, np.uint8)
        for value in range(1, 5):
            labels[10 + 2 * value : 12 + 2 * value, 10:20, 4:8] = value
        volumes = {"seg": labels}
        for name in ("t1", "flair"):
            volumes[name] = (brain * (g.normal(300, 40, shape) + 50 * labels)).astype("f4")
        nnunet = {"seg": f"labelsTr/{case}", "t1": f"imagesTr/{case}_0000"}
        nnunet |= {"flair": f"imagesTr/{case}_0001"}
        for name, volume in volumes.items():
            place = nnunet[name] if layout == "nnU-Net" else f"{case}/{case}_{name}"
            path = folder / f"{place}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = nib.Nifti1Image(volume, np.diag([-1.0, -1, 1, 1]))
            path.write_bytes(gzip.compress(image.to_bytes(), 1))
    if layout == "nnU-Net":
        kept = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "ET": 4}}
        (folder / "dataset.json").write_text(json.dumps(kept | {"file_ending": ".nii.gz"}))
    return folder


class Inputs:
    """Valid inputs in a folder; of each kind, the files that are spoiled and what reads them."""

    def __init__(self, work: Path):
        self.work, self.out = work, work / "out"
        self.scans = write_cases(work / "scans", "BraTS")
        self.nnunet = write_cases(work / "nnunet", "nnU-Net")
        self.own = write_cases(work / "own", "BraTS")
        (self.own / "scheme.toml").write_text(SCHEME)
        self.cohort = load_cohort(self.scans, cache=self.out / "cache")
        self.lab = open_lab("smoke", data=self.scans, out=self.out)
        self.split = self.lab.train, self.lab.test
        with contextlib.redirect_stdout(io.StringIO()):
            run_experiment(CONFIG, *self.split, self.out / "runs")
            predict(self.lab, "balanced", {"whole": "over", "core": "under"})
            study = Study("small", "?", ["balanced"], folds=3)
            table = run_study(study, self.cohort, self.out, like=CONFIG)
        self.study = self.out / "studies" / "small.csv"
        table = table.assign(precision="float32", processor="one")
        write_study(table, self.study, command="x")
        self.settings = {"profile": "smoke", "data": str(self.scans), "seed": 0, "files": {}}
        self.settings |= {"scheme": "auto", "on_error": "raise", "cases": 0, "test_cases": 0}
        (self.out / "lab.json").write_text(json.dumps(self.settings, indent=2))
        self.run = run_folder(CONFIG, *self.split, self.out / "runs")
        of_run = [*self.run.rglob("*"), *self.run.parent.glob("*.*")]
        entries = (self.out / "cache").glob("*/*")
        #: kind -> files, what reads them, and whether it must be what it was, or be refused
        self.kinds = {
            "scans": (self.scans.rglob("*.gz"), self.read_scans, False),
            "dataset.json": (self.nnunet.glob("*.json"), self.read_nnunet, False),
            "scheme.toml": (self.own.glob("*.toml"), self.read_own, False),
            "store": (entries, self.read_cohort, True),
            "run": (of_run, self.read_run, True),
            "study": ([self.study], self.read_table, True),
            "lab.json": ([self.out / "lab.json"], self.begin_lab, False),
            "predictions": ([self.out / "predictions.jsonl"], self.read_predictions, False),
        }
        for name, (files, read, exact) in self.kinds.items():
            held = sorted(path for path in files if path.is_file())
            assert held, name
            self.kinds[name] = held, read, exact
        self.before = {name: read() for name, (_, read, _) in self.kinds.items()}

    def read_scans(self):
        """Whichever case is spoiled, the others are as they were."""
        check_folder(self.scans)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cohort = load_cohort(self.scans, cache=self.out / "cache", on_error="skip")
        same = {case.digest for case in cohort} & {case.digest for case in self.cohort}
        assert len(same) >= 2, "a sound case was lost, or is another"
        for case in cohort:
            assert np.isfinite(case.images).all(), "images that are not finite"

    def read_nnunet(self):
        cohort = load_cohort(self.nnunet, scheme="brats2013", cache=self.out / "cache")
        return cohort.modalities, [case.digest for case in cohort]

    def read_own(self):
        cohort = load_cohort(self.own, cache=self.out / "cache")
        assert cohort.class_counts().sum() > 0

    def read_cohort(self):
        return load_cohort(self.scans, cache=self.out / "cache").fingerprint

    def read_run(self):
        result = ExperimentResult.read(self.run)
        maps = result.segmentation(self.split[1])
        tables = [result.history, result.dice, result.volume_ratios]
        return [table.to_csv() for table in tables], result.spent, repr(result.config), {
            name: each.tobytes() for name, each in maps.items()
        }  # fmt: skip

    def read_table(self):
        return read_study(self.study)[0].to_csv()

    def read_predictions(self):
        return predictions(self.lab).to_csv()

    def begin_lab(self):
        runner._refuse_other_results(self.out, self.settings)

    def command(self, g) -> str:
        """A command with odd values; whatever is right about it, nothing is trained."""
        name = ["run", "study", "check", "phantom", "notebooks"][g.integers(5)]
        new = str(self.out / f"new-{g.integers(9)}")
        options = {"--seed": "0", "--profile": "smoke", "--cases": "1", "--scheme": "auto"}
        options |= {"--file": "t1=*_t1.nii.gz", "--on-error": "skip", "--test-cases": "1"}
        options |= {"--folds": "2", "--slice-thickness": "10", "--disease": "lesions", "--out": new}
        values = [str(each) for each in ODD] + [*options.values(), "\udcff", "-", "{case}=x"]
        arguments = [name]
        if name in ("check", "phantom", "notebooks"):
            place = self.scans if name == "check" else new
            arguments += [str(place) if g.random() < 0.7 else values[g.integers(len(values))]]
            if name == "phantom":  # twenty cases of 1 mm would take minutes
                arguments += ["--cases=1", "--slice-thickness=10"]
        elif g.random() < 0.3:
            arguments += [values[g.integers(len(values))]]
        for option in g.permutation(list(options))[: g.integers(4)]:
            right = g.random() < 0.4
            value = options[option] if right else values[g.integers(len(values))]
            arguments += [f"{option}={value}"]
        if name in ("run", "study"):  # of a folder without cases: all else is looked at before
            arguments += [f"--data={self.work / 'none'}"]
        with contextlib.chdir(self.out):
            done = CliRunner().invoke(command_line, arguments)
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        assert "Traceback" not in done.output, done.output
        return "refused" if done.exit_code else "read"


def snapshot(work: Path) -> dict:
    """The files outside of what is written to."""
    kept = (path for path in work.rglob("*") if not path.is_relative_to(work / "out"))
    return {path: path.lstat().st_size for path in kept}


def one_round(inputs: Inputs, kind: str, g: np.random.Generator) -> str:
    if kind == "command line":
        return inputs.command(g)
    files, read, exact = inputs.kinds[kind]
    path = files[g.integers(len(files))]
    content = path.read_bytes()
    new = spoiled(content, path, g)
    path.write_bytes(new)
    try:
        found = read()
    except (OSError, ValueError) as error:
        if str(error):
            return "refused"
        raise RuntimeError("an error without words") from error
    finally:
        path.write_bytes(content)
    assert not exact or found == inputs.before[kind], f"{path.name}: other values were read"
    return "read"


@click.command(help=__doc__)
@click.argument("kinds", nargs=-1)
@click.option("--minutes", default=60.0)
@click.option("--seed", default=0)
@click.option("--round", "only", type=int, help="Repeat this round alone.")
def main(kinds, minutes, seed, only):
    ends: dict[str, Counter] = {}
    faults, begun = [], time.monotonic()

    def hang(signal_number, frame):
        raise Hang("more than two minutes")

    signal.signal(signal.SIGALRM, hang)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        os.environ["HOME"] = str(work / "out" / "home")
        (work / "none").mkdir()
        inputs = Inputs(work)
        before, kinds = snapshot(work), kinds or [*inputs.kinds, "command line"]
        for number in itertools.count() if only is None else [only]:
            if (time.monotonic() - begun) / 60 > minutes:
                break
            kind = kinds[number % len(kinds)]
            signal.alarm(120)
            try:
                end = one_round(inputs, kind, np.random.default_rng([seed, number]))
                assert snapshot(work) == before, "files outside of the output folder changed"
            except (Exception, Hang) as error:
                end, before = "fault", snapshot(work)
                faults.append(f"round {number}, {kind}: {type(error).__name__}: {error}"[:300])
                click.echo(faults[-1])
                if only is not None:
                    traceback.print_exc()
            signal.alarm(0)
            ends.setdefault(kind, Counter())[end] += 1
            if only is not None or number % 100:
                continue
            for place in (work / "out").glob("new-*"):
                shutil.rmtree(place, ignore_errors=True)
            report = {"seed": seed, "minutes": round((time.monotonic() - begun) / 60, 1)}
            report |= {"rounds": number + 1, "ends": ends, "faults": faults}
            Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    table = pd.DataFrame(ends).T.fillna(0).astype(int)
    click.echo(f"{table.to_string()}\n{table.to_numpy().sum()} rounds, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
