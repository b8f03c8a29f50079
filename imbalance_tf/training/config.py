"""What decides a run, besides its cohort: an arm, lengths and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from imbalance_tf.cohort.arguments import (
    candidates_of,
    expect,
    expect_sizes,
    is_number,
    one_of,
    probability,
    seed_of,
    settle,
    whole,
)
from imbalance_tf.sampling.paper import BATCH_SIZE, PATCH_SIZE, THRESHOLD

from .arms import Arm, TwoStage, arm_named
from .batches import Random
from .parts import rebuilt
from .task import ALL, FIRST, SECOND

TRAINING_VERSION = 1
"""Raised whenever the same arm trains another model: another network, other batches, other
defaults. `test_training_version` fails when that has been forgotten."""

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything that a run depends on, besides its cohort.

    Parameters
    ----------
    arm : Arm, TwoStage, or the name of one of `ARMS`
        How to train and decide; all else is the same for the arms that are compared.
    epochs, steps : int
        Epochs, and batches per epoch (paper: 50 and 1000).
    batch_size, patch_size : int
        Patches in a batch, and their rows and columns (paper: 120 and 64).
    learning_rate : float
        Of Adam at the start; falls to 0 along a half cosine. The paper gives none.
    threshold, candidates_per_class
        For an arm that mines without giving its own; see `HardExampleMining`.
    precision : {"float32", "mixed_bfloat16"}
        Of the training, see `patch_cnn`. It depends on the machine and is not compared: a finished
        run is read, whatever precision it was trained in.
    seed : int
        Of the initial weights and of every batch.

    Examples
    --------
    >>> config = ExperimentConfig("balanced", epochs=50, steps=1000)
    >>> config.batch_size, config.arm.sampling
    (120, Balanced(shares=None, minorities='equal', within='class'))
    """

    arm: Any  # accepts a name, is an Arm or TwoStage
    epochs: int
    steps: int
    batch_size: int = BATCH_SIZE
    patch_size: int = PATCH_SIZE
    learning_rate: float = 1e-3
    threshold: float = THRESHOLD
    candidates_per_class: int = 1000
    precision: str = field(default="float32", compare=False)
    seed: int = 0

    def __post_init__(self):
        rate = self.learning_rate
        one_of(*PRECISIONS, precision=self.precision)
        expect(is_number(rate) and rate > 0, "a number above 0", learning_rate=rate)
        sizes = {name: getattr(self, name) for name in ("steps", "batch_size", "patch_size")}
        expect_sizes(**sizes, smallest_patch=22)
        # Of Python, or the same run would be described otherwise: 0 and 0.0, and NumPy's numbers.
        settle(
            self,
            arm=arm_named(self.arm),
            epochs=whole(1, 10**6, epochs=self.epochs),
            candidates_per_class=candidates_of(candidates_per_class=self.candidates_per_class),
            seed=seed_of(self.seed),
            threshold=probability(threshold=self.threshold),
            learning_rate=float(rate),
            **{name: int(size) for name, size in sizes.items()},
        )
        if isinstance(self.arm, Arm):
            network = self.arm.network
            expected = f"for {type(network).__name__} a multiple of {network.multiple}"
            expect(self.patch_size % network.multiple == 0, expected, patch_size=self.patch_size)

    def trainings(self) -> "tuple[Training, ...]":
        """The trainings that the arm takes, in the order in which their models are used."""
        if isinstance(self.arm, TwoStage):
            steps = max(1, round(self.arm.budget * self.steps))
            return tuple(
                Training(replace(self, arm=arm, steps=steps), task)
                for task, arm in ((FIRST, self.arm.first), (SECOND, self.arm.second))
            )
        whole = Training(replace(self, arm=replace(self.arm, finish=None)))
        if self.arm.finish is None:
            return (whole,)
        steps = max(1, round(self.arm.finish.share * self.steps))
        natural = replace(self.arm, sampling=Random(), mining=None)
        return (Training(replace(self, arm=natural, steps=steps), after=whole),)

    def described(self) -> dict[str, Any]:
        """As JSON, to be read by `ExperimentConfig.from_description`."""
        return vars(self) | {"arm": self.arm.described()}

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> "ExperimentConfig":
        """The config that `described` described; ValueError if it has what is not known here."""
        if unknown := described.keys() - {field.name for field in fields(cls)}:
            raise ValueError(
                f"the config of this run has {', '.join(sorted(unknown))}, which this version of "
                f"imbalance_tf does not know: it was made by a newer one; install that to read it"
            )
        return cls(**{**described, "arm": rebuilt(described["arm"])})


@dataclass(frozen=True)
class Training:
    """What decides one model, besides the cohort: of an arm all but its name and its decision.

    Parameters
    ----------
    config : ExperimentConfig
        With an `Arm`.
    task : str
        What the model tells apart.
    after : Training, optional
        The training that this one finishes.
    """

    config: ExperimentConfig
    task: str = ALL
    after: "Training | None" = None

    @property
    def arm(self) -> Arm:
        """The arm that is trained."""
        assert isinstance(self.config.arm, Arm)
        return self.config.arm

    @property
    def threshold(self) -> float:
        """That of the arm's mining, or else that of the config."""
        own = self.arm.mining.threshold if self.arm.mining else None
        return self.config.threshold if own is None else own

    @property
    def candidates(self) -> int:
        """Of each class that is mined: those of the arm, or else those of the config."""
        own = self.arm.mining.candidates if self.arm.mining else None
        return own or self.config.candidates_per_class

    @property
    def chain(self) -> "tuple[Training, ...]":
        """The training that this one finishes, if any, and this one."""
        return (self,) if self.after is None else (*self.after.chain, self)

    def identity(self) -> dict[str, Any]:
        """What decides the model, as JSON; without what has its default.

        So a new field with a default leaves the identity of old runs as it is. Nothing of the
        machine or of the installation enters: what was trained on one is found on another.
        """
        left_out = ("is", "name", "decision", "finish")
        described = self.arm.described().items()
        identity: dict[str, Any] = {key: part for key, part in described if key not in left_out}
        if self.arm.mining:  # the same threshold is the same run, whoever gave it
            mined = {"threshold": float(self.threshold), "candidates": self.candidates}
            identity["mining"] |= mined
        for each in fields(self.config):
            value = getattr(self.config, each.name)
            if each.name in ("arm", "threshold", "candidates_per_class") or not each.compare:
                continue
            if value != each.default:
                identity[each.name] = float(value) if isinstance(each.default, float) else value
        if self.task != ALL:
            identity["task"] = self.task
        if self.after and self.arm.finish:
            identity |= {"finish": self.arm.finish.described(), "after": self.after.identity()}
        return identity | {"version": TRAINING_VERSION}

    @property
    def label(self) -> str:
        """For people, the beginning of its folder's name: the parts that are not the defaults."""
        arm, usual = self.chain[0].arm, (None, Arm.loss, Arm.network)
        parts = [arm.mining, arm.loss, arm.network, self.arm.finish]
        named = [arm.sampling, *(part for part in parts if part not in usual)]
        task = [] if self.task == ALL else [self.task.replace(" ", "_")]
        return "-".join([*(type(part).__name__.lower() for part in named), *task])
