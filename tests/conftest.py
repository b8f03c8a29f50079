"""What the tests share: small NIfTI cases on disk, and slow obvious ways."""

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from imbalance_tf import AIR
from imbalance_tf.sampling.patches import cut_patches

SHAPE = (40, 36, 12)
collect_ignore = ["browser"]  # those are for `pytest tests/browser`


def pytest_collection_modifyitems(items):
    """With pytest-xdist, the tests of a file run in one process, and so do all that read the smoke
    run: they share what takes long to make, and are slow therefore."""
    for item in items:
        shared = "smoke" in getattr(item, "fixturenames", ())
        if shared:
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group("smoke" if shared else item.path.name))


@contextlib.contextmanager
def dask_processes(folder, *, workers, threads=1):
    """A Dask scheduler and workers, each in a process of its own: its address, and the workers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    root = os.path.dirname(os.path.dirname(__file__))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": root}
    options = ["--no-dashboard", "--nthreads", threads, "--no-nanny", "--local-directory", folder]
    commands = [["dask_scheduler", "--host", address, "--no-dashboard"]]
    commands += [["dask_worker", address, *options]] * workers
    processes = []
    try:
        for name, *arguments in commands:
            command = [sys.executable, "-m", f"distributed.cli.{name}", *map(str, arguments)]
            processes.append(subprocess.Popen(command, **quiet))
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def fresh_environment():
    """The environment as a person has it: importing the package in this process changed it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TF_CPP_")}


@pytest.fixture(scope="session")
def run_smoke(fresh_environment):
    """What the lab prints in the smoke profile, as a person runs it in a folder."""

    def run(folder, *options, **variables):
        done = subprocess.run(
            [sys.executable, "-m", "imbalance_tf.lab.cli", "run", "--profile", "smoke", *options],
            cwd=folder, env={**fresh_environment, **variables}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def smoke(tmp_path_factory, run_smoke):
    """The folder of the whole lab, which is run once for all tests, and what was printed."""
    folder = tmp_path_factory.mktemp("smoke")
    return folder / "results" / "smoke", run_smoke(folder, "--all", STRICT="1")


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
