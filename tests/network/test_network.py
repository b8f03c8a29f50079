import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax

from imbalance_tf import fully_convolutional, patch_cnn, segment, unet
from imbalance_tf._tensorflow import keras

from ..conftest import patches_at


def _patchwise(model, images, centres):
    size = model.input_shape[1]
    patches = patches_at(images, centres, size).astype(np.float32)
    return softmax(model.predict_on_batch(patches), axis=-1)


def test_patches_of_another_size_are_refused():
    model = patch_cnn(channels=2, classes=4, patch_size=24)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for size in (22, 25, 64):
        with pytest.raises(
            ValueError, match=rf"expected shape=\(None, 24, 24, 2\).*{size}, {size}"
        ):
            model.fit(np.zeros((8, size, size, 2)), np.zeros(8), verbose=0)


@given(
    size=st.integers(22, 66),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    slices=st.integers(1, 5),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=12)
@pytest.mark.slow
def test_segment_is_the_patch_model_at_every_voxel(size, height, width, slices, seed):
    generator = np.random.default_rng(seed)
    model = patch_cnn(channels=2, classes=5, patch_size=size, seed=seed)
    images = generator.normal(size=(slices, height, width, 2)).astype(np.float16)
    dense = segment(model, images)
    assert dense.dtype == np.float32
    assert dense.shape == (slices, height, width, 5)
    inner = generator.integers(0, (slices, height, width), size=(30, 3))
    corners = [
        [0, 0, 0],
        [0, height - 1, 0],
        [0, 0, width - 1],
        [slices - 1, height - 1, width - 1],
    ]
    centres = np.concatenate([inner, corners])
    assert np.abs(dense[tuple(centres.T)] - _patchwise(model, images, centres)).max() < 1e-5


def test_segment_at_the_size_of_a_brats_slice():
    generator = np.random.default_rng(0)
    model = patch_cnn(channels=4, classes=5)
    images = generator.normal(size=(1, 240, 240, 4)).astype(np.float32)
    centres = generator.integers(0, (1, 240, 240), size=(200, 3))
    dense = segment(model, images)
    assert np.abs(dense[tuple(centres.T)] - _patchwise(model, images, centres)).max() < 1e-5
    assert np.allclose(dense.sum(axis=-1), 1, atol=1e-5)


def test_a_slice_larger_than_a_tile_and_a_brain_within_it():
    """Across the seams of tiles, at the border, and nowhere outside the brain."""
    generator = np.random.default_rng(1)
    model = patch_cnn(channels=1, classes=3, patch_size=24)
    images = generator.normal(size=(9, 40, 600, 1)).astype(np.float16)
    brain = np.zeros(images.shape[:3], bool)
    brain[3:, 5:31, 20:580] = generator.random((6, 26, 560)) < 0.8
    dense = segment(model, images, brain)
    assert np.array_equal(dense[~brain], np.broadcast_to([1, 0, 0], dense[~brain].shape))
    centres = generator.permutation(np.argwhere(brain))[:100]
    seams = np.argwhere(brain & np.isin(np.arange(600), [275, 276, 531, 532]))
    centres = np.concatenate([centres, generator.permutation(seams)[:100]])
    assert np.abs(dense[tuple(centres.T)] - _patchwise(model, images, centres)).max() < 1e-5


def test_no_brain_at_all_is_all_healthy():
    model = patch_cnn(channels=1, classes=3, patch_size=24)
    images = np.zeros((2, 9, 8, 1))
    dense = segment(model, images, np.zeros(images.shape[:3], bool))
    assert (dense == [1, 0, 0]).all()


@pytest.mark.parametrize("pools", [0, 1, 5])
def test_any_chain_of_convolutions_and_pools_has_a_dense_form(pools):
    layers = [keras.Input((97, 97, 1))]
    for _ in range(pools):
        layers += [keras.layers.Conv2D(2, 2, activation="relu"), keras.layers.MaxPooling2D(2)]
    left = keras.Sequential(layers).output_shape[1] if pools else 97
    layers += [keras.layers.Conv2D(4, left), keras.layers.Dropout(0.5), keras.layers.ReLU()]
    layers += [keras.layers.Conv2D(3, 1), keras.layers.Flatten()]
    model = keras.Sequential(layers)
    generator = np.random.default_rng(pools)
    images = generator.normal(size=(1, 20, 37, 1)).astype(np.float32)
    centres = generator.integers(0, (1, 20, 37), size=(20, 3))
    dense = segment(model, images)
    assert np.abs(dense[tuple(centres.T)] - _patchwise(model, images, centres)).max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (17, 40), (33, 25)])
