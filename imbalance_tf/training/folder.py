"""The folder of a training or of its scores: what was written there is what is read."""

import contextlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbalance_tf.cohort.arguments import is_number
from imbalance_tf.cohort.disk import digest, write_whole


@contextlib.contextmanager
def refusing(kind: type[Exception], what: str, way_out: str) -> Iterator[None]:
    """Turns whatever goes wrong while something is read into one error: what, why, the way out."""
    try:
        yield
    except Exception as error:  # whatever is broken in it
        plain = isinstance(error, OSError | ValueError) and str(error)
        why = str(error) if plain else f"{type(error).__name__}: {error}"
        if isinstance(error, PermissionError):  # so it may be whole
            way_out = "take the right to read it (chmod), or ask its owner for that"
        raise kind(f"{what} ({why}); {way_out}") from error


def complete(folder: Path) -> contextlib.AbstractContextManager[None]:
    """`refusing` a finished folder that is not complete, or not as it was written."""
    way_out = "put a copy of it back, or delete it, and it is run again"
    return refusing(FileNotFoundError, f"{folder} is no complete run", way_out)


def write_config(folder: Path, place: Path, files: Iterable[str], about: dict[str, Any]) -> None:
    """Write ``config.json``: what the folder is that will lie at `place`, with digests.

    Of each of its files, and of the description itself; so it is written last.
    """
    digests = {name: digest((folder / name).read_bytes()) for name in files}
    contents = {**about, "name": place.name, "files": digests}
    kept = {**contents, "digest": digest(json.dumps(contents).encode())}
    write_whole(folder / "config.json", json.dumps(kept, indent=2))


def read_config(folder: Path) -> dict[str, Any]:
    """What `write_config` has written, after all that it names was held against its digest.

    Runs of before there were digests are read without.

    Raises
    ------
    ValueError
        If the folder is not as it was written, or another lies at its place.
    """
    kept: dict[str, Any] = json.loads((folder / "config.json").read_text())
    if not {"digest", "name", "files"} & kept.keys():
        return kept
    if kept.pop("digest", None) != digest(json.dumps(kept).encode()):
        raise ValueError("config.json is not as it was written")
    if kept["name"] != folder.absolute().name:
        raise ValueError(f"it is {kept['name']}, copied or renamed")
    for name, written in kept["files"].items():
        if digest((folder / name).read_bytes()) != written:
            raise ValueError(f"{name} is not as it was written")
    return kept


def read_training(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The history of a finished training, and its ``config.json``.

    Raises
    ------
    FileNotFoundError
        If the folder is not complete, or not as it was written.
    """
    with complete(folder):
        kept = read_config(folder)
        refuse_damaged(folder / "model.keras")
        history, epochs = read_history(folder / "history.csv"), kept["identity"]["epochs"]
        if len(history) != epochs:
            raise ValueError(f"history.csv has {len(history)} epochs of {epochs}")
        refuse_spent(kept["spent"], "seconds", "patches", "mined")
        return history.dropna(axis=1, how="all"), kept


def refuse_damaged(model: Path) -> None:
    """ValueError if a part of a saved model does not have its checksum."""
    with zipfile.ZipFile(model) as parts:
        if part := parts.testzip():
            raise ValueError(f"{part} in {model.name} is damaged")


def refuse_spent(spent: dict[str, Any], *keys: str) -> None:
    """ValueError if what a training took lacks one of these numbers, or its precision."""
    numbers = {key: spent.get(key) for key in keys}
    if not all(is_number(value) and value >= 0 for value in numbers.values()):
        raise ValueError(f"what it took is {numbers}; numbers from 0 are expected")
    if not isinstance(spent.get("precision"), str):
        raise ValueError("its precision is missing")


def read_history(path: Path) -> pd.DataFrame:
    """The epochs of a training, finished or not, from 0.

    Raises
    ------
    ValueError
        If a column is missing or is not of numbers, or an epoch is missing.
    """
    history = read_table(path)
    if missing := {"epoch", "loss", "accuracy"} - set(history):
        raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
    history.astype(float)  # refuses what is no number
    if list(history["epoch"]) != list(range(len(history))):
        raise ValueError(f"{path.name} has epochs {list(history['epoch'])}, not 0, 1, 2 ...")
    if not history["accuracy"].between(0, 1).all():
        raise ValueError(f"{path.name} has an accuracy outside 0 to 1")
    if not np.isfinite(history["loss"]).all():
        raise ValueError(f"{path.name} has a loss that is no number")
    return history


def read_scores(path: Path, cases: list[str]) -> pd.DataFrame:
    """``dice.csv`` or ``volume_ratios.csv``: a row for each test case, a column for each region.

    Raises
    ------
    ValueError
        If these are not its rows, it has no columns, or a value is none that can be.
    """
    table = read_table(path).set_index("case")
    if list(table.index) != cases:
        raise ValueError(f"{path.name} does not hold the test cases {cases}")
    if table.columns.empty:
        raise ValueError(f"{path.name} has no regions")
    table, most = table.astype(float), 1 if path.name == "dice.csv" else float("inf")
    refuse_outside(table, most, path.name)
    return table


def refuse_outside(values: pd.DataFrame | pd.Series, most: float, name: str) -> None:
    """ValueError if a value is below 0 or above `most`; one that is undefined (NaN) is not."""
    if ((values < 0) | (values > most)).to_numpy().any():
        raise ValueError(f"{name} has a value outside 0 to {most:g}")


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """A table of a run, as it was written: numbers to the last bit, names of cases as text."""
    # By default pandas takes a case named 002 for 2, 1e5 for a hundred thousand, and NA for a
    # missing value; and its fast parser is wrong in the last bit of a number in version 2.
    names = ("study", "cohort", "arm", "case", "region")
    text = {"dtype": dict.fromkeys(names, str), "keep_default_na": False, "na_values": [""]}
    return pd.read_csv(path, engine="python", **text, **options)
