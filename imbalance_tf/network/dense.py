"""The dense form: the weights of a patch classifier over whole slices, exactly.

Running one patch per voxel computes nearly everything many times over. A convolution without
padding can simply run over the whole slice. A pool keeps one value in four, and which one depends
on where the patch starts: so the map is split into its four shifted quarters, stacked along the
batch axis, each is pooled and goes on alone, and the quarters are interleaved at the end (Giusti
et al. 2013, "Fast image scanning with deep max-pooling convolutional neural networks").
"""

from functools import lru_cache

import numpy as np

from imbalance_tf._tensorflow import keras, refuse_probabilities, tf
from imbalance_tf.cohort.reading import AIR

__all__ = ["segment"]

_SLICES = 8  # at a time: enough to fill the processor, and a bound on memory


def segment(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Class probabilities of every voxel: what `model` says of the patch around it.

    Parameters
    ----------
    model : keras.Model
        A patch classifier as `patch_cnn` makes it: a chain of unpadded convolutions and 2x2
        max-pools that ends in a full-window convolution; logits out.
    images : (S, H, W, M) array
        Slices of any size. Beyond their border lies air, as in `patch_dataset`.

    Returns
    -------
    (S, H, W, classes) float32

    Raises
    ------
    ValueError
        If the images do not fit the model, or the model has a layer that has no dense form.

    Examples
    --------
    >>> probabilities = segment(model, cohort.images[70:72])        # doctest: +SKIP
    >>> labels = probabilities.argmax(axis=-1)                      # doctest: +SKIP
    """
    images = np.asarray(images)
    channels = model.input_shape[-1]
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images has shape {images.shape}; (slices, rows, columns, {channels}) is expected, "
            f"since the model was made for {channels} modalities"
        )
    _refuse_unknown_layers(model)
    probabilities = np.empty((*images.shape[:3], model.output_shape[-1]), np.float32)
    run = _compiled(model)
    for start in range(0, len(images), _SLICES):
        part = images[start : start + _SLICES].astype(np.float32)
        probabilities[start : start + _SLICES] = run(part)
    return probabilities


@lru_cache(maxsize=4)
def _compiled(model):
    """Slices of any number and size -> probabilities; traced once a model."""
    signature = tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32)
    return tf.function(
        lambda slices: tf.nn.softmax(_dense_logits(model, slices)), input_signature=[signature]
    )


def _dense_logits(model, slices):
    """Logits (S, H, W, classes) of slices (S, H, W, M)."""
    size = model.input_shape[1]
    height, width = tf.shape(slices)[1], tf.shape(slices)[2]
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    block = 2 ** len(pools)
    # Outputs of one fragment; their number doubles at every interleaving.
    rows, columns = -(-height // block) * block, -(-width // block) * block
    before, after = size // 2, size - size // 2 - 1
    maps = tf.pad(
        slices,
        [[0, 0], [before, after + rows - height], [before, after + columns - width], [0, 0]],
        constant_values=AIR,
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            rows, columns = rows // 2, columns // 2
            size = size // 2
            tall, wide = 2 * (rows + size - 1), 2 * (columns + size - 1)
            maps = layer(
                tf.concat(
                    [
                        maps[:, top : top + tall, left : left + wide]
                        for top in (0, 1)
                        for left in (0, 1)
                    ],
                    axis=0,
                )
            )
        elif isinstance(layer, keras.layers.Conv2D):
            size -= layer.kernel_size[0] - 1
            maps = layer(maps)
        elif not isinstance(layer, (keras.layers.Flatten, keras.layers.InputLayer)):
            maps = layer(maps)
    for _ in pools:
        classes = maps.shape[-1]
        quarters = tf.reshape(maps, (2, 2, -1, rows, columns, classes))
        rows, columns = 2 * rows, 2 * columns
        maps = tf.reshape(tf.transpose(quarters, (2, 3, 0, 4, 1, 5)), (-1, rows, columns, classes))
    return tf.cast(maps[:, :height, :width], tf.float32)


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
            exact = isinstance(
                layer, (layers.InputLayer, layers.Flatten, layers.Dropout, layers.ReLU)
            )
        if not exact:
            raise ValueError(
                f"layer '{layer.name}' ({type(layer).__name__}) has no exact dense form; unpadded "
                f"convolutions of stride 1, 2x2 max-pools, dropout and ReLU have"
            )
    if tuple(model.layers[-1].input.shape[1:3]) != (1, 1):
        raise ValueError(
            f"the last map of '{model.name}' is {model.layers[-1].input.shape[1:3]}; the chain "
            f"must end in a full-window convolution that leaves (1, 1)"
        )
