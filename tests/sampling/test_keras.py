"""The dataset as Keras and TensorFlow use it: with any threads, resumed, over two devices."""

import subprocess
import sys

import numpy as np
import pytest

from imbalance_tf import HardExampleSampler, patch_cnn, patch_dataset
from imbalance_tf._tensorflow import keras, tf

SHARES = [0.5, 0.2, 0.17, 0.08, 0.05]


def _batches(dataset):
    return list(dataset.as_numpy_iterator())


def _equal(some, others):
    return len(some) == len(others) and all(
        np.array_equal(one, other)
        for batch, other_batch in zip(some, others, strict=True)
        for one, other in zip(batch, other_batch, strict=True)
    )


def _sampler(cohort):
    """With a pool, and shares that do not come out even."""
    sampler = HardExampleSampler(cohort, shares=SHARES, seed=3)
    sampler.pool = [sampler.index.centres(first + np.arange(5)) for first in sampler.index.first]
    return sampler


@pytest.mark.parametrize("target", ["centre", "patch"])
def test_any_number_of_threads_gives_the_same_bits(cohort, target):
    def passes(threads):
        dataset = patch_dataset(
            _sampler(cohort), steps=12, batch_size=31, patch_size=24, target=target
        )
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        dataset = dataset.with_options(options)
        return _batches(dataset) + _batches(dataset)

    first = passes(1)
    assert not _equal(first[:12], first[12:])
    for threads in (2, 7):
        assert _equal(passes(threads), first)


def test_resumed_at_any_batch_the_sequence_goes_on(cohort):
    def dataset(sampler, steps):
        return patch_dataset(sampler, steps=steps, batch_size=13, patch_size=24)

    whole = _batches(dataset(_sampler(cohort), 9))
    for done in (1, 4, 8):
        sampler = _sampler(cohort)
        sampler.draws = done
        assert _equal(_batches(dataset(sampler, 9 - done)), whole[done:])


@pytest.mark.slow
def test_keras_casts_the_half_precision_that_a_cohort_is_kept_in(cohort):
    """Chained layers or a class of one's own: the same weights as from batches in float32."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(5)

        def call(self, patches):
            return self.dense(self.flatten(patches))

    def weights(make, prepare):
        keras.utils.set_random_seed(0)
        model = make()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        batches = patch_dataset(_sampler(cohort), steps=4, batch_size=30, patch_size=24)
        model.fit(batches.map(prepare), shuffle=False, verbose=0)
        return model.get_weights()

    def as_float32(patches, labels):
        return tf.cast(patches, tf.float32), labels

    for make in (Own, lambda: patch_cnn(channels=2, classes=5, patch_size=24)):
        half, single = (weights(make, prepare) for prepare in (lambda *batch: batch, as_float32))
        assert all(np.array_equal(one, other) for one, other in zip(half, single, strict=True))


MIRRORED = """
import numpy as np
from imbalance_tf import HardExampleMining, HardExampleSampler, load_cohort, patch_cnn
from imbalance_tf import patch_dataset, segment
import keras
import tensorflow as tf

# Importing has run no operation, so devices can still be set.
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

train = load_cohort({folder!r})
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
sampler = HardExampleSampler(train, seed=0)
data = patch_dataset(sampler, steps=3, batch_size=40, patch_size=24)

for patches, labels in strategy.experimental_distribute_dataset(data):
    parts = [part.numpy() for part in strategy.experimental_local_results(labels)]
    assert [len(part) for part in parts] == [20, 20]
    assert np.bincount(np.concatenate(parts)).tolist() == [8] * 5

with strategy.scope():
    model = patch_cnn(channels=4, classes=5, patch_size=24)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
mining = HardExampleMining(sampler, candidates_per_class=20)
history = model.fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[mining]).history
assert model.optimizer.iterations.numpy() == 9
assert history["loss"][-1] < history["loss"][0]
assert segment(model, train[0].images[:1]).shape == (1, *train[0].labels.shape[1:], 5)
print("replicas:", strategy.num_replicas_in_sync, "mined:", len(mining.hard) > 0)
"""


@pytest.mark.slow
def test_mirrored_over_two_devices_each_batch_keeps_its_counts(phantom, fresh_environment):
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED.format(folder=str(phantom))],
        capture_output=True,
        text=True,
        env=fresh_environment,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "replicas: 2 mined: True"
