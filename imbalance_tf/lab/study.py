"""A study at the command line: trains what is missing, and leaves a table and a figure."""

import importlib.util
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pandas as pd

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import expanded, refuse_unwritable, write_whole
from imbalance_tf.evaluation.claims import study_claims
from imbalance_tf.evaluation.intervals import arm_table, paired_differences
from imbalance_tf.training.arms import PAPER_ARMS, Arm, TwoStage, arm_named
from imbalance_tf.training.parts import kinds_of
from imbalance_tf.training.studies import STUDIES, Study, study_named
from imbalance_tf.training.study_table import write_study

from .settings import refuse_other_settings
from .workspace import Lab, open_lab

__all__ = ["carry_out", "study_of", "written_claims", "written_table"]

_OWN = "arms_of_"  # before the name of a file as a module: random.py must not be another random


def study_of(name: str) -> Study:
    """The study of this name, or of a Python file with arms or a study of your own.

    The arms of a file are compared with the paper's three, unless it defines a `Study`.

    Raises
    ------
    ValueError
        If there is no such study or file, the file stops with an error, or it has neither arm nor
        study, or more than one, or the name of one of `STUDIES`.
    """
    if name.replace(" ", "-") in STUDIES:
        return study_named(name)
    path = expanded(study=name)
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(
            f"study {name!r}; one of {', '.join(STUDIES)} is expected, or a Python file with arms "
            f"of your own"
        )
    found = vars(_executed(path)).items()
    own = {id(value): value for key, value in found if not key.startswith("_")}.values()
    studies = [value for value in own if isinstance(value, Study)]
    if len(studies) > 1:
        names = ", ".join(study.name for study in studies)
        raise ValueError(
            f"{path} defines the studies {names}; one is expected: make a file of each"
        )
    if studies:
        return _of_another_name(studies[0], path)
    arms = [value for value in own if isinstance(value, Arm | TwoStage)]
    if not arms:
        raise ValueError(f"{path} defines no Arm, TwoStage or Study, such as mine = Arm('mine')")
    both = {id(arm): arm for arm in (*map(arm_named, PAPER_ARMS), *arms)}
    question = f"How do the arms of {path.name} compare?"
    return _of_another_name(Study(path.stem, question, tuple(both.values())), path)


def _of_another_name(study: Study, path: Path) -> Study:
    """The study of a file; ValueError if its table would stand in for that of one of ours, or an
    arm has settings that cannot be kept."""
    if study.name in STUDIES:
        raise ValueError(
            f"{path}: '{study.name}' is a study of the package, whose table that of this one would "
            f"replace; choose another name, of the file or the study"
        )
    for arm in study.arms:
        try:
            arm.described()
        except TypeError as error:
            raise ValueError(f"{path}: arm '{arm.name}': {error}") from error
    return study


def _executed(path: Path) -> ModuleType:
    """The module of a Python file; ValueError, with the line, whatever is wrong in it."""
    name = f"{_OWN}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle looks its classes up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = [
            each.lineno
            for each in traceback.extract_tb(error.__traceback__)
            if each.filename == str(path)
        ]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
        where = f"{path}, line {line}" if line else f"{path}"
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{where} stopped with {what}; correct it there") from error
    return module


def carry_out(
    study: Study, settings: dict[str, Any], out: Path, scheduler: str, command: str
) -> pd.DataFrame:
    """Train what is missing, print the table, and keep it with a figure in ``<out>/studies``.

    Parameters
    ----------
    study : Study
    settings : dict
        Of `open_lab`.
    out : Path
    scheduler : str
        Address of a Dask scheduler; empty to train here.
    command : str
        Kept in the table, so that it says how it was made.
    """
    from imbalance_tf.evaluation import figures

    refuse_other_settings(out, settings)
    lab = open_lab(**settings, out=out)
    study = study.fitted(len(lab.cohort))
    click.secho(study.question, bold=True)
    each = "each cohort" if study.cohorts else f"{len(lab.cohort)} cases ({lab.origin})"
    click.echo(
        f"{len(study.arms)} arm{'s' * (len(study.arms) > 1)}, {study.folds} folds of {each}, "
        f"seeds: {study.seeds}"
    )
    results = _on_a_cluster(study, lab, scheduler) if scheduler else lab.study(study)
    regions = list(lab.train.scheme.regions)
    click.echo(written_table(results, regions))
    click.echo(written_claims(results, lab.train))
    table = lab.out / "studies" / f"{study.name}.csv"
    try:
        refuse_unwritable(table.parent, "so the table is printed, and not kept")
    except PermissionError as error:  # of runs that a teacher shares
        click.echo(f"\n{error}")
        return results
    write_study(results, table, command=command)
    drawn = results
    if "cohort" in results:
        drawn = results.assign(arm=results["cohort"] + ": " + results["arm"], cohort="all")
    by_length = results["batches"].nunique() > 1
    figure = (figures.dice_by_length if by_length else figures.dice_by_arm)(drawn, regions)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    write_whole(table.with_suffix(".png"), picture.getvalue())
    click.echo(f"\n{table}, and the figure beside it")
    return results


