"""Speed of training of every arm, beside that of balanced batches.

    python benchmarks/arms.py

On the cohort of the lab profile: every training that the arms of `ARMS` take, epochs of 100 batches
in turn, what they mine after each included; the first epoch, which also compiles, is not counted.
Patches a second, and their ratio to those of "balanced", go to ``benchmarks/arms.json``, under the
precision that the processor trains in. A quarter of an hour.
"""

import json
import tempfile
import time
from pathlib import Path

import pandas as pd

from imbalance_tf import ARMS, open_lab
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.training.run import Prepared

ROUNDS = 3


def main():
    with tempfile.TemporaryDirectory() as folder:
        lab = open_lab("lab", out=folder)
        trainings = {}
        for name in ARMS:
            for training in lab.config(name).trainings():
                # Arms that differ in their decision share a training; the head of one that is
                # retrained needs the model that it finishes, and is a tenth of it.
                key = json.dumps(training.identity(), sort_keys=True, default=str)
                if training.after is None and key not in trainings:
                    part = (
                        "" if len(lab.config(name).trainings()) == 1 else f": {training.arm.name}"
                    )
                    trainings[key] = (name + part, Prepared(training, lab.train))
        models = {name: (prepared, prepared.new_model()) for name, prepared in trainings.values()}
        rates = pd.DataFrame(index=list(models), columns=range(ROUNDS), dtype=float)
        for number in range(ROUNDS + 1):
            for name, (prepared, model) in models.items():
                seconds, patches = _epoch(prepared, model)
                if number:
                    rates.loc[name, number - 1] = patches / seconds
    table = pd.DataFrame({"patches a second": rates.median(axis=1)})
    table["beside balanced"] = rates.div(rates.loc["balanced"]).median(axis=1)
    print(table.round(2).to_string())
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    kept[fastest_precision()] = table.round(3).to_dict(orient="index")
    results.write_text(json.dumps(kept, indent=1) + "\n")


def _epoch(prepared, model) -> tuple[float, int]:
    config, arm = prepared.training.config, prepared.training.arm
    started = time.perf_counter()
    model.fit(
        prepared.batches(),
        callbacks=[prepared.mining] if prepared.mining else [],
        class_weight=arm.loss.class_weight(prepared.shares),
        shuffle=False,
        verbose=0,
    )
    return time.perf_counter() - started, config.steps * config.batch_size


if __name__ == "__main__":
    main()
