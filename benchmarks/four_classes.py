"""Why do balanced batches pay on the embedded cohort and not on the patients: is it their classes?

    python benchmarks/four_classes.py [--out FOLDER]

The patients of ``data/studies/real_patients.csv`` have four classes: BraTS 2018 merges necrosis
with non-enhancing tumour. The embedded cohort has five, two of them rarer for it. Here it gets the
four: the same scans, with the labels merged, `random` and `balanced` at 4,000 batches on all cases
in five folds. Prints the paired differences (random - balanced; 95 % interval by bootstrap) beside
those with five classes, of the shipped study `length`, and those of the patients, and writes them
to ``benchmarks/four_classes.json``. Half an hour to an hour; with ``--out`` it goes on where it was
stopped.
"""

import json
import tempfile
from pathlib import Path

import click
import nibabel as nib
import numpy as np

from imbalance_tf import ExperimentConfig, Study, finished_study, load_cohort, write_phantom_cohort
from imbalance_tf.evaluation.intervals import paired_differences
from imbalance_tf.lab.profiles import fastest_precision
from imbalance_tf.training.study_run import run_study

REGIONS = ["whole", "core", "active"]
MERGED = np.array([0, 1, 2, 1, 4], np.uint8)
"""The value of each class in the files of BraTS 2018."""


def merged(folder: Path) -> Path:
    """The cohort of the lab profile, with the classes of BraTS 2018."""
    if not folder.exists():
        partial = folder.with_name("partial")
        write_phantom_cohort(partial, cases=20, slice_thickness=3, seed=0)
        for path in partial.rglob("*_seg.nii.gz"):
            image = nib.load(path)
            labels = MERGED[np.asarray(image.dataobj).astype(np.uint8)]
            nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)
        partial.rename(folder)
    return folder


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path))
def main(out):
    with tempfile.TemporaryDirectory() as temporary:
        place = out or Path(temporary)
        cohort = load_cohort(merged(place / "cases"), scheme="brats2017", cache=place / "cache")
        like = ExperimentConfig("random", epochs=10, steps=400, precision=fastest_precision())
        study = Study("four-classes", "Is it the classes?", ["random", "balanced"])
        table = run_study(study, cohort, place / "out", like=like)
    counts = cohort.class_counts().sum(axis=0)
    shares = dict(
        zip(cohort.scheme.classes, (counts / counts.sum()).round(4).tolist(), strict=True)
    )
    five = finished_study("length", place).table
    patients = finished_study("real_patients", place).table
    sources = {"four classes, 4,000 batches": table}
    sources["five classes, 4,000 batches"] = five[five["batches"] == 4000]
    for batches in (14_000, 50_000):
        sources[f"patients, {batches:,} batches"] = patients[patients["batches"] == batches]
    report = {"precision": table["precision"].iloc[0], "shares": shares}
    for name, rows in sources.items():
        rows = rows[rows["arm"].isin(study_arms := ["random", "balanced"])]
        found = paired_differences(rows, REGIONS, to="balanced").loc["random"]
        means = rows.groupby(["arm", "region"])["dice"].mean().unstack()
        report[name] = {
            region: {arm: round(means.loc[arm, region], 3) for arm in study_arms}
            | found.loc[region].round(3).to_dict()
            for region in REGIONS
        }
        print(f"\n{name}, random - balanced\n{found.round(3).to_string()}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
