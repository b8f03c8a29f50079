"""TensorFlow and Keras, imported without their start-up noise.

TensorFlow writes to file descriptor 2 when it is imported and when it runs its first operation:
lines with process ids and times, which would stand in every executed notebook. No setting
silences all of them, so the descriptor is turned away for that moment. Whatever was written is
shown after all when the import fails.
"""

import os
import sys
import tempfile
from contextlib import contextmanager

__all__ = ["keras", "tf"]


@contextmanager
def _descriptor_2_turned_away():
    sys.stderr.flush()
    kept = os.dup(2)
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

with _descriptor_2_turned_away():
    import keras
    import tensorflow as tf

    tf.zeros(()) + 1.0
