"""What the networks are made with, and the slices that they are asked about."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from imbalance_tf._tensorflow import keras
from imbalance_tf.cohort.arguments import LARGEST_LAYER, one_of, seed_of, whole
from imbalance_tf.cohort.case import AIR


def expect_network(*, channels: Any, classes: Any, precision: Any) -> None:
    """ValueError if no network can be made with these."""
    whole(1, LARGEST_LAYER, channels=channels)
    whole(1, 256, classes=classes)  # one, where the second of two classifiers has one kind to name
    floats = ("float32", "float16", "mixed_float16", "mixed_bfloat16", "bfloat16", "float64")
    one_of(*floats, precision=precision)


def seeds_of(seed: Any) -> Iterator[int]:
    """Seeds for the initial weights of up to 100 layers; Keras takes them from 0 to 2**32 - 1."""
    first = seed_of(seed) * 100
    return (number % 2**32 for number in range(first, first + 100))


def checked_slices(
    model: keras.Model, images: Any, brain: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images (S, H, W, M) and brain (S, H, W) bool as arrays; the whole image by default.

    ValueError if they do not fit each other or the model, or a voxel is no number.
    """
    images, channels = np.asarray(images), model.input_shape[-1]
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images has shape {images.shape}, of {images.dtype}; (slices, rows, columns, "
            f"{channels}) is expected, such as case.images, since the model was made for "
            f"{channels} modalities"
        )
    brain = np.ones(images.shape[:3], bool) if brain is None else np.asarray(brain)
    if brain.shape != images.shape[:3]:
        raise ValueError(
            f"brain has shape {brain.shape}; {images.shape[:3]} is expected, as images has"
        )
    if images.dtype.kind not in "biuf" or brain.dtype.kind not in "biu":
        raise ValueError(
            f"images is {images.dtype} and brain {brain.dtype}; numbers, and True or False are "
            f"expected"
        )
    if count := images.size - np.count_nonzero(np.isfinite(images)):
        raise ValueError(
            f"images holds {count} voxels that are NaN or infinite; numbers are expected: set the "
            f"air to AIR, {AIR:g}"
        )
    return images, brain.astype(bool, copy=False)
