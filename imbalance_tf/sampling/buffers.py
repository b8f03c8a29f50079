"""Buffers: memory for batches that is used again."""

import numpy as np
from numpy.typing import DTypeLike

_ALIGNMENT = 64  # bytes; TensorFlow uses an aligned array without copying it


class Buffers:
    """Arrays of one shape and dtype, each reused once nothing refers to it any more.

    A new array of a few megabytes takes longer to allocate than to fill, because the operating
    system provides its pages one by one.

    Examples
    --------
    >>> buffers = Buffers((2, 3), np.float16)
    >>> buffers.take().shape
    (2, 3)
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._free: list[np.ndarray] = []

    def take(self) -> np.ndarray:
        """An array with arbitrary content; its memory is free again after its last reference."""
        try:
            memory = self._free.pop()
        except IndexError:
            size = int(np.prod(self.shape)) * self.dtype.itemsize
            memory = np.empty(size + _ALIGNMENT, np.uint8)
            start = -memory.ctypes.data % _ALIGNMENT
            memory = memory[start : start + size].view(self.dtype).reshape(self.shape)
        return np.asarray(_Lease(memory, self._free))


class _Lease:
    """The base of an array that `take` returned: it is deleted with the last view of that array."""

    def __init__(self, memory: np.ndarray, free: list[np.ndarray]):
        self._memory, self._free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        self._free.append(self._memory)
