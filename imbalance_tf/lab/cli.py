"""The command line: imbalance-tf run, study, check, phantom, notebooks, handout, setup-check."""

import contextlib
import errno
import importlib.util
import io
import json
import os
import shlex
import signal
import sys
from pathlib import Path

import click

from .options import (
    COUNT,
    SEED,
    FilePath,
    cohort_options,
    files_option,
    lab_settings,
    scheme_option,
    written,
)

__all__ = ["main"]

# Nothing heavier than click is imported above: help must not wait for TensorFlow, nor for numpy.


def _stop(number, frame):
    raise KeyboardInterrupt(number)


class _Refusals(click.Group):
    """Turns the errors that the package raises on purpose into one message and exit code 1."""

    def invoke(self, ctx):
        for stream in (sys.stdout, sys.stderr):  # nothing that a file is called may stop a report
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        for name in ("SIGTERM", "SIGHUP"):  # as of a scheduler, and of a terminal that is closed
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one
                with contextlib.suppress(ValueError):  # called in another thread than the main one
                    signal.signal(number, _stop)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            resumed = ctx.invoked_subcommand in ("run", "study", "phantom")
            goes_on = " The same command goes on from here." if resumed else ""
            click.echo(f"\nStopped.{goes_on}", err=True)
            numbers = [each for each in stopped.args if isinstance(each, int)]
            ctx.exit(128 + (numbers or [signal.SIGINT])[0])
        except BrokenPipeError:  # whoever read the output, such as `head`, has read enough
            raise
        except (OSError, ValueError) as error:
            full = getattr(error, "errno", None) == errno.ENOSPC  # in a file too small to count
            more = "; make room there, and start again" if full else ""
            raise click.ClickException(f"{error}{more}") from error


