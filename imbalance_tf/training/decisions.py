"""From probabilities to classes, and what happens after training: `decision` and `finish`."""

from dataclasses import dataclass

import numpy as np

from .parts import Part

__all__ = ["Argmax", "Decision", "Finish", "NaturalHead", "PriorCorrected"]


@dataclass(frozen=True)
class Decision(Part):
    """How a class is chosen. A subclass gives `decide`."""

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
    """The most probable class, after the shares of the batches are exchanged for the natural ones.

    A network that saw batches with other shares than the brain has takes rare classes for commoner
    than they are. By Bayes' rule its logits are put right by adding the logarithm of natural over
    batch share (Buda et al. 2018).

    Parameters
    ----------
    strength : float
        Factor of that logarithm: 1 is Bayes' rule, 0 the argmax.

    Examples
    --------
    >>> shares = {"natural": np.array([0.9, 0.1]), "batch": np.array([0.5, 0.5])}
    >>> PriorCorrected().decide(np.array([[0.2, 0.8], [0.05, 0.95]]), **shares)
    array([0, 1], dtype=uint8)
    """

    strength: float = 1.0

    def decide(self, probabilities, *, natural, batch):
        # A class that no batch had is not predicted.
        factors = np.divide(natural, batch, out=np.zeros(len(natural)), where=batch > 0)
        return (probabilities * factors**self.strength).argmax(axis=-1).astype(np.uint8)


@dataclass(frozen=True)
class Finish(Part):
    """What is trained after the training. A subclass gives `prepare`."""

    share: float = 0.1
    """Length, as a share of that of the training."""

    def __post_init__(self):
        if not 0 < self.share <= 1:
            raise ValueError(f"share={self.share}; above 0 and at most 1 is expected")

    def prepare(self, model) -> None:
        """Choose which layers of the trained Keras model are trained on; random batches follow."""
        raise NotImplementedError


@dataclass(frozen=True)
class NaturalHead(Finish):
    """The output layer alone is trained on, on random batches (Havaei et al. 2017).

    The layers below keep what balanced batches taught them; the last one learns how frequent the
    classes are. The patches that it sees come on top of those of the training.
    """

    def prepare(self, model):
        for layer in model.layers:
            layer.trainable = layer.name == "logits"
