"""What decides a run, and what does not."""

import copy
import importlib.util
import itertools
import json
import linecache
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from imbalance_tf import ExperimentConfig
from imbalance_tf.training import config as config_module, experiment
from imbalance_tf.training.arms import ARMS, Arm, Mining, TwoStage
from imbalance_tf.training.batches import Balanced, Mixed, Random, Smote
from imbalance_tf.training.decisions import NaturalHead, PriorCorrected
from imbalance_tf.training.experiment import run_folder
from imbalance_tf.training.losses import CrossEntropy, Focal, LogitAdjusted, Loss
from imbalance_tf.training.networks import UNet

LENGTHS = {"epochs": 2, "steps": 10, "patch_size": 24}


def _config(arm="balanced", **other):
    return ExperimentConfig(arm, **{**LENGTHS, **other})


def _identity(arm="balanced", **other):
    """Of all models of a run, as text."""
    trainings = _config(arm, **other).trainings()
    return json.dumps([training.identity() for training in trainings], sort_keys=True)


@pytest.fixture
def folder(cohort, tmp_path):
    """Where the scores of a config are kept, on two of the cases and the third."""
    train, test = cohort.split(test_cases=["tiny"])
    return lambda arm="balanced", **other: run_folder(_config(arm, **other), train, test, tmp_path)


def test_the_name_of_an_arm_decides_nothing(folder):
    assert folder(Arm("mine")) == folder(Arm("yours")) == folder("balanced")
    renamed = TwoStage("mine", first=Arm("a"), second=Arm("b"))
    assert folder(renamed) == folder("two classifiers")


def test_a_decision_shares_the_training_and_has_its_own_scores(folder):
    plain, corrected = folder("balanced"), folder("balanced, priors corrected")
    assert plain.parent == corrected.parent
    assert plain != corrected
    assert corrected != folder(Arm("half", decision=PriorCorrected(strength=0.5)))


def test_nothing_of_the_machine_or_the_installation_enters(folder, monkeypatch):
    before = folder("hard"), _identity("hard")
    assert _config("hard", precision="mixed_bfloat16") == _config("hard")
    monkeypatch.setattr(experiment, "version", lambda name: "99.0")
    monkeypatch.setattr(experiment.platform, "machine", lambda: "abacus")
    after = folder("hard", precision="mixed_bfloat16")
    assert (after, _identity("hard", precision="mixed_bfloat16")) == before


def test_another_version_of_the_training_is_another_run(folder, monkeypatch):
    before = folder()
    monkeypatch.setattr(config_module, "TRAINING_VERSION", config_module.TRAINING_VERSION + 1)
    assert folder() != before


@pytest.mark.parametrize("change", [{"threshold": 0.2}, {"candidates_per_class": 7}])
def test_settings_of_mining_enter_where_something_is_mined_only(folder, change):
    for name, arm in ARMS.items():
        mining = getattr(arm, "mining", None)
        own = mining and getattr(mining, "threshold" if "threshold" in change else "candidates")
        decided_here = mining is not None and own is None
        assert (folder(name, **change) != folder(name)) == decided_here, name


def test_the_same_threshold_is_the_same_whoever_gives_it(folder):
    by_arm = Arm("x", mining=Mining(threshold=0.75, candidates=50))
    assert folder(by_arm) == folder("hard", threshold=0.75, candidates_per_class=50)
    assert folder(by_arm, threshold=0.1, candidates_per_class=9) == folder(by_arm)
    wrong_only = Arm("x", mining=Mining(threshold=0))
    assert folder(wrong_only) == folder("hard", threshold=0.0) == folder("hard 0")


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 3},
        {"steps": 11},
        {"batch_size": 7},
        {"patch_size": 32},
        {"learning_rate": 0.01},
        {"seed": 1},
    ],
)
def test_lengths_and_seed_decide_every_model(folder, change):
    for name in ("random", "two classifiers", "balanced, natural head", "U-Net, balanced"):
        assert folder(name, **change) != folder(name)
        before = json.loads(_identity(name))
        after = json.loads(_identity(name, **change))
        assert all(old != new for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Arm("", loss=Focal(gamma=3)), Arm("", loss=Focal(gamma=3.0))),
        (Arm("", loss=LogitAdjusted(tau=2)), Arm("", loss=LogitAdjusted(tau=2.0))),
        (Arm("", finish=NaturalHead(share=1)), Arm("", finish=NaturalHead(share=1.0))),
        (Arm("", decision=PriorCorrected(2)), Arm("", decision=PriorCorrected(2.0))),
        (Arm("", network=UNet([8, 16, 32, 64])), Arm("", network=UNet())),
        (Arm("", network=UNet([4, 8])), Arm("", network=UNet((4, 8)))),
        (Arm("", sampling=Balanced([0.2] * 5)), Arm("", sampling=Balanced((0.2,) * 5))),
        (Arm("", sampling=Balanced({"healthy": 1})), Arm("", sampling=Balanced({"healthy": 1.0}))),
    ],
)
def test_equal_settings_are_the_same_run(folder, one, other):
    assert one == other
    assert folder(one) == folder(other)
    assert folder(one, learning_rate=1) == folder(other, learning_rate=1.0)


