"""Find the cases of a folder and read one: files in, checked arrays out."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

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
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    CohortError
        With every problem of every case: no segmentation, a missing modality, two files for one
        pattern, no case at all.
    """
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a folder of cases is expected")
    if files is not None and ("labels" not in files or not set(files) - {"labels", "brain"}):
        raise ValueError(
            f"files= names {sorted(files)}; it must name 'labels' and at least one modality"
        )

    found: dict[Path, dict[str, list[Path]]] = {}
    for directory in sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())}):
        if any(part.startswith(".") for part in directory.relative_to(folder).parts):
            continue  # hidden: a half-written case, a desktop's droppings
        roles = _roles_in(directory, files)
        if any(roles.values()):
            found[directory] = roles
    expected = sorted(files.values()) if files else ["<case>_{t1,t1ce,t2,flair,seg}.nii.gz"]
    if not found:
        raise CohortError(folder, [f"no case found; the file names looked for: {expected}"])

    if modalities is None:
        modalities = [role for role in (files or BRATS_SUFFIXES) if role not in ("labels", "brain")]
        if not files:  # then whatever some case has; the others must have it too
            modalities = [m for m in modalities if any(roles[m] for roles in found.values())]
    wanted = [*modalities, "labels", *(["brain"] if files and "brain" in files else [])]
    problems, cases = [], []
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
        cases.append((directory, roles))
    names = [directory.name for directory, _ in cases]
    problems += [f"two cases are named {name}" for name in set(names) if names.count(name) > 1]
    if problems:
        raise CohortError(folder, problems)
    return sorted(
        (
            CaseFiles(
                case_id=directory.resolve().name,
                images={role: roles[role][0] for role in modalities},
                labels=roles["labels"][0],
                brain=roles["brain"][0] if roles.get("brain") else None,
            )
            for directory, roles in cases
        ),
        key=lambda case: case.case_id,
    )


def _roles_in(directory: Path, files: Mapping[str, str] | None) -> dict[str, list[Path]]:
    if files:
        return {role: sorted(directory.glob(pattern)) for role, pattern in files.items()}
    paths = sorted(path for path in directory.iterdir() if path.is_file())
    return {
        role: [p for p in paths if re.search(rf"[_-]({names})\.nii(\.gz)?$", p.name, re.I)]
        for role, names in BRATS_SUFFIXES.items()
    }


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
    labels, affine = _read_volume(case.labels)
    values = np.rint(labels)
    if (off := np.abs(labels - values) > 1e-3).any():
        raise ScanError(f"{case.labels}: label value {labels[off][0]:g}; integers are expected")
    if values.min() < 0 or values.max() > 255:
        bad = values.min() if values.min() < 0 else values.max()
        raise ScanError(f"{case.labels}: label value {bad:g}; values from 0 to 255 are expected")
    values = values.astype(np.uint8)

    scans = {}
    for modality, path in case.images.items():
        scans[modality], _ = _read_volume(path)
        _same_grid(scans[modality], path, values, case.labels)
    if case.brain:
        mask, _ = _read_volume(case.brain)
        _same_grid(mask, case.brain, values, case.labels)
        brain = mask > 0.5  # scaled masks hold 0.99999997
        covered = dict.fromkeys(scans, brain)
    else:
        covered = {m: scan != _air_value(scan, case.images[m]) for m, scan in scans.items()}
        brain = np.logical_or.reduce(list(covered.values()))
    brain = brain | (values > 0)

    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (modality, scan) in enumerate(scans.items()):
        inside = brain & covered[modality]
        intensities = scan[inside]
        if intensities.size == 0 or np.ptp(intensities) == 0:
            raise ScanError(f"{case.images[modality]}: the same value in the whole brain")
        z = (intensities - intensities.mean(dtype=np.float64)) / intensities.std(dtype=np.float64)
        images[inside, channel] = np.clip(z, AIR, -AIR)
    return images, values, brain, affine


def _read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A volume as (slice, row, column) float32, and its affine, whatever way it is stored."""
    try:
        stored = nib.load(path)
        if len(stored.shape) != 3:
            raise ScanError(f"{path}: shape {stored.shape}; a 3-D volume is expected")
        axes = nib.orientations.axcodes2ornt("LPS")
        turn = nib.orientations.ornt_transform(nib.io_orientation(stored.affine), axes)
        image = stored.as_reoriented(turn)
        data = np.asarray(image.dataobj, dtype=np.float32).transpose(2, 1, 0)
    except (ImageFileError, OSError, EOFError, zlib.error) as error:
        raise ScanError(f"{path}: cannot be read as NIfTI ({error}); is it complete?") from error
    if not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise ScanError(f"{path}: {count} voxels are NaN or infinite; numbers are expected")
    return data, image.affine


def _same_grid(volume: np.ndarray, path: Path, other: np.ndarray, other_path: Path) -> None:
    if volume.shape != other.shape:
        raise ScanError(
            f"{path}: {volume.shape[::-1]} voxels, but {other_path.name} has "
            f"{other.shape[::-1]}; all files of a case must share one grid"
        )


def _air_value(scan: np.ndarray, path: Path) -> float:
    """The constant around a skull-stripped brain: 0 in BraTS, anything in normalised images."""
    faces = [scan[[0, -1]], scan[:, [0, -1]], scan[:, :, [0, -1]]]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    if counts.max() < 0.5 * counts.sum():
        raise ScanError(
            f"{path}: no constant background, so the brain cannot be told from air; "
            f"skull-strip the scan, or give a mask with files={{'brain': ...}}"
        )
    return values[counts.argmax()]
