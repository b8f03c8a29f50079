"""What batches are made of: the part `sampling` of an arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.sampling.samplers import BalancedSampler, HardExampleSampler, RandomSampler

from .parts import Part

__all__ = ["Balanced", "Mixed", "Random", "Sampling", "Smote"]


@dataclass(frozen=True)
class Sampling(Part):
    """How batches are made. A subclass says with which shares, and whatever else it changes."""

    has_pool: ClassVar[bool] = True
    """Whether mining may choose the voxels of a class."""
    has_maps: ClassVar[bool] = True
    """Whether its patches have a label for every voxel, as a network that predicts maps needs."""

    def class_shares(self, counts: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Share of each class in a batch, on average: (classes,), adding up to 1.

        Parameters
        ----------
        counts : (classes,) int
            Brain voxels of each class in the training cohort; the majority is class 0.
        names : sequence of str
            The classes.
        """
        raise NotImplementedError

    def sampler(self, cohort: Cohort, *, seed: int, shares: np.ndarray, mined: bool) -> Any:
        """A sampler of centres; `shares` are of the classes of the cohort's scheme."""
        kind = HardExampleSampler if mined else BalancedSampler
        within: Any = getattr(self, "within", "class")  # a setting of Balanced only
        return kind(cohort, seed=seed, shares=shares.tolist(), within=within)

    def dataset(self, sampler: Any, **sizes: Any) -> Any:
        """One epoch of batches: as `patch_dataset`, which takes the `sizes`."""
        from imbalance_tf.sampling.patches import patch_dataset  # the rest needs no TensorFlow

        return patch_dataset(sampler, **sizes)


@dataclass(frozen=True)
class Random(Sampling):
    """Voxels of the brain, uniformly: each class comes as often as it is (paper, section IV).

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
            # The second of two classifiers sees no healthy voxel, whatever its sampling.
            return super().sampler(cohort, seed=seed, shares=shares, mined=mined)
        return RandomSampler(cohort, seed=seed)


@dataclass(frozen=True)
class Balanced(Sampling):
    """Every class an exact share of every batch (paper, section VI; any shares: section VIII).

    Parameters
    ----------
    shares : float, mapping of class name to share, or sequence in class order, optional
        One number is the share of the majority; the minorities divide the rest. By default all
        classes have equal shares.
    minorities : {"equal", "natural"}
        How the minorities divide what one number leaves them: equally, or as frequent among
        themselves as in the cohort.
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
        if isinstance(self.shares, float | int) and not 0 < self.shares < 1:
            raise ValueError(f"shares={self.shares}; the majority's is expected, between 0 and 1")
        for name, known in {
            "minorities": ("equal", "natural"),
            "within": ("class", "case"),
        }.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name}={value!r}; one of {', '.join(known)} is expected")
        if self.minorities == "natural" and not isinstance(self.shares, float | int):
            raise ValueError(
                f"minorities='natural' with shares={self.shares!r}; one number is expected there, "
                f"the share of the majority"
            )
        if isinstance(self.shares, Mapping):
            own = {name: float(share) for name, share in self.shares.items()}
            object.__setattr__(self, "shares", own)
        elif isinstance(self.shares, Sequence | np.ndarray):
            object.__setattr__(self, "shares", tuple(map(float, self.shares)))

    def class_shares(self, counts, names):
        if self.shares is None:
            return np.full(len(names), 1 / len(names))
        if isinstance(self.shares, Mapping):
            if unknown := set(self.shares) - set(names):
                raise ValueError(f"shares names {sorted(unknown)}; the classes are {list(names)}")
            return np.array([self.shares.get(name, 0.0) for name in names])
        if isinstance(self.shares, tuple):
            if len(self.shares) != len(names):
                raise ValueError(
                    f"shares={self.shares}; {len(names)} are expected, in the order {list(names)}"
                )
            return np.array(self.shares)
        majority = float(self.shares)  # type: ignore[arg-type]
        rest = np.ones(len(names) - 1) if self.minorities == "equal" else counts[1:].astype(float)
        return np.array([majority, *((1 - majority) * rest / rest.sum())])


@dataclass(frozen=True)
class Mixed(Sampling):
    """A part of each batch from the minorities, equally; the rest as frequent as in the brain.

    As in nnU-Net (Isensee et al. 2021), which forces a third of a batch to foreground. Here a
    batch holds exactly, not on average, as many of each class as that gives.

    Examples
    --------
    >>> Mixed(foreground=0.5).class_shares(np.array([80, 12, 8]), "abc").round(2).tolist()
    [0.4, 0.31, 0.29]
    """

    foreground: float = 1 / 3

    def __post_init__(self):
        if not 0 < self.foreground < 1:
            raise ValueError(f"foreground={self.foreground}; a share between 0 and 1 is expected")

    def class_shares(self, counts, names):
        forced = np.array([0, *np.full(len(names) - 1, 1 / (len(names) - 1))])
        return self.foreground * forced + (1 - self.foreground) * counts / counts.sum()


@dataclass(frozen=True)
class Smote(Sampling):
    """Random batches, topped up to equal shares with synthetic patches (Chawla et al. 2002).

    A synthetic patch of a class lies between a patch of it and one of its nearest neighbours of
    the same class. See `smote_dataset`.

    Parameters
    ----------
    neighbours : int
        Of how many nearest neighbours one is taken (the k of SMOTE).
    pool : int
        Patches of each class among which the neighbours are sought, sampled anew for every epoch.
    """

    neighbours: int = 5
    pool: int = 300

    has_pool = False
    has_maps = False

    def __post_init__(self):
        if not 1 <= self.neighbours < self.pool:
            raise ValueError(
                f"neighbours={self.neighbours} of pool={self.pool}; at least 1 is expected, and "
                f"fewer than the pool has patches"
            )

    def class_shares(self, counts, names):
        return np.full(len(names), 1 / len(names))

    def dataset(self, sampler, **sizes):
        from imbalance_tf.sampling.smote import smote_dataset

        sizes.pop("target", None)
        return smote_dataset(sampler, neighbours=self.neighbours, pool=self.pool, **sizes)
