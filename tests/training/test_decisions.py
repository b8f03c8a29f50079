"""From models to classes: prior correction, the natural head, two classifiers."""

import numpy as np
import pytest
from scipy.special import softmax

from imbalance_tf import ExperimentConfig, patch_cnn, run_experiment, segment
from imbalance_tf._tensorflow import keras
from imbalance_tf.network.unet import segment_maps, unet
from imbalance_tf.sampling.patches import cut_patches
from imbalance_tf.sampling.samplers import RandomSampler
from imbalance_tf.training.arms import ARMS, Arm, TwoStage
from imbalance_tf.training.batches import Balanced, Mixed
from imbalance_tf.training.decisions import Argmax, NaturalHead, PriorCorrected
from imbalance_tf.training.experiment import run_folder
from imbalance_tf.training.losses import Loss
from imbalance_tf.training.networks import PatchCNN, UNet
from imbalance_tf.training.run import Prepared
from imbalance_tf.training.scoring import predicted_classes

SIZE = 24


def _config(arm, **other):
    return ExperimentConfig(arm, epochs=2, steps=10, batch_size=16, patch_size=SIZE, **other)


@pytest.fixture(scope="module")
def split(cohort):
    return cohort.split(test_cases=["tiny"])


@pytest.fixture(scope="module")
def natural(split):
    """Shares of the classes in the training cohort, counted the slow obvious way."""
    voxels = [case.labels[case.brain | (case.labels > 0)] for case in split[0]]
    counts = np.bincount(np.concatenate(voxels), minlength=5)
    return counts / counts.sum()


@pytest.fixture(scope="module")
def undecided(cohort):
    """Makes an untrained model that says each of its classes now and then."""
    centres = RandomSampler(cohort, seed=1).draw(200)
    patches = cut_patches([case.images for case in cohort], centres, SIZE, fill=-5)

    def make(classes, seed):
        model = patch_cnn(channels=2, classes=classes, patch_size=SIZE, seed=seed)
        logits = np.asarray(model(patches.astype(np.float32)))
        kernel, bias = model.get_layer("logits").get_weights()
        scale = 2 / logits.std(axis=0)
        weights = [scale * kernel, bias - scale * logits.mean(axis=0)]
        model.get_layer("logits").set_weights(weights)
        return model

    return make


# Prior correction.


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_correction_adds_the_logarithm_of_natural_over_batch_share(strength):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, size=(7, 30, 4))
    natural, batch = np.array([0.9, 0.06, 0.03, 0.01]), np.array([0.4, 0.3, 0.2, 0.1])
    decided = PriorCorrected(strength).decide(
        softmax(logits, axis=-1).astype(np.float32), natural=natural, batch=batch
    )
    expected = (logits + strength * np.log(natural / batch)).argmax(axis=-1)
    np.testing.assert_array_equal(decided, expected)
    assert decided.dtype == np.uint8
    assert (decided == logits.argmax(axis=-1)).all() == (strength == 0)


def test_with_natural_batches_nothing_is_to_be_corrected(natural):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), size=1000)
    plain = Argmax().decide(probabilities, natural=natural, batch=natural)
    corrected = PriorCorrected().decide(probabilities, natural=natural, batch=natural)
    np.testing.assert_array_equal(corrected, plain)
    np.testing.assert_array_equal(plain, probabilities.argmax(axis=-1))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_class_that_was_in_no_batch_is_not_predicted(strength):
    """Nor is it NaN, which argmax would take for the largest."""
    probabilities = np.array([[0.3, 0.4, 0.3], [0.9, 0.05, 0.05], [0.2, 0.2, 0.6]])
    shares = {"natural": np.array([0.9, 0.05, 0.05]), "batch": np.array([0, 0.5, 0.5])}
    decided = PriorCorrected(strength).decide(probabilities, **shares)
    assert decided[[0, 2]].tolist() == [1, 2]
    assert (decided > 0).all()


