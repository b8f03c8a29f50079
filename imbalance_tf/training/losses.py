"""What a mistake costs: the part `loss` of an arm."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from imbalance_tf.cohort.arguments import expect, is_number, one_of

from .parts import Part


@dataclass(frozen=True)
class Loss(Part):
    """What a mistake costs. A subclass gives `build`."""

    needs_maps: ClassVar[bool] = False
    """Whether it is a loss of maps only."""
    needs_shares: ClassVar[bool] = False
    """Whether it depends on the shares of the classes, which for maps are not known."""

    @abstractmethod
    def build(self, shares: np.ndarray) -> Any:
        """A Keras loss, or a function, of labels (N, ...) and logits (N, ..., classes).

        Parameters
        ----------
        shares : (classes,)
            Share of each class in the batches; with `Random`, that in the training cohort.
        """
        raise NotImplementedError

    def class_weight(self, shares: np.ndarray) -> Mapping[int, float] | None:
        """Keras' `class_weight` for these class shares of the batches; None by default."""
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
        one_of(None, "inverse", weights=self.weights)

    @property
    def needs_shares(self) -> bool:  # type: ignore[override]
        return self.weights is not None

    def build(self, shares):
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
        expect(is_number(self.gamma) and self.gamma >= 0, "0 or more", gamma=self.gamma)

    def build(self, shares):
        from imbalance_tf._tensorflow import keras

        def focal(labels, logits):
            # Without Keras' factor alpha, which would only scale the whole.
            options = {"alpha": 1.0, "gamma": self.gamma, "from_logits": True}
            truth = _one_hot(labels, logits)
            return keras.losses.categorical_focal_crossentropy(truth, logits, **options)

        return focal


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Cross-entropy of the logits plus tau times the log of the class shares (Menon et al. 2021).

    The addition says how frequent the classes are in the batches, so the network need not learn it.
    Its own logits are used without the addition, and do not favour the frequent classes. With
    balanced batches, whose shares are equal, it is plain cross-entropy.

    Parameters
    ----------
    tau : float
        1 aims at the mean recall of the classes; 0 is plain cross-entropy.
    """

    tau: float = 1.0

    needs_shares = True

    def __post_init__(self):
        expect(is_number(self.tau), "a number", tau=self.tau)

    def build(self, shares):
        from imbalance_tf._tensorflow import keras

        # Nothing is added for a class that is in no batch: the network learns that it never comes.
        addition = (self.tau * np.log(np.where(shares > 0, shares, 1))).astype(np.float32)

        def adjusted(labels, logits):
            logits = logits + addition
            return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)

        return adjusted


@dataclass(frozen=True)
class DiceCrossEntropy(Loss):
    """Dice plus cross-entropy of maps, as in nnU-Net (Isensee et al. 2021).

    The Dice is of the whole batch at once, and the mean over all classes, class 0 among them.
    """

    needs_maps = True

    def build(self, shares):
        from imbalance_tf._tensorflow import keras

        def dice_and_entropy(labels, logits):
            logits = keras.ops.convert_to_tensor(logits)
            over = tuple(range(logits.ndim - 1))  # all but the classes
            dice = keras.losses.dice(_one_hot(labels, logits), keras.ops.softmax(logits), axis=over)
            entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            return entropy + keras.ops.mean(dice)

        return dice_and_entropy


def _one_hot(labels, logits):
    from imbalance_tf._tensorflow import keras

    return keras.ops.one_hot(keras.ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")