@pytest.mark.slow
def test_the_dense_form_is_a_keras_model_of_any_slice_size(size, tmp_path):
    generator = np.random.default_rng(2)
    model = patch_cnn(channels=2, classes=5, patch_size=31)
    dense = fully_convolutional(model)
    images = generator.normal(size=(2, *size, 2)).astype(np.float32)
    logits = dense.predict(images, verbose=0)
    assert logits.shape == (2, *size, 5)
    centres = np.argwhere(np.ones(images.shape[:3], bool))
    centres = generator.permutation(centres)[:60]
    patches = patches_at(images, centres, 31)
    assert np.abs(logits[tuple(centres.T)] - model.predict_on_batch(patches)).max() < 1e-5

    dense.save(tmp_path / "dense.keras")
    loaded = keras.models.load_model(tmp_path / "dense.keras")
    assert np.array_equal(loaded.predict(images, verbose=0), logits)


def test_biases_after_the_pools_are_the_same_function_as_in_the_convolutions():
    """Of the patch model and of its dense form."""
    generator = np.random.default_rng(4)
    model = patch_cnn(channels=2, classes=3, patch_size=22)
    weights = [w if w.ndim > 1 else generator.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    layers = [keras.Input((22, 22, 2))]
    for filters in (16, 32, 64):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu"), keras.layers.MaxPooling2D(2)]
    layers += [keras.layers.Conv2D(32, model.layers[-3].kernel_size, activation="relu")]
    usual = keras.Sequential([*layers, keras.layers.Conv2D(3, 1), keras.layers.Flatten()])
    usual.set_weights(weights)
    images = generator.normal(size=(1, 7, 9, 2)).astype(np.float32)
    centres = np.argwhere(np.ones(images.shape[:3], bool))
    expected = _patchwise(usual, images, centres)
    assert np.abs(_patchwise(model, images, centres) - expected).max() < 1e-5
    assert np.abs(segment(model, images)[tuple(centres.T)] - expected).max() < 1e-5


@pytest.mark.parametrize("network", [patch_cnn, unet])
def test_a_network_is_the_same_file_whatever_was_built_before_it(network):
    """Keras numbers the names that it gives over all models of a process: a run that was killed
    would end in another file."""
    first, second = (network(channels=2, classes=3).to_json() for _ in range(2))
    assert first == second


def test_a_chain_of_ones_own_has_a_dense_form():
    """With biases, and with activations and dropout where `patch_cnn` has none."""
    layers, random = keras.layers, keras.initializers.RandomNormal(seed=3)
    model = keras.Sequential([
        keras.Input((12, 12, 1)),
        layers.Conv2D(3, 3, activation="tanh", kernel_initializer=random, bias_initializer=random),
        layers.MaxPooling2D(2),
        layers.Dropout(0.5, seed=0),
        layers.Conv2D(4, 5, kernel_initializer=random, bias_initializer=random),
        layers.Flatten(),
    ])  # fmt: skip
    images = 30 * np.random.default_rng(3).normal(size=(2, 9, 14, 1)).astype(np.float32)
    centres = np.argwhere(np.ones(images.shape[:3], bool))
    dense = segment(model, images)[tuple(centres.T)]
    assert np.ptp(dense, axis=0).min() > 0.01
    assert np.abs(dense - _patchwise(model, images, centres)).max() < 1e-5


def test_the_dense_form_shares_the_weights():
    model = patch_cnn(channels=1, classes=2, patch_size=22)
    dense = fully_convolutional(model)
    image = np.ones((1, 5, 5, 1), np.float32)
    before = dense.predict(image, verbose=0)
    model.set_weights([2 * weights for weights in model.get_weights()])
    assert not np.allclose(dense.predict(image, verbose=0), before)


def test_the_seed_decides_the_weights():
    one, same, other = (patch_cnn(channels=1, classes=2, seed=seed) for seed in (1, 1, 2))
    pairs = zip(one.get_weights(), same.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_images_that_do_not_fit_the_model_are_refused():
    model = patch_cnn(channels=4, classes=5)
    with pytest.raises(ValueError, match=r"shape \(1, 9, 9, 2\).*made for 4 modalities"):
        segment(model, np.zeros((1, 9, 9, 2)))
    with pytest.raises(ValueError, match=r"brain has shape \(1, 9, 8\); \(1, 9, 9\) is expected"):
        segment(model, np.zeros((1, 9, 9, 4)), np.ones((1, 9, 8), bool))


def test_a_patch_that_is_too_small_is_refused():
    with pytest.raises(
        ValueError, match="patch_size=21; a whole number from 22 to 1024 is expected"
    ):
        patch_cnn(channels=1, classes=2, patch_size=21)


NO_DENSE_FORM = "has no exact dense form"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([keras.layers.Conv2D(2, 3, padding="same")], f"'odd' .Conv2D. of .* {NO_DENSE_FORM}"),
        ([keras.layers.Conv2D(2, 3, strides=2)], f"'odd' .Conv2D. of .* {NO_DENSE_FORM}"),
        ([keras.layers.MaxPooling2D(3)], f"'odd' .MaxPooling2D. of .* {NO_DENSE_FORM}"),
        ([keras.layers.MaxPooling2D(2, strides=1, padding="same")], "'odd' .MaxPooling2D."),
        ([keras.layers.ZeroPadding2D(1)], "'odd' .ZeroPadding2D."),
        ([keras.layers.UpSampling2D()], "'odd' .UpSampling2D."),
        ([keras.layers.GroupNormalization(1)], "'odd' .GroupNormalization."),
        ([keras.layers.LayerNormalization(axis=[1, 2, 3])], "'odd' .LayerNormalization."),
        ([keras.layers.GlobalAveragePooling2D(keepdims=True)], "'odd' .GlobalAveragePooling2D."),
        ([keras.layers.PReLU()], "'odd' .PReLU."),
        ([keras.layers.Lambda(lambda maps: maps - keras.ops.mean(maps))], "'odd' .Lambda."),
        ([keras.layers.Lambda(lambda maps: maps[:, ::-1])], "'odd' .Lambda."),
    ],
)
def test_a_model_without_an_exact_dense_form_is_refused_by_the_name_of_the_layer(layers, words):
    keras.utils.set_random_seed(0)
    layers[0].name = "odd"
    first = [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 1), *layers]
    left = keras.Sequential(first).output_shape[1]
    model = keras.Sequential([*first, keras.layers.Conv2D(3, left), keras.layers.Flatten()])
    with pytest.raises(ValueError, match=words):
        segment(model, np.zeros((1, 9, 9, 1)))


