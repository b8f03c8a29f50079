import pandas as pd
import pytest

from imbalance_tf import finished_study
from imbalance_tf.lab import finished
from imbalance_tf.training.study_table import write_study

OF_RUNS = {"precision": "float32", "processor": "one"}


def test_what_was_run_here_comes_before_what_ships(tmp_path):
    shipped = finished_study("real_patients", tmp_path)
    assert not shipped.here
    assert "shipped with the package, not run here: 20 cases, 5 folds" in str(shipped)
    own = shipped.table.query("case == case.iloc[0]")
    path = tmp_path / "studies" / "real_patients.csv"
    write_study(own.assign(**OF_RUNS), path, command="imbalance-tf study mine")
    found = finished_study("real_patients", tmp_path)
    assert found.here
    assert "run here: 1 case," in str(found)
    assert "imbalance-tf study mine; float32" in str(found)


def test_another_version_is_said(tmp_path, monkeypatch):
    table = finished_study("real_patients", tmp_path).table
    write_study(table.assign(**OF_RUNS), tmp_path / "studies" / "real_patients.csv", command="c")
    assert "by version" not in str(finished_study("real_patients", tmp_path))
    monkeypatch.setattr(finished, "version", lambda _: "99.0")
    assert str(finished_study("real_patients", tmp_path)).endswith("by version 0.1.0, this is 99.0")


def test_one_of_several_lengths_is_left_aside_where_one_is_read(tmp_path, capsys):
    """`imbalance-tf study paper --batches 250 --batches 1000` must not stop the notebooks."""
    table = finished_study("paper", tmp_path).table
    both = pd.concat([table, table.assign(batches=250)])
    write_study(both.assign(**OF_RUNS), tmp_path / "studies" / "paper.csv", command="c")
    found = finished_study("paper", tmp_path)
    assert not found.here
    assert found.table["batches"].nunique() == 1
    said = capsys.readouterr().out
    assert said.startswith("left aside, since it has 2 lengths of training: ")
    assert "paper.csv" in said
    length = finished_study("length", tmp_path).table.assign(study="length")
    write_study(length.assign(**OF_RUNS), tmp_path / "studies" / "length.csv", command="c")
    assert finished_study("length", tmp_path).here, "whose question is of lengths"


@pytest.mark.bad_input
def test_the_table_of_another_study_is_refused(tmp_path):
    table = finished_study("real_patients", tmp_path).table
    write_study(table.assign(**OF_RUNS), tmp_path / "studies" / "paper.csv", command="c")
    with pytest.raises(ValueError, match="is of study 'real patients', copied or renamed; delete"):
        finished_study("paper", tmp_path)


def test_what_is_nowhere_is_said_with_the_command(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"none of paper, .*imbalance-tf study none.py --o"):
        finished_study("none", tmp_path)
    monkeypatch.setattr(finished, "STUDIES", {"none": finished.STUDIES["paper"]})
    with pytest.raises(FileNotFoundError, match="make it with: imbalance-tf study none --out"):
        finished_study("none", tmp_path)
