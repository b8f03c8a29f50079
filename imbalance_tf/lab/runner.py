"""The whole lab with one command: cohort, notebooks, table."""

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from filelock import FileLock, Timeout

from imbalance_tf.cohort.disk import refuse_unwritable, write_whole
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme
from imbalance_tf.evaluation.dice import comparison_table
from imbalance_tf.reading.finding import find_cases
from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.result import ExperimentResult

from .estimate import Forecast, estimate_hours
from .notebooks import NotebookError, execute_notebook
from .pages import TABLE, write_start_page
from .profiles import TEST_SHARE
from .settings import SETTINGS, refuse_other_settings
from .workspace import open_lab

__all__ = ["run_lab"]

MANY = 20  # with more cases, the time that it will take is said beforehand
_FIRST = 6


def run_lab(paths: Sequence[Path], out: Path, settings: dict) -> None:
    """Execute notebooks, and print and keep the comparison of Dice if the paper's arms are there.

    Parameters
    ----------
    paths : sequence of Path
        The notebooks, in order.
    out : Path
        Gets the executed notebooks, their HTML pages and figures, ``dice_comparison.csv``, the
        embedded cohort if it is used, and a folder for each run.
    settings : dict
        The arguments of `open_lab`, without ``out``.

    Raises
    ------
    FileExistsError
        If `out` holds the results of other settings; then nothing is changed.
    """
    started = time.monotonic()
    refuse_unwritable(out, "choose another: --out")
    _refuse_other_results(out, settings)
    folders, scheme, forecast = _prepare(out, settings)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lab.lock", timeout=0):
            _refuse_other_results(out, settings)
            write_whole(out / SETTINGS, json.dumps(settings, indent=2))
            _execute_all(paths, out, settings, folders, forecast)
    except Timeout as error:
        raise FileExistsError(
            f"another imbalance-tf run is writing into {out}; wait for it, or choose another "
            f"folder with --out"
        ) from error
    if all(folder.exists() for folder in folders.values()):
        _compare(out, folders, scheme)
    click.echo(f"\n{(time.monotonic() - started) / 60:.1f} minutes. All results: {out}")
    click.echo(f"Start here: {write_start_page(out)}")


def _prepare(out: Path, settings: dict) -> tuple[dict[str, Path], LabelScheme, Forecast]:
    """Check the cohort before any notebook starts.

    Returns where the run of each strategy will be, the scheme, and the time left. Not the cohort,
    which would stay in memory beside those of the notebooks.
    """
    click.echo("Reading the cohort" + ("" if settings["data"] else ", the embedded one"))
    hours: dict[str, float] = {}
    if settings["data"] and not settings["cases"] and not (out / "cache").exists():
        hours = _say_beforehand(out, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # printed below, without a line of code
        lab = open_lab(**settings, out=out)
    for problem in lab.train.left_out.values():
        click.echo(f"left out: {problem}")
    click.echo(
        f"{len(lab.train)} cases to train on, {len(lab.test)} to test on; "
        f"scheme {lab.train.scheme.name}: {', '.join(lab.train.scheme.classes)}"
    )
    folders = {strategy: lab.run_folder(strategy) for strategy in PAPER_ARMS}
    forecast = Forecast({})
    if lab.profile.name in ("evening", "paper") or len(lab.test) > MANY:
        if not hours:
            click.echo("Measuring a few steps ...")
        forecast = Forecast.of(lab, hours)
        click.echo(
            f"What is missing of the three strategies will take about {forecast.left():.1f} hours "
            f"on this machine ({lab.profile.epochs} epochs x {lab.profile.steps} batches and "
            f"{len(lab.test)} cases to segment, each three times). It can be stopped and started "
            f"again at any time; --test-cases, and --cases with a folder of your own, shorten it."
        )
    return folders, lab.train.scheme, forecast


def _say_beforehand(out: Path, settings: dict) -> dict[str, float]:
    """Say what a large folder will take, measured on its first cases; the store keeps these.

    Returns the hours of each strategy; none if the folder is small, or its first cases unfit.
    """
    cases = len(find_cases(Path(settings["data"]), files=settings["files"] or None).cases)
    if cases <= MANY:
        return {}
    begun = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            lab = open_lab(**settings | {"cases": _FIRST, "test_cases": 0}, out=out)
    except CohortError:  # what is wrong is said of all cases together
        return {}
    reading = (time.monotonic() - begun) / _FIRST * (cases - _FIRST)
    tested = settings["test_cases"] or round(TEST_SHARE * cases)
    hours = estimate_hours(lab, test_cases=tested)
    whole = sum(hours.values())
    click.echo(
        f"{cases} cases: to read them will take about {reading / 60:.0f} minutes, to train with "
        f"the three strategies and segment {tested} cases with each {whole:.1f} hours. It can be "
        f"stopped and started again at any time; --cases and --test-cases shorten it."
    )
    return hours


def _execute_all(
    paths: Sequence[Path],
    out: Path,
    settings: dict,
    folders: Mapping[str, Path],
    forecast: Forecast,
) -> None:
    for number, path in enumerate(paths, start=1):
        click.secho(f"\n[{number}/{len(paths)}] {path.stem}", bold=True)
        missing = [strategy for strategy, folder in folders.items() if not folder.exists()]
        begun = time.monotonic()
        try:
            execute_notebook(path, out, _parameters(settings, out))
        except NotebookError as error:
            raise click.ClickException(str(error)) from error
        seconds = time.monotonic() - begun
        click.echo(f"done in {seconds:.0f} s")
        trained = [strategy for strategy in missing if folders[strategy].exists()]
        for strategy in trained:
            forecast.took(strategy, seconds / 3600 / len(trained))
        if trained and forecast.left():
            click.echo(f"about {forecast.left():.1f} hours left")


def _parameters(settings: dict, out: Path) -> dict:
    """The parameters of a notebook: what is of a folder of one's own is one dict in them."""
    always = ("profile", "seed")
    own = {name: value for name, value in settings.items() if name not in always and value}
    return {**{name: settings[name] for name in always}, "out": str(out), "own_data": own}


def _compare(out: Path, folders: dict[str, Path], scheme: LabelScheme) -> None:
    """Keep and print the table."""
    results = {name: ExperimentResult.read(folder) for name, folder in folders.items()}
    table = comparison_table(
        {name: result.dice for name, result in results.items()},
        {name: result.volume_ratios for name, result in results.items()},
    )
    write_whole(out / TABLE, table.to_csv(lineterminator="\n"))
    volumes = [f"volume {region}" for region in scheme.regions]
    shown = [*scheme.regions, scheme.classes[0], *volumes]
    cases = len(results["random"].dice)
    click.secho(f"\nMean Dice over {cases} test cases; median predicted / true volume", bold=True)
    click.echo(table[shown].to_string(float_format="{:.3f}".format))
    for name in scheme.regions:
        if (fewer := table[f"cases {name}"].min()) < len(results["random"].dice):
            click.echo(f"Dice of {name}: over {fewer} cases; undefined for those without any")


def _refuse_other_results(out: Path, settings: dict) -> None:
    """FileExistsError if the folder holds results of other settings, or a person's own files."""
    if not (out / SETTINGS).exists():
        # Notebooks in which somebody worked may have left runs there, which are used.
        mine = ("notebooks", "html", "figures", TABLE)
        if there := [name for name in mine if (out / name).exists()]:
            raise FileExistsError(
                f"{out} has {', '.join(there)}, not made by imbalance-tf run; choose another "
                f"folder with --out"
            )
        return
    refuse_other_settings(out, settings)