@pytest.mark.parametrize("weights", [(1, -1), (-1.05, 1), (0.6, -0.6), (1, 1)])
def test_a_mean_over_the_batch_is_seen_although_the_weights_nearly_cancel_it(weights):
    keras.utils.set_random_seed(0)
    first = keras.layers.Conv2D(2, 1)
    mean = keras.layers.Lambda(lambda maps: maps - keras.ops.mean(maps), name="odd")
    layers = [keras.Input((8, 8, 1)), first, mean, keras.layers.Conv2D(3, 8)]
    model = keras.Sequential([*layers, keras.layers.Flatten()])
    first.set_weights([np.reshape(weights, (1, 1, 1, 2)), np.zeros(2)])
    with pytest.raises(ValueError, match=f"'odd' .Lambda. of .* {NO_DENSE_FORM}"):
        segment(model, np.zeros((1, 9, 9, 1)))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([keras.layers.Conv2D(2, 8, activation="softmax")], "gives probabilities"),
        ([keras.layers.Conv2D(2, 3), keras.layers.Flatten()], "'flatten.*puts the places of a map"),
        (
            [keras.layers.Conv2D(2, 3)],
            r"\(6, 6, 2\)\].* end in a full-window convolution that leaves",
        ),
        ([keras.layers.GlobalAveragePooling2D()], "'global_average.* puts the places of a map"),
    ],
)
def test_a_model_that_is_no_patch_classifier_with_logits_is_refused(layers, words):
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    with pytest.raises(ValueError, match=words):
        segment(model, np.zeros((1, 9, 9, 1)))
