"""Checks about what is put in a batch, and what is kept out of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.labels import SCHEMES
from imbalance_tf.sampling.samplers import BalancedSampler

from .asking import Wrong, check, compare

__all__ = ["balanced_laws", "is_hard", "samples_per_voxel", "split_by", "three_samplers"]


@check
def samples_per_voxel(answer: Callable) -> None:
    """``answer(counts, shares, batches, batch_size)``: how often each voxel comes in a training.

    One number a class, the mean over its voxels. `counts` are the voxels of each class, and
    `shares` the part of each batch that it gets.
    """
    for batches, size in ((50, 20), (300, 64)):
        counts, shares = np.array([9000, 600, 330, 70]), np.array([0.4, 0.3, 0.2, 0.1])
        right = batches * size * shares / counts
        mistakes = {
            "those are the patches of a class; divide by its voxels": right * counts,
            "a class gets only its share of a batch": right / shares,
            "the shares need not be equal": right / shares / len(shares),
            "divided by the voxels of all classes": right * counts / counts.sum(),
            "batches are counted, and not the patches in them": right / size,
            "that is one batch; a training has many": right / batches,
            "upside down: that is voxels per sample": 1 / right,
        }
        compare(answer(counts, shares, batches, size), right, mistakes)


class _OnAverage(BalancedSampler):
    """Breaks the first law: a class has its share on average, not in every batch."""

    def draw(self, n):
        many = super().draw(20 * n)
        return many[np.random.default_rng(self.draws).choice(len(many), n, replace=False)]


def three_samplers(cohort: Cohort, seed: int = 0) -> dict[str, BalancedSampler]:
    """One that keeps both laws of a balanced sampler, and two that break one each.

    Examples
    --------
    >>> from imbalance_tf.lab.checks.batches import three_samplers
    >>> list(three_samplers(cohort))
    ['A', 'B', 'C']
    """
    return {
        "A": _OnAverage(cohort, seed=seed),
        "B": BalancedSampler(cohort, seed=seed),
        "C": BalancedSampler(cohort, seed=seed, within="case"),
    }


@check
def balanced_laws(answer: Callable) -> None:
    """``answer(sampler)``: asserts the two laws of a balanced sampler, or returns if they hold.

    It is handed three samplers of a cohort, ``sampler.cohort``: one keeps both laws, and each of
    the others breaks one.
    """
    generator, cases = np.random.default_rng(0), []
    for name, shape in {"large": (2, 30, 30), "small": (1, 20, 20), "tiny": (1, 12, 12)}.items():
        labels = generator.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1], size=shape).astype(np.uint8)
        labels[(labels == 3) & (name == "tiny")] = 0  # as in many a cohort
        cases.append(Case(name, np.zeros((*shape, 1), np.float16), labels, np.ones(shape, bool)))
    cohort = Cohort(cases, SCHEMES["brats2013"], ("t1",))

    def passes(sampler):
        try:
            return (held := answer(sampler)) is None or held is ... or bool(held)
        except AssertionError:
            return False

    average, good, by_case = (passes(each) for each in three_samplers(cohort).values())
    broken = "a sampler passes that breaks the {} law: "
    if good and average and by_case:
        raise Wrong("all three samplers pass; two of them break a law, and nothing objects yet")
    if not good:
        raise Wrong(
            "a sampler that keeps both laws does not pass. Counts are exact; but voxels are only "
            "equally likely, and a case gives of a class as it has of it, give or take chance; of "
            "a class that it lacks 0 is expected and 0 found, so no 0/0, and <= rather than <"
        )
    if average:
        held = "the shares hold on average. Look at every batch, not at a sum or mean of them"
        raise Wrong(broken.format("first") + held)
    if by_case:
        held = "each case gives equally many. Compare what it gives of a class with what it has"
        raise Wrong(broken.format("second") + held)


@check
def is_hard(answer: Callable) -> None:
    """``answer(label, predicted, probability, threshold)``: which candidates are hard; bool.

    Arrays with one number a candidate: its true class, the predicted one, and the probability that
    the network gives to the true class. Hard is what is predicted wrong, or right with a
    probability under the threshold.
    """
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(4, 0.5), 400)
    label, predicted = generator.integers(4, size=400), probabilities.argmax(axis=-1)
    probability = probabilities[np.arange(400), label]
    wrong, correct = predicted != label, predicted == label
    for threshold in (0.4, 0.75, 0.99, 0):  # under 0.5 a wrong one can pass
        if threshold:
            probability[np.flatnonzero(correct)[:3]] = threshold
        unsure = probability < threshold
        mistakes = {
            "those are the easy ones": ~(wrong | unsure),
            "nothing is hard yet": np.zeros(400, bool),
            "a wrong one is hard whatever its probability": unsure,
            "an unsure one is hard, too, though it is right": wrong,
            "wrong OR unsure; you ask for both": wrong & unsure,
            "that leaves the wrong ones out": correct & unsure,
            "unsure is BELOW the threshold": wrong | (probability > threshold),
            "exactly at the threshold is not below it": wrong | (probability <= threshold),
        }
        found = _mask(answer(label.copy(), predicted.copy(), probability.copy(), threshold), 400)
        if (found != (wrong | unsure)).any():
            named = [f": {why}" for why, mask in mistakes.items() if (found == mask).all()]
            raise Wrong(
                f"threshold {threshold}: {found.sum()} of 400 hard found, "
                f"{(wrong | unsure).sum()} expected" + "".join(named[:1])
            )


@check
def split_by(answer: Callable) -> None:
    """``answer(groups, share, seed)``: True for the patches to test on; whole groups, at random.

    `groups` has one number a patch, and `share` of the groups are tested.
    """
    generator = np.random.default_rng(0)
    names = generator.choice(5000, 200, replace=False)
    # One group has half of the patches, so that a share of the patches is no share of the groups.
    more = np.where(generator.random(1800) < 0.5, 7, generator.integers(200, size=1800))
    groups = names[np.append(np.arange(200), more)]
    in_order = np.sort(names)
    for share in (0.3, 0.2):
        tested = _mask(answer(groups.copy(), share, 1), len(groups))
        if tested.all() or not tested.any():
            raise Wrong(f"{'all' if tested.any() else 'none'} of the patches are tested")
        both = np.intersect1d(groups[tested], groups[~tested])
        if len(both):
            raise Wrong(
                f"{len(both)} of the 200 groups have patches on both sides; choose groups, not "
                f"patches, and then take all that belongs to them"
            )
        found = len(np.unique(groups[tested])) / 200
        if abs(found - share) > 0.1:
            why = ": a share of the groups, not of the patches; np.unique(groups) has each once"
            if abs(1 - found - share) <= 0.05:
                why = ": True is for those to test on"
            raise Wrong(f"{found:.2f} of the groups tested, {share:g} expected{why}")
        again, other = (_mask(answer(groups.copy(), share, seed), len(groups)) for seed in (1, 2))
        if (again != tested).any():
            raise Wrong("the same seed gives another split; use np.random.default_rng(seed)")
        if (other == tested).all():
            raise Wrong("another seed gives the same split; which groups are tested is chance")
        splits = [_mask(answer(groups.copy(), share, seed), len(groups)) for seed in range(40)]
        mean = np.mean([len(np.unique(groups[split])) for split in splits]) / 200
        if abs(mean - share) > 0.012:  # a coin for each group: 0.005 of standard deviation
            once = ": a group that is chosen twice counts once: np.unique, replace=False"
            why = once if mean < share else ""
            raise Wrong(f"{mean:.3f} of the groups on average of 40 seeds, {share:g} expected{why}")
        chosen = np.array([np.isin(in_order, groups[split]) for split in splits])
        neighbours = (chosen[:, 1:] & chosen[:, :-1]).sum(axis=1).mean()
        if abs(neighbours - 199 * share**2) > 5:  # by chance: 0.6 of standard deviation
            raise Wrong(
                f"of {200 * share:.0f} groups, {neighbours:.0f} pairs of neighbours are tested "
                f"together, {199 * share**2:.0f} expected by chance; choose each group at random"
            )


def _mask(answered: Any, patches: int) -> np.ndarray:
    """One True or False a patch; Wrong for anything else."""
    if answered is None or answered is ...:
        raise Wrong("no value yet: the function returns nothing")
    found = np.asarray(answered)
    if found.shape != (patches,) or not set(found.tolist()) <= {True, False}:
        raise Wrong(
            f"{found.dtype} of shape {found.shape} found; True or False for each of the {patches} "
            f"patches is expected"
        )
    return found.astype(bool)
