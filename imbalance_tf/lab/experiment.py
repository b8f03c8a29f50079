"""One run: a config and a cohort in, a results folder out."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from filelock import FileLock

from imbalance_tf.cohort.slices import Cohort
from imbalance_tf.sampling.samplers import BalancedSampler, HardExampleSampler, RandomSampler

__all__ = [
    "SAMPLERS",
    "STRATEGIES",
    "ExperimentConfig",
    "ExperimentResult",
    "run_experiment",
    "run_folder",
]

SAMPLERS = {
    "random": RandomSampler,
    "balanced": BalancedSampler,
    "hard": HardExampleSampler,
}
STRATEGIES = tuple(SAMPLERS)
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything that a run depends on, besides its cohort.

    Parameters
    ----------
    strategy : {"random", "balanced", "hard"}
        How batches are sampled; all else is the same for the three.
    epochs, steps : int
        Epochs, and batches in each (paper: 50 and 1000).
    batch_size, patch_size : int
        Patches in a batch, and their rows and columns (paper: 120 and 64).
    learning_rate : float
        Of Adam at the start; falls to 0 along a half cosine. The paper gives none.
    threshold, candidates_per_class
        Of `HardExampleMining`; without effect on the other strategies.
    precision : {"float32", "mixed_bfloat16"}
        Of the training, see `patch_cnn`.
    seed : int
        Of the initial weights and of every draw.

    Examples
    --------
    >>> ExperimentConfig("balanced", epochs=50, steps=1000).batch_size
    120
    """

    strategy: str
    epochs: int
    steps: int
    batch_size: int = 120
    patch_size: int = 64
    learning_rate: float = 1e-3
    threshold: float = 0.75
    candidates_per_class: int = 1000
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy={self.strategy!r}; one of {', '.join(STRATEGIES)} is expected"
            )
        smallest = {
            "epochs": 1,
            "steps": 1,
            "batch_size": 1,
            "candidates_per_class": 1,
            "patch_size": 22,
            "seed": 0,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value}; a whole number from {least} is expected")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision={self.precision!r}; one of {', '.join(PRECISIONS)} is expected"
            )
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold}; a probability from 0 to 1 is expected")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate}; above 0 is expected")


@dataclass(frozen=True)
class ExperimentResult:
    """What a finished run left in its folder.

    Attributes
    ----------
    folder : Path
    config : ExperimentConfig
    history : pandas.DataFrame
        One row an epoch (from 0): loss and accuracy on the batches of the strategy; for hard
        example mining the size of the pool of each class too.
    dice, volume_ratios : pandas.DataFrame
        One row a test case; regions, then classes. Dice, and predicted over true volume.
    """

    folder: Path
    config: ExperimentConfig
    history: pd.DataFrame
    dice: pd.DataFrame
    volume_ratios: pd.DataFrame

    @cached_property
    def model(self):
        """The trained Keras model."""
        from imbalance_tf._tensorflow import keras  # reading tables needs no TensorFlow
        from imbalance_tf.network.cnn import ChannelBias

        layers = {"ChannelBias": ChannelBias}
        return keras.models.load_model(self.folder / "model.keras", custom_objects=layers)

    def segmentation(self, test: Cohort) -> np.ndarray:
        """Predicted class numbers of the test cohort: (S, H, W) uint8, as ``test.labels``."""
        volumes = []
        for case_id in test.case_ids:
            stored = nib.load(self.folder / "segmentations" / f"{case_id}.nii.gz")
            volumes.append(test.from_scan(case_id, np.asarray(stored.dataobj).transpose(2, 1, 0)))
        return test.scheme.to_classes(np.concatenate(volumes))

    @classmethod
    def read(cls, folder: Path) -> "ExperimentResult":
        """Read the folder of a finished run.

        Raises
        ------
        FileNotFoundError
            If the folder lacks one of its files, or a test case.
        """
        try:
            identity = json.loads((folder / "config.json").read_text())
            cases = identity["test"]["cases"]
            files = ["model.keras", *(f"segmentations/{case}.nii.gz" for case in cases)]
            if missing := [file for file in files if not (folder / file).exists()]:
                raise FileNotFoundError(f"without {', '.join(missing)}")
            result = cls(
                folder=folder,
                config=ExperimentConfig(**identity["config"]),
                history=pd.read_csv(folder / "history.csv").dropna(axis=1, how="all"),
                dice=pd.read_csv(folder / "dice.csv", index_col="case"),
                volume_ratios=pd.read_csv(folder / "volume_ratios.csv", index_col="case"),
            )
            if list(result.dice.index) != cases or list(result.volume_ratios.index) != cases:
                raise ValueError(f"its tables do not hold the test cases {cases}")
            return result
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileNotFoundError(
                f"{folder} is no complete run ({error}); delete it, and it is run again"
            ) from error


