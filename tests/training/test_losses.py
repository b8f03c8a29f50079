"""Losses of the arms, held against NumPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax

from imbalance_tf import ExperimentConfig, patch_cnn
from imbalance_tf._tensorflow import keras, tf
from imbalance_tf.training.arms import Arm
from imbalance_tf.training.batches import Balanced, Random
from imbalance_tf.training.losses import CrossEntropy, DiceCrossEntropy, Focal, LogitAdjusted
from imbalance_tf.training.run import Prepared, train

from ..conftest import relabelled

NATURAL = np.array([0.8, 0.1, 0.06, 0.04])


@pytest.fixture(params=[(50,), (3, 8, 8)], ids=["patches", "maps"])
def answers(request):
    """Labels, and logits of some size."""
    generator = np.random.default_rng(0)
    labels = generator.choice(4, p=NATURAL, size=request.param).astype(np.int32)
    return labels, generator.normal(0, 3, size=(*request.param, 4)).astype(np.float32)


def _of_true(values, labels):
    return np.take_along_axis(values, labels[..., None], axis=-1)[..., 0]


def _entropy(labels, logits):
    return -_of_true(log_softmax(logits.astype(float), axis=-1), labels)


def test_cross_entropy(answers):
    labels, logits = answers
    loss = CrossEntropy().build(NATURAL)(labels, logits)
    assert float(np.mean(loss)) == pytest.approx(_entropy(labels, logits).mean(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_loss(answers, gamma):
    labels, logits = answers
    own = _of_true(softmax(logits.astype(float), axis=-1), labels)
    loss = Focal(gamma=gamma).build(NATURAL)(labels, logits)
    expected = -((1 - own) ** gamma) * np.log(own)
    assert float(np.mean(loss)) == pytest.approx(expected.mean(), rel=1e-4)


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5])
def test_logit_adjusted_loss(answers, tau):
    labels, logits = answers
    loss = LogitAdjusted(tau=tau).build(NATURAL)(labels, logits)
    powers = np.exp(logits.astype(float)) * NATURAL**tau  # not by logarithms
    expected = -np.log(_of_true(powers / powers.sum(axis=-1, keepdims=True), labels))
    assert float(np.mean(loss)) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("answers", [(3, 8, 8), (1, 16, 4)], indirect=True)
def test_dice_and_cross_entropy(answers):
    labels, logits = answers
    loss = DiceCrossEntropy().build(NATURAL)(labels, logits)
    probabilities = softmax(logits.astype(float), axis=-1)
    truth = np.eye(4)[labels]
    over = (0, 1, 2)
    dice = 2 * (probabilities * truth).sum(over) / (probabilities.sum(over) + truth.sum(over))
    expected = _entropy(labels, logits).mean() + (1 - dice).mean()
    assert float(np.mean(loss)) == pytest.approx(expected, rel=1e-4)


def test_dice_counts_a_small_class_as_much_as_a_large_one():
    """One wrong voxel of the only two of a class costs more than one of a thousand."""
    labels = np.zeros((1, 32, 32), int)
    labels[0, 0, :2] = 1
    right = 20.0 * np.eye(2, dtype=np.float32)[labels]
    small, large = right.copy(), right.copy()
    small[0, 0, 0] = small[0, 0, 0, ::-1]
    large[0, 9, 9] = large[0, 9, 9, ::-1]
    dice, entropy = DiceCrossEntropy().build(NATURAL[:2]), CrossEntropy().build(NATURAL[:2])
    costs = [
        float(np.mean(dice(labels, wrong))) - float(entropy(labels, wrong))
        for wrong in (small, large)
    ]
    assert costs[0] == pytest.approx((1 / 3 + 1 / 2045) / 2, abs=1e-3)
    assert costs[1] == pytest.approx((1 / 5 + 1 / 2043) / 2, abs=1e-3)


def test_logit_adjusted_gradients_pull_a_rare_class_up():
    """Of two patches that look alike the rare one pulls as hard as all the others together."""
    labels = np.repeat([0, 1], [90, 10])
    logits = tf.Variable(np.zeros((100, 2), np.float32))
    with tf.GradientTape() as tape:
        loss = LogitAdjusted().build(np.array([0.9, 0.1]))(labels, logits)
    assert tape.gradient(loss, logits).numpy().sum(axis=0) == pytest.approx([0, 0], abs=1e-4)


# The weights.


def test_inverse_weights_make_all_classes_weigh_the_same():
    weights = CrossEntropy(weights="inverse").class_weight(NATURAL)
    together = NATURAL * [weights[number] for number in range(4)]
    np.testing.assert_allclose(together, 1 / 4)
    assert CrossEntropy().class_weight(NATURAL) is None
    assert Focal().class_weight(NATURAL) is None


def test_a_training_weighs_the_patches_as_its_arm_says(cohort, tmp_path):
    """What it reports for the first epoch is the weighted mean, computed by hand."""
    config = ExperimentConfig(
        "weighted loss", epochs=1, steps=4, batch_size=30, patch_size=24, learning_rate=1e-12
    )
    (training,) = config.trainings()
    train(training, cohort, tmp_path, None)
    (reported,) = pd.read_csv(tmp_path / "history.csv")["loss"]
    twin = Prepared(training, cohort)
    model = twin.new_model()
    voxels = np.concatenate([case.labels[case.brain | (case.labels > 0)] for case in cohort])
    natural = np.bincount(voxels) / len(voxels)
    patches, labels = (np.concatenate(part) for part in zip(*twin.batches(), strict=True))
    losses = _entropy(labels, np.asarray(model(patches.astype(np.float32))))
    weighted = (losses / (5 * natural[labels])).mean()
    assert reported == pytest.approx(weighted, rel=1e-3)
    assert abs(weighted - losses.mean()) > 0.05 * weighted, "the weights must make a difference"


def test_weights_are_by_the_shares_of_the_batches(cohort):
    arm = Arm("", sampling=Balanced(), loss=CrossEntropy(weights="inverse"))
    config = ExperimentConfig(arm, epochs=1, steps=1, batch_size=30, patch_size=24)
    prepared = Prepared(config.trainings()[0], cohort)
    weights = arm.loss.class_weight(prepared.shares)
    assert weights == pytest.approx(dict.fromkeys(range(5), 1.0))


@pytest.mark.parametrize("sampling", [Balanced(), Balanced(shares=0.6), Random()])
def test_logits_are_adjusted_by_the_shares_of_the_batches(cohort, sampling):
    """Else, on balanced batches, the network would favour a class the more the rarer it is."""
    arm = Arm("", sampling=sampling, loss=LogitAdjusted())
    config = ExperimentConfig(arm, epochs=1, steps=40, batch_size=50, patch_size=24)
    prepared = Prepared(config.trainings()[0], cohort)
    labels = np.concatenate([labels for _, labels in prepared.batches().as_numpy_iterator()])
    held = np.bincount(labels, minlength=5) / len(labels)
    logits = np.zeros((5, 5), np.float32)
    losses = prepared.new_model().loss(np.arange(5), logits)
    np.testing.assert_allclose(np.exp(-np.asarray(losses)), held, atol=0.03)


@pytest.mark.parametrize("loss", [CrossEntropy(weights="inverse"), LogitAdjusted(), Focal()])
@pytest.mark.slow
def test_a_class_that_no_case_has_does_no_harm(cohort, loss):
    """Batches without it go on: nothing is divided by its share of 0."""
    without = relabelled(cohort, lambda case: np.where(case.labels == 4, 3, case.labels))
    arm = Arm("", sampling=Random(), loss=loss)
    config = ExperimentConfig(arm, epochs=1, steps=2, batch_size=20, patch_size=24)
    prepared = Prepared(config.trainings()[0], without)
    weights = loss.class_weight(prepared.shares)
    if weights:
        present = prepared.shares * [weights[number] for number in range(5)]
        np.testing.assert_allclose(present, [0.25, 0.25, 0.25, 0.25, 0])
    model = prepared.new_model()
    history = model.fit(prepared.batches(), class_weight=weights, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_another_loss_trains_another_model():
    """With one and the same batch, each loss leads to weights of its own."""
    generator = np.random.default_rng(0)
    patches = generator.normal(size=(8, 24, 24, 2)).astype(np.float32)
    labels = generator.integers(4, size=8)
    kernels = []
    for loss in (CrossEntropy(), Focal(), Focal(gamma=0.0), LogitAdjusted()):
        model = patch_cnn(channels=2, classes=4, patch_size=24, seed=0)
        model.compile(keras.optimizers.SGD(0.1), loss.build(NATURAL))
        model.train_on_batch(patches, labels)
        kernels.append(model.get_layer("logits").get_weights()[0])
    plain, focal, no_focus, adjusted = kernels
    np.testing.assert_allclose(no_focus, plain, atol=1e-6)
    assert np.abs(focal - plain).max() > 1e-3
    assert np.abs(adjusted - plain).max() > 1e-3
