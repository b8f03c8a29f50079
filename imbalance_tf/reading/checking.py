"""check_folder: report all that is wrong with a folder of cases, and what was decided."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from imbalance_tf.cohort.disk import expanded
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import LabelScheme

from .characteristics import moments, table_of
from .examining import examine, scheme_asked
from .finding import CaseFiles, find_cases
from .scan import CaseArrays
from .store import Store


@dataclass(frozen=True)
class CaseReport:
    """One readable case: grid and spacing (mm) as columns, rows, slices; what was decided.

    `shares` are the fractions of the brain that each class fills, by name of the class; or that
    each value of the file fills, if the scheme could not be told.
    """

    case: str
    grid: tuple[int, ...]
    spacing: tuple[float, ...]
    stored: str
    modalities: tuple[str, ...]
    shares: Mapping[str, float]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            f"{self.case}: {'x'.join(map(str, self.grid))}",
            f"{'x'.join(f'{mm:g}' for mm in self.spacing)} mm",
            self.stored,
            "+".join(self.modalities),
            ", ".join(f"{name} {100 * share:.2f} %" for name, share in self.shares.items()),
        ]
        return "; ".join([*parts, *self.notes])


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` found; `scheme` is None if it could not be told.

    `ignored` are folders with scans whose names are not recognised. `together` are the
    `characteristics` of all cases to use, by class or region; empty without a scheme.
    """

    layout: str
    scheme: LabelScheme | None
    cases: tuple[CaseReport, ...]
    problems: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    together: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def check_folder(
    folder: str | os.PathLike,
    *,
    scheme: str | os.PathLike | LabelScheme = "auto",
    files: Mapping[str, str] | None = None,
    modalities: Sequence[str] | None = None,
) -> FolderReport:
    """Read every case of a folder, one at a time, and report on all of them.

    Parameters, and errors about them, are those of `load_cohort`; what is wrong with the scans is
    not raised but listed.

    Examples
    --------
    >>> report = check_folder(phantom)
    >>> report.layout, len(report.cases), report.problems
    ('BraTS 2017 to 2021', 4, ())
    >>> report.cases[0].grid, report.cases[0].spacing
    ((240, 240, 15), (1.0, 1.0, 10.0))
    """
    folder = expanded(folder=folder)
    asked = scheme_asked(folder, scheme)
    try:
        found = find_cases(folder, files=files, modalities=modalities)
    except CohortError as error:
        return FolderReport("unknown", asked, (), tuple(error.problems))
    reports, counts, sums = {}, {}, {}

    def take(files: CaseFiles, case: CaseArrays) -> None:
        counts[files.case_id] = np.bincount(case.runs.classes, case.runs.voxels, minlength=256)
        sums[files.case_id] = moments(case.images, case.values, case.brain)
        reports[files.case_id] = CaseReport(
            case=files.case_id,
            grid=case.scan_shape[::-1],
            spacing=tuple(round(float(mm), 3) for mm in voxel_sizes(case.affine)),
            stored=case.stored,
            modalities=tuple(files.images),
            shares={},
            notes=case.notes,
        )

    examined = examine(found, asked, take, Store())
    cases = [
        _with_shares(report, counts[name], examined.scheme)
        for name, report in reports.items()
        if name not in examined.problems
    ]
    known, together = examined.scheme, {}
    if known and cases:
        table = table_of((sums[case.case] for case in cases), known, known.values)
        together = table.astype(object).where(table.notna(), None).to_dict("index")
    return FolderReport(
        layout=found.layout.name,
        scheme=known,
        cases=tuple(cases),
        problems=tuple(examined.lines),
        ignored=tuple(found.ignored),
        together=together,
    )


def _with_shares(report: CaseReport, counts: np.ndarray, scheme: LabelScheme | None) -> CaseReport:
    """The report with the shares by class, or by value without a scheme; counts are by value."""
    if scheme:
        names = dict(zip(scheme.classes, scheme.values, strict=True))
    else:
        names = {f"value {value}": value for value in np.flatnonzero(counts).tolist()}
    shares = {name: float(counts[value] / counts.sum()) for name, value in names.items()}
    absent = ", ".join(name for name, share in shares.items() if share == 0)
    notes = (*report.notes, f"without {absent}") if absent else report.notes
    return replace(report, shares=shares, notes=notes)
