"""From probabilities to classes, and what follows the training: `decision` and `finish`."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from imbalance_tf.cohort.arguments import expect, is_number

from .parts import Part


@dataclass(frozen=True)
class Decision(Part):
    """How a class is chosen. A subclass gives `decide`."""

    needs_shares: ClassVar[bool] = False
    """Whether it depends on the class shares of the batches, which for maps are not known."""

    @abstractmethod
    def decide(
        self, probabilities: np.ndarray, *, natural: np.ndarray, batch: np.ndarray
    ) -> np.ndarray:
        """Class numbers (...) uint8.

        Parameters
        ----------
        probabilities : (..., classes)
        natural, batch : (classes,)
            Share of each class in the training cohort, and in the batches.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Argmax(Decision):
    """The most probable class (the baseline)."""

    def decide(self, probabilities, *, natural, batch):
        return probabilities.argmax(axis=-1).astype(np.uint8)


@dataclass(frozen=True)
class PriorCorrected(Decision):
    """The most probable class, once the natural shares have replaced those of the batches.

    A network predicts a class too often if the batches held more of it than the brain does. Bayes'
    rule corrects its logits by the logarithm of natural over batch share (Buda et al. 2018).

    Parameters
    ----------
    strength : float
        Factor of that logarithm, up to 10: 1 is Bayes' rule, 0 the argmax.

    Examples
    --------
    >>> shares = {"natural": np.array([0.9, 0.1]), "batch": np.array([0.5, 0.5])}
    >>> PriorCorrected().decide(np.array([[0.2, 0.8], [0.05, 0.95]]), **shares)
    array([0, 1], dtype=uint8)
    """

    strength: float = 1.0

    needs_shares = True

    def __post_init__(self):
        # Beyond, the factors of rare classes are no numbers; below 0, what was in no batch wins.
        within = is_number(self.strength) and 0 <= self.strength <= 10
        expect(within, "a number from 0 to 10", strength=self.strength)

    def decide(self, probabilities, *, natural, batch):
        # A class that was in no batch is not predicted.
        factors = np.divide(natural, batch, out=np.zeros(len(natural)), where=batch > 0)
        return (probabilities * factors**self.strength).argmax(axis=-1).astype(np.uint8)


@dataclass(frozen=True)
class Finish(Part):
    """A second, shorter training on random batches. A subclass gives `prepare`."""

    share: float = 0.1
    """Its length, as a share of the length of the training."""

    def __post_init__(self):
        within = is_number(self.share) and 0 < self.share <= 1
        expect(within, "above 0 and at most 1", share=self.share)

    @abstractmethod
    def prepare(self, model) -> None:
        """Choose which layers of the trained Keras model are trained further."""
        raise NotImplementedError


@dataclass(frozen=True)
class NaturalHead(Finish):
    """Trains the output layer alone, on random batches (Havaei et al. 2017).

    The layers below keep what balanced batches taught them; the last one learns how frequent the
    classes are. The patches that it sees come on top of those of the training.

    Examples
    --------
    >>> NaturalHead(share=0.2).prepare(model)
    >>> [layer.name for layer in model.layers if layer.trainable]
    ['logits']
    """

    def prepare(self, model):
        names = [layer.name for layer in model.layers]
        if "logits" not in names:
            raise ValueError(
                f"'{model.name}' has no layer 'logits' that could be trained alone; its layers are "
                f"{', '.join(names)}: name the output layer so"
            )
        for layer in model.layers:
            layer.trainable = layer.name == "logits"
