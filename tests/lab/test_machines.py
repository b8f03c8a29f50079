"""Terminals, pipes, folders and settings of Keras as people have them."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from matplotlib import cbook

from imbalance_tf import open_lab
from imbalance_tf.lab import notebooks
from imbalance_tf.lab.cli import main
from imbalance_tf.lab.notebooks import NotebookError, execute_notebook

COMMAND = [sys.executable, "-m", "imbalance_tf.lab.cli"]


@pytest.fixture
def foreign_names(tmp_path, write_case):
    for number, name in enumerate(("Łódź", "日本")):
        write_case(tmp_path / "cases", name, seed=number)
    return tmp_path / "cases"


def _checked(folder, **options):
    return subprocess.run([*COMMAND, "check", folder], **options)


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-15"])
def test_a_case_is_reported_whatever_the_encoding_of_the_terminal(foreign_names, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = _checked(foreign_names, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c: 40x36x12" in done.stdout
    assert b"cases to use: 2" in done.stdout


@pytest.mark.bad_input
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_names_that_the_locale_cannot_read_are_not_to_be_renamed(foreign_names):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for folder in (foreign_names, foreign_names / "Łódź"):
        done = _checked(folder, capture_output=True, env={**os.environ, **plain})
        assert done.returncode > 0
        assert b"as ascii here; set PYTHONUTF8=1 if they are UTF-8)" in done.stderr


def test_whoever_reads_the_output_may_stop_early(foreign_names):
    reading, writing = os.pipe()
    os.close(reading)
    done = _checked(foreign_names, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a shell that closes a stream")
def test_no_standard_streams(foreign_names):
    code = f"import imbalance_tf; assert len(imbalance_tf.load_cohort({str(foreign_names)!r})) == 2"
    shell = f'"{sys.executable}" -c "{code}" >&- 2>&-'
    assert subprocess.run(shell, shell=True).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_name_that_is_no_text_costs_its_case(case_folder):
    os.rename(case_folder / "case_1", os.fsdecode(os.fsencode(case_folder) + b"/case_\xff"))
    done = _checked(case_folder, capture_output=True)
    assert done.returncode == 1
    assert b"cases to use: 2" in done.stdout
    assert b"cannot be printed on one line; rename it" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_case_whose_name_no_file_can_have_costs_itself(case_folder):
    shutil.move(case_folder / "case_1", case_folder / ("a" * 230))
    result = CliRunner().invoke(main, ["check", str(case_folder)])
    assert "cases to use: 2" in result.stdout
    assert "has 230 bytes; at most 200 are expected; rename it" in result.stderr


@pytest.mark.parametrize("argument", ["--out", "--data"])
def test_a_tilde_is_the_home_folder(case_folder, tmp_path, monkeypatch, argument):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    places = {"--data": str(case_folder), "--out": "out"} | {argument: "~/nowhere"}
    arguments = [f"{name}={value}" for name, value in places.items()]
    (tmp_path / "nowhere").write_text("a file, so that it is refused by its name")
    result = CliRunner().invoke(main, ["run", "--profile", "smoke", *arguments])
    assert result.exit_code == 1
    assert str(tmp_path / "nowhere") in result.stderr
    assert not (tmp_path / "~").exists()


def test_notebooks_are_copied_into_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert CliRunner().invoke(main, ["notebooks", "~/my notebooks"]).exit_code == 0
    assert (tmp_path / "my notebooks" / "01_data_exploration.ipynb").exists()


def _notebook(path, code):
    cells = [("01", "x = 0", ["parameters"]), ("02", code, [])]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [
            {"cell_type": "code", "id": name, "source": source, "outputs": [],
             "execution_count": None, "metadata": {"tags": tags}}
            for name, source, tags in cells
        ],
        "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path.write_text(json.dumps(notebook))
    return path


def test_braces_in_a_folder_are_no_template_and_another_python3_is_not_used(tmp_path, monkeypatch):
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    foreign = {"argv": ["no-such-python"], "display_name": "Python 3", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(foreign))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    out = tmp_path / "{x} {unknown} {}"
    source = _notebook(tmp_path / "{x}.ipynb", "import sys; print(x, sys.executable)")
    executed = execute_notebook(source, out, {"x": 3})
    assert executed == out / "notebooks" / "{x}.ipynb"
    assert f"3 {sys.executable}" in executed.read_text()


def test_figures_are_pictures_whatever_a_person_shows_them_as(tmp_path, monkeypatch):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.InlineBackend.figure_formats = {'svg'}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    source = _notebook(tmp_path / "x.ipynb", "from matplotlib import pyplot\npyplot.plot([x]);")
    execute_notebook(source, tmp_path / "out", {"x": 3})
    assert [path.name for path in tmp_path.rglob("*.png")] == ["x_01.png"]


@pytest.mark.bad_input
def test_a_kernel_that_cannot_start_says_what_to_look_at(tmp_path, monkeypatch):
    dies = {"argv": [sys.executable, "-c", ""], "display_name": "x", "language": "python"}
    monkeypatch.setattr(notebooks, "get_kernel_dict", lambda: dies)
    source = _notebook(tmp_path / "x.ipynb", "print(x)")
    with pytest.raises(NotebookError, match=r"x.ipynb: no kernel could be started .*IPYTHONDIR"):
        execute_notebook(source, tmp_path / "out", {"x": 3})


def test_shared_results_that_are_only_to_be_read_are_opened(case_folder, tmp_path, monkeypatch):
    class ReadOnly:
        def __init__(self, lock):
            raise PermissionError(errno.EACCES, "Permission denied", str(lock))

    monkeypatch.setattr("imbalance_tf.cohort.disk.FileLock", ReadOnly)
    with pytest.warns(UserWarning, match="cannot be written: the cases are read anew"):
        lab = open_lab("smoke", data=case_folder, out=tmp_path / "shared")
    assert len(lab.cohort) == 3
    assert not any((tmp_path / "shared").rglob("*.bin"))


@pytest.mark.parametrize(
    "wrong", [{"seed": 1.5}, {"seed": "1"}, {"test_cases": 1.5}, {"cases": -1}]
)
def test_a_lab_refuses_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(ValueError, match="a whole number from 0"):
        open_lab("smoke", out=tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


MAKE = "import imbalance_tf; print(imbalance_tf.patch_cnn(channels=1, classes=2).output_shape)"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KERAS_BACKEND": "jax"}, "backend is 'jax', from the environment variable KERAS_BACKEND"),
        ({"KERAS_MAX_EPOCHS": "1"}, "from the environment variable KERAS_MAX_EPOCHS"),
        ({"backend": "torch"}, "setting backend is 'torch', from"),
        ({"floatx": "float16"}, "setting floatx is 'float16', from"),
        ({"backend": 3}, "setting backend is 3, from"),
        ({"floatx": "float8"}, "Keras cannot be imported ("),
        ({"epsilon": "small"}, "Keras cannot be imported ("),
        (["floatx"], "Keras cannot be imported (AttributeError(\"'list' object has no"),
        (
            {"KERAS_MAX_EPOCHS": "ten"},
            'Keras cannot be imported (ValueError("invalid literal for int',
        ),
        ({"image_data_format": "channels_first"}, ""),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value),
)
@pytest.mark.slow
def test_settings_of_keras_are_overruled_or_refused_with_their_source(tmp_path, variables, words):
    """Here or where the models are made: none may train another model in silence."""
    (tmp_path / "keras.json").write_text(json.dumps(variables))
    variables = {key: variables[key] for key in variables if key.isupper()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KERAS_")}
    environment = {**kept, **variables, "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", MAKE], capture_output=True, text=True, env=environment
    )
    if words:
        assert words in done.stderr.splitlines()[-1]
        assert variables or str(tmp_path / "keras.json") in done.stderr.splitlines()[-1]
    else:
        assert done.stdout == "(None, 2)\n", done.stderr


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TF_XLA_FLAGS", "--nonsense", "Unknown flag in TF_XLA_FLAGS: --nonsense"),
        ("TF_NUM_INTRAOP_THREADS", "-3", "num_threads"),
        ("MPLBACKEND", "nonsense", "environment variables that begin with KERAS_ or MPL"),
    ],
)
@pytest.mark.slow
def test_a_variable_that_ends_the_process_does_not_end_it_in_silence(variable, value, words):
    environment = {**os.environ, variable: value}
    done = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, env=environment)
    assert done.returncode
    assert words.encode() in done.stderr


def test_the_command_line_sets_the_backend_for_itself_and_its_kernels(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("MATPLOTLIBRC", "one with text.usetex")
    CliRunner().invoke(main, ["study", "--list"])
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert "KERAS_MAX_EPOCHS" not in os.environ
    assert os.environ["MATPLOTLIBRC"] == str(cbook._get_data_path("matplotlibrc"))
