"""Graphs of layers and functions: their dense form is exact, or refused by the name of a layer."""

import numpy as np
import pytest
from scipy.special import softmax

from imbalance_tf import fully_convolutional, patch_cnn, segment
from imbalance_tf._tensorflow import keras
from imbalance_tf.network import agreement
from imbalance_tf.network.core import core_of

from ..conftest import patches_at

layers, ops = keras.layers, keras.ops
SIZE, CLASSES = 12, 3


def _conv(window=3, **other):
    return layers.Conv2D(4, window, bias_initializer="random_normal", **other)


def _head(maps):
    """From maps of 10x10, after a convolution, to logits."""
    return layers.Flatten()(layers.Conv2D(CLASSES, 5)(layers.MaxPooling2D(2)(maps)))


def _body(middle):
    """A patch classifier with something in its middle, where maps are 10x10x4."""
    return lambda patches: _head(middle(_conv()(patches)))


def a_layer_twice(patches):
    again = _conv(2, activation="relu")
    return layers.Flatten()(layers.Conv2D(CLASSES, 8)(again(again(_conv()(patches)))))


def a_model_in_the_model(patches):
    inner = keras.Input((SIZE, SIZE, 2))
    inner = keras.Model(inner, ops.relu(layers.MaxPooling2D(2)(_conv()(inner))) + 1)
    return layers.Flatten()(layers.Conv2D(CLASSES, 5)(inner(patches)))


def a_chain_in_the_model(patches):
    inner = [keras.Input((SIZE, SIZE, 2)), _conv(), layers.MaxPooling2D(2), layers.ReLU()]
    return layers.Flatten()(layers.Conv2D(CLASSES, 5)(keras.Sequential(inner)(patches)))


def a_dense_head(patches):
    features = layers.Flatten()(layers.Conv2D(6, 5)(layers.MaxPooling2D(2)(_conv()(patches))))
    return layers.Dense(CLASSES)(layers.Dense(8, activation="relu")(features))


def an_index_for_flatten(patches):
    return layers.Conv2D(CLASSES, 5)(layers.MaxPooling2D(2)(_conv()(patches)))[:, 0, 0, :]


def two_ways_through_a_pool(patches):
    maps = _conv()(patches)
    maps = layers.MaxPooling2D(2)(maps) + layers.AveragePooling2D(2)(maps)
    return layers.Flatten()(layers.Conv2D(CLASSES, 5)(maps))


def a_residual_sum_of_other_size(patches):
    maps = _conv()(patches)
    maps = layers.Cropping2D(1)(maps) + _conv()(maps)
    return layers.Flatten()(layers.Conv2D(CLASSES, 4)(layers.MaxPooling2D(2)(maps)))


EXACT = {
    "ops.relu": _body(ops.relu),
    "activations.relu": _body(keras.activations.relu),
    "a scalar at the input": lambda patches: _body(lambda maps: maps)(patches / 5.0),
    "a residual sum": _body(lambda maps: maps + _conv(1)(maps)),
    "BatchNormalization": _body(
        layers.BatchNormalization(
            moving_mean_initializer="random_normal", beta_initializer="random_normal"
        )
    ),
    "Rescaling": _body(layers.Rescaling(0.1, offset=2)),
    "Activation": _body(layers.Activation("gelu")),
    "LayerNormalization over the channels": _body(layers.LayerNormalization()),
    "a split": _body(lambda maps: ops.multiply(*ops.split(maps, 2, axis=-1))),
    "Concatenate": _body(lambda maps: layers.Concatenate()([maps, _conv(1)(maps)])),
    "noise, which inference has none of": _body(layers.GaussianNoise(1.0)),
    **{
        each.__name__: each
        for each in (
            a_layer_twice,
            a_model_in_the_model,
            a_chain_in_the_model,
            a_dense_head,
            an_index_for_flatten,
            two_ways_through_a_pool,
            a_residual_sum_of_other_size,
        )
    },
}


def _model(body):
    keras.utils.set_random_seed(0)
    patches = keras.Input((SIZE, SIZE, 2))
    return keras.Model(patches, body(patches))


@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT)
@pytest.mark.slow
def test_a_graph_has_the_dense_form_that_its_patches_say(body):
    model = _model(body)
    images = 3 * np.random.default_rng(0).normal(size=(2, 9, 14, 2)).astype(np.float32)
    centres = np.argwhere(np.ones(images.shape[:3], bool))
    logits = model.predict_on_batch(patches_at(images, centres, SIZE))
    assert np.ptp(logits, axis=0).min() > 0.01
    dense = fully_convolutional(model).predict(images, verbose=0)
    assert np.abs(dense[tuple(centres.T)] - logits).max() < 1e-4
    assert np.abs(segment(model, images)[tuple(centres.T)] - softmax(logits, -1)).max() < 1e-5