def test_by_bayes_rule_the_correction_is_the_best_there_is():
    """Of a feature whose distribution in each class is known: no other rule errs less often."""
    natural, batch = np.array([0.95, 0.05]), np.array([0.5, 0.5])
    generator = np.random.default_rng(0)
    labels = (generator.random(20_000) < natural[1]).astype(int)
    feature = generator.normal(2 * labels, 1)
    densities = np.exp(-0.5 * (feature[:, None] - [0, 2]) ** 2)
    posterior = densities * batch / (densities * batch).sum(axis=1, keepdims=True)
    errors = {
        strength: (
            PriorCorrected(strength).decide(posterior, natural=natural, batch=batch) != labels
        ).mean()
        for strength in (0, 0.5, 1, 1.5)
    }
    assert min(errors, key=errors.get) == 1


# One model decides alone.


@pytest.mark.parametrize(
    "sampling", [Balanced(), Mixed(foreground=0.4), Balanced(shares=0.5, minorities="natural")]
)
def test_a_case_is_decided_with_the_shares_of_its_own_batches(split, natural, undecided, sampling):
    train, test = split
    model, (case,) = undecided(5, 1), test
    arm = Arm("", sampling=sampling, decision=PriorCorrected())
    found = predicted_classes(_config(arm).trainings(), [model], case, train)
    batch = {
        Balanced(): np.full(5, 0.2),
        Mixed(foreground=0.4): 0.6 * natural + np.array([0, 0.1, 0.1, 0.1, 0.1]),
    }.get(sampling, np.append(0.5, 0.5 * natural[1:] / natural[1:].sum()))
    logits = np.log(segment(model, case.images)) + np.log(natural / batch)
    brain = case.brain
    assert (found[brain] == logits.argmax(axis=-1)[brain]).mean() > 0.999
    assert not found[~brain].any()
    plain = predicted_classes(_config(Arm("")).trainings(), [model], case, train)
    assert (found != plain).any()


def test_a_network_that_predicts_maps_decides_every_voxel(split):
    train, test = split
    model, (case,) = unet(channels=2, classes=5, filters=(4, 8)), test
    arm = Arm("", network=UNet(filters=(4, 8)))
    found = predicted_classes(_config(arm).trainings(), [model], case, train)
    probabilities = segment_maps(model, case.images, case.brain, multiple=2)
    np.testing.assert_array_equal(found, probabilities.argmax(axis=-1))
    assert len(np.unique(found)) > 1


# Parts of one's own.


def _gives(what):
    class Gives(Argmax):
        def decide(self, probabilities, **shares):
            return what(probabilities)

    return Gives()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "what",
    [
        lambda p: p.argmax(axis=-1) / 2,
        lambda p: p.argmax(axis=-1) + 1,
        lambda p: p.argmax(axis=-1) - 1,
        lambda p: p.argmax(axis=-1)[:-1],
        lambda p: p,
        lambda p: None,
    ],
)
def test_a_decision_that_names_no_class_for_each_voxel_is_refused(split, undecided, what):
    train, test = split
    arm = Arm("mine", decision=_gives(what))
    with pytest.raises(ValueError, match=r"'mine': Gives gives .* a whole number from 0 to 4 is"):
        predicted_classes(_config(arm).trainings(), [undecided(5, 1)], test[0], train)


@pytest.mark.bad_input
def test_a_decision_that_stops_is_refused_with_its_arm(split, undecided):
    train, test = split
    arm = Arm("mine", decision=_gives(lambda p: 1 / 0))
    with pytest.raises(ValueError, match=r"arm 'mine' cannot decide \(ZeroDivisionError.*; see"):
        predicted_classes(_config(arm).trainings(), [undecided(5, 1)], test[0], train)


