"""Values that make no sense are refused in words and early; NumPy's numbers are numbers."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import (
    ARMS,
    PROFILES,
    Balanced,
    BalancedSampler,
    Case,
    ClassIndex,
    Cohort,
    ExperimentConfig,
    ExperimentResult,
    Focal,
    HardExampleMining,
    HardExampleSampler,
    Lab,
    LabelScheme,
    LogitAdjusted,
    Mining,
    Mixed,
    NaturalHead,
    PriorCorrected,
    RandomSampler,
    Smote,
    Study,
    TwoStage,
    UNet,
    audit,
    check_folder,
    check_sampler,
    dice_scores,
    finished_study,
    fully_convolutional,
    load_cohort,
    mine,
    open_lab,
    patch_cnn,
    patch_dataset,
    run_experiment,
    run_study,
    segment,
    unet,
    write_phantom_cohort,
)
from imbalance_tf.cohort.labels import SCHEMES
from imbalance_tf.sampling.smote import smote_dataset

NAN, INF = float("nan"), float("inf")


def _config(**changes):
    return ExperimentConfig(**{"arm": "balanced", "epochs": 1, "steps": 2, **changes})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "changes",
    [
        *({"seed": seed} for seed in (1.5, "1", -1, True, None, 2**70)),
        *({"learning_rate": rate} for rate in (INF, NAN, 0, "1", -1e-3, 10**400)),
        *({"arm": arm} for arm in (["random"], None, 3, {})),
        {"candidates_per_class": 10**400},
        {"precision": np.array(["float32"])},
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
    assert str(Mining(threshold=-0.0).described()) == str(Mining(threshold=0).described())
    assert Mining(threshold=0).described() == Mining(threshold=np.float32(0)).described()


BRATS = SCHEMES["brats2013"]


def _case(**changes):
    labels = np.zeros((1, 2, 2), np.uint8)
    return Case("a", np.zeros((1, 2, 2, 1)), labels, labels == 0, **changes)


REFUSED = {
    r"shares=\[\]": lambda: Balanced(shares=[]),
    "shares=nan": lambda: Balanced(shares=NAN),
    "shares='half'": lambda: Balanced(shares="half"),
    "foreground='a'": lambda: Mixed("a"),
    "neighbours=1.5": lambda: Smote(neighbours=1.5),
    "gamma=inf": lambda: Focal(gamma=INF),
    "tau='1'": lambda: LogitAdjusted(tau="1"),
    "strength=nan": lambda: PriorCorrected(strength=NAN),
    "strength=1000": lambda: PriorCorrected(strength=1000),
    "strength=-1": lambda: PriorCorrected(strength=-1),
    "pool=1000000": lambda: Smote(pool=10**6),
    "candidates=1180591620717411303424": lambda: Mining(candidates=2**70),
    "within=array": lambda: Balanced(within=np.array(["class", "case"])),
    r"filters=\[\]": lambda: unet(channels=1, classes=2, filters=[]),
    "filters=8": lambda: unet(channels=1, classes=2, filters=8),
    "filters=1000000": lambda: unet(channels=1, classes=2, filters=[10**6]),
    "channels=1000000000": lambda: patch_cnn(channels=10**9, classes=2),
    "classes=1000000000": lambda: unet(channels=1, classes=10**9),
    "model='model.keras'": lambda: segment("model.keras", np.zeros((1, 9, 9, 1))),
    "model=None": lambda: fully_convolutional(None),
    r"model=\[\]": lambda: segment([], np.zeros((1, 9, 9, 1))),
    "make=None": lambda: check_sampler(None),
    "made=None": lambda: check_sampler(lambda cohort, seed: None),
    r"profile=\['lab'\]": lambda: open_lab(["lab"]),
    "out=3.5": lambda: open_lab("smoke", out=3.5),
    "data=7": lambda: open_lab("smoke", data=7),
    "files='flair=x'": lambda: open_lab("smoke", files="flair=x"),
    "on_error='ignore'": lambda: open_lab("smoke", on_error="ignore"),
    r"test_cases=\[\]": lambda: open_lab("smoke", test_cases=[]),
    "the name 3 is no text": lambda: finished_study(3, "out"),
    "the name '../x' holds": lambda: finished_study("../x", "out"),
    "folder=3": lambda: ExperimentResult.read(3),
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
    "images is uint8": lambda: Case(
        "a", np.zeros((1, 2, 2, 1), np.uint8), np.zeros((1, 2, 2), np.uint8), [[[1]]]
    ),
    "origin=0": lambda: _case(origin=0),
    r"origin=\(0, 0.5, 0\)": lambda: _case(origin=(0, 0.5, 0)),
    "scan_shape='122'": lambda: _case(scan_shape="122"),
    "modalities=None": lambda: Cohort([], BRATS, None),
    "modalities={'t1'}": lambda: Cohort([], BRATS, {"t1"}),
    "cases={": lambda: Cohort({_case()}, BRATS, ["t1"]),
    "must be lists": lambda: LabelScheme("x", None, (0, 1), {"t": ["t"]}),
    "classes and values": lambda: LabelScheme("x", {"h", "t"}, (0, 1), {"t": ["t"]}),
    "regions a table": lambda: LabelScheme("x", ("h", "t"), (0, 1), {"t": 1}),
    r"file_values=array\(\[0., 4.\]\)": lambda: BRATS.to_classes([0.0, 4.0]),
    r"classes=array\(\[-1\]\)": lambda: BRATS.to_file_values([-1]),
    "region='tumour'": lambda: BRATS.region_numbers("tumour"),
    "precision=<NA>": lambda: unet(channels=1, classes=5, precision=pd.NA),
    "shares={0.25": lambda: Balanced(shares={0.25}),
    "filters=b'1'": lambda: UNet(filters=b"1"),
    "lengths=1000000000000": lambda: Study("x", "?", ["balanced"], lengths=[10**12]),
    r"make\(cohort, 0\) stopped": lambda: check_sampler(BalancedSampler),
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
    "case_ids=None": lambda c: c.subset(None),
    "case_ids={'tiny'}": lambda c: c.subset({"tiny"}),
    r"volume=\(\)": lambda c: c[0].to_scan(1),
    r"whole=\(9, 90, 90\)": lambda c: c[0].from_scan(np.zeros((9, 90, 90))),
    "axis=3": lambda c: c[0].widest_slice(3),
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
    "model=None": lambda c: mine(None, HardExampleSampler(c, seed=0)),
    r"classes=\[\['edema'\]\]": lambda c: HardExampleMining(
        HardExampleSampler(c, seed=0), classes=[["edema"]]
    ),
    r"takes \(None, 22, 22, 4\); \(None, P, P, 2\)": lambda c: mine(
        patch_cnn(channels=4, classes=5, patch_size=22), HardExampleSampler(c, seed=0)
    ),
    "source=None": lambda c: audit(None, 1, cohort=c),
    "cohort=3": lambda c: audit(patch_dataset(BalancedSampler(c, seed=0), steps=1), 1, cohort=3),
    "sampler=<": lambda c: smote_dataset(RandomSampler(c, seed=0), steps=1),
    "least=-1, most=0": lambda c: c.labels_at([[-1, 0, 0, 0]]),
    "least=0, most=3": lambda c: c.labels_at([[3, 0, 0, 0]]),
    r"shape=\(1, 3\)": lambda c: c.labels_at([[0, 0, 0]]),
    r"shape=\(1, 4\), dtype='float64'": lambda c: c.labels_at([[0.5, 0, 0, 0]]),
    r"shape=\(1,\), dtype='float64'": lambda c: ClassIndex(c).centres([0.5]),
    "test=Cohort": lambda c: run_experiment(_config(), c, c.subset([])),
    "arm='two classifiers'": lambda c: Lab(PROFILES["smoke"], 0, Path(), c, c).sampler(
        "two classifiers"
    ),
    "study=3": lambda c: Lab(PROFILES["smoke"], 0, Path(), c, c).study(3),
    r"shares names \['helthy'\]": lambda c: BalancedSampler(
        c, seed=0, shares=pd.Series({"helthy": 1.0})
    ),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("words", OF_A_COHORT, ids=str)
def test_an_argument_beside_a_cohort_is_named(cohort, words):
    with pytest.raises(ValueError, match=words):
        OF_A_COHORT[words](cohort)


@pytest.mark.bad_input
@pytest.mark.parametrize("path", ["", None, 3, "a\0b"])
def test_a_path_that_is_none_is_named(cohort, path):
    """Empty, it would be the folder of the moment."""
    config, study = _config(), Study("one", "?", ["random"], folds=2)
    for name, call in [
        ("folder", lambda: load_cohort(path)),
        ("folder", lambda: check_folder(path)),
        ("folder", lambda: write_phantom_cohort(path, cases=1)),
        ("folder", lambda: run_experiment(config, *cohort.split(test_cases=1), path)),
        ("out", lambda: run_study(study, cohort, path)),
        ("path", lambda: LabelScheme.from_toml(path)),
    ]:
        with pytest.raises(
            ValueError, match=f"^{name}={re.escape(repr(path))}; a path is expected"
        ):
            call()


def test_a_case_where_its_images_are_asked_for_is_said(cohort):
    with pytest.raises(ValueError, match=r"images has shape \(\), of object; .* as case.images"):
        segment(patch_cnn(channels=2, classes=5, patch_size=22), cohort[0])


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [NAN, INF])
def test_images_with_nan_get_no_probabilities(cohort, value):
    images = np.zeros((1, 30, 30, 2))
    images[0, 3, 4, 1] = value
    with pytest.raises(ValueError, match="images holds 1 voxels that are NaN or infinite"):
        segment(patch_cnn(channels=2, classes=5, patch_size=22), images)


def test_shares_in_a_series_go_by_their_names(cohort):
    """In whatever order they stand."""
    own = pd.Series({"enhancing": 0.1, "healthy": 0.6, "edema": 0.3})
    sampler = BalancedSampler(cohort, seed=0, shares=own)
    assert sampler.shares.tolist() == [0.6, 0, 0.3, 0, 0.1]
    found = Balanced(own).class_shares(np.ones(5), cohort.scheme.classes)
    assert found.tolist() == sampler.shares.tolist()


def test_a_sampler_that_counts_cases_from_the_end_is_not_audited_in_silence(cohort):
    sampler = BalancedSampler(cohort, seed=0)
    draw = sampler.draw
    sampler.draw = lambda n: draw(n) - [len(cohort), 0, 0, 0]
    with pytest.raises(ValueError, match=r"the sampler gave the centre \(-\d"):
        audit(sampler, 2)


def test_a_sampler_of_a_lab_gives_the_batches_that_the_arm_is_trained_on(cohort):
    lab = Lab(PROFILES["smoke"], 0, Path(), cohort, cohort)
    assert type(lab.sampler("balanced, natural head")) is BalancedSampler


def test_every_seed_makes_a_network():
    for seed in (0, np.int64(7), 2**32 - 1):
        patch_cnn(channels=1, classes=2, patch_size=22, seed=seed)


def test_a_refused_value_is_not_shown_at_any_length():
    with pytest.raises(ValueError, match="list of one or more arms is expected") as refused:
        Study("x", "?", ARMS)
    assert len(str(refused.value)) < 400
