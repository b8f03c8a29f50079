"""Finished studies: one that was run here, or else the one that the package ships."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import imbalance_tf
from imbalance_tf.cohort.disk import expanded
from imbalance_tf.cohort.names import expect_name, shown
from imbalance_tf.training.studies import STUDIES
from imbalance_tf.training.study_table import read_study

__all__ = ["FinishedStudy", "finished_study"]


@dataclass(frozen=True)
class FinishedStudy:
    """The table of a study, and where it comes from.

    Attributes
    ----------
    table : pandas.DataFrame
        As `run_study` gives it.
    about : mapping of str to str
        ``command``, ``imbalance_tf`` (its version), ``precision`` and ``processor``.
    here : bool
        Whether it was run into the folder of the lab, or ships with the package.
    """

    table: pd.DataFrame
    about: dict[str, str]
    here: bool

    def __str__(self) -> str:
        cases, folds, seeds = (self.table[name].nunique() for name in ("case", "fold", "seed"))
        where = "run here" if self.here else "shipped with the package, not run here"
        text = (
            f"study '{self.table['study'].iloc[0]}', {where}: {cases} case{'s' * (cases > 1)}, "
            f"{folds} folds, {seeds} seed{'s' * (seeds > 1)} ({self.about['command']}; "
            f"{self.about['precision']}, {self.about['processor']})"
        )
        made, now = self.about["imbalance_tf"], version("imbalance_tf")
        return text if made in (now, "none") else f"{text}; by version {made}, this is {now}"


def finished_study(name: str, out: str | Path) -> FinishedStudy:
    """The finished study of this name: that of ``<out>/studies`` if there is one.

    Parameters
    ----------
    name : str
        Of one of `STUDIES`, or ``"real_patients"``.
    out : path
        Of the lab.

    Raises
    ------
    ValueError
        If its table is damaged or of another study, or this can be no name.
    FileNotFoundError
        If it was not run there, and the package ships none; with the command that makes it.

    Notes
    -----
    One that was run there with several ``--batches``, though its question is of one length, is left
    aside, which is said.

    Examples
    --------
    >>> print(finished_study("real_patients", "results"))
    study 'real patients', shipped with the package, not run here: 20 cases, 5 folds, 1 seed ...
    """
    expect_name(name, "study", of_file=True)
    package = Path(imbalance_tf.__file__).parent
    places = {
        expanded(out=out) / "studies": True,
        package / "_studies": False,
        package.parent / "data" / "studies": False,
    }
    known = STUDIES.get(name)
    for place, here in places.items():
        if (path := place / f"{name}.csv").exists():
            table, about = read_study(path)
            if others := set(table["study"]) - {name, name.replace("_", " ")}:
                raise ValueError(
                    f"{path} is of study {', '.join(map(repr, sorted(others)))}, copied or "
                    f"renamed; delete it, or give it the name of its study"
                )
            lengths = table["batches"].nunique()
            if here and lengths > 1 and known and known.lengths is None:
                print(f"left aside, since it has {lengths} lengths of training: {shown(str(path))}")
                continue
            return FinishedStudy(table, about, here)
    made = f"make it with: imbalance-tf study {name} --out {out}"
    if known is None:
        made = (
            f"it is none of {', '.join(STUDIES)}. One of your own is made from its file: "
            f"imbalance-tf study {name}.py --out {out}"
        )
    raise FileNotFoundError(
        f"study '{name}' was not run into {out}, and the package ships none; {made}"
    )