def test_the_task_and_the_finish_decide_a_model():
    first, second = json.loads(_identity("two classifiers"))
    assert first != second, "the two differ in their task only"
    whole = _identity(Arm("", sampling=Random()), steps=1)
    heads = [
        _identity(Arm("", finish=NaturalHead(share=0.1))),
        _identity(Arm("", finish=NaturalHead(share=0.11))),  # as many steps, rounded
        _identity(Arm("", sampling=Mixed(), finish=NaturalHead(share=0.1))),
    ]
    assert len({whole, *heads}) == 4


def test_the_cases_decide(cohort, tmp_path):
    small, large, tiny = (cohort.subset([name]) for name in cohort.case_ids)
    folders = {
        run_folder(_config(), train, test, tmp_path)
        for train, test in [(small, tiny), (small, large), (large, tiny)]
    }
    assert len(folders) == 3
    assert len({folder.parent for folder in folders}) == 2, "the test decides no model"


def test_only_what_is_not_the_default_enters():
    """So that a new field with a default leaves the identity of old runs as it is."""
    version = config_module.TRAINING_VERSION
    lengths = {"epochs": 2, "steps": 10, "patch_size": 24}
    assert json.loads(_identity()) == [{**lengths, "version": version}]
    (identity,) = json.loads(_identity(Arm("", loss=Focal(gamma=1.0)), seed=3))
    loss = {"is": "Focal", "gamma": 1.0}
    assert identity == {**lengths, "version": version, "loss": loss, "seed": 3}


def test_a_new_field_with_a_default_leaves_the_run_as_it_is(folder):
    @dataclass(frozen=True)
    class Fancy(Loss):
        strength: float = 1.0

    old = Fancy
    old.__module__ = "imbalance_tf.training.losses"

    @dataclass(frozen=True)
    class Fancy(Loss):
        strength: float = 1.0
        kind: str = "usual"

    Fancy.__module__ = "imbalance_tf.training.losses"
    assert folder(Arm("", loss=old(2.0))) == folder(Arm("", loss=Fancy(2.0)))
    assert folder(Arm("", loss=old(2.0))) != folder(Arm("", loss=Fancy(2.0, kind="other")))


SOURCE = """
from dataclasses import dataclass
from imbalance_tf.training.losses import Focal, Loss

@dataclass(frozen=True)
class Mine(Loss):
    scale: float = 1.0

    def build(self, natural):
        return lambda labels, logits: self.scale * (labels - logits) ** 2
"""


@pytest.fixture
def define(tmp_path):
    """The class `Mine` of a file of this content."""
    numbers = itertools.count()

    def define(source, name="Mine"):
        path = tmp_path / f"own_{next(numbers)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("own", path)
        module = importlib.util.module_from_spec(spec)
        # As an import would: the source of a class is looked up by its module.
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(importlib.sys.modules, "own", module)
            spec.loader.exec_module(module)
            part = getattr(module, name)()
            described = part.described()
        return part, described

    return define


@pytest.fixture(params=["of a file", "typed"])
def described(request, define):
    """What an own part says of itself, whose class is of a file, or typed into a notebook."""

    def describe(source, name="Mine"):
        if request.param == "of a file":
            return define(source, name)[1]
        namespace = {"__name__": "__main__"}
        exec(source, namespace)
        return namespace[name]().described()

    return describe


def test_an_own_part_is_told_from_another_of_its_name_by_its_code(define):
    _, described = define(SOURCE)
    assert described["is"] == "Mine"
    _, commented = define(SOURCE.replace("    def build", "    # Squares.\n\n    def build"))
    assert commented == described
    for change in [("** 2", "** 4"), ("scale: float = 1.0", "scale: float = 2.0")]:
        _, other = define(SOURCE.replace(*change))
        assert other != described


