"""What the class index costs: memory, time to build, time to draw.

    python benchmarks/index.py

Builds `ClassIndex` over eight whole cases of the embedded cohort; then over 10 and over 1,000 cases
that are copies of one another, for what a balanced batch of 120 centres costs. Prints a table and
writes it to ``benchmarks/index.json``. Half a minute.
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from imbalance_tf import BalancedSampler, ClassIndex, load_cohort, write_phantom_cohort

WHOLE, FEW, MANY, BATCH, ROUNDS, RUNS = 8, 10, 1000, 120, 1000, 5


def sampler_of_copies(cohort, times):
    """Of the first case, as cases of their own; the index does not know that they are one."""
    first = cohort[0]
    copies = [replace(first, id=str(n)).as_read(first.digest, first.runs) for n in range(times)]
    return BalancedSampler(replace(cohort, cases=copies), seed=0)


def draw(sampler) -> float:
    """Seconds for a batch."""
    started = time.perf_counter()
    sampler.draw(BATCH)
    return time.perf_counter() - started


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=WHOLE, seed=0, slice_thickness=1)
        cohort = load_cohort(folder)
    started = time.perf_counter()
    index = ClassIndex(cohort)
    built = time.perf_counter() - started
    few, many = sampler_of_copies(cohort, FEW), sampler_of_copies(cohort, MANY)
    rounds = [[(draw(few), draw(many)) for _ in range(ROUNDS)] for _ in range(RUNS)]  # in turn
    medians = np.median(rounds, axis=1) / BATCH
    ratios = medians[:, 1] / medians[:, 0]
    at_few, at_many = np.median(medians, axis=0)
    row = {
        "MB a whole case": index.nbytes / 1e6 / WHOLE,
        "a list of int64 positions, MB a case": 8 * index.total / 1e6 / WHOLE,
        "seconds a case to build": built / WHOLE,
        f"microseconds a centre, {FEW} cases": 1e6 * at_few,
        f"microseconds a centre, {MANY} cases": 1e6 * at_many,
        f"{MANY} cases over {FEW}, median of {RUNS}": float(np.median(ratios)),
        "lowest": float(ratios.min()),
        "highest": float(ratios.max()),
    }
    for name, value in row.items():
        print(f"{name:40} {value:.3f}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
