"""HardExampleMining: the Keras callback that refreshes the hard pool between epochs."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import softmax

from imbalance_tf._tensorflow import keras, refuse_probabilities, tf
from imbalance_tf.cohort.case import AIR
from imbalance_tf.network.dense import segment
from imbalance_tf.sampling.patches import cut_patches
from imbalance_tf.sampling.samplers import HardExampleSampler

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
    sampler : HardExampleSampler
        Whose pool to fill, from the voxels of its own cohort.
    threshold : float
        In [0, 1]; 0 takes only the misclassified (paper: 0.75).
    candidates_per_class : int
        Size of the random subset of each class; of a smaller class, all its voxels. The paper
        does not give it.
    candidates : {"random", "slices"}
        ``"random"``: that many voxels of each class (the paper). ``"slices"``: every voxel of
        whole slices, each that of a random voxel of a class, so that every class is met. The
        dense form makes that far cheaper per candidate, if the model has one (see
        `fully_convolutional`); but neighbours are alike.
    slices_per_class : int
        How many slices for each class, where `candidates` is ``"slices"``.
    classes : sequence of class names, optional
        Which to mine; all by default (the paper). The majority alone is the hard negative mining
        of Felzenszwalb et al. (2010). The other classes are drawn as by `BalancedSampler`.

    Attributes
    ----------
    hard : pandas.DataFrame
        The present pool, hardest first: ``case`` (its name), ``slice, row, column, label,
        predicted, probability`` (of the true class), and ``why``: "wrong" or "unsure".

    Notes
    -----
    The number of hard examples of each class goes into the logs of the epoch, as
    ``hard_<class>``; give this callback before any that writes logs. The candidates of an epoch
    depend on the sampler's seed and the epoch only, so a resumed training mines what the
    interrupted one did.

    Examples
    --------
    >>> sampler = HardExampleSampler(train, seed=0)                         # doctest: +SKIP
    >>> mining = HardExampleMining(sampler)                                 # doctest: +SKIP
    >>> model.fit(patch_dataset(sampler, steps=100), epochs=20,
    ...           callbacks=[mining], shuffle=False)                        # doctest: +SKIP
    """

    def __init__(
        self,
        sampler: HardExampleSampler,
        *,
        threshold: float = 0.75,
        candidates_per_class: int = 1000,
        candidates: Literal["random", "slices"] = "random",
        slices_per_class: int = 2,
        classes: Sequence[str] | None = None,
    ):
        super().__init__()
        if not isinstance(sampler, HardExampleSampler):
            raise TypeError(
                f"sampler is a {type(sampler).__name__}; a HardExampleSampler is expected, since "
                f"only that has a pool to fill"
            )
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold={threshold}; a probability from 0 to 1 is expected")
        counts = {
            "candidates_per_class": candidates_per_class,
            "slices_per_class": slices_per_class,
        }
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name}={value}; at least 1 is expected")
        if candidates not in ("random", "slices"):
            raise ValueError(f"candidates={candidates!r}; 'random' or 'slices' is expected")
        known = sampler.scheme.classes
        if classes is not None and (isinstance(classes, str) or not set(classes) <= set(known)):
            raise ValueError(f"classes={classes!r}; a list of some of {list(known)} is expected")
        self.cohort = sampler.cohort
        self.sampler = sampler
        self.threshold = threshold
        self.candidates_per_class = candidates_per_class
        self.candidates = candidates
        self.slices_per_class = slices_per_class
        self.classes = known if classes is None else tuple(classes)
        self._mined_for: int | None = None

    def set_model(self, model):
        """Refuse a model that is no patch classifier with logits for the classes.

        What it gives for made-up patches tells probabilities, before any time is spent on training;
        what it gives for the candidates tells them once more, at each mining.
        """
        classes = len(self.sampler.scheme.classes)
        if model.built and model.output_shape != (None, classes):
            raise ValueError(
                f"'{model.name}' gives {model.output_shape}; (None, {classes}) is expected, logits "
                f"of the class of a patch's centre: only such a model can be mined with"
            )
        super().set_model(model)
        # Not predict_on_batch, which under a MirroredStrategy gives every row once a replica.
        # Not a lambda: TensorFlow would count the tracings of all of them as those of one function.
        self._logits = tf.function(partial(model, training=False), reduce_retracing=True)
        if model.built:
            patches = np.random.default_rng(0).normal(size=(16, *model.input_shape[1:]))
            refuse_probabilities(model, self._logits(patches.astype(np.float32)))

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
        if self.candidates == "slices":
            centres, probabilities = self._whole_slices(generator)
        else:
            centres, probabilities = self._random_subset(generator)
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
        """Patches that are classified to find the hard ones, where candidates are ``"random"``."""
        counts = self.sampler.index.counts[self._mined_classes()]
        return int(np.minimum(counts, self.candidates_per_class).sum())

    def _mined_classes(self) -> list[int]:
        """Numbers of the classes that are to be mined and drawn."""
        classes, shares = self.sampler.scheme.classes, self.sampler.shares
        return [n for n, name in enumerate(classes) if name in self.classes and shares[n] > 0]

    def _random_subset(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n, 4) of a random subset of each class, and their probabilities (n, classes)."""
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
        refuse_probabilities(self.model, logits)
        return centres, softmax(logits, axis=-1)

    def _whole_slices(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """All centres of the mined classes in some slices, and their probabilities."""
        index, mined = self.sampler.index, self._mined_classes()
        ranks = [
            index.first[number]
            + generator.integers(index.counts[number], size=self.slices_per_class)
            for number in mined
        ]
        met = np.unique(index.centres(np.concatenate(ranks))[:, :2], axis=0)
        centres, probabilities = [], []
        for number in np.unique(met[:, 0]):
            case, slices = self.cohort[number], met[met[:, 0] == number, 1]
            labels = case.labels[slices]
            inside = (case.brain[slices] | (labels > 0)) & np.isin(labels, mined)
            probabilities.append(segment(self.model, case.images[slices], inside)[inside])
            place = np.argwhere(inside)
            place[:, 0] = slices[place[:, 0]]
            centres.append(np.insert(place, 0, number, axis=1))
        return np.concatenate(centres).astype(np.int32), np.concatenate(probabilities)
