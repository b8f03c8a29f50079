"""Buffers: arrays for TensorFlow that are used again."""

import numpy as np

__all__ = ["Buffers"]

_ALIGNMENT = 64  # bytes: what is aligned so, TensorFlow takes over without a copy


class Buffers:
    """Arrays of one shape, each given out again when nobody holds it any more.

    To make a new array of a few megabytes for every batch takes longer than to fill it, since the
    operating system hands over its pages one by one.

    Examples
    --------
    >>> buffers = Buffers((2, 3), np.float16)
    >>> buffers.take().shape
    (2, 3)
    """

    def __init__(self, shape: tuple[int, ...], dtype):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._free: list[np.ndarray] = []

    def take(self) -> np.ndarray:
        """An array with any content; it comes back when the last reference to it is gone."""
        try:
            memory = self._free.pop()
        except IndexError:
            size = int(np.prod(self.shape)) * self.dtype.itemsize
            memory = np.empty(size + _ALIGNMENT, np.uint8)
            start = -memory.ctypes.data % _ALIGNMENT
            memory = memory[start : start + size].view(self.dtype).reshape(self.shape)
        return np.asarray(_Lease(memory, self._free))


class _Lease:
    """What an array that is given out holds on to, and so dies with it."""

    def __init__(self, memory: np.ndarray, free: list[np.ndarray]):
        self._memory, self._free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        self._free.append(self._memory)
