"""How near does the embedded cohort come to real scans?

    python benchmarks/cohort_realism.py [--cases 30] [--seed 0] [--keep FOLDER]

Writes a cohort of whole cases at 1 mm (to a temporary folder, or to FOLDER, which is reused if it
is there), measures it case by case, and prints every figure beside that of 26 real patients of
BraTS 2013 and 2018; then what falls outside, the best Dice of a one-modality threshold, time and
memory. All of it goes to ``benchmarks/cohort_realism_seed0.json`` too. The simulator was adjusted
by looking at seed 0; any other seed tells how it does on cases that nobody looked at.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf import Cohort, load_cohort, write_phantom_cohort
from imbalance_tf.phantom.case import true_tissue
from imbalance_tf.phantom.realism import measure_case, summarise, targets

FILES = {"t1": "t1", "t1c": "t1ce", "t2": "t2", "flair": "flair"}
Z_EDGES = np.arange(-5, 5.01, 0.05)
"""Bins of the intensity histograms: a cohort's z-scores are clipped to [-5, 5]."""
TISSUES = {  # as targets.SINGLE, for the healthy tissues
    "t1": {"csf": -1.87, "gm": -0.26, "wm": 0.67},
    "t1c": {"csf": -1.44, "gm": -0.29, "wm": 0.49},
    "t2": {"csf": 1.58, "gm": -0.19, "wm": -0.58},
    "flair": {"csf": -1.74, "gm": -0.44, "wm": -0.33},
}


def measure(folder: Path, seed: int, number: int) -> tuple[dict, dict, dict]:
    """The figures of one case, the mean z of its healthy tissues by modality, and `histograms`."""
    cohort = load_cohort(folder, scheme="brats2013")  # one case: 30 would not fit in 3 GiB
    measured = measure_case(cohort, cohort.case_ids[0])
    tissue = true_tissue(seed, number)
    labels = np.asarray(nib.load(folder / f"{folder.name}_seg.nii.gz").dataobj)
    # As a segmentation of a real scan does, every healthy voxel goes to the tissue that fills most
    # of it.
    names = ("csf", "gm", "wm")
    most = np.argmax([getattr(tissue, name) for name in names], axis=0)
    masks = {name: (labels == 0) & (most == number) for number, name in enumerate(names)}
    means = {}
    for modality, name in FILES.items():
        scan = np.asarray(nib.load(folder / f"{folder.name}_{name}.nii.gz").dataobj)
        brain = scan[scan > 0]
        means[modality] = {
            tissue_name: (scan[mask & (scan > 0)].mean() - brain.mean()) / brain.std()
            for tissue_name, mask in masks.items()
        }
    return measured, means, histograms(cohort)


def histograms(cohort: Cohort) -> dict[str, np.ndarray]:
    """By modality, the brain voxels of each class in the bins of `Z_EDGES`: (classes, bins)."""
    (case,) = cohort
    z, labels = case.images[case.brain].astype(np.float32), case.labels[case.brain]
    numbers = range(len(cohort.scheme.classes))
    return {
        name: np.stack([np.histogram(z[labels == n, channel], Z_EDGES)[0] for n in numbers])
        for channel, name in enumerate(cohort.modalities)
    }


def separability_table(cases: list[dict[str, np.ndarray]], classes: Sequence[str]) -> pd.DataFrame:
    """Best Dice that one threshold on one modality reaches: one row per tumour class.

    The threshold and its side are the best ones for these very cases, over the voxels of the whole
    brain: an upper limit for any classifier of that kind.
    """
    best = {}
    for modality in cases[0]:
        counts = sum(case[modality] for case in cases)
        dice = []
        for side in (1, -1):
            hits = np.cumsum(counts[:, ::side], axis=1)
            dice.append(2 * hits / np.maximum(hits.sum(axis=0) + hits[:, -1:], 1))
        best[modality] = np.max(dice, axis=(0, 2))
    return pd.DataFrame(best, index=pd.Index(classes, name="class")).iloc[1:]


def tissue_rows(means: list[dict]) -> pd.DataFrame:
    """The healthy tissues in the form of `realism_table`."""
    rows = []
    for modality, tissues in TISSUES.items():
        for name, real in tissues.items():
            values = np.array([case[modality][name] for case in means])
            limits = real - targets.TOLERANCE, real + targets.TOLERANCE
            rows.append((f"{modality}: mean z, slices of 2013", name, values.mean(), *limits))
    table = pd.DataFrame(rows, columns=["group", "figure", "measured", "low", "high"])
    return table.assign(inside=table["measured"].between(table["low"], table["high"]))


def asymmetry(folder: Path) -> float:
    """% of the brain that its mirror image misses, at the best of many mirror planes."""
    brain = np.asarray(nib.load(folder / f"{folder.name}_t1.nii.gz").dataobj) > 0
    mirrored = brain[::-1]
    overlaps = [(np.roll(mirrored, s, axis=0) & brain).sum() for s in range(-12, 13)]
    return 100 * (1 - max(overlaps) / brain.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "phantom"
        there = len(list(folder.glob("phantom_*")))
        started = time.perf_counter()
        write_phantom_cohort(folder, cases=options.cases, seed=options.seed)
        seconds = time.perf_counter() - started
        # Before anything is measured: kB on Linux, bytes on macOS.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak /= 2**30 if sys.platform == "darwin" else 2**20
        folders = sorted(folder.glob("phantom_*"))
        measured = [measure(path, options.seed, number) for number, path in enumerate(folders)]
        least = min(map(asymmetry, folders))

    cases, tissues, voxels = [list(part) for part in zip(*measured, strict=True)]
    table = pd.concat([summarise(cases), tissue_rows(tissues)], ignore_index=True)
    separable = separability_table(voxels, cases[0]["classes"])
    pd.set_option("display.width", 160, "display.max_rows", None)
    printed = {"index": False, "float_format": "{:.3g}".format}
    print(table.to_string(**printed))
    outside = table[~table["inside"]]
    print(f"\nOutside ({len(outside)} of {len(table)} figures):")
    print(outside.drop(columns="inside").to_string(**printed) if len(outside) else "none")
    print("\nBest Dice of one threshold on one modality:")
    print(separable.to_string(float_format="{:.2f}".format))
    print(f"\nBrain missed by its mirror image: at least {least:.1f} % in every case")
    written = options.cases - there
    if written:
        print(f"{seconds / written:.1f} s a case ({written} written), peak {peak:.2f} GiB")
    record = {
        "cases": options.cases,
        "seed": options.seed,
        "figures": table.to_dict("records"),
        "best Dice of one threshold": separable.to_dict("index"),
        "least % of brain missed by its mirror image": least,
        "seconds a case": seconds / written if written else None,
        "peak GiB": peak if written else None,
    }
    path = Path(__file__).with_name(f"cohort_realism_seed{options.seed}.json")
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
