"""Find the cases of a folder: which files belong together, and what each is."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CaseFiles", "CohortError", "find_cases"]

BRATS_SUFFIXES = {
    "t1": "t1|t1n",
    "t1c": "t1ce|t1c",
    "t2": "t2|t2w",
    "flair": "flair|t2f",
    "labels": "seg",
}


class CohortError(ValueError):
    """A folder cannot be used as a cohort. `problems` lists everything found, a line each."""

    def __init__(self, folder: Path, problems: list[str]):
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{folder} cannot be used as a cohort:{lines}")


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case: modality name -> file, the segmentation, perhaps a brain mask."""

    case_id: str
    images: Mapping[str, Path]
    labels: Path
    brain: Path | None


def find_cases(
    folder: Path, *, files: Mapping[str, str] | None = None, modalities=None
) -> list[CaseFiles]:
    """The cases under a folder, sorted by name; every folder that holds scans is one case.

    Parameters
    ----------
    folder : Path
        Searched with all its subfolders (``HGG/case/...`` is fine).
    files : mapping of str to str, optional
        File name patterns, one per modality and one for ``"labels"``, perhaps one for
        ``"brain"``: ``{"flair": "Flair_*.nii.gz", "labels": "OT*.nii.gz"}``. Without it, the
        BraTS names from 2017 on are expected: ``<case>_{t1,t1ce,t2,flair,seg}.nii.gz``.
    modalities : sequence of str, optional
        The modalities to use; by default all that the cases have.

    Raises
    ------
    ValueError
        If `files` or `modalities` make no sense, whatever the folder holds.
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        With every problem of every case: no segmentation, a missing modality, two files for one
        pattern, no case at all.
    """
    _refuse_nonsense(files, modalities)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a folder of cases is expected")

    found = {directory: _roles_in(directory, files) for directory in _folders_under(folder)}
    found = {directory: roles for directory, roles in found.items() if any(roles.values())}
    expected = sorted(files.values()) if files else ["<case>_{t1,t1ce,t2,flair,seg}.nii.gz"]
    if not found:
        raise CohortError(folder, [f"no case found; the file names looked for: {expected}"])

    if modalities is None:
        modalities = [role for role in (files or BRATS_SUFFIXES) if role not in ("labels", "brain")]
        if not files:  # then whatever some case has; the others must have it too
            modalities = [m for m in modalities if any(roles[m] for roles in found.values())]
    wanted = [*modalities, "labels", *(["brain"] if files and "brain" in files else [])]
    problems = []
    for directory, roles in found.items():
        if not modalities:
            problems.append(f"{directory}: a segmentation without any modality")
        for role in wanted:
            paths = roles.get(role, [])
            pattern = files[role] if files and role in files else f"<case>_{role}"
            if len(paths) > 1:
                names = ", ".join(path.name for path in paths)
                problems.append(
                    f"{directory}: {len(paths)} files for '{role}' ({names}); "
                    f"narrow the pattern {pattern!r} to one"
                )
            elif not paths and role == "labels":
                problems.append(f"{directory}: no segmentation (looked for {pattern!r})")
            elif not paths:
                problems.append(
                    f"{directory}: no file for '{role}' (looked for {pattern!r}); add "
                    f"it, or choose modalities that every case has"
                )
    places: dict[str, list[Path]] = {}
    for directory in found:
        name = directory.resolve().name if directory == folder else directory.name
        places.setdefault(name, []).append(directory)
    problems += [
        f"{len(directories)} cases are named {name} ({', '.join(map(str, directories))}); rename "
        f"all but one of the folders"
        for name, directories in places.items()
        if len(directories) > 1
    ]
    if problems:
        raise CohortError(folder, problems)
    return [
        CaseFiles(
            case_id=name,
            images={role: found[directory][role][0] for role in modalities},
            labels=found[directory]["labels"][0],
            brain=found[directory]["brain"][0] if found[directory].get("brain") else None,
        )
        for name, (directory,) in sorted(places.items())
    ]


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


def _folders_under(folder: Path) -> list[Path]:
    """The folder and all under it, links followed, hidden ones and loops left out."""
    folders, seen = [], set()
    for directory, inner, _ in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(directory)) in seen:
            inner.clear()
            continue
        seen.add(real)
        # Hidden: a half-written case, a desktop's droppings.
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        folders.append(Path(directory))
    return folders


def _roles_in(directory: Path, files: Mapping[str, str] | None) -> dict[str, list[Path]]:
    if files:
        found = {role: sorted(directory.glob(pattern)) for role, pattern in files.items()}
    else:
        paths = sorted(path for path in directory.iterdir() if path.is_file())
        found = {
            role: [p for p in paths if re.search(rf"[_-]({names})\.nii(\.gz)?$", p.name, re.I)]
            for role, names in BRATS_SUFFIXES.items()
        }
    return {role: [p for p in ps if not p.name.startswith(".")] for role, ps in found.items()}
