"""The three strategies of the paper: which centres a batch holds.

The samplers share one law of randomness: batch k of a sampler with seed s comes from the generator
``default_rng([s, k])`` and from nothing else. The same seed gives the same batches, and setting
`draws` continues anywhere. `check_sampler` holds any sampler to this and other laws.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from math import gcd
from typing import Literal

import numpy as np

from imbalance_tf.cohort.arguments import LONGEST_PASS, is_list, is_number, one_of, seed_of, whole
from imbalance_tf.cohort.cohort import Cohort

from .index import ClassIndex

_GOLDEN = (5**0.5 - 1) / 2  # its multiples modulo 1 spread evenly (Weyl, Kronecker)
_NO_CENTRES = np.zeros((0, 4), np.int32)


class _SeededSampler:
    def __init__(self, cohort: Cohort, seed: int, within: str, known: Sequence[str]):
        self.index = ClassIndex(cohort)
        one_of(*known, within=within)
        self.cohort = cohort
        self.scheme = cohort.scheme
        self.seed, self.draws = seed_of(seed), 0
        self.within = within
        if self.index.total == 0:
            raise ValueError("the cohort has no brain voxel to sample")

    def _next_generator(self) -> np.random.Generator:
        generator = np.random.default_rng([self.seed, self.draws])
        self.draws += 1
        return generator


class RandomSampler(_SeededSampler):
    """Voxels sampled uniformly, so that a class is as frequent as it is (the paper's baseline).

    Parameters
    ----------
    cohort : Cohort
    seed : int
    within : {"brain", "slice"}
        Where to sample. The paper does not say. ``"slice"`` takes the whole slices, air included,
        which counts as healthy: then a batch holds even less of the tumour.

    Attributes
    ----------
    draws : int
        Number of the next batch; set it to continue from there.

    Raises
    ------
    ValueError
        If an argument is wrong, or the cohort has no brain voxel.

    Examples
    --------
    >>> RandomSampler(cohort, seed=0).draw(120).shape
    (120, 4)
    """

    def __init__(self, cohort: Cohort, *, seed: int, within: Literal["brain", "slice"] = "brain"):
        super().__init__(cohort, seed, within, ("brain", "slice"))

    def draw(self, n: int) -> np.ndarray:
        """Sample n centres: (n, 4) int32, case, slice, row, column."""
        n = whole(0, LONGEST_PASS, n=n)
        generator = self._next_generator()
        if self.within == "brain":
            return self.index.centres(generator.integers(self.index.total, size=n))
        low, high = self.cohort.limits
        ends = np.cumsum((high - low).prod(axis=1))
        positions = generator.integers(ends[-1], size=n)
        case = np.searchsorted(ends, positions, side="right")
        rows, columns = (high - low)[case, 1:].T
        number, rest = np.divmod(positions - np.append(0, ends)[case], rows * columns)
        place = np.stack([number, *np.divmod(rest, columns)], axis=-1) + low[case]
        return np.column_stack([case, place]).astype(np.int32)


class BalancedSampler(_SeededSampler):
    """Every class has its share of every batch, sampled uniformly over the whole cohort.

    The paper's balanced sampling (section VI) has equal shares: 24 of each of five classes in a
    batch of 120.

    Parameters
    ----------
    cohort : Cohort
    seed : int
    shares : mapping of class name to share, or sequence in class order, optional
        Non-negative, adding up to 1; equal shares by default.
    within : {"class", "case"}
        How the voxels of a class are sampled. ``"class"``: uniformly from all its voxels in the
        cohort, so that a large tumour is seen more often than a small one (the paper).
        ``"case"``: first a case, uniformly from those that have the class, then a voxel of the
        class in that case, uniformly, so that large tumours do not crowd out small ones.

    Attributes
    ----------
    draws : int
        Number of the next batch; set it to continue from there.
    shares : (classes,) float

    Raises
    ------
    ValueError
        If an argument is wrong, or the cohort has no voxel of a class with a share.

    Notes
    -----
    A batch of n holds exactly ``n * share`` of a class where that is a whole number, else the
    whole number below or above: systematic sampling (Madow 1949). If ``Q * n * share`` is a whole
    number for every class, for some Q up to 1000, any Q batches in a row hold exactly that many.
    For other shares the first k batches together are off by a few samples at most, for any k.

    Examples
    --------
    >>> centres = BalancedSampler(cohort, seed=0).draw(120)
    >>> np.bincount(cohort.labels_at(centres))
    array([24, 24, 24, 24, 24])

    Half healthy, the rest as frequent among themselves as in the cohort:

    >>> tumour = cohort.class_counts().sum(axis=0)[1:]
    >>> shares = [0.5, *(0.5 * tumour / tumour.sum())]
    >>> centres = BalancedSampler(cohort, seed=0, shares=shares).draw(120)
    >>> np.bincount(cohort.labels_at(centres))[0]
    np.int64(60)
    """

    def __init__(
        self,
        cohort: Cohort,
        *,
        seed: int,
        shares: Mapping[str, float] | Sequence[float] | None = None,
        within: Literal["class", "case"] = "class",
    ):
        super().__init__(cohort, seed, within, ("class", "case"))
        self.shares = as_shares(shares, cohort.scheme.classes)
        for number in np.flatnonzero((self.shares > 0) & (self.index.counts == 0)):
            raise ValueError(
                f"class '{self.scheme.classes[number]}' is to fill {self.shares[number]:.0%} of "
                f"every batch, but no voxel of the {len(cohort)} training cases has it; add a case "
                f"that does, or give shares= without it"
            )

    def draw(self, n: int) -> np.ndarray:
        """Sample n centres: (n, 4) int32, case, slice, row, column, in random order."""
        n = whole(0, LONGEST_PASS, n=n)
        counts = _class_counts(self.shares, n, self.seed, self.draws)
        generator = self._next_generator()
        sampled = [self._sample(*pair, generator) for pair in enumerate(counts.tolist())]
        chosen, ranks = zip(*sampled, strict=True)
        # One look-up for all classes takes little longer than one for a single class.
        found = self.index.centres(np.concatenate(ranks))
        return generator.permutation(np.concatenate([*chosen, found]))

    def _sample(
        self, number: int, n: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Some centres of the class, and the ranks of others in the index: n together."""
        first = self.index.first[number]
        if n == 0:
            ranks = np.zeros(0, np.int64)
        elif self.within == "class":
            ranks = first + generator.integers(int(self.index.counts[number]), size=n)
        else:
            counts = self.index.case_counts[:, number]
            case = generator.choice(np.flatnonzero(counts), size=n)
            ranks = first + (np.cumsum(counts) - counts)[case] + generator.integers(counts[case])
        return _NO_CENTRES, ranks


class HardExampleSampler(BalancedSampler):
    """Balanced, with the hard examples of each class first (paper, section VII).

    In every batch a class fills its share from its pool of hard examples, without repeats within
    the batch, and the rest as `BalancedSampler` does. The pool is empty, and the sampler the
    balanced one, until `HardExampleMining` fills it after the first epoch. The parameters are
    those of `BalancedSampler`.

    Examples
    --------
    >>> sampler = HardExampleSampler(cohort, seed=0)
    >>> sampler.pool[4] = sampler.index.centres(sampler.index.first[4] + np.arange(2))
    >>> set(map(tuple, sampler.pool[4])) <= set(map(tuple, sampler.draw(120)))
    True
    """

    @cached_property
    def pool(self) -> list[np.ndarray]:
        """The hard centres of each class, (h, 4) int32 each."""
        return [_NO_CENTRES for _ in self.scheme.classes]

    def _sample(self, number, n, generator):
        hard = self.pool[number]
        chosen = hard[generator.choice(len(hard), size=min(n, len(hard)), replace=False)]
        return chosen, super()._sample(number, n - len(chosen), generator)[1]


def _class_counts(shares: np.ndarray, n: int, seed: int, draw: int) -> np.ndarray:
    """How many samples of each class batch number `draw`, of n samples, holds."""
    cycle = _cycle(tuple(shares), n)
    if len(cycle):
        return cycle[(seed + draw) % len(cycle)]
    return _systematic(shares, n, (seed + draw) * _GOLDEN % 1)


def _systematic(shares, n: int, shift: float) -> np.ndarray:
    """Counts (classes,): how many of shift, shift + 1, ... lie between the bounds of each class."""
    ends = np.cumsum(shares)  # shares in single precision add up to 1 only nearly
    bounds = np.round(n * (ends / ends[-1]) - shift, 9)
    return np.diff(np.ceil(bounds).astype(int), prepend=0)


@lru_cache
def _cycle(shares: tuple[float, ...], n: int) -> np.ndarray:
    """Counts (batches, classes) of the batches after which every share is met exactly.

    No batches if that takes more than 1,000. The shifts of a cycle cover [0, 1) evenly.
    """
    samples = np.arange(1, 1001)[:, None] * n * np.array(shares)
    even = np.flatnonzero((np.abs(samples - np.round(samples)) < 1e-6).all(axis=1))
    if not len(even):
        return np.zeros((0, len(shares)), int)
    period = int(even[0]) + 1
    strides = (step for step in range(1, period + 1) if gcd(step, period) == 1)
    stride = min(strides, key=lambda step: abs(step - _GOLDEN * period))
    shifts = (np.arange(period) * stride % period + 0.5) / period
    return np.array([_systematic(shares, n, shift) for shift in shifts])


def by_name(shares):
    """Shares as they are given; a Series of pandas by the names in its index, not by their order.

    Examples
    --------
    >>> import pandas as pd
    >>> from imbalance_tf.sampling.samplers import by_name
    >>> by_name(pd.Series({"edema": 0.3, "healthy": 0.7}))
    {'edema': 0.3, 'healthy': 0.7}
    """
    return dict(shares.items()) if hasattr(shares, "items") else shares


def as_shares(shares, classes: Sequence[str]) -> np.ndarray:
    """Shares (classes,) from a mapping of class names, a sequence, or None for equal ones."""
    if shares is None:
        return np.full(len(classes), 1 / len(classes))
    shares = by_name(shares)
    if isinstance(shares, Mapping):
        if unknown := set(shares) - set(classes):
            names = sorted(unknown, key=str)
            raise ValueError(f"shares names {names}; the classes are {list(classes)}")
        shares = [shares.get(name, 0.0) for name in classes]
    values = list(shares) if is_list(shares) else []
    numbers = all(is_number(share) and share >= 0 for share in values)
    if len(values) != len(classes) or not numbers or abs(sum(values) - 1) > 1e-6:
        raise ValueError(
            f"shares={values or shares!r}; {len(classes)} shares from 0 that add up to 1 are "
            f"expected, in the order {list(classes)}"
        )
    return np.array(values, float)
