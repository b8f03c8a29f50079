"""Training: batches, a model and Keras' `fit`, resumed where it was interrupted."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbalance_tf._tensorflow import keras, start, tf
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import digest, room_for, write_whole
from imbalance_tf.cohort.names import shown
from imbalance_tf.sampling.calls import letting_go

from .config import Training
from .folder import read_config, read_history, refuse_damaged, refuse_spent, refusing
from .mining import HardExampleMining
from .result import load_model
from .task import Task, task_of
from .unfit import refuse_unfit, save_model


class Prepared:
    """What a training needs, made from its config and cohort: its sampler, batches and mining.

    Attributes
    ----------
    shares : (outputs,)
        Share of each class in the batches, on average.
    sampler : object with `draw`
    mining : HardExampleMining or None
    """

    def __init__(self, training: Training, cohort: Cohort):
        self.training, self.cohort = training, cohort
        config, arm = training.config, training.arm
        self.task: Task = task_of(training.task, cohort.scheme.classes)
        self.shares = self.task.shares(arm.sampling, cohort)
        self.sampler = arm.sampling.sampler(
            cohort,
            seed=config.seed,
            shares=self.task.class_shares(self.shares, cohort),
            mined=arm.mining is not None,
        )
        self.mining = None
        if arm.mining:
            names = cohort.scheme.classes
            classes = {"all": names, "majority": names[:1], "minorities": names[1:]}
            self.mining = HardExampleMining(
                self.sampler,
                threshold=training.threshold,
                candidates_per_class=training.candidates,
                classes=classes[arm.mining.classes],
            )

    def batches(self) -> tf.data.Dataset:
        """Those of one epoch: patches and their labels, as outputs of the network."""
        config, arm = self.training.config, self.training.arm
        batches = arm.sampling.dataset(
            self.sampler,
            steps=config.steps,
            batch_size=config.batch_size,
            patch_size=config.patch_size,
            target=arm.network.target,
        )
        if len(self.task.names) == len(self.cohort.scheme.classes):
            return batches
        outputs = tf.constant(self.task.output_of)
        return batches.map(lambda patches, labels: (patches, tf.gather(outputs, labels)))

    def new_model(self, base: Path | None = None) -> keras.Model:
        """The compiled model before its first epoch; `base` is the training that it finishes."""
        start()
        config, arm = self.training.config, self.training.arm
        if base and arm.finish:
            model = load_model(base / "model.keras")
            arm.finish.prepare(model)
        else:
            model = arm.network.build(
                channels=len(self.cohort.modalities),
                classes=len(self.task.names),
                patch_size=config.patch_size,
                seed=config.seed,
                precision=config.precision,
            )
        loss = arm.loss.build(self.shares)
        modalities, names = self.cohort.modalities, self.task.names
        refuse_unfit(self.training, model, loss, channels=len(modalities), names=names)
        decay = keras.optimizers.schedules.CosineDecay(
            config.learning_rate, config.epochs * config.steps
        )
        model.compile(
            optimizer=keras.optimizers.Adam(decay),
            loss=loss,
            # By name it would be that of a yes or no, where a second classifier has one kind.
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            steps_per_execution=10,  # the same weights to the last bit, a tenth faster
        )
        return model


def train(training: Training, cohort: Cohort, partial: Path, base: Path | None) -> dict[str, Any]:
    """Train, or go on from the last finished epoch; leaves model.keras and history.csv.

    Parameters
    ----------
    partial : Path
        The folder of the training while it is not finished.
    base : Path, optional
        The folder of the training that this one finishes.

    Raises
    ------
    ValueError
        If the training cannot go on, because something in `partial` is damaged; nothing of it is
        changed.

    Returns
    -------
    dict
        For the config: the precision of the model (that of the call which began the training), the
        seconds that it took, and the numbers of patches trained on and mined.
    """
    final, half, history, spent = (
        partial / name for name in ("model.keras", "half.keras", "history.csv", "spent.json")
    )
    rows: list[dict] = []
    # A finish keeps the precision of the model that it finishes.
    begun_in = read_config(base)["spent"]["precision"] if base else training.config.precision
    before: dict[str, Any] = {"seconds": 0.0, "precision": begun_in}
    finished_epochs = 0
    with _going_on(partial):
        if half.exists() or final.exists():
            rows = read_history(history).to_dict("records")
            before = json.loads(spent.read_text())
            refuse_spent(before, "seconds")
            _refuse_foreign(before, partial, [history, final if final.exists() else half])
        # A run goes on in the precision in which it was begun.
        config = replace(training.config, precision=before["precision"])
    prepared = Prepared(replace(training, config=config), cohort)
    model = prepared.new_model(base)
    with _going_on(partial):
        if final.exists():
            refuse_damaged(final)
            finished_epochs = config.epochs
        elif half.exists():
            refuse_damaged(half)
            # Not load_model, which would need the loss as well.
            model.optimizer.build(model.trainable_variables)
            model.load_weights(half)
            finished_epochs = int(model.optimizer.iterations) // config.steps
        if len(rows) < finished_epochs:
            raise ValueError(f"history.csv has {len(rows)} epochs of {finished_epochs}")
    # The last row may be of an epoch whose model was not saved before the run was killed.
    rows = [row for row in rows if row["epoch"] < finished_epochs]
    if rows:
        name = shown(training.arm.name)
        print(f"{name}: going on after epoch {finished_epochs} of {config.epochs}")
    begun, seconds = time.monotonic(), before["seconds"]

    def continue_draws(epoch, logs=None):
        prepared.sampler.draws = epoch * config.steps

    def keep(saving: Path) -> None:
        """Before a model gets its name: the history, and what the next start may find here."""
        table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode()
        there = [path.read_bytes() for path in (history, half, saving) if path.exists()]
        kept = {"precision": config.precision, "seconds": seconds, "run": partial.name}
        kept["files"] = [digest(content) for content in (table, *there)]
        write_whole(spent, json.dumps(kept))
        write_whole(history, table)

    def save(epoch, logs=None):
        nonlocal seconds
        if not np.isfinite(logs["loss"]):
            raise ValueError(
                f"arm '{training.arm.name}' cannot be trained so: in epoch {epoch} its loss is "
                f"{logs['loss']}; take a smaller learning_rate ({config.learning_rate:g} now), "
                f"other settings of {training.arm.loss}, or images without NaN"
            )
        rows.append({"epoch": epoch, **{name: logs[name] for name in sorted(logs)}})
        seconds = before["seconds"] + time.monotonic() - begun
        _save_whole(model, half, keep)

    callbacks = [
        # First, since it adds to the logs that are saved.
        *([prepared.mining] if prepared.mining else []),
        # Not BackupAndRestore and CSVLogger, whose files a kill may leave torn: here each file is
        # replaced whole, and the model's also counts the epochs.
        keras.callbacks.LambdaCallback(on_epoch_begin=continue_draws, on_epoch_end=save),
        _SignsOfLife(config.epochs, config.steps),
    ]
    if finished_epochs < config.epochs:
        with letting_go():
            model.fit(
                prepared.batches(),
                initial_epoch=finished_epochs,
                epochs=config.epochs,
                callbacks=callbacks,
                class_weight=training.arm.loss.class_weight(prepared.shares),
                shuffle=False,  # the sampler has shuffled
                verbose=2,  # a line per epoch: clean in a stored notebook and in a log
            )
    if not final.exists():  # without optimizer and loss, so that it can be loaded anywhere
        _save_whole(load_model(half), final, keep)
    half.unlink(missing_ok=True)
    mined = prepared.mining.candidates_of_an_epoch if prepared.mining else 0
    return {
        "precision": config.precision,
        "seconds": round(seconds, 1),
        "patches": config.epochs * config.steps * config.batch_size,
        "mined": config.epochs * mined,
    }


def _going_on(partial: Path) -> contextlib.AbstractContextManager[None]:
    way_out = "put a copy of it back, or delete it, and this training starts again. Other trainings"
    what = f"the half-finished run {partial} cannot be continued"
    return refusing(ValueError, what, f"{way_out} are kept")


def _refuse_foreign(spent: dict[str, Any], partial: Path, files: list[Path]) -> None:
    """ValueError if a file is none that this run has kept: changed, or of another run.

    What a version kept that noted no digests is read without.
    """
    if spent.get("run", partial.name) != partial.name:
        raise ValueError(f"it is {spent['run']}, copied or renamed")
    for path in files:
        if "files" in spent and digest(path.read_bytes()) not in spent["files"]:
            raise ValueError(f"{path.name} is not as it was written, or of another run")


def _save_whole(model: keras.Model, path: Path, keep: Callable[[Path], None]) -> None:
    saving = path.with_name("saving.keras")
    size = 12 * model.count_params() + 100_000  # with the two moments of Adam; and its description
    with room_for(path.parent, f"the model {path.name}", size):
        save_model(model, saving)
        keep(saving)
        os.replace(saving, path)


class _SignsOfLife(keras.callbacks.Callback):
    """Prints every few seconds how far an epoch is; after it what is left, if over two minutes."""

    def __init__(self, epochs: int, steps: int):
        super().__init__()
        self.epochs, self.steps = epochs, steps
        self.ended: list[float] = []
        self.said = 0.0

    def on_train_begin(self, logs=None):
        self.said = time.monotonic()
        self.ended = [self.said]

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if now - self.said > 5 and batch + 1 < self.steps:
            self.said = now
            print(f"batch {batch + 1} of {self.steps}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        self.said = time.monotonic()
        self.ended.append(self.said)
        seconds = self.ended[-1] - self.ended[-2]
        if len(self.ended) > 2:  # the first epoch of a session also compiles
            seconds = (self.ended[-1] - self.ended[1]) / (len(self.ended) - 2)
        minutes = seconds * (self.epochs - epoch - 1) / 60
        if minutes > 2:
            left = f"{minutes / 60:.1f} hours" if minutes > 120 else f"{minutes:.0f} minutes"
            print(f"about {left} left of this training", flush=True)
