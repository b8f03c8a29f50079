"""Does training in bfloat16 cost Dice?

    python benchmarks/precision_dice.py [--out results/precision]

Trains the three strategies of the lab profile, on its embedded cohort, with three seeds in float32
and in mixed_bfloat16, and sets the mean Dice of each region beside the spread of the float32 runs.
About half an hour; runs that are there are read. Prints a table and writes it to
``benchmarks/precision_dice.json``.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from imbalance_tf import open_lab, run_experiment
from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.config import PRECISIONS

SEEDS = (0, 1, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/precision"))
    out = parser.parse_args().out
    lab = open_lab("lab", out=out)
    rows = []
    for precision in PRECISIONS:
        for strategy in PAPER_ARMS:
            for seed in SEEDS:
                config = replace(lab.config(strategy), precision=precision, seed=seed)
                # Apart: what is found, in whatever precision it was trained, is read.
                result = run_experiment(config, lab.train, lab.test, out / precision)
                for region in lab.train.scheme.regions:
                    dice = result.dice[region].mean()
                    rows.append((strategy, region, precision, seed, dice))
    runs = pd.DataFrame(rows, columns=["strategy", "region", "precision", "seed", "dice"])
    table = runs.pivot_table(
        index=["strategy", "region"], columns="precision", values="dice", sort=False,
        aggfunc=["min", "mean", "max"],
    )  # fmt: skip
    low, high = table["min", "float32"], table["max", "float32"]
    table["inside"] = table["mean", "mixed_bfloat16"].between(low, high)
    print(table.to_string(float_format="{:.3f}".format))
    runs.to_json(Path(__file__).with_suffix(".json"), orient="records", indent=1)


if __name__ == "__main__":
    main()
