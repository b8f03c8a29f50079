"""TensorFlow and Keras, imported without their start-up noise.

TensorFlow writes lines with process ids and times to file descriptor 2 when it is imported and
when it runs its first operation; they would stand in every executed notebook. No setting silences
all of them, so the descriptor is redirected meanwhile, and what was written is shown on failure.

The import runs no operation: a process may fork after it, and devices and threads (`tf.config`) can
still be set.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

__all__ = ["keras", "refuse_probabilities", "start", "tf"]


@contextmanager
def _silent() -> Iterator[None]:
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError):  # the process has no descriptor 2
        yield
        return
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield
        except BaseException:
            noise.seek(0)
            os.write(kept, noise.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


# INFO lines do not end with the start: each exhausted tf.data iterator writes one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# By default TensorFlow uses oneDNN only on processors with VNNI; without it, training takes twice
# as long (benchmarks/training.py).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

with _silent():
    import keras
    import tensorflow as tf


@cache
def start() -> None:
    """Run a first operation silently; called by whatever is about to run one anyway."""
    with _silent():
        tf.zeros((), tf.float16) + 1.0  # half precision has a message of its own


def refuse_probabilities(model: keras.Model, outputs: np.ndarray) -> None:
    """ValueError if the outputs (N, classes) of a classifier are probabilities, not logits.

    A second softmax over probabilities raises no error, and makes every confidence wrong. The first
    may be a layer, an activation or a function anywhere in the model, so the outputs are tested.
    """
    outputs = np.asarray(outputs, np.float64)
    sums = outputs.sum(axis=-1)  # in half precision they are 1 within 0.01
    if len(outputs) and (outputs >= 0).all() and np.abs(sums - 1).max() < 0.02:
        raise ValueError(
            f"'{model.name}' gives probabilities, {len(outputs)} rows from 0 up that add up to 1; "
            f"logits are expected: leave the softmax out, and train with a loss that has "
            f"from_logits=True"
        )
