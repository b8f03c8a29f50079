"""The checks of the exercises: right answers, however written, and the wrong ones of people."""

import math
import random
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logit, softmax

from imbalance_tf.lab import checks


def dice_of_sets(truth, predicted):
    T, P = ({*np.flatnonzero(mask)} for mask in (truth, predicted))
    return 2 * len(T & P) / (len(T) + len(P)) if T | P else math.nan


def dice_by_loop(truth, predicted):
    both = sizes = 0
    for t, p in zip(truth.ravel(), predicted.ravel(), strict=True):
        both += bool(t and p)
        sizes += int(t) + int(p)
    return round(2 * both / sizes, 3) if sizes else None or float("nan")


def dice_nan_if_one_is_empty(t, p):
    return 2 * (t & p).sum() / (t.sum() + p.sum()) if p.any() else math.nan


def dice_one_if_empty(t, p):
    return 2 * (t & p).sum() / (t.sum() + p.sum()) if (t | p).any() else 1


def laws(sampler):
    cohort = sampler.cohort
    batches = [sampler.draw(120) for _ in range(100)]
    for batch in batches:
        counts = np.bincount(cohort.labels_at(batch), minlength=5)
        assert counts.min() == counts.max()
    centres, available = np.concatenate(batches), cohort.class_counts()
    labels = cohort.labels_at(centres)
    for number in range(5):
        drawn = np.bincount(centres[labels == number, 0], minlength=len(cohort))
        expected = drawn.sum() * available[:, number] / available[:, number].sum()
        assert (np.abs(drawn - expected) <= 5 * np.sqrt(expected)).all()


def laws_that_divide_by_zero(sampler):
    centres, available = sampler.draw(12_000), sampler.cohort.class_counts()
    labels = sampler.cohort.labels_at(centres)
    for number in range(5):
        drawn = np.bincount(centres[labels == number, 0], minlength=len(sampler.cohort))
        expected = drawn.sum() * available[:, number] / available[:, number].sum()
        assert (np.abs(drawn - expected) / np.sqrt(expected) < 5).all()


def laws_as_answer(sampler):
    """Returns whether they hold; by chi-square over the voxels of one class."""
    exact, drawn = True, []
    for _ in range(200):
        centres = sampler.draw(50)
        labels = sampler.cohort.labels_at(centres)
        exact &= [*np.bincount(labels, minlength=5)] == [10] * 5
        drawn.append(centres[labels == 0])
    _, counts = np.unique(np.concatenate(drawn), axis=0, return_counts=True)
    voxels = sampler.cohort.class_counts()[:, 0].sum()
    counts = np.append(counts, np.zeros(voxels - len(counts)))
    return exact and stats.chisquare(counts).pvalue > 1e-4


def first_law(sampler):
    batch = sampler.draw(120)
    assert (np.bincount(sampler.cohort.labels_at(batch), minlength=5) == 24).all()


def first_law_on_average(sampler):
    batches = np.concatenate([sampler.draw(120) for _ in range(200)])
    counts = np.bincount(sampler.cohort.labels_at(batches), minlength=5) / 200
    assert np.allclose(counts, 24, atol=1)
    laws_by_case(sampler)


def laws_by_case(sampler, tolerance=0.02):
    batches = np.concatenate([sampler.draw(120) for _ in range(200)])
    rare = batches[sampler.cohort.labels_at(batches) == 4]
    share = np.bincount(rare[:, 0]) / len(rare)
    available = sampler.cohort.class_counts()[:, 4]
    assert np.abs(share - available / available.sum()).max() < tolerance


def cases_alike(sampler):
    first_law(sampler)
    centres = np.concatenate([sampler.draw(120) for _ in range(100)])
    assert np.bincount(centres[:, 0]).std() < 100


def bayes(p, natural, batch):
    corrected = p * natural / batch
    return corrected / corrected.sum(axis=-1, keepdims=True)


def mean_of_resamples(values, generator=np.random.default_rng(7)):  # noqa: B008
    means = generator.choice(values, (1000, len(values))).mean(axis=1)
    return np.percentile(means, [2.5, 97.5])


def bca(values):
    found = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(0), n_resamples=2000)
    return tuple(found.confidence_interval)


