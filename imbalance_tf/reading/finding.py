"""Find the cases of a folder: which files belong together, and what each file is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.names import as_one, expect_name, name_problem

from .grouping import CASE, NamedFiles, Roles, by_layout, by_patterns, folders_under, unrecognised
from .layouts import LAYOUTS, PATTERNS, Layout


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case: modality name -> file, the segmentation, perhaps a brain mask.

    Where one 4-D file holds all modalities, `channels` are their names in the order of the file.
    """

    case_id: str
    images: Mapping[str, Path]
    labels: Path
    brain: Path | None = None
    channels: tuple[str, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Every file of the case, once."""
        every = [self.labels, *self.images.values(), *([self.brain] if self.brain else [])]
        return list(dict.fromkeys(every))


@dataclass(frozen=True)
class Found:
    """What a folder holds: its layout, its complete cases, and what is wrong with the others.

    `cases` are sorted by name; `problems` lists, by name of the case, what is missing or double;
    `closed`, by folder, why it cannot be looked into; `ignored` are folders with scans whose names
    are not recognised, one line each.
    """

    layout: Layout
    cases: list[CaseFiles]
    problems: Mapping[str, list[str]]
    closed: Mapping[str, list[str]]
    ignored: list[str]

    def first(self, count: int | None) -> "Found":
        """The first `count` cases by name, good or bad; all if None."""
        names = {*sorted([*(case.case_id for case in self.cases), *self.problems])[:count]}
        return replace(
            self,
            cases=[case for case in self.cases if case.case_id in names],
            problems={name: lines for name, lines in self.problems.items() if name in names},
        )


def find_cases(
    folder: Path,
    *,
    files: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
) -> Found:
    """The cases under a folder, sorted by name.

    Parameters
    ----------
    folder : Path
        Searched with all its subfolders (``HGG/case/...`` is fine).
    files : mapping of str to str, optional
        File name patterns, one per modality and one for ``"labels"``, perhaps one for
        ``"brain"``: ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz"}``; every folder in
        which they match is a case. Where a folder holds many cases, or a case has several folders,
        ``{case}`` stands for what tells the cases apart: ``{"flair": "scans/{case}_0000.nii.gz",
        "labels": "masks/{case}.nii.gz"}``. Without `files`, the names of one of `LAYOUTS` are
        expected.
    modalities : sequence of str, optional
        The modalities to use; by default those that at least half of the cases have.

    Raises
    ------
    ValueError
        If `files` or `modalities` are not valid, whatever the folder holds.
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        If there is no case at all, or if the cases follow two layouts.
    """
    _check_arguments(files, modalities)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} is a file; a folder of cases is expected: unpack it, if it is an archive"
        )

    folders, closed = folders_under(folder)
    if files:
        layout, named = PATTERNS, by_patterns(folder, folders, files)
    else:
        layout, named = by_layout(folder, folders)
    if not named:
        expected = sorted(files.values()) if files else [known.looks_like for known in LAYOUTS]
        none = (
            f"no case found; the file names looked for: {expected}; say how yours are called: "
            f"files=... (command line: --file), with {CASE} for what tells the cases apart"
        )
        there = [f"not recognised: {line}" for line in unrecognised(folders, {})[:5]]
        raise CohortError(folder, [none, *chain(*closed.values()), *there])

    counts = Counter(role for _, _, roles in named for role in roles)
    rare: list[str] = []
    if modalities is None:
        others = dict.fromkeys(role for _, _, roles in named for role in roles)
        possible = [*(files or dict.fromkeys(("t1", "t1c", "t2", "flair")) | others)]
        modalities = [role for role in possible if role not in ("labels", "brain")]
        if not files:  # those that half of the cases have; the others must have them too
            found = [role for role in modalities if counts[role]]
            modalities = [role for role in found if 2 * counts[role] >= len(named)] or found
            rare = [role for role in found if role not in modalities]
    wanted = [*modalities, "labels", *(["brain"] if files and "brain" in files else [])]
    looked_for = {role: repr(files.get(role)) if files else layout.looks_like for role in wanted}
    having = {role: f"{counts[role]} of {len(named)} cases" for role in [*wanted, *rare]}
    owners, alike = _owners(named), _alike({name for name, _, _ in named})
    places: dict[str, list[tuple[Path, Roles]]] = defaultdict(list)
    for name, place, roles in named:
        places[name].append((place, roles))
    cases, problems = [], {}
    for name, held in sorted(places.items()):
        wrong = []
        for place, roles in held:
            where = _where(name, place)
            wrong += _missing_or_double(where, place, roles, looked_for, having)
            wrong += _shared(where, roles, owners, layout)
            wrong += [
                f"{where}: '{role}', which only {having[role]} have; give it to the others, move "
                f"it away, or say which to use: modalities=... (command line: --file)"
                for role in rare
                if role in roles
            ]
        if problem := name_problem(name, of_file=True):
            wrong.append(f"{held[0][0]}: {problem}; rename it")
        if twins := sorted(alike[as_one(name)] - {name}):
            wrong.append(
                f"{held[0][0]}: the cases {name!a} and {twins[0]!a} differ in capitals, or in how "
                f"a letter is composed, and would be one file on some computers; rename one of them"
            )
        if len(held) > 1:
            where = ", ".join(str(place) for place, _ in held)
            wrong.append(
                f"{len(held)} cases are named {name} ({where}); rename all but one of the folders, "
                f"or give patterns with {CASE} for what tells the cases apart: files=... (command "
                f"line: --file)"
            )
        if wrong:
            problems[name] = wrong
            continue
        brain = roles["brain"][0] if "brain" in wanted else None
        images = {role: roles[role][0] for role in modalities}
        cases.append(CaseFiles(name, images, roles["labels"][0], brain, layout.channels))
    known = {path: name for name, _, roles in named for paths in roles.values() for path in paths}
    return Found(layout, cases, problems, closed, unrecognised(folders, known))


def _where(name: str, place: Path) -> str:
    """A case in a message: its folder, and its name where that is another."""
    return f"{place}" if name.endswith(place.absolute().name) else f"{place}: {name}"


def _alike(names: Iterable[str]) -> dict[str, set[str]]:
    """The names that are one file name in Windows or macOS."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[as_one(name)].add(name)
    return alike


def _owners(named: list[NamedFiles]) -> dict[object, list[str]]:
    """The cases that each file belongs to; one mask may serve all cases."""
    owners: dict[object, list[str]] = defaultdict(list)
    for name, place, roles in named:
        for file in {_file(path) for role in roles if role != "brain" for path in roles[role]}:
            owners[file].append(_where(name, place))
    return owners


def _missing_or_double(
    where: str,
    place: Path,
    roles: Roles,
    looked_for: Mapping[str, str],
    having: Mapping[str, str],
) -> list[str]:
    """What keeps the files of a place from being a case.

    The names `looked_for`, and how many cases are `having` a file, are by role.
    """
    if set(looked_for) == {"labels"}:
        names = looked_for["labels"]
        return [f"{where}: a segmentation without any modality (looked for {names}); add its scans"]
    problems = []
    for role, names in looked_for.items():
        paths = roles.get(role, [])
        if len(paths) > 1:
            found = ", ".join(path.relative_to(place).as_posix() for path in paths)
            problems.append(
                f"{where}: {len(paths)} files for '{role}' ({found}; looked for {names}); keep one "
                f"of them, or give a narrower pattern: files=... (command line: --file)"
            )
        elif not paths:
            what = "no segmentation" if role == "labels" else f"no file for '{role}'"
            others = (
                f", or leave it out, which {having[role]} have: modalities=... (--file for each "
                f"other)"
                if role not in ("labels", "brain")
                else ""
            )
            problems.append(
                f"{where}: {what} (looked for {names}); add it, or say how it is called: "
                f"files=... (command line: --file){others}"
            )
    return problems


def _file(path: Path) -> object:
    """The file that a path leads to, whether by `..`, by a link, or under a second name."""
    try:
        status = path.stat()
    except OSError:  # a broken link; reading will report it
        return path
    return status.st_dev, status.st_ino


def _shared(
    where: str, roles: Roles, owners: Mapping[object, list[str]], layout: Layout
) -> list[str]:
    """Files with two roles, or of two cases: these would leak from training into the test."""
    problems = []
    for path in dict.fromkeys(path for paths in roles.values() for path in paths):
        file = _file(path)
        held = [role for role, paths in roles.items() if file in map(_file, paths)]
        if len(held) > 1 and not layout.channels:
            problems.append(
                f"{where}: {path.name} is {' and '.join(held)}; narrow the patterns, so that each "
                f"file has one role"
            )
        if len(shared := owners.get(file, [])) > 1:
            problems.append(
                f"{path} belongs to {len(shared)} cases: {', '.join(shared)}; use patterns that "
                f"match within the folder of a case, and files that are not links to another case"
            )
    return problems


def _check_arguments(files: Mapping[str, str] | None, modalities: Sequence[str] | None) -> None:
    if files is not None:
        expect(isinstance(files, Mapping), "a pattern for each modality, by its name,", files=files)
        if "labels" not in files or not set(files) - {"labels", "brain"}:
            raise ValueError(
                f"files= names {sorted(files)}; it must name 'labels' and at least one modality"
            )
        for role, pattern in files.items():
            expect_name(role, "files=")
            named = isinstance(pattern, str) and Path(pattern).name
            if not named or Path(pattern).is_absolute():
                raise ValueError(
                    f"files= has the pattern {pattern!r} for '{role}'; a file name pattern within "
                    f"the folder of a case is expected, such as '*_{role}.nii.gz'"
                )
        told_apart = {role for role, pattern in files.items() if CASE in pattern}
        if told_apart and (others := set(files) - told_apart - {"brain"}):
            raise ValueError(
                f"files= has {CASE} in the pattern of {', '.join(sorted(told_apart))}, but not of "
                f"{', '.join(sorted(others))}; all need it (only 'brain' may be one file for all "
                f"cases), or none"
            )
    if modalities is not None and (
        isinstance(modalities, str)
        or not isinstance(modalities, Sequence)  # the order of a set is another in each process
        or not all(isinstance(modality, str) for modality in modalities)
        or not modalities
        or len(set(modalities)) < len(modalities)
        or {"labels", "brain"} & set(modalities)
    ):
        raise ValueError(
            f"modalities={modalities!r}; a list of different modalities is expected, such as "
            f"['t1c', 'flair']"
        )
