"""The dense form: the weights of a patch classifier over whole slices, exactly.

Running one patch per voxel computes nearly everything many times over. A convolution without
padding can simply run over the whole slice. A pool keeps one value in four, and which one depends
on where the patch starts: so the map is pooled at every place and split into the four quarters
that one value in four can be, each goes on alone, stacked along the batch axis, and the quarters
are interleaved at the end (Giusti et al. 2013, "Fast image scanning with deep max-pooling
convolutional neural networks").
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.cohort.case import AIR

from .core import core_of, serializable

__all__ = ["fully_convolutional", "segment"]

_SLICES, _SIDE = 4, 256
"""Largest part that is computed at a time: enough to fill the processor, and a bound on memory."""


def fully_convolutional(model: keras.Model) -> keras.Model:
    """The dense form of a patch classifier: an ordinary Keras model, slice in, class map out.

    Parameters
    ----------
    model : keras.Model
        A patch classifier as `patch_cnn` makes it: unpadded convolutions of stride 1, 2x2 pools,
        and whatever treats every voxel alike, as a chain or a graph of layers and functions; at
        the end a full-window convolution, and logits.

    Returns
    -------
    keras.Model
        Slices (N, H, W, M) of any size -> logits (N, H, W, classes): of each voxel what `model`
        says of the patch around it, with air beyond the border. It shares the weights of `model`;
        it is saved, and loaded once this function has been imported, like any other model.

    Raises
    ------
    ValueError
        If the model gives probabilities, or an operation of it has no exact dense form: a few
        patches are held against the dense form first, operation by operation.

    Notes
    -----
    Its memory grows with the slice; `segment` works in tiles.

    Examples
    --------
    >>> dense = fully_convolutional(model)                          # doctest: +SKIP
    >>> classes = dense.predict(cohort.images[70:72]).argmax(axis=-1)       # doctest: +SKIP
    >>> dense.save("dense.keras")                                   # doctest: +SKIP
    """
    core = core_of(model)
    slices = keras.Input((None, None, model.input_shape[-1]), dtype="float32")
    surrounded = _Surround(model.input_shape[1], core.block)(slices)
    logits = _CropLike()([core.model(surrounded), slices])
    return keras.Model(slices, logits, name=f"{model.name}_dense")


def segment(model: keras.Model, images: np.ndarray, brain: np.ndarray | None = None) -> np.ndarray:
    """Class probabilities of every voxel: what `model` says of the patch around it.

    Parameters
    ----------
    model : keras.Model
        A patch classifier, as for `fully_convolutional`.
    images : (S, H, W, M) array
        Slices of any size. Beyond their border lies air, as in `patch_dataset`.
    brain : (S, H, W) bool array, optional
        Where to look: slices and margins without brain are skipped. All else is class 0, with
        probability 1.

    Returns
    -------
    (S, H, W, classes) float32

    Raises
    ------
    ValueError
        If the images do not fit the model or the brain; or as `fully_convolutional`.

    Examples
    --------
    >>> probabilities = segment(model, cohort.images[70:72])        # doctest: +SKIP
    >>> labels = probabilities.argmax(axis=-1)                      # doctest: +SKIP
    """
    run, block = _compiled(model)
    images = np.asarray(images)
    size, channels = model.input_shape[2:]
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images has shape {images.shape}; (slices, rows, columns, {channels}) is expected, "
            f"since the model was made for {channels} modalities"
        )
    if brain is None:
        brain = np.ones(images.shape[:3], bool)
    elif brain.shape != images.shape[:3]:
        raise ValueError(
            f"brain has shape {brain.shape}; {images.shape[:3]} is expected, as images has"
        )
    probabilities = np.zeros((*images.shape[:3], model.output_shape[-1]), np.float32)
    probabilities[..., 0] = 1
    step = max(16, block)  # a few shapes only, since each new one is prepared anew
    for tile in _tiles(brain):
        slices, rows, columns = tile
        window = _window(images[slices], rows, columns, size, step)
        part = run(tf.constant(window)).numpy()[
            :, : rows.stop - rows.start, : columns.stop - columns.start
        ]
        np.copyto(probabilities[tile], part, where=brain[tile][..., None])
    return probabilities


def _tiles(brain: np.ndarray) -> Iterator[tuple[slice, slice, slice]]:
    """Slices, rows and columns of parts that hold all of the brain, none too large."""
    for start in range(0, len(brain), _SLICES):
        slices = slice(start, min(start + _SLICES, len(brain)))
        occupied = brain[slices].any(axis=0)
        if occupied.any():
            (top, bottom), (left, right) = (
                (axis.min(), axis.max() + 1) for axis in np.nonzero(occupied)
            )
            for row in range(top, bottom, _SIDE):
                for column in range(left, right, _SIDE):
                    yield (
                        slices,
                        slice(row, min(row + _SIDE, bottom)),
                        slice(column, min(column + _SIDE, right)),
                    )


def _window(images: np.ndarray, rows: slice, columns: slice, size: int, step: int) -> np.ndarray:
    """All that the patches of a tile reach, with air beyond the border: what the core takes."""
    height, width = (-(-(part.stop - part.start) // step) * step for part in (rows, columns))
    shape = (len(images), height + size - 1, width + size - 1, images.shape[-1])
    window = np.full(shape, AIR, np.float32)
    top, left = rows.start - size // 2, columns.start - size // 2
    above, before = max(0, -top), max(0, -left)
    inside = images[:, top + above : top + shape[1], left + before : left + shape[2]]
    window[:, above : above + inside.shape[1], before : before + inside.shape[2]] = inside
    return window


@lru_cache(maxsize=4)
def _compiled(model):
    """Windows of any number and size -> probabilities, traced once a model; and the block."""
    core = core_of(model)

    @tf.function
    def run(windows):
        return tf.nn.softmax(tf.cast(core.model(windows, training=False), tf.float32))

    # One trace for windows of any size. Called through `run`, TensorFlow would warn of the traces
    # of every other model.
    any_size = tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32)
    return run.get_concrete_function(any_size), core.block


@serializable
class _Surround(keras.layers.Layer):
    """Air around slices, so that every voxel has a patch, and rows and columns fill blocks."""

    def __init__(self, patch_size: int, block: int, **other):
        super().__init__(**other, autocast=False)
        self.patch_size, self.block = patch_size, block

    def call(self, slices):
        shape = tf.shape(slices)
        before, after = self.patch_size // 2, self.patch_size - self.patch_size // 2 - 1
        pads = [[before, after + -shape[axis] % self.block] for axis in (1, 2)]
        return tf.pad(slices, [[0, 0], *pads, [0, 0]], constant_values=AIR)

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size, "block": self.block}


@serializable
class _CropLike(keras.layers.Layer):
    """The first map, cut to rows and columns of the second."""

    def __init__(self, **other):
        super().__init__(**other, autocast=False)

    def call(self, inputs):
        maps, like = inputs
        shape = tf.shape(like)
        return maps[:, : shape[1], : shape[2]]
