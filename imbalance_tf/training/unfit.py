"""Whether a network and a loss, of whoever made them, can be trained and used; seen beforehand."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imbalance_tf._tensorflow import expect_logits, keras, tf
from imbalance_tf.cohort.case import AIR

from .config import Training
from .folder import refusing
from .result import load_model


def refuse_unfit(
    training: Training, model: keras.Model, loss: Any, *, channels: int, names: Sequence[str]
) -> None:
    """ValueError if network or loss do not give what is trained with.

    A network of one's own is also saved, loaded and segmented with: else it would fail after the
    training, and whoever mends it trains anew.
    """
    arm, side = training.arm, training.config.patch_size
    patches = np.random.default_rng(0).normal(size=(3, side, side, channels)).astype(np.float32)
    labels = np.zeros((3, side, side) if arm.network.target == "patch" else 3, np.int32)
    ours = "Network.build and Loss.build say what is expected"
    with refusing(ValueError, f"arm '{arm.name}' cannot be trained", ours):
        logits = model(patches, training=False)
        expected = (*labels.shape, len(names))
        if tuple(logits.shape) != expected:
            raise ValueError(
                f"{type(arm.network).__name__} gives {tuple(logits.shape)} for 3 patches of "
                f"{side}x{side}; {expected} is expected, logits of {list(names)}"
            )
        expect_logits(model, logits)
        costs = np.shape(keras.losses.get(loss)(tf.constant(labels), logits))
        if costs not in ((), labels.shape):
            raise ValueError(
                f"{type(arm.loss).__name__} gives {costs} for labels {labels.shape}; as many "
                f"are expected, or one number"
            )
    if type(arm.network).__module__.startswith("imbalance_tf."):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        ours = "a network that Keras saves and loads, and Network.segment takes, is expected"
        with refusing(ValueError, f"arm '{arm.name}' could not be used once it is trained", ours):
            save_model(model, path)
            loaded = load_model(path)
            if not np.allclose(loaded(patches, training=False), logits, atol=1e-3):
                raise ValueError("loaded again, the model gives other logits for the same patches")
            slices = np.full((1, side + 5, side + 5, channels), AIR, np.float16)
            slices[:, 2:-3, 2:-3] = patches[:1]
            found = np.shape(arm.network.segment(loaded, slices, slices[..., 0] > AIR))
            if found != (*slices.shape[:3], len(names)):
                raise ValueError(
                    f"segment gives {found} for images {slices.shape}; "
                    f"{(*slices.shape[:3], len(names))} is expected"
                )


def save_model(model: keras.Model, path: Path) -> None:
    """As Keras saves it, without Keras' own warnings under NumPy 2, which to some are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)
