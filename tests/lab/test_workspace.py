"""What a lab says while somebody waits for it."""

import os
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest
from filelock import FileLock

from imbalance_tf import Study, open_lab
from imbalance_tf.cohort.disk import alone
from imbalance_tf.lab import workspace


@pytest.fixture
def lab(tmp_path, phantom):
    return open_lab("smoke", data=phantom, out=tmp_path)


def test_the_embedded_cohort_is_announced_when_it_is_made_and_only_then(
    tmp_path, monkeypatch, capsys
):
    made = tmp_path / "phantom-4x10mm-seed0"

    def write(folder, *, cases, **settings):
        for number in range(cases):
            (folder / f"phantom_{number:03d}").mkdir(parents=True, exist_ok=True)
        return folder

    monkeypatch.setattr(workspace, "write_phantom_cohort", write)
    monkeypatch.setattr(workspace, "load_cohort", lambda folder, cache: os.listdir(folder))
    profile = workspace.profile_named("smoke")
    workspace._embedded_cohort(profile, 0, tmp_path)
    assert f"Making 4 synthetic cases, which takes a while, and only once: {made}" in (
        capsys.readouterr().out
    )
    (made / "phantom_003").rmdir()
    workspace._embedded_cohort(profile, 0, tmp_path)
    assert "Making 1 synthetic cases" in capsys.readouterr().out
    workspace._embedded_cohort(profile, 0, tmp_path)
    assert capsys.readouterr().out == ""


def test_the_cohorts_of_a_study_are_made_with_their_settings(lab, tmp_path, monkeypatch):
    """And it is asked on each: else a study of several cohorts would compare one with itself."""
    written = {}

    def write(folder, **settings):
        written[folder.name] = settings
        return folder

    monkeypatch.setattr(workspace, "write_phantom_cohort", write)
    names = [f"phantom_{number:03d}" for number in range(4)]
    read = []
    cases = [replace(case, id=name) for case, name in zip(lab.cohort, names, strict=True)]
    cohort = replace(lab.cohort, cases=cases)
    monkeypatch.setattr(workspace, "_read", lambda folder, out: read.append(folder.name) or cohort)
    monkeypatch.setattr(
        workspace, "run_study", lambda study, cohort, *_, **__: pd.DataFrame({"arm": ["random"]})
    )
    study = Study("two", "?", ["random"], cohorts={"as it is": {}, "rarer": {"volume": 0.3}})
    embedded = replace(lab, opener=None)
    monkeypatch.setattr(type(lab), "synthetic", True)
    table = embedded.study(study)
    assert table["cohort"].tolist() == ["as it is", "rarer"]
    usual, rarer = written.values()
    assert "volume" not in usual
    assert rarer == usual | {"volume": 0.3}
    assert read == list(written), "each from its own folder"


def test_a_run_that_is_read_says_so(lab, monkeypatch, capsys):
    monkeypatch.setattr(workspace, "run_experiment", lambda *asked: None)
    lab.run("random")
    assert capsys.readouterr().out == ""
    folder = lab.run_folder("random")
    folder.mkdir(parents=True)
    lab.run("random")
    told = capsys.readouterr().out
    assert told == f"random: read, not trained again (runs/{folder.parent.name})\n"


@pytest.mark.parametrize("what", ["run", "study"])
def test_an_interrupted_cell_says_that_it_goes_on(lab, monkeypatch, capsys, what):
    def interrupted(*asked, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace, "run_experiment", interrupted)
    monkeypatch.setattr(workspace, "run_study", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.run("random") if what == "run" else lab.study("paper")
    assert "Run it again, and it goes on after the last finished epoch" in capsys.readouterr().out


def test_who_waits_for_another_process_is_told(tmp_path, capsys):
    lock, entered = tmp_path / ".lock", []

    def wait():
        with alone(lock):
            entered.append(True)

    with FileLock(lock):
        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(200):
            if told := capsys.readouterr().out:
                break
            time.sleep(0.05)
        assert told.startswith("Waiting: another process, or notebook, is making")
        assert not entered
    waiting.join(10)
    assert entered
    with alone(lock):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.bad_input
def test_a_study_of_embedded_cohorts_does_not_leave_out_a_folder_in_silence(lab):
    """Also if its cases are synthetic."""
    with pytest.raises(ValueError, match="'characteristics' is about embedded cohorts; leave data"):
        lab.study("characteristics")
