"""Label schemes: what the values of a segmentation file mean.

The releases of BraTS store the same tissues under different numbers, and some merge tissues that
others keep apart. A scheme turns the values of the files into class numbers (0 is healthy tissue,
then the tumour classes) and says which classes make up each scored region.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .arguments import expect, is_list, one_of, settle
from .disk import expanded, text_of
from .names import as_one, name_problem, one_line

_COLUMNS = ("case", "region", "dice", "volume ratio")
_LONGEST_SHOWN = 300  # characters at either end of what is wrong with a file
_DERIVED = ("volume ", "cases ")  # before the name of a region: other columns of the tables
SCHEME_FILE = "scheme.toml"
"""The file in which a folder of cases may say what its label values mean."""


@dataclass(frozen=True)
class LabelScheme:
    """Class names, the file value of each class, and the regions that are scored.

    Parameters
    ----------
    name : str
        Used to ask for the scheme: ``load_cohort(folder, scheme="brats2013")``.
    classes : tuple of str
        Class names; the position is the class number. Class 0 is healthy tissue (and air).
    values : tuple of int
        The value of each class in a segmentation file, in the order of `classes`.
    regions : mapping of str to tuple of str
        The classes that each scored region unites (Menze et al. 2015; paper, section V).

    Raises
    ------
    ValueError
        If there is not one value per class, the first class does not have the value 0, a value
        is outside 0 to 255, a region names no class or an unknown one, or a name cannot stand in
        tables and pages (`names`), or is that of a column of theirs.

    Examples
    --------
    >>> SCHEMES["brats2017"].values
    (0, 1, 2, 4)
    >>> SCHEMES["brats2017"].to_classes(np.array([0, 4, 2]))
    array([0, 3, 2], dtype=uint8)
    """

    name: str
    classes: tuple[str, ...]
    values: tuple[int, ...]
    regions: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        table = isinstance(self.regions, Mapping)
        lists = [self.classes, self.values, *(self.regions.values() if table else [])]
        if not table or not all(map(is_list, lists)):
            raise ValueError(
                "classes and values must be lists, and regions a table with a list of class names "
                "for each"
            )
        # Lists, as a TOML file has them, become tuples.
        settle(
            self,
            classes=tuple(self.classes),
            values=tuple(int(v) if isinstance(v, np.integer) else v for v in self.values),
            regions={region: tuple(members) for region, members in self.regions.items()},
        )
        if problem := next(self._problems(), None):
            raise ValueError(f"scheme '{self.name}': {problem}")

    def _problems(self) -> Iterator[str]:
        for name in (self.name, *self.classes, *self.regions):
            if problem := name_problem(name):
                yield f"{problem}; choose another"
        for name in (*self.classes, *self.regions):
            if name in _COLUMNS or name.startswith(_DERIVED):
                yield f"the name {name!r} is that of a column of the tables; choose another"
        if len(set(map(as_one, self.classes))) < max(2, len(self.classes)):
            yield (
                f"classes={list(self.classes)}; two or more different names are expected, in more "
                f"than capitals"
            )
        if len(set(map(as_one, self.regions))) < len(self.regions):
            yield f"the names of the regions {list(self.regions)} differ in capitals only"
        numbers = {value for value in self.values if type(value) is int and 0 <= value <= 255}
        if not len(numbers) == len(self.values) == len(self.classes) or self.values[0] != 0:
            yield (
                f"values={list(self.values)}; a different whole number from 0 to 255 is expected "
                f"for each of {list(self.classes)}, and 0 for the first"
            )
        if not self.regions:
            yield "no region; name at least one, with the classes that it unites"
        for region, members in self.regions.items():
            if region in self.classes and members != (region,):
                yield f"region '{region}' has the name of a class, but unites {list(members)}"
            known = [name for name in members if name in self.classes[1:]]
            if not members or len(set(known)) < len(members):
                yield (
                    f"region '{region}' unites {list(members)}; one or more of "
                    f"{list(self.classes[1:])}, each once, is expected"
                )

    @classmethod
    def from_toml(cls, path: str | Path) -> "LabelScheme":
        """Read a scheme from a small file, for any data set with a label map.

        ``name``, ``classes``, ``values`` and a table ``[regions]``, as the parameters above::

            name = "white matter lesions"
            classes = ["healthy", "lesion"]
            values = [0, 1]
            [regions]
            lesion = ["lesion"]

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not TOML, its keys are not these four, or the scheme is not valid.
        """
        path = expanded(path=path)
        if not path.exists():
            raise FileNotFoundError(f"there is no scheme file {path}")
        expected = ["name", "classes", "values", "regions"]
        try:
            found = tomllib.loads(text_of(path))
            if sorted(found) != sorted(expected):
                raise ValueError(f"its keys are {sorted(found)}; {expected} are expected")
            return cls(**found)
        except (ValueError, TypeError, OSError, RecursionError) as error:
            other = "save it as UTF-8: " if isinstance(error, UnicodeDecodeError) else ""
            reason = one_line(f"{error}")
            if len(reason) > 2 * _LONGEST_SHOWN:
                reason = f"{reason[:_LONGEST_SHOWN]} ... {reason[-_LONGEST_SHOWN:]}"
            raise ValueError(f"{path} is no label scheme: {other}{reason}") from error

    def region_numbers(self, region: str) -> tuple[int, ...]:
        """Numbers of the classes that a region unites."""
        one_of(*self.regions, region=region)
        return tuple(self.classes.index(name) for name in self.regions[region])

    @cached_property
    def lookup(self) -> np.ndarray:
        """Class number of each file value: (256,) uint8; 0 for values outside the scheme."""
        lookup = np.zeros(256, np.uint8)
        lookup[list(self.values)] = np.arange(len(self.values))
        return lookup

    def to_classes(self, file_values: np.ndarray) -> np.ndarray:
        """File values (integers, any shape) as class numbers (uint8, same shape).

        Raises
        ------
        ValueError
            If a value does not belong to the scheme, or is of floats.
        """
        file_values = np.asarray(file_values)
        whole = file_values.dtype.kind in "biu"
        stored = "whole numbers, such as np.asarray(image.dataobj) of a segmentation,"
        expect(whole, stored, file_values=file_values)
        if unknown := sorted(set(np.unique(file_values).tolist()) - set(self.values)):
            raise ValueError(
                f"label value {unknown[0]} does not belong to scheme '{self.name}', "
                f"whose values are {list(self.values)}"
            )
        return self.lookup[file_values.astype(np.intp)]

    def to_file_values(self, classes: np.ndarray) -> np.ndarray:
        """Class numbers (any shape) as the values of a segmentation file (uint8)."""
        classes = np.asarray(classes)
        last = len(self.values) - 1  # -1 would be the last class
        known = classes.dtype.kind in "biu" and ((classes >= 0) & (classes <= last)).all()
        expect(known, f"class numbers from 0 to {last}", classes=classes)
        return np.asarray(self.values, np.uint8)[classes.astype(np.intp)]


def _brats(name: str, tumour: Mapping[str, int]) -> LabelScheme:
    """A scheme of these classes and values, with those regions of Menze et al. 2015 it can tell."""
    whole = tuple(each for each in tumour if each != "resection cavity")
    regions = {"whole": whole, "core": tuple(each for each in whole if each != "edema")}
    if "enhancing" in tumour:
        regions["active"] = ("enhancing",)
    if "resection cavity" in tumour:
        regions["cavity"] = ("resection cavity",)
    return LabelScheme(name, ("healthy", *tumour), (0, *tumour.values()), regions)


SCHEMES: Mapping[str, LabelScheme] = {
    scheme.name: scheme
    for scheme in (
        _brats("brats2012", {"edema": 1, "core": 2}),
        _brats("brats2013", {"necrosis": 1, "edema": 2, "non-enhancing": 3, "enhancing": 4}),
        _brats("brats2017", {"necrosis + non-enhancing": 1, "edema": 2, "enhancing": 4}),
        _brats("brats2023", {"necrosis": 1, "edema": 2, "enhancing": 3}),
        _brats("brats2024", {"necrosis": 1, "edema": 2, "enhancing": 3, "resection cavity": 4}),
        _brats("decathlon", {"edema": 1, "necrosis + non-enhancing": 2, "enhancing": 3}),
    )
}
"""The releases of BraTS, and Task 1 of the Medical Segmentation Decathlon, by name."""
