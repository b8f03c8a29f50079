"""What a finished run left in its folder."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf.cohort.cohort import Cohort

from .config import ExperimentConfig

__all__ = ["ExperimentResult", "read_table"]


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
