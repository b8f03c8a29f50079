"""What the class index costs: memory, time to build, time to draw.

    python benchmarks/index.py

Builds `ClassIndex` over eight whole cases of the embedded cohort; then over 10 and over 1,000 cases
that are copies of one another, for what a draw costs. Prints a table and writes it to
``benchmarks/index.json``. About four minutes.
"""

import json
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from imbalance_tf import ClassIndex, load_cohort, write_phantom_cohort

WHOLE, FEW, MANY, DRAW, ROUNDS = 8, 10, 1000, 1200, 300


class Again:
    """Slices that come again and again: a thousand cases do not fit into memory."""

    def __init__(self, stack, times):
        self.shape, self._stack, self._times = (times * len(stack), *stack.shape[1:]), stack, times

    def __iter__(self):
        for _ in range(self._times):
            yield from self._stack


def copies(cohort, times):
    """Of the first case."""
    slices = cohort.slices_of(cohort.case_ids[0])
    labels, brain = cohort.labels[slices], cohort.brain[slices]
    return ClassIndex(
        SimpleNamespace(
            labels=Again(labels, times),
            brain=Again(brain, times),
            case_ids=[str(number) for number in range(times)],
            slice_case=np.repeat(np.arange(times), len(labels)),
            scheme=cohort.scheme,
        )
    )


def draw(index, generator) -> float:
    """Seconds for the centres of some ranks."""
    ranks = generator.integers(index.total, size=DRAW)
    started = time.perf_counter()
    index.centres(ranks)
    return time.perf_counter() - started


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=WHOLE, seed=0, slice_thickness=1)
        cohort = load_cohort(folder)
    started = time.perf_counter()
    index = ClassIndex(cohort)
    built = time.perf_counter() - started
    few, many = copies(cohort, FEW), copies(cohort, MANY)
    generator = np.random.default_rng(0)
    seconds = np.array(
        [(draw(few, generator), draw(many, generator)) for _ in range(ROUNDS)]
    )  # in turn
    at_few, at_many = np.median(seconds, axis=0) / DRAW
    row = {
        "MB a whole case": index.nbytes / 1e6 / WHOLE,
        "a list of int64 positions, MB a case": 8 * index.total / 1e6 / WHOLE,
        "seconds a case to build": built / WHOLE,
        f"microseconds a centre, {FEW} cases": 1e6 * at_few,
        f"microseconds a centre, {MANY} cases": 1e6 * at_many,
        f"{MANY} cases over {FEW}": at_many / at_few,
    }
    for name, value in row.items():
        print(f"{name:40} {value:.3f}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