_TINY = keras.initializers.RandomNormal(stddev=1e-6)  # as LayerScale begins
REFUSED = {
    "a padded residual": (_body(lambda maps: maps + _conv(padding="same")(maps)), "conv2d"),
    "a padded residual that is zero before training": (
        _body(lambda maps: maps + _conv(padding="same", kernel_initializer="zeros")(maps)),
        "conv2d",
    ),
    "a padded residual that is scaled to nearly nothing before training": (
        _body(lambda maps: maps + _conv(padding="same", kernel_initializer=_TINY)(maps)),
        "conv2d",
    ),
    "the mean of a patch": (
        _body(lambda maps: maps - ops.mean(maps, axis=(1, 2), keepdims=True)),
        "mean",
    ),
    "the spread of a patch": (
        _body(lambda maps: maps / ops.std(maps, axis=(1, 2), keepdims=True)),
        "std",
    ),
    "squeeze and excitation": (
        _body(
            lambda maps: maps * layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(maps))
        ),
        "global_average_pooling2d",
    ),
    "a number for every place": (
        _body(lambda maps: maps + np.ones((1, 10, 10, 4), np.float32)),
        "add",
    ),
    "turned": (_body(lambda maps: ops.transpose(maps, (0, 2, 1, 3))), "transpose"),
    "ops.max_pool": (
        lambda patches: layers.Flatten()(
            layers.Conv2D(CLASSES, 5)(ops.max_pool(_conv()(patches), 2))
        ),
        "max_pool",
    ),
    "a stride beside a pool": (
        lambda patches: layers.Flatten()(
            layers.Conv2D(CLASSES, 5)(
                layers.MaxPooling2D(2)(_conv()(patches)) + _conv(4, strides=2)(patches)
            )
        ),
        "conv2d",
    ),
    "Dense over all places": (
        lambda patches: layers.Dense(CLASSES)(layers.Flatten()(_conv()(patches))),
        "flatten",
    ),
    "attention between the places": (
        _body(
            lambda maps: layers.Reshape((10, 10, 4))(
                layers.Attention()([layers.Reshape((100, 4))(maps)] * 2)
            )
        ),
        "reshape",
    ),
}


@pytest.mark.parametrize(("body", "operation"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_exact_is_refused_by_its_name(body, operation):
    model = _model(body)
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"^'{operation}\w*' \(\w+\) of .* no exact dense form: "):
        segment(model, np.zeros((1, 9, 9, 2)))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_call_that_does_more_than_the_layers_is_refused():
    class Doubled(keras.Model):
        def call(self, patches, training=False):
            return 2 * super().call(patches)

    patches = keras.Input((SIZE, SIZE, 2))
    model = Doubled(patches, EXACT["ops.relu"](patches))
    with pytest.raises(ValueError, match=r"its call\(\) gives something else than its layers"):
        segment(model, np.zeros((1, 9, 9, 2)))


class Own(keras.Model):
    """Its graph cannot be seen."""

    def call(self, patches):
        return patches[:, 0, 0]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Own, "make it with keras.Sequential or keras.Model"),
        (lambda: keras.Sequential([layers.Conv2D(3, 3)]), "is not built yet"),
        (
            lambda: keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(3, 3)]),
            r"gives \[\(None, None, 1\), .*; one input, square patches",
        ),
        (
            lambda: keras.Sequential([keras.Input((9, 8, 1)), layers.Conv2D(3, (9, 8))]),
            r"takes and gives \[\(9, 8, 1\), .* square patches",
        ),
    ],
)
def test_what_is_no_patch_classifier_is_refused(model, words):
    with pytest.raises(ValueError, match=words):
        segment(model(), np.zeros((1, 9, 9, 1)))


@pytest.mark.parametrize("softmax", [keras.activations.softmax, ops.softmax, layers.Softmax()])
def test_probabilities_are_refused_however_the_softmax_came_in(softmax):
    model = _model(lambda patches: softmax(EXACT["ops.relu"](patches)))
    for use in (fully_convolutional, lambda model: segment(model, np.zeros((1, 9, 9, 2)))):
        with pytest.raises(ValueError, match=r"gives probabilities, .* logits are expected"):
            use(model)


def test_logarithms_of_probabilities_are_logits():
    model = _model(lambda patches: ops.log_softmax(EXACT["ops.relu"](patches)))
    assert segment(model, np.zeros((1, 9, 9, 2))).shape == (1, 9, 9, CLASSES)


@pytest.fixture(params=["mixed_bfloat16", "bfloat16", "mixed_float16", "float16", "float64"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy("float32")


def test_a_global_dtype_policy_changes_nothing(policy):
    """Neither the logits, which are float32, nor the dense form."""
    model = patch_cnn(channels=2, classes=5, patch_size=31, seed=1)
    images = np.random.default_rng(0).normal(size=(1, 17, 20, 2)).astype(np.float16)
    centres = np.argwhere(np.ones(images.shape[:3], bool))
    logits = np.asarray(model(patches_at(images, centres, 31)))
    assert logits.dtype == np.float32
    dense = np.asarray(fully_convolutional(model)(images))
    assert dense.dtype == np.float32
    assert np.abs(dense[tuple(centres.T)] - logits).max() < 1e-5
    assert np.abs(segment(model, images)[tuple(centres.T)] - softmax(logits, -1)).max() < 1e-5
    keras.config.set_dtype_policy("float32")
    usual = patch_cnn(channels=2, classes=5, patch_size=31, seed=1)
    assert np.array_equal(usual.predict_on_batch(patches_at(images, centres, 31)), logits)


def test_logits_of_half_precision_may_be_as_inexact_as_that(monkeypatch):
    """In a trained model they add and subtract bfloat16 values: 1 % apart is then no refusal."""
    # All maps but the input, which has one channel.
    monkeypatch.setattr(agreement, "_apart", lambda one, other: 0.01 * (one.shape[-1] > 1))
    half = patch_cnn(channels=1, classes=2, patch_size=22, precision="mixed_bfloat16")
    assert half.layers[-1].compute_dtype == "float32"
    core_of(half)
    with pytest.raises(ValueError, match=r"'convolution_1' \(Conv2D\) .* differ by 0.01"):
        core_of(patch_cnn(channels=1, classes=2, patch_size=22))
