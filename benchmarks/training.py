"""What makes training fast: oneDNN, where the bias is, precision, XLA, steps at once, threads.

    python benchmarks/training.py

Trains `patch_cnn` on balanced batches of the embedded cohort out of `patch_dataset`, each setting
in a process of its own, since threads cannot be changed afterwards, in turn, three times. Without
oneDNN means that TensorFlow itself chooses whether to use it, as in the first version of the lab:
it does where the processor has VNNI. The first version's biases were in the convolutions.
Prints the patches per second of an epoch after the first, of the fastest of the three, since a
shared machine halves its speed now and then; writes them to ``benchmarks/training.json``, under the
precision that the processor is fastest in. About twenty minutes. What precision does to Dice is
measured by ``benchmarks/precision_dice.py``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from imbalance_tf.lab.profiles import fastest_precision

STEPS, ROUNDS = 60, 3
FIRST = {
    "onednn": False,
    "bias_in_convolution": True,
    "precision": "float32",
    "xla": False,
    "steps_at_once": 1,
    "threads": 0,
    "loop": "fit",
}
AFTER_POOL = {**FIRST, "onednn": True, "bias_in_convolution": False}
NOW = {**AFTER_POOL, "precision": fastest_precision()}
SETTINGS = [
    FIRST,
    {**FIRST, "onednn": True},
    AFTER_POOL,
    {**AFTER_POOL, "precision": "mixed_bfloat16"},
    {**NOW, "xla": True},
    {**NOW, "steps_at_once": 10},
    {**NOW, "loop": "train_on_batch"},
    {**NOW, "threads": 1},
    {**NOW, "threads": 4},
]


def patches_per_second(setting: dict, folder: str) -> float:
    """Train in this process, two epochs; the first compiles."""
    import tensorflow as tf  # before imbalance_tf, which runs a first operation

    if setting["threads"]:
        tf.config.threading.set_intra_op_parallelism_threads(setting["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(setting["threads"])

    import keras

    from imbalance_tf import BalancedSampler, load_cohort, patch_cnn, patch_dataset
    from imbalance_tf.network.cnn import ChannelBias

    cohort = load_cohort(folder)
    model = patch_cnn(channels=4, classes=5, precision=setting["precision"])
    if setting["bias_in_convolution"]:

        def with_bias(layer):
            bias = {"use_bias": True} if isinstance(layer, keras.layers.Conv2D) else {}
            return layer.from_config({**layer.get_config(), **bias})

        kept = [layer for layer in model.layers if not isinstance(layer, ChannelBias)]
        model = keras.Sequential([keras.Input(model.input_shape[1:]), *map(with_bias, kept)])
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=setting["xla"],
        steps_per_execution=setting["steps_at_once"],
    )
    data = patch_dataset(BalancedSampler(cohort, seed=0), steps=STEPS)

    clock = []
    time_epoch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: clock.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: clock.append(time.perf_counter()),
    )
    if setting["loop"] == "fit":
        model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[time_epoch])
    else:
        for _ in range(2):
            clock.append(time.perf_counter())
            for patches, labels in data:
                model.train_on_batch(patches, labels)
            clock.append(time.perf_counter())
    return STEPS * 120 / (clock[-1] - clock[-2])


def main():
    if len(sys.argv) == 3:
        print(patches_per_second(json.loads(sys.argv[1]), sys.argv[2]))
        return
    from imbalance_tf import write_phantom_cohort

    rows = [{**setting, "runs": []} for setting in SETTINGS]
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=2, seed=0, slice_thickness=3)
        for _ in range(ROUNDS):
            for row in rows:
                command = [sys.executable, __file__, json.dumps(row), folder]
                onednn = {"TF_ENABLE_ONEDNN_OPTS": "1"} if row["onednn"] else {}
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=environment | onednn
                )
                row["runs"].append(float(done.stdout.split()[-1]))
    table = pd.DataFrame(rows)
    table["patches/s"] = table["runs"].map(max)
    table["times the first"] = table["patches/s"] / table["patches/s"][0]
    print(
        table.drop(columns="runs")
        .replace({"threads": {0: "all"}})
        .to_string(float_format="{:,.2f}".format)
    )
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    kept[fastest_precision()] = table.to_dict("records")
    results.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
