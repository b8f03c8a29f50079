import numpy as np
import pytest

from imbalance_tf import BalancedSampler, HardExampleSampler, RandomSampler, audit, patch_dataset

from ..conftest import at


def test_the_table_is_what_was_sampled(cohort):
    sampler = BalancedSampler(cohort, seed=3)
    found = audit(sampler, batches=20)
    drawn = np.concatenate([sampler.draw(120) for _ in range(20)])
    labels = cohort.labels_at(drawn)
    assert found.batches == 20
    assert found.patches == 2400
    assert (found.table[["asked", "drawn"]] == 0.2).all(axis=None)
    assert (found.table[["fewest", "most"]] == 24).all(axis=None)
    for number, row in enumerate(found.table.itertuples()):
        mine = [tuple(centre) for centre in drawn[labels == number]]
        assert row.voxels == len(set(mine))
        assert row.repeats == pytest.approx(len(mine) / len(set(mine)))
        assert row.cases == len({centre[0] for centre in mine})
        assert row.of == (cohort.class_counts()[:, number] > 0).sum()


def test_a_sampler_gives_the_same_afterwards_as_without_the_audit(cohort):
    sampler = RandomSampler(cohort, seed=0)
    audit(sampler, batches=5)
    assert np.array_equal(sampler.draw(120), RandomSampler(cohort, seed=0).draw(120))


def test_a_small_pool_shows_as_repeats(cohort):
    sampler = HardExampleSampler(cohort, seed=0)
    sampler.pool[0] = sampler.index.centres(np.arange(30))
    repeats = audit(sampler, batches=50).table.repeats
    assert repeats["healthy"] == pytest.approx(50 * 24 / 30)


def test_patches_without_brain_are_counted(cohort):
    within = {name: RandomSampler(cohort, seed=0, within=name) for name in ("brain", "slice")}
    found = {
        name: audit(sampler, batches=3, patch_size=1).without_brain
        for name, sampler in within.items()
    }
    centres = np.concatenate([within["slice"].draw(120) for _ in range(3)])
    assert found == {"brain": 0, "slice": (~at(cohort, "brain", centres)).sum()}


@pytest.mark.parametrize("target", ["centre", "patch"])
def test_a_dataset_is_audited_as_keras_gets_it(cohort, target):
    dataset = patch_dataset(BalancedSampler(cohort, seed=0), steps=4, patch_size=16, target=target,
        with_centres=True,
    )  # fmt: skip
    found = audit(dataset, batches=3, cohort=cohort)
    own = audit(BalancedSampler(cohort, seed=0), batches=3)
    assert found.table.drop(columns="asked").equals(own.table.drop(columns="asked"))
    assert found.table.asked.isna().all()


def test_wrong_labels_are_found(cohort):
    dataset = patch_dataset(
        BalancedSampler(cohort, seed=0), steps=2, patch_size=8, with_centres=True
    )
    wrong = dataset.map(lambda patches, labels, centres: (patches, labels[::-1], centres))
    with pytest.raises(ValueError, match=r"\d+ of 120 labels in batch 0 are not those of their"):
        audit(wrong, batches=2, cohort=cohort)


def test_what_is_missing_is_named(cohort):
    dataset = patch_dataset(BalancedSampler(cohort, seed=0), steps=2, patch_size=8)
    with pytest.raises(ValueError, match=r"cohort= is missing: a .*Dataset does not say"):
        audit(dataset, batches=2)
    with pytest.raises(ValueError, match=r"no centres; one of patch_dataset\(\.\.\., with_centres"):
        audit(dataset, batches=2, cohort=cohort)
    with pytest.raises(ValueError, match="batches=0; a whole number from 1 is expected"):
        audit(BalancedSampler(cohort, seed=0), batches=0)


def test_a_sampler_is_not_audited_on_another_cohort(cohort):
    other = cohort.subset(cohort.case_ids)
    with pytest.raises(ValueError, match=r"but the sampler samples from .* leave cohort= out"):
        audit(BalancedSampler(cohort, seed=0), batches=1, cohort=other)