def students(values):
    return stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))


def interval_of(statistic, *percentiles, replace=True):
    generator = np.random.default_rng(7)

    def answer(values):
        some = np.tile(values, (1000, 1))
        some = generator.choice(values, some.shape) if replace else generator.permuted(some, axis=1)
        return np.percentile(statistic(some, axis=1), percentiles)

    return answer


def recalls_by_loop(truth, predicted, classes):
    found = {}
    for number in range(classes):
        mask = truth == number
        found[number] = (predicted[mask] == number).mean() if mask.any() else math.nan
    return found


def recalls_by_groups(truth, predicted, classes):
    right = pd.Series((truth == predicted).ravel())
    return right.groupby(truth.ravel()).mean().reindex(range(classes))


def recalls_by_table(truth, predicted, classes):
    table = np.histogram2d(truth.ravel(), predicted.ravel(), [np.arange(classes + 1)] * 2)[0]
    return table.diagonal() / table.sum(axis=1)


def recalls_as_dice_has_it(truth, predicted, classes):
    there = np.bincount(truth.ravel(), minlength=classes)
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    said = np.bincount(predicted.ravel(), minlength=classes)
    return np.where(there + said > 0, hits / np.maximum(there, 1), np.nan)


def recalls_of_what_is_hit(truth, predicted, classes):
    return [(truth[predicted == n] == n).sum() / (truth == n).sum()
            if ((truth == n) & (predicted == n)).any() else np.nan
            for n in range(classes)]  # fmt: skip


def two_errors_of_what_one_has(one, other):
    each = (one[one.notna()] - other[one.notna()]).to_numpy()
    reach = 2 * each.std(ddof=1) / len(each) ** 0.5
    return each.mean() - reach, each.mean() + reach


def groups_until_a_share_of_the_patches(groups, share, seed):
    names, patches = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(np.cumsum(patches[order]), share * len(groups)) + 1
    return np.isin(groups, names[order[:enough]])


def groups_in_a_block(groups, share, seed):
    names = np.unique(groups)
    many = round(share * len(names))
    first = np.random.default_rng(seed).integers(len(names))
    return np.isin(groups, np.roll(names, first)[:many])


def two_errors(one, other):
    each = one - other
    return each.mean() - 2 * each.sem(), each.mean() + 2 * each.sem()


def two_errors_by_hand(one, other):
    each = [float(a - b) for a, b in zip(one, other, strict=True) if a - b == a - b]
    mean = sum(each) / len(each)
    spread = math.sqrt(sum((value - mean) ** 2 for value in each) / (len(each) - 1))
    return mean + np.array([-2, 2]) * spread / math.sqrt(len(each))


def around(half):
    return lambda a, b: ((a - b).mean() - half(a, b), (a - b).mean() + half(a, b))


def first_groups(groups, share, seed):
    names = np.unique(groups)
    return np.isin(groups, names[: round(share * len(names))])


def chosen_with_replacement(groups, share, seed):
    names = np.unique(groups)
    return np.isin(groups, np.random.default_rng(seed).choice(names, round(share * len(names))))


def chosen_patches(groups, share, seed):
    some = np.random.default_rng(seed).choice(groups, int(share * len(groups)), replace=False)
    return np.isin(groups, some)


def chosen_groups(groups, share, seed):
    names = np.unique(groups)
    some = np.random.default_rng(seed).choice(names, round(share * len(names)), replace=False)
    return np.isin(groups, some)


def shuffled_groups(groups, share, seed):
    names = sorted({*groups.tolist()})
    random.Random(seed).shuffle(names)
    tested = {*names[: int(share * len(names))]}
    return [group in tested for group in groups]


def coin_for_each_group(groups, share, seed):
    _, number = np.unique(groups, return_inverse=True)
    return (np.random.default_rng(seed).random(number.max() + 1) < share)[number]


