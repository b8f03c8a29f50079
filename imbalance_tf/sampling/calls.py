"""Calls from tf.data into Python, which must finish before the interpreter exits."""

import atexit
import time
from collections.abc import Callable
from typing import Any

_QUIET = 0.2  # seconds without a call, after which the pipeline has filled its prefetch buffer
_LIMIT = 10  # seconds to wait at most, in case a thread continues to read

_running: list[None] = []
_ended = float("-inf")


def waited_for(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for ``tf.numpy_function`` whose running calls delay the end of a script.

    A pipeline prepares batches ahead of the reader. If its thread needs the interpreter while that
    exits, it waits forever, and ``next(iter(dataset))`` at the end of a script hangs (TensorFlow
    2.21).
    """

    def call(*arguments):
        global _ended
        _running.append(None)
        try:
            return function(*arguments)
        finally:
            _ended = time.monotonic()
            _running.pop()

    return call


@atexit.register
def _wait():
    limit = time.monotonic() + _LIMIT
    while (_running or time.monotonic() - _ended < _QUIET) and time.monotonic() < limit:
        time.sleep(0.01)
