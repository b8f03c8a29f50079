"""check_folder: everything that is wrong with a folder of cases, and what was decided, at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes

from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme

from .examining import examine, scheme_asked
from .finding import CaseFiles, find_cases
from .scan import CaseArrays
from .store import Store

__all__ = ["CaseReport", "FolderReport", "check_folder"]


@dataclass(frozen=True)
class CaseReport:
    """One readable case: grid and spacing (mm) as columns, rows, slices; what was decided.

    `shares` are the fractions of the brain that the classes fill, by name; of the values of the
    file, where no scheme could be told.
    """

    case: str
    grid: tuple[int, int, int]
    spacing: tuple[float, float, float]
    stored: str
    modalities: tuple[str, ...]
    shares: Mapping[str, float]
    notes: tuple[str, ...]

    def __str__(self):
        shares = ", ".join(f"{name} {100 * share:.2f} %" for name, share in self.shares.items())
        return "; ".join(
            [
                f"{self.case}: {'x'.join(map(str, self.grid))}",
                f"{'x'.join(f'{mm:g}' for mm in self.spacing)} mm",
                self.stored,
                "+".join(self.modalities),
                shares,
                *self.notes,
            ]
        )


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` found; `scheme` is None if it could not be told.

    `ignored` are folders with scans whose names nothing explains.
    """

    layout: str
    scheme: LabelScheme | None
    cases: tuple[CaseReport, ...]
    problems: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def check_folder(
    folder,
    *,
    scheme: str | LabelScheme = "auto",
    files: Mapping[str, str] | None = None,
    modalities=None,
) -> FolderReport:
    """Read every case of a folder, one at a time, and report on all of them.

    Parameters and errors about the arguments are those of `load_cohort`; what is wrong with the
    scans is not raised but listed.

    Examples
    --------
    >>> check_folder("data/brats").problems                               # doctest: +SKIP
    ()
    """
    folder = Path(folder).expanduser()
    asked = scheme_asked(folder, scheme)
    try:
        found = find_cases(folder, files=files, modalities=modalities)
    except CohortError as error:
        return FolderReport("unknown", asked, (), tuple(error.problems))
    read, counts = {}, {}

    def take(files: CaseFiles, case: CaseArrays) -> None:
        spacing = tuple(round(float(mm), 3) for mm in voxel_sizes(case.affine))
        counts[files.case_id] = np.bincount(case.runs.classes, weights=case.runs.voxels)
        read[files.case_id] = case.scan_shape[::-1], spacing, case.stored, case.notes

    examined = examine(folder, found, asked, take, Store(None))
    reports = []
    for case in found.cases:
        name = case.case_id
        if name not in examined.problems:
            shares, absent = _shares(counts[name], examined.scheme)
            grid, spacing, stored, notes = read[name]
            notes += (f"without {', '.join(absent)}",) if absent else ()
            reports.append(
                CaseReport(name, grid, spacing, stored, tuple(case.images), shares, notes)
            )
    problems = [line for name in sorted(examined.problems) for line in examined.problems[name]]
    return FolderReport(
        layout=found.layout.name,
        scheme=examined.scheme,
        cases=tuple(reports),
        problems=(*problems, *examined.undecided),
        ignored=tuple(found.ignored),
    )


def _shares(counts: np.ndarray, scheme: LabelScheme | None) -> tuple[dict[str, float], list[str]]:
    """Shares by class (by value without a scheme), and the classes that are absent."""
    if scheme is None:
        return {f"value {v}": counts[v] / counts.sum() for v in np.flatnonzero(counts)}, []
    padded = np.pad(counts, (0, max(0, max(scheme.values) + 1 - len(counts))))
    shares = {
        name: float(padded[value] / counts.sum())
        for name, value in zip(scheme.classes, scheme.values, strict=True)
    }
    return shares, [name for name, share in shares.items() if share == 0]
