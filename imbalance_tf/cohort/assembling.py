"""Put cases together: arrays of many sizes -> the arrays of one Cohort, in memory or in files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .labels import LabelScheme
from .reading import AIR, CaseArrays
from .slices import Cohort

__all__ = ["ARRAYS", "Gathering"]

ARRAYS = ("images", "labels", "brain")


class Shelf:
    """Where arrays lie: in memory, or as .npy files of a folder.

    Files are mapped into memory anew for every use: the pages of a mapping that is kept count as
    memory of this process, and a cohort may be larger than that.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._held: dict[str, np.ndarray] = {}

    def put(self, name: str, array: np.ndarray) -> None:
        if self.folder:
            np.save(self._file(name), array)
        else:
            self._held[name] = array

    def new(self, name: str, shape: tuple[int, ...], dtype) -> None:
        if self.folder:
            np.lib.format.open_memmap(self._file(name), mode="w+", shape=shape, dtype=dtype)
        else:
            self._held[name] = np.empty(shape, dtype)

    def get(self, name: str, mode: str = "r") -> np.ndarray:
        if self.folder:
            return np.load(self._file(name), mmap_mode=mode, allow_pickle=False)
        return self._held[name]

    def drop(self, name: str) -> None:
        if self.folder:
            self._file(name).unlink()
        else:
            del self._held[name]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


@dataclass(frozen=True)
class _Added:
    """One case that has been added: how large its arrays are, and where in the scan they lie."""

    shape: tuple[int, int, int]
    origin: np.ndarray
    scan_shape: tuple[int, int, int]
    affine: np.ndarray
    digest: str
    synthetic: bool


class Gathering:
    """Cases, added one by one, that become a `Cohort` when all are known.

    Parameters
    ----------
    folder : Path, optional
        An empty folder for the arrays, which then hold the box of each brain only; without it
        they are kept in memory, whole.
    """

    def __init__(self, folder: Path | None = None):
        self._shelf = Shelf(folder)
        self._added: dict[str, _Added] = {}

    def add(self, case_id: str, case: CaseArrays) -> None:
        whole = case.brain.shape
        box = tuple(slice(0, size) for size in whole)
        if self._shelf.folder:
            box = tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(case.brain))
        for name, array in zip(ARRAYS, (case.images, case.values, case.brain), strict=True):
            self._shelf.put(f"{len(self._added)} {name}", array[box])
        self._added[case_id] = _Added(
            shape=case.brain[box].shape,
            origin=np.array([section.start for section in box]),
            scan_shape=whole,
            affine=case.affine,
            digest=case.digest,
            synthetic=case.synthetic,
        )

    def cohort(
        self,
        case_ids: Iterable[str],
        scheme: LabelScheme,
        modalities: tuple[str, ...],
        left_out: Mapping[str, str],
    ) -> Cohort:
        """The cohort of these of the cases, each centred on the largest one's slices."""
        numbers = {case_id: number for number, case_id in enumerate(self._added)}
        chosen = {case_id: self._added[case_id] for case_id in case_ids}
        depths = [case.shape[0] for case in chosen.values()]
        height, width = np.max([case.shape[1:] for case in chosen.values()], axis=0)
        size = (sum(depths), int(height), int(width))
        self._shelf.new("images", (*size, len(modalities)), np.float16)
        self._shelf.new("labels", size, np.uint8)
        self._shelf.new("brain", size, bool)

        affines, origins, start = [], [], 0
        for case_id, case in chosen.items():
            depth, rows, columns = case.shape
            top, left = (height - rows) // 2, (width - columns) // 2
            section = slice(start, start + depth)
            place = np.s_[section, top : top + rows, left : left + columns]
            for name, around in zip(ARRAYS, (AIR, 0, False), strict=True):
                own = f"{numbers[case_id]} {name}"
                part, all_ = self._shelf.get(own), self._shelf.get(name, "r+")
                all_[section] = around
                all_[place] = scheme.to_classes(part) if name == "labels" else part
                self._shelf.drop(own)  # in memory, a case is let go as soon as it is in its place
            origin = case.origin - [0, top, left]
            shift = np.eye(4)
            shift[:3, 3] = origin[::-1]
            affines.append(case.affine @ shift)
            origins.append(origin)
            start += depth
        for case_id in self._added.keys() - chosen.keys():
            for name in ARRAYS:
                self._shelf.drop(f"{numbers[case_id]} {name}")
        cohort = Cohort(
            **{name: self._shelf.get(name) for name in ARRAYS},
            case_ids=tuple(chosen),
            slice_case=np.repeat(np.arange(len(chosen)), depths),
            scheme=scheme,
            modalities=modalities,
            affines=np.stack(affines),
            origins=np.stack(origins),
            scan_shapes=np.array([case.scan_shape for case in chosen.values()]),
            left_out=dict(left_out),
            synthetic=[case.synthetic for case in chosen.values()],
        )
        return cohort.as_read(case.digest for case in chosen.values())