def _on_a_cluster(study: Study, lab: Lab, scheduler: str) -> pd.DataFrame:
    try:
        from distributed import Client
    except ImportError as error:
        raise OSError(
            f"--scheduler needs Dask ({error}): pip install '.[cluster]' in the folder of "
            f"imbalance-tf, here and where the workers run"
        ) from error
    try:
        connected = Client(scheduler)
    except (OSError, ValueError) as error:
        raise OSError(
            f"--scheduler {scheduler}: no Dask scheduler can be reached there ({error}); start one "
            f"(dask scheduler, then dask worker ADDRESS), or leave --scheduler out"
        ) from error
    names = {kind.__module__ for arm in study.arms for kind in kinds_of(arm)}
    with connected as client, tempfile.TemporaryDirectory() as folder:
        for name in sorted(names):
            if name.startswith(_OWN):  # of the study's file, which the workers do not have
                copy = shutil.copyfile(sys.modules[name].__file__ or "", f"{folder}/{name}.py")
                client.upload_file(copy)
        return lab.study(study, client=client)


def _extent(rows: pd.DataFrame) -> tuple[int, str]:
    """How many cases were tested, and in how many folds and seeds."""
    cases, folds, seeds = (rows[name].nunique() for name in ("case", "fold", "seed"))
    return cases, f"{folds} folds, {seeds} seed{'s' * (seeds > 1)}"


def written_claims(results: pd.DataFrame, cohort: Cohort) -> str:
    """The paper's claims and the study's verdicts, as text; empty without the paper's arms."""
    if not set(PAPER_ARMS) <= set(results["arm"]) or "cohort" in results:
        return ""
    counts = pd.Series(cohort.class_counts().sum(axis=0), cohort.scheme.classes)
    classes = list(counts.iloc[1:].sort_values(ascending=False).index)
    texts = []
    for batches, rows in results.groupby("batches"):
        cases, extent = _extent(rows)
        claims = study_claims(rows, scheme=cohort.scheme, classes=classes)
        texts.append(f"\nThe paper's claims after {batches} batches, on {cases} cases ({extent}):")
        texts += [f"- {row.claim}: {row.verdict}. {row.measured}" for row in claims.itertuples()]
    return "\n".join(texts)


def written_table(results: pd.DataFrame, regions: Sequence[str]) -> str:
    """The mean Dice of every arm with its interval, and what it took, as text."""
    texts = []
    parts = ["cohort", "batches"] if "cohort" in results else ["batches"]
    for key, rows in results.groupby(parts, sort=False):
        of_cohort = f", cohort {key[0]}" if len(parts) > 1 else ""
        cases, extent = _extent(rows)
        texts.append(
            f"\nMean Dice [95 % interval over {cases} cases] after {key[-1]} batches{of_cohort}; "
            f"{extent}; predicted / true volume of {regions[0]}"
        )
        table = _table(rows, regions)
        texts.append(table.to_string())
        if table[list(regions)].apply(lambda cells: cells.str.endswith(")")).any(axis=None):
            texts.append("(n): over n cases; the others have no such region, nor a voxel predicted")
        if "balanced" in set(rows["arm"]):
            texts += _apart(rows, regions, "balanced")
    return "\n".join(texts)


def _table(rows: pd.DataFrame, regions: Sequence[str]) -> pd.DataFrame:
    found = arm_table(rows, regions)
    fewer = found["cases"] < rows["case"].nunique()
    dice = found.apply(
        lambda row: f"{row['dice']:.3f} [{row['low']:.3f}, {row['high']:.3f}]", axis=1
    ) + found["cases"].map(" ({:.0f})".format).where(fewer, "")
    table = dice.unstack("region").loc[rows["arm"].unique(), list(regions)]
    volumes = arm_table(rows, regions[:1], "volume ratio").droplevel("region")["volume"]
    spent = rows.groupby("arm")[["patches", "mined", "seconds"]].mean()
    return table.rename_axis(index=None, columns=None).assign(
        volume=volumes.map("{:.2f}".format),
        **{name: spent[name].map("{:,.0f}".format) for name in spent},
    )


def _apart(rows: pd.DataFrame, regions: Sequence[str], to: str) -> list[str]:
    """Lines about the arms that differ from one of them by more than chance over the cases."""
    differences = paired_differences(rows, regions, to)
    apart = differences[(differences["low"] > 0) | (differences["high"] < 0)]
    if apart.empty:
        return [f"\nNo arm differs from {to} by more than the interval of the difference."]
    return [
        f"\nThese differ from {to} by more than the interval of the paired difference:",
        *(
            f"{arm}, {region}: {row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            for (arm, region), row in apart.iterrows()
        ),
    ]
