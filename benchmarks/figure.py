"""The README's figure of the engine, from what the other benchmarks wrote.

    python benchmarks/figure.py

Reads ``throughput.json`` and ``training.json`` beside it; writes ``docs/engine.png``.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

HERE = Path(__file__).parent
OURS, PEER, LIMIT = "#D55E00", "#0072B2", "#BBBBBB"


def bars(axis, names, speeds, colours):
    axis.barh(names, speeds, color=colours)
    for row, speed in enumerate(speeds):
        axis.annotate(
            f"{speed:,.0f}", (speed, row), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def main():
    peers = pd.read_json(HERE / "throughput.json").dropna(subset="patches/s")
    peers = peers.sort_values("patches/s")
    training = json.loads((HERE / "training.json").read_text())
    changed = {
        "onednn": lambda value: "" if value else "as in the first version",
        "bias_in_convolution": lambda value: "bias in convolution" if value else "",
        "xla": lambda value: "XLA" if value else "",
        "steps_at_once": lambda value: f"{value} steps at once" if value > 1 else "",
        "threads": lambda value: f"{value} thread{'s' * (value > 1)}" if value else "",
        "loop": lambda value: value if value != "fit" else "",
    }
    heights = [len(peers), *map(len, training.values())]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(10, 0.42 * sum(heights) + 2), layout="constrained",
        height_ratios=heights,
    )  # fmt: skip
    colours = [
        OURS if name.startswith("imbalance_tf") else LIMIT if name.startswith("memory") else PEER
        for name in peers["name"]
    ]
    bars(axes[0], peers["name"], peers["patches/s"], colours)
    axes[0].set(xscale="log", title="Balanced patches a second (64x64x4, float16; log scale)")
    axes[0].margins(x=0.1)
    processors = {"float32": "without bfloat16", "mixed_bfloat16": "with bfloat16"}
    for axis, (fastest, rows) in zip(axes[1:], training.items(), strict=True):
        names = [
            ", ".join(
                filter(None, [row["precision"], *(say(row[key]) for key, say in changed.items())])
            )
            for row in rows
        ]
        speeds = [row["patches/s"] for row in rows]
        bars(axis, names, speeds, PEER)
        axis.set(
            title=f"Training on a processor {processors[fastest]}: patches a second",
            xlim=(0, 1.12 * max(speeds)),
        )
    figure.savefig(HERE.parent / "docs" / "engine.png", dpi=100)


if __name__ == "__main__":
    main()
