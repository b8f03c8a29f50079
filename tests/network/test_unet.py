"""The U-Net, and what it says of whole slices."""

import numpy as np
import pytest
from scipy.special import softmax

from imbalance_tf import AIR
from imbalance_tf._tensorflow import keras
from imbalance_tf.network.unet import segment_maps, unet


@pytest.fixture(scope="module")
def model():
    return unet(channels=2, classes=3, filters=(4, 8, 8), seed=1)


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 32, 24)])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_every_voxel_of_a_slice_has_logits(shape, precision):
    model = unet(channels=2, classes=3, filters=(4, 8), precision=precision)
    logits = model(np.zeros((*shape, 2), np.float32))
    assert logits.shape == (*shape, 3)
    assert logits.dtype == "float32"
    assert all(weight.dtype == "float32" for weight in model.weights)
    assert model.layers[-1].name == "logits"
    assert model.layers[1].compute_dtype == precision.removeprefix("mixed_")


def test_logits_are_no_probabilities(model):
    logits = np.asarray(model(np.random.default_rng(0).normal(size=(1, 16, 16, 2))))
    assert logits.min() < 0
    assert np.abs(logits.sum(axis=-1) - 1).max() > 0.1


def test_each_level_halves_the_maps_and_has_its_filters(model):
    shapes = {
        layer.name: keras.Model(model.input, layer.output)(np.zeros((1, 16, 16, 2))).shape[1:]
        for layer in model.layers
        if layer.name[:4] in ("down", "back")
    }
    assert shapes["down_0b"] == shapes["back_0b"] == (16, 16, 4)
    assert shapes["down_1b"] == shapes["back_1b"] == (8, 8, 8)
    assert shapes["down_2b"] == (4, 4, 8)


def test_the_finest_maps_reach_the_output_past_the_coarser_levels(model):
    """With nothing from below, the output still depends on every voxel's own value."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.get_layer("back_1b").set_weights(
        [np.zeros_like(weights) for weights in copy.get_layer("back_1b").get_weights()]
    )
    generator = np.random.default_rng(0)
    slices = generator.normal(size=(1, 16, 16, 2)).astype(np.float32)
    other = slices.copy()
    other[0, 8, 8] += 3
    differ = np.asarray(copy(slices) != copy(other)).any(axis=(0, 3))
    assert differ[8, 8]
    assert not differ[0, 0], "only the neighbourhood of a voxel reaches it past the lower levels"


@pytest.mark.parametrize("size", [(1, 20, 18), (6, 21, 33)])
def test_a_case_is_segmented_as_the_model_says_of_whole_padded_slices(model, size):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(*size, 2)).astype(np.float16)
    brain = generator.random(size) < 0.6
    found = segment_maps(model, images, brain, multiple=4)
    assert found.shape == (*size, 3)
    assert found.dtype == np.float32

    depth, height, width = size
    whole = np.full((depth, -(-height // 4) * 4, -(-width // 4) * 4, 2), AIR, np.float32)
    whole[:, :height, :width] = images
    expected = softmax(np.asarray(model(whole)), axis=-1)[:, :height, :width]
    np.testing.assert_allclose(found[brain], expected[brain], atol=1e-5)
    assert (found[~brain] == [1, 0, 0]).all()


def test_the_same_seed_gives_the_same_weights():
    one, same, other = (unet(channels=1, classes=2, filters=(4, 8), seed=s) for s in (0, 0, 1))
    for mine, theirs in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    kernels = [layer.kernel for layer in one.layers if hasattr(layer, "kernel")]
    others = [layer.kernel for layer in other.layers if hasattr(layer, "kernel")]
    assert not any(np.array_equal(mine, its) for mine, its in zip(kernels, others, strict=True))
    flat = [np.asarray(kernel).ravel()[:8].tolist() for kernel in kernels]
    assert len({tuple(values) for values in flat}) == len(flat), "no two layers begin alike"