def test_a_model_whose_weights_are_nan_segments_nothing(split):
    train, test = split
    for network, model in {
        PatchCNN(): patch_cnn(channels=2, classes=5, patch_size=SIZE),
        UNet(filters=(4, 8)): unet(channels=2, classes=5, filters=(4, 8)),
    }.items():
        model.set_weights([weights * np.nan for weights in model.get_weights()])
        trainings = _config(Arm("mine", network=network)).trainings()
        with pytest.raises(ValueError, match="NaN"):
            predicted_classes(trainings, [model], test[0], train)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"loss": lambda labels, logits: logits}, r"Own gives \(3, 5\) for labels \(3,\); as many"),
        ({"loss": lambda labels, logits: labels - logits}, "cannot be trained"),
        ({"loss": lambda labels: labels}, "cannot be trained .TypeError"),
        ({"loss": None}, "cannot be trained"),
        ({"shares": [0.5, 0.5]}, "5 shares from 0 that add up to 1"),
        ({"shares": None}, None),
        ({"layer": "softmax"}, "gives probabilities"),
        ({"layer": "wide"}, r"gives \(3, 6\) .*\(3, 5\) is expected"),
        ({"layer": "map"}, r"gives \(3, 1, 1, 5\) .*\(3, 5\) is expected"),
    ],
)
def test_own_parts_that_do_not_fit_are_refused_before_the_training(split, part, words):
    class Own(Loss):
        def build(self, natural):
            return part["loss"]

    class Shares(Balanced):
        def class_shares(self, counts, names):
            return part["shares"]

    class Own2(PatchCNN):
        def build(self, **sizes):
            model = patch_cnn(**sizes | {"classes": 6 if part["layer"] == "wide" else 5})
            if part["layer"] == "map":
                return keras.Model(model.inputs[0], model.layers[-2].output)
            last = [keras.layers.Softmax()] if part["layer"] == "softmax" else []
            return keras.Sequential([*model.layers, *last])

    own = {"loss": Own(), "sampling": Shares(), "network": Own2()}
    name = {"loss": "loss", "shares": "sampling", "layer": "network"}[next(iter(part))]
    (training,) = _config(Arm("mine", **{name: own[name]})).trainings()
    if words is None:
        Prepared(training, split[0]).new_model()
        return
    with pytest.raises(ValueError, match=words):
        Prepared(training, split[0]).new_model()


def test_a_head_is_trained_alone_where_there_is_one():
    body = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="last")], name="own")
    with pytest.raises(ValueError, match=r"'own' has no layer 'logits' .* last: name the output"):
        NaturalHead().prepare(body)


# Two classifiers.


def test_the_second_is_asked_where_the_first_says_not_healthy(split, undecided):
    train, test = split
    first, second, (case,) = undecided(2, 1), undecided(4, 2), test
    trainings = _config("two classifiers").trainings()
    found = predicted_classes(trainings, [first, second], case, train)
    sick = segment(first, case.images).argmax(axis=-1) == 1
    kind = segment(second, case.images).argmax(axis=-1)
    expected = np.where(sick & case.brain, 1 + kind, 0)
    assert set(np.unique(expected)) == {0, 1, 2, 3, 4}
    assert (found == expected).mean() > 0.999
    assert found.dtype == np.uint8


def test_where_all_is_healthy_the_second_has_no_say(split, undecided):
    train, test = split
    first, second = undecided(2, 1), undecided(4, 2)
    kernel, bias = first.get_layer("logits").get_weights()
    first.get_layer("logits").set_weights([kernel, np.add(bias, [1000, 0])])
    trainings = _config("two classifiers").trainings()
    assert not predicted_classes(trainings, [first, second], test[0], train).any()


def test_each_of_two_classifiers_is_corrected_for_its_own_batches(split, natural, undecided):
    train, test = split
    first, second, (case,) = undecided(2, 1), undecided(4, 2), test
    corrected = Arm("", decision=PriorCorrected())
    arm = TwoStage("", first=corrected, second=corrected)
    found = predicted_classes(_config(arm).trainings(), [first, second], case, train)
    healthy = np.array([natural[0], 1 - natural[0]])
    sick = (np.log(segment(first, case.images)) + np.log(healthy / 0.5)).argmax(axis=-1) == 1
    others = natural[1:] / natural[1:].sum()
    kind = (np.log(segment(second, case.images)) + np.log(others / 0.25)).argmax(axis=-1)
    assert (found == np.where(sick & case.brain, 1 + kind, 0)).mean() > 0.999


