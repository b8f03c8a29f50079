"""TensorFlow and Keras, imported without their start-up noise.

TensorFlow writes to file descriptor 2 when it is imported and when it runs its first operation:
lines with process ids and times, which would stand in every executed notebook. No setting
silences all of them, so the descriptor is turned away for those moments. Whatever was written is
shown after all if they fail.

The import itself runs no operation: a process may fork after it, and devices and threads
(`tf.config`) can still be set.
"""

import os
import sys
import tempfile
from contextlib import contextmanager
from functools import cache

import numpy as np

__all__ = ["keras", "refuse_probabilities", "start", "tf"]


@contextmanager
def _descriptor_2_turned_away():
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError):  # there is no descriptor 2 to write to
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


# INFO lines go on after the start: each exhausted tf.data iterator writes one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# By itself TensorFlow uses oneDNN only where the processor has VNNI; without it, training takes
# twice as long (benchmarks/training.py).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

with _descriptor_2_turned_away():
    import keras
    import tensorflow as tf


@cache
def start() -> None:
    """Run a first operation, with what TensorFlow says about it turned away.

    Called by whatever is about to run one anyway.
    """
    with _descriptor_2_turned_away():
        tf.zeros((), tf.float16) + 1.0  # that in half precision oneDNN may not help, it says once


def refuse_probabilities(model: keras.Model, outputs: np.ndarray) -> None:
    """ValueError if what a classifier gives (N, classes) are probabilities, not logits.

    A second softmax over probabilities leaves every class between 0 and e times the others: it
    raises no error, and makes every confidence wrong. The softmax may be a layer, an activation, or
    a function somewhere in the model, so only its outputs can tell.
    """
    outputs = np.asarray(outputs, np.float64)
    sums = outputs.sum(axis=-1)
    # Half precision adds up to one within 0.01.
    if len(outputs) and (outputs >= 0).all() and np.abs(sums - 1).max() < 0.02:
        raise ValueError(
            f"'{model.name}' gives probabilities, {len(outputs)} rows from 0 up that add up to 1; "
            f"logits are expected: leave the softmax out, and train with a loss that has "
            f"from_logits=True"
        )
