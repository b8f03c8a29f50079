"""A study at the command line: what is missing is trained, and table and picture are left."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.evaluation.claims import study_claims
from imbalance_tf.evaluation.intervals import arm_table, paired_differences
from imbalance_tf.training.arms import PAPER_ARMS, Arm, TwoStage
from imbalance_tf.training.studies import STUDIES, Study
from imbalance_tf.training.study_run import write_study

from .workspace import Lab, open_lab

__all__ = ["carry_out", "study_of", "written_claims", "written_table"]


def study_of(name: str) -> Study:
    """The study of this name, or of a Python file with arms or a study of one's own.

    A file's arms are compared with the paper's three, unless it has a `Study`.

    Raises
    ------
    ValueError
        If there is no such study or file, or the file has neither arm nor study.
    """
    if name in STUDIES:
        return STUDIES[name]
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(
            f"study {name!r}; one of {', '.join(STUDIES)} is expected, or a Python file with arms "
            f"of your own"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where its classes are looked up by whoever unpickles them
    spec.loader.exec_module(module)
    own = [value for key, value in vars(module).items() if not key.startswith("_")]
    if studies := [value for value in own if isinstance(value, Study)]:
        return studies[0]
    arms = [value for value in own if isinstance(value, Arm | TwoStage)]
    if not arms:
        raise ValueError(f"{path} defines no Arm, TwoStage or Study, such as mine = Arm('mine')")
    return Study(path.stem, f"How do the arms of {path.name} compare?", (*PAPER_ARMS, *arms))


def carry_out(
    study: Study, settings: dict[str, Any], out: Path, scheduler: str, command: str
) -> pd.DataFrame:
    """Train what is missing, print the table, and leave it with a picture in ``<out>/studies``.

    Parameters
    ----------
    study : Study
    settings : dict
        Of `open_lab`.
    out : Path
    scheduler : str
        Address of a Dask scheduler; empty to train here.
    command : str
        For the table, so that it says how it was made.
    """
    from imbalance_tf.evaluation import figures

    lab = open_lab(**settings, out=out)
    click.secho(study.question, bold=True)
    click.echo(
        f"{len(study.arms)} arms, {study.folds} folds of {len(lab.cohort)} cases ({lab.origin}), "
        f"seeds: {study.seeds}"
    )
    like = lab.config("balanced")
    results = _on_a_cluster(study, lab, scheduler) if scheduler else lab.study(study)
    place = lab.out / "studies"
    write_study(results, place / f"{study.name}.csv", command=command, precision=like.precision)
    regions = list(lab.train.scheme.regions)
    if results["batches"].nunique() > 1:
        picture = figures.dice_by_length(results, regions)
    elif "cohort" in results:
        each = results.assign(arm=results["cohort"] + ": " + results["arm"], cohort="all")
        picture = figures.dice_by_arm(each, regions)
    else:
        picture = figures.dice_by_arm(results, regions)
    picture.savefig(place / f"{study.name}.png", dpi=150)
    click.echo(written_table(results, regions))
    click.echo(written_claims(results, lab.train))
    click.echo(f"\n{place / study.name}.csv, and the picture beside it")
    return results


def _on_a_cluster(study: Study, lab: Lab, scheduler: str) -> pd.DataFrame:
    try:
        import cloudpickle
        from distributed import Client
    except ImportError as error:
        raise OSError(
            f"--scheduler needs Dask ({error}): pip install 'imbalance-tf[cluster]', here and "
            f"where the workers run"
        ) from error
    for arm in study.arms:  # of a file of one's own, which the workers do not have
        for part in (arm, *vars(arm).values()):
            module = sys.modules[type(part).__module__]
            if getattr(module, "__file__", None) and "." not in module.__name__:
                cloudpickle.register_pickle_by_value(module)
    with Client(scheduler) as client:
        return lab.study(study, client=client)


def written_claims(results: pd.DataFrame, cohort: Cohort) -> str:
    """The paper's claims and what the study says of them, as text; empty without its three arms."""
    if not set(PAPER_ARMS) <= set(results["arm"]) or "cohort" in results:
        return ""
    counts = pd.Series(cohort.class_counts().sum(axis=0), cohort.scheme.classes)
    classes = list(counts.iloc[1:].sort_values(ascending=False).index)
    texts = []
    for batches, rows in results.groupby("batches"):
        cases, folds, seeds = (rows[name].nunique() for name in ("case", "fold", "seed"))
        claims = study_claims(rows, scheme=cohort.scheme, classes=classes)
        texts.append(
            f"\nThe paper's claims after {batches} batches, on {cases} cases ({folds} folds, "
            f"{seeds} seed{'s' * (seeds > 1)}):"
        )
        texts += [f"- {row.claim}: {row.verdict}. {row.measured}" for row in claims.itertuples()]
    return "\n".join(texts)


def written_table(results: pd.DataFrame, regions: Sequence[str]) -> str:
    """The mean Dice of every arm with its interval, and what it took, as text."""
    lines = []
    parts = ["cohort", "batches"] if "cohort" in results else ["batches"]
    for key, rows in results.groupby(parts, sort=False):
        named = f", cohort {key[0]}" if len(parts) > 1 else ""
        table = arm_table(rows, regions)
        text = pd.DataFrame(
            {
                region: [
                    f"{row.dice:.3f} [{row.low:.3f}, {row.high:.3f}]"
                    for row in table.xs(region, level="region").itertuples()
                ]
                for region in regions
            },
            index=rows["arm"].unique(),
        )
        volumes = arm_table(rows, regions[:1], "volume ratio").droplevel("region")
        text["volume"] = volumes["volume"].map("{:.2f}".format)
        spent = rows.groupby("arm", sort=False)[["patches", "mined", "seconds"]].mean()
        text["patches"] = spent["patches"].map("{:,.0f}".format)
        text["mined"] = spent["mined"].map("{:,.0f}".format)
        text["seconds"] = spent["seconds"].map("{:.0f}".format)
        cases, folds, seeds = (rows[name].nunique() for name in ("case", "fold", "seed"))
        lines.append(
            f"\nMean Dice [95 % interval over {cases} cases] after {key[-1]} batches{named}; "
            f"{folds} folds, {seeds} seed{'s' * (seeds > 1)}; predicted / true volume of "
            f"{regions[0]}\n" + text.to_string()
        )
        if (to := "balanced") in table.index.get_level_values("arm"):
            apart = paired_differences(rows, regions, to)
            apart = apart[(apart["low"] > 0) | (apart["high"] < 0)]
            lines.append(
                "\n".join(
                    [
                        f"\nApart from {to} by more than the interval of the paired difference:",
                        *(
                            f"{arm}, {region}: {row['difference']:+.3f} [{row['low']:+.3f}, "
                            f"{row['high']:+.3f}]"
                            for (arm, region), row in apart.iterrows()
                        ),
                    ]
                )
                if len(apart)
                else f"\nNo arm is apart from {to} by more than the interval of the difference."
            )
    return "\n".join(lines)
