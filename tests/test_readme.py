"""The Python blocks of the README and of what goes on from it, run as one script on a small made-up
BraTS 2021."""

import itertools
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import Lab, finished_study
from imbalance_tf._tensorflow import keras
from imbalance_tf.evaluation.dice import PAPER_DICE
from imbalance_tf.evaluation.intervals import arm_table, paired_differences, verdicts
from imbalance_tf.training.arms import PAPER_ARMS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
HOWTO = [ROOT / "docs/howto" / f"own_{what}.md" for what in ("training", "arm")]
HOWTO += [ROOT / "docs/howto/many_machines.md"]
LENGTHS = {
    "test_cases=30": "test_cases=1",
    "steps=1000": "steps=8",
    "epochs=50": "epochs=2",
}
"""Everything that is replaced: a length of the documents, and the one that is run."""


def _blocks():
    text = "".join(path.read_text() for path in [README, *HOWTO])
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    missing = [length for length in LENGTHS if not any(length in block for block in blocks)]
    assert not missing, f"no block has {missing} any more; change LENGTHS"
    for length, shorter in LENGTHS.items():
        blocks = [re.sub(rf"\b{length}\b", shorter, block) for block in blocks]
    return blocks


def test_the_table_is_that_of_the_studies_that_the_package_ships(tmp_path):
    """Every row, and every difference in the sentences below it."""
    readme = README.read_text()
    regions = ["whole", "core", "active"]
    study = finished_study("length", tmp_path).table
    short, long = (study[study["batches"] == batches] for batches in (1000, 4000))
    patients = finished_study("real_patients", tmp_path).table
    patients = patients[(patients["batches"] == 50_000) & patients["arm"].isin(PAPER_ARMS)]
    tables = [short, long, patients]
    dice = [arm_table(table, regions) for table in tables]
    volumes = [arm_table(table, regions, "volume ratio") for table in tables]
    for region, arm in itertools.product(regions, PAPER_ARMS):
        row = [region, arm, f"{PAPER_DICE.loc[arm, region]:.3f}"]
        for found in (each.loc[arm, region] for each in dice):
            row.append(f"{found['dice']:.3f} [{found['low']:.3f}, {found['high']:.3f}]")
        row.append(" / ".join(f"{each.loc[(arm, region), 'volume']:.2f}" for each in volumes))
        assert f"| {' | '.join(row)} |" in readme

    said = re.findall(r"[+-]\d\.\d\d \[.*?\]", readme)
    balanced = paired_differences(short, regions, to="random").loc["balanced"]
    hard = [paired_differences(table, regions, to="balanced").loc["hard"] for table in tables]
    expected = [balanced.loc[name] for name in ("core", "active", "whole")]
    expected += [each.loc["whole"] for each in hard]
    numbers = [[each["difference"], each["low"], each["high"]] for each in expected]
    assert said == ["{:+.2f} [{:+.2f}, {:+.2f}]".format(*each) for each in numbers]
    theirs = paired_differences(patients, regions, to="random").loc["balanced"]
    assert (verdicts(theirs) == "undecided").all()
    assert "balanced and random batches are undecided in all three regions" in readme
    assert "the paper's order of rows in all three regions" in readme
    means = dice[1]["dice"].unstack("region")
    assert (means[regions].rank() == PAPER_DICE.loc[means.index, regions].rank()).all(axis=None)


def test_what_four_classes_do_is_what_was_measured():
    """Stands where the table of the patients is described."""
    found = json.loads((ROOT / "benchmarks" / "four_classes.json").read_text())
    text = " ".join((ROOT / "data" / "studies" / "README.md").read_text().split())
    for name in ("four classes, 4,000 batches", "five classes, 4,000 batches"):
        for region in ("core", "active"):
            said = "{difference:.3f} [{low:.3f}, {high:.3f}]".format(**found[name][region])
            assert said in text
    for region in ("core", "active"):
        theirs = found["patients, 14,000 batches"][region]
        assert "{difference:.3f} [{low:.3f}, {high:+.3f}]".format(**theirs) in text
    four, five = (found[f"{n} classes, 4,000 batches"]["core"] for n in ("four", "five"))
    assert four["difference"] > five["difference"] / 2


