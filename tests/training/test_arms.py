"""What the batches of every arm hold, what is mined, and what cannot be combined."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from imbalance_tf import AIR, ExperimentConfig, Study, patch_cnn, run_experiment, run_study
from imbalance_tf.sampling.patches import cut_patches
from imbalance_tf.sampling.samplers import RandomSampler
from imbalance_tf.training.arms import ARMS, Arm, Mining, TwoStage, arm_named, changed
from imbalance_tf.training.batches import Balanced, Mixed, Random, Sampling, Smote
from imbalance_tf.training.decisions import Argmax, Decision, Finish, NaturalHead, PriorCorrected
from imbalance_tf.training.losses import CrossEntropy, DiceCrossEntropy, Focal, LogitAdjusted, Loss
from imbalance_tf.training.networks import Network, PatchCNN, UNet
from imbalance_tf.training.run import Prepared

STEPS, BATCH, SIZE = 20, 120, 24


def _config(arm, **other):
    lengths = {"epochs": 1, "steps": STEPS, "batch_size": BATCH, "patch_size": SIZE}
    return ExperimentConfig(arm, **{**lengths, "candidates_per_class": 60, **other})


def _prepared(arm, cohort, **other):
    """What each training of an arm needs; of a training that finishes another, both."""
    trainings = [
        step
        for training in _config(arm, **other).trainings()
        for step in (training.after, training)
        if step
    ]
    return [Prepared(training, cohort) for training in trainings]


def _centre_labels(prepared):
    """Labels (steps, batch) of the patches of one epoch, as Keras gets them."""
    labels = np.array([labels.numpy() for _, labels in prepared.batches()])
    return labels if labels.ndim == 2 else labels[:, :, SIZE // 2, SIZE // 2]


def _counts(labels, classes=5):
    return np.array([np.bincount(batch, minlength=classes) for batch in labels])


@pytest.fixture(scope="module")
def voxels(cohort):
    """Brain voxels of each case and class, counted the slow obvious way."""
    return np.array(
        [
            [((case.labels == number) & (case.brain | (number > 0))).sum() for number in range(5)]
            for case in cohort
        ]
    )


def _are_random(counts, natural):
    assert chisquare(counts.sum(axis=0), counts.sum() * natural).pvalue > 1e-3
    assert len(np.unique(counts, axis=0)) > len(counts) / 2, "random, not exact"


def _meet(counts, shares):
    """A law of exact shares: every batch within one patch, many batches within a few."""
    assert np.abs(counts - BATCH * shares).max() < 1
    assert (
        np.abs(counts.cumsum(axis=0) - BATCH * np.outer(1 + np.arange(len(counts)), shares)).max()
        < 3
    )


# What the arms are made of: the parts in which they differ from the plain one.

PLAIN = {
    "sampling": Balanced(shares=None, minorities="equal", within="class"),
    "mining": None,
    "loss": CrossEntropy(weights=None),
    "network": PatchCNN(),
    "finish": None,
    "decision": Argmax(),
}
RANDOM, THIRD = {"sampling": Random()}, {"sampling": Mixed(foreground=1 / 3)}
HALF_HEALTHY = {"sampling": Balanced(shares=0.5, minorities="natural", within="class")}
HARD, CORRECTED = {"mining": Mining(None, "all")}, {"decision": PriorCorrected(strength=1)}
MAPS, DICE = {"network": UNet(filters=(8, 16, 32, 64))}, {"loss": DiceCrossEntropy()}
STAGES = {"first": Arm("healthy or not", **PLAIN), "second": Arm("which kind", **PLAIN)}
PARTS = {
    "random": RANDOM,
    "balanced": {},
    "hard": HARD,
    "hard 0": {"mining": Mining(0, "all")},
    "hard 0.5": {"mining": Mining(0.5, "all")},
    "hard 0.9": {"mining": Mining(0.9, "all")},
    "hard 0.99": {"mining": Mining(0.99, "all")},
    "half healthy": HALF_HEALTHY,
    "half healthy, mined": {**HALF_HEALTHY, "mining": Mining(None, "minorities")},
    "majority 50%": {"sampling": Balanced(0.5, "equal", "class")},
    "majority 80%": {"sampling": Balanced(0.8, "equal", "class")},
    "majority 90%": {"sampling": Balanced(0.9, "equal", "class")},
    "by case": {"sampling": Balanced(None, "equal", "case")},
    "two classifiers": {**STAGES, "budget": 0.5},
    "two classifiers, twice the budget": {**STAGES, "budget": 1},
    "hard negatives": {"mining": Mining(None, "majority")},
    "a third": THIRD,
    "weighted loss": {**RANDOM, "loss": CrossEntropy(weights="inverse")},
    "focal loss": {**RANDOM, "loss": Focal(gamma=2)},
    "logit-adjusted loss": {**RANDOM, "loss": LogitAdjusted(tau=1)},
    "SMOTE": {"sampling": Smote(neighbours=5, pool=300)},
    "balanced, priors corrected": CORRECTED,
    "hard, priors corrected": {**HARD, **CORRECTED},
    "balanced, natural head": {"finish": NaturalHead(share=0.1)},
    "U-Net, random": {**RANDOM, **MAPS},
    "U-Net, balanced": MAPS,
    "U-Net, a third": {**THIRD, **MAPS},
    "U-Net, random, Dice loss": {**RANDOM, **MAPS, **DICE},
    "U-Net, balanced, Dice loss": {**MAPS, **DICE},
    "U-Net, a third, Dice loss": {**THIRD, **MAPS, **DICE},
}


def test_the_parts_of_every_arm_are_written_down():
    assert set(PARTS) == set(ARMS)


@pytest.mark.parametrize("name", PARTS)
def test_an_arm_is_made_of_what_it_is_for(name):
    """An arm that has lost its loss or its decision would be another arm under its name."""
    plain = PLAIN if isinstance(ARMS[name], Arm) else {}
    assert vars(ARMS[name]) == {"name": name, **plain, **PARTS[name]}


# What their batches hold.

EQUAL, HALF = np.full(5, 0.2), np.array([0.5, 0, 0, 0, 0])


def _with_majority(share):
    return lambda natural: np.array([share, *np.full(4, (1 - share) / 4)])


def _half_healthy(natural):
    return HALF + np.append(0, 0.5 * natural[1:] / natural[1:].sum())


def _a_third(natural):
    return 2 / 3 * natural + np.array([0, 1, 1, 1, 1]) / 12


LAWS = {
    **dict.fromkeys(
        [
            *("random", "weighted loss", "focal loss", "logit-adjusted loss"),
            *("U-Net, random", "U-Net, random, Dice loss"),
        ],
        None,
    ),
    **dict.fromkeys(
        [
            *("balanced", "by case", "SMOTE", "balanced, natural head"),
            *("balanced, priors corrected", "hard, priors corrected", "hard negatives"),
            *("hard", "hard 0", "hard 0.5", "hard 0.9", "hard 0.99"),
            *("U-Net, balanced", "U-Net, balanced, Dice loss"),
        ],
        lambda natural: EQUAL,
    ),
    **dict.fromkeys(["half healthy", "half healthy, mined"], _half_healthy),
    **{f"majority {share}%": _with_majority(share / 100) for share in (50, 80, 90)},
    **dict.fromkeys(["a third", "U-Net, a third", "U-Net, a third, Dice loss"], _a_third),
}


def test_every_arm_has_a_law():
    assert set(LAWS) == {name for name, arm in ARMS.items() if isinstance(arm, Arm)}
    assert all(arm.name == name for name, arm in ARMS.items())


@pytest.mark.parametrize("name", LAWS)
def test_the_batches_of_an_arm_hold_what_it_says(cohort, voxels, name):
    prepared, *finish = _prepared(name, cohort)
    natural = voxels.sum(axis=0) / voxels.sum()
    counts = _counts(_centre_labels(prepared))
    assert counts.shape == (STEPS, 5)
    if LAWS[name] is None:
        _are_random(counts, natural)
        shares = natural
    else:
        shares = LAWS[name](natural)
        assert shares.sum() == pytest.approx(1)
        _meet(counts, shares)
        whole = np.isclose(BATCH * shares, np.round(BATCH * shares))
        assert (counts[:, whole] == np.round(BATCH * shares[whole])).all()
    np.testing.assert_allclose(prepared.shares, shares)
    assert [type(after.sampler) for after in finish] == (
        [RandomSampler] if name == "balanced, natural head" else []
    )


@pytest.mark.parametrize("name", ["half healthy", "majority 50%"])
def test_half_is_exactly_half_of_every_batch(cohort, name):
    counts = _counts(_centre_labels(_prepared(name, cohort)[0]))
    assert (counts[:, 0] == BATCH / 2).all()
    assert (counts[:, 1:] == BATCH / 8).all() == (name == "majority 50%")


def _cases_of_class(prepared, cohort, draws=80):
    """How often each case was taken for each class: (classes, cases)."""
    counts = np.zeros((5, len(cohort)), int)
    for _ in range(draws):
        centres = prepared.sampler.draw(BATCH)
        np.add.at(counts, (cohort.labels_at(centres), centres[:, 0]), 1)
    return counts


def test_cases_are_as_frequent_as_their_voxels_or_equally_by_case(cohort, voxels):
    even = _cases_of_class(_prepared("by case", cohort)[0], cohort)
    by_voxel = _cases_of_class(_prepared("balanced", cohort)[0], cohort)
    for number in range(5):
        natural = voxels[:, number] / voxels[:, number].sum()
        assert chisquare(even[number]).pvalue > 1e-3
        assert chisquare(by_voxel[number], by_voxel[number].sum() * natural).pvalue > 1e-3
        assert chisquare(by_voxel[number]).pvalue < 1e-9


@pytest.mark.parametrize("name", ["U-Net, balanced", "U-Net, random"])
def test_a_network_that_predicts_maps_gets_the_labels_of_the_whole_patch(cohort, name):
    (prepared,) = _prepared(name, cohort, steps=1)
    twin = _prepared(name, cohort, steps=1)[0].sampler
    ((_, maps),) = prepared.batches()
    assert maps.shape == (BATCH, SIZE, SIZE)
    centres = twin.draw(BATCH)
    for row, column in [(0, 0), (5, 20), (SIZE - 1, SIZE - 1)]:
        places = np.add(centres, [0, 0, row - SIZE // 2, column - SIZE // 2])
        np.testing.assert_array_equal(maps[:, row, column], cohort.labels_at(places))


# Two classifiers.


@pytest.mark.parametrize("name", ["two classifiers", "two classifiers, twice the budget"])
def test_the_first_classifier_sees_half_healthy_and_the_second_no_healthy_voxel(
    cohort, voxels, name
):
    first, second = _prepared(name, cohort)
    twins = [each.sampler for each in _prepared(name, cohort)]
    steps = STEPS // 2 if name == "two classifiers" else STEPS

    labels = _centre_labels(first)
    classes = np.array([cohort.labels_at(twins[0].draw(BATCH)) for _ in range(steps)])
    np.testing.assert_array_equal(labels, classes > 0)
    assert (_counts(labels, 2) == BATCH / 2).all()
    tumour = np.bincount(classes[classes > 0], minlength=5)[1:]
    others = voxels.sum(axis=0)[1:]
    assert np.abs(tumour - tumour.sum() * others / others.sum()).max() < 3

    labels = _centre_labels(second)
    classes = np.array([cohort.labels_at(twins[1].draw(BATCH)) for _ in range(steps)])
    assert classes.min() == 1
    np.testing.assert_array_equal(labels, classes - 1)
    assert (_counts(labels, 4) == BATCH / 4).all()
    assert [len(each.task.names) for each in (first, second)] == [2, 4]


def test_random_batches_of_the_second_classifier_are_as_its_classes_are(cohort, voxels):
    arm = TwoStage("x", first=Arm("a", sampling=Random()), second=Arm("b", sampling=Random()))
    first, second = _prepared(arm, cohort)
    natural = voxels.sum(axis=0) / voxels.sum()
    counts = _counts(_centre_labels(first), 2)
    _are_random(counts, np.array([natural[0], 1 - natural[0]]))
    _meet(_counts(_centre_labels(second), 4), natural[1:] / natural[1:].sum())


def test_the_majority_is_the_largest_class_wherever_it_stands():
    """Of the second of two classifiers, class 0 is whichever kind of tumour comes first."""
    counts, names = np.array([100, 6000, 500, 900]), ("necrosis", "edema", "other", "enhancing")
    shares = Balanced(shares=0.7).class_shares(counts, names)
    np.testing.assert_allclose(shares, [0.1, 0.7, 0.1, 0.1])
    shares = Balanced(shares=0.7, minorities="natural").class_shares(counts, names)
    np.testing.assert_allclose(shares, [0.02, 0.7, 0.1, 0.18])
    shares = Mixed(foreground=0.5).class_shares(counts, names)
    np.testing.assert_allclose(shares, 0.5 * counts / 7500 + np.array([1, 0, 1, 1]) / 6)


def test_two_classifiers_of_two_classes_are_each_what_they_are(cohort):
    """SMOTE, too, makes up patches of the classes that a classifier sees."""
    arm = TwoStage("x", first=Arm("a", sampling=Smote(pool=20)), second=Arm("b", sampling=Smote()))
    first, second = _prepared(arm, cohort)
    assert (_counts(_centre_labels(first), 2) == BATCH / 2).all()
    assert (_counts(_centre_labels(second), 4) == BATCH / 4).all()


def test_every_arm_sees_as_many_patches():
    """But two that say so: a second training of the head, and twice the budget."""
    extra = {"balanced, natural head": 1.1, "two classifiers, twice the budget": 2}
    for name in ARMS:
        trainings = _config(name).trainings()
        steps = [
            each.config.epochs * each.config.steps * each.config.batch_size
            for training in trainings
            for each in (training, training.after)
            if each
        ]
        assert sum(steps) == round(STEPS * BATCH * extra.get(name, 1)), name


# Mining.

MINED = {
    "hard": (0.75, "all"),
    "hard 0": (0, "all"),
    "hard 0.5": (0.5, "all"),
    "hard 0.9": (0.9, "all"),
    "hard 0.99": (0.99, "all"),
    "hard negatives": (0.75, "majority"),
    "half healthy, mined": (0.75, "minorities"),
    "hard, priors corrected": (0.75, "all"),
}


@pytest.fixture(scope="module")
def decided(cohort):
    """An untrained model that says every class, is sure of much, and is mostly wrong."""
    model = patch_cnn(channels=2, classes=5, patch_size=SIZE, seed=1)
    centres = RandomSampler(cohort, seed=1).draw(200)
    patches = cut_patches([case.images for case in cohort], centres, SIZE, fill=AIR)
    logits = np.asarray(model(patches.astype(np.float32)))
    kernel, bias = model.get_layer("logits").get_weights()
    scale = 3 / logits.std(axis=0)
    model.get_layer("logits").set_weights([scale * kernel, bias - scale * logits.mean(axis=0)])
    return model


def test_all_arms_that_mine_are_looked_at():
    assert set(MINED) == {name for name, arm in ARMS.items() if getattr(arm, "mining", None)}


@pytest.mark.parametrize("name", MINED)
def test_what_is_mined_is_what_the_arm_says(cohort, decided, name):
    (prepared,) = _prepared(name, cohort)
    mining, (threshold, which) = prepared.mining, MINED[name]
    assert (mining.threshold, mining.candidates_per_class) == (threshold, 60)
    mined = {"all": {0, 1, 2, 3, 4}, "majority": {0}, "minorities": {1, 2, 3, 4}}[which]
    mining.set_model(decided)
    mining.on_epoch_end(0)
    assert {number for number, pool in enumerate(prepared.sampler.pool) if len(pool)} == mined
    hard = mining.hard
    assert set(hard.label) == mined
    sure = hard[hard.why == "unsure"].probability
    assert (hard[hard.why == "wrong"].label != hard[hard.why == "wrong"].predicted).all()
    if threshold == 0:
        assert len(sure) == 0
    elif which == "all":
        below = {0.5: 0.2, 0.75: 0.5, 0.9: 0.75, 0.99: 0.9}[threshold]
        assert below < sure.max() < threshold

    # What is not mined is sampled as without mining, and what is comes from the pool.
    centres = prepared.sampler.draw(BATCH)
    labels = cohort.labels_at(centres)
    expected = np.bincount(labels, minlength=5)
    for number, pool in enumerate(prepared.sampler.pool):
        own = set(map(tuple, centres[labels == number].tolist()))
        hits = len(own & set(map(tuple, pool.tolist())))
        assert hits == min(expected[number], len(pool)) if number in mined else hits == 0


def test_settings_of_the_arm_go_before_those_of_the_config(cohort):
    arm = Arm("", mining=Mining(threshold=0.3, candidates=7))
    (prepared,) = _prepared(arm, cohort, threshold=0.9)
    assert (prepared.mining.threshold, prepared.mining.candidates_per_class) == (0.3, 7)
    (prepared,) = _prepared("hard", cohort, threshold=0.9)
    assert (prepared.mining.threshold, prepared.mining.candidates_per_class) == (0.9, 60)


# What cannot be combined, and other settings.

UNET = {"network": UNet()}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"sampling": Random(), "mining": Mining()}, "Mining cannot be combined with Random"),
        ({"sampling": Smote(), "mining": Mining()}, "Mining cannot be combined with Smote"),
        ({"mining": Mining(), **UNET}, "Mining cannot be combined with UNet"),
        ({"sampling": Smote(), **UNET}, "UNet cannot be combined with Smote"),
        ({"loss": DiceCrossEntropy()}, "DiceCrossEntropy cannot be combined with PatchCNN"),
        (
            {"loss": CrossEntropy(weights="inverse"), **UNET},
            "CrossEntropy cannot be combined with UNet",
        ),
        ({"loss": LogitAdjusted(), **UNET}, "LogitAdjusted cannot be combined with UNet"),
        ({"decision": PriorCorrected(), **UNET}, "PriorCorrected cannot be combined with UNet"),
    ],
)
def test_what_cannot_be_combined_is_refused_with_the_reason(parts, words):
    with pytest.raises(ValueError, match=rf"arm 'mine': {words}; .{{15,}}"):
        Arm("mine", **parts)
    for dropped in parts:  # neither part is wrong by itself
        Arm("mine", **{name: part for name, part in parts.items() if name != dropped})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"sampling": "random"}, "sampling='random'"),
        ({"sampling": Random}, "sampling=<class"),
        ({"mining": 0.75}, "mining=0.75"),
        ({"mining": Balanced()}, "mining=Balanced"),
        ({"loss": PatchCNN()}, "loss=PatchCNN"),
        ({"loss": None}, "loss=None"),
        ({"network": "unet"}, "network='unet'"),
        ({"finish": PriorCorrected()}, "finish=PriorCorrected"),
        ({"decision": NaturalHead()}, "decision=NaturalHead"),
    ],
)
def test_a_part_of_another_kind_is_named(parts, words):
    with pytest.raises(TypeError, match=rf"arm 'mine': {re.escape(words)}.* is expected"):
        Arm("mine", **parts)


@pytest.mark.parametrize(
    "arm",
    [
        Arm("mines", mining=Mining()),
        Arm("finishes", finish=NaturalHead()),
        Arm("maps", network=UNet()),
    ],
)
@pytest.mark.parametrize("stage", ["first", "second"])
def test_two_classifiers_are_plain_ones(arm, stage):
    with pytest.raises(ValueError, match=rf"arm 'two': '{arm.name}' .* is expected"):
        TwoStage("two", **{stage: arm})


@pytest.mark.parametrize("arm", ["balanced", None, TwoStage("three")])
def test_each_of_two_classifiers_is_an_arm(arm):
    with pytest.raises(TypeError, match=r"arm 'two': .*an Arm is expected"):
        TwoStage("two", second=arm)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TwoStage("two", budget=0), "arm 'two': budget=0; above 0 and at most 1"),
        (lambda: Mining(threshold=75), "threshold=75; a probability from 0 to 1"),
        (lambda: Mining(classes="edema"), "classes='edema'; 'all', 'majority' or 'minorities'"),
        (lambda: Mining(candidates=0), "candidates=0; a whole number from 1"),
        (lambda: Balanced(shares=1.0), "shares=1.0; the majority's, between"),
        (lambda: Balanced(minorities="natural"), "minorities='natural', shares=None; one number"),
        (lambda: Balanced(shares=0.5, minorities="few"), "minorities='few'; 'equal' or 'natural'"),
        (lambda: Balanced(within="slice"), "within='slice'; 'class' or 'case'"),
        (lambda: Mixed(foreground=1), "foreground=1; a share between 0 and 1"),
        (lambda: Smote(neighbours=5, pool=5), "neighbours=5, pool=5; at least 1"),
        (lambda: CrossEntropy(weights="log"), "weights='log'; None or 'inverse'"),
        (lambda: Focal(gamma=-1), "gamma=-1; 0 or more"),
        (lambda: NaturalHead(share=0), "share=0; above 0 and at most 1"),
        (
            lambda: _config("U-Net, random", patch_size=30),
            "patch_size=30; for UNet a multiple of 8",
        ),
        (lambda: arm_named("smotee"), "arm='smotee'; an Arm, or one of 'random', 'balanced'"),
    ],
)
def test_wrong_settings_are_named(make, words):
    with pytest.raises(ValueError, match=re.escape(words) + ".*expected"):
        make()


@pytest.mark.parametrize(
    ("base", "field", "absent"),
    [
        (Sampling, "sampling", "class_shares"),
        (Loss, "loss", "build"),
        (Network, "network", "build, segment"),
        (Finish, "finish", "prepare"),
        (Decision, "decision", "decide"),
    ],
)
def test_an_idea_that_is_not_finished_is_named_before_it_is_trained(
    cohort, tmp_path, base, field, absent
):
    arm = Arm("x", **{field: type("Own", (base,), {})()})
    words = f"arm 'x': Own gives no {absent}; {base.__name__} says what is expected"
    train, test = cohort.split(test_cases=1)
    with pytest.raises(ValueError, match=words):
        run_experiment(_config(arm), train, test, tmp_path)
    with pytest.raises(ValueError, match=words):
        run_study(
            Study("x", "?", [TwoStage("two", second=arm) if field == "loss" else arm]),
            cohort,
            tmp_path,
        )
    assert not list(tmp_path.iterdir())


def test_a_value_of_another_type_is_named():
    with pytest.raises(TypeError, match=r"mining=0\.5; Mining or None is expected"):
        Arm("x", mining=0.5)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"helthy": 1.0}, r"shares names \['helthy'\]; the classes are"),
        ([0.5, 0.5], r"shares=\[0.5, 0.5\]; 5 shares from 0 .* in the order \['healthy'"),
        ([0.5] * 5, "5 shares from 0 that add up to 1 are expected"),
        ({"healthy": 0.5}, "5 shares from 0 that add up to 1 are expected"),
    ],
)
def test_shares_that_do_not_fit_the_classes_are_named(cohort, shares, words):
    with pytest.raises(ValueError, match=words):
        _prepared(Arm("", sampling=Balanced(shares=shares)), cohort)


def test_shares_by_name_or_in_order(cohort):
    names = cohort.scheme.classes
    by_name = Balanced(shares={names[0]: 0.5, names[4]: 0.5})
    in_order = Balanced(shares=(0.5, 0, 0, 0, 0.5))
    for sampling in (by_name, in_order):
        (prepared,) = _prepared(Arm("", sampling=sampling), cohort, steps=2)
        assert _counts(_centre_labels(prepared)).tolist() == [[60, 0, 0, 0, 60]] * 2


def test_an_arm_with_other_settings():
    assert changed("hard", threshold=0.6) == Arm("hard", mining=Mining(threshold=0.6))
    assert changed("half healthy", shares=0.7, name="x") == Arm(
        "x", sampling=Balanced(shares=0.7, minorities="natural")
    )
    assert changed("balanced", sampling=Random()) == Arm("balanced", sampling=Random())
    two = changed("two classifiers", budget=1.0)
    assert two == replace(ARMS["two classifiers, twice the budget"], name="two classifiers")
    mine = Arm("mine", loss=Focal())
    assert changed(mine, gamma=1.0).loss == Focal(1.0)
    assert mine.loss == Focal(), "the arm itself stays"
    assert changed("hard") is ARMS["hard"]


@pytest.mark.parametrize(
    ("arm", "changes", "error", "words"),
    [
        ("balanced", {"threshold": 0.6}, ValueError, "arm 'balanced' has no such setting"),
        ("two classifiers", {"loss": Focal()}, ValueError, "in first and second; give one of"),
        ("hard", {"threshold": 6}, ValueError, "threshold=6; a probability"),
        ("hard", {"sampling": Random()}, ValueError, "Mining cannot be combined with Random"),
        ("hard", {"loss": "focal"}, TypeError, "loss='focal'"),
        ("hardest", {"threshold": 0.6}, ValueError, "arm='hardest'; an Arm, or one of"),
    ],
)
def test_settings_that_an_arm_has_not_are_named(arm, changes, error, words):
    with pytest.raises(error, match=words):
        changed(arm, **changes)
