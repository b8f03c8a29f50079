"""Find the cases of a folder: which files belong together, and what each is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .grouping import CohortError, NamedFiles, Roles, by_layout, by_patterns
from .layouts import LAYOUTS, PATTERNS, Layout

__all__ = ["CaseFiles", "CohortError", "Found", "find_cases"]


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

    `cases` are sorted by name; `problems` lists, by name of the case, what is missing or double.
    """

    layout: Layout
    cases: list[CaseFiles]
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    def first(self, count: int | None) -> "Found":
        """The first so many by name; all if None."""
        names = {*sorted([*(case.case_id for case in self.cases), *self.problems])[:count]}
        return Found(
            self.layout,
            [case for case in self.cases if case.case_id in names],
            {name: lines for name, lines in self.problems.items() if name in names},
        )


def find_cases(folder: Path, *, files: Mapping[str, str] | None = None, modalities=None) -> Found:
    """The cases under a folder, sorted by name.

    Parameters
    ----------
    folder : Path
        Searched with all its subfolders (``HGG/case/...`` is fine).
    files : mapping of str to str, optional
        File name patterns, one per modality and one for ``"labels"``, perhaps one for
        ``"brain"``: ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz"}``; every folder in
        which they match is a case. Without it, the names of one of `LAYOUTS` are expected.
    modalities : sequence of str, optional
        The modalities to use; by default all that the cases have.

    Raises
    ------
    ValueError
        If `files` or `modalities` make no sense, whatever the folder holds.
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        If there is no case at all, or if the cases follow two layouts.
    """
    _refuse_nonsense(files, modalities)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a folder of cases is expected")

    if files:
        layout, named = PATTERNS, by_patterns(folder, files)
    else:
        layout, named = by_layout(folder)
    if not named:
        expected = sorted(files.values()) if files else [known.looks_like for known in LAYOUTS]
        raise CohortError(folder, [f"no case found; the file names looked for: {expected}"])

    if modalities is None:
        known = [*(files or ("t1", "t1c", "t2", "flair"))]
        modalities = [role for role in known if role not in ("labels", "brain")]
        if not files:  # then whatever some case has; the others must have it too
            modalities = [m for m in modalities if any(roles.get(m) for _, _, roles in named)]
    wanted = [*modalities, "labels", *(["brain"] if files and "brain" in files else [])]
    cases, problems = [], {}
    for name, places in _grouped(named).items():
        roles = places[0][1]
        wrong = [
            problem for where, held in places for problem in _wrong(where, held, wanted, files)
        ]
        if len(places) > 1:
            where = ", ".join(str(place) for place, _ in places)
            wrong.append(
                f"{len(places)} cases are named {name} ({where}); rename all but one of the folders"
            )
        if wrong:
            problems[name] = wrong
            continue
        cases.append(
            CaseFiles(
                case_id=name,
                images={role: roles[role][0] for role in modalities},
                labels=roles["labels"][0],
                brain=roles["brain"][0] if "brain" in wanted else None,
                channels=layout.channels,
            )
        )
    return Found(layout, cases, problems)


def _wrong(place: Path, roles: Roles, wanted: Iterable[str], files) -> list[str]:
    """What keeps these files from being a case."""
    if not files and set(roles) == {"labels"}:
        return [f"{place}: a segmentation without any modality"]
    problems = []
    for role in wanted:
        paths = roles.get(role, [])
        pattern = files[role] if files and role in files else f"<case>_{role}"
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            problems.append(
                f"{place}: {len(paths)} files for '{role}' ({names}); "
                + (f"narrow the pattern {pattern!r} to one" if files else "leave one of them there")
            )
        elif not paths and role == "labels":
            problems.append(f"{place}: no segmentation (looked for {pattern!r})")
        elif not paths:
            problems.append(
                f"{place}: no file for '{role}' (looked for {pattern!r}); add it, or choose "
                f"modalities that every case has"
            )
    return problems


def _grouped(named: list[NamedFiles]) -> dict[str, list[tuple[Path, Roles]]]:
    """Places and files by name of the case, sorted by it."""
    groups: dict[str, list[tuple[Path, Roles]]] = {}
    for name, place, roles in sorted(named, key=lambda each: each[0]):
        groups.setdefault(name, []).append((place, roles))
    return groups


def _refuse_nonsense(files, modalities) -> None:
    if files is not None:
        if "labels" not in files or not set(files) - {"labels", "brain"}:
            raise ValueError(
                f"files= names {sorted(files)}; it must name 'labels' and at least one modality"
            )
        for role, pattern in files.items():
            if not pattern or Path(pattern).is_absolute():
                raise ValueError(
                    f"files= has the pattern {pattern!r} for '{role}'; a file name pattern within "
                    f"the folder of a case is expected, such as '*_{role}.nii.gz'"
                )
    if modalities is not None and (
        isinstance(modalities, str)
        or not modalities
        or len(set(modalities)) < len(modalities)
        or {"labels", "brain"} & set(modalities)
    ):
        raise ValueError(
            f"modalities={modalities!r}; a list of different modalities is expected, such as "
            f"['t1c', 'flair']"
        )