def test_the_engine_is_described_by_what_was_measured():
    rows = pd.read_json(ROOT / "benchmarks" / "throughput.json").set_index("name")
    fastest, slowest = rows["patches/s"], rows.loc["imbalance_tf patch_dataset", "slowest round"]
    begins = ("TorchIO", "MONAI", "tf.data", "imbalance_tf", "memory copy, distinct")
    found = [fastest[fastest.index.str.startswith(begin)].max() for begin in begins]
    (bars,) = re.findall(r"!\[Bars, (.*?)\]\(docs/engine.png\)", README.read_text())
    said = re.findall(r"[\d,]+\d", bars)
    for text, value in zip(said, found, strict=True):
        exact = float(text.replace(",", ""))
        assert exact == pytest.approx(value, rel=0.01)
    assert f"the slowest of ours made {round(slowest, -3):,.0f}" in README.read_text()


def test_the_time_to_a_result_is_what_was_measured():
    rows = pd.read_json(ROOT / "benchmarks" / "peer_lab.json")["mixed_bfloat16"]
    found = {row["name"]: row["total"] for row in rows}
    text = "takes {imbalance_tf:.1f} minutes here, and {MONAI:.1f} in PyTorch fed by MONAI, "
    said = (text + "{TorchIO:.1f} fed by TorchIO").format(**found)
    assert said in " ".join(README.read_text().split())


def test_what_precision_does_is_what_was_measured():
    runs = pd.read_json(ROOT / "benchmarks" / "precision_dice.json")
    runs = runs.set_index("precision").groupby(["strategy", "region"])["dice"]
    outside = {}
    for which, dice in runs:
        exact, mean = dice["float32"], dice["mixed_bfloat16"].mean()
        if not exact.min() <= mean <= exact.max():
            outside[which] = f"{mean:.3f}, and float32 gave {exact.min():.3f} to {exact.max():.3f}"
    assert (len(runs), list(outside)) == (9, [("hard", "active")])
    readme = " ".join(README.read_text().split())
    assert f"the active tumour with hard examples, it was {outside['hard', 'active']}." in readme


@pytest.mark.slow
def test_the_blocks_run_in_order(tmp_path, monkeypatch, write_case):
    for number in range(3):
        write_case(
            tmp_path / "BraTS2021",
            f"BraTS2021_{number:05}",
            seed=number,
            values=(0, 1, 2, 4),
            modalities=("t1", "t1ce", "t2", "flair"),
        )
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    # A cluster is not at hand here; what is asked of it and of the lab is.
    cluster = SimpleNamespace(scale=lambda jobs: None, get_client=lambda: "client")
    jobqueue = SimpleNamespace(SLURMCluster=lambda **_: cluster)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", jobqueue)
    lab = create_autospec(Lab, instance=True)
    names: dict = {"lab": lab}
    for block in _blocks():
        exec(block, names)

    lab.study.assert_called_once_with("remedies", client="client")
    assert names["mine"].mining.threshold == 0.9
    loss = names["smoothed"].loss.build(np.full(4, 0.25))
    assert np.allclose(loss(np.array([1, 3]), np.zeros((2, 4))), np.log(4))
    assert (len(names["train"]), len(names["test"])) == (2, 1)
    assert any(len(pool) for pool in names["sampler"].pool)
    assert names["probabilities"].shape == (*names["case"].labels.shape, 4)
    assert np.allclose(names["probabilities"].sum(axis=-1), 1, atol=1e-5)
    # A U-Net was trained on the same sampler.
    assert names["model"].output_shape == (None, None, None, 4)
    first, last = names["history"].history["loss"]
    assert last < 0.8 * first
