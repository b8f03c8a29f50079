"""Does the network wait for its data?

    python benchmarks/starving.py

An epoch of ``fit`` from `patch_dataset` beside an epoch on one batch that is already in memory, in
turn, in one process; in the precision of the lab, and as many steps at once. A shared machine
halves its speed now and then: what counts is the median of nine ratios, each of two epochs that ran
one after the other. Prints the median of both and of their ratio, and writes them, with all that
was measured, to ``benchmarks/starving.json``. About six minutes.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from imbalance_tf import (
    BalancedSampler,
    load_cohort,
    patch_cnn,
    patch_dataset,
    write_phantom_cohort,
)
from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.lab.profiles import fastest_precision

STEPS, ROUNDS = 100, 9


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
    pipeline = patch_dataset(cohort, BalancedSampler(cohort, seed=0), steps=STEPS)
    (batch,) = pipeline.take(1)
    in_memory = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    in_memory = in_memory.with_options(pipeline.options())
    clocks = {"from the pipeline": Clock(), "one batch in memory": Clock()}
    for _ in range(ROUNDS):
        for data, clock in zip((pipeline, in_memory), clocks.values(), strict=True):
            # Two epochs, of which the second counts: the first starts the pipeline's threads.
            model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[clock])
    seconds = {name: clock.seconds[1::2] for name, clock in clocks.items()}
    ratios = np.divide(*seconds.values())
    row = {name: float(np.median(values)) for name, values in seconds.items()}
    row["ratio"] = float(np.median(ratios))
    for name, value in row.items():
        print(f"{name:24} {value:.3f}")
    print(f"from {ratios.min():.3f} to {ratios.max():.3f}")
    row["all"] = seconds
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
