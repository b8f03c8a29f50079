"""What mining costs, beside an epoch of the paper's protocol.

    python benchmarks/mining.py

One epoch of 1,000 batches of 120 is timed as 100 of them; one mining with 1,000 candidates of each
of five classes, after a first that compiles. Prints a table and writes it to
``benchmarks/mining.json``. About three minutes.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from imbalance_tf import (
    HardExampleMining,
    HardExampleSampler,
    load_cohort,
    patch_cnn,
    patch_dataset,
    write_phantom_cohort,
)
from imbalance_tf._tensorflow import keras
from imbalance_tf.lab.profiles import fastest_precision

STEPS, EPOCH, ROUNDS = 100, 1000, 5


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=8, seed=0, slice_thickness=3)
        cohort = load_cohort(folder)
    sampler = HardExampleSampler(cohort, seed=0)
    model = patch_cnn(channels=4, classes=5, precision=fastest_precision())
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    steps = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: steps.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: steps.append(time.perf_counter()),
    )
    data = patch_dataset(sampler, steps=STEPS)
    model.fit(data, epochs=1 + ROUNDS, shuffle=False, verbose=0, callbacks=[clock])
    epoch = np.median(np.diff(steps)[2::2]) * EPOCH / STEPS

    row = {"an epoch of 1,000 batches, s": epoch}
    # With a threshold of 1 every candidate is hard, so that the pool counts them.
    counting = HardExampleMining(sampler, threshold=1)
    mining = HardExampleMining(sampler)
    seconds, counts = [], []
    for number in range(1 + ROUNDS):
        for callback in (counting, mining):
            callback.set_model(model)
            started = time.perf_counter()
            callback.on_epoch_end(number)
        seconds.append(time.perf_counter() - started)
        counts.append(len(counting.hard))
    elapsed, count = np.median(seconds[1:]), np.mean(counts[1:])
    row["a mining, s"] = elapsed
    row["candidates"] = count
    row["share of an epoch, %"] = 100 * elapsed / epoch
    row["microseconds a candidate"] = 1e6 * elapsed / count
    for name, value in row.items():
        print(f"{name:36} {value:,.2f}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
