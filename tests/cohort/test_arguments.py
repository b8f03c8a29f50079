"""Values that make no sense are refused in words and early; NumPy's numbers are numbers."""

import numpy as np
import pytest

from imbalance_tf import (
    Balanced,
    BalancedSampler,
    Case,
    ExperimentConfig,
    Focal,
    HardExampleMining,
    HardExampleSampler,
    LogitAdjusted,
    Mining,
    Mixed,
    NaturalHead,
    PriorCorrected,
    Smote,
    Study,
    TwoStage,
    UNet,
    audit,
    dice_scores,
    mine,
    patch_cnn,
    patch_dataset,
    run_experiment,
    run_study,
    segment,
    unet,
    write_phantom_cohort,
)
from imbalance_tf.cohort.labels import SCHEMES

NAN, INF = float("nan"), float("inf")


def _config(**changes):
    return ExperimentConfig(**{"arm": "balanced", "epochs": 1, "steps": 2, **changes})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "changes",
    [
        *({"seed": seed} for seed in (1.5, "1", -1, True, None, 2**70)),
        *({"learning_rate": rate} for rate in (INF, NAN, 0, "1", -1e-3)),
        *({"threshold": limit} for limit in (NAN, 1.1, "0.5", True)),
        *({name: 1.5} for name in ("epochs", "steps", "batch_size", "candidates_per_class")),
        {"epochs": True},
        {"epochs": 2**70},
        {"batch_size": 10**9},
        {"patch_size": 4096},
        {"batch_size": 1000, "patch_size": 512},
        {"steps": 10**9},
        {"precision": "float8"},
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))}=.* is expected"):
        _config(**changes)


def test_the_same_numbers_are_the_same_config():
    own = _config(epochs=3, threshold=0, learning_rate=1, seed=2)
    numpys = _config(
        epochs=np.int64(3), threshold=np.float64(0), learning_rate=1.0, seed=np.uint8(2)
    )
    assert own == numpys
    assert repr(own.described()) == repr(numpys.described())
    assert repr(own.trainings()[0].identity()) == repr(numpys.trainings()[0].identity())
    assert Mining(threshold=0).described() == Mining(threshold=np.float32(0)).described()


REFUSED = {
    r"shares=\[\]": lambda: Balanced(shares=[]),
    "shares=nan": lambda: Balanced(shares=NAN),
    "shares='half'": lambda: Balanced(shares="half"),
    "foreground='a'": lambda: Mixed("a"),
    "neighbours=1.5": lambda: Smote(neighbours=1.5),
    "gamma=inf": lambda: Focal(gamma=INF),
    "tau='1'": lambda: LogitAdjusted(tau="1"),
    "strength=nan": lambda: PriorCorrected(strength=NAN),
    "share='1'": lambda: NaturalHead(share="1"),
    "candidates=1.5": lambda: Mining(candidates=1.5),
    "budget='1'": lambda: TwoStage("x", budget="1"),
    r"filters=\(\)": lambda: UNet(filters=()),
    "arms='balanced'": lambda: Study("x", "?", "balanced"),
    r"arms=\[\]": lambda: Study("x", "?", []),
    "lengths=0": lambda: Study("x", "?", ["balanced"], lengths=[0]),
    "folds=2.5": lambda: Study("x", "?", ["balanced"], folds=2.5),
    "seeds=1180591620717411303424": lambda: Study("x", "?", ["balanced"], seeds=2**70),
    "cases=1000000000": lambda: write_phantom_cohort("nowhere", cases=10**9),
    "config='balanced'": lambda: run_experiment("balanced", None, None),
    "train=None": lambda: run_experiment(_config(), None, None),
    "study='paper'": lambda: run_study("paper", None, "out"),
    "scheme='brats2013'": lambda: dice_scores([0], [0], "brats2013"),
    "truth is float64": lambda: dice_scores([0.0, 4.0], [0, 1], SCHEMES["brats2013"]),
    "channels=0": lambda: patch_cnn(channels=0, classes=5),
    "classes='5'": lambda: patch_cnn(channels=1, classes="5"),
    "patch_size=4096": lambda: patch_cnn(channels=1, classes=5, patch_size=4096),
    "precision='float8'": lambda: unet(channels=1, classes=5, precision="float8"),
    "cases=1.5": lambda: write_phantom_cohort("nowhere", cases=1.5),
    "volume=nan": lambda: write_phantom_cohort("nowhere", cases=1, volume=NAN),
    "labels is float64": lambda: Case("a", np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2)), [[[1]]]),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("words", REFUSED, ids=str)
def test_an_argument_that_makes_no_sense_is_named(words):
    with pytest.raises(ValueError, match=words):
        REFUSED[words]()


OF_A_COHORT = {
    "seed=1.5": lambda c: BalancedSampler(c, seed=1.5),
    "seed='1'": lambda c: c.split(test_cases=1, seed="1"),
    "n=-1": lambda c: BalancedSampler(c, seed=0).draw(-1),
    "cohort='x'": lambda c: BalancedSampler("x", seed=0),
    "shares=": lambda c: BalancedSampler(c, seed=0, shares=[NAN] * 5),
    "case_ids='tiny'": lambda c: c.subset("tiny"),
    "batch_size=1000000000": lambda c: patch_dataset(
        BalancedSampler(c, seed=0), steps=1, batch_size=10**9
    ),
    "steps=10000000000": lambda c: patch_dataset(BalancedSampler(c, seed=0), steps=10**10),
    "patch_size=64.0": lambda c: patch_dataset(
        BalancedSampler(c, seed=0), steps=1, patch_size=64.0
    ),
    "batches=1.5": lambda c: audit(BalancedSampler(c, seed=0), 1.5),
    r"classes=\[\]": lambda c: HardExampleMining(HardExampleSampler(c, seed=0), classes=[]),
    "threshold='1'": lambda c: HardExampleMining(HardExampleSampler(c, seed=0), threshold="1"),
    "epoch=0": lambda c: mine(None, HardExampleSampler(c, seed=0), epoch=0),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("words", OF_A_COHORT, ids=str)
def test_an_argument_beside_a_cohort_is_named(cohort, words):
    with pytest.raises(ValueError, match=words):
        OF_A_COHORT[words](cohort)


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [NAN, INF])
def test_images_with_nan_get_no_probabilities(cohort, value):
    images = np.zeros((1, 30, 30, 2))
    images[0, 3, 4, 1] = value
    with pytest.raises(ValueError, match="images holds 1 voxels that are NaN or infinite"):
        segment(patch_cnn(channels=2, classes=5, patch_size=22), images)


def test_every_seed_makes_a_network():
    for seed in (0, np.int64(7), 2**32 - 1):
        patch_cnn(channels=1, classes=2, patch_size=22, seed=seed)
