"""The table of a study: written with how it was made, and checked when it is read."""

from importlib.metadata import version
from itertools import takewhile
from pathlib import Path

import pandas as pd

from imbalance_tf.cohort.disk import digest, write_whole

from .folder import read_table, refuse_outside, refusing

_OF_RUNS = ["precision", "processor"]


def write_study(results: pd.DataFrame, path: Path, *, command: str) -> None:
    """Keep the table of `run_study`, below lines that say how it was made."""
    about = {
        "command": command,
        "imbalance_tf": version("imbalance_tf"),
        **{name: " and ".join(dict.fromkeys(results[name])) for name in _OF_RUNS},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = results.drop(columns=_OF_RUNS)
    table = rows.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    about["digest"] = digest(table.encode())
    # Each on one line, whatever the folder is called that stands in the command.
    lines = "".join(f"# {name}: {' '.join(value.split())}\n" for name, value in about.items())
    write_whole(path, lines + table)


def read_study(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """What `write_study` kept: the table of a study, and how it was made.

    Raises
    ------
    ValueError
        If the file is not as it was written; by its digest, and by what a study's table holds.
    """
    way_out = "delete it, and make it again with imbalance-tf study, which reads the runs that are"
    with refusing(ValueError, f"{path} is no whole table of a study", f"{way_out} finished"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        heads = list(takewhile(lambda line: line.startswith("# "), lines))
        parts = (line[2:].rstrip("\n").partition(": ") for line in heads)
        about = {name: value for name, _, value in parts}
        told = ("command", "imbalance_tf", "precision", "processor", "digest")
        if missing := [name for name in told if name not in about]:
            raise ValueError(f"it has no line with its {', '.join(missing)}")
        if about.pop("digest") != digest("".join(lines[len(heads) :]).encode()):
            raise ValueError("it is not as it was written")
        table = read_table(path, skiprows=len(heads))
        _refuse_incomplete(table)
    return table, about


def _refuse_incomplete(table: pd.DataFrame) -> None:
    """ValueError unless every case has one row for every region, of every arm and seed."""
    of_part = ["cohort"] * ("cohort" in table) + ["batches"]
    needed = ["study", *of_part, "arm", "seed", "fold", "case", "region", "dice", "volume ratio"]
    if missing := [name for name in needed if name not in table]:
        raise ValueError(f"it has no column {', '.join(missing)}")
    if table.empty:
        raise ValueError("it has no rows")
    for name in needed[:-2]:  # an empty dice is one that is undefined
        whole = pd.api.types.is_integer_dtype(table[name]) and (table[name] >= 0).all()
        if table[name].isna().any() or (name in ("batches", "seed", "fold") and not whole):
            raise ValueError(f"column {name} holds an empty cell, or no whole number from 0")
    refuse_outside(table["dice"].astype(float), 1, "dice")
    refuse_outside(table["volume ratio"].astype(float), float("inf"), "volume ratio")
    for key, rows in table.groupby([*of_part, "arm", "seed"]):
        cases, regions = (rows[name].nunique() for name in ("case", "region"))
        if len(rows) != cases * regions or rows.duplicated(["case", "region"]).any():
            raise ValueError(f"{key} has {len(rows)} rows for {cases} cases of {regions} regions")
