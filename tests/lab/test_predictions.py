"""What was expected before a training, and what happened."""

import json

import pandas as pd
import pytest

from imbalance_tf import Arm, open_lab
from imbalance_tf.lab.predictions import predict, predictions
from imbalance_tf.training.result import ExperimentResult


@pytest.fixture
def lab(phantom, tmp_path):
    return open_lab("smoke", data=phantom, out=tmp_path / "out")


def test_a_prediction_is_a_line_of_json_and_the_last_word_counts(lab, capsys):
    predict(lab, "balanced", {"core": "under", "whole": "over"})
    predict(lab, "balanced", {"core": "over"})
    predict(lab, "hard", {"non-enhancing": "under"})
    lines = [json.loads(line) for line in (lab.out / "predictions.jsonl").read_text().splitlines()]
    assert [[*line.values()] for line in lines] == [
        [0, "balanced", "core", "over"],
        [0, "balanced", "whole", "over"],
        [0, "hard", "non-enhancing", "under"],
    ]
    table = predictions(lab)
    assert table.expected.tolist() == ["over", "over", "under"]
    assert table.happened.isna().all()
    assert "Kept: 'balanced' will under-segment core." in capsys.readouterr().out


def test_it_comes_back_beside_what_happened(lab, monkeypatch):
    predict(lab, "balanced", {"whole": "under", "core": "under", "active": "over"})
    lab.run_folder("balanced").mkdir(parents=True)
    ratios = {"whole": [2, 3, 2.5], "core": [1e-9, 0.5, 0.25], "active": [1.1, None, 0.9]}
    result = type("Result", (), {"volume_ratios": pd.DataFrame(ratios)})
    monkeypatch.setattr(ExperimentResult, "read", lambda _: result)
    table = predictions(lab).set_index("region")
    assert table.happened.tolist() == ["over", "under", "undecided"]
    assert table.loc["whole", "volume ratio"] == pytest.approx(15 ** (1 / 3))


def test_the_predictions_of_another_seed_are_kept_apart(lab, phantom):
    predict(lab, "random", {"whole": "under"})
    other = open_lab("smoke", data=phantom, out=lab.out, seed=1)
    assert predictions(other).empty
    predict(other, "random", {"whole": "over"})
    assert predictions(lab).expected.tolist() == ["under"]


def test_what_was_expected_of_other_classes_is_no_error(lab, monkeypatch):
    (lab.out / "predictions.jsonl").write_text(json.dumps(KEPT | {"region": "lesion"}))
    lab.run_folder("hard").mkdir(parents=True)
    result = type("Result", (), {"volume_ratios": pd.DataFrame({"whole": [2.0]})})
    monkeypatch.setattr(ExperimentResult, "read", lambda _: result)
    assert predictions(lab).happened.tolist() == [None]


def test_in_results_that_are_only_to_be_read_nothing_is_kept_and_nothing_stops(
    lab, monkeypatch, capsys
):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    predict(lab, "balanced", {"core": "under"})
    assert "Not kept: the folder" in capsys.readouterr().out
    assert predictions(lab).empty


def test_a_stub_keeps_nothing_and_stops_nothing(lab, capsys):
    predict(lab, "balanced", {"core": ...})
    assert "No prediction yet for core: write 'over' or 'under'." in capsys.readouterr().out
    assert not (lab.out / "predictions.jsonl").exists()
    assert predictions(lab).empty


@pytest.mark.parametrize(
    ("arm", "expected", "words"),
    [
        ("balanced", {"whole": "over", "core": "smaller"}, "word 'smaller'; one of over, under is"),
        ("balanced", {"whole": "over", "cores": "over"}, "region 'cores'; one of whole, core, act"),
        ("ballanced", {"core": "over"}, "'ballanced'"),
        (Arm("mine"), {"core": "over"}, "arm=Arm"),
        ("balanced", "over", "expected='over'; a mapping of regions to words"),
    ],
)
def test_what_cannot_be_meant_is_refused_whole(lab, arm, expected, words):
    with pytest.raises(ValueError, match=words):
        predict(lab, arm, expected)
    assert not (lab.out / "predictions.jsonl").exists()


KEPT = {"seed": 0, "arm": "hard", "region": "whole", "expected": "over"}


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", '{"seed": 0}', "1", "[" * 100_000),
        *(json.dumps(KEPT | {key: value}) for key in ("seed", "arm") for value in ([], "x", None)),
        json.dumps(KEPT | {"expected": "OVER"}),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_lost(lab, line):
    (lab.out / "predictions.jsonl").write_text(f"{line}\n")
    for ask in (predictions, lambda lab: predict(lab, "random", {"core": "over"})):
        with pytest.raises(ValueError, match=r"predictions.jsonl, line 1 is damaged .* delete"):
            ask(lab)
    assert (lab.out / "predictions.jsonl").read_text() == f"{line}\n"


@pytest.mark.bad_input
def test_a_file_of_predictions_that_is_no_text_is_named(lab):
    (lab.out / "predictions.jsonl").write_bytes("{}".encode("utf-16"))
    with pytest.raises(ValueError, match=r"predictions.jsonl is damaged .* move it away"):
        predictions(lab)
