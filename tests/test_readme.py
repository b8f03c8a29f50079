"""The Python blocks of the README, run in order as one script on a small made-up BraTS 2021."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np

from imbalance_tf import Lab
from imbalance_tf._tensorflow import keras

README = Path(__file__).parents[1] / "README.md"
LENGTHS = {
    "test_cases=30": "test_cases=1",
    "steps=1000": "steps=8",
    "epochs=50": "epochs=2",
}
"""Everything that is replaced: a length of the README, and the one that is run."""


def _blocks():
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    missing = [length for length in LENGTHS if not any(length in block for block in blocks)]
    assert not missing, f"the README has no {missing} any more; change LENGTHS"
    for length, shorter in LENGTHS.items():
        blocks = [re.sub(rf"\b{length}\b", shorter, block) for block in blocks]
    return blocks


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
    assert (len(names["train"]), len(names["test"])) == (2, 1)
    assert any(len(pool) for pool in names["sampler"].pool)
    assert names["probabilities"].shape == (*names["case"].labels.shape, 4)
    assert np.allclose(names["probabilities"].sum(axis=-1), 1, atol=1e-5)
    # The last block trains a U-Net on the same sampler.
    assert names["model"].output_shape == (None, None, None, 4)
    first, last = names["history"].history["loss"]
    assert last < 0.8 * first
