"""check_sampler: laws that every sampler keeps (compare scikit-learn's `check_estimator`)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chisquare

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.labels import SCHEMES

from .paper import BATCH_SIZE
from .protocol import checked_centres

_BATCHES = 400
_DRIFT = 4  # samples by which systematic sampling may miss a share, over any number of batches
_OFTEN = 20  # a voxel that is expected so often is missed once in 1e8
_UNLIKELY = 1e-6  # p-value; the seeds are fixed, so a right sampler must not fail by chance


def check_sampler(make: Callable[[Cohort, int], Any]) -> None:
    """Check that a sampler keeps the laws of sampling.

    It samples from three made-up cases of different size, with the classes of
    ``SCHEMES["brats2013"]``. One case lacks a class, and one class has a single voxel.

    Parameters
    ----------
    make : callable
        ``make(cohort, seed)`` builds a new sampler.

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, what was found and what is expected.

    Notes
    -----
    - global state: NumPy's global random state is neither read nor changed.
    - seed, draws: batch k depends on the seed and on k only, and no two batches are equal. A
      sampler whose `draws` is set to k continues with batch k.
    - centres: ``draw(n)`` gives integers (n, 4) - case, slice, row, column - in the scans of the
      sampler's `cohort`, which is the one given to it, and in the brain or with a tumour label.
    - counts, of a sampler with `shares`: a batch of n holds ``n * share`` of a class, or the next
      whole number below or above, and any number of batches together less than 4 more or fewer.
    - uniformity: every voxel of a class can be sampled, all of them equally often (chi-square).

    The attribute `within` of a sampler says what is uniform: ``"class"`` (as above; the default),
    ``"case"`` (the cases that have a class, and its voxels in a case), ``"brain"``, or ``"slice"``
    (all voxels of the brain, or of the scan, whatever their class). With any other value, or with
    centres in `pool`, which come first, uniformity is not checked.

    Examples
    --------
    >>> check_sampler(lambda cohort, seed: BalancedSampler(cohort, seed=seed))
    >>> check_sampler(lambda cohort, seed: RandomSampler(cohort, seed=0))
    Traceback (most recent call last):
        ...
    AssertionError: law of seed: batch 0 of seed 1 is batch 0 of seed 0; another one is expected
    """
    cohort = _cohort()
    expect(callable(make), "a function of cohort and seed that makes a sampler", make=make)
    try:
        made = make(cohort, 0)
    except TypeError as error:  # as of BalancedSampler itself, whose seed has to be named
        raise ValueError(
            f"make(cohort, 0) stopped ({error}); a function of cohort and seed is expected, such "
            f"as lambda cohort, seed: BalancedSampler(cohort, seed=seed)"
        ) from error
    expect(hasattr(made, "draw"), "a sampler with draw(n)", made=made)
    _check_global_state(make, cohort)
    _check_seed_and_draws(make, cohort)
    for n in (1, 7, BATCH_SIZE):
        sampler = make(cohort, 0)
        own, within = getattr(sampler, "cohort", None), getattr(sampler, "within", "class")
        _law("centres", own is cohort, f"the sampler's cohort is {own}", "the one it was made for")
        batches = [sampler.draw(n) for _ in range(_BATCHES)]
        try:
            centres = checked_centres(batches, n, cohort)
        except ValueError as error:
            raise AssertionError(f"law of centres: {error}") from error
        voxels = _voxels(centres.reshape(-1, 4), cohort, within)
        if hasattr(sampler, "shares"):
            _check_counts(centres, n * np.asarray(sampler.shares), cohort)
    if not any(len(hard) for hard in getattr(sampler, "pool", ())):
        _check_uniformity(voxels, within)


def _law(name: str, kept: bool, found: str, expected: str) -> None:
    if not kept:
        raise AssertionError(f"law of {name}: {found}; {expected} is expected")


def _cohort() -> Cohort:
    generator = np.random.default_rng(0)
    cases = []
    for number, shape in enumerate([(2, 7, 6), (3, 6, 9), (1, 12, 5)]):
        labels = generator.choice(5, p=[0.7, 0.1, 0.1, 0, 0.1], size=shape).astype(np.uint8)
        if number == 0:
            labels[labels == 4] = 0
        if number == 1:
            labels[1, 2, 3] = 3
        images, brain = np.zeros((*shape, 2), np.float16), generator.random(shape) < 0.7
        scan_shape = (3 + number, 13, 11)
        cases.append(Case(str(number), images, labels, brain, np.eye(4), (0, 1, 2), scan_shape))
    return Cohort(cases, SCHEMES["brats2013"], ("t1", "flair"))


def _check_global_state(make, cohort: Cohort) -> None:
    def batch(state: int) -> bytes:
        np.random.seed(state)
        centres = np.asarray(make(cohort, 0).draw(BATCH_SIZE)).tobytes()
        same = np.random.random() == np.random.RandomState(state).random()
        _law("global state", same, "sampling changes numpy.random's state", "the same state")
        return centres

    kept = np.random.get_state()
    try:
        first, again, other = (batch(state) for state in (0, 0, 1))
    finally:
        np.random.set_state(kept)
    found = "numpy.random's state changes a batch"
    _law("global state", first != again or first == other, found, "the same batch")


def _check_seed_and_draws(make, cohort: Cohort) -> None:
    batches: dict[bytes, tuple[int, int]] = {}
    for seed in range(3):
        sampler = make(cohort, seed)
        for k in range(3):
            batch = np.asarray(sampler.draw(BATCH_SIZE)).tobytes()
            other, number = batches.setdefault(batch, (seed, k))
            found = f"batch {k} of seed {seed} is batch {number} of seed {other}"
            name = "draws" if other == seed else "seed"
            _law(name, (other, number) == (seed, k), found, "another one")
    draws = getattr(sampler, "draws", "missing")
    _law("draws", draws == 3, f"after 3 batches `draws` is {draws}", "3, the number of the next,")
    sampler = make(cohort, 0)
    for name, k in (("seed", 0), ("draws", 1), ("draws", 0), ("draws", 2)):
        sampler.draws = k
        same = batches.get(np.asarray(sampler.draw(BATCH_SIZE)).tobytes()) == (0, k)
        found = f"with `draws` set to {k}, a new sampler of seed 0 gives another batch"
        _law(name, same, found, f"batch {k}")
        sampler.draw(7)


def _voxels(centres: np.ndarray, cohort: Cohort, within: str) -> pd.DataFrame:
    """The class and case of every voxel that may be sampled, and how often it was."""
    voxels = []
    for number, case in enumerate(cohort):
        drawn, labels = np.zeros(case.scan_shape, int), case.to_scan(case.labels)
        np.add.at(drawn, tuple((centres[centres[:, 0] == number, 1:] + case.origin).T), 1)
        allowed = case.to_scan(case.brain | (case.labels > 0)) | (within == "slice")
        wrong = (np.argwhere((drawn > 0) & ~allowed) - case.origin)[:1].tolist()
        found = f"{wrong} in case '{case.id}' is neither brain nor tumour"
        _law("centres", not wrong, found, "a voxel that is one of them")
        names = np.array(cohort.scheme.classes)[labels[allowed]]
        voxels.append(pd.DataFrame({"class": names, "case": number, "drawn": drawn[allowed]}))
    return pd.concat(voxels)


def _check_counts(batches: np.ndarray, asked: np.ndarray, cohort: Cohort) -> None:
    classes = cohort.scheme.classes
    counts = np.array([np.bincount(cohort.labels_at(b), minlength=len(classes)) for b in batches])
    low, high = np.floor(asked + 1e-6), np.ceil(asked - 1e-6)
    drift = np.abs(np.cumsum(counts - asked, axis=0)).max(axis=0)
    size = batches.shape[1]
    for c, name in enumerate(classes):
        fewest, most = counts[:, c].min(), counts[:, c].max()
        found = f"batches of {size} hold {fewest} to {most} of class '{name}'"
        kept = low[c] <= fewest <= most <= high[c]
        _law("counts", kept, found, f"{low[c]:.0f} to {high[c]:.0f}")
        found = f"batches of {size} together miss the share of class '{name}' by {drift[c]:.1f}"
        _law("counts", drift[c] < _DRIFT, found, f"less than {_DRIFT}")


def _check_uniformity(voxels: pd.DataFrame, within: str) -> None:
    if within in ("brain", "slice"):
        voxels = voxels.assign(**{"class": "any"})
    elif within not in ("class", "case"):
        return
    for name, own in voxels[["case", "drawn"]].groupby(voxels["class"]):
        in_case = own.groupby("case").drawn.transform("size")
        weights = in_case ** (-1.0 if within == "case" else 0.0)
        own = own.assign(expected=own.drawn.sum() * weights / weights.sum())
        missed = own.drawn == 0
        found = f"{missed.sum()} of {len(own)} voxels of class '{name}' are never sampled"
        _law("uniformity", not (missed & (own.expected > _OFTEN)).any(), found, "none")
        for unit, counts in {"case": own.groupby("case").sum(), "voxel": own}.items():
            if len(counts) > 1 and counts.drawn.any():
                p = chisquare(counts.drawn, counts.expected).pvalue
                least, most = counts.drawn.min(), counts.drawn.max()
                found = f"a {unit} of class '{name}' is sampled {least} to {most} times (p={p:.1g})"
                _law("uniformity", p > _UNLIKELY, found, f"{counts.expected.mean():.0f} on average")
