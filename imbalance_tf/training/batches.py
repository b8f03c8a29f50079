"""What batches are made of: the part `sampling` of an arm."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from imbalance_tf.cohort.arguments import (
    LARGEST_POOL,
    expect,
    is_list,
    is_number,
    one_of,
    settle,
    whole,
)
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.sampling.samplers import (
    BalancedSampler,
    HardExampleSampler,
    RandomSampler,
    as_shares,
    by_name,
)

from .parts import Part


@dataclass(frozen=True)
class Sampling(Part):
    """How batches are made. A subclass gives `class_shares`, and whatever else it changes."""

    has_pool: ClassVar[bool] = True
    """Whether mining may choose the voxels of a class."""
    has_maps: ClassVar[bool] = True
    """Whether its patches have a label for every voxel, as a network that predicts maps needs."""

    @abstractmethod
    def class_shares(self, counts: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Share of each class in a batch, on average: (classes,), adding up to 1.

        Parameters
        ----------
        counts : (classes,) int
            Brain voxels of each class in the training cohort.
        names : sequence of str
            The classes.
        """
        raise NotImplementedError

    def sampler(self, cohort: Cohort, *, seed: int, shares: np.ndarray, mined: bool) -> Any:
        """A sampler of centres; `shares` are those of the classes of the cohort's scheme."""
        kind = HardExampleSampler if mined else BalancedSampler
        within: Any = getattr(self, "within", "class")  # only Balanced has this setting
        return kind(cohort, seed=seed, shares=shares.tolist(), within=within)

    def dataset(self, sampler: Any, **sizes: Any) -> Any:
        """The batches of one epoch; `sizes` are the arguments of `patch_dataset`."""
        from imbalance_tf.sampling.patches import patch_dataset  # all else needs no TensorFlow

        return patch_dataset(sampler, **sizes)


@dataclass(frozen=True)
class Random(Sampling):
    """Voxels of the brain, uniformly: each class is as frequent as it is there (paper, section IV).

    Examples
    --------
    >>> Random().class_shares(np.array([90, 8, 2]), "abc").tolist()
    [0.9, 0.08, 0.02]
    """

    has_pool = False

    def class_shares(self, counts, names):
        return counts / counts.sum()

    def sampler(self, cohort, *, seed, shares, mined):
        if (cohort.class_counts().sum(axis=0) > 0)[shares == 0].any():
            # The second of two classifiers sees no healthy voxel, however it samples.
            return super().sampler(cohort, seed=seed, shares=shares, mined=mined)
        return RandomSampler(cohort, seed=seed)


@dataclass(frozen=True)
class Balanced(Sampling):
    """An exact share of every batch for every class (paper, section VI; any shares: section VIII).

    Parameters
    ----------
    shares : float, mapping of class name to share, or sequence in class order, optional
        One number is the share of the majority; the minorities divide the rest. By default all
        classes have equal shares.
    minorities : {"equal", "natural"}
        How the minorities divide what one number leaves them: equally, or in proportion to their
        frequency in the cohort.
    within : {"class", "case"}
        As in `BalancedSampler`: any voxel of the class, or first a case and then a voxel.

    Examples
    --------
    >>> half = Balanced(shares=0.5, minorities="natural")
    >>> half.class_shares(np.array([90, 8, 2]), "abc").tolist()
    [0.5, 0.4, 0.1]
    """

    shares: float | Mapping[str, float] | Sequence[float] | None = None
    minorities: Literal["equal", "natural"] = "equal"
    within: Literal["class", "case"] = "class"

    def __post_init__(self):
        one_of("equal", "natural", minorities=self.minorities)
        one_of("class", "case", within=self.within)
        shares: Any = by_name(self.shares)
        if is_number(shares):
            expect(0 < shares < 1, "the majority's, between 0 and 1,", shares=shares)
            settle(self, shares=float(shares))
            return
        majority = "one number as shares, that of the majority,"
        expect(self.minorities == "equal", majority, minorities=self.minorities, shares=shares)
        if shares is None:
            return
        named = isinstance(shares, Mapping)
        by_class = dict(shares if named else enumerate(shares if is_list(shares) else ()))
        some = by_class and all(is_number(share) and share >= 0 for share in by_class.values())
        expect(some, "one number, or a share from 0 for each class,", shares=shares)
        own = {name: float(share) for name, share in by_class.items()}
        settle(self, shares=own if named else tuple(own.values()))

    def class_shares(self, counts, names):
        if not isinstance(self.shares, float):
            return as_shares(self.shares, names)
        if len(names) == 1:  # the second of two classifiers may have one kind to name
            return np.ones(1)
        majority = counts.argmax()
        rest = np.ones(len(names)) if self.minorities == "equal" else counts.astype(float)
        rest[majority] = 0
        shares = (1 - self.shares) * rest / max(rest.sum(), 1)
        shares[majority] = self.shares
        return shares


@dataclass(frozen=True)
class Mixed(Sampling):
    """A part of each batch from the minorities, equally; the rest as frequent as in the brain.

    Like nnU-Net (Isensee et al. 2021), which forces a third of a batch to foreground. Here these
    numbers of patches are exact in every batch, not averages.

    Examples
    --------
    >>> Mixed(foreground=0.5).class_shares(np.array([80, 12, 8]), "abc").round(2).tolist()
    [0.4, 0.31, 0.29]
    """

    foreground: float = 1 / 3

    def __post_init__(self):
        between = is_number(self.foreground) and 0 < self.foreground < 1
        expect(between, "a share between 0 and 1", foreground=self.foreground)

    def class_shares(self, counts, names):
        if len(names) == 1:  # as in `Balanced`
            return np.ones(1)
        forced = np.full(len(names), 1 / (len(names) - 1))
        forced[counts.argmax()] = 0
        return self.foreground * forced + (1 - self.foreground) * counts / counts.sum()


@dataclass(frozen=True)
class Smote(Sampling):
    """Random batches, topped up to equal shares with synthetic patches (Chawla et al. 2002).

    A synthetic patch of a class lies between a patch of it and one of its nearest neighbours of
    the same class. See `smote_dataset`.

    Parameters
    ----------
    neighbours : int
        Among how many nearest neighbours one is chosen (the k of SMOTE).
    pool : int
        Patches of each class among which the neighbours are sought, sampled anew for every epoch.
    """

    neighbours: int = 5
    pool: int = 300

    has_pool = False
    has_maps = False

    def __post_init__(self):
        fewer = whole(1, neighbours=self.neighbours) < whole(1, LARGEST_POOL, pool=self.pool)
        expected = "at least 1 neighbour, and fewer than the pool has patches,"
        expect(fewer, expected, neighbours=self.neighbours, pool=self.pool)

    def class_shares(self, counts, names):
        return np.full(len(names), 1 / len(names))

    def dataset(self, sampler, **sizes):
        from imbalance_tf.sampling.smote import smote_dataset

        sizes.pop("target", None)
        return smote_dataset(sampler, neighbours=self.neighbours, pool=self.pool, **sizes)
