"""One run: a config and a cohort in, a results folder out."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from filelock import FileLock

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.sampling.samplers import BalancedSampler, HardExampleSampler, RandomSampler

__all__ = [
    "SAMPLERS",
    "STRATEGIES",
    "TRAINING_VERSION",
    "ExperimentConfig",
    "ExperimentResult",
    "finished_epochs",
    "read_table",
    "run_experiment",
    "run_folder",
]

SAMPLERS = {
    "random": RandomSampler,
    "balanced": BalancedSampler,
    "hard": HardExampleSampler,
}
STRATEGIES = tuple(SAMPLERS)
TRAINING_VERSION = 1
"""Raised whenever the same config trains another model: another network, other draws, other
defaults. `test_training_version` fails when that has been forgotten."""
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
        Of the training, see `patch_cnn`. The machine decides it, not the experiment: two configs
        that differ in it only are equal, and a run that is there is read, whatever it was trained
        in.
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
    precision: str = field(default="float32", compare=False)
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

    def segmentation(self, test: Cohort) -> dict[str, np.ndarray]:
        """Predicted class numbers of each case of the test cohort: (s, h, w) uint8, by its name.

        Raises
        ------
        ValueError
            If a case is none of those that the run was tested on.
        """
        tested = json.loads((self.folder / "config.json").read_text())["test"]["cases"]
        maps = {}
        for case in test:
            if tested.get(case.id) != case.digest:
                raise ValueError(
                    f"'{case.id}' is no case that {self.folder} was tested on, or has another "
                    f"content; it was tested on {', '.join(tested)}"
                )
            stored = nib.load(self.folder / "segmentations" / f"{case.id}.nii.gz")
            whole = np.asarray(stored.dataobj).transpose(2, 1, 0)
            maps[case.id] = test.scheme.to_classes(case.from_scan(whole))
        return maps

    @classmethod
    def read(cls, folder: Path) -> "ExperimentResult":
        """Read the folder of a finished run.

        Raises
        ------
        FileNotFoundError
            If the folder lacks one of its files, or a test case.
        """
        try:
            kept = json.loads((folder / "config.json").read_text())
            cases = list(kept["test"]["cases"])
            files = ["model.keras", *(f"segmentations/{case}.nii.gz" for case in cases)]
            if missing := [file for file in files if not (folder / file).exists()]:
                raise FileNotFoundError(f"without {', '.join(missing)}")
            result = cls(
                folder=folder,
                config=ExperimentConfig(**kept["config"]),
                history=read_table(folder / "history.csv").dropna(axis=1, how="all"),
                dice=read_table(folder / "dice.csv").set_index("case"),
                volume_ratios=read_table(folder / "volume_ratios.csv").set_index("case"),
            )
            if list(result.dice.index) != cases or list(result.volume_ratios.index) != cases:
                raise ValueError(f"its tables do not hold the test cases {cases}")
            return result
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileNotFoundError(
                f"{folder} is no complete run ({error}); delete it, and it is run again"
            ) from error


def read_table(path: Path) -> pd.DataFrame:
    """A table of a run, as it was written: numbers to the last bit, names of cases as text."""
    # To pandas a case named 002 is 2, 1e5 a hundred thousand, and NA nothing; and its fast parser
    # is off in the last bit of a number in version 2, where Python's own is not.
    return pd.read_csv(
        path, dtype={"case": str}, keep_default_na=False, na_values=[""], engine="python"
    )


def run_folder(config: ExperimentConfig, train: Cohort, test: Cohort, folder) -> Path:
    """Where the run of this config on these cohorts is kept; another config, another place.

    Nothing of the machine or of the installation enters, so that what was trained on one is found
    on another.
    """
    defaults = {each.name: each.default for each in fields(config)}
    # Only what differs from its default, so that a new field orphans no run.
    deciding = {key: value for key, value in _deciding(config).items() if value != defaults[key]}
    identity = [deciding, train.fingerprint, test.fingerprint, TRAINING_VERSION]
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=5)
    return Path(folder) / f"{config.strategy}-{digest.hexdigest()}"


def finished_epochs(folder: Path) -> int:
    """Epochs that a run which is not finished has behind it; `folder` is where it will be."""
    try:
        return len(read_table(_partial(folder) / "history.csv"))
    except (OSError, ValueError):
        return 0


def _partial(folder: Path) -> Path:
    """Where a run is while it is not finished."""
    return folder.with_name(f".{folder.name}.partial")


def _deciding(config: ExperimentConfig) -> dict:
    """What of a config decides the model and its scores."""
    without_effect = () if config.strategy == "hard" else ("threshold", "candidates_per_class")
    names = (each.name for each in fields(config) if each.compare)
    return {name: getattr(config, name) for name in names if name not in without_effect}


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
        config, the cohorts and `TRAINING_VERSION`. It holds ``config.json``, ``model.keras``,
        ``history.csv``, ``dice.csv``, ``volume_ratios.csv`` and ``segmentations/<case>.nii.gz``.

    Raises
    ------
    ValueError
        If the cohorts do not fit each other or share a case, or the folder of the run was made by
        another config.
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
    trained = {case.digest for case in train}
    if names := [case.id for case in test if case.digest in trained]:
        raise ValueError(
            f"{', '.join(names)} of the test cohort is in the training cohort too; split the cases "
            f"with cohort.split(...)"
        )
    finished = run_folder(config, train, test, folder)
    asked = {
        "config": asdict(config),
        "train": _named(train),
        "test": _named(test),
        "training": TRAINING_VERSION,
        "left_out": list(train.left_out),
        "imbalance_tf": version("imbalance_tf"),
    }
    if not finished.exists():  # what is there is read without a lock, so from a read-only share too
        finished.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(finished.with_name(f".{finished.name}.lock")):
            if not finished.exists():
                partial = _partial(finished)
                partial.mkdir(exist_ok=True)
                from .run import train_and_score  # reading needs no TensorFlow

                _say_what_is_not_read(finished, asked)
                asked["config"]["precision"] = train_and_score(config, train, test, partial)
                (partial / "config.json").write_text(json.dumps(asked, indent=2))
                os.replace(partial, finished)
    result = ExperimentResult.read(finished)
    found = json.loads((finished / "config.json").read_text())
    if different := _different(found, asked):
        raise ValueError(
            f"{finished} was made by another config: {'; '.join(different)}. Move it away, or run "
            f"into another folder"
        )
    return result


def _named(cohort: Cohort) -> dict:
    cases = {case.id: case.digest for case in cohort}
    return {"cases": cases, "fingerprint": cohort.fingerprint}


def _different(found: dict, asked: dict) -> list[str]:
    """What decides a run and is another: a line each."""
    flat = [
        pd.json_normalize(
            {
                "config": _deciding(ExperimentConfig(**kept["config"])),
                **{part: kept.get(part) for part in ("train", "test", "training")},
            }
        )
        .iloc[0]
        .to_dict()
        for kept in (found, asked)
    ]
    return [
        f"{key} is {flat[0].get(key)!r}, not {flat[1].get(key)!r}"
        for key in sorted(flat[0].keys() | flat[1].keys())
        if flat[0].get(key) != flat[1].get(key)
    ]


def _say_what_is_not_read(finished: Path, asked: dict) -> None:
    """Say so if the same was trained by another version of the training."""
    for other in finished.parent.glob(f"{asked['config']['strategy']}-*/config.json"):
        try:
            found = json.loads(other.read_text())
            same = not _different({**found, "training": TRAINING_VERSION}, asked)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not to be read today
            continue
        if same:
            print(
                f"{other.parent} was trained by version {found.get('training')} of the training; "
                f"this is version {TRAINING_VERSION}, which makes other models: trained again"
            )
