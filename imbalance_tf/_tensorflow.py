"""TensorFlow and Keras, imported without their start-up noise.

TensorFlow writes lines with process ids and times to file descriptor 2 when it is imported and
when it runs its first operation; they would stand in every executed notebook. No setting silences
all of them, so the descriptor is redirected meanwhile, and what was written is shown on failure.

The import runs no operation: a process may fork after it, and devices and threads (`tf.config`) can
still be set.

Keras has settings of its own, from a file, the environment or a call. Under some of them another
model would be trained in silence: these are refused.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def _may_end() -> bool:
    """Whether a variable may end the process, with a message of TensorFlow that has to be seen."""
    numbers = (os.environ.get(f"TF_NUM_{which}_THREADS", "0") for which in ("INTRAOP", "INTEROP"))
    return "TF_XLA_FLAGS" in os.environ or not all(number.isdigit() for number in numbers)


@contextmanager
def _silent() -> Iterator[None]:
    if _may_end():
        yield
        return
    try:
        sys.stderr.flush()
        kept = os.dup(2)
        noise = tempfile.TemporaryFile()  # noqa: SIM115
    except (AttributeError, OSError):  # the process has no descriptor 2, or no place for it
        yield
        return
    with noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield
        except Exception:
            noise.seek(0)
            os.write(kept, noise.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


_HOME = Path("~" if os.access(os.path.expanduser("~"), os.W_OK) else "/tmp", ".keras")
_FILE = Path(
    os.environ.get("KERAS_HOME", _HOME), "keras.json"
).expanduser()  # as Keras looks for it


def _refused(name: str, found: Any, expected: Any) -> ValueError:
    """The error about a setting of Keras, with the place that it came from."""
    variable = f"KERAS_{name.upper()}"
    try:
        kept = json.loads(_FILE.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError, AttributeError):
        kept = None
    if str(found) == os.environ.get(variable):
        source = f"the environment variable {variable}"
    else:
        source = str(_FILE) if found == kept else f"keras.config.set_{name}"
    return ValueError(
        f"Keras' setting {name} is {found!r}, from {source}; imbalance_tf needs {expected!r}: "
        f"change it there"
    )


def _backend() -> str:
    """The backend that Keras has, or would be imported with."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    if asked := os.environ.get("KERAS_BACKEND"):
        return asked
    try:
        return json.loads(_FILE.read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, TypeError, KeyError):
        return "tensorflow"


# INFO lines do not end with the start: each exhausted tf.data iterator writes one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# By default TensorFlow uses oneDNN only on processors with VNNI; without it, training takes twice
# as long (benchmarks/training.py).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if _backend() != "tensorflow":
    raise _refused("backend", _backend(), "tensorflow")
try:
    with _silent():
        import keras
        import tensorflow as tf
except (
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    OSError,
) as error:  # Keras names no file
    raise ValueError(
        f"Keras cannot be imported ({error!r}); look at its settings, in {_FILE} and in the "
        f"environment variables that begin with KERAS_ or MPL"
    ) from error


_TRAINED_UNDER = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def start() -> None:
    """Run a first operation silently; called by whatever is about to run one anyway.

    ValueError if Keras has settings under which other models would be trained.
    """
    for name, expected in _TRAINED_UNDER.items():
        if (found := getattr(keras.config, name)()) != expected:
            raise _refused(name, found, expected)
    _run_first()


@cache
def _run_first() -> None:
    with _silent():
        tf.zeros((), tf.float16) + 1.0  # half precision has a message of its own


def expect_logits(model: keras.Model, outputs: np.ndarray) -> None:
    """ValueError if the outputs (N, ..., classes) of a network are NaN, or probabilities.

    A second softmax over probabilities raises no error, and makes every confidence wrong. The first
    may be a layer, an activation or a function anywhere in the model, so the outputs are tested.
    """
    outputs = np.asarray(outputs, np.float64)
    if np.isnan(outputs).any():
        raise ValueError(
            f"'{model.name}' gives NaN: its weights hold some, as after a training that diverged"
        )
    sums = outputs.sum(axis=-1)  # in half precision they are 1 within 0.01
    if len(outputs) and (outputs >= 0).all() and np.abs(sums - 1).max() < 0.02:
        raise ValueError(
            f"'{model.name}' gives probabilities, {len(outputs)} rows from 0 up that add up to 1; "
            f"logits are expected: leave the softmax out, and train with a loss that has "
            f"from_logits=True"
        )
