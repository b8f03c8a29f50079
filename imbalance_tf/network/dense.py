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

from imbalance_tf._tensorflow import keras, refuse_probabilities, tf
from imbalance_tf.cohort.reading import AIR

from .cnn import ChannelBias

__all__ = ["fully_convolutional", "segment"]

_SLICES, _SIDE = 4, 256
"""Largest part that is computed at a time: enough to fill the processor, and a bound on memory."""

_serializable = keras.saving.register_keras_serializable(package="imbalance_tf")


def fully_convolutional(model: keras.Model) -> keras.Model:
    """The dense form of a patch classifier: an ordinary Keras model, slice in, class map out.

    Parameters
    ----------
    model : keras.Model
        A patch classifier as `patch_cnn` makes it: a chain of unpadded convolutions and 2x2
        max-pools that ends in a full-window convolution; logits out.

    Returns
    -------
    keras.Model
        Slices (N, H, W, M) of any size -> logits (N, H, W, classes): of each voxel what `model`
        says of the patch around it, with air beyond the border. It shares the weights of `model`;
        it is saved, and loaded once this function has been imported, like any other model.

    Raises
    ------
    ValueError
        If the model has a layer that has no exact dense form.

    Notes
    -----
    Its memory grows with the slice; `segment` works in tiles.

    Examples
    --------
    >>> dense = fully_convolutional(model)                          # doctest: +SKIP
    >>> classes = dense.predict(cohort.images[70:72]).argmax(axis=-1)       # doctest: +SKIP
    >>> dense.save("dense.keras")                                   # doctest: +SKIP
    """
    core = _core(model)
    slices = keras.Input((None, None, model.input_shape[-1]))
    surrounded = _Surround(model.input_shape[1], _block(model))(slices)
    logits = _CropLike()([core(surrounded), slices])
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
        If the images do not fit the model or the brain, or the model has a layer that has no
        dense form.

    Examples
    --------
    >>> probabilities = segment(model, cohort.images[70:72])        # doctest: +SKIP
    >>> labels = probabilities.argmax(axis=-1)                      # doctest: +SKIP
    """
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
    run = _compiled(model)
    # A few shapes only, since each new one is prepared anew.
    step = max(16, _block(model))
    for tile in _tiles(brain):
        slices, rows, columns = tile
        window = _window(images[slices], rows, columns, size, step)
        part = run(window).numpy()[:, : rows.stop - rows.start, : columns.stop - columns.start]
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
    """Windows of any number and size -> probabilities; traced once a model."""
    core = _core(model)
    signature = tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32)
    return tf.function(
        lambda windows: tf.nn.softmax(tf.cast(core(windows, training=False), tf.float32)),
        input_signature=[signature],
    )


def _core(model: keras.Model) -> keras.Model:
    """Windows (N, R + P - 1, C + P - 1, M) -> logits (N, R, C, classes), P the patch size.

    R and C are multiples of the block.
    """
    _refuse_unknown_layers(model)
    windows = maps = keras.Input((None, None, model.input_shape[-1]))
    for layer in model.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            # Every shift of the pool at once, then apart: the four shifted maps would be copies.
            pool = keras.layers.MaxPooling2D(2, strides=1, dtype=layer.dtype_policy)
            maps = _Quarters(dtype=layer.dtype_policy.name)(pool(maps))
        elif not isinstance(
            layer, (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Dropout)
        ):
            maps = layer(maps)
    for _ in _pools(model):
        maps = _Interleave()(maps)
    return keras.Model(windows, maps, name=f"{model.name}_core")


def _pools(model: keras.Model) -> list:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]


def _block(model: keras.Model) -> int:
    """Rows of the map in which every shift of every pool comes once."""
    return 2 ** len(_pools(model))


@_serializable
class _Surround(keras.layers.Layer):
    """Air around slices, so that every voxel has a patch, and rows and columns fill blocks."""

    def __init__(self, patch_size: int, block: int, **other):
        super().__init__(**other)
        self.patch_size, self.block = patch_size, block

    def call(self, slices):
        shape = tf.shape(slices)
        before, after = self.patch_size // 2, self.patch_size - self.patch_size // 2 - 1
        pads = [[before, after + -shape[axis] % self.block] for axis in (1, 2)]
        return tf.pad(slices, [[0, 0], *pads, [0, 0]], constant_values=AIR)

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size, "block": self.block}


@_serializable
class _Quarters(keras.layers.Layer):
    """Every second row and column, from each of four starts, stacked along the batch axis."""

    def call(self, maps):
        shape = tf.shape(maps)
        even = maps[:, : shape[1] // 2 * 2, : shape[2] // 2 * 2]
        return tf.space_to_batch(even, [2, 2], [[0, 0], [0, 0]])


@_serializable
class _Interleave(keras.layers.Layer):
    """What `_Quarters` split, put together again."""

    def call(self, maps):
        return tf.batch_to_space(maps, [2, 2], [[0, 0], [0, 0]])


@_serializable
class _CropLike(keras.layers.Layer):
    """The first map, cut to rows and columns of the second."""

    def call(self, inputs):
        maps, like = inputs
        shape = tf.shape(like)
        return maps[:, : shape[1], : shape[2]]


def _refuse_unknown_layers(model) -> None:
    layers = keras.layers
    refuse_probabilities(model)
    height, width = model.input_shape[1:3]
    if height != width:
        raise ValueError(f"'{model.name}' takes {height}x{width} patches; squares are expected")
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            exact = layer.padding == "valid" and layer.strides == (1, 1)
            exact &= layer.dilation_rate == (1, 1)
            exact &= layer.kernel_size[0] == layer.kernel_size[1]
        elif isinstance(layer, layers.MaxPooling2D):
            exact = layer.padding == "valid" and layer.pool_size == layer.strides == (2, 2)
        else:
            pointwise = (layers.Flatten, layers.Dropout, layers.ReLU, ChannelBias)
            exact = isinstance(layer, (layers.InputLayer, *pointwise))
        if not exact:
            raise ValueError(
                f"layer '{layer.name}' ({type(layer).__name__}) has no exact dense form; unpadded "
                f"convolutions of stride 1, 2x2 max-pools, ChannelBias, dropout and ReLU have"
            )
    if tuple(model.layers[-1].input.shape[1:3]) != (1, 1):
        raise ValueError(
            f"the last map of '{model.name}' is {model.layers[-1].input.shape[1:3]}; the chain "
            f"must end in a full-window convolution that leaves (1, 1)"
        )