RIGHT = {
    "recalls": [recalls_by_loop, recalls_by_groups, recalls_by_table],
    "paired_difference": [two_errors, two_errors_by_hand],
    "is_hard": [
        lambda label, predicted, p, threshold: (predicted != label) | (p < threshold),
        lambda label, predicted, p, threshold: ~((predicted == label) & (p >= threshold)),
        lambda label, predicted, p, t: np.where(label == predicted, p < t, 1),
        lambda label, predicted, p, t: [a != b or c < t for a, b, c in zip(label, predicted, p)],  # noqa: B905
    ],
    "split_by": [chosen_groups, shuffled_groups, coin_for_each_group],
    "dice": [
        lambda t, p: 2 * (t & p).sum() / (t.sum() + p.sum()),
        lambda t, p: np.logical_and(t, p).mean() / np.mean([t.mean(), p.mean()]),
        dice_of_sets,
        dice_by_loop,
    ],
    "samples_per_voxel": [
        lambda counts, shares, batches, size: batches * size * shares / counts,
        lambda c, s, b, n: [b * round(n * share, 9) / count for count, share in zip(c, s)],  # noqa: B905
        lambda c, s, b, n: pd.Series(s * n, index=list("abcd")) * b / c,
    ],
    "balanced_laws": [laws, laws_as_answer],
    "prior_correction": [
        bayes,
        lambda p, natural, batch: p / batch * natural,
        lambda p, natural, batch: np.log(p) + np.log(natural) - np.log(batch),
        lambda p, natural, batch, strength=1: p * (natural / batch) ** strength,
        lambda p, natural, batch, strength=1: np.log(p) + strength * np.log(natural / batch),
        lambda p, natural, batch: softmax(np.log(p) + np.log(natural / batch), axis=-1),
    ],
    "interval": [mean_of_resamples, bca, students, interval_of(np.mean, 2.5, 97.5)],
    "lost_by_the_first": [
        lambda truth, first: np.bincount(truth[~first & (truth > 0)], minlength=4),
        lambda truth, first: [((truth == number) & ~first).sum() for number in (1, 2, 3)],
        lambda truth, first: {k: sum(truth[first == 0] == k) for k in range(1, 4)},
        lambda truth, first: np.bincount(truth[(truth > 0) & ~first], minlength=6),
        lambda truth, first: [((truth == number) & ~first).sum() for number in range(1, 5)],
    ],
    "shares_as_in_tumour": [
        lambda counts, m: np.r_[m, (1 - m) * counts[1:] / counts[1:].sum()],
        lambda counts, m: [m] + [(1 - m) * c / sum(counts[1:]) for c in counts[1:]],
        lambda counts, m: dict(enumerate(np.append(m, counts[1:] * (1 - m) / counts[1:].sum()))),
    ],
    "hard_repeats": [
        lambda pool, share, batches: batches * min(share / pool, 1),
        lambda pool, share, batches: batches if pool <= share else batches * share / pool,
        lambda pool, share, batches: np.minimum(share, pool) * batches / pool,
    ],
    "lean": [
        lambda natural, batch: batch / (1 - batch) / (natural / (1 - natural)),
        lambda natural, batch: batch * (1 - natural) / (natural * (1 - batch)),
        lambda natural, batch: np.exp(logit(batch) - logit(natural)),
    ],
    "cases_needed": [
        lambda v: (1.96 * v.std(ddof=1) / v.mean()) ** 2,
        lambda v: math.ceil(len(v) * (2 * stats.sem(v) / v.mean()) ** 2),
        lambda v: len(v) * (np.ptp(mean_of_resamples(v)) / 2 / v.mean()) ** 2,
    ],
}
WRONG = [
    ("recalls", lambda t, p, k: [(t[p == n] == n).mean() for n in range(k)], "that is the precis"),
    ("recalls", lambda t, p, k: [((t == n) & (p == n)).mean() for n in range(k)], "not by all"),
    ("recalls", lambda t, p, k: np.bincount(t[t == p], minlength=k), "those are counts"),
    ("recalls", lambda t, p, k: [((t == n) == (p == n)).mean() for n in range(k)], "or not"),
    ("recalls", lambda t, p, k: [(p[t == n] != n).mean() for n in range(k)], "what is missed"),
    ("recalls", lambda t, p, k: (t == p).mean(), "shape () found, (4,) expected"),
    (
        "recalls",
        lambda *asked: np.nan_to_num(recalls_by_table(*asked)),
        "where the last class is absent: ",
    ),
    ("recalls", recalls_as_dice_has_it, "class is predicted: "),
    ("recalls", recalls_of_what_is_hit, "never predicted has a recall of 0"),
    ("paired_difference", around(lambda a, b: (a - b).sem()), "one standard error to each side"),
    ("paired_difference", around(lambda a, b: 2 * (a - b).std()), "spread of the cases; divide"),
    ("paired_difference", around(lambda a, b: 2 * np.hypot(a.sem(), b.sem())), "are not paired"),
    ("paired_difference", around(lambda a, b: 2 * (a - b).std(ddof=0) / 7**0.5), "ddof=1"),
    ("paired_difference", around(lambda a, b: 1.96 * (a - b).sem()), "the rule here says two"),
    ("paired_difference", around(lambda a, b: 2 * (a - b).std() / len(a) ** 0.5), "is counted"),
    ("paired_difference", lambda a, b: two_errors((a - b).fillna(0), 0), "has no difference of 0"),
    ("paired_difference", lambda a, b: two_errors(b, a), "that is other - one"),
    ("paired_difference", lambda a, b: two_errors(a, b)[::-1], "high comes after low"),
    ("paired_difference", lambda a, b: two_errors(a, b * (a + 1) / (a + 1))[0], "shape () found"),
    (
        "paired_difference",
        lambda a, b: two_errors_by_hand(a.fillna(9), b) if a.notna().all() else (math.nan,) * 2,
        "expected: leave that case out",
    ),
    ("paired_difference", two_errors_of_what_one_has, "value in other: nan, nan found"),
    ("is_hard", lambda label, said, p, t: p < t, "hard whatever its probability"),
    ("is_hard", lambda label, said, p, t: label != said, "an unsure one is hard, too"),
    ("is_hard", lambda label, said, p, t: (label != said) & (p < t), "wrong OR unsure"),
    ("is_hard", lambda label, said, p, t: (label == said) & (p < t), "leaves the wrong ones out"),
    ("is_hard", lambda label, said, p, t: (label == said) & (p >= t), "those are the easy ones"),
    ("is_hard", lambda label, said, p, t: (label != said) | (p > t), "BELOW the threshold"),
    ("is_hard", lambda label, said, p, t: (label != said) | (p <= t), "at the threshold is not b"),
    ("is_hard", lambda label, said, p, t: label != label, "nothing is hard yet"),
    ("is_hard", lambda label, said, p, t: np.flatnonzero(p < t), "for each of the 400 patches"),
    ("is_hard", lambda label, said, p, t: p - t, "for each of the 400 patches"),
    ("split_by", chosen_patches, "0.3 expected: a share of the groups, not of"),
    ("split_by", first_groups, "another seed gives the same split"),
    ("split_by", lambda g, s, seed: ~chosen_groups(g, s, seed), "True is for those to test on"),
    (
        "split_by",
        lambda g, s, seed: np.random.default_rng(seed).random(len(g)) < s,
        "of the 200 groups have patches on both sides",
    ),
    ("split_by", lambda g, s, seed: np.arange(len(g)) < s * len(g), "patches on both sides"),
    ("split_by", lambda g, s, seed: chosen_groups(g, s, None), "the same seed gives another"),
    ("split_by", lambda g, s, seed: chosen_groups(g, 0.5, seed), "of the groups tested, 0.3 exp"),
    (
        "split_by",
        lambda g, s, seed: np.isin(
            g, np.random.default_rng(seed).choice(g, int(s * 200), replace=False)
        ),
        "np.unique",
    ),
    ("split_by", groups_until_a_share_of_the_patches, "of the groups, not of the patches"),
    ("split_by", groups_in_a_block, "choose each group at random"),
    ("split_by", chosen_with_replacement, "a group that is chosen twice counts once: np"),
    ("split_by", lambda g, s, seed: np.zeros(len(g), bool), "none of the patches are tested"),
    ("split_by", lambda g, s, seed: np.unique(g)[:60], "for each of the 2000 patches"),
    ("dice", lambda t, p: (t & p).sum() / (t | p).sum(), "0.211 found, 0.348 expected: that is t"),
    ("dice", lambda t, p: 2 * (t | p).sum() / (t.sum() + p.sum()), "has the union where the int"),
    ("dice", lambda t, p: (t & p).sum() / (t.sum() + p.sum()), "half of it; divide by the mean"),
    ("dice", lambda t, p: (t & p).sum() / t.sum(), "that is the recall"),
    ("dice", lambda t, p: (t & p).sum() / p.sum(), "that is the precision"),
    ("dice", lambda t, p: (t == p).mean(), "that is the accuracy"),
    ("dice", dice_nan_if_one_is_empty, "0.000 expected: only where both are empty is it 0/0"),
    (
        "dice",
        lambda t, p: 2 * (t & p).sum() / (t.sum() + p.sum()) if t.any() else np.nan,
        "where the truth is empty: nan found, 0.000 expected: only where both are empty",
    ),
    ("dice", dice_one_if_empty, "where both are empty: 1 found, nan expected: 0/0 is no perfect"),
    ("dice", lambda t, p: 2 * (t & p) / (t.sum() + p.sum()), "shape (4, 5, 6) found, () expected"),
    ("samples_per_voxel", lambda c, s, b, n: b * n * s, "those are the patches of a class"),
    ("samples_per_voxel", lambda c, s, b, n: b * n / c, "gets only its share of a batch"),
    ("samples_per_voxel", lambda c, s, b, n: b * n * s / c.sum(), "the voxels of all classes"),
    ("samples_per_voxel", lambda c, s, b, n: b * s / c, "batches are counted"),
    ("samples_per_voxel", lambda c, s, b, n: b * n / len(c) / c, "shares need not be equal"),
    ("samples_per_voxel", lambda c, s, b, n: n * s / c, "that is one batch"),
    ("samples_per_voxel", lambda c, s, b, n: c / (b * n * s), "upside down"),
    ("samples_per_voxel", lambda c, s, b, n: b * n / c.sum(), "shape () found, (4,) expected"),
    ("balanced_laws", first_law, "breaks the second law: each case gives equally many"),
    ("balanced_laws", first_law_on_average, "breaks the first law: the shares hold on average"),
    ("balanced_laws", laws_that_divide_by_zero, "that it lacks 0 is expected and 0 found"),
    ("balanced_laws", laws_by_case, "breaks the first law"),
    ("balanced_laws", cases_alike, "a sampler that keeps both laws does not pass"),
    ("balanced_laws", lambda s: laws_by_case(s, 1e-9), "keeps both laws does not pass"),
    ("balanced_laws", lambda s: print(end=""), "nothing objects yet"),
    ("prior_correction", lambda p, natural, batch: p, "nothing is changed"),
    ("prior_correction", lambda p, natural, batch: bayes(p, batch, natural), "multiply by the n"),
    ("prior_correction", lambda p, natural, batch: p * natural, "the share of the batch, too, is"),
    ("prior_correction", lambda p, natural, batch: p / batch, "the natural share, too, is needed"),
    ("prior_correction", lambda p, n, b: p + np.log(n / b), "logarithms are added to logits"),
    ("prior_correction", lambda p, n, b: p / n, "by the natural share one multiplies"),
    ("prior_correction", lambda p, n, b, strength=1: p * n / b * strength, "changes no order"),
    ("prior_correction", lambda p, n, b, strength=1: bayes(p, n, b), "a strength of 0.5: "),
    ("prior_correction", lambda p, n, b, strength=1: (p * n / b) ** strength, "the factor alone"),
    (
        "prior_correction",
        lambda p, n, b, strength=1: p * (1 - strength + strength * n / b),
        "the strength is an exponent",
    ),
    ("prior_correction", lambda p, n, b: bayes(p, n, b).argmax(-1), "shape (2, 3, 5) found"),
    ("interval", interval_of(np.median, 2.5, 97.5), "it does not lie around the mean"),
    ("interval", interval_of(np.mean, 5, 95), "that is less than 95 %"),
    ("interval", interval_of(np.mean, 0.025, 0.975), "counts from 0 to 100"),
    (
        "interval",
        lambda v: np.percentile(
            np.random.default_rng(1).choice(v, (2000, len(v))).mean(axis=0), [2.5, 97.5]
        ),
        "the mean of each row",
    ),
    ("interval", interval_of(np.mean, 16, 84), "about one standard error to each side"),
    ("interval", lambda v: np.percentile(v, [2.5, 97.5]), "the spread of the values"),
    ("interval", interval_of(np.mean, 97.5, 2.5), "low comes first"),
    ("interval", interval_of(np.mean, 2.5, 97.5, replace=False), "sampled with replacement?"),
    ("interval", interval_of(np.mean, 1, 99), "that is more than 95 %"),
    ("interval", interval_of(np.mean, 5, 97.5), "that is less than 95 %"),
    ("interval", interval_of(np.mean, 2.5, 99), "that is more than 95 %"),
    ("interval", lambda v: v.mean(), "shape () found; two numbers are expected"),
    ("lost_by_the_first", lambda t, f: ((t > 0) & ~f).sum(), "one count a class is expected"),
    ("lost_by_the_first", lambda t, f: np.bincount(t[~f & (t > 0)]), "(3 counts), 0.000"),
    ("lost_by_the_first", lambda t, f: np.bincount(t[~f & (t > 0)])[1:], "(2 counts), 0.000"),
    (
        "lost_by_the_first",
        lambda t, f: np.unique(t[~f & (t > 0)], return_counts=True)[1],
        "(2 counts), 0.000",
    ),
    ("lost_by_the_first", lambda t, f: np.bincount(t[~f], minlength=4), "healthy tissue is count"),
    ("lost_by_the_first", lambda t, f: np.bincount(t[f & (t > 0)]), "found, not lost"),
    ("lost_by_the_first", lambda t, f: ((t == 0) & f).sum(), "those are false alarms"),
    ("lost_by_the_first", lambda t, f: ((t > 0) != f).sum(), "false alarms are counted, too"),
    ("lost_by_the_first", lambda t, f: (t != f).sum(), "compared with yes or no"),
    (
        "lost_by_the_first",
        lambda t, f: np.array([(~f & (t == n)).sum() / (t == n).sum() for n in (1, 2, 3)]),
        "those are shares",
    ),
    ("shares_as_in_tumour", lambda c, m: np.ones(len(c)) / len(c), "equal shares of all classes"),
    ("shares_as_in_tumour", lambda c, m: np.r_[0.5, c[1:] / c[1:].sum() / 2], "not always a half"),
    ("shares_as_in_tumour", lambda c, m: c * 0, "begin with floats"),
    ("shares_as_in_tumour", lambda c, m: c / c.sum(), "those are the shares of the brain"),
    (
        "shares_as_in_tumour",
        lambda c, m: [m] + [(1 - m) / (len(c) - 1)] * (len(c) - 1),
        "others ge",
    ),
    ("shares_as_in_tumour", lambda c, m: np.r_[m, c[1:] / c[1:].sum()], "more than is left"),
    ("shares_as_in_tumour", lambda c, m: np.r_[m, (1 - m) * c[1:] / c.sum()], "voxels of the tumo"),
    ("shares_as_in_tumour", lambda c, m: (1 - m) * c[1:] / c[1:].sum(), "shape (3,) found, (4,)"),
    (
        "hard_repeats",
        lambda pool, share, batches: batches * share / pool,
        "at most once in a batch",
    ),
    ("hard_repeats", lambda pool, share, batches: batches * min(share, pool), "divide by how m"),
    ("hard_repeats", lambda pool, share, batches: min(share, pool) / pool, "that is one batch"),
    ("hard_repeats", lambda pool, share, batches: batches, "does not fit into a batch"),
    ("hard_repeats", lambda pool, share, batches: batches * share, "those are all the patches"),
    ("hard_repeats", lambda pool, share, batches: pool / share / batches, "upside down"),
    ("lean", lambda natural, batch: batch / natural, "that divides the shares"),
    ("lean", lambda n, b: n / (1 - n) / (b / (1 - b)), "upside down"),
    ("lean", lambda n, b: b / (1 - b), "those are the odds in the batch"),
    ("lean", lambda n, b: logit(b) - logit(n), "that is its logarithm"),
    ("lean", lambda n, b: b / (1 - b) - n / (1 - n), "that subtracts"),
    (
        "cases_needed",
        lambda v: len(v) * 2 * stats.sem(v) / v.mean(),
        "the square root of the cases",
    ),
    ("cases_needed", lambda v: 1.96 * v.std() / v.mean(), "not squared"),
    ("cases_needed", lambda v: [], "shape (0,) found"),
    (
        "cases_needed",
        lambda v: -1 if v.mean() < 0 else (2 * v.std() / v.mean()) ** 2,
        "90 cases: -1 found",
    ),
    ("cases_needed", lambda v: [(2 * v.std() / v.mean()) ** 2] * 2, "shape (2,) found"),
    ("cases_needed", lambda v: (v.std() / v.mean()) ** 2, "that is one standard error"),
    ("cases_needed", lambda v: (2 * stats.sem(v) / v.mean()) ** 2, "so many times as many"),
    ("cases_needed", lambda v: (2 * v.std() / v.mean()) ** 2 - len(v), "that many more"),
    ("cases_needed", lambda v: len(v) * (v.mean() / stats.sem(v) / 2) ** 2, "upside down"),
]
ANSWERS = [(name, answer) for name, answers in RIGHT.items() for answer in answers]


