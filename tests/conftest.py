"""What the tests share: a made-up cohort in memory, and small NIfTI cases on disk."""

import os
from dataclasses import replace

os.environ.setdefault("MPLBACKEND", "agg")

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import AIR, SCHEMES, Case, Cohort, write_phantom_cohort
from imbalance_tf.sampling.patches import cut_patches

SHAPE = (40, 36, 12)


@pytest.fixture(scope="session")
def fresh_environment():
    """The environment as a person has it: importing the package in this process changed it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TF_CPP_")}


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


def stacked(cohort, name):
    """An array of all cases, slice after slice; they must have slices of one size."""
    return np.concatenate([getattr(case, name) for case in cohort])


def at(cohort, name, centres):
    """An array of the cases at centres, one by one: the slow obvious way."""
    return np.array([getattr(cohort[k], name)[s, r, c] for k, s, r, c in np.asarray(centres)])


def patches_at(images, centres, size):
    """Patches of slices (s, h, w, M), around centres (n, 3) - slice, row, column."""
    centres = np.insert(np.asarray(centres), 0, 0, axis=1)
    return cut_patches([images], centres, size, fill=AIR)


def relabelled(cohort, change):
    """The cohort with other labels: `change` of each case."""
    return replace(cohort, cases=[replace(case, labels=change(case)) for case in cohort])


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """The embedded cohort of the smoke profile."""
    return write_phantom_cohort(
        tmp_path_factory.mktemp("phantom") / "cases", cases=4, slice_thickness=10
    )


def save(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


@pytest.fixture
def write_case():
    """Write one small BraTS-like case into a folder, with anything replaced."""

    def write(folder, name, *, seed=0, values=(0, 1, 2, 3, 4), modalities=("t1", "flair"), **other):
        generator = np.random.default_rng(seed)
        brain = np.zeros(SHAPE, bool)
        brain[5:35, 5:30, 2:10] = True
        labels = np.zeros(SHAPE, np.uint8)
        for position, value in enumerate(values):
            labels[10 + 2 * position : 12 + 2 * position, 10:20, 4:8] = value
        files = {"seg": labels}
        for modality in modalities:
            scan = generator.normal(300, 40, SHAPE) + 50 * labels
            files[modality] = np.where(brain, scan, 0).astype(np.float32)
        for suffix, data in {**files, **other}.items():
            if data is not None:
                save(folder / name / f"{name}_{suffix}.nii.gz", data)
        return folder / name

    return write


@pytest.fixture
def case_folder(tmp_path, write_case):
    """A folder of three good cases."""
    for number in range(3):
        write_case(tmp_path / "cases", f"case_{number}", seed=number)
    return tmp_path / "cases"