def run_folder(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> Path:
    """Where the run of this config on these cohorts is kept; another config, another place."""
    identity = json.dumps(_identity(config, train, test), sort_keys=True)
    digest = hashlib.blake2b(identity.encode(), digest_size=5).hexdigest()
    return Path(folder) / f"{config.strategy}-{digest}"


def run_experiment(
    config: ExperimentConfig, train: Cohort, test: Cohort, folder="results/runs"
) -> ExperimentResult:
    """Train on one cohort, segment and score another; or read the result if it is there.

    A run writes into a hidden folder, which gets its name when it is complete. A run that was
    killed goes on from its last finished epoch, with the same batches as if it had not been.

    Parameters
    ----------
    config : ExperimentConfig
    train, test : Cohort
        Of the same scheme and modalities.
    folder : path
        Where the runs are kept. This one's folder is named by the strategy and a digest of the
        config and the cohorts, and holds ``config.json``, ``model.keras``, ``history.csv``,
        ``dice.csv``, ``volume_ratios.csv`` and ``segmentations/<case>.nii.gz``.

    Raises
    ------
    ValueError
        If the cohorts do not fit each other, or the folder of the run was made by another config.
    FileNotFoundError
        If the folder of the run lacks one of its files.

    Examples
    --------
    >>> train, test = cohort.split(test_cases=6, seed=0)                    # doctest: +SKIP
    >>> run_experiment(ExperimentConfig("balanced", epochs=20, steps=100), train, test).dice
    ... # doctest: +SKIP
    """
    if train.scheme.classes != test.scheme.classes or train.modalities != test.modalities:
        raise ValueError(
            f"the training cohort has {train.modalities} and {train.scheme.classes}, the test "
            f"cohort {test.modalities} and {test.scheme.classes}; they must be the same"
        )
    finished = run_folder(config, train, test, folder)
    identity = _identity(config, train, test)
    if not finished.exists():  # what is there is read without a lock, so from a read-only share too
        finished.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(finished.with_name(f".{finished.name}.lock")):
            if not finished.exists():
                partial = finished.with_name(f".{finished.name}.partial")
                partial.mkdir(exist_ok=True)
                from .training import train_and_score  # reading needs no TensorFlow

                train_and_score(config, train, test, partial)
                (partial / "config.json").write_text(json.dumps(identity, indent=2))
                os.replace(partial, finished)
    result = ExperimentResult.read(finished)
    _refuse_other_identity(finished, identity)
    return result


def _refuse_other_identity(folder: Path, identity: dict) -> None:
    asked = pd.json_normalize(identity).iloc[0].to_dict()
    found = pd.json_normalize(json.loads((folder / "config.json").read_text())).iloc[0].to_dict()
    different = [
        f"{key} is {found.get(key)!r}, not {asked.get(key)!r}"
        for key in sorted(asked.keys() | found.keys())
        if found.get(key) != asked.get(key)
    ]
    if different:
        raise ValueError(
            f"{folder} was made by another config: {'; '.join(different)}. Move it away, or run "
            f"into another folder"
        )


def _identity(config: ExperimentConfig, train: Cohort, test: Cohort) -> dict:
    return {
        "config": asdict(config),
        "train": {"cases": list(train.case_ids), "fingerprint": train.fingerprint},
        "test": {"cases": list(test.case_ids), "fingerprint": test.fingerprint},
        "left_out": list(train.left_out),
        "imbalance_tf": version("imbalance_tf"),
    }
