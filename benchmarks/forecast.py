"""How far is the forecast of the paper's protocol from what a run takes?

    python benchmarks/forecast.py

In a new folder, on the cohort of the lab profile: forecasts what each strategy takes for three
epochs of the paper's length (1000 batches, 5000 candidates a class), and then runs them. Prints
both in minutes, and writes them, under the precision that the processor trains in, to
``benchmarks/forecast.json``. Seven minutes with bfloat16, twenty without.
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from imbalance_tf import PROFILES, open_lab
from imbalance_tf.lab.estimate import estimate_hours
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.training.arms import PAPER_ARMS

EPOCHS = 3


def main():
    with tempfile.TemporaryDirectory() as folder:
        lab = open_lab("lab", out=folder)
        paper = replace(PROFILES["paper"], epochs=EPOCHS)
        lab = replace(lab, profile=paper)
        minutes = {name: 60 * hours for name, hours in estimate_hours(lab).items()}
        row = {}
        for strategy in PAPER_ARMS:
            started = time.perf_counter()
            lab.run(strategy)
            took = (time.perf_counter() - started) / 60
            row[strategy] = {"forecast, minutes": minutes[strategy], "took, minutes": took}
            print(f"{strategy:10} forecast {minutes[strategy]:.2f} minutes, took {took:.2f}")
    ratio = sum(minutes.values()) / sum(each["took, minutes"] for each in row.values())
    row["forecast over taken, all three"] = ratio
    print(f"forecast over taken, all three: {ratio:.3f}")
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    kept[fastest_precision()] = row
    results.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
