"""TensorFlow and Keras, imported without their start-up noise.

TensorFlow writes to file descriptor 2 when it is imported and when it runs its first operation:
lines with process ids and times, which would stand in every executed notebook. No setting
silences all of them, so the descriptor is turned away for that moment. Whatever was written is
shown after all when the import fails. Whoever sets up devices or threads (`tf.config`) does so
before this import, since TensorFlow refuses it after the first operation.
"""

import os
import sys
import tempfile
from contextlib import contextmanager

__all__ = ["keras", "refuse_probabilities", "tf"]


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

    tf.zeros((), tf.float16) + 1.0  # that in half precision oneDNN may not help, it says once


def refuse_probabilities(model: keras.Model) -> None:
    """ValueError if a classifier ends in a softmax, where logits are expected.

    A second softmax over probabilities leaves every class between 0 and e times the others: it
    raises no error, and makes every confidence wrong.
    """
    outputs = [layer for layer in model.layers if not isinstance(layer, keras.layers.Flatten)]
    softmax = isinstance(outputs[-1], keras.layers.Softmax)
    if softmax or getattr(outputs[-1], "activation", None) is keras.activations.softmax:
        raise ValueError(
            f"'{model.name}' ends in a softmax ('{outputs[-1].name}'); logits are expected: leave "
            f"the softmax out, and train with a loss that has from_logits=True"
        )
