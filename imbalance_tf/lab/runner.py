"""The whole lab with one command: cohort, notebooks, table."""

import json
import time
from pathlib import Path

import click
import pandas as pd

from imbalance_tf.evaluation.dice import comparison_table

from .experiment import STRATEGIES, ExperimentResult
from .notebooks import NotebookError, execute_notebook, notebook_paths
from .workspace import open_lab, refuse_unwritable

__all__ = ["run_lab"]


def run_lab(out: Path, settings: dict) -> pd.DataFrame:
    """Execute all notebooks into `out`, and print and keep the Dice comparison.

    Parameters
    ----------
    out : Path
        Gets the executed notebooks, their HTML pages and figures, ``dice_comparison.csv``, the
        embedded cohort if it is used, and a folder for each run.
    settings : dict
        The parameters of the notebooks, without ``out``.

    Raises
    ------
    FileExistsError
        If `out` holds the results of other settings; nothing is changed then.
    """
    started = time.monotonic()
    refuse_unwritable(out)
    _refuse_other_settings(out, settings)
    click.echo("Reading the cohort")
    lab = open_lab(**settings, out=out)
    _claim(out, settings)
    click.echo(f"{len(lab.train.case_ids)} cases to train on, {len(lab.test.case_ids)} to test on")
    if lab.profile.name == "paper":
        from .estimate import estimate_hours

        click.echo("Measuring a few steps ...")
        click.echo(
            f"The paper's protocol will take about {estimate_hours(lab):.1f} hours on this machine "
            f"({lab.profile.epochs} epochs x {lab.profile.steps} batches, three times). It can be "
            f"stopped and started again at any time."
        )
    folders = {strategy: lab.run_folder(strategy) for strategy in STRATEGIES}
    del lab  # the notebooks read their own

    paths = notebook_paths()
    for number, path in enumerate(paths, start=1):
        click.secho(f"\n[{number}/{len(paths)}] {path.stem}", bold=True)
        begun = time.monotonic()
        try:
            execute_notebook(path, out, {**settings, "out": str(out)})
        except NotebookError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"done in {time.monotonic() - begun:.0f} s")

    results = {name: ExperimentResult.read(folder) for name, folder in folders.items()}
    table = comparison_table(
        {name: result.dice for name, result in results.items()},
        {name: result.volume_ratios for name, result in results.items()},
    )
    table.to_csv(out / "dice_comparison.csv")
    shown = ["whole", "core", "active", "healthy", "volume whole", "volume core", "volume active"]
    cases = table["cases"].iloc[0]
    click.secho(f"\nMean Dice over {cases} test cases; median predicted / true volume", bold=True)
    click.echo(table[shown].round(3).to_string())
    click.echo(f"\n{(time.monotonic() - started) / 60:.1f} minutes. All of it: {out}")
    click.echo(f"Start here: {out / 'html' / (paths[-1].stem + '.html')}")
    return table


def _refuse_other_settings(out: Path, settings: dict) -> None:
    kept = out / "lab.json"
    if not kept.exists():
        return
    found = json.loads(kept.read_text())
    if found != settings:
        different = [key for key in settings if found.get(key) != settings[key]]
        was = ", ".join(f"{key}={found.get(key)!r}" for key in different)
        now = ", ".join(f"{key}={settings[key]!r}" for key in different)
        raise FileExistsError(
            f"{out} holds the results of a run with {was}; this one has {now}. "
            f"Choose another folder with --out"
        )


def _claim(out: Path, settings: dict) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "lab.json").write_text(json.dumps(settings, indent=2))
