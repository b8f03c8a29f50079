"""Label schemes: what the values of a segmentation file mean.

The releases of BraTS store the same tissues under different numbers, and some merge tissues that
others keep apart. A scheme turns the values of the files into class numbers (0 is healthy tissue,
then the tumour classes) and says which classes make up each scored region.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["SCHEMES", "LabelScheme", "scheme_named"]


@dataclass(frozen=True)
class LabelScheme:
    """Class names, the file value of each class, and the regions that are scored.

    Parameters
    ----------
    name : str
        How the scheme is asked for: ``load_cohort(folder, scheme="brats2013")``.
    classes : tuple of str
        Class names; the position is the class number. Class 0 is healthy tissue (and air).
    values : tuple of int
        The value that stands for each class in a segmentation file, in the order of `classes`.
    regions : mapping of str to tuple of str
        Each scored region as the classes that it unites (Menze et al. 2015; paper, section V).

    Raises
    ------
    ValueError
        If the classes and values do not pair off, the first class does not have the value 0, a
        value is outside 0 to 255, or a region names no class or an unknown one.

    Examples
    --------
    >>> SCHEMES["brats2017"].values
    (0, 1, 2, 4)
    """

    name: str
    classes: tuple[str, ...]
    values: tuple[int, ...]
    regions: Mapping[str, tuple[str, ...]]

    def __post_init__(self):
        # Lists are as good as tuples to a caller, and what a TOML file holds.
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "values", tuple(self.values))
        regions = {region: tuple(members) for region, members in self.regions.items()}
        object.__setattr__(self, "regions", regions)
        for problem in self._problems():
            raise ValueError(f"scheme '{self.name}': {problem}")

    def _problems(self):
        names = [self.name, *self.classes, *self.regions]
        if not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names):
            yield f"its names are {names}; words on one line are expected"
            return
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            yield f"classes={list(self.classes)}; two or more different names are expected"
        if len(self.values) != len(self.classes) or len(set(self.values)) < len(self.values):
            yield (
                f"values={list(self.values)}; a different one for each of the "
                f"{len(self.classes)} classes is expected"
            )
        if any(type(value) is not int or not 0 <= value <= 255 for value in self.values):
            yield f"values={list(self.values)}; whole numbers from 0 to 255 are expected"
        if self.values[0] != 0:
            yield f"the first class, '{self.classes[0]}', has value {self.values[0]}; 0 is expected"
        if not self.regions:
            yield "no region; name at least one, as the classes that it unites"
        for region, members in self.regions.items():
            if region in self.classes and members != (region,):
                yield f"region '{region}' has the name of a class, but unites {list(members)}"
            if not members or not set(members) <= set(self.classes[1:]):
                yield (
                    f"region '{region}' unites {list(members)}; one or more of "
                    f"{list(self.classes[1:])} is expected"
                )

    @classmethod
    def from_toml(cls, path: str | Path) -> "LabelScheme":
        """A scheme from a small file, for any data set with a label map.

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
            If it is no TOML, lacks a key, has another one, or makes no scheme.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"there is no scheme file {path}")
        expected = ["name", "classes", "values", "regions"]
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad adds a mark
            if sorted(found) != sorted(expected):
                raise ValueError(f"its keys are {sorted(found)}; {expected} are expected")
            shapes = [type(found[key]) for key in expected]
            if shapes != [str, list, list, dict] or not all(
                isinstance(members, list) for members in found["regions"].values()
            ):
                raise ValueError(
                    "name must be a string, classes and values lists, and each of the regions a "
                    "list of class names"
                )
            return cls(**found)
        except (ValueError, TypeError, OSError, RecursionError) as error:
            raise ValueError(f"{path} is no label scheme: {error}") from error

    def region_numbers(self, region: str) -> tuple[int, ...]:
        """Class numbers that a region unites."""
        return tuple(self.classes.index(name) for name in self.regions[region])

    def to_classes(self, file_values: np.ndarray) -> np.ndarray:
        """File values (integers, any shape) as class numbers (uint8, same shape).

        Raises
        ------
        ValueError
            If a value does not belong to the scheme.
        """
        unknown = sorted(set(np.unique(file_values).tolist()) - set(self.values))
        if unknown:
            raise ValueError(
                f"label value {unknown[0]} does not belong to scheme '{self.name}', "
                f"whose values are {list(self.values)}"
            )
        lookup = np.zeros(max(self.values) + 1, np.uint8)
        lookup[list(self.values)] = np.arange(len(self.classes), dtype=np.uint8)
        return lookup[file_values]

    def to_file_values(self, classes: np.ndarray) -> np.ndarray:
        """Class numbers (any shape) as the values of a segmentation file (uint8)."""
        return np.asarray(self.values, np.uint8)[classes]


def _brats(name: str, values: tuple[int, ...], classes: tuple[str, ...]) -> LabelScheme:
    """A scheme with the regions of Menze et al. 2015, as far as its classes can tell them."""
    core = tuple(c for c in classes[1:] if c not in ("edema", "resection cavity"))
    regions = {"whole": tuple(c for c in classes[1:] if c != "resection cavity"), "core": core}
    if "enhancing" in classes:
        regions["active"] = ("enhancing",)
    if "resection cavity" in classes:
        regions["cavity"] = ("resection cavity",)
    return LabelScheme(name, classes, values, regions)


SCHEMES: Mapping[str, LabelScheme] = {
    scheme.name: scheme
    for scheme in (
        _brats("brats2012", (0, 1, 2), ("healthy", "edema", "core")),
        _brats(
            "brats2013",
            (0, 1, 2, 3, 4),
            ("healthy", "necrosis", "edema", "non-enhancing", "enhancing"),
        ),
        _brats(
            "brats2017", (0, 1, 2, 4), ("healthy", "necrosis + non-enhancing", "edema", "enhancing")
        ),
        _brats("brats2023", (0, 1, 2, 3), ("healthy", "necrosis", "edema", "enhancing")),
        _brats(
            "brats2024",
            (0, 1, 2, 3, 4),
            ("healthy", "necrosis", "edema", "enhancing", "resection cavity"),
        ),
        _brats(
            "decathlon", (0, 1, 2, 3), ("healthy", "edema", "necrosis + non-enhancing", "enhancing")
        ),
    )
}
"""The releases of BraTS, and Task 1 of the Medical Segmentation Decathlon, by name."""


def scheme_named(name: str) -> LabelScheme | None:
    """The scheme of this name, or of this TOML file; None for "auto".

    Raises
    ------
    ValueError
        With the known names, for any other; or if the file makes no scheme.
    FileNotFoundError
        If the name ends in ``.toml`` and there is no such file.
    """
    if name.endswith(".toml"):
        return LabelScheme.from_toml(name)
    if name != "auto" and name not in SCHEMES:
        raise ValueError(
            f"scheme={name!r}; one of {', '.join(SCHEMES)}, auto, or a .toml file is expected"
        )
    return SCHEMES.get(name)
