"""A small U-Net: a network that predicts the class of every voxel of a patch."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from imbalance_tf._tensorflow import keras, start, tf
from imbalance_tf.cohort.arguments import filters_of
from imbalance_tf.cohort.case import AIR

from .inputs import checked_slices, expect_network, seeds_of

_SLICES = 4  # at a time


def unet(
    *,
    channels: int,
    classes: int,
    filters: Sequence[int] = (8, 16, 32, 64),
    seed: int = 0,
    precision: str = "float32",
) -> keras.Model:
    """A U-Net (Ronneberger et al. 2015) with two padded convolutions at every level.

    Parameters
    ----------
    channels, classes : int
    filters : sequence of int
        Of each level, from the finest. The rows and columns of its input must be multiples of
        2 ** (levels - 1).
    seed : int
        Of the initial weights.
    precision : str
        Keras' dtype policy of the hidden layers. Weights and logits are always float32.

    Returns
    -------
    keras.Model
        Slices or patches (N, H, W, channels) -> logits (N, H, W, classes) float32. Not compiled.

    Examples
    --------
    >>> unet(channels=4, classes=5)(np.zeros((1, 64, 64, 4))).shape
    TensorShape([1, 64, 64, 5])
    """
    expect_network(channels=channels, classes=classes, precision=precision)
    filters = filters_of(filters)
    start()
    seeds = seeds_of(seed)
    last = {"data_format": "channels_last"}  # whatever a person's keras.json says

    def convolved(maps, count, name):
        for half in "ab":
            maps = keras.layers.Conv2D(
                count,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeUniform(seed=next(seeds)),
                dtype=precision,
                name=f"{name}{half}",
                **last,
            )(maps)
        return maps

    slices = maps = keras.Input((None, None, channels), dtype="float32", name="slices")
    skips = []
    for level, count in enumerate(filters):
        if level:
            pool = keras.layers.MaxPooling2D(2, dtype=precision, name=f"pool_{level}", **last)
            maps = pool(maps)
        maps = convolved(maps, count, f"down_{level}")
        skips.append(maps)
    for level in reversed(range(len(filters) - 1)):
        up = keras.layers.UpSampling2D(2, dtype=precision, name=f"up_{level}", **last)
        maps = up(maps)
        joined = keras.layers.Concatenate(dtype=precision, name=f"join_{level}")
        maps = convolved(joined([skips[level], maps]), filters[level], f"back_{level}")
    logits = keras.layers.Conv2D(
        classes,
        1,
        kernel_initializer=keras.initializers.HeUniform(seed=next(seeds)),
        dtype="float32",
        name="logits",
        **last,
    )(maps)
    return keras.Model(slices, logits, name="unet")


def segment_maps(
    model: keras.Model, images: np.ndarray, brain: np.ndarray, *, multiple: int
) -> np.ndarray:
    """Class probabilities of every voxel, by a network that predicts maps.

    Parameters
    ----------
    images : (S, H, W, M) array
    brain : (S, H, W) bool array
        Outside, the class is 0 with probability 1.
    multiple : int
        Rows and columns are padded with air to multiples of it.

    Returns
    -------
    (S, H, W, classes) float32
    """
    images, brain = checked_slices(model, images, brain)
    depth, height, width = brain.shape
    pads = [(0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)]
    probabilities = np.zeros((*brain.shape, model.output_shape[-1]), np.float32)
    probabilities[..., 0] = 1
    run = _compiled(model)
    for first in range(0, depth, _SLICES):
        part = slice(first, first + _SLICES)
        padded = np.pad(images[part].astype(np.float32), pads, constant_values=AIR)
        predicted = run(tf.constant(padded)).numpy()[:, :height, :width]
        np.copyto(probabilities[part], predicted, where=brain[part][..., None])
    return probabilities


@lru_cache(maxsize=4)
def _compiled(model):
    run = tf.function(lambda slices: tf.nn.softmax(model(slices, training=False)))
    # One trace for slices of any size.
    return run.get_concrete_function(
        tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32)
    )
