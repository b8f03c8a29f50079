"""Cohort: cases, what their labels mean, and ways to select some of the cases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import overload

import numpy as np

from .arguments import expect, is_list, seed_of, settle, whole
from .case import Case
from .disk import digest
from .labels import LabelScheme
from .names import as_one, expect_name


@dataclass(frozen=True, eq=False)
class Cohort(Sequence[Case]):
    """A sequence of cases with the same scheme and the same modalities.

    ``cohort["id"]`` or ``cohort[number]`` is a `Case`. Selecting cases copies no array.

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
        If two cases have the same name, but for capitals, a case has another number of
        modalities, or a label is not a class number of the scheme.

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

    def __post_init__(self) -> None:
        expect(is_list(self.modalities), "a list of names", modalities=self.modalities)
        known = isinstance(self.scheme, LabelScheme)
        expect(known, "a LabelScheme, such as SCHEMES[...],", scheme=self.scheme)
        cases = tuple(self.cases) if is_list(self.cases) else (None,)
        expect(all(isinstance(each, Case) for each in cases), "a list of cases", cases=self.cases)
        settle(self, cases=cases, modalities=tuple(self.modalities))
        for modality in self.modalities:
            expect_name(modality, "modality")
        seen: dict[str, str] = {}
        for case_id in self.case_ids:
            name = as_one(case_id)  # one file where capitals do not count: macOS, Windows
            if name in seen:
                raise ValueError(
                    f"two cases are named {seen[name]!r} and {case_id!r}; every case needs its own "
                    f"name, in more than capitals: rename one of them"
                )
            seen[name] = case_id
        for case in self.cases:
            if case.images.shape[-1] != len(self.modalities):
                raise ValueError(
                    f"{len(self.modalities)} modalities are named, case '{case.id}' has "
                    f"{case.images.shape[-1]}"
                )
            if (highest := case.runs.classes.max(initial=0)) >= len(self.scheme.classes):
                raise ValueError(
                    f"case '{case.id}' holds class {highest}; scheme '{self.scheme.name}' has "
                    f"{len(self.scheme.classes)} classes"
                )

    def __repr__(self) -> str:
        return (
            f"Cohort({len(self)} cases, {len(self.modalities)} modalities "
            f"({', '.join(self.modalities)}), scheme '{self.scheme.name}')"
        )

    def __len__(self) -> int:
        return len(self.cases)

    def __contains__(self, which: object) -> bool:
        """Whether a case, or a case of this name, is in the cohort."""
        return which in (self._by_id if isinstance(which, str) else self.cases)

    @overload
    def __getitem__(self, which: int | str) -> Case: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Case, ...]: ...
    def __getitem__(self, which):
        if not isinstance(which, str):
            try:
                return self.cases[which]
            except (IndexError, TypeError) as error:
                raise type(error)(
                    f"no case {which!r} in the cohort; its name, or a number from 0 to "
                    f"{len(self) - 1}, is expected"
                ) from error
        if which not in self._by_id:
            some = list(self.case_ids[:20]) + (["..."] if len(self) > 20 else [])
            raise KeyError(f"no case {which!r} in the cohort; it has {some}")
        return self._by_id[which]

    @cached_property
    def case_ids(self) -> tuple[str, ...]:
        """The names of the cases, in order."""
        return tuple(case.id for case in self.cases)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the names and content of the cases, the modalities and the scheme."""
        digests = tuple(case.digest for case in self.cases)
        whole = (self.case_ids, self.modalities, self.scheme, digests)
        return digest(repr(whole).encode(), 8)

    def class_counts(self) -> np.ndarray:
        """Number of brain voxels per case and class: (cases, classes) int64."""
        counts = np.zeros((len(self), len(self.scheme.classes)), np.int64)
        for row, case in zip(counts, self.cases, strict=True):
            row[case.runs.classes] = case.runs.voxels
        return counts

    def labels_at(self, centres: np.ndarray) -> np.ndarray:
        """Class numbers (n,) uint8 at centres (n, 4) int: case, slice, row, column.

        A centre outside the box of the brain is air, which is labelled healthy: 0.

        Examples
        --------
        >>> cohort.labels_at([[0, 2, 10, 20]]) == cohort[0].labels[2, 10, 20]
        array([ True])
        """
        centres = np.asarray(centres)
        fit = centres.ndim == 2 and centres.shape[1] == 4
        fit &= centres.dtype.kind in "iu" or not centres.size
        expect(fit, "whole numbers (n, 4)", shape=centres.shape, dtype=str(centres.dtype))
        numbers, slices, rows, columns = centres.astype(np.int64, copy=False).T
        least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
        within = least >= 0 and most < len(self)  # -1 would be the last case
        where = f"cases from 0 to {len(self) - 1} in the first column of the centres"
        expect(within, where, least=least, most=most)
        depth, height, width = self.shapes[numbers].T
        inside = (slices >= 0) & (slices < depth) & (rows >= 0) & (rows < height)
        inside &= (columns >= 0) & (columns < width)
        # Case by case, and in each as the file has them: fewer waits for memory, and for the disk.
        position = (slices * height + rows) * width + columns
        order = np.lexsort((position, numbers))
        order = order[inside[order]]
        found = np.zeros(len(numbers), np.uint8)
        for own in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            if own.size:
                found[own] = self.cases[numbers[own[0]]].labels.take(position[own])
        return found

    @cached_property
    def shapes(self) -> np.ndarray:
        """Slices, rows and columns of the arrays of each case: (cases, 3)."""
        return np.array([case.labels.shape for case in self.cases]).reshape(-1, 3)

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """First slice, row and column of the scan of each case, and the end: (cases, 3) each.

        Counted as centres are: the arrays of a case, the box of its brain, begin at 0.
        """
        origins = np.array([case.origin for case in self.cases]).reshape(-1, 3)
        scans = np.array([case.scan_shape for case in self.cases]).reshape(-1, 3)
        return -origins, scans - origins

    @cached_property
    def _by_id(self) -> dict[str, Case]:
        return {case.id: case for case in self.cases}

    def subset(self, case_ids: Iterable[str]) -> "Cohort":
        """The cohort of these cases, in this order; KeyError if one is not in the cohort."""
        expect(is_list(case_ids), "a list of names", case_ids=case_ids)
        cases = [self[case_id] for case_id in case_ids]
        expect(
            len(set(cases)) == len(cases), "each case once", case_ids=[each.id for each in cases]
        )
        return replace(self, cases=cases)

    def split(self, *, test_cases: int | Iterable[str], seed: int = 0) -> tuple["Cohort", "Cohort"]:
        """Split by case, never by slice: neighbouring slices of one brain are nearly the same.

        Parameters
        ----------
        test_cases : int or iterable of str
            How many cases to test on, chosen at random with `seed`; or their names.

        Returns
        -------
        train, test : Cohort

        Raises
        ------
        ValueError
            If no case is left for training, or none for the test.
        KeyError
            If a name is not in the cohort.

        Examples
        --------
        >>> train, test = cohort.split(test_cases=1, seed=0)
        >>> len(train), len(test)
        (2, 1)
        """
        if np.iterable(test_cases) and not isinstance(test_cases, str):
            test_cases = list(test_cases)
            chosen = [self[case_id].id for case_id in test_cases]
        else:
            named = not isinstance(test_cases, str)
            expect(named, "how many, or a list of names,", test_cases=test_cases)
            chosen = self._shuffled(seed)[: whole(0, test_cases=test_cases)]
        if not 0 < len(set(chosen)) < len(self):
            raise ValueError(
                f"test_cases={test_cases} of a cohort of {len(self)}; at least one case must be "
                f"left for training and one for the test"
            )
        return self._apart(chosen)

    def folds(self, k: int, seed: int = 0) -> list[tuple["Cohort", "Cohort"]]:
        """Split into (train, test) k times, so that every case is tested on once.

        Raises
        ------
        ValueError
            If `k` is less than 2, or more than the number of cases.

        Examples
        --------
        >>> sorted(test.case_ids[0] for _, test in cohort.folds(3))
        ['large', 'small', 'tiny']
        """
        if whole(2, k=k) > len(self):
            raise ValueError(
                f"k={k}, but the cohort has {len(self)} cases; at most as many folds as cases are "
                f"expected"
            )
        order = self._shuffled(seed)
        return [self._apart(order[fold::k]) for fold in range(k)]

    def _shuffled(self, seed: int) -> list[str]:
        order = np.random.default_rng(seed_of(seed)).permutation(len(self))
        return [self.case_ids[number] for number in order]

    def _apart(self, chosen: Iterable[str]) -> tuple["Cohort", "Cohort"]:
        """The cohort of the cases that are not chosen, and that of the chosen ones."""
        ids = set(chosen)
        train = [case for case in self.cases if case.id not in ids]
        test = [case for case in self.cases if case.id in ids]
        return replace(self, cases=train), replace(self, cases=test)
