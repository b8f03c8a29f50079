"""The README's figure of the engine: peers, the package, and what memory allows.

    python benchmarks/figure.py

Reads ``throughput.json`` beside it, of each library its fastest setting; writes
``docs/engine.png``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

HERE = Path(__file__).parent
OURS, PEER, LIMIT = "#D55E00", "#0072B2", "#767676"
SHOWN = {
    "TorchIO": "TorchIO\nLabelSampler, Queue",
    "MONAI": "MONAI\nRandCropByLabelClassesd",
    "tf.data": "tf.data\nsample_from_datasets",
    "imbalance_tf": "imbalance_tf\nexact class counts",
    "memory copy, distinct": "the limit: a memory copy\nof as many bytes",
}
"""How the names in the table begin, and what they are called here. imbalanced-learn is left out:
it samples from the few thousand patches that it holds in memory, the others from all voxels."""


def main():
    table = pd.read_json(HERE / "throughput.json").set_index("name")["patches/s"].dropna()
    speeds = [table[table.index.str.startswith(begin)].max() for begin in SHOWN]
    (ours,) = table[table.index.str.startswith("imbalance_tf")]
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    axis.barh(list(SHOWN.values()), speeds, color=[PEER, PEER, PEER, OURS, LIMIT])
    for row, speed in enumerate(speeds):
        beside = "" if speed == ours else f"   ({_beside(speed / ours)})"
        axis.annotate(
            f"{speed:,.0f}{beside}", (speed, row), xytext=(5, 0), textcoords="offset points",
            va="center",
        )  # fmt: skip
    axis.invert_yaxis()
    axis.set(title="Balanced patches a second on two cores (64 x 64, four modalities)", xticks=[])
    axis.margins(x=0.25)
    axis.set_xlim(left=0)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    figure.savefig(HERE.parent / "docs" / "engine.png", dpi=110)


def _beside(ratio: float) -> str:
    return f"{ratio:.1f} times ours" if ratio > 1 else f"1/{1 / ratio:.0f} of ours"


if __name__ == "__main__":
    main()
