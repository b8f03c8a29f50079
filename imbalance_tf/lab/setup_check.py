"""Whether this machine is ready for the lab: what `imbalance-tf setup-check` finds, and advises."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .profiles import fastest_precision

__all__ = ["Finding", "findings", "lab_minutes", "training_speed"]

GIB = 2**30
MEMORY = 4  # GiB; a notebook takes 1.5 to 3
DISK = 1  # GiB; the embedded cohort, its cache and the runs take half of it
PATIENCE = 120  # seconds until a start of TensorFlow counts as failed; the first may take a minute
SLOW = 20  # minutes


class Finding(NamedTuple):
    """One thing that was looked at: what was found, and what to do if it is a problem."""

    name: str
    found: str
    advice: str = ""


def findings(folder: Path) -> Iterator[Finding]:
    """Look at this machine, one thing after the other; `folder` is where the lab will be.

    What the system does not tell is "unknown", and no problem.
    """
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    advice = "" if good else "install Python 3.11, 3.12 or 3.13, which TensorFlow is made for"
    yield Finding("Python", f"{platform.python_version()} ({sys.executable})", advice)
    yield _memory()
    yield _disk(folder)
    yield Finding("processor", f"{_processors()} cores, trains in {fastest_precision()}")
    yield _notebooks()
    yield _kernel()
    yield from _training()


def lab_minutes(speed: float) -> float:
    """Minutes that `imbalance-tf run` takes at a speed of training, in patches per second.

    The two numbers fit what was measured on two cores: 5 minutes with bfloat16, 8 without.

    Examples
    --------
    >>> from imbalance_tf.lab.setup_check import lab_minutes
    >>> [round(lab_minutes(speed)) for speed in (4200, 1460)]
    [5, 8]
    """
    return (180 + 450_000 / speed) / 60


def training_speed() -> float:
    """Patches per second that the lab's network trains on here, measured over ten steps."""
    import numpy as np

    from imbalance_tf._tensorflow import keras
    from imbalance_tf.network.cnn import patch_cnn
    from imbalance_tf.sampling.paper import BATCH_SIZE, PATCH_SIZE

    generator = np.random.default_rng(0)
    patches = generator.random((10 * BATCH_SIZE, PATCH_SIZE, PATCH_SIZE, 4), np.float32)
    labels = generator.integers(5, size=len(patches))
    model = patch_cnn(channels=4, classes=5, precision=fastest_precision())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, steps_per_execution=10)  # as the lab does
    for _ in range(2):  # the first time also compiles
        started = time.perf_counter()
        model.fit(patches, labels, batch_size=BATCH_SIZE, verbose=0)
    return len(patches) / (time.perf_counter() - started)


def _memory() -> Finding:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return Finding("memory", f"unknown; the lab needs {MEMORY} GiB")
    with contextlib.suppress(OSError, ValueError):  # a container has less than its machine
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    advice = f"the lab needs {MEMORY} GiB: close other programs, and one notebook before the next"
    return Finding("memory", f"{memory / GIB:.1f} GiB", advice if memory < MEMORY * GIB else "")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    advice = ""
    if free < DISK * GIB:
        advice = f"the lab needs {DISK} GiB: make room, or go to a folder on another disk"
    elif not os.access(folder, os.W_OK):
        advice = "the folder cannot be written: go to one of your own, such as your home folder"
    return Finding("disk", f"{free / GIB:.1f} GiB free in {folder}", advice)


def _processors() -> int | str:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or "an unknown number of"


def _notebooks() -> Finding:
    from .notebooks import notebook_paths

    try:
        paths = notebook_paths()
    except FileNotFoundError as error:
        return Finding("notebooks", "none", str(error))
    return Finding("notebooks", f"{len(paths)} in {paths[0].parent}")


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    advice = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("kernel", "there is no kernel 'python3'", advice)
    except (ValueError, TypeError, LookupError, OSError) as error:  # its kernel.json is damaged
        return Finding("kernel", f"that of 'python3' cannot be read ({error!r})", advice)
    # Jupyter takes a mere "python" for the one that it runs in. Links are not followed, since a
    # virtual environment links to the same program.
    python = Path(command if Path(command).is_absolute() else sys.executable)
    other = python.parent != Path(sys.executable).parent
    return Finding("kernel", f"python3 starts {python}", advice if other else "")


def _training() -> Iterator[Finding]:
    """In a process of its own, since TensorFlow ends it on a processor that is too old."""
    code = "from imbalance_tf.lab import setup_check; print(setup_check.training_speed())"
    again = "install again into a fresh environment, in the folder of imbalance-tf: pip install ."
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        advice = "close other programs, and ask again; a first start is slower than the next"
        yield Finding("TensorFlow", f"did not train ten steps in {PATIENCE} s", advice)
        return
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        old = "this processor may be too old (TensorFlow needs AVX): use another machine, or "
        advice = (old if done.returncode < 0 else "") + again
        yield Finding("TensorFlow", f"ended with code {done.returncode}: {said}", advice)
        return
    speed = float(done.stdout.split()[-1])
    yield Finding("TensorFlow", f"trained ten steps, at {speed:,.0f} patches/s")
    minutes = lab_minutes(speed)
    advice = (
        "close other programs; or read results that another machine trained (README: In a course)"
    )
    yield Finding(
        "the lab",
        f"about {minutes:.0f} minutes here for 'imbalance-tf run', and {120_000 / speed:.0f} s of "
        f"them for each training of a notebook",
        advice if minutes > SLOW else "",
    )
