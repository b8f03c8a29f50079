"""Study: a question, as arms that are compared on every case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imbalance_tf.cohort.arguments import expect, is_list, settle, whole
from imbalance_tf.cohort.names import expect_name

from .arms import ARMS, PAPER_ARMS, arm_named
from .config import ExperimentConfig

LONGEST_EPOCH = 1000  # batches, as in the paper
LONGEST = 10**9  # a training: as many epochs as a config can have


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
        Of the cohort, by case; each is tested by the models that were trained on the others.
    seeds : int
        Trainings of each arm on each fold.
    lengths : sequence of int, optional
        Batches per training, to compare lengths; by default those of the profile.
    cohorts : mapping of name to settings, optional
        Embedded cohorts on which to ask the question: ``cases``, ``volume`` or ``contrast`` of
        `write_phantom_cohort` where they differ from the profile's. Without it, any one cohort.

    Raises
    ------
    ValueError
        If there is no arm, one is unknown, or two have one name; if a name cannot stand in tables
        and figures; or another argument is wrong.

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
        expect_name(self.name, "study", of_file=True)
        expect(isinstance(self.question, str), "a sentence", question=self.question)
        arms = tuple(arm_named(arm) for arm in _listed(arms=self.arms))
        names = [arm.name for arm in arms]
        for name in names:
            expect_name(name, "arm")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"arms named {', '.join(twice)} twice; each needs a name of its own")
        folds, seeds = whole(2, folds=self.folds), whole(1, 1000, seeds=self.seeds)
        settle(self, arms=arms, folds=folds, seeds=seeds)
        if self.lengths is not None:
            lengths = _listed(lengths=self.lengths)
            settle(self, lengths=tuple(whole(1, LONGEST, lengths=length) for length in lengths))
        if self.cohorts is not None:
            named = isinstance(self.cohorts, Mapping) and all(
                isinstance(settings, Mapping) and settings.keys() <= {"cases", "volume", "contrast"}
                for settings in self.cohorts.values()
            )
            expected = "for each name a mapping of settings: cases, volume or contrast,"
            expect(named and self.cohorts, expected, cohorts=self.cohorts)
            for name in self.cohorts:
                expect_name(name, "cohort")

    def configs(self, like: ExperimentConfig) -> list[ExperimentConfig]:
        """One config per length and arm; all else is as in the config `like`.

        Other lengths have about as many epochs as `like`, of as many batches as that allows; more
        where an epoch would be longer than the paper's.
        """
        sizes = [(like.epochs, like.steps)]
        if self.lengths is not None:
            steps = [min(LONGEST_EPOCH, max(1, n // like.epochs)) for n in self.lengths]
            sizes = [(max(1, n // s), s) for n, s in zip(self.lengths, steps, strict=True)]
        return [
            replace(like, arm=arm, epochs=epochs, steps=steps)
            for epochs, steps in dict.fromkeys(sizes)  # two lengths may be one training
            for arm in self.arms
        ]

    def fitted(self, cases: int) -> "Study":
        """The study for so many cases: of fewer than the usual five, each is a fold of its own."""
        usual = self.folds == Study.folds
        return replace(self, folds=min(self.folds, max(2, cases))) if usual else self


def _listed(**found: Any) -> tuple[Any, ...]:
    """The list that is given by its name; ValueError if it is none, or empty."""
    ((name, value),) = found.items()
    listed = tuple(value) if is_list(value) else ()
    expect(listed, f"a list of one or more {name}", **found)
    return listed


_UNETS = tuple(name for name in ARMS if name.startswith("U-Net"))

STUDIES: Mapping[str, Study] = {
    study.name: study
    for study in (
        Study(
            "paper",
            "Do balanced batches beat random ones, and hard examples both?",
            PAPER_ARMS,
        ),
        Study(
            "thresholds",
            "Up to which probability should a patch that is classified correctly count as hard?",
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
            "Does dividing the task between two classifiers remove the imbalance?",
            (*PAPER_ARMS, "two classifiers", "two classifiers, twice the budget"),
        ),
        Study(
            "remedies",
            "Which remedies against imbalance help, under the same budget?",
            tuple(name for name in ARMS if name not in _UNETS),
        ),
        Study(
            "networks",
            "Does a network that predicts maps need balanced batches too?",
            ("random", "balanced", "a third", *_UNETS),
        ),
        Study(
            "length",
            "Does the answer depend on the length of the training?",
            PAPER_ARMS,
            lengths=(250, 1000, 4000, 16000),
        ),
        Study(
            "characteristics",
            "Which properties of a cohort predict whether balanced batches pay off?",
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


def study_named(study: str | Study) -> Study:
    """The study of this name, or the study itself; ValueError with the known names otherwise."""
    if isinstance(study, Study):
        return study
    name = study.replace(" ", "-") if isinstance(study, str) else ""  # as in "two classifiers"
    expect(name in STUDIES, f"a Study, or one of {', '.join(STUDIES)},", study=study)
    return STUDIES[name]
