"""Speed of training of every arm, beside that of balanced batches.

    python benchmarks/arms.py [arm ...]

On the cohort of the lab profile: every training that the arms of `ARMS` take, or those of the named
ones. An epoch of 100 batches of each takes turns with one of balanced batches, what is mined after
it included; the first, which also compiles, is not counted. Patches a second, and their ratio to
those of "balanced", both the median of five, go to ``benchmarks/arms.json``, under the precision
that the processor trains in. Two minutes for an arm, without bfloat16; more for a U-Net.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from imbalance_tf import ARMS, open_lab
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.training.run import Prepared

ROUNDS = 5


def main():
    with tempfile.TemporaryDirectory() as folder:
        lab = open_lab("lab", out=folder)
        trainings = {}
        for name in sys.argv[1:] or ARMS:
            for training in lab.config(name).trainings():
                # Arms that differ in their decision share a training; the head of one that is
                # retrained needs the model that it finishes, and is a tenth of it.
                key = json.dumps(training.identity(), sort_keys=True, default=str)
                if training.after is None and key not in trainings:
                    part = (
                        "" if len(lab.config(name).trainings()) == 1 else f": {training.arm.name}"
                    )
                    trainings[key] = (name + part, Prepared(training, lab.train))
        (balanced,) = lab.config("balanced").trainings()
        usual = Prepared(balanced, lab.train)
        usual_model = usual.new_model()
        _rate(usual, usual_model)
        rows = {}
        for name, prepared in trainings.values():
            model = prepared.new_model()
            _rate(prepared, model)
            pairs = [(_rate(usual, usual_model), _rate(prepared, model)) for _ in range(ROUNDS)]
            rows[name] = {
                "patches a second": statistics.median(rate for _, rate in pairs),
                "beside balanced": statistics.median(rate / other for other, rate in pairs),
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    print(table.round(2).to_string())
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    kept.setdefault(fastest_precision(), {}).update(table.round(3).to_dict(orient="index"))
    results.write_text(json.dumps(kept, indent=1) + "\n")


def _rate(prepared, model) -> float:
    """Patches a second of an epoch."""
    config, arm = prepared.training.config, prepared.training.arm
    started = time.perf_counter()
    model.fit(
        prepared.batches(),
        callbacks=[prepared.mining] if prepared.mining else [],
        class_weight=arm.loss.class_weight(prepared.shares),
        shuffle=False,
        verbose=0,
    )
    return config.steps * config.batch_size / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
