"""What is wrong with a part of one's own is said before hours of training, not after them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from imbalance_tf import (
    Case,
    Cohort,
    ExperimentConfig,
    HardExampleSampler,
    LabelScheme,
    run_experiment,
)
from imbalance_tf._tensorflow import keras
from imbalance_tf.network.cnn import patch_cnn
from imbalance_tf.training.arms import Arm, expect_finished
from imbalance_tf.training.batches import Balanced, Mixed
from imbalance_tf.training.losses import CrossEntropy
from imbalance_tf.training.mining import HardExampleMining
from imbalance_tf.training.networks import PatchCNN
from imbalance_tf.training.result import load_model
from imbalance_tf.training.run import Prepared

SIZE = 24


@pytest.fixture(scope="module")
def split(cohort):
    return cohort.split(test_cases=["tiny"])


class Half(keras.layers.Layer):
    """Not registered with Keras, and without `get_config`."""

    def __init__(self, factor, **other):
        super().__init__(**other)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


def _with(*layers, padding="valid"):
    """A patch classifier with these layers of one's own after the first."""

    @dataclass(frozen=True)
    class Own(PatchCNN):
        def build(self, *, channels, classes, patch_size, seed, precision):
            first = keras.layers.Conv2D(8, 3, padding=padding)
            body = [keras.Input((patch_size, patch_size, channels)), first, *layers]
            body.append(keras.layers.MaxPooling2D(2))
            window = keras.Sequential(body).output_shape[1]
            head = keras.layers.Conv2D(classes, window, name="logits")
            return keras.Sequential([*body, head, keras.layers.Flatten()])

    return Own()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda: _with(Half(0.5)), "could not be used once it is trained"),
        (lambda: _with(keras.layers.Lambda(lambda x: x / 2)), "could not be used .*[Ll]ambda"),
        (lambda: _with(padding="same"), "no exact dense form"),
    ],
    ids=["a layer that is not registered", "a function as a layer", "no dense form"],
)
def test_a_network_that_could_not_be_used_is_refused_before_the_training(split, network, words):
    config = ExperimentConfig(Arm("mine", network=network()), epochs=1, steps=2, patch_size=SIZE)
    (training,) = config.trainings()
    with pytest.raises(ValueError, match=words):
        Prepared(training, split[0]).new_model()


def test_a_network_of_ones_own_that_fits_is_trained(split, tmp_path):
    arm = Arm("mine", network=_with(keras.layers.ReLU()))
    config = ExperimentConfig(arm, epochs=1, steps=2, batch_size=10, patch_size=SIZE)
    assert len(run_experiment(config, *split, tmp_path).dice) == len(split[1])


@dataclass(frozen=True)
class Derived(CrossEntropy):
    factor: float = 2.0
    twice: float = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "twice", 2 * self.factor)


@dataclass(frozen=True)
class Percent(CrossEntropy):
    share: float = 50.0

    def __post_init__(self):
        object.__setattr__(self, "share", self.share / 100)


@dataclass(frozen=True)
class ListAlone(CrossEntropy):
    filters: Sequence[int] = (1, 2)

    def __post_init__(self):
        if isinstance(self.filters, tuple) and self.filters != (1, 2):
            raise TypeError("a list is expected")


@pytest.mark.bad_input
@pytest.mark.parametrize("loss", [Derived(), Percent(), ListAlone(filters=[1, 3])])
def test_a_part_that_is_not_the_same_from_its_settings_is_refused_before_the_training(
    split, tmp_path, loss
):
    """It would be trained, and then never be read."""
    config = ExperimentConfig(Arm("mine", loss=loss), epochs=1, steps=2, patch_size=SIZE)
    with pytest.raises(ValueError, match=f"'mine': {type(loss).__name__} is not the same again"):
        run_experiment(config, *split, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    expect_finished(Arm("", loss=CrossEntropy(weights="inverse")))


@pytest.mark.parametrize("side", [25, 40, 72])
def test_a_loaded_model_takes_patches_of_its_own_size_only(tmp_path, side):
    """Of larger ones it would give several answers in a row, and `fit` would take them."""
    patch_cnn(channels=2, classes=5, patch_size=SIZE).save(tmp_path / "model.keras")
    model = load_model(tmp_path / "model.keras")
    assert model(np.zeros((2, SIZE, SIZE, 2), np.float32)).shape == (2, 5)
    with pytest.raises(ValueError, match="incompatible"):
        model(np.zeros((2, side, side, 2), np.float32))


@pytest.mark.parametrize("sampling", [Balanced(), Balanced(shares=0.5), Mixed()])
def test_where_there_is_one_kind_it_fills_the_batches(sampling):
    """As for the second of two classifiers, if there is one kind of tumour."""
    assert sampling.class_shares(np.array([70]), ["lesion"]).tolist() == [1.0]


def test_a_classifier_of_one_kind_cannot_be_wrong(split):
    scheme = LabelScheme("lesions", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)})
    cases = [
        Case(case.id, case.images, (case.labels > 0).astype(np.uint8), case.brain)
        for case in split[0]
    ]
    lesions = Cohort(cases, scheme, split[0].modalities)
    config = ExperimentConfig("two classifiers", epochs=2, steps=2, batch_size=10, patch_size=SIZE)
    prepared = Prepared(config.trainings()[1], lesions)
    found = prepared.new_model().evaluate(prepared.batches(), return_dict=True, verbose=0)
    assert found["accuracy"] == 1


@pytest.mark.bad_input
def test_classes_that_no_batch_holds_are_not_mined(cohort):
    sampler = HardExampleSampler(cohort, shares={"edema": 0.5, "enhancing": 0.5}, seed=0)
    with pytest.raises(ValueError, match=r"classes=\['healthy'\]; a class that the sampler sampl"):
        HardExampleMining(sampler, classes=["healthy"])