@click.group(cls=_Refusals, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imbalance-tf")
def main():
    """A lab on class imbalance: which patches you put in a batch decides what a network learns."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        gone = "the folder in which you are was deleted; go to another (cd), and start again"
        raise click.ClickException(gone) from error
    # For this process and the kernels that it starts, whatever else a person uses these for.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # A person's matplotlibrc could ask for LaTeX, or for fonts and sizes in which labels overlap.
    if (plots := importlib.util.find_spec("matplotlib")) and plots.origin:
        os.environ["MATPLOTLIBRC"] = str(Path(plots.origin).with_name("mpl-data") / "matplotlibrc")
    for limit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        os.environ.pop(limit, None)


@main.command()
@click.argument("notebooks", nargs=-1)
@cohort_options
@click.option("--test-cases", **COUNT, help="Test on N of the cases; three in ten by default.")
@click.option("--all", "every", is_flag=True, help="Execute the notebooks beyond the paper too.")
def run(notebooks, out, test_cases, every, **cohort):
    """Execute the five notebooks on the paper and compare its three strategies.

    Or execute NOTEBOOKS, by name or number. What is finished is read. A run that was stopped goes
    on from its last finished epoch.
    """
    from .notebooks import chosen_notebooks
    from .runner import run_lab

    paths = chosen_notebooks(notebooks, every=every)
    settings = lab_settings(**cohort) | {"test_cases": test_cases}
    run_lab(paths, Path(out or Path("results") / cohort["profile"]).resolve(), settings)


@main.command()
@click.argument("name", default="", type=FilePath())
@cohort_options
@click.option("--folds", type=click.IntRange(min=2), help="Folds of the cohort; 5 by default.")
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Trainings of each arm per fold; 1 by default."
)
@click.option(
    "--batches",
    "lengths",
    multiple=True,
    type=click.IntRange(1, 10**9),
    help="Length of a training; by default the profile's, or those of the study. Repeatable.",
)
@click.option("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler of many machines.")
@click.option("--list", "listed", is_flag=True, help="List the studies, and stop.")
def study(name, out, folds, seeds, lengths, scheduler, listed, **cohort):
    """Compare the arms of study NAME on every case, in folds.

    NAME is one of --list, or a Python file with arms of your own. What is finished is read; a study
    that was stopped goes on. Leaves a table and a figure in OUT/studies.
    """
    from dataclasses import replace

    from .study import carry_out, study_of

    if listed or not name:
        from imbalance_tf.training.studies import STUDIES

        for each in STUDIES.values():
            click.echo(f"{each.name:16} {each.question} ({len(each.arms)} arms)")
        return
    asked = {"folds": folds, "seeds": seeds, "lengths": lengths}
    asked = {key: value for key, value in asked.items() if value}
    given = click.get_current_context().get_parameter_source
    options = {
        key: value
        for key, value in {**cohort, **asked}.items()
        if key in asked or given(key) is not click.core.ParameterSource.DEFAULT
    }
    carry_out(
        replace(study_of(name), **asked),
        lab_settings(**cohort),
        Path(out or Path("results") / cohort["profile"]).resolve(),
        scheduler,
        command=f"imbalance-tf study {shlex.quote(name)} {written(options)}".rstrip(),
    )


@main.command()
@click.argument("folder", type=FilePath())
@files_option
@scheme_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a script.")
@click.pass_context
def check(ctx, folder, files, scheme, as_json):
    """Read every case of FOLDER, and list everything that is wrong with it.

    One line per case: grid, spacing, orientation, modalities, class shares, and what was decided.
    Then one per class and region: its share, and how far its mean intensities are from those of
    the nearest class outside it, in standard deviations (notebook 9). The exit code is 1 if there
    is any problem.
    """
    from dataclasses import asdict

    from imbalance_tf.reading.checking import check_folder

    report = check_folder(folder, scheme=scheme, files=files or None)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for case in report.cases:
            click.echo(case)
        scheme = report.scheme
        meaning = scheme and ", ".join(map("{} {}".format, scheme.values, scheme.classes))
        click.echo(f"cases to use: {len(report.cases)}; layout: {report.layout}")
        click.echo(f"scheme: {scheme.name}: {meaning}" if scheme else "scheme: unknown")
        for name, of in report.together.items():
            apart = f"; {of['sd']:.2f} sd from {of['nearest']}" if of["nearest"] else ""
            found = f"in {of['cases']} of {len(report.cases)} cases"
            click.echo(f"{name}: {100 * of['share']:.3g} % of all voxels, {found}{apart}")
        for line in report.ignored:
            click.echo(f"not recognised, so not read: {line}")
        for problem in report.problems:
            click.echo(f"PROBLEM {problem}", err=True)
    ctx.exit(1 if report.problems else 0)


@main.command()
@click.argument("folder", type=FilePath())
@click.option("--cases", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option(
    "--slice-thickness",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10),
    help="In mm; that of BraTS is 1.",
)
@click.option(
    "--disease",
    default="glioma",
    show_default=True,
    type=click.Choice(["glioma", "lesions"]),
    help="Brain tumours of five classes, or small white matter lesions of two.",
)
def phantom(folder, cases, seed, slice_thickness, disease):
    """Write the embedded cohort of synthetic cases.

    BraTS-like scans on real anatomy, as NIfTI files, into FOLDER.
    """
    from imbalance_tf.phantom import write_phantom_cohort

    write_phantom_cohort(
        folder, cases=cases, seed=seed, slice_thickness=slice_thickness, disease=disease
    )
    click.echo(f"{cases} cases in {folder}")


@main.command()
@click.argument("folder", type=FilePath())
@click.option("--solutions", "kind", flag_value="solutions", help="With the exercises solved.")
@click.option(
    "--instructor",
    "kind",
    flag_value="instructor",
    help="With solutions and notes, for the teacher.",
)
def notebooks(folder, kind):
    """Write the notebooks into FOLDER, to work through them and do their exercises."""
    from .notebooks import write_notebooks

    for path in write_notebooks(Path(folder), kind or "student"):
        click.echo(path)
    click.echo(f"Now: jupyter lab {shlex.quote(folder)}")


@main.command()
@click.argument("target", type=FilePath())
@click.option(
    "--from",
    "source",
    default="results/lab",
    type=FilePath(),
    metavar="FOLDER",
    show_default=True,
    help="Where imbalance-tf run has left its results.",
)
def handout(target, source):
    """Write what a class gets into TARGET, a new folder or a new file TARGET.zip.

    Notebooks to work in, the embedded cohort and finished runs, so that nothing is trained on
    whatever machine they are opened; and checksums. The notebooks are those that were executed.
    """
    from .handout import write_handout
    from .notebooks import notebook_paths

    place, out = Path(target).absolute(), Path(source).resolve()
    paths = write_handout(place, out)
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    click.echo(f"{place}: {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    click.echo(f"notebooks: {', '.join(path.stem for path in paths)}")
    if others := [path.stem for path in notebook_paths() if path not in paths]:
        click.echo(f"not executed in {out}, so not in it: {', '.join(others)}")
    click.echo("There: its README.txt. The store of the scans is made anew at the first opening.")


@main.command()
@click.pass_context
def setup_check(ctx):
    """Look whether this machine is ready for the lab, and say how long it will take.

    Takes less than a minute. The exit code is 1 if there is any problem.
    """
    from .setup_check import findings

    problems = 0
    for name, found, advice in findings(Path.cwd()):
        click.echo(f"{'PROBLEM' if advice else 'ok':7} {name}: {found}")
        if advice:
            problems += 1
            click.echo(f"        do this: {advice}")
    click.echo(f"{problems} problem{'s' * (problems != 1)}" if problems else "Ready for the lab.")
    ctx.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