def test_an_own_part_of_a_notebook_is_told_by_its_code_too():
    """In a notebook, or typed into an interpreter, a class has no file to be read."""

    def typed(source):
        namespace = {"__name__": "__main__"}
        exec(source, namespace)
        return namespace["Mine"]().described()

    described = typed(SOURCE)
    assert typed(SOURCE) == typed("\n\n# moved down" + SOURCE) == described
    for change in [
        ("** 2", "** 4"),
        ("labels - logits", "labels + logits"),
        ("scale: float = 1.0", "scale: float = 2.0"),
        ("build(self, natural)", "build(self, natural=None)"),
        ("class Mine(Loss)", "class Mine(Focal)"),
    ]:
        assert typed(SOURCE.replace(*change)) != described, change


def test_the_code_of_an_own_base_class_counts(define):
    derived = SOURCE + "\nclass Derived(Mine):\n    pass\n"
    _, described = define(derived, "Derived")
    _, other = define(derived.replace("** 2", "** 4"), "Derived")
    assert other != described


def test_the_code_of_an_own_base_class_in_another_file_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    described = []
    for source in (SOURCE, SOURCE.replace("** 2", "** 4")):
        (tmp_path / "own_base.py").write_text(source)
        text = "from own_base import Mine\n\nclass Derived(Mine):\n    pass\n"
        (tmp_path / "own_derived.py").write_text(text)
        linecache.clearcache()
        importlib.invalidate_caches()
        described.append(importlib.import_module("own_derived").Derived().described())
        for name in ("own_base", "own_derived"):
            monkeypatch.delitem(sys.modules, name)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    assert described[0] != described[1]


USES = """
from dataclasses import dataclass
from imbalance_tf.training.losses import Loss

POWER = 2
WEIGHTS = [1, 2]
UNUSED = 7

def _again(value):
    return _again(value - 1) if value > 1 else value * 3

def _cost(difference):
    return _again(difference) ** POWER

def around(scale):
    @dataclass(frozen=True)
    class Around(Loss):
        def build(self, natural):
            return lambda labels, logits: scale * (labels - logits)
    return Around

Around = around(1)

@dataclass(frozen=True)
class Mine(Loss):
    def build(self, natural):
        def loss(labels, logits):
            return WEIGHTS[0] * _cost(labels - logits)
        return loss
"""


def test_what_the_code_of_an_own_part_uses_counts(described):
    """A helper or a constant of the same file that was changed is no longer the same run."""

    def described_after(*change, name="Mine"):
        return described(USES.replace(*change), name)

    for change in [("= 2", "= 3"), ("[1, 2]", "[1, 3]"), ("* 3", "* 4"), ("> 1", "> 2")]:
        assert described_after(*change) != described(USES), change
    assert described_after("UNUSED = 7", "UNUSED = 8") == described(USES)
    assert described_after("around(1)", "around(2)", name="Around") != described(USES, "Around")


HIDDEN = """
from dataclasses import dataclass
from functools import cached_property
from imbalance_tf.training.losses import Focal, Loss

FIELD, ARGUMENT, CACHED = 2.0, 3.0, 4.0
BASE = Focal(5.0)

@dataclass(frozen=True)
class Mine(Loss):
    power: float = FIELD
    table = [6.0]

    @cached_property
    def kept(self):
        return CACHED

    def build(self, shares, other=ARGUMENT):
        return lambda labels, logits: BASE.gamma * self.kept
"""


@pytest.mark.parametrize("number", ["2.0", "3.0", "4.0", "5.0", "6.0"])
def test_no_constant_of_an_own_part_is_overlooked(described, number):
    """A default of a field or an argument, in a property that is kept, in a part, in a list."""

    assert described(HIDDEN.replace(number, "9.0")) != described(HIDDEN) == described(HIDDEN)


