"""What must not wait for TensorFlow, and how it starts."""

import subprocess
import sys

import pytest

import imbalance_tf


def _loaded(code):
    """Modules that are loaded after running some code in a new interpreter."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    loaded = _loaded("import imbalance_tf")
    assert not loaded & {"tensorflow", "keras", "numpy", "pandas", "nilearn"}


def test_help_loads_nothing_heavy():
    code = (
        "from imbalance_tf.lab.cli import main\n"
        "main(['run', '--help'], standalone_mode=False)\nmain(['--help'], standalone_mode=False)"
    )
    assert not _loaded(code) & {"tensorflow", "keras", "numpy", "pandas", "nilearn", "papermill"}


@pytest.mark.slow
def test_the_embedded_cohort_is_written_and_read_without_tensorflow(tmp_path):
    code = (
        "from imbalance_tf.lab.cli import main\n"
        f"main(['phantom', {str(tmp_path / 'p')!r}, '--cases', '1', '--slice-thickness', '10'],"
        " standalone_mode=False)\n"
        "from imbalance_tf import load_cohort\n"
        f"load_cohort({str(tmp_path / 'p')!r}, scheme='brats2013')"
    )
    assert not _loaded(code) & {"tensorflow", "keras"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute nothing"):
        imbalance_tf.nothing  # noqa: B018


@pytest.mark.parametrize("name", imbalance_tf.__all__)
def test_every_public_name_is_there_with_a_docstring(name):
    public = getattr(imbalance_tf, name)
    assert name in dir(imbalance_tf)
    if callable(public):
        assert public.__doc__.strip()


@pytest.mark.slow
def test_tensorflow_starts_without_a_word(fresh_environment):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import imbalance_tf; imbalance_tf.patch_cnn(channels=1, classes=2)",
        ],
        check=True,
        capture_output=True,
        text=True,
        env=fresh_environment,
    )
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(("asked", "used"), [(None, "1"), ("0", "0")])
@pytest.mark.slow
def test_onednn_is_used_unless_a_person_says_no(fresh_environment, asked, used):
    """By itself TensorFlow leaves it out on older processors; it reads this when it is loaded."""
    variable = "TF_ENABLE_ONEDNN_OPTS"
    environment = {name: value for name, value in fresh_environment.items() if name != variable}
    if asked is not None:
        environment[variable] = asked
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'tensorflow': print(os.environ.get({variable!r}))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import imbalance_tf._tensorflow"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == [used]


FORKS = """
import multiprocessing

import imbalance_tf

for name in imbalance_tf.__all__:
    getattr(imbalance_tf, name)
import imbalance_tf.training.run, imbalance_tf.network.core


def score(seed):
    import numpy as np
    model = imbalance_tf.patch_cnn(channels=1, classes=2, patch_size=22, seed=seed)
    return imbalance_tf.segment(model, np.ones((1, 4, 4, 1))).shape


with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map_async(score, [0, 1]).get(timeout=120))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are spawned")
@pytest.mark.slow
def test_a_process_may_fork_after_the_import(fresh_environment):
    """Linux's default before Python 3.14; a TensorFlow that has run an operation would hang."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        capture_output=True,
        text=True,
        env=fresh_environment,
        timeout=300,
    )
    assert done.stdout == "[(1, 4, 4, 2), (1, 4, 4, 2)]\n", done.stderr


@pytest.mark.slow
def test_devices_and_threads_can_be_set_after_the_import(fresh_environment):
    code = """
import imbalance_tf
for name in imbalance_tf.__all__:
    getattr(imbalance_tf, name)
import tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(1)
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
assert len(tf.config.list_logical_devices("CPU")) == 2
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=fresh_environment
    )
    assert done.returncode == 0, done.stderr