# Whole runs: what is shared, and what a finish changes.


@pytest.fixture(scope="module")
def runs(split, tmp_path_factory):
    """The balanced arm and two that build on its training; and the files before these two."""
    folder = tmp_path_factory.mktemp("runs")
    results = {"balanced": run_experiment(_config("balanced"), *split, folder)}
    training = results["balanced"].trainings[0]
    times = {path: path.stat().st_mtime_ns for path in training.iterdir() if path.is_file()}
    for name in ("balanced, priors corrected", "balanced, natural head"):
        asked = _config(name, precision="mixed_bfloat16")  # where another machine goes on
        results[name] = run_experiment(asked, *split, folder)
    return results, times


@pytest.mark.slow
def test_the_balanced_training_is_shared_and_not_repeated(runs):
    results, times = runs
    assert {path.name for path in times} >= {"config.json", "model.keras", "history.csv"}
    assert {path: path.stat().st_mtime_ns for path in times} == times
    balanced, corrected, head = results.values()
    assert corrected.trainings == balanced.trainings
    assert corrected.folder != balanced.folder
    assert head.trainings != balanced.trainings


@pytest.mark.slow
def test_the_natural_head_changes_the_output_layer_and_nothing_else(runs):
    results, _ = runs
    balanced = results["balanced"].model
    head = results["balanced, natural head"].model
    for before, after in zip(balanced.layers, head.layers, strict=True):
        same = [
            np.array_equal(old, new)
            for old, new in zip(before.get_weights(), after.get_weights(), strict=True)
        ]
        assert before.name == after.name
        assert same == [before.name != "logits"] * len(same)
        assert bool(same) == bool(before.weights)
    assert sum(len(layer.weights) > 0 for layer in head.layers) > 4


def test_the_natural_head_is_trained_a_tenth_longer_on_random_batches(runs):
    results, _ = runs
    spent = {name: result.spent["patches"] for name, result in results.items()}
    assert spent["balanced"] == spent["balanced, priors corrected"] == 2 * 10 * 16
    assert spent["balanced, natural head"] == 2 * 10 * 16 + 2 * 1 * 16
    assert results["balanced, natural head"].spent["precision"] == "float32", "of what it finishes"
    history = results["balanced, natural head"].history
    assert history[["training", "epoch"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_the_scores_are_those_of_the_corrected_classes(runs, split, natural):
    results, _ = runs
    _, test = split
    (case,) = test
    model = results["balanced"].model
    logits = np.log(np.maximum(segment(model, case.images, case.brain), 1e-30))
    corrected = (logits + np.log(natural / 0.2)).argmax(axis=-1)
    found = results["balanced, priors corrected"].segmentation(test)[case.id]
    assert (found == corrected)[case.brain].mean() > 0.999
    plain = results["balanced"].segmentation(test)[case.id]
    assert (plain == logits.argmax(axis=-1))[case.brain].mean() > 0.999
    assert (found > 0).sum() < (plain > 0).sum(), "healthy tissue is commoner than in the batches"


@pytest.mark.slow
def test_two_classifiers_leave_two_models_and_one_segmentation(split, tmp_path):
    train, test = split
    arm = ARMS["two classifiers"]
    result = run_experiment(_config(arm), train, test, tmp_path)
    first, second = result.models
    assert [model.output_shape for model in (first, second)] == [(None, 2), (None, 4)]
    assert len(set(result.trainings)) == 2
    found = result.segmentation(test)["tiny"]
    expected = predicted_classes(_config(arm).trainings(), [first, second], test[0], train)
    np.testing.assert_array_equal(found, expected)
    assert result.spent["patches"] == 2 * 10 * 16
    with pytest.raises(ValueError, match="has 2 models"):
        print(result.model)
    assert result.folder == run_folder(_config(arm), train, test, tmp_path)
