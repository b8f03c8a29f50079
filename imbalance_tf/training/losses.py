"""What a mistake costs: the part `loss` of an arm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .parts import Part

__all__ = ["CrossEntropy", "DiceCrossEntropy", "Focal", "LogitAdjusted", "Loss"]


@dataclass(frozen=True)
class Loss(Part):
    """What a mistake costs. A subclass gives `build`."""

    needs_maps: ClassVar[bool] = False
    """Whether it is a loss of maps only."""
    needs_shares: ClassVar[bool] = False
    """Whether it depends on the shares of the classes, which for maps are not known."""

    def build(self, natural: np.ndarray) -> Any:
        """A Keras loss of labels (N, ...) and logits (N, ..., classes).

        Parameters
        ----------
        natural : (classes,)
            Share of each class in the training cohort.
        """
        raise NotImplementedError

    def class_weight(self, shares: np.ndarray) -> Mapping[int, float] | None:
        """Keras' `class_weight`, by the class shares of the batches; none by default."""
        return None


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Keras' cross-entropy (the baseline), with weights if asked (paper, section II).

    Parameters
    ----------
    weights : {None, "inverse"}
        ``"inverse"``: every class has the weight 1 / (classes x its share of the batches), so that
        all classes weigh the same together, and a patch weighs 1 on average.

    Examples
    --------
    >>> CrossEntropy(weights="inverse").class_weight(np.array([0.8, 0.2]))
    {0: 0.625, 1: 2.5}
    """

    weights: Literal["inverse"] | None = None

    def __post_init__(self):
        if self.weights not in (None, "inverse"):
            raise ValueError(f"weights={self.weights!r}; None or 'inverse' is expected")

    def build(self, natural):
        from imbalance_tf._tensorflow import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def class_weight(self, shares):
        if self.weights is None:
            return None
        present = int(np.count_nonzero(shares))  # a class that is in no batch needs no weight
        return {
            number: 1 / (present * share) if share else 0.0
            for number, share in enumerate(shares.tolist())
        }


@dataclass(frozen=True)
class Focal(Loss):
    """Keras' focal loss: what is classified with confidence hardly counts (Lin et al. 2017).

    Parameters
    ----------
    gamma : float
        How fast the weight (1 - p) ** gamma of a patch falls with the probability p of its class.
    """

    gamma: float = 2.0

    def __post_init__(self):
        if not self.gamma >= 0:
            raise ValueError(f"gamma={self.gamma}; 0 or more is expected")

    def build(self, natural):
        from imbalance_tf.network.losses import SparseFocal

        return SparseFocal(gamma=self.gamma)


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Cross-entropy of the logits plus tau times the log of the natural shares (Menon et al. 2021).

    The network learns what speaks for a class beyond its frequency; its own logits, used without
    the addition, then err alike in all classes.

    Parameters
    ----------
    tau : float
        1 aims at the mean recall of the classes; 0 is plain cross-entropy.
    """

    tau: float = 1.0

    needs_shares = True

    def build(self, natural):
        from imbalance_tf.network.losses import Adjusted

        # A class that is in no batch gets no addition: it is learnt that it never comes.
        return Adjusted(addition=(self.tau * np.log(np.where(natural > 0, natural, 1))).tolist())


@dataclass(frozen=True)
class DiceCrossEntropy(Loss):
    """Dice plus cross-entropy, of maps: what nnU-Net trains with (Isensee et al. 2021)."""

    needs_maps = True

    def build(self, natural):
        from imbalance_tf.network.losses import DiceAndCrossEntropy

        return DiceAndCrossEntropy()
