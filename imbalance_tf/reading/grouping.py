"""Group the files of a folder by case, before each group is checked."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.names import one_line

from .layouts import BRATS, LAYOUTS, NNUNET, Layout, as_said, said_of, undecided

CASE = "{case}"
"""Stands in a pattern for the text that tells the cases apart: the shortest that fits, no slash."""
# What may hold scans, and is read or not; packed folders too.
_SCAN = r"\.(((nii|img)(\.gz|\.bz2)?)|mh[ad]|nrrd|nhdr|mg[hz]|mnc|dcm|dicom|zip|tar(\.gz)?|tgz)$"
_WILDCARDS = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}

Roles = dict[str, list[Path]]
"""The files of one case by role: a modality, "labels", "brain"; more than one is a problem."""

NamedFiles = tuple[str, Path, Roles]
"""The name of a case, the folder that it lies in, and its files."""


def by_patterns(folder: Path, folders: list[Path], files: Mapping[str, str]) -> list[NamedFiles]:
    """Name, folder and files of every folder in which a pattern matches; or, with `CASE` in the
    patterns, of every text that it stands for."""
    if any(CASE in pattern for pattern in files.values()):
        return _by_case(folder, folders, files)
    named = []
    for place in folders:
        try:
            matches = {role: _visible(place.glob(pattern)) for role, pattern in files.items()}
        except ValueError as error:  # such as **.nii
            raise ValueError(f"files={dict(files)}: {error}") from error
        if roles := {role: paths for role, paths in matches.items() if paths}:
            named.append((_name(place, folder), place, roles))
    return named


def _by_case(folder: Path, folders: list[Path], files: Mapping[str, str]) -> list[NamedFiles]:
    cases: dict[str, Roles] = defaultdict(lambda: defaultdict(list))
    for_all: Roles = defaultdict(list)  # a mask that all cases share
    paths = [path for place in folders for path in _visible(place.iterdir())]
    for role, pattern in files.items():
        expression = _expression(pattern)
        for path in paths:
            if found := expression.search(path.relative_to(folder).as_posix()):
                held = cases[found["case"]] if CASE in pattern else for_all
                held[role].append(path)
    return [(case, folder, {**held, **for_all}) for case, held in cases.items()]


def _expression(pattern: str) -> re.Pattern:
    """Matches the end of each path that a file name pattern fits; `CASE` is the group ``case``."""
    expression = ""
    plain = Path(pattern).as_posix()  # without ./ and, in Windows, with other slashes
    plain = re.sub(r"\*{2,}(?!/)", "*", plain)  # many in a row would never end
    for part in re.split(r"(\*\*/|\*|\?|\[[^]]+\]|\{case\})", plain):
        if part == CASE:  # the same text each time
            expression += "(?P=case)" if "(?P<case>" in expression else "(?P<case>[^/]+?)"
        elif part.startswith("["):
            expression += part.replace("[!", "[^")
        else:
            expression += _WILDCARDS.get(part) or re.escape(part)
    try:
        return re.compile(f"(^|/){expression}$")
    except re.error as error:
        raise ValueError(f"files= has the pattern {pattern!r}, which is none: {error}") from error


def by_layout(folder: Path, folders: list[Path]) -> tuple[Layout, list[NamedFiles]]:
    """The one layout that the file names follow, and name, folder and files of its cases."""
    paths = [path for place in folders for path in _visible(place.iterdir())]

    def cases_in(layouts: Iterable[Layout]) -> dict[Layout, list[NamedFiles]]:
        said = (as_said(each, paths) for each in layouts)
        return {each: cases for each in said if (cases := _cases_of(each, paths, folder))}

    found = cases_in(BRATS)
    if not _with_whole_cases(found):
        found = cases_in(LAYOUTS[len(BRATS) :]) or found
    found = _with_whole_cases(found) or found  # one file under another name does not count
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
            [
                f"the cases follow more than one layout: {places}; give one folder at a time, or "
                f"say how yours are called: files=... (command line: --file)"
            ],
        )
    layout = next(iter([*telling, *found]), LAYOUTS[0])
    cases = found.get(layout, [])
    if len(found) > 1 and not telling:
        layout = replace(layout, scheme_of=undecided)
    return layout, cases


def _cases_of(layout: Layout, paths: list[Path], folder: Path) -> list[NamedFiles]:
    places: dict[Path, dict[str, Roles]] = defaultdict(lambda: defaultdict(dict))
    channels: dict[Path, dict[str, str]] = {}  # by dataset
    for path in paths:
        if matched := layout.match(path):
            case, role = matched
            if layout.name == NNUNET.name:
                dataset = path.absolute().parent.parent
                channels.setdefault(dataset, said_of(dataset)[0])
                role = channels[dataset].get(role, role)
            for name in layout.channels if role == "images" else [role]:
                places[layout.place(path, folder)][case].setdefault(name, []).append(path)
    named = []
    for place, cases in places.items():
        together: Roles = defaultdict(list)
        for held in cases.values():
            for role, its_paths in held.items():
                together[role] += its_paths
        # A folder can be one case, whatever its files are called: in BraTS 2020, one file of a
        # case has a foreign name. Where there is no other folder, they may be of two cases.
        one_each = len(places) > 1 and all(len(each) == 1 for each in together.values())
        single = one_each or place.absolute().name in cases
        several = sum(map(_is_whole, cases.values())) > 1 or (len(cases) > 1 and not single)
        if layout.by_name or several:
            named += [(case, place, held) for case, held in cases.items()]
        else:
            named.append((_name(place, folder), place, dict(together)))
    return named


def _with_whole_cases(found: dict[Layout, list[NamedFiles]]) -> dict[Layout, list[NamedFiles]]:
    return {
        layout: cases
        for layout, cases in found.items()
        if any(_is_whole(roles) for _, _, roles in cases)
    }


def _is_whole(roles: Roles) -> bool:
    return "labels" in roles and len(roles) > 1


def _name(place: Path, folder: Path) -> str:
    """The name of a case: its folder's; with the grade if both grades have folders of such a name.

    In BIDS, where every folder has the name "anat", that of subject and session.
    """
    place = place.resolve() if place == folder else place
    if place.name == "anat" and (
        entities := [part for part in place.absolute().parts[-3:] if re.match("(sub|ses)-", part)]
    ):
        return "_".join(entities)
    in_both = re.fullmatch(r"\d+|brats_2013_pat\d+_\d+", place.name, re.I)
    if in_both and re.fullmatch(r"HGG?|LGG?", place.parent.name, re.I):
        return f"{place.parent.name}_{place.name}"
    return place.name


def folders_under(folder: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """The folder and all folders under it; links are followed, hidden folders and loops left out.

    Also the problem of each folder that may not be entered, or is not there behind a link.
    """
    folders, seen, closed = [], set(), {}

    def refused(error: OSError) -> None:
        closed[error.filename] = [
            f"{error.filename}: cannot be entered ({error.strerror}); give permission to read it, "
            f"or move it away"
        ]

    for directory, inner, others in os.walk(folder, followlinks=True, onerror=refused):
        if (real := os.path.realpath(directory)) in seen:
            inner.clear()
            continue
        seen.add(real)
        # Hidden folders are half-written cases, or made by the desktop.
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        folders.append(Path(directory))
        for path in (Path(directory, name) for name in others if name[0] != "."):
            # Scans that are links to nowhere are named when they are read: their names end in .nii.
            if not path.suffix and os.path.islink(path) and not os.path.exists(path):
                closed[str(path)] = [
                    f"{path}: a link to {os.readlink(path)}, which is not there; fetch or mount "
                    f"that folder, or remove the link"
                ]
    return folders, closed


def unrecognised(folders: Iterable[Path], cases: Mapping[Path, str]) -> list[str]:
    """Folders with scans that belong to no case: one line per folder.

    `cases` has the case of each file that belongs to one. What else lies in the folder of a single
    case is not listed: other sequences, masks.
    """
    lines = []
    for place in folders:
        paths = _visible(place.iterdir())
        here = {cases[path] for path in paths if path in cases}
        scans = [
            path.name
            for path in paths
            if re.search(_SCAN, path.name, re.I)
            and path not in cases
            and not (len(here) == 1 or any(path.name.startswith(case) for case in here))
        ]
        if scans:
            more = ", ..." if len(scans) > 3 else ""
            lines.append(one_line(f"{place}: {', '.join(scans[:3])}{more}"))
    return lines


def _visible(paths: Iterable[Path]) -> list[Path]:
    """What is not hidden and no folder: also what cannot be read, such as a link to nowhere."""
    # os.path, for Path.is_dir raises where a folder may be listed, but not entered.
    return sorted(
        path for path in paths if not path.name.startswith(".") and not os.path.isdir(path)
    )
