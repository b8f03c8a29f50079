import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chisquare

from imbalance_tf import (
    BalancedSampler,
    HardExampleMining,
    HardExampleSampler,
    mine,
    patch_cnn,
    patch_dataset,
)
from imbalance_tf._tensorflow import keras
from imbalance_tf.sampling.patches import cut_patches

SIZE = 22


@pytest.fixture
def model():
    model = patch_cnn(channels=2, classes=5, patch_size=SIZE, seed=1)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _fit(model, sampler, *callbacks, epochs=2, steps=6, **other):
    data = patch_dataset(sampler, steps=steps, patch_size=SIZE, **other)
    return model.fit(data, epochs=epochs, callbacks=list(callbacks), shuffle=False, verbose=0)


def _is_hard(model, patches, labels, threshold):
    probabilities = softmax(model.predict_on_batch(patches), axis=-1)
    own = probabilities[np.arange(len(labels)), labels]
    return (probabilities.argmax(axis=-1) != labels) | (own < threshold)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.75])
@pytest.mark.slow
def test_what_the_dataset_draws_is_hard_for_the_model_that_mined_it(cohort, model, threshold):
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, threshold=threshold, candidates_per_class=300)
    _fit(model, sampler, mining, epochs=3)
    full = [number for number, pool in enumerate(sampler.pool) if len(pool) >= 24]
    assert full, "nothing was mined, so nothing is tested"
    for patches, labels in patch_dataset(sampler, steps=4, patch_size=SIZE):
        hard = _is_hard(model, patches.numpy(), labels.numpy(), threshold)
        assert hard[np.isin(labels, full)].all()


def test_what_is_left_out_of_the_pool_is_easy(cohort, model):
    """With every voxel a candidate, the pool must be all that is hard."""
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, threshold=0.4, candidates_per_class=10**6)
    mining.set_model(model)
    mining.on_epoch_end(0)
    rare = sampler.index.centres(sampler.index.first[4] + np.arange(sampler.index.counts[4]))
    patches = cut_patches([case.images for case in cohort], rare, SIZE, fill=-5).astype(np.float32)
    hard = _is_hard(model, patches, np.full(len(rare), 4), 0.4)
    assert set(map(tuple, sampler.pool[4])) == set(map(tuple, rare[hard]))


def test_only_the_classes_asked_for_are_mined(cohort, model):
    """The majority alone: hard negative mining."""
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, classes=["healthy"])
    _fit(model, sampler, mining)
    assert len(sampler.pool[0]) >= 24
    assert not any(len(pool) for pool in sampler.pool[1:])
    assert (mining.hard.label == 0).all()
    centres = sampler.draw(120)
    labels = cohort.labels_at(centres)
    assert np.bincount(labels).tolist() == [24] * 5
    assert set(map(tuple, centres[labels == 0])) <= set(map(tuple, sampler.pool[0]))


def test_the_pool_says_why_each_is_hard(cohort, model):
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, threshold=0.9, candidates_per_class=200)
    _fit(model, sampler, mining)
    wrong = mining.hard.predicted != mining.hard.label
    assert wrong.any()
    assert not wrong.all()
    assert (mining.hard.why == np.where(wrong, "wrong", "unsure")).all()
    assert (mining.hard.probability[~wrong] < 0.9).all()
    for hard in mining.hard.itertuples():
        assert cohort[hard.case].labels[hard.slice, hard.row, hard.column] == hard.label


