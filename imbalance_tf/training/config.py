"""What decides a run: an arm, lengths and a seed, besides its cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .arms import Arm, TwoStage, arm_named
from .batches import Random
from .decisions import Finish
from .parts import rebuilt
from .task import ALL, FIRST, SECOND

__all__ = ["PRECISIONS", "TRAINING_VERSION", "ExperimentConfig", "Training"]

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
        Epochs, and batches in each (paper: 50 and 1000).
    batch_size, patch_size : int
        Patches in a batch, and their rows and columns (paper: 120 and 64).
    learning_rate : float
        Of Adam at the start; falls to 0 along a half cosine. The paper gives none.
    threshold, candidates_per_class
        Of an arm that mines and does not give its own; see `HardExampleMining`.
    precision : {"float32", "mixed_bfloat16"}
        Of the training, see `patch_cnn`. The machine decides it, not the experiment: two configs
        that differ in it only are equal, and a run that is there is read, whatever it was trained
        in.
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
    batch_size: int = 120
    patch_size: int = 64
    learning_rate: float = 1e-3
    threshold: float = 0.75
    candidates_per_class: int = 1000
    precision: str = field(default="float32", compare=False)
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "arm", arm_named(self.arm))
        smallest = {
            "epochs": 1,
            "steps": 1,
            "batch_size": 1,
            "candidates_per_class": 1,
            "patch_size": 22,
            "seed": 0,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value}; a whole number from {least} is expected")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision={self.precision!r}; one of {', '.join(PRECISIONS)} is expected"
            )
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold}; a probability from 0 to 1 is expected")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate}; above 0 is expected")
        if isinstance(self.arm, Arm) and self.patch_size % self.arm.network.multiple:
            raise ValueError(
                f"patch_size={self.patch_size}; for {type(self.arm.network).__name__} a multiple "
                f"of {self.arm.network.multiple} is expected"
            )

    def trainings(self) -> "tuple[Training, ...]":
        """The trainings that the arm takes, in the order in which their models are used."""
        if isinstance(self.arm, TwoStage):
            steps = max(1, round(self.arm.budget * self.steps))
            stages = {FIRST: self.arm.first, SECOND: self.arm.second}
            return tuple(
                Training(replace(self, arm=arm, steps=steps), task) for task, arm in stages.items()
            )
        whole = Training(self)
        if self.arm.finish is None:
            return (whole,)
        steps = max(1, round(self.arm.finish.share * self.steps))
        natural = replace(self.arm, sampling=Random(), mining=None)
        return (Training(replace(self, arm=natural, steps=steps), after=whole),)

    def described(self) -> dict[str, Any]:
        """As JSON, to be read by `ExperimentConfig.from_description`."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        return settings | {"arm": self.arm.described()}

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> "ExperimentConfig":
        """The config that `described` described; ValueError if its arm has an unknown part."""
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
        """Of its mining: that of the arm, or else that of the config."""
        own = self.arm.mining.threshold if self.arm.mining else None
        return self.config.threshold if own is None else own

    @property
    def candidates(self) -> int:
        """Of its mining, a class: those of the arm, or else those of the config."""
        own = self.arm.mining.candidates if self.arm.mining else None
        return self.config.candidates_per_class if own is None else own

    @property
    def finish(self) -> Finish | None:
        """What is trained on after another training, if this one comes after one."""
        return self.arm.finish if self.after else None

    @property
    def chain(self) -> "tuple[Training, ...]":
        """The training that this one finishes, if any, and this one."""
        return (self,) if self.after is None else (*self.after.chain, self)

    def identity(self) -> dict[str, Any]:
        """All that decides the model, as JSON; of what has its default nothing.

        So a new field with a default leaves the identity of old runs as it is. Nothing of the
        machine or of the installation enters, so that what was trained on one is found on another.
        """
        identity: dict[str, Any] = self.arm.described()
        for name in ("is", "name", "decision", "finish"):
            identity.pop(name, None)
        if self.arm.mining:  # resolved: the same threshold is the same, whoever gave it
            identity["mining"] = self.arm.mining.described() | {
                "threshold": float(self.threshold),
                "candidates": self.candidates,
            }
        for each in fields(self.config):
            value = getattr(self.config, each.name)
            if each.name in ("arm", "threshold", "candidates_per_class") or not each.compare:
                continue
            if value != each.default:
                identity[each.name] = float(value) if isinstance(each.default, float) else value
        if self.task != ALL:
            identity["task"] = self.task
        if self.after and self.finish:
            identity |= {"finish": self.finish.described(), "after": self.after.identity()}
        return identity | {"version": TRAINING_VERSION}

    @property
    def label(self) -> str:
        """What its folder begins with, for people: the parts that are not the defaults."""
        arm = self.after.arm if self.after else self.arm
        parts = [arm.sampling, arm.mining, arm.loss, arm.network, self.finish]
        default = Arm("")
        others = [
            type(part).__name__.lower()
            for part in parts[1:]
            if part is not None and part not in (default.loss, default.network)
        ]
        task = [] if self.task == ALL else [self.task.replace(" ", "_")]
        return "-".join([type(arm.sampling).__name__.lower(), *others, *task])
