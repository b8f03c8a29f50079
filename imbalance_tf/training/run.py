"""What a run does: train, segment the test cases, score them."""

import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf._tensorflow import keras, start
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import write_whole
from imbalance_tf.evaluation.dice import dice_scores, volume_ratios
from imbalance_tf.network.cnn import patch_cnn
from imbalance_tf.network.dense import segment
from imbalance_tf.sampling.patches import patch_dataset

from .config import SAMPLERS, ExperimentConfig
from .mining import HardExampleMining
from .result import read_table

__all__ = ["mining_of", "new_model", "train_and_score"]


def train_and_score(config: ExperimentConfig, train: Cohort, test: Cohort, partial: Path) -> str:
    """Fill the folder of a run with all but its config; goes on where an earlier call stopped.

    Returns the precision that the model was trained in: that of the call which began it.
    """
    start()
    (partial / "segmentations").mkdir(parents=True, exist_ok=True)
    model = _train(config, train, partial)
    _score(model, test, partial)
    return model.layers[0].dtype_policy.name


def new_model(config: ExperimentConfig, train: Cohort) -> keras.Model:
    """The model of a run before its first epoch, compiled."""
    model = patch_cnn(
        channels=len(train.modalities),
        classes=len(train.scheme.classes),
        patch_size=config.patch_size,
        seed=config.seed,
        precision=config.precision,
    )
    decay = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * config.steps
    )
    model.compile(
        optimizer=keras.optimizers.Adam(decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=10,  # the same weights to the last bit, a tenth faster
    )
    return model


def mining_of(config: ExperimentConfig, sampler) -> HardExampleMining:
    """The callback that mines for a run."""
    return HardExampleMining(
        sampler,
        threshold=config.threshold,
        candidates_per_class=config.candidates_per_class,
    )


def _train(config: ExperimentConfig, train: Cohort, partial: Path):
    """Train, or go on from the last finished epoch; leaves model.keras and history.csv."""
    saved, history = partial / "model.keras", partial / "history.csv"
    sampler = SAMPLERS[config.strategy](train, seed=config.seed)
    rows: list[dict] = []
    if saved.exists():
        try:
            model = keras.models.load_model(saved)
            rows = read_table(history).to_dict("records")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"the half-finished run {partial} cannot be continued ({error}); delete it to "
                f"start again"
            ) from error
        finished_epochs = int(model.optimizer.iterations) // config.steps
        # It may have the row of an epoch whose model was not saved before the kill.
        rows = [row for row in rows if row["epoch"] < finished_epochs]
        print(f"{config.strategy}: going on after epoch {finished_epochs} of {config.epochs}")
    else:
        model = new_model(config, train)
        finished_epochs = 0

    def continue_draws(epoch, logs=None):
        sampler.draws = epoch * config.steps

    def record(epoch, logs=None):
        rows.append({"epoch": epoch, **{name: logs[name] for name in sorted(logs)}})
        write_whole(history, pd.DataFrame(rows).to_csv(index=False))

    def save(epoch, logs=None):
        model.save(partial / "saving.keras")
        os.replace(partial / "saving.keras", saved)

    callbacks = [
        # Keras' BackupAndRestore keeps weights and epoch in two files, and its CSVLogger appends
        # to the file that a resumed run reads: a kill may leave any of them torn. Here each file is
        # replaced whole, and the epoch is the optimizer's own count, in the model's file.
        keras.callbacks.LambdaCallback(on_epoch_begin=continue_draws),
        keras.callbacks.LambdaCallback(on_epoch_end=record),
        keras.callbacks.LambdaCallback(on_epoch_end=save),
        _TimeLeft(config.epochs),
    ]
    if config.strategy == "hard":
        # First, since it adds to the logs that the others write.
        callbacks.insert(0, mining_of(config, sampler))
    if finished_epochs < config.epochs:
        model.fit(
            patch_dataset(
                sampler,
                steps=config.steps,
                batch_size=config.batch_size,
                patch_size=config.patch_size,
            ),
            initial_epoch=finished_epochs,
            epochs=config.epochs,
            callbacks=callbacks,
            shuffle=False,  # the sampler has shuffled
            verbose=2,  # a line an epoch: clean in a stored notebook and in a log
        )
    return model


class _TimeLeft(keras.callbacks.Callback):
    """Says after an epoch how long the training will still take, if that is minutes."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs
        self.ended: list[float] = []

    def on_train_begin(self, logs=None):
        self.ended = [time.monotonic()]

    def on_epoch_end(self, epoch, logs=None):
        self.ended.append(time.monotonic())
        seconds = self.ended[-1] - self.ended[-2]
        if len(self.ended) > 2:  # the first epoch of a session also compiles
            seconds = (self.ended[-1] - self.ended[1]) / (len(self.ended) - 2)
        minutes = seconds * (self.epochs - epoch - 1) / 60
        if minutes > 2:
            print(f"about {minutes:.0f} minutes left of this training", flush=True)


def _score(model, test: Cohort, partial: Path) -> None:
    """Segment every test case; leaves the segmentations, dice.csv and volume_ratios.csv."""
    dice, ratios = {}, {}
    for number, case in enumerate(test, start=1):
        print(f"segmenting {case.id} ({number} of {len(test)})", flush=True)
        truth = case.labels[case.brain]
        predicted = segment(model, case.images, case.brain).argmax(axis=-1).astype(np.uint8)
        dice[case.id] = dice_scores(truth, predicted[case.brain], test.scheme)
        ratios[case.id] = volume_ratios(truth, predicted[case.brain], test.scheme)
        whole = case.to_scan(test.scheme.to_file_values(predicted)).transpose(2, 1, 0)
        image = nib.Nifti1Image(whole, case.affine)
        nib.save(image, partial / "segmentations" / f"{case.id}.nii.gz")
    for name, scores in {"dice": dice, "volume_ratios": ratios}.items():
        table = pd.DataFrame.from_dict(scores, orient="index").rename_axis("case")
        table.to_csv(partial / f"{name}.csv")
