"""Does the network wait for its data?

    python benchmarks/starving.py

An epoch of ``fit`` from `patch_dataset` beside an epoch on one batch that is already in memory, in
turn, in one process; in the precision of the lab, and as many steps at once. The speed of a shared
machine wanders by a tenth and more: what counts is the median of many ratios, each of two epochs
that ran one after the other, in either order as often, and how well it is known. Prints the medians
and the 95 % interval of the ratio's, and writes them, with all that was measured, to
``benchmarks/starving.json``. About eight minutes.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import quantile_test

from imbalance_tf import (
    BalancedSampler,
    load_cohort,
    patch_cnn,
    patch_dataset,
    write_phantom_cohort,
)
from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.lab.profiles import fastest_precision

STEPS, ROUNDS = 100, 24


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._started)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=8, seed=0, slice_thickness=3)
        cohort = load_cohort(folder)
    model = patch_cnn(channels=4, classes=5, precision=fastest_precision())
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=10,  # as in the lab
    )
    pipeline = patch_dataset(BalancedSampler(cohort, seed=0), steps=STEPS)
    (batch,) = pipeline.take(1)
    in_memory = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    in_memory = in_memory.with_options(pipeline.options())
    data = {"from the pipeline": pipeline, "one batch in memory": in_memory}
    clocks = {name: Clock() for name in data}
    order = list(data)
    model.fit(in_memory, shuffle=False, verbose=0)  # the first compiles
    for _ in range(ROUNDS):
        for name in order:
            model.fit(data[name], shuffle=False, verbose=0, callbacks=[clocks[name]])
        order.reverse()
    seconds = {name: clock.seconds for name, clock in clocks.items()}
    ratios = np.divide(*seconds.values())
    known = quantile_test(ratios).confidence_interval()  # of the median; exact
    row = {name: float(np.median(values)) for name, values in seconds.items()}
    row |= {"ratio": float(np.median(ratios)), "at least": known.low, "at most": known.high}
    for name, value in row.items():
        print(f"{name:24} {value:.3f}")
    row["all"] = seconds
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
