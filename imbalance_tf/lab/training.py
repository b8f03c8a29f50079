"""What a run does: train, segment the test cases, score them."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf._tensorflow import keras
from imbalance_tf.cohort.slices import Cohort
from imbalance_tf.evaluation.dice import dice_scores, volume_ratios
from imbalance_tf.network.cnn import patch_cnn
from imbalance_tf.network.dense import segment
from imbalance_tf.sampling.mining import HardExampleMining
from imbalance_tf.sampling.patches import patch_dataset

from .experiment import SAMPLERS, ExperimentConfig

__all__ = ["train_and_score"]


def train_and_score(config: ExperimentConfig, train: Cohort, test: Cohort, partial: Path) -> None:
    """Fill the folder of a run with all but its config; goes on where an earlier call stopped."""
    (partial / "segmentations").mkdir(parents=True, exist_ok=True)
    model = _train(config, train, partial)
    _score(model, test, partial)


def _train(config: ExperimentConfig, train: Cohort, partial: Path):
    """Train, or go on from the last finished epoch; leaves model.keras and history.csv."""
    saved, history = partial / "model.keras", partial / "history.csv"
    sampler = SAMPLERS[config.strategy](train, seed=config.seed)
    if saved.exists():
        try:
            model = keras.models.load_model(saved)
            rows = pd.read_csv(history)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"the half-finished run {partial} cannot be continued ({error}); delete it to "
                f"start again"
            ) from error
        finished_epochs = int(model.optimizer.iterations) // config.steps
        # May hold the epoch that was being saved when it was killed.
        rows[rows.epoch < finished_epochs].to_csv(history, index=False)
        print(f"{config.strategy}: going on after epoch {finished_epochs} of {config.epochs}")
    else:
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
        finished_epochs = 0
        history.unlink(missing_ok=True)

    def continue_draws(epoch, logs=None):
        sampler.draws = epoch * config.steps

    def save(epoch, logs=None):
        model.save(partial / "saving.keras")
        os.replace(partial / "saving.keras", saved)

    callbacks = [
        # Keras' BackupAndRestore keeps weights and epoch in two files, neither written
        # atomically; here the epoch is the optimizer's own count, in the same file.
        keras.callbacks.LambdaCallback(on_epoch_begin=continue_draws),
        keras.callbacks.CSVLogger(history, append=True),
        keras.callbacks.LambdaCallback(on_epoch_end=save),
    ]
    if config.strategy == "hard":
        mining = HardExampleMining(
            sampler,
            threshold=config.threshold,
            candidates_per_class=config.candidates_per_class,
        )
        callbacks.insert(0, mining)  # first, since it adds to the logs that the others write
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


def _score(model, test: Cohort, partial: Path) -> None:
    """Segment every test case; leaves the segmentations, dice.csv and volume_ratios.csv."""
    dice, ratios = {}, {}
    for number, case_id in enumerate(test.case_ids, start=1):
        print(f"segmenting {case_id} ({number} of {len(test.case_ids)})", flush=True)
        slices = test.slices_of(case_id)
        brain, truth = test.brain[slices], test.labels[slices]
        predicted = segment(model, test.images[slices], brain).argmax(axis=-1).astype(np.uint8)
        dice[case_id] = dice_scores(truth[brain], predicted[brain], test.scheme)
        ratios[case_id] = volume_ratios(truth[brain], predicted[brain], test.scheme)
        whole = test.to_scan(case_id, test.scheme.to_file_values(predicted)).transpose(2, 1, 0)
        image = nib.Nifti1Image(whole, test.scan_affine(case_id))
        nib.save(image, partial / "segmentations" / f"{case_id}.nii.gz")
    for name, scores in {"dice": dice, "volume_ratios": ratios}.items():
        table = pd.DataFrame.from_dict(scores, orient="index").rename_axis("case")
        table.to_csv(partial / f"{name}.csv")
