"""How long a profile will take on this machine, from a few measured steps."""

import time

from imbalance_tf.network.cnn import patch_cnn
from imbalance_tf.network.dense import segment
from imbalance_tf.sampling.patches import patch_dataset

from .experiment import STRATEGIES
from .profiles import fastest_precision
from .workspace import Lab

__all__ = ["estimate_hours"]

_STEPS = 10


def estimate_hours(lab: Lab) -> float:
    """Hours for the three strategies: training, mining and segmenting the test cases."""
    profile, train, test = lab.profile, lab.train, lab.test
    size, classes = profile.patch_size, len(train.scheme.classes)
    model = patch_cnn(
        channels=len(train.modalities),
        classes=classes,
        patch_size=size,
        precision=fastest_precision(),
    )
    model.compile("adam", "sparse_categorical_crossentropy")

    def fit():
        data = patch_dataset(
            lab.sampler("balanced"),
            steps=_STEPS,
            batch_size=profile.batch_size,
            patch_size=size,
        )
        model.fit(data, shuffle=False, verbose=0)

    patches = next(
        iter(patch_dataset(lab.sampler("balanced"), steps=1, batch_size=500, patch_size=size))
    )[0]
    step = _seconds(fit) / _STEPS
    some = test.images[:8]
    candidate = _seconds(lambda: model.predict_on_batch(patches)) / len(patches)
    slice_ = _seconds(lambda: segment(model, some)) / len(some)
    mining = profile.candidates_per_class * classes * candidate
    training = len(STRATEGIES) * profile.epochs * profile.steps * step
    segmenting = len(STRATEGIES) * len(test.images) * slice_
    return (training + profile.epochs * mining + segmenting) / 3600


def _seconds(action) -> float:
    action()  # the first call compiles
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
