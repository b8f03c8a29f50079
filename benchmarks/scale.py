"""What does a cohort of any size cost? A store of 20, of 300 and of 1,251 cases.

    python benchmarks/scale.py [folder]

Writes three stores (of about 0.7, 10 and 11 GB; the last of thinner cases, to fit into memory):
copies of a whole case of the embedded cohort, each with noise of its own, put straight into the
store. Then, each in a new process: how long the cohort takes to open, from opening it to the first
balanced batch, to split it and make five folds; how much memory of its own the process has after
1,000 batches; and how many batches a second it makes, with the store in the page cache and without.
In the page cache means here that the process has touched every page once before. For the ratio to
20 cases, passes over both stores take turns in one process, for three processes: the median, and
the least and the most of a process. A large store is removed before the next is written, as both
would fill the memory. Then what 20 whole cases take to be read from their files. Prints tables and
writes them to ``benchmarks/scale.json``. A quarter of an hour, 12 GB of disk, and 16 GB of memory.
"""

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from imbalance_tf import load_cohort, write_phantom_cohort
from imbalance_tf.cohort.runs import runs_of
from imbalance_tf.reading.finding import find_cases
from imbalance_tf.reading.scan import read_case
from imbalance_tf.reading.store import Store, seen_of

SIZES = {"20": (20, 1), "300": (300, 1), "1251, every fourth slice": (1251, 4)}
"""Cases, and every which slice."""
NAMES = ("t1", "t1ce", "t2", "flair", "seg")
BATCHES = 1000
READ = """
import tensorflow as tf

def read(batches):
    # Not a loop in a tf.function, whose source AutoGraph would not find here.
    add = lambda total, batch: total + tf.cast(batch[0][0, 0, 0, 0], tf.float32)
    begun = time.perf_counter()
    batches.reduce(tf.constant(0.0), add).numpy()
    return time.perf_counter() - begun

def touch(cohort):
    for array in (each for case in cohort for each in (case.images, case.labels, case.brain)):
        array.reshape(-1)[:: 4096 // array.itemsize].max()
"""
MEASURE = f"""
import json, sys, time
from imbalance_tf import BalancedSampler, load_cohort, patch_dataset
imported = time.perf_counter()
cohort = load_cohort(sys.argv[1], cache=sys.argv[2], scheme="brats2013")
opened = time.perf_counter()
sampler = BalancedSampler(cohort, seed=0)
batches = patch_dataset(sampler, steps=1)
next(iter(batches))
first = time.perf_counter()
parts = [cohort.split(test_cases=len(cohort) // 5), *cohort.folds(5)]
split = time.perf_counter() - first
{READ}
if sys.argv[5] == "warm":
    touch(cohort)
read(patch_dataset(sampler, steps=1))  # traced, with hardly any page touched
batches = patch_dataset(sampler, steps=int(sys.argv[3]))
seconds = [read(batches) for _ in range(int(sys.argv[4]))]
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({{
    "open, s": opened - imported,
    "open to first batch, s": first - imported,
    "split and five folds, s": split,
    "memory of its own, MiB": int(status["RssAnon"].split()[0]) / 1024,
    "batches a second": int(sys.argv[3]) / sorted(seconds)[len(seconds) // 2],
    "index, MB a case": sampler.index.nbytes / 1e6 / len(cohort),
}}))
"""
IN_TURN = f"""
import json, sys, time
from imbalance_tf import BalancedSampler, load_cohort, patch_dataset
{READ}
def passes(folder, cache):
    cohort = load_cohort(folder, cache=cache, scheme="brats2013")
    touch(cohort)
    return patch_dataset(BalancedSampler(cohort, seed=0), steps=int(sys.argv[1]))

one, other = passes(*sys.argv[2:4]), passes(*sys.argv[4:])
read(one), read(other)
print(json.dumps([read(one) / read(other) for _ in range(9)]))
"""


def made_up(folder: Path, store: Store, example, cases: int, every: int) -> None:
    """Put cases into a store, each with an (empty) file a modality that it was read from."""
    for number in range(cases):
        name = f"case_{number:04}"
        (folder / name).mkdir(parents=True)
        for kind in NAMES:
            (folder / name / f"{name}_{kind}.nii.gz").touch()
    generator = np.random.default_rng(0)
    values, brain = example.values[::every], example.brain[::every]
    images, runs = example.images[::every], runs_of(values, brain)
    for files in find_cases(folder).cases:
        noise = generator.standard_normal(images.shape[:3], np.float32)[..., None]
        own = np.clip(images + noise.astype(np.float16) * brain[..., None], -5, 5)
        name = hashlib.blake2b(files.case_id.encode(), digest_size=16).hexdigest()
        with store.writing():
            store.put(
                files,
                replace(
                    example,
                    images=own,
                    values=values,
                    brain=brain,
                    runs=runs,
                    scan_shape=(images.shape[0] + example.origin[0], *example.scan_shape[1:]),
                    digest=name,
                    scans={role: f"{name} {role}" for role in files.images},
                ),
                seen_of(files),
            )


def forget(folder: Path) -> None:
    """Let the operating system drop the pages of all files of a folder."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def remember(folder: Path) -> None:
    """Read all files of a folder, so that all their pages are in the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(2**20):
                    pass


def measure(code: str, *arguments):
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(done.stdout)


def main():
    results = {}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as place:
        place = Path(place)
        write_phantom_cohort(place / "phantom", cases=20, slice_thickness=1)
        (first, *_) = find_cases(place / "phantom").cases
        example = read_case(first)
        for name, (cases, every) in SIZES.items():
            folder, cache = place / f"{cases}", place / f"{cases} store"
            made_up(folder, Store(cache), example, cases, every)
            size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
            forget(cache)
            cold = measure(MEASURE, folder, cache, 100, 1, "cold")["batches a second"]
            remember(cache)
            row = measure(MEASURE, folder, cache, BATCHES, 5, "warm")
            row |= {"batches a second, cold": cold, "disk, MB a case": size / 1e6 / cases}
            if name != "20":
                few = [place / "20", place / "20 store"]
                ratios = [
                    statistics.median(measure(IN_TURN, BATCHES // 2, *few, folder, cache))
                    for _ in range(3)
                ]
                row["batches a second, over 20"] = statistics.median(ratios)
                row["over 20, least of a process"] = min(ratios)
                row["over 20, most of a process"] = max(ratios)
                shutil.rmtree(cache)
            results[name] = row
            print(name)
            for what, value in row.items():
                print(f"    {what:32} {value:.4g}")
        started = time.perf_counter()
        load_cohort(place / "phantom", cache=place / "phantom store")
        results["reading, s a case, of 20"] = (time.perf_counter() - started) / 20
        print(f"reading: {results['reading, s a case, of 20']:.3f} s a case")
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