def test_nothing_is_mined_before_the_first_epoch_and_nothing_is_stale(cohort, model):
    """Every batch of epoch e must come from the pool that was mined after epoch e - 1."""
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, candidates_per_class=200)
    drawn, pools = [], []
    draw = sampler.draw

    def recording(n):
        centres = draw(n)
        drawn.append(centres)
        return centres

    sampler.draw = recording

    class Record(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            pools.append([set(map(tuple, pool)) for pool in sampler.pool])

    _fit(model, sampler, mining, Record(), epochs=3, steps=5)
    assert len(drawn) == 15
    assert not any(pools[0])
    for epoch in (1, 2):
        assert any(len(pool) >= 24 for pool in pools[epoch])
        for centres in drawn[5 * epoch : 5 * epoch + 5]:
            labels = cohort.labels_at(centres)
            for number, pool in enumerate(pools[epoch]):
                mine = set(map(tuple, centres[labels == number]))
                assert len(mine & pool) >= min(24, len(pool))


def test_the_pool_sizes_are_in_the_history(cohort, model):
    sampler = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(sampler, candidates_per_class=50)
    history = _fit(model, sampler, mining).history
    for name, pool in zip(cohort.scheme.classes, sampler.pool, strict=True):
        assert history[f"hard_{name}"][-1] == len(pool)
    assert len(mining.hard) == sum(map(len, sampler.pool))
    assert mining.hard.probability.is_monotonic_increasing


def test_a_resumed_training_mines_before_its_first_epoch(cohort, model):
    """Same model, same epoch: the same pool, whether training went through or was resumed."""
    straight = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(straight, candidates_per_class=100)
    mining.set_model(model)
    mining.on_epoch_end(3)
    resumed = HardExampleSampler(cohort, seed=0)
    mining = HardExampleMining(resumed, candidates_per_class=100)
    mining.set_model(model)
    mining.on_epoch_begin(4)
    assert all(np.array_equal(a, b) for a, b in zip(straight.pool, resumed.pool, strict=True))
    assert any(len(pool) for pool in resumed.pool)


def _candidates(cohort, model, *, seed=0, epoch=1, size=50):
    """All of them: where the threshold is 1, even the surest is hard."""
    sampler = HardExampleSampler(cohort, seed=seed)
    mine(model, sampler, epoch=epoch, threshold=1.0, candidates_per_class=size)
    assert [len(pool) for pool in sampler.pool] == np.minimum(sampler.index.counts, size).tolist()
    return sampler.pool


def test_the_candidates_are_of_the_seed_and_the_epoch(cohort, model):
    first = _candidates(cohort, model)
    again = _candidates(cohort, model)
    assert all(map(np.array_equal, first, again))
    for other in ({"epoch": 2}, {"seed": 1}):
        assert not any(map(np.array_equal, first, _candidates(cohort, model, **other)))


def test_the_candidates_are_a_random_subset_of_each_class(cohort, model):
    """No voxel twice, and from everywhere: as many from each tenth of the voxels of the class."""
    index = HardExampleSampler(cohort, seed=0).index
    for number, pool in enumerate(_candidates(cohort, model, size=200)):
        voxels = index.centres(index.first[number] + np.arange(index.counts[number]))
        places = {tuple(centre): place for place, centre in enumerate(voxels.tolist())}
        tenths = [10 * places[tuple(centre)] // len(voxels) for centre in pool.tolist()]
        assert len(np.unique(pool, axis=0)) == len(pool)
        assert chisquare(np.bincount(tenths, minlength=10)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 1.5}, "threshold=1.5; a probability from 0 to 1"),
        ({"threshold": 75}, "threshold=75; a probability"),
        ({"candidates_per_class": 0}, "candidates_per_class=0; a whole number from 1"),
        ({"classes": ["oedema"]}, r"classes=\['oedema'\]; a list of one or more of \['healthy', "),
        ({"classes": "healthy"}, "classes='healthy'; a list of one or more of"),
    ],
)
def test_wrong_arguments_are_named(cohort, change, words):
    with pytest.raises(ValueError, match=words):
        HardExampleMining(HardExampleSampler(cohort, seed=0), **change)


def test_only_a_sampler_with_a_pool_can_be_filled(cohort):
    with pytest.raises(TypeError, match="sampler is a BalancedSampler; a HardExampleSampler"):
        HardExampleMining(BalancedSampler(cohort, seed=0))


SOFTMAXES = [
    keras.layers.Softmax(),
    keras.layers.Activation("softmax"),
    keras.activations.softmax,
    keras.ops.softmax,
    lambda logits: keras.layers.Identity()(keras.ops.softmax(logits)),
]


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_a_model_that_gives_probabilities_is_refused_before_training(cohort, softmax):
    """However the softmax came in: mining would call every candidate hard, the surest included."""
    mining = HardExampleMining(HardExampleSampler(cohort, seed=0))
    logits = patch_cnn(channels=2, classes=5, patch_size=SIZE)
    patches = keras.Input((SIZE, SIZE, 2))
    with pytest.raises(ValueError, match=r"gives probabilities, .* logits are expected"):
        mining.set_model(keras.Model(patches, softmax(logits(patches))))


def test_a_model_that_gives_probabilities_later_is_refused_when_it_mines(cohort, model):
    """It is what comes out that is looked at, each time."""
    mining = HardExampleMining(HardExampleSampler(cohort, seed=0), candidates_per_class=20)
    mining.set_model(model)
    given = mining._logits
    mining._logits = lambda patches: keras.ops.softmax(given(patches))
    with pytest.raises(ValueError, match="gives probabilities"):
        mining.on_epoch_end(0)


def test_a_model_of_another_number_of_classes_is_refused(cohort):
    mining = HardExampleMining(HardExampleSampler(cohort, seed=0))
    with pytest.raises(ValueError, match=r"\(None, 3\); \(None, 5\) is expected"):
        mining.set_model(patch_cnn(channels=2, classes=3, patch_size=SIZE))


def test_the_cohort_is_the_samplers_own(cohort):
    """So that it cannot be another one of the same shape."""
    sampler = HardExampleSampler(cohort, seed=0)
    assert HardExampleMining(sampler).cohort is cohort
    with pytest.raises(TypeError):
        HardExampleMining(cohort, sampler)
