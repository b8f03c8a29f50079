"""Calls from tf.data into Python, which must finish before the interpreter exits."""

import atexit
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_QUIET = 0.2  # seconds without a call, after which the pipeline has filled its prefetch buffer
_LIMIT = 10  # seconds to wait at most, in case a thread continues to read

_running: list[None] = []
# What the calls hold that `letting_go` is to end; of one thread, as others may make calls too.
_made: ContextVar[list[list] | None] = ContextVar("_made", default=None)
_ended = float("-inf")


def waited_for(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for ``tf.numpy_function`` whose running calls delay the end of a script.

    A pipeline prepares batches ahead of the reader. If its thread needs the interpreter while that
    exits, it waits forever, and ``next(iter(dataset))`` at the end of a script hangs (TensorFlow
    2.21).
    """
    held = [function]
    made = _made.get()  # AutoGraph, which reads this function, knows no `:=`
    if made is not None:
        made.append(held)

    def call(*arguments):
        global _ended
        _running.append(None)
        try:
            return held[0](*arguments)
        finally:
            _ended = time.monotonic()
            _running.pop()

    return call


@contextmanager
def letting_go() -> Iterator[None]:
    """Afterwards, the calls that were made within hold nothing, and can be made no more.

    TensorFlow 2.21 keeps the graphs of every training as long as the process lasts, and with them
    the functions that its data came from. These hold the class index, buffers and files: of 1,251
    cases, hundreds of megabytes a training.
    """
    made: list[list] = []
    token = _made.set(made)
    try:
        yield
    finally:
        _made.reset(token)
        for held in made:
            held.clear()


@atexit.register
def _wait():
    limit = time.monotonic() + _LIMIT
    while (_running or time.monotonic() - _ended < _QUIET) and time.monotonic() < limit:
        time.sleep(0.01)
