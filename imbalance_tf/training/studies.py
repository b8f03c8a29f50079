"""Study: a question, as arms that are compared on every case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .arms import ARMS, PAPER_ARMS, arm_named
from .config import ExperimentConfig

__all__ = ["STUDIES", "Study"]

LONGEST_EPOCH = 1000
"""Batches, as in the paper."""


@dataclass(frozen=True)
class Study:
    """A question: arms x folds x seeds on a cohort, every case tested once per seed and arm.

    Parameters
    ----------
    name : str
    question : str
        In one sentence.
    arms : sequence of Arm, TwoStage, or names of `ARMS`
    folds : int
        Of the cohort, by case; each is tested by what was trained on the others.
    seeds : int
        Trainings of each arm on each fold.
    lengths : sequence of int, optional
        Batches of a training, to compare lengths; by default the one of the profile.
    cohorts : mapping of name to settings, optional
        Embedded cohorts to ask the same of: settings of `write_phantom_cohort` that are not those
        of the profile. Without it, any one cohort.

    Raises
    ------
    ValueError
        If an arm is unknown, or two have one name.

    Examples
    --------
    >>> study = Study("mine", "Is half healthy tissue enough?", ["balanced", "half healthy"])
    >>> len(study.arms), study.folds
    (2, 5)
    """

    name: str
    question: str
    arms: Sequence[Any]  # accepts names, is a tuple of Arm and TwoStage
    folds: int = 5
    seeds: int = 1
    lengths: Sequence[int] | None = None
    cohorts: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self):
        arms = tuple(arm_named(arm) for arm in self.arms)
        object.__setattr__(self, "arms", arms)
        names = [arm.name for arm in arms]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"arms named {', '.join(twice)} twice; each needs a name of its own")
        for name, least in {"folds": 2, "seeds": 1}.items():
            if not isinstance(value := getattr(self, name), int) or value < least:
                raise ValueError(f"{name}={value}; a whole number from {least} is expected")

    def configs(self, like: ExperimentConfig) -> list[ExperimentConfig]:
        """Of every arm and length, all else as in another config."""
        lengths = [like] if self.lengths is None else [_of_length(like, n) for n in self.lengths]
        return [replace(length, arm=arm) for length in lengths for arm in self.arms]


def _of_length(like: ExperimentConfig, batches: int) -> ExperimentConfig:
    """As many epochs as before, or more if one would be longer than the paper's."""
    steps = min(LONGEST_EPOCH, max(1, batches // like.epochs))
    return replace(like, epochs=max(1, batches // steps), steps=steps)


_UNETS = tuple(name for name in ARMS if name.startswith("U-Net"))

STUDIES: Mapping[str, Study] = {
    study.name: study
    for study in (
        Study(
            "paper",
            "Do balanced batches beat random ones, and hard examples either, on every case?",
            PAPER_ARMS,
        ),
        Study(
            "thresholds",
            "How sure may a network be of a patch that still counts as hard?",
            ("balanced", "hard 0", "hard 0.5", "hard", "hard 0.9", "hard 0.99"),
        ),
        Study(
            "shares",
            "How much healthy tissue belongs in a batch?",
            (
                *("random", "balanced", "majority 50%", "majority 80%", "majority 90%"),
                *("half healthy", "half healthy, mined", "by case"),
            ),
        ),
        Study(
            "two-classifiers",
            "Does dividing the task in two remove the imbalance?",
            (*PAPER_ARMS, "two classifiers", "two classifiers, twice the budget"),
        ),
        Study(
            "remedies",
            "Which of all remedies against imbalance helps, under the same budget?",
            tuple(name for name in ARMS if name not in _UNETS),
        ),
        Study(
            "networks",
            "Does a network that predicts maps need balanced batches as well?",
            ("random", "balanced", "a third", *_UNETS),
        ),
        Study(
            "length",
            "Does the answer depend on how long one trains?",
            PAPER_ARMS,
            lengths=(250, 1000, 4000, 16000),
        ),
        Study(
            "characteristics",
            "What about a cohort predicts whether balanced batches pay?",
            PAPER_ARMS[:2],
            cohorts={
                "as it is": {},
                "rarer": {"volume": 0.3},
                "commoner": {"volume": 1.5},
                "clearer": {"contrast": 1.6},
                "more ambiguous": {"contrast": 0.6},
                "fewer cases": {"cases": 10},
                "more cases": {"cases": 40},
            },
        ),
    )
}
"""The studies of this project, by name."""
