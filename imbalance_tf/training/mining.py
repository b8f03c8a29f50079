"""Hard examples: found once (`mine`), or between the epochs of a training (`HardExampleMining`)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from imbalance_tf._tensorflow import expect_logits, keras, tf
from imbalance_tf.cohort.arguments import candidates_of, expect, probability, whole
from imbalance_tf.cohort.case import AIR
from imbalance_tf.sampling.paper import THRESHOLD
from imbalance_tf.sampling.patches import cut_patches
from imbalance_tf.sampling.samplers import HardExampleSampler

_BATCH = 500  # patches at a time
_STREAM = 1  # keeps the candidates' random numbers apart from those of the batches


def mine(
    model: keras.Model, sampler: HardExampleSampler, *, epoch: int = 1, **settings: Any
) -> pd.DataFrame:
    """Find what a classifier finds hard, and make it the pool of the sampler.

    Parameters
    ----------
    model : keras.Model
        Patches in, logits of the class of the centre out.
    sampler : HardExampleSampler
    epoch : int
        Takes the same candidates as `HardExampleMining` before this epoch. Epochs count from 0, and
        before the first nothing is mined, so 1 or more.
    **settings
        As those of `HardExampleMining`: threshold, candidates_per_class, classes.

    Returns
    -------
    pandas.DataFrame
        The pool, hardest first: see `HardExampleMining.hard`.

    Examples
    --------
    >>> hard = mine(model, HardExampleSampler(train, seed=0), candidates_per_class=20)
    >>> hard["probability"].is_monotonic_increasing, set(hard["why"]) <= {"wrong", "unsure"}
    (True, True)
    """
    epoch = whole(1, epoch=epoch)
    mining = HardExampleMining(sampler, **settings)
    mining.set_model(model)
    mining.on_epoch_begin(epoch)
    return mining.hard


class HardExampleMining(keras.callbacks.Callback):
    """Between epochs, find what the current classifier still finds hard (paper, section VII).

    After each epoch the model classifies a random subset of each class. The candidates that it
    misclassifies, or classifies correctly with a probability under the threshold, become the pool
    of the sampler for the next epoch. Before the first epoch nothing is mined.

    Parameters
    ----------
    sampler : HardExampleSampler
        Whose pool is filled, from the voxels of its own cohort.
    threshold : float
        In [0, 1]; 0 takes only the misclassified (paper: 0.75).
    candidates_per_class : int
        Size of the random subset of each class; of a smaller class, all its voxels. The paper
        does not give it.
    classes : sequence of class names, optional
        Which to mine; all by default (the paper). The majority alone is the hard negative mining
        of Felzenszwalb et al. (2010). The other classes are sampled as by `BalancedSampler`.

    Attributes
    ----------
    hard : pandas.DataFrame
        The present pool, hardest first: ``case`` (its name), ``slice, row, column, label,
        predicted, probability`` (of the true class), and ``why``: "wrong" or "unsure".

    Notes
    -----
    The number of hard examples of each class is added to the logs of the epoch, as
    ``hard_<class>``; put this callback before those that write logs. The candidates of an epoch
    depend only on the sampler's seed and the epoch, so a resumed training mines what the
    interrupted one did.

    Examples
    --------
    >>> import keras
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    >>> sampler = HardExampleSampler(train, seed=0)
    >>> mining = HardExampleMining(sampler, candidates_per_class=5)
    >>> batches = patch_dataset(sampler, steps=1, batch_size=10)
    >>> _ = model.fit(batches, epochs=2, callbacks=[mining], shuffle=False, verbose=0)
    >>> len(mining.hard) == sum(len(pool) for pool in sampler.pool) > 0
    True
    """

    def __init__(
        self,
        sampler: HardExampleSampler,
        *,
        threshold: float = THRESHOLD,
        candidates_per_class: int = 1000,
        classes: Sequence[str] | None = None,
    ):
        super().__init__()
        if not isinstance(sampler, HardExampleSampler):
            raise TypeError(
                f"sampler is a {type(sampler).__name__}; a HardExampleSampler is expected, since "
                f"only that has a pool to fill"
            )
        known = sampler.scheme.classes
        names = known if classes is None else classes
        names = tuple(names) if np.iterable(names) and not isinstance(names, str) else ()
        expected = f"a list of one or more of {list(known)}"
        expect(names and all(name in known for name in names), expected, classes=classes)
        self.cohort = sampler.cohort
        self.sampler = sampler
        self.threshold = probability(threshold=threshold)
        self.candidates_per_class = candidates_of(candidates_per_class=candidates_per_class)
        self.classes = names
        expect(self._mined_classes(), "a class that the sampler samples", classes=list(names))
        self._mined_for: int | None = None

    def set_model(self, model):
        """Refuse a model that is no patch classifier with logits for the classes.

        Its outputs for made-up patches show probabilities before any time is spent on training;
        its outputs for the candidates are looked at again at each mining.
        """
        classes = len(self.sampler.scheme.classes)
        expect(isinstance(model, keras.Model), "a Keras model", model=model)
        channels = len(self.cohort.modalities)
        if model.built and not _takes_patches(model.input_shape, channels):
            raise ValueError(
                f"'{model.name}' takes {model.input_shape}; (None, P, P, {channels}) is expected, "
                f"patches of one size with the modalities of the cohort"
            )
        if model.built and model.output_shape != (None, classes):
            raise ValueError(
                f"'{model.name}' gives {model.output_shape}; (None, {classes}) is expected, logits "
                f"for the class of a patch's centre: mining needs such a model"
            )
        super().set_model(model)
        # Not predict_on_batch, which under a MirroredStrategy gives every row once per replica.
        # Not a lambda: TensorFlow would count the tracings of all of them as those of one function.
        self._logits = tf.function(partial(model, training=False), reduce_retracing=True)
        if model.built:
            patches = np.random.default_rng(0).normal(size=(16, *model.input_shape[1:]))
            expect_logits(model, self._logits(patches.astype(np.float32)))

    def on_epoch_begin(self, epoch, logs=None):
        """Mine if the training is resumed in the middle."""
        if epoch > 0 and self._mined_for != epoch:
            self._mine(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Mine for the next epoch, and log the size of the pool."""
        self._mine(epoch + 1)
        if logs is not None:
            for name, hard in zip(self.sampler.scheme.classes, self.sampler.pool, strict=True):
                logs[f"hard_{name}"] = len(hard)

    def _mine(self, epoch: int) -> None:
        centres, probabilities = self._candidates(epoch)
        labels = self.cohort.labels_at(centres)
        predicted = probabilities.argmax(axis=-1)
        probability = probabilities[np.arange(len(labels)), labels]
        wrong = predicted != labels
        hard = wrong | (probability < self.threshold)

        self.sampler.pool = [
            centres[hard & (labels == number)] for number in range(len(self.sampler.scheme.classes))
        ]
        names = ["case", "slice", "row", "column"]
        self.hard = pd.DataFrame(centres[hard], columns=names).assign(
            case=np.array(self.cohort.case_ids)[centres[hard, 0]],
            label=labels[hard],
            predicted=predicted[hard],
            probability=probability[hard],
            why=np.where(wrong[hard], "wrong", "unsure"),
        )
        self.hard = self.hard.sort_values("probability", kind="stable", ignore_index=True)
        self._mined_for = epoch

    @property
    def candidates_of_an_epoch(self) -> int:
        """Patches that are classified per epoch."""
        counts = self.sampler.index.counts[self._mined_classes()]
        return int(np.minimum(counts, self.candidates_per_class).sum())

    def _mined_classes(self) -> list[int]:
        """Numbers of the classes that are to be mined and sampled."""
        classes, shares = self.sampler.scheme.classes, self.sampler.shares
        return [n for n, name in enumerate(classes) if name in self.classes and shares[n] > 0]

    def _candidates(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n, 4) of a random subset of each class, and their probabilities (n, classes)."""
        generator = np.random.default_rng([self.sampler.seed, epoch, _STREAM])
        index = self.sampler.index
        ranks = [
            index.first[number]
            + generator.choice(
                index.counts[number],
                size=min(index.counts[number], self.candidates_per_class),
                replace=False,
            )
            for number in self._mined_classes()
        ]
        centres = index.centres(np.concatenate(ranks))
        size, images = self.model.input_shape[1], [case.images for case in self.cohort]
        parts = [
            self._logits(cut_patches(images, part, size, fill=AIR)).numpy()
            for part in np.split(centres, range(_BATCH, len(centres), _BATCH))
        ]
        logits = np.concatenate(parts).astype(np.float32)
        expect_logits(self.model, logits)
        return centres, softmax(logits, axis=-1)


def _takes_patches(shape: tuple[int | None, ...], channels: int) -> bool:
    square = len(shape) == 4 and shape[1] is not None and shape[1] == shape[2]
    return square and shape[3] == channels
