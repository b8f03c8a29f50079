"""Every sampler of the package keeps the laws; one that breaks a law is told which."""

import numpy as np
import pytest

from imbalance_tf import BalancedSampler, HardExampleSampler, RandomSampler, check_sampler
from imbalance_tf.sampling.samplers import _class_counts

SHARES = ([0.2] * 5, [0.5, 0.2, 0.17, 0.08, 0.05], [0.25, 0.25, 0.25, 0, 0.25])


@pytest.mark.parametrize("within", ["brain", "slice"])
def test_random_keeps_the_laws(within):
    check_sampler(lambda cohort, seed: RandomSampler(cohort, seed=seed, within=within))


@pytest.mark.parametrize("within", ["class", "case"])
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("Sampler", [BalancedSampler, HardExampleSampler])
@pytest.mark.slow
def test_balanced_and_hard_keep_the_laws(Sampler, shares, within):
    check_sampler(lambda cohort, seed: Sampler(cohort, seed=seed, shares=shares, within=within))


def test_hard_with_a_pool_keeps_the_laws():
    def make(cohort, seed):
        sampler = HardExampleSampler(cohort, seed=seed)
        sampler.pool[1:3] = [sampler.index.centres(sampler.index.first[c] + [0, 1]) for c in (1, 2)]
        return sampler

    check_sampler(make)


def changed(change):
    """A balanced sampler whose batches are changed."""

    class Changed(BalancedSampler):
        def draw(self, n):
            return change(super().draw(n))

    return Changed


def seeded(generator, Sampler=RandomSampler):
    """A sampler with another law of randomness."""

    class Seeded(Sampler):
        def _next_generator(self):
            self.draws += 1
            return generator(self)

    return Seeded


def ranked(ranks):
    """A sampler that chooses other voxels of a class: ranks of n among count."""

    class Ranked(BalancedSampler):
        def _sample(self, number, n, generator):
            chosen, _ = super()._sample(number, 0, generator)
            own = ranks(int(self.index.counts[number]), n, generator)
            return chosen, self.index.first[number] + own

    return Ranked


def counted(counts):
    """A sampler with other counts in a batch of n."""

    class Counted(BalancedSampler):
        def draw(self, n):
            right = _class_counts(self.shares, n, self.seed, self.draws)
            generator = self._next_generator()
            own = enumerate(counts(right, self.shares, generator).tolist())
            ranks = np.concatenate([self._sample(*pair, generator)[1] for pair in own])
            return generator.permutation(self.index.centres(ranks))

    return Counted


class OfAnotherCohort(BalancedSampler):
    def __init__(self, cohort, seed):
        super().__init__(cohort.subset(cohort.case_ids), seed=seed)


class Stream(RandomSampler):
    """One generator that goes on, whatever `draws` is set to."""

    def _next_generator(self):
        self.stream = getattr(self, "stream", None) or np.random.default_rng(self.seed)
        self.draws += 1
        return self.stream


def silent(Sampler, within):
    """A sampler that does not say within what it samples."""

    class Silent(Sampler):
        def draw(self, n):
            kept, self.within = self.within, within
            centres = super().draw(n)
            self.within = kept
            return centres

    return Silent


class Uncounted(RandomSampler):
    def draw(self, n):
        self.draws += 1
        return super().draw(n)


def touch_the_global_state(centres):
    np.random.random()
    return centres


BROKEN = {
    "a row off": (changed(lambda centres: np.add(centres, [0, 0, 1, 0])), "centres: "),
    "floats": (changed(lambda centres: centres / 1), "centres: the sampler gave float64 of"),
    "three columns": (changed(lambda centres: centres[:, 1:]), r"centres: .* shape \(1, 3\)"),
    "one too few": (changed(lambda centres: centres[1:]), r"centres: .* shape \(0, 4\)"),
    "another cohort": (OfAnotherCohort, "centres: the sampler's cohort is .*; the one it was made"),
    "air": (silent(RandomSampler, "slice"), r"centres: .* in case '0' is neither brain nor tumour"),
    "changes the global state": (
        changed(touch_the_global_state),
        "global state: sampling changes numpy.random's state; the same state is expected",
    ),
    "reads the global state": (
        seeded(lambda own: np.random.default_rng([*np.random.get_state()[1][:3], own.draws])),
        "global state: numpy.random's state changes a batch",
    ),
    "no seed": (
        seeded(lambda _: np.random.default_rng()),
        "seed: with `draws` set to 0, a new sampler of seed 0 gives another batch",
    ),
    "ignores the seed": (
        seeded(lambda own: np.random.default_rng(own.draws)),
        "seed: batch 0 of seed 1 is batch 0 of seed 0; another one is expected",
    ),
    "seed plus draws": (
        seeded(lambda own: np.random.default_rng(own.seed + own.draws)),
        "seed: batch 0 of seed 1 is batch 1 of seed 0; another one is expected",
    ),
    "one batch for ever": (
        seeded(lambda own: np.random.default_rng(own.seed)),
        "draws: batch 1 of seed 0 is batch 0 of seed 0; another one is expected",
    ),
    "a stream": (
        Stream,
        "draws: with `draws` set to 1, a new sampler of seed 0 gives another batch",
    ),
    "counts by two": (Uncounted, "draws: after 3 batches `draws` is 6; 3, the number of the next"),
    "one of a class too many": (
        counted(lambda right, *_: right + (right.sum() > 100) * np.array([1, -1, 0, 0, 0])),
        "counts: batches of 120 hold 25 to 25 of class 'healthy'; 24 to 24 is expected",
    ),
    "the rest always to the first classes": (
        counted(lambda right, *_: np.sort(right)[::-1]),
        r"counts: batches of 1 together miss the share of class 'healthy' by 320\.0; less than 4",
    ),
    "shares on average": (
        counted(lambda right, shares, generator: generator.multinomial(right.sum(), shares)),
        r"counts: batches of 1 together miss the share of class 'healthy' by \d+\.\d; less than 4",
    ),
    "half a class": (
        ranked(lambda count, n, generator: generator.integers(-(-count // 2), size=n)),
        "uniformity: .* voxels of class 'edema' are never sampled; none is expected",
    ),
    "a crowded class": (
        ranked(lambda count, n, generator: (count * generator.random(n) ** 1.2).astype(int)),
        r"uniformity: a (case|voxel) of class 'edema' is sampled \d+ to \d+ times",
    ),
    "all cases alike": (
        silent(BalancedSampler, "case"),
        r"uniformity: a case of class 'edema' is sampled \d+ to \d+ times",
    ),
}


@pytest.mark.parametrize(("Broken", "words"), BROKEN.values(), ids=BROKEN)
def test_a_sampler_fails_on_the_law_that_it_breaks(Broken, words):
    with pytest.raises(AssertionError, match=f"^law of {words}"):
        check_sampler(lambda cohort, seed: Broken(cohort, seed=seed))


def test_the_global_state_of_the_caller_is_left_alone():
    kept = np.random.get_state()
    check_sampler(lambda cohort, seed: RandomSampler(cohort, seed=seed))
    for before, after in zip(kept, np.random.get_state(), strict=True):
        assert np.array_equal(before, after)