USED = {
    "a dict with numbers as keys": ("W = {0: 1.0, 1: 2.0}", "W"),
    "a list of dicts": ("W = [{0: 2.0}]", "W"),
    "a set": ("W = {'a', 2.0}", "W"),
    "a range": ("W = range(int(2.0))", "W"),
    "a complex number": ("W = 2.0j", "W"),
    "an array": ("W = np.array([2.0])", "W"),
    "an enumeration": ("class W(Enum):\n    A = 2.0", "W.A"),
    "a function in a dict": ("def a(x):\n    return 2.0\nW = {'a': a}", "W['a']"),
    "a lambda of a constant": ("K = 2.0\nW = lambda x: K", "W(1)"),
    "what keeps its values": ("@lru_cache\ndef w(x):\n    return 2.0", "w(1)"),
    "a compiled function": (
        "import tensorflow as tf\n@tf.function\ndef w(x):\n    return 2.0",
        "w",
    ),
    "a function with an argument given": (
        "def a(x, y):\n    return x\nW = partial(a, 2.0)",
        "W(1)",
    ),
    "a wrapped function": (
        "def twice(f):\n    @wraps(f)\n    def inner(x):\n        return f(x) * 2.0\n"
        "    return inner\n@twice\ndef w(x):\n    return x",
        "w(1)",
    ),
    "a wrapper": (
        "def times(k):\n    def wrap(f):\n        @wraps(f)\n        def inner(x):\n"
        "            return f(x) * k\n        return inner\n    return wrap\n"
        "@times(2.0)\ndef w(x):\n    return x",
        "w(1)",
    ),
    "a part": ("from imbalance_tf.training.losses import Focal\nW = [Focal(2.0)]", "W[0].gamma"),
    "a number of NumPy": ("W = np.float32(2.0)", "W"),
    "an object": ("class A:\n    def __init__(self, x):\n        self.x = x\nW = A(2.0)", "W.x"),
    "a record": ("@dataclass\nclass A:\n    x: float\nW = A(2.0)", "W.x"),
    "a loss of Keras": (
        "import keras\nW = keras.losses.CategoricalFocalCrossentropy(gamma=2.0)",
        "W",
    ),
    "an attribute of a class": ("K = 2.0\nclass A:\n    x = K", "A.x"),
    "a method of a class": ("K = 2.0\nclass A:\n    def f(self):\n        return K", "A().f()"),
    "a constant in a class in a method": ("K = 2.0", "type('A', (), {'x': K})"),
}
USES_IT = """
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial, wraps
import numpy as np
from imbalance_tf.training.losses import Loss

{defined}

@dataclass(frozen=True)
class Mine(Loss):
    def build(self, shares):
        class Inner:
            kept = {used}
        return {used}
"""
MEMBERS = """
from dataclasses import dataclass
from imbalance_tf.training.losses import Loss

K, L = 2.0, 3.0

def f(x):
    return 4.0

@dataclass(frozen=True)
class Mine(Loss):
    gamma = K
    weights = {0: 5.0}
    pair = (f, 6.0)
    static = staticmethod(f)

    def build(self, shares, g=f):
        class Inner:
            kept = L
        return Inner
"""


@pytest.mark.parametrize("what", USED)
def test_whatever_an_own_part_uses_counts(described, what):
    """Keys, caches, wrappers, objects: a change in any of them is another model."""
    defined, used = USED[what]
    source = USES_IT.format(defined=defined, used=used)

    assert described(source.replace("2.0", "9.0")) != described(source) == described(source)


@pytest.mark.parametrize("number", ["2.0", "3.0", "4.0", "5.0", "6.0"])
def test_whatever_an_own_part_has_counts(described, number):
    assert described(MEMBERS.replace(number, "9.0")) != described(MEMBERS) == described(MEMBERS)


def test_the_identity_of_an_own_part_is_the_same_in_another_process():
    """A place in memory, or the order of a set, must not enter it."""
    script = f"namespace = {{'__name__': '__main__'}}; exec({MEMBERS!r}, namespace); "
    script += "print(namespace['Mine']().described())"
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_a_file_that_is_edited_meanwhile_changes_no_identity_of_what_runs(tmp_path, monkeypatch):
    """In memory stands the older code, and a study asks for the identity of each of its runs."""
    path = tmp_path / "own_arms.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("own_arms").Mine()
    before = mine.described()
    path.write_text(SOURCE.replace("** 2", "** 4"))
    linecache.checkcache()
    assert mine.described() == before
    monkeypatch.delitem(sys.modules, "own_arms")


def test_the_code_of_an_own_part_that_is_used_counts(described):
    source = (
        SOURCE.replace("class Mine", "class Other")
        + """
BASE = Other()

@dataclass(frozen=True)
class Mine(Loss):
    def build(self, shares):
        return BASE.build(shares)
"""
    )

    assert described(source.replace("** 2", "** 4")) != described(source) == described(source)


def test_a_copy_leaves_an_own_part_what_it_is():
    namespace = {"__name__": "__main__"}
    exec(SOURCE, namespace)
    part = namespace["Mine"]()
    before = part.described()
    copy.copy(part)
    assert part.described() == before


