"""Cohort: cases, what their labels mean, and the ways to select some of them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import overload

import numpy as np

from .case import Case
from .labels import LabelScheme

__all__ = ["Cohort"]


@dataclass(frozen=True, eq=False)
class Cohort(Sequence):
    """A sequence of cases, with one scheme and the same modalities.

    ``cohort["id"]`` or ``cohort[number]`` is a `Case`; what selects cases copies no array.

    Parameters
    ----------
    cases : sequence of Case
    scheme : LabelScheme
        What the class numbers mean.
    modalities : sequence of str
        Names of the channels of the images, in order.
    left_out : mapping of str to str
        Cases of the folder that could not be used, and why.

    Raises
    ------
    ValueError
        If two cases have one name, a case has another number of modalities, or a label is none of
        the scheme's.

    Examples
    --------
    >>> len(cohort), cohort.case_ids
    (3, ('small', 'large', 'tiny'))
    >>> [case.labels.shape for case in cohort]
    [(3, 70, 61), (6, 70, 61), (2, 70, 61)]
    """

    cases: Sequence[Case]
    scheme: LabelScheme
    modalities: Sequence[str]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "cases", tuple(self.cases))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if len(set(self.case_ids)) < len(self.cases):
            raise ValueError(f"case_ids={list(self.case_ids)}; every case needs its own name")
        for case in self.cases:
            if case.images.shape[-1] != len(self.modalities):
                raise ValueError(
                    f"{len(self.modalities)} modalities are named, case '{case.id}' has "
                    f"{case.images.shape[-1]}"
                )
            if (most := case.runs.classes.max(initial=0)) >= len(self.scheme.classes):
                raise ValueError(
                    f"case '{case.id}' holds class {most}; scheme '{self.scheme.name}' has "
                    f"{len(self.scheme.classes)} classes"
                )

    def __repr__(self):
        return (
            f"Cohort({len(self)} cases, {len(self.modalities)} modalities "
            f"({', '.join(self.modalities)}), scheme '{self.scheme.name}')"
        )

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __contains__(self, which: object) -> bool:
        """Whether a case, or one of this name, is in the cohort."""
        if isinstance(which, str):
            return which in self._numbers
        return any(which is case for case in self.cases)

    @overload
    def __getitem__(self, which: int | str) -> Case: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Case, ...]: ...
    def __getitem__(self, which):
        return self.cases[self._number(which) if isinstance(which, str) else which]

    @cached_property
    def case_ids(self) -> tuple[str, ...]:
        """The names of the cases, in order."""
        return tuple(case.id for case in self.cases)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the cases and what they are read as: another content, another fingerprint."""
        digests = tuple(case.digest for case in self.cases)
        whole = (self.case_ids, self.modalities, self.scheme, digests)
        return hashlib.blake2b(repr(whole).encode(), digest_size=8).hexdigest()

    def class_counts(self) -> np.ndarray:
        """Brain voxels of each case and class: (cases, classes) int64."""
        counts = np.zeros((len(self), len(self.scheme.classes)), np.int64)
        for row, case in zip(counts, self.cases, strict=True):
            row[case.runs.classes] = case.runs.voxels
        return counts

    def labels_at(self, centres: np.ndarray) -> np.ndarray:
        """Class numbers (n,) uint8 at centres (n, 4) - case, slice, row, column.

        A centre in the scan, but outside the box of the brain, is healthy (air): 0.

        Examples
        --------
        >>> cohort.labels_at([[0, 2, 10, 20]]) == cohort[0].labels[2, 10, 20]
        array([ True])
        """
        centres = np.asarray(centres)
        inside = (centres[:, 1:] >= 0).all(axis=1)
        inside &= (centres[:, 1:] < self.shapes[centres[:, 0]]).all(axis=1)
        found = np.zeros(len(centres), np.uint8)
        labels = self._labels
        # One by one: a batch of a large cohort has nearly as many cases as centres.
        found[inside] = [labels[k].item(s, r, c) for k, s, r, c in centres[inside].tolist()]
        return found

    @cached_property
    def shapes(self) -> np.ndarray:
        """Slices, rows and columns of each case: (cases, 3)."""
        return np.array([case.labels.shape for case in self.cases]).reshape(-1, 3)

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the scan of each case begins and ends, counted as its centres are: (cases, 3).

        Its arrays, the box of the brain, begin at 0 and end at `shapes`.
        """
        origins = np.array([case.origin for case in self.cases]).reshape(-1, 3)
        scans = np.array([case.scan_shape for case in self.cases]).reshape(-1, 3)
        return -origins, scans - origins

    @cached_property
    def _labels(self) -> list[np.ndarray]:
        return [case.labels for case in self.cases]

    def subset(self, case_ids: Iterable[str]) -> "Cohort":
        """The cohort of some of the cases, in the order asked.

        Raises
        ------
        KeyError
            If a case is not in the cohort.
        """
        return replace(self, cases=[self[case_id] for case_id in case_ids])

    def split(self, *, test_cases: int | Iterable[str], seed: int = 0) -> tuple["Cohort", "Cohort"]:
        """Split by case, never by slice: neighbouring slices of one brain are nearly the same.

        Parameters
        ----------
        test_cases : int or iterable of str
            How many cases to test on, chosen at random with `seed`, or which.

        Returns
        -------
        train, test : Cohort

        Examples
        --------
        >>> train, test = cohort.split(test_cases=1, seed=0)
        >>> len(train), len(test)
        (2, 1)
        """
        if isinstance(test_cases, (int, np.integer)):
            if not 1 <= test_cases < len(self):
                raise ValueError(
                    f"test_cases={test_cases} of a cohort of {len(self)}; at least one "
                    f"case must be left for training and one for the test"
                )
            chosen = {self.case_ids[number] for number in self._shuffled(seed)[:test_cases]}
        else:
            chosen = set(test_cases)
        for case_id in chosen:
            self._number(case_id)
        return self._apart(chosen)

    def folds(self, k: int, seed: int = 0) -> list[tuple["Cohort", "Cohort"]]:
        """Split k times, so that every case is tested on once.

        Returns
        -------
        list of (train, test)

        Examples
        --------
        >>> sorted(test.case_ids[0] for _, test in cohort.folds(3))
        ['large', 'small', 'tiny']
        """
        if not 2 <= k <= len(self):
            raise ValueError(
                f"{k} folds of a cohort of {len(self)}; 2 or more are expected, and at most as "
                f"many as there are cases"
            )
        order = self._shuffled(seed)
        return [self._apart({self.case_ids[n] for n in order[fold::k]}) for fold in range(k)]

    def _shuffled(self, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(len(self))

    def _apart(self, chosen: set[str]) -> tuple["Cohort", "Cohort"]:
        """The cohort of the cases that are not chosen, and of those that are."""
        train = [case for case in self.cases if case.id not in chosen]
        test = [case for case in self.cases if case.id in chosen]
        if not train or not test:
            raise ValueError(
                f"{len(train)} training and {len(test)} test cases; both need at least one"
            )
        return replace(self, cases=train), replace(self, cases=test)

    def _number(self, case_id: str) -> int:
        try:
            return self._numbers[case_id]
        except KeyError:
            some = list(self.case_ids[:20]) + (["..."] if len(self) > 20 else [])
            raise KeyError(f"no case {case_id!r} in the cohort; it has {some}") from None

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {case_id: number for number, case_id in enumerate(self.case_ids)}
