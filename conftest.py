"""What tests and examples share: a made-up cohort, the embedded one, and names for the examples."""

import os
import pkgutil
from importlib import import_module

os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest

import imbalance_tf
from imbalance_tf import SCHEMES, Case, Cohort, patch_cnn, write_phantom_cohort

# pytest reads the examples of the source that lies here, and runs them on modules of the same
# name that are imported already: those of the installed package, which is the one under test.
for module in pkgutil.walk_packages(imbalance_tf.__path__, "imbalance_tf."):
    import_module(module.name)


@pytest.fixture(scope="session")
def cohort():
    """Three cases of different size; five classes, unevenly frequent, one rare."""
    generator = np.random.default_rng(0)
    depths = {"small": 3, "large": 6, "tiny": 2}
    shape = (sum(depths.values()), 70, 61)
    labels = generator.choice(5, p=[0.8, 0.1, 0.06, 0.03, 0.01], size=shape).astype(np.uint8)
    brain = (generator.random(shape) < 0.7) | (labels > 0)
    images = generator.normal(size=(*shape, 2)).astype(np.float16)
    images[..., 0] += labels
    images[~brain] = -5
    ends = np.cumsum(list(depths.values()))[:-1]
    parts = zip(depths, *(np.split(array, ends) for array in (images, labels, brain)), strict=True)
    return Cohort([Case(*part) for part in parts], SCHEMES["brats2013"], ("t1", "flair"))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """The embedded cohort of the smoke profile."""
    return write_phantom_cohort(
        tmp_path_factory.mktemp("phantom") / "cases", cases=4, slice_thickness=10
    )


@pytest.fixture(autouse=True)
def _names_of_the_examples(request, doctest_namespace):
    """What an example in a docstring may use without making it."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    cohort = request.getfixturevalue("cohort")
    train, test = cohort.split(test_cases=["tiny"])
    doctest_namespace.update(
        {name: getattr(imbalance_tf, name) for name in imbalance_tf.__all__},
        np=np,
        cohort=cohort,
        train=train,
        test=test,
        model=patch_cnn(channels=2, classes=5),
    )
    if any("phantom" in example.source for example in request.node.dtest.examples):
        doctest_namespace["phantom"] = request.getfixturevalue("phantom")
    request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
