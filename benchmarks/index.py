"""What the class index costs: memory, time to build, time to draw.

    python benchmarks/index.py

Builds `ClassIndex` over eight whole cases of the embedded cohort; then over 10 and over 1,000 cases
that are copies of one another, for what a balanced batch of 120 centres costs. Prints a table and
writes it to ``benchmarks/index.json``. About four minutes.
"""

import json
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from imbalance_tf import BalancedSampler, ClassIndex, load_cohort, write_phantom_cohort

WHOLE, FEW, MANY, BATCH, ROUNDS = 8, 10, 1000, 120, 1000


class Again:
    """Slices that come again and again: a thousand cases do not fit into memory."""

    def __init__(self, stack, times):
        self.shape, self._stack, self._times = (times * len(stack), *stack.shape[1:]), stack, times

    def __iter__(self):
        for _ in range(self._times):
            yield from self._stack


def sampler_of_copies(cohort, times):
    """Of the first case."""
    slices = cohort.slices_of(cohort.case_ids[0])
    labels, brain = cohort.labels[slices], cohort.brain[slices]
    many = SimpleNamespace(
        labels=Again(labels, times),
        brain=Again(brain, times),
        case_ids=[str(number) for number in range(times)],
        slice_case=np.repeat(np.arange(times), len(labels)),
        scheme=cohort.scheme,
    )
    return BalancedSampler(many, seed=0)


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
    seconds = np.array([(draw(few), draw(many)) for _ in range(ROUNDS)])  # in turn
    at_few, at_many = np.median(seconds, axis=0) / BATCH
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
