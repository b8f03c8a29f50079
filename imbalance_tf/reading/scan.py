"""Read and check the files of one case."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes

from imbalance_tf.cohort.case import AIR, SYNTHETIC, box_of, digest_of
from imbalance_tf.cohort.disk import digest
from imbalance_tf.cohort.runs import Runs, runs_of

from .finding import CaseFiles
from .headers import ScanError
from .volumes import Opened, Volume, open_scan, volume_of

VERSION = 3
"""Raised whenever the same files give other arrays than before."""
_OFF = 1e-3
"""How far a label may be from an integer: masks that were scaled hold 0.99999997."""


@dataclass(frozen=True)
class CaseArrays:
    """What the files of one case hold, cut to the box of its brain: see `Case`.

    Attributes
    ----------
    images : (s, h, w, M) float16
    values : (s, h, w) uint8
        The values of the segmentation's file.
    brain : (s, h, w) bool
        The brain mask if the case has one, else every voxel at which a modality is not air; the
        labelled tumour is always added.
    runs : Runs
        Runs of the values.
    affine, origin, scan_shape
        As in `Case`.
    stored : str
        Orientation and number type of the segmentation's file.
    notes : tuple of str
        What was decided while reading, for people.
    scans : mapping of str to str
        A digest of the voxels of each modality's scan, which does not depend on the name,
        compression and orientation of the file.
    digest : str
        Digest of all that was read: scans, segmentation, brain.
    synthetic : bool
        Whether the headers of all scans say that they are of the embedded cohort.
    """

    images: np.ndarray
    values: np.ndarray
    brain: np.ndarray
    runs: Runs
    affine: np.ndarray
    origin: tuple[int, ...]
    scan_shape: tuple[int, ...]
    stored: str
    notes: tuple[str, ...]
    scans: Mapping[str, str]
    digest: str
    synthetic: bool


def read_case(case: CaseFiles) -> CaseArrays:
    """Read one case.

    Raises
    ------
    ScanError
        If a file cannot be read, or what it holds cannot be right.
    """
    opened = _open_all(case)
    affine = next((each.image.affine for each in opened.values() if each.placed), None)
    labels = volume_of(opened[case.labels], affine)
    values = _label_values(labels)
    scan_paths = set(case.images.values())
    if case.channels:
        (path,) = scan_paths
        stack = volume_of(opened[path], affine, case.channels)
        channels = dict(zip(case.channels, stack.data, strict=True))
        scans = {name: replace(stack, data=channels[name]) for name in case.images}
    else:
        scans = {name: volume_of(opened[path], affine) for name, path in case.images.items()}
    mask = volume_of(opened[case.brain], affine) if case.brain else None
    for volume in [*scans.values(), *([mask] if mask else [])]:
        _refuse_other_grid(volume, labels)

    brain, covered, notes = _brain(values, scans, mask)
    notes += [f"{path.name}: {note}" for path, each in opened.items() for note in each.notes]
    if (off := np.abs(labels.data - values).max()) > _OFF:
        notes.append(f"labels up to {off:.2g} off rounded: they are stored {_scaled(labels)}")
    if unplaced := ", ".join(path.name for path, each in opened.items() if not each.placed):
        as_what = "BraTS" if affine is None else "the other files"
        notes.append(f"no sform or qform in {unplaced}: order of voxels as in {as_what}")
    if not labels.stored.startswith("LPS"):
        notes.append("turned to LPS")
    # The digests are of what was read: the last bit of a z-score may depend on the processor.
    digests = {name: digest_of([scan.data]) for name, scan in scans.items()}
    grid = np.round(labels.affine, 3) + 0.0  # no -0.0
    everything = repr((VERSION, sorted(digests.items()), digest_of([values, brain, grid])))

    box = box_of(brain)
    scan_shape, values, brain = brain.shape, values[box], brain[box]
    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (name, scan) in enumerate(scans.items()):
        inside = brain & covered[name][box]
        intensities = scan.data[box][inside]
        if intensities.size == 0 or intensities.min() == intensities.max():
            raise ScanError(
                f"{scan.path}: the same value in the whole brain; leave the modality out, "
                f"or fetch the scan again"
            )
        z = (intensities - intensities.mean(dtype=np.float64)) / intensities.std(dtype=np.float64)
        images[inside, channel] = np.clip(z, AIR, -AIR)
        if (share := inside.sum() / brain.sum()) < 0.95:
            notes.append(f"{name} covers {share:.0%} of the brain")
    return CaseArrays(
        images=images,
        values=values,
        brain=brain,
        runs=runs_of(values, brain),
        affine=labels.affine,
        origin=tuple(section.start for section in box),
        scan_shape=scan_shape,
        stored=labels.stored,
        notes=tuple(notes),
        scans=digests,
        digest=digest(everything.encode()),
        synthetic=all(
            opened[path].image.header["descrip"].item().startswith(SYNTHETIC.encode())
            for path in scan_paths
        ),
    )


def _open_all(case: CaseFiles) -> dict[Path, Opened]:
    """Every file of a case; ScanError with all files that cannot be read."""
    opened: dict[Path, Opened] = {}
    problems: list[str] = []
    for path in case.paths:
        try:
            opened[path] = open_scan(path)
        except ScanError as error:
            problems += error.args
    if problems:
        raise ScanError(*problems)
    return opened


def _brain(
    values: np.ndarray, scans: Mapping[str, Volume], mask: Volume | None
) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    """Where the brain is, where each modality covers it, and how that was decided."""
    if mask:
        brain = mask.data > 0.5  # scaled masks hold 0.99999997
        if not brain.any():
            raise ScanError(f"{mask.path}: no voxel above 0.5; a mask of the brain is expected")
        air = {name: _air(scan, brain) for name, scan in scans.items()}
        notes = [f"brain: {mask.path.name}"]
    else:
        air = {name: _air(scan, None) for name, scan in scans.items()}
        notes = ["brain: where a modality is not air"]
        notes += [f"air is {value:g} in {name}" for name, value in air.items() if value != 0]
    covered = {name: scan.data != air[name] for name, scan in scans.items()}
    if not mask:
        brain = np.logical_or.reduce([*covered.values()])
        if not brain.any():
            paths = ", ".join(sorted({str(scan.path) for scan in scans.values()}))
            raise ScanError(f"{paths}: nothing but air; fetch the scans again")
    if outside := np.count_nonzero(values[~brain]):
        notes.append(f"{outside} tumour voxels outside the brain counted as brain")
    return brain | (values > 0), covered, notes


def _air(scan: Volume, brain: np.ndarray | None) -> float:
    """The constant around a brain: 0 in BraTS, anything in normalised images.

    It is the value of most voxels outside a known brain; NaN, which equals no value, if there is
    no such value. If the brain is not known, it is the value of most voxels at the six faces; or at
    the twelve edges, where the scan was cut to a brain that fills the faces.
    """
    if brain is not None:
        places = [scan.data[~brain]]
    else:
        places = [np.concatenate([part.ravel() for part in parts]) for parts in _borders(scan.data)]
    for place in places:
        values, counts = np.unique(place, return_counts=True)
        if counts.size and counts.max() >= 0.5 * counts.sum():
            return values[counts.argmax()]
    if brain is None:
        raise ScanError(
            f"{scan.path}: no constant background, neither at the faces nor at the edges of the "
            f"scan, so the brain cannot be told from air; skull-strip the scan, or give a mask of "
            f"the brain beside the other patterns: files={{..., 'brain': 'mask*.nii.gz'}} (command "
            f"line: --file 'brain=mask*.nii.gz')"
        )
    return np.nan


def _borders(data: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pairs of faces of a volume, and its quadruples of edges."""
    ends = [0, -1]
    faces = [data[ends], data[:, ends], data[:, :, ends]]
    return faces, [faces[0][:, ends], faces[0][:, :, ends], faces[1][:, :, ends]]


