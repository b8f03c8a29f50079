"""The dense form: the weights of a patch classifier over whole slices, exactly.

An unpadded convolution can run over the whole slice instead of one patch per voxel. A 2x2 pool
keeps one value in four, and which one depends on where the patch begins: so the map is pooled at
every place and split into the four possible quarters, which are stacked along the batch axis and
interleaved at the end (Giusti et al. 2013, "Fast image scanning with deep max-pooling convolutional
neural networks").
"""

from functools import lru_cache
from itertools import product

import numpy as np

from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.case import AIR, box_of

from .core import ShapeLayer, core_of, serializable
from .inputs import checked_slices

_SLICES, _SIDE = 4, 256  # of a tile: large enough to fill the processor, and a bound on memory


def fully_convolutional(model: keras.Model) -> keras.Model:
    """The dense form of a patch classifier as an ordinary Keras model: slices in, class maps out.

    Parameters
    ----------
    model : keras.Model
        A patch classifier as `patch_cnn` makes it: a chain or a graph of unpadded convolutions of
        stride 1, 2x2 pools, and layers or functions that treat every voxel alike, then a
        full-window convolution that gives logits.

    Returns
    -------
    keras.Model
        Slices (N, H, W, M) of any size -> logits (N, H, W, classes): what `model` gives for the
        patch around each voxel, with air beyond the border. It shares the weights of `model`. It
        is saved like any other model, and loaded once this function has been imported.

    Raises
    ------
    ValueError
        If the model gives probabilities, or one of its operations, which is named, has no exact
        dense form. This is tested on a few patches.

    Notes
    -----
    Its memory grows with the slice; `segment` works in tiles.

    Examples
    --------
    >>> dense = fully_convolutional(model)
    >>> dense.predict(cohort[0].images, verbose=0).shape
    (3, 70, 61, 5)
    >>> dense.save("dense.keras")
    """
    core, block = core_of(model)
    slices = keras.Input((None, None, model.input_shape[-1]), dtype="float32")
    logits = _CropLike()([core(_Surround(model.input_shape[1], block)(slices)), slices])
    return keras.Model(slices, logits, name=f"{model.name}_dense")


def segment(model: keras.Model, images: np.ndarray, brain: np.ndarray | None = None) -> np.ndarray:
    """Class probabilities of every voxel: what `model` gives for the patch around it.

    Parameters
    ----------
    model : keras.Model
        A patch classifier, as for `fully_convolutional`.
    images : (S, H, W, M) array
        Slices of any size. Beyond their border lies air, as in `patch_dataset`.
    brain : (S, H, W) bool array, optional
        Where to predict; elsewhere class 0 has probability 1. Everywhere by default.

    Returns
    -------
    (S, H, W, classes) float32

    Raises
    ------
    ValueError
        If the images do not fit the model or the brain, or hold NaN; or as `fully_convolutional`.

    Examples
    --------
    >>> probabilities = segment(model, cohort[0].images, cohort[0].brain)
    >>> probabilities.argmax(axis=-1).shape
    (3, 70, 61)
    """
    expect(isinstance(model, keras.Model), "a Keras model", model=model)
    run, block = _compiled(model)
    images, brain = checked_slices(model, images, brain)
    size = model.input_shape[1]
    probabilities = np.zeros((*images.shape[:3], model.output_shape[-1]), np.float32)
    probabilities[..., 0] = 1
    step = max(16, block)  # windows of few different sizes, since TensorFlow prepares each anew
    margins = size // 2, size - size // 2 - 1 + step
    for first in range(0, len(images), _SLICES):
        slices = slice(first, first + _SLICES)
        box = box_of(np.logical_or.reduce(brain[slices]))
        pads = ((0, 0), margins, margins, (0, 0))
        whole = np.pad(images[slices].astype(np.float32), pads, constant_values=AIR)
        starts = (range(side.start, side.stop, _SIDE) for side in box)
        for top, left in product(*starts):
            height, width = min(_SIDE, box[0].stop - top), min(_SIDE, box[1].stop - left)
            rows, columns = (size - 1 + -(-side // step) * step for side in (height, width))
            window = whole[:, top : top + rows, left : left + columns]
            found = run(tf.constant(window)).numpy()[:, :height, :width]
            tile = slices, slice(top, top + height), slice(left, left + width)
            np.copyto(probabilities[tile], found, where=brain[tile][..., None])
    return probabilities


@lru_cache(maxsize=4)
def _compiled(model: keras.Model):
    """Windows of any number and size -> probabilities, traced once per model; and the block."""
    core, block = core_of(model)

    @tf.function
    def run(windows):
        return tf.nn.softmax(tf.cast(core(windows, training=False), tf.float32))

    # Called through `run`, TensorFlow would count the traces of all models and warn of them.
    any_size = tf.TensorSpec((None, None, None, model.input_shape[-1]), tf.float32)
    return run.get_concrete_function(any_size), block


@serializable
class _Surround(ShapeLayer):
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


@serializable
class _CropLike(ShapeLayer):
    """The first of two maps, cut to the rows and columns of the second."""

    def call(self, inputs):
        maps, like = inputs
        shape = tf.shape(like)
        return maps[:, : shape[1], : shape[2]]
