"""setup-check: what is found on a machine, and what is advised."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from imbalance_tf.lab import setup_check
from imbalance_tf.lab.cli import main


def _said(monkeypatch, trained="2000.0", code=0, error=""):
    done = subprocess.CompletedProcess([], code, trained, error)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    return CliRunner().invoke(main, ["setup-check"])


@pytest.mark.slow
def test_a_machine_that_is_ready(fresh_environment):
    """As a person asks; on the machine that runs the tests, which is one."""
    done = subprocess.run(
        [sys.executable, "-m", "imbalance_tf.lab.cli", "setup-check"],
        capture_output=True, text=True, env=fresh_environment,
    )  # fmt: skip
    assert done.stderr == ""
    if "did not train" not in done.stdout:  # on a machine that is busy with something else
        assert "TensorFlow: trained ten steps, at " in done.stdout
        assert " minutes here for 'imbalance-tf run'" in done.stdout
    for name in ("Python", "processor", "notebooks", "kernel"):
        assert f"ok      {name}: " in done.stdout
    assert done.returncode == ("PROBLEM" in done.stdout)


def no_memory(monkeypatch):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**19}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)


def no_room(monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(setup_check.shutil, "disk_usage", lambda _: usage(2**28))


def not_writable(monkeypatch):
    access, here = os.access, Path.cwd()  # Jupyter asks about its own folders, too
    answer = lambda path, *how, **more: path != here and access(path, *how, **more)  # noqa: E731
    monkeypatch.setattr(os, "access", answer)


def no_kernel(monkeypatch):
    def none(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", none)


def kernel_of_another_environment(monkeypatch):
    spec = namedtuple("spec", "argv")(["/opt/other/bin/python", "-m", "ipykernel_launcher"])
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_: spec)


def damaged_kernel(monkeypatch):
    def damaged(*_):
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", damaged)


def kernel_that_starts_nothing(monkeypatch):
    spec = namedtuple("spec", "argv")([])
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_: spec)


def old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))


@pytest.mark.parametrize(
    ("spoil", "found", "advice"),
    [
        (no_memory, "memory: 2.0 GiB", "close other programs"),
        (no_room, "disk: 0.2 GiB free", "make room"),
        (not_writable, "disk: ", "the folder cannot be written: go to one of your own"),
        (no_kernel, "kernel: there is no kernel 'python3'", "-m ipykernel install --sys-prefix"),
        (kernel_of_another_environment, "python3 starts /opt/other/bin/python", "-m ipykernel"),
        (damaged_kernel, "kernel: that of 'python3' cannot be read", "-m ipykernel install"),
        (kernel_that_starts_nothing, "that of 'python3' cannot be read", "-m ipykernel install"),
        (old_python, "Python: 3.", "install Python 3.11, 3.12 or 3.13"),
    ],
)
def test_each_problem_is_named_with_what_to_do(monkeypatch, spoil, found, advice):
    spoil(monkeypatch)
    result = _said(monkeypatch)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    (number,) = (k for k, line in enumerate(lines) if line.startswith("PROBLEM"))
    assert found in lines[number]
    assert advice in lines[number + 1]
    assert lines[-1] == "1 problem"


@pytest.mark.parametrize(
    ("how", "found", "advice"),
    [
        ({"code": -4}, "ended with code -4: it said nothing", "too old (TensorFlow needs AVX)"),
        ({"code": 1, "error": "x\nImportError: no"}, "1: ImportError: no", "install again into"),
        ({"trained": "200"}, "about 40 minutes", "read results that another machine trained"),
    ],
)
def test_a_tensorflow_that_cannot_train(monkeypatch, how, found, advice):
    result = _said(monkeypatch, **how)
    assert result.exit_code == 1
    assert found in result.output
    assert advice in result.output


def test_a_tensorflow_that_hangs(monkeypatch):
    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    found = {each.name: each for each in setup_check._training()}
    assert "did not train ten steps in 120 s" in found["TensorFlow"].found


def test_what_a_system_does_not_tell_is_unknown_and_no_problem(monkeypatch):
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    result = _said(monkeypatch)
    assert "ok      memory: unknown; the lab needs 4 GiB" in result.output
    assert "ok      processor: an unknown number of cores" in result.output
