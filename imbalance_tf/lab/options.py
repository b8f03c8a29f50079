"""Options of the command line: what several commands take."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .profiles import PROFILES

__all__ = [
    "COUNT",
    "SEED",
    "FilePath",
    "cohort_options",
    "files_option",
    "lab_settings",
    "scheme_option",
    "written",
]

# Nothing heavier than click is imported here: help must not wait for TensorFlow, nor for numpy.


class FilePath(click.ParamType):
    """A file or folder as a person names it: ``~`` also where the shell leaves it, as in --out=~/x.

    A name that is no text could stand in no table and no notebook.
    """

    name = "path"

    def convert(self, value, param, ctx):
        try:
            value.encode()
        except UnicodeEncodeError:
            from imbalance_tf.cohort.names import undecoded

            self.fail(f"{value!r} holds bytes that are no text{undecoded(value)}; rename it")
        given = ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        if not value and given:  # as of a variable of the shell that is not set
            self.fail("it is empty; name one, or leave it out")
        return os.path.expanduser(value)


def _file_patterns(ctx, param, values) -> dict[str, str]:
    patterns = {}
    for value in values:
        role, separator, pattern = value.partition("=")
        if not (role and separator and pattern):
            raise click.BadParameter(
                f"{value!r}; ROLE=PATTERN is expected, such as flair=Flair_*.nii.gz"
            )
        if role in patterns:
            raise click.BadParameter(f"'{role}' is given twice")
        patterns[role] = pattern
    return patterns


files_option = click.option(
    "--file",
    "files",
    multiple=True,
    metavar="ROLE=PATTERN",
    callback=_file_patterns,
    help="File name pattern of a modality, of 'labels' or of 'brain', for folders that do not "
    "follow BraTS' names: --file flair=Flair_*.nii.gz; {case} in it stands for what tells the "
    "cases apart, where a folder is not a case. Repeatable.",
)
scheme_option = click.option(
    "--scheme",
    default="auto",
    type=FilePath(),
    metavar="NAME",
    show_default=True,
    help="What the label values mean: brats2012, brats2013, brats2017, brats2023, brats2024, "
    "decathlon, a .toml file with a scheme of your own, or auto.",
)
COUNT: dict[str, Any] = {"default": 0, "metavar": "N", "type": click.IntRange(min=0)}
SEED = click.IntRange(0, 2**32 - 1)
_COHORT_OPTIONS = (
    click.option(
        "--profile",
        default="lab",
        type=click.Choice(list(PROFILES)),
        show_default=True,
        help="smoke (a minute), lab (a class hour), evening (half an hour to an hour, without "
        "anyone waiting) or paper (the full protocol: hours).",
    ),
    click.option(
        "--data",
        default="",
        type=FilePath(),
        metavar="FOLDER",
        help="A folder of real cases; by default the embedded cohort is made and used.",
    ),
    click.option(
        "--out",
        default="",
        type=FilePath(),
        metavar="FOLDER",
        help="Where the results go; by default results/PROFILE.",
    ),
    click.option(
        "--seed",
        default=0,
        show_default=True,
        type=SEED,
        help="Seed of the embedded cohort, the split and the training.",
    ),
    files_option,
    scheme_option,
    click.option(
        "--on-error",
        default="raise",
        show_default=True,
        type=click.Choice(["raise", "skip"]),
        help="Whether a case that cannot be used stops everything or is left out.",
    ),
    click.option("--cases", **COUNT, help="Read only the first N cases of --data; all by default."),
)


def cohort_options(command):
    """Add what `run` and `study` have in common: which cases, and where the results go."""
    for option in reversed(_COHORT_OPTIONS):
        command = option(command)
    return command


def lab_settings(profile, data, seed, files, scheme, on_error, cases) -> dict:
    """The arguments of `open_lab`, with absolute paths."""
    return {
        "profile": profile,
        "data": str(Path(data).absolute()) if data else "",
        "seed": seed,
        "files": files,
        "scheme": str(Path(scheme).absolute()) if scheme.endswith(".toml") else scheme,
        "on_error": on_error,
        "cases": cases,
    }


def written(options: Mapping[str, Any]) -> str:
    """Options as a person would write them in a shell.

    Examples
    --------
    >>> from imbalance_tf.lab.options import written
    >>> written({"on_error": "skip", "files": {"flair": "Flair *.nii"}})
    "--on-error skip --file 'flair=Flair *.nii'"
    """
    words = []
    for name, value in options.items():
        if name == "files":
            words += [("--file", f"{role}={pattern}") for role, pattern in value.items()]
        elif name == "lengths":
            words += [("--batches", str(length)) for length in value]
        else:
            words.append((f"--{name.replace('_', '-')}", str(value)))
    return shlex.join(word for option in words for word in option)
