"""Cohort: the axial slices of many cases as arrays."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .labels import LabelScheme

__all__ = ["Cohort", "digest_of"]


def digest_of(arrays: Iterable[np.ndarray]) -> str:
    """Of the content of arrays, with their shapes and dtypes."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Cohort:
    """The axial slices of many cases, in memory.

    Attributes
    ----------
    images : (S, H, W, M) float16
        Slices with M modalities: z-scores over the brain of the case, air at ``AIR`` (-5). Row 0
        is anterior, column 0 the patient's right.
    labels : (S, H, W) uint8
        Class number of each voxel, by `scheme`.
    brain : (S, H, W) bool
        Where there is brain.
    case_ids : tuple of str
        The cases, in order.
    slice_case : (S,) int
        The case of each slice, as a position in `case_ids`.
    scheme : LabelScheme
        What the class numbers mean.
    modalities : tuple of str
        Names of the M channels.
    affines : (cases, 4, 4) float
        Voxel (column, row, slice within the case) to scanner millimetres, per case.
    origins, scan_shapes : (cases, 3) int
        Where in its scan the slices of a case begin, and how large the scan is: slices, rows,
        columns. A cohort may hold the box of the brain only; see `to_scan` and `from_scan`.
    left_out : mapping of str to str
        Cases of the folder that could not be used, and why.
    synthetic : (cases,) bool
        Which cases `write_phantom_cohort` made, as their scans themselves say.
    digests : tuple of str
        One for each case, of its content: of the scans as they were read, where it comes from
        files, so that it is the same on every processor; else of the arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    brain: np.ndarray
    case_ids: Sequence[str]
    slice_case: np.ndarray
    scheme: LabelScheme
    modalities: Sequence[str] = ()
    affines: np.ndarray | None = None
    origins: np.ndarray | None = None
    scan_shapes: np.ndarray | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    synthetic: Sequence[bool] | bool = False

    def __post_init__(self):
        if self.images.ndim != 4:
            raise ValueError(f"images has shape {self.images.shape}; (S, H, W, M) is expected")
        for name in ("labels", "brain"):
            if (shape := getattr(self, name).shape) != self.images.shape[:3]:
                raise ValueError(
                    f"{name} has shape {shape}, images {self.images.shape}; the "
                    f"first three axes must agree"
                )
        if len(self.slice_case) != len(self.images):
            raise ValueError(
                f"slice_case names a case for {len(self.slice_case)} of {len(self.images)} slices"
            )
        if len(set(self.case_ids)) < len(self.case_ids):
            raise ValueError(f"case_ids={list(self.case_ids)}; every case needs its own name")
        slice_case = np.asarray(self.slice_case)
        if slice_case.size and not 0 <= slice_case.min() <= slice_case.max() < len(self.case_ids):
            raise ValueError(
                f"slice_case holds {slice_case.min()} to {slice_case.max()}; positions in the "
                f"{len(self.case_ids)} case_ids are expected"
            )
        if self.labels.min(initial=0) < 0 or self.labels.max(initial=0) >= len(self.scheme.classes):
            raise ValueError(
                f"labels holds class {self.labels.max()}; scheme '{self.scheme.name}' "
                f"has {len(self.scheme.classes)} classes"
            )
        channels = self.images.shape[-1]
        names = tuple(self.modalities) or tuple(f"channel {m}" for m in range(channels))
        if len(names) != channels:
            raise ValueError(f"{len(names)} modalities are named, images has {channels}")
        affines = np.eye(4) if self.affines is None else self.affines
        origins = np.zeros(3, int) if self.origins is None else self.origins
        whole = self.scan_shapes
        if whole is None:
            depths = np.bincount(slice_case, minlength=len(self.case_ids))
            whole = np.array([(depth, *self.labels.shape[1:]) for depth in depths]).reshape(-1, 3)
        object.__setattr__(self, "modalities", names)
        object.__setattr__(self, "case_ids", tuple(self.case_ids))
        object.__setattr__(self, "slice_case", slice_case)
        object.__setattr__(self, "brain", self.brain.astype(bool, copy=False))
        count = len(self.case_ids)
        object.__setattr__(self, "affines", np.broadcast_to(affines, (count, 4, 4)))
        object.__setattr__(self, "origins", np.broadcast_to(origins, (count, 3)))
        object.__setattr__(self, "scan_shapes", np.broadcast_to(whole, (count, 3)))
        object.__setattr__(self, "synthetic", np.broadcast_to(self.synthetic, (count,)))

    def __repr__(self):
        slices, height, width, channels = self.images.shape
        return (
            f"Cohort({len(self.case_ids)} cases, {slices} slices of {height}x{width}, "
            f"{channels} modalities ({', '.join(self.modalities)}), scheme '{self.scheme.name}')"
        )

    @property
    def digests(self) -> tuple[str, ...]:
        if read := self.__dict__.get("_read"):
            return read
        return tuple(
            digest_of(
                [self.images[slices], self.labels[slices], self.brain[slices], affine, origin]
            )
            for slices, affine, origin in zip(
                map(self.slices_of, self.case_ids), self.affines, self.origins, strict=True
            )
        )

    def as_read(self, digests: Iterable[str]) -> "Cohort":
        """This cohort, with the digests of the files that it was read from.

        Its arrays cannot be written to from then on, so that they stay what the digests say; a copy
        with others (`dataclasses.replace`) has digests of its own.
        """
        object.__setattr__(self, "_read", tuple(digests))
        for array in (self.images, self.labels, self.brain):
            array.flags.writeable = False
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the cases and what they are read as: another content, another fingerprint."""
        whole = (self.case_ids, self.modalities, self.scheme, self.digests)
        return hashlib.blake2b(repr(whole).encode(), digest_size=8).hexdigest()

    def class_counts(self) -> np.ndarray:
        """Brain voxels of each case and class: (cases, classes) int64."""
        return np.stack(
            [
                np.bincount(
                    self.labels[slices][self.brain[slices]], minlength=len(self.scheme.classes)
                )
                for slices in map(self.slices_of, self.case_ids)
            ]
        )

    def slices_of(self, case_id: str) -> np.ndarray:
        """Positions of the slices of one case, from the feet up."""
        return np.flatnonzero(self.slice_case == self._position(case_id))

    def to_scan(self, case_id: str, volume: np.ndarray) -> np.ndarray:
        """A map of one case, (s, H, W) as its slices, on the grid of the whole scan; 0 outside.

        The grid has the size of the file, and the axes of `affines`.
        """
        whole = np.zeros(self.scan_shapes[self._position(case_id)], volume.dtype)
        inside, there = self._overlap(case_id, volume.shape)
        whole[there] = volume[inside]
        return whole

    def from_scan(self, case_id: str, whole: np.ndarray) -> np.ndarray:
        """The part of a map on the scan's grid that the slices of the case show: (s, H, W)."""
        volume = np.zeros((len(self.slices_of(case_id)), *self.labels.shape[1:]), whole.dtype)
        inside, there = self._overlap(case_id, volume.shape)
        volume[inside] = whole[there]
        return volume

    def scan_affine(self, case_id: str) -> np.ndarray:
        """Voxel (column, row, slice) of the whole scan to scanner millimetres: (4, 4)."""
        position = self._position(case_id)
        shift = np.eye(4)
        shift[:3, 3] = -self.origins[position][::-1]
        return self.affines[position] @ shift

    def _overlap(self, case_id: str, shape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The voxels that slices and scan share, as sections of the one and of the other."""
        position = self._position(case_id)
        origin = self.origins[position]
        first = np.maximum(origin, 0)
        last = np.minimum(origin + shape, self.scan_shapes[position])
        inside = tuple(map(slice, first - origin, last - origin))
        return inside, tuple(map(slice, first, last))

    def widest_slices(self, count: int) -> list[int]:
        """The slice with most tumour of each of the first `count` cases."""
        return [
            int(slices[(self.labels[slices] > 0).sum(axis=(1, 2)).argmax()])
            for slices in map(self.slices_of, self.case_ids[:count])
        ]

    def subset(self, case_ids: Iterable[str]) -> "Cohort":
        """The cohort of some of the cases (a copy), in the order asked.

        Raises
        ------
        KeyError
            If a case is not in the cohort.
        """
        positions = [self._position(case_id) for case_id in case_ids]
        slices = [np.flatnonzero(self.slice_case == position) for position in positions]
        chosen = np.concatenate(slices) if slices else np.zeros(0, int)
        selected = replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            brain=self.brain[chosen],
            case_ids=tuple(self.case_ids[position] for position in positions),
            slice_case=np.repeat(np.arange(len(slices)), [len(s) for s in slices]),
            affines=self.affines[positions],
            origins=self.origins[positions],
            scan_shapes=self.scan_shapes[positions],
            synthetic=self.synthetic[positions],
        )
        read = self.__dict__.get("_read")
        return selected.as_read(read[position] for position in positions) if read else selected

    def split(self, *, test_cases: int | Iterable[str], seed: int = 0) -> tuple["Cohort", "Cohort"]:
        """Split by case, never by slice: neighbouring slices of one brain are nearly the same.

        Parameters
        ----------
        test_cases : int or iterable of str
            How many cases to test on, drawn with `seed`, or which.

        Returns
        -------
        train, test : Cohort

        Examples
        --------
        >>> train, test = cohort.split(test_cases=6, seed=0)      # doctest: +SKIP
        """
        if isinstance(test_cases, (int, np.integer)):
            if not 1 <= test_cases < len(self.case_ids):
                raise ValueError(
                    f"test_cases={test_cases} of a cohort of {len(self.case_ids)}; at least one "
                    f"case must be left for training and one for the test"
                )
            order = np.random.default_rng(seed).permutation(len(self.case_ids))
            chosen = {self.case_ids[position] for position in order[:test_cases]}
        else:
            chosen = set(test_cases)
        train = [case_id for case_id in self.case_ids if case_id not in chosen]
        if not train or not chosen:
            raise ValueError(
                f"{len(train)} training and {len(chosen)} test cases; both need at least one"
            )
        for case_id in chosen:
            self._position(case_id)
        return self.subset(train), self.subset(c for c in self.case_ids if c in chosen)

    def _position(self, case_id: str) -> int:
        try:
            return self.case_ids.index(case_id)
        except ValueError:
            raise KeyError(
                f"no case {case_id!r} in the cohort; it has {list(self.case_ids)}"
            ) from None
