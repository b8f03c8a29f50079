"""What a person expects before a training, kept beside the results, and what happened."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from imbalance_tf.cohort.arguments import expect, one_of, seed_of
from imbalance_tf.cohort.disk import refuse_unwritable, write_whole
from imbalance_tf.cohort.names import shown
from imbalance_tf.evaluation.claims import verdict
from imbalance_tf.evaluation.dice import doublings
from imbalance_tf.training.arms import ARMS
from imbalance_tf.training.folder import refusing
from imbalance_tf.training.result import ExperimentResult

from .workspace import Lab

__all__ = ["predict", "predictions"]

WORDS = ("over", "under")


def predict(lab: Lab, arm: str, expected: Mapping[str, Any]) -> None:
    """Keep what you expect of an arm, in ``<out>/predictions.jsonl``; the last word counts.

    Parameters
    ----------
    lab : Lab
    arm : str
        One of `ARMS`.
    expected : mapping
        Of a region or class to ``"over"`` or ``"under"``: whether it will be over- or
        under-segmented. With ``...`` nothing is kept yet.

    Raises
    ------
    ValueError
        If there is no such arm, region or word; then nothing is kept.

    Notes
    -----
    In a folder that is only to be read nothing is kept, which is said.

    Examples
    --------
    >>> from imbalance_tf.lab.predictions import predict, predictions
    >>> lab = open_lab("smoke", data=phantom)
    >>> predict(lab, "balanced", {"whole": "over"})
    Kept: 'balanced' will over-segment whole.
    >>> predictions(lab)
            arm region expected happened  volume ratio
    0  balanced  whole     over     None           NaN
    """
    scheme = lab.train.scheme
    one_of(*ARMS, arm=arm)
    expect(isinstance(expected, Mapping), "a mapping of regions to words", expected=expected)
    known = {"region": (*scheme.regions, *scheme.classes), "word": WORDS}
    given = {region: word for region, word in expected.items() if word is not ...}
    for region, word in given.items():
        for kind, value in {"region": region, "word": word}.items():
            if value not in known[kind]:
                raise ValueError(f"{kind} {value!r}; one of {', '.join(known[kind])} is expected")
    kept = {(each["seed"], each["arm"], each["region"]): each for each in _kept(lab.out)}
    for region, word in given.items():
        line = {"seed": lab.seed, "arm": arm, "region": region, "expected": word}
        kept[lab.seed, arm, region] = line
    if given:
        try:
            refuse_unwritable(lab.out, "give another as out= to keep what you expect")
        except PermissionError as error:  # results that a teacher shares
            print(shown(f"Not kept: {error}"))
            return
        lab.out.mkdir(parents=True, exist_ok=True)
        write_whole(_file(lab.out), "".join(f"{json.dumps(line)}\n" for line in kept.values()))
    for region, word in given.items():
        print(f"Kept: '{arm}' will {word}-segment {region}.")
    if missing := [region for region in expected if region not in given]:
        print(f"No prediction yet for {', '.join(missing)}: write 'over' or 'under'.")


def predictions(lab: Lab) -> pd.DataFrame:
    """What was expected with the seed of this lab, beside what happened.

    Returns
    -------
    pandas.DataFrame
        A row for each prediction: ``arm``, ``region``, ``expected``; ``happened``, which is
        ``"over"`` or ``"under"`` if the mean of the volume ratios over the test cases is on that
        side of 1 by the rule of `compare_with_paper`, else ``"undecided"``; and ``volume ratio``,
        predicted over true, the geometric mean. The last two are missing while the arm is not
        trained.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    columns = ["arm", "region", "expected"]
    rows = [each for each in _kept(lab.out) if each["seed"] == lab.seed]
    table = pd.DataFrame(rows, columns=columns)
    found = [_happened(lab, each["arm"], each["region"]) for each in rows]
    happened = pd.Series([word for word, _ in found], table.index, dtype=object)
    ratios = pd.Series([ratio for _, ratio in found], table.index, dtype=float)
    return table.assign(**{"happened": happened, "volume ratio": ratios})


def _happened(lab: Lab, arm: str, region: str) -> tuple[str | None, float]:
    if not (folder := lab.run_folder(arm)).exists():
        return None, float("nan")
    found = ExperimentResult.read(folder).volume_ratios
    if region not in found:  # expected of a cohort with other classes
        return None, float("nan")
    logarithms = doublings(found[region].dropna())
    words = {"seen here": "over", "the opposite here": "under"}
    return words.get(verdict(logarithms), "undecided"), 2.0 ** logarithms.mean()


def _file(out: Path) -> Path:
    return out / "predictions.jsonl"


def _kept(out: Path) -> list[dict[str, Any]]:
    lines, kept = [], []
    if _file(out).exists():
        with refusing(ValueError, f"{_file(out)} is damaged", "delete it, or move it away"):
            lines = _file(out).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            each = {key: json.loads(line)[key] for key in ("seed", "arm", "region", "expected")}
            one_of(*ARMS, arm=each["arm"])
            one_of(*WORDS, expected=each["expected"])
            kept.append({**each, "seed": seed_of(each["seed"]), "region": str(each["region"])})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{_file(out)}, line {number} is damaged ({error!r}): {line!r}; delete the line"
            ) from error
    return kept
