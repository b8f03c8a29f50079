"""Does the network wait for its data?

    python benchmarks/starving.py

An epoch of ``fit`` from `patch_dataset` beside an epoch on one batch that is already in memory, in
turn, in one process; in the precision of the lab. Of each the fastest of six counts, since a
shared machine halves its speed now and then. Prints both and their ratio, and writes them, with all
that was measured, to ``benchmarks/starving.json``. About four minutes.
"""

import json
import tempfile
import time
from pathlib import Path

from imbalance_tf import (
    BalancedSampler,
    load_cohort,
    patch_cnn,
    patch_dataset,
    write_phantom_cohort,
)
from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.lab.profiles import fastest_precision

STEPS, ROUNDS = 100, 6


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
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pipeline = patch_dataset(cohort, BalancedSampler(cohort, seed=0), steps=STEPS)
    (batch,) = pipeline.take(1)
    in_memory = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    in_memory = in_memory.with_options(pipeline.options())
    clocks = {"from the pipeline": Clock(), "one batch in memory": Clock()}
    for _ in range(ROUNDS):
        for data, clock in zip((pipeline, in_memory), clocks.values(), strict=True):
            # Two epochs, of which the second counts: the first starts the pipeline's threads.
            model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[clock])
    row = {name: min(clock.seconds[1::2]) for name, clock in clocks.items()}
    row["ratio"] = row["from the pipeline"] / row["one batch in memory"]
    for name, value in row.items():
        print(f"{name:24} {value:.3f}")
    row["all"] = {name: clock.seconds[1::2] for name, clock in clocks.items()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
