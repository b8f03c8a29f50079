"""What a finished run left in its folders."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf.cohort.cohort import Cohort

from .config import ExperimentConfig

__all__ = ["ExperimentResult", "complete", "load_model", "read_table", "read_training"]


@dataclass(frozen=True)
class ExperimentResult:
    """What a finished run left in its folders: of the scores, and of each of its trainings.

    Attributes
    ----------
    folder : Path
        Of the scores: ``config.json``, ``dice.csv``, ``volume_ratios.csv``, and
        ``segmentations/<case>.nii.gz``.
    trainings : sequence of Path
        A folder for each model: ``config.json``, ``model.keras`` and ``history.csv``. Arms that
        differ only in their decision share it.
    config : ExperimentConfig
    history : pandas.DataFrame
        One row per epoch (from 0): loss and accuracy on the batches of the arm; with mining, the
        size of the pool of each class too. The trainings of an arm that takes several follow each
        other, numbered in the column ``training``.
    dice, volume_ratios : pandas.DataFrame
        One row per test case; regions, then classes. Dice, and predicted over true volume.
    spent : mapping
        ``seconds`` of training, ``patches`` trained on, ``mined`` (patches classified to find the
        hard ones), and the ``precision`` of the training.
    """

    folder: Path
    trainings: Sequence[Path]
    config: ExperimentConfig
    history: pd.DataFrame
    dice: pd.DataFrame
    volume_ratios: pd.DataFrame
    spent: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def models(self) -> list[Any]:
        """The trained Keras models, in the order in which they decide."""
        return [load_model(folder / "model.keras") for folder in self.trainings]

    @property
    def model(self) -> Any:
        """The trained Keras model.

        Raises
        ------
        ValueError
            If the arm has two.
        """
        if len(self.models) > 1:
            raise ValueError(f"arm '{self.config.arm.name}' has {len(self.models)} models: .models")
        return self.models[0]

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
            whole = np.asarray(stored.dataobj).transpose(2, 1, 0)  # type: ignore[attr-defined]
            maps[case.id] = test.scheme.to_classes(case.from_scan(whole))
        return maps

    @classmethod
    def read(cls, folder: Path) -> "ExperimentResult":
        """Read the folder of the scores of a finished run.

        Raises
        ------
        FileNotFoundError
            If a folder of the run lacks one of its files, or a test case.
        ValueError
            If its arm has a part that is not known here.
        """
        with complete(folder):
            kept = json.loads((folder / "config.json").read_text())
            cases = list(kept["test"]["cases"])
            for case in cases:
                (folder / "segmentations" / f"{case}.nii.gz").stat()
            tables = {
                name: read_table(folder / f"{name}.csv").set_index("case")
                for name in ("dice", "volume_ratios")
            }
            if any(list(table.index) != cases for table in tables.values()):
                raise ValueError(f"its tables do not hold the test cases {cases}")
            described, runs = dict(kept["config"]), folder.parent.parent
            trainings = [runs / name for name in kept["trainings"]]
            steps = [runs / name for name in kept["steps"]]
        read = [read_training(step) for step in steps]
        histories, spent = [history for history, _ in read], [about for _, about in read]
        if len(steps) > 1:
            histories = [table.assign(training=number) for number, table in enumerate(histories)]
        whole = {key: sum(each[key] for each in spent) for key in ("seconds", "patches", "mined")}
        return cls(
            folder=folder,
            trainings=trainings,
            config=ExperimentConfig.from_description(described),
            history=pd.concat(histories, ignore_index=True),
            spent={**whole, "precision": spent[-1]["precision"]},
            **tables,
        )


@contextlib.contextmanager
def complete(folder: Path) -> Iterator[None]:
    """Turns what goes wrong while the folder is read into an error with the way out."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileNotFoundError(
            f"{folder} is no complete run ({error}); delete it, and it is run again"
        ) from error


def read_training(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The history of a training, and what was spent on it.

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of its files.
    """
    with complete(folder):
        (folder / "model.keras").stat()
        history = read_table(folder / "history.csv").dropna(axis=1, how="all")
        return history, json.loads((folder / "config.json").read_text())["spent"]


def load_model(path: Path) -> Any:
    """A Keras model of a run, without its loss, which may be of a file that is not here."""
    from imbalance_tf._tensorflow import keras, start  # reading tables needs no TensorFlow
    from imbalance_tf.network.cnn import ChannelBias

    start()
    layers = {"ChannelBias": ChannelBias}
    return keras.models.load_model(path, custom_objects=layers, compile=False)


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """A table of a run, as it was written: numbers to the last bit, names of cases as text."""
    # By default pandas takes a case named 002 for 2, 1e5 for a hundred thousand, and NA for a
    # missing value; and its fast parser is wrong in the last bit of a number in version 2.
    text = {"dtype": {"case": str}, "keep_default_na": False, "na_values": [""]}
    return pd.read_csv(path, engine="python", **text, **options)
