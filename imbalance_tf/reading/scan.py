"""Read and check the files of one case."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes

from imbalance_tf.cohort.case import AIR, SYNTHETIC, box_of, digest_of
from imbalance_tf.cohort.disk import digest
from imbalance_tf.cohort.names import one_line
from imbalance_tf.cohort.runs import Runs, runs_of

from .brain import brain_of
from .content import ScanError
from .finding import CaseFiles
from .volumes import Opened, Volume, open_scan, volume_of

VERSION = 3
"""Raised whenever the same files give other arrays than before."""
_LARGEST_BRAIN = 2500  # ml; a head has 4,000 to 5,000
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
    others = [*scans.values(), *([mask] if mask else [])]
    apart = max(_refuse_other_grid(volume, labels) for volume in others)

    brain, covered, notes = brain_of(values, scans, mask, labels.path)
    if apart > 0.01:
        notes.append(f"files up to {apart:.2g} mm apart taken to share one grid")
    volume_ml = brain.sum() * abs(np.linalg.det(labels.affine[:3, :3])) / 1000
    if not 1 <= volume_ml <= _LARGEST_BRAIN:
        notes.append(f"a brain of {volume_ml:,.0f} ml: is the skull stripped, the spacing in mm?")
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
    for (one, first), (other, second) in combinations(
        {**digests, "the segmentation": digest_of([labels.data])}.items(), 2
    ):
        if first == second:
            raise ScanError(
                f"{scans[one].path}: {one} is the same as {other}; fetch the right file, or leave "
                f"the modality out"
            )
    grid = np.round(labels.affine, 3) + 0.0  # no -0.0
    everything = repr((VERSION, sorted(digests.items()), digest_of([values, brain, grid])))

    box = box_of(brain)
    # Copies: a view would keep the array of the whole scan in memory.
    scan_shape, values, brain = brain.shape, values[box].copy(), brain[box].copy()
    images = np.full((*values.shape, len(scans)), AIR, np.float16)
    for channel, (name, scan) in enumerate(scans.items()):
        inside = brain & covered[name][box]
        intensities = scan.data[box][inside]
        if intensities.size == 0:
            raise ScanError(
                f"{scan.path}: air in the whole brain; fetch it again, or leave the modality out"
            )
        sd = intensities.std(dtype=np.float64)
        # An empty scan, one in which an outlier dwarfs all else, or a mask that holds the air.
        same = np.abs(intensities - np.float64(np.median(intensities))) <= 0.005 * sd
        if (share := same.mean()) > 0.5:
            raise ScanError(
                f"{scan.path}: the same value in {share:.0%} of the brain, among values from "
                f"{intensities.min():g} to {intensities.max():g}; mend or leave out the modality, "
                f"or mend the mask if it holds air"
            )
        z = (intensities - intensities.mean(dtype=np.float64)) / sd
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
        notes=tuple(map(one_line, notes)),
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
    if values.min() > 0:
        raise ScanError(
            f"{labels.path}: no voxel has the value 0, which means healthy tissue and air: renumber"
        )
    return values.astype(np.uint8)


def _scaled(labels: Volume) -> str:
    return f"as {labels.stored.split()[-1]} times {labels.step:.6g}"


def _refuse_other_grid(volume: Volume, labels: Volume) -> float:
    """How many mm a file lies apart from the segmentation; ScanError if it is another grid."""
    if volume.data.shape != labels.data.shape:
        raise ScanError(
            f"{volume.path}: {volume.data.shape[::-1]} voxels, but {labels.path.name} has "
            f"{labels.data.shape[::-1]}; all files of a case must share one grid: resample them"
        )
    last = np.subtract(labels.data.shape[::-1], 1)
    corners = np.array([[*np.multiply(last, c), 1] for c in product((0, 1), repeat=3)]).T
    apart = np.linalg.norm(((volume.affine - labels.affine) @ corners)[:3], axis=0).max()
    if not (volume.placed and labels.placed):
        return 0.0
    if not apart <= voxel_sizes(labels.affine).min() / 2:  # NaN is not, either
        raise ScanError(
            f"{volume.path}: its header puts it {apart:.3g} mm away from {labels.path.name}; all "
            f"files of a case must share one grid: register them, or mend the header"
        )
    return float(apart)