def _label_values(labels: Volume) -> np.ndarray:
    """The values of a segmentation, rounded as far as the way in which it is stored explains.

    nibabel stores floats under an integer header with a scale factor, the greatest number at the
    end of the integer type: 0, 1, 2, 4 come back as multiples of 4/255, each up to half of it off.
    """
    values = np.rint(labels.data)
    # Where the step is as coarse as the labels, being close to one of them explains nothing.
    explained = max(_OFF, 0.51 * labels.step if labels.step < 0.5 else 0)
    if (off := np.abs(labels.data - values) > explained).any():
        how = f"; they are stored {_scaled(labels)}" if labels.step else ""
        raise ScanError(
            f"{labels.path}: label value {labels.data[off][0]:g}; integers are expected "
            f"(resample segmentations with nearest neighbour{how})"
        )
    if (bad := values[(values < 0) | (values > 255)]).size:
        raise ScanError(
            f"{labels.path}: label value {bad[0]:g}; values from 0 to 255 are expected: renumber "
            f"them"
        )
    return values.astype(np.uint8)


def _scaled(labels: Volume) -> str:
    return f"as {labels.stored.split()[-1]} times {labels.step:.6g}"


def _refuse_other_grid(volume: Volume, labels: Volume) -> None:
    if volume.data.shape != labels.data.shape:
        raise ScanError(
            f"{volume.path}: {volume.data.shape[::-1]} voxels, but {labels.path.name} has "
            f"{labels.data.shape[::-1]}; all files of a case must share one grid"
        )
    last = np.subtract(labels.data.shape[::-1], 1)
    corners = np.array([[*np.multiply(last, c), 1] for c in product((0, 1), repeat=3)]).T
    apart = np.linalg.norm(((volume.affine - labels.affine) @ corners)[:3], axis=0).max()
    if volume.placed and labels.placed and apart > voxel_sizes(labels.affine).min() / 2:
        raise ScanError(
            f"{volume.path}: its header puts it {apart:.3g} mm away from {labels.path.name}; all "
            f"files of a case must share one grid: register them, or mend the header"
        )
