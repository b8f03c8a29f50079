"""What a finished run left in its folders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import expanded
from imbalance_tf.cohort.labels import LabelScheme

from .config import ExperimentConfig
from .folder import complete, read_config, read_scores, read_training

TABLES = ("dice", "volume_ratios")


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
        hard ones), and the ``precision`` and ``processor`` of the training.
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
        with complete(self.folder):
            tested = read_config(self.folder)["test"]["cases"]
        maps = {}
        for case in test:
            if tested.get(case.id) != case.digest:
                raise ValueError(
                    f"'{case.id}' is no case that {self.folder} was tested on, or has another "
                    f"content; it was tested on {', '.join(tested)}"
                )
            path = self.folder / "segmentations" / f"{case.id}.nii.gz"
            with complete(self.folder):
                maps[case.id] = read_segmentation(path, case, test.scheme)
        return maps

    @classmethod
    def read(cls, folder: str | Path) -> "ExperimentResult":
        """Read the folder of the scores of a finished run.

        Raises
        ------
        FileNotFoundError
            If a folder of the run lacks one of its files, or a file is not as it was written.
        ValueError
            If its config or its arm has what is not known here, or the folder is of a training.
        """
        folder = expanded(folder=folder).absolute()
        if (folder / "model.keras").exists():
            scores = ", ".join(path.parent.name for path in folder.glob("[!.]*/config.json"))
            raise ValueError(f"{folder} is of a training; name one of its scores: {scores}")
        with complete(folder):
            kept = read_config(folder)
            cases = list(kept["test"]["cases"])
            for case in cases:
                (folder / "segmentations" / f"{case}.nii.gz").stat()
            dice, ratios = (read_scores(folder / f"{name}.csv", cases) for name in TABLES)
            if list(dice) != list(ratios):
                raise ValueError(f"its tables have the regions {list(dice)}, and {list(ratios)}")
            described, runs = dict(kept["config"]), folder.parent.parent
            trainings = [runs / name for name in kept["trainings"]]
            steps = [runs / name for name in kept["steps"]]
            if trainings[-1].name != folder.parent.name:
                raise ValueError(f"it is of {trainings[-1].name}, copied")
        read = [read_training(step) for step in steps]
        histories, spent = [history for history, _ in read], [about["spent"] for _, about in read]
        if len(steps) > 1:
            histories = [table.assign(training=number) for number, table in enumerate(histories)]
        processor = read[-1][1].get("processor", "unknown")  # runs of before do not say it
        whole = {key: sum(each[key] for each in spent) for key in ("seconds", "patches", "mined")}
        return cls(
            folder=folder,
            trainings=trainings,
            config=ExperimentConfig.from_description(described),
            history=pd.concat(histories, ignore_index=True),
            spent=whole | {"precision": spent[-1]["precision"], "processor": processor},
            dice=dice,
            volume_ratios=ratios,
        )


def read_segmentation(path: Path, case: Case, scheme: LabelScheme, own: str = "") -> np.ndarray:
    """Class numbers (s, h, w) uint8 of a case, from its segmentation on the grid of the scan.

    ValueError if that has another grid, or with `own` if it was not written under this digest.
    """
    image: Any = nib.load(path)
    if image.shape[::-1] != case.scan_shape or not np.allclose(
        image.affine, case.affine, atol=1e-3
    ):
        raise ValueError(f"{path.name} is on another grid than '{case.id}'")
    if own and image.header["descrip"].item().decode() != own:
        raise ValueError(f"{path.name} is of another run or case")
    return scheme.to_classes(case.from_scan(np.asarray(image.dataobj).transpose(2, 1, 0)))


def load_model(path: Path) -> Any:
    """A Keras model of a run, without its loss, which may be of a file that is not here."""
    from imbalance_tf._tensorflow import keras, start  # reading tables needs no TensorFlow
    from imbalance_tf.network.cnn import ChannelBias

    start()
    layers = {"ChannelBias": ChannelBias}
    model = keras.models.load_model(path, custom_objects=layers, compile=False)
    # Keras does not save it, and a Sequential without it takes patches of any size: see patch_cnn.
    if isinstance(model, keras.Sequential) and None not in model.input_shape[1:]:
        model.input_spec = keras.layers.InputSpec(shape=model.input_shape, name="patches")
    return model