def test_settings_that_are_no_fields_are_refused(folder):
    """Two of them would be the same run."""

    class Hidden(Loss):
        def __init__(self, scale):
            self.scale = scale

    with pytest.raises(TypeError, match=r"Hidden keeps scale.*@dataclass\(frozen=True\)"):
        folder(Arm("", loss=Hidden(3)))


@dataclass(frozen=True)
class Own(Loss):
    setting: object = None


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [lambda x: x, object(), {1: 2}, {1, 2}, b"x", 1j, [print]])
def test_a_setting_that_cannot_be_kept_is_refused_before_the_training(folder, value):
    with pytest.raises(TypeError, match=r"Own: setting=.* are expected"):
        folder(Arm("", loss=Own(value)))


@pytest.mark.parametrize(
    ("numpys", "pythons"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1.0, 2.0]), (1.0, 2.0)),
        ([np.uint8(1), (2, 3)], (1, (2, 3))),
        ({"a": np.float64(1)}, {"a": 1.0}),
        ((Focal(np.float32(3)),), (Focal(3.0),)),
    ],
    ids=str,
)
def test_numbers_of_numpy_are_numbers(folder, numpys, pythons):
    assert folder(Arm("", loss=Own(numpys))) == folder(Arm("", loss=Own(pythons)))
    described = json.loads(json.dumps(_config(Arm("", loss=Own(numpys))).described()))
    assert ExperimentConfig.from_description(described).arm.loss.setting == pythons


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Focal(np.int64(3)), Focal(3)),
        (LogitAdjusted(np.float32(0.5)), LogitAdjusted(0.5)),
        (Mixed(np.float32(0.5)), Mixed(0.5)),
        (Smote(np.int64(7), np.int16(99)), Smote(7, 99)),
        (NaturalHead(np.float32(0.5)), NaturalHead(0.5)),
        (PriorCorrected(np.int8(2)), PriorCorrected(2)),
        (
            Balanced(pd.Series({"edema": 0.5, "healthy": 0.5})),
            Balanced({"healthy": 0.5, "edema": 0.5}),
        ),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_pandas_are_the_same_part(one, other):
    assert json.dumps(one.described(), sort_keys=True) == json.dumps(
        other.described(), sort_keys=True
    )


def test_an_own_part_that_has_the_name_of_one_of_ours_does_not_stand_in_for_it(define):
    stranger, _ = define(SOURCE.replace("Mine", "Focal"), "Focal")
    assert type(stranger) is not Focal
    described = json.loads(json.dumps(_config("focal loss").described()))
    assert type(ExperimentConfig.from_description(described).arm.loss) is Focal


def test_no_two_arms_are_the_same_training_unless_they_differ_in_the_decision():
    for one, other in itertools.combinations(ARMS.values(), 2):
        apart = isinstance(one, TwoStage) or isinstance(other, TwoStage)
        same = not apart and replace(one, name="", decision=other.decision) == replace(
            other, name=""
        )
        # Of an arm that mines, the threshold of the profile is no other than its own 0.75.
        assert (_identity(one) == _identity(other)) == same, (one.name, other.name)


OWN = [
    Arm("shares by name", sampling=Balanced(shares={"healthy": 0.5, "edema": 0.5})),
    Arm("shares in order", sampling=Balanced(shares=[0.6, 0.1, 0.1, 0.1, 0.1], within="case")),
    Arm("small", sampling=Mixed(0.5), network=UNet(filters=[4, 8]), loss=Focal(1)),
    Arm("few", sampling=Smote(neighbours=1, pool=2), finish=NaturalHead(share=0.5)),
    TwoStage(
        "two of our own",
        first=Arm("rare or not", sampling=Random(), loss=CrossEntropy(weights="inverse")),
        second=Arm("kind", decision=PriorCorrected(strength=0.5)),
        budget=0.75,
    ),
]


@pytest.mark.parametrize("arm", [*ARMS.values(), *OWN], ids=lambda arm: arm.name)
def test_a_config_is_read_back_from_its_description(arm):
    config = _config(arm, learning_rate=0.01, seed=3)
    described = json.loads(json.dumps(config.described()))
    read = ExperimentConfig.from_description(described)
    assert read == config
    assert read.trainings() == config.trainings()
    assert [t.identity() for t in read.trainings()] == [t.identity() for t in config.trainings()]


def test_an_unknown_part_says_what_to_do():
    described = _config("focal loss").described()
    described["arm"]["loss"] = {"is": "Hinge"}
    with pytest.raises(ValueError, match=r"'Hinge' is no part .*import the file that defines it"):
        ExperimentConfig.from_description(described)
