"""Find the cases of a folder and read one: files in, checked arrays out."""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

__all__ = ["AIR", "CaseFiles", "CohortError", "ScanError", "find_cases", "read_case"]

AIR = -5.0
"""Intensity of everything outside the brain. z-scores in the brain are clipped to [-5, 5], so
nothing in the brain is darker, and air can never look like average brain (which is 0)."""

BRATS_SUFFIXES = {
    "t1": "t1|t1n",
    "t1c": "t1ce|t1c",
    "t2": "t2|t2w",
    "flair": "flair|t2f",
    "labels": "seg",
}


class ScanError(ValueError):
    """One file, or the files of one case, cannot be used; the message says why."""


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


def read_case(case: CaseFiles) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read one case as axial slices: row 0 is anterior, column 0 the patient's right.

    Returns
    -------
    images : (S, H, W, M) float16
        z-scores over the brain of this case and modality, `AIR` outside.
    values : (S, H, W) uint8
        The segmentation as it stands in the file.
    brain : (S, H, W) bool
        The brain mask if the case has one, else wherever a modality is not air; always with the
        labelled tumour.
    affine : (4, 4) float
        Voxel (column, row, slice) to scanner millimetres.

    Raises
    ------
    ScanError
        If a file cannot be read or holds what cannot be right.
    """
    labels = _read_volume(case.labels)
    values = _label_values(labels)
    scans = {modality: _read_volume(path) for modality, path in case.images.items()}
    mask = _read_volume(case.brain) if case.brain else None
    for volume in [*scans.values(), *([mask] if mask else [])]:
        _refuse_other_grid(volume, labels)

    if mask:
        brain = mask.data > 0.5  # scaled masks hold 0.99999997
        if not brain.any():
            raise ScanError(f"{mask.path}: no voxel above 0.5; a mask of the brain is expected")
        brain |= values > 0
        covered = dict.fromkeys(scans, brain)
    else:
        covered = {name: scan.data != _air_value(scan) for name, scan in scans.items()}
        brain = np.logical_or.reduce([values > 0, *covered.values()])

    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (modality, scan) in enumerate(scans.items()):
        inside = brain & covered[modality]
        intensities = scan.data[inside]
        if intensities.size == 0 or np.ptp(intensities) == 0:
            raise ScanError(f"{scan.path}: the same value in the whole brain")
        z = (intensities - intensities.mean(dtype=np.float64)) / intensities.std(dtype=np.float64)
        images[inside, channel] = np.clip(z, AIR, -AIR)
    return images, values, brain, labels.affine


@dataclass(frozen=True)
class _Volume:
    """A volume as (slice, row, column) float32, however it is stored."""

    path: Path
    data: np.ndarray
    affine: np.ndarray  # (column, row, slice) to millimetres
    placed: bool  # whether the header says where the volume lies


def _read_volume(path: Path) -> _Volume:
    try:
        stored = nib.load(path)
        shape = stored.shape
        if len(shape) == 3:
            axes = nib.orientations.axcodes2ornt("LPS")
            turn = nib.orientations.ornt_transform(nib.io_orientation(stored.affine), axes)
            image = stored.as_reoriented(turn)
            data = np.asarray(image.dataobj, dtype=np.float32).transpose(2, 1, 0)
    except (
        ImageFileError,
        HeaderDataError,
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        TypeError,
        np.linalg.LinAlgError,
    ) as error:
        raise ScanError(f"{path}: cannot be read as NIfTI ({error}); is it complete?") from error
    if len(shape) != 3:
        raise ScanError(f"{path}: shape {shape}; a 3-D volume is expected")
    if not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise ScanError(f"{path}: {count} voxels are NaN or infinite; numbers are expected")
    codes = [stored.header.get(f"{form}_code", 0) for form in ("sform", "qform")]
    return _Volume(path, data, image.affine, any(codes))


def _label_values(labels: _Volume) -> np.ndarray:
    values = np.rint(labels.data)
    if (off := np.abs(labels.data - values) > 1e-3).any():
        raise ScanError(
            f"{labels.path}: label value {labels.data[off][0]:g}; integers are expected"
        )
    if values.min() < 0 or values.max() > 255:
        bad = values.min() if values.min() < 0 else values.max()
        raise ScanError(f"{labels.path}: label value {bad:g}; values from 0 to 255 are expected")
    return values.astype(np.uint8)


def _refuse_other_grid(volume: _Volume, labels: _Volume) -> None:
    if volume.data.shape != labels.data.shape:
        raise ScanError(
            f"{volume.path}: {volume.data.shape[::-1]} voxels, but {labels.path.name} has "
            f"{labels.data.shape[::-1]}; all files of a case must share one grid"
        )
    ends = np.array([[0, 0, 0, 1], [*np.subtract(labels.data.shape[::-1], 1), 1]]).T
    apart = np.linalg.norm(((volume.affine - labels.affine) @ ends)[:3], axis=0).max()
    if volume.placed and labels.placed and apart > 1:
        raise ScanError(
            f"{volume.path}: its header puts it {apart:.0f} mm away from {labels.path.name}; all "
            f"files of a case must share one grid: register them, or mend the header"
        )


def _air_value(scan: _Volume) -> float:
    """The constant around a skull-stripped brain: 0 in BraTS, anything in normalised images."""
    faces = [scan.data[[0, -1]], scan.data[:, [0, -1]], scan.data[:, :, [0, -1]]]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    if counts.max() < 0.5 * counts.sum():
        raise ScanError(
            f"{scan.path}: no constant background, so the brain cannot be told from air; "
            f"skull-strip the scan, or give a mask with files={{'brain': ...}}"
        )
    return values[counts.argmax()]
