"""Group the files of a folder by case, before each group is checked."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from imbalance_tf.cohort.errors import CohortError

from .layouts import LAYOUTS, Layout, undecided

__all__ = ["NamedFiles", "Roles", "by_layout", "by_patterns", "folders_under", "unrecognised"]


Roles = dict[str, list[Path]]
"""The files of one case by role: a modality, "labels", "brain"; more than one is a problem."""

NamedFiles = tuple[str, Path, Roles]
"""The name of a case, the folder that it lies in, and its files."""


def by_patterns(folder: Path, folders: list[Path], files: Mapping[str, str]) -> list[NamedFiles]:
    """Name, folder and files of every folder in which a pattern matches."""
    named = []
    for place in folders:
        matches = {role: _visible(place.glob(pattern)) for role, pattern in files.items()}
        if roles := {role: paths for role, paths in matches.items() if paths}:
            named.append((_name(place, folder), place, roles))
    return named


def by_layout(folder: Path, folders: list[Path]) -> tuple[Layout, list[NamedFiles]]:
    """The one layout that the file names follow, and name, folder and files of its cases."""
    paths = [path for place in folders for path in _visible(place.iterdir())]
    found = {layout: cases for layout in LAYOUTS if (cases := _cases_of(layout, paths, folder))}
    # Two layouts have files named `t1c` and `seg`: any other name tells which of them it is.
    telling = {
        layout: place
        for layout, cases in found.items()
        for _, place, roles in cases
        if set(roles) - {"labels", "t1c"}
    }
    if len(telling) > 1:
        places = "; ".join(f"{layout.name} in {place}" for layout, place in telling.items())
        raise CohortError(
            folder,
            [f"the cases follow more than one layout: {places}; give one folder at a time"],
        )
    layout = next(iter([*telling, *found]), LAYOUTS[0])
    cases = found.get(layout, [])
    if len(found) > 1 and not telling:
        layout = replace(layout, scheme_of=undecided)
    return layout, cases


def _cases_of(layout: Layout, paths: list[Path], folder: Path) -> list[NamedFiles]:
    places: dict[Path, dict[str, Roles]] = defaultdict(lambda: defaultdict(dict))
    for path in paths:
        if matched := layout.match(path):
            case, role = matched
            for name in layout.channels if role == "images" else [role]:
                places[layout.place(path)][case].setdefault(name, []).append(path)
    named = []
    for place, cases in places.items():
        complete = [held for held in cases.values() if "labels" in held and len(held) > 1]
        if layout.channels or len(complete) > 1:
            named += [(case, place, held) for case, held in cases.items()]
            continue
        # The folder is one case, whatever its files are called: in BraTS 2020, one file of a case
        # has a foreign name.
        roles: Roles = defaultdict(list)
        for held in cases.values():
            for role, its_paths in held.items():
                roles[role] += its_paths
        named.append((_name(place, folder), place, dict(roles)))
    return named


def _name(place: Path, folder: Path) -> str:
    """The name of a case: its folder's; with the grade if it is a number, which both grades use."""
    place = place.resolve() if place == folder else place
    if re.fullmatch(r"\d+", place.name) and re.fullmatch(r"HGG?|LGG?", place.parent.name, re.I):
        return f"{place.parent.name}_{place.name}"
    return place.name


def folders_under(folder: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """The folder and all folders under it; links are followed, hidden folders and loops left out.

    Also the problem of each folder that may not be entered.
    """
    folders, seen, closed = [], set(), {}

    def refused(error: OSError) -> None:
        closed[error.filename] = [
            f"{error.filename}: cannot be entered ({error.strerror}); give permission to read it, "
            f"or move it away"
        ]

    for directory, inner, _ in os.walk(folder, followlinks=True, onerror=refused):
        if (real := os.path.realpath(directory)) in seen:
            inner.clear()
            continue
        seen.add(real)
        # Hidden folders are half-written cases, or made by the desktop.
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        folders.append(Path(directory))
    return folders, closed


def unrecognised(folders: Iterable[Path], known: set[Path]) -> list[str]:
    """Folders with scans, none of which is among the known ones: one line per folder."""
    lines = []
    for place in folders:
        scans = [p for p in _visible(place.iterdir()) if re.search(r"\.(nii(\.gz)?|mha)$", p.name)]
        if scans and not known & set(scans):
            more = ", ..." if len(scans) > 3 else ""
            lines.append(f"{place}: {', '.join(path.name for path in scans[:3])}{more}")
    return lines


def _visible(paths: Iterable[Path]) -> list[Path]:
    """The files that are not hidden. A broken link counts: it is a file that cannot be read."""
    return sorted(
        path
        for path in paths
        if not path.name.startswith(".")
        and not path.is_dir()
        and (path.is_file() or path.is_symlink())
    )