def of_logits(correct):
    return lambda z, natural, batch: correct(softmax(z, axis=-1), natural, batch)


LOGITS = [
    (lambda z, natural, batch: z + np.log(natural / batch), "right"),
    (lambda z, natural, batch: softmax(z, axis=-1) * natural / batch, "right"),
    (of_logits(RIGHT["prior_correction"][2]), "right"),
    (lambda z, natural, batch: z - np.log(natural / batch), "multiply by the natural share and"),
    (lambda z, natural, batch: z + np.log(natural), "the share of the batch, too, is needed"),
    (lambda z, natural, batch: z * natural / batch, "expected"),
]


@pytest.mark.parametrize(("answer", "words"), LOGITS)
def test_priors_of_logits(capsys, answer, words):
    checks.prior_correction(answer, logits=True)
    assert words in capsys.readouterr().out


def test_every_check_is_tested_by_right_and_wrong_answers():
    for name in checks.__all__:
        assert len(RIGHT[name]) >= 2
        assert sum(name == wrong for wrong, *_ in WRONG) >= 3


@pytest.mark.parametrize(("name", "answer"), ANSWERS)
def test_a_right_answer_is_right_however_it_is_written(monkeypatch, capsys, name, answer):
    monkeypatch.setenv("STRICT", "1")
    assert getattr(checks, name)(answer) is None
    assert capsys.readouterr().out == f"{name}: right\n"


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_a_wrong_answer_is_told_the_likely_mistake(monkeypatch, capsys, name, answer, words):
    monkeypatch.delenv("STRICT", raising=False)
    getattr(checks, name)(answer)
    said = capsys.readouterr()
    assert said.out.startswith(f"{name}: ")
    assert said.out.count("\n") == 1
    assert words in said.out
    assert said.err == "", "a grader takes points for it"
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(AssertionError) as caught:
        getattr(checks, name)(answer)
    assert words in str(caught.value)


def _nothing(*_):
    return ...


@pytest.mark.parametrize("answer", ["x", [[1], [1, 2]], {"a": "b"}])
def test_an_answer_that_is_no_number_is_not_said_to_have_stopped(monkeypatch, capsys, answer):
    monkeypatch.delenv("STRICT", raising=False)
    checks.dice(lambda *_: answer)
    assert capsys.readouterr().out == f"dice: {answer!r} found; numbers are expected\n"


def _broken(*arguments):
    return arguments[0].nowhere


@pytest.mark.parametrize("name", checks.__all__)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (..., "Ellipsis found; a function is expected"),
        (0.6, "0.6 found; a function is expected"),
        (_nothing, "yet"),
        (lambda *_: float("nan"), ""),
        (lambda *_: "0.5", ""),
        (lambda *_: [[1], [1, 2]], ""),
        (_broken, "your code stopped with AttributeError: "),
        (lambda: 1, "your code stopped with TypeError: "),
        (lambda *_: sys.exit(), "your code stopped with SystemExit"),
    ],
)
def test_a_check_never_raises(monkeypatch, capsys, name, answer, words):
    monkeypatch.delenv("STRICT", raising=False)
    getattr(checks, name)(answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: ")
    assert words in said
    assert "right\n" not in said
