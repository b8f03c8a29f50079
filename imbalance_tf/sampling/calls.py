"""Calls of tf.data into Python, which have to be over before the interpreter ends."""

import atexit
import time

__all__ = ["waited_for"]

_QUIET = 0.2  # seconds without a call, after which a pipeline is taken to be full
_LIMIT = 10  # seconds, should somebody's thread go on reading

_running: list[None] = []
_ended = float("-inf")


def waited_for(function):
    """A function for ``tf.numpy_function`` that a script may end in the middle of.

    A pipeline prepares some batches more than are read. A thread of it that asks for the
    interpreter while that ends never gets it, and whoever frees the iterator waits for the thread:
    ``batches = iter(dataset); next(batches)`` at the end of a script would hang (TensorFlow 2.21).
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
