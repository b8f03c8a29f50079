"""HardExampleMining: the Keras callback that refreshes the hard pool between epochs."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from imbalance_tf._tensorflow import keras, refuse_probabilities
from imbalance_tf.cohort.reading import AIR
from imbalance_tf.cohort.slices import Cohort

from .patches import cut_patches
from .samplers import HardExampleSampler

__all__ = ["HardExampleMining"]

_BATCH = 500  # patches at a time
_STREAM = 1  # keeps the candidates' random numbers apart from those of the draws


class HardExampleMining(keras.callbacks.Callback):
    """Between epochs, find what the current classifier still finds hard (paper, section VII).

    After each epoch the model runs on a random subset of each class. The candidates that it
    misclassifies, or gets right with a probability under the threshold, become the pool of the
    sampler for the next epoch. Before the first epoch nothing is mined.

    Parameters
    ----------
    cohort : Cohort
        The training cohort, the one that the sampler draws from.
    sampler : HardExampleSampler
        Whose pool to fill.
    threshold : float
        In [0, 1]; 0 takes only the misclassified (paper: 0.75).
    candidates_per_class : int
        Size of the random subset of each class; of a smaller class, all its voxels. The paper
        does not give it.

    Attributes
    ----------
    hard : pandas.DataFrame
        The present pool, hardest first: ``slice, row, column, label, predicted, probability``
        (of the true class).

    Notes
    -----
    The number of hard examples of each class goes into the logs of the epoch, as
    ``hard_<class>``; give this callback before any that writes logs. The candidates of an epoch
    depend on the sampler's seed and the epoch only, so a resumed training mines what the
    interrupted one did.

    Examples
    --------
    >>> sampler = HardExampleSampler(train, seed=0)                         # doctest: +SKIP
    >>> mining = HardExampleMining(train, sampler)                          # doctest: +SKIP
    >>> model.fit(patch_dataset(train, sampler, steps=100), epochs=20,
    ...           callbacks=[mining], shuffle=False)                        # doctest: +SKIP
    """

    def __init__(
        self,
        cohort: Cohort,
        sampler: HardExampleSampler,
        *,
        threshold: float = 0.75,
        candidates_per_class: int = 1000,
    ):
        super().__init__()
        if not isinstance(sampler, HardExampleSampler):
            raise TypeError(
                f"sampler is a {type(sampler).__name__}; a HardExampleSampler is expected, since "
                f"only that has a pool to fill"
            )
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold={threshold}; a probability from 0 to 1 is expected")
        if candidates_per_class < 1:
            raise ValueError(f"candidates_per_class={candidates_per_class}; at least 1 is expected")
        self.cohort = cohort
        self.sampler = sampler
        self.threshold = threshold
        self.candidates_per_class = candidates_per_class
        self._mined_for = None

    def set_model(self, model):
        """Refuse a model that is no patch classifier with logits for the classes."""
        classes = len(self.sampler.scheme.classes)
        if model.built and model.output_shape != (None, classes):
            raise ValueError(
                f"'{model.name}' gives {model.output_shape}; (None, {classes}) is expected, logits "
                f"of the class of a patch's centre: only such a model can be mined with"
            )
        refuse_probabilities(model)
        super().set_model(model)

    def on_epoch_begin(self, epoch, logs=None):
        """Mine for a training that is resumed in the middle."""
        if epoch > 0 and self._mined_for != epoch:
            self._mine(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Mine for the next epoch, and log the size of the pool."""
        self._mine(epoch + 1)
        if logs is not None:
            for name, hard in zip(self.sampler.scheme.classes, self.sampler.pool, strict=True):
                logs[f"hard_{name}"] = len(hard)

    def _mine(self, epoch: int) -> None:
        generator = np.random.default_rng([self.sampler.seed, epoch, _STREAM])
        centres = self._candidates(generator)
        labels = self.cohort.labels[tuple(centres.T)]
        size = self.model.input_shape[1]
        logits = [
            self.model.predict_on_batch(
                cut_patches(self.cohort.images, part, size, fill=AIR).astype(np.float32)
            )
            for part in np.split(centres, range(_BATCH, len(centres), _BATCH))
        ]
        probabilities = softmax(np.concatenate(logits).astype(np.float32), axis=-1)
        predicted = probabilities.argmax(axis=-1)
        probability = probabilities[np.arange(len(labels)), labels]
        hard = (predicted != labels) | (probability < self.threshold)

        self.sampler.pool = [
            centres[hard & (labels == number)] for number in range(len(self.sampler.scheme.classes))
        ]
        self.hard = pd.DataFrame(centres[hard], columns=["slice", "row", "column"]).assign(
            label=labels[hard], predicted=predicted[hard], probability=probability[hard]
        )
        self.hard = self.hard.sort_values("probability", kind="stable", ignore_index=True)
        self._mined_for = epoch

    def _candidates(self, generator: np.random.Generator) -> np.ndarray:
        index = self.sampler.index
        return np.concatenate(
            [
                index.centres(
                    first
                    + generator.choice(
                        count, size=min(count, self.candidates_per_class), replace=False
                    )
                )
                for first, count, share in zip(
                    index.first, index.counts, self.sampler.shares, strict=True
                )
                if share > 0
            ]
        )
