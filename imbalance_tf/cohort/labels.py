"""Label schemes: what the values of a segmentation file mean.

The releases of BraTS store the same tissues under different numbers. A scheme turns the values of
the files into class numbers (0 is healthy tissue, then the tumour classes) and says which classes
make up each scored region.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["SCHEMES", "LabelScheme", "scheme_named", "scheme_of_values"]


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

    Examples
    --------
    >>> SCHEMES["brats2017"].values
    (0, 1, 2, 4)
    """

    name: str
    classes: tuple[str, ...]
    values: tuple[int, ...]
    regions: Mapping[str, tuple[str, ...]]

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


_FIVE = ("healthy", "necrosis", "edema", "non-enhancing", "enhancing")
_FIVE_REGIONS = {
    "whole": _FIVE[1:],
    "core": ("necrosis", "non-enhancing", "enhancing"),
    "active": ("enhancing",),
}
_FOUR = ("healthy", "necrosis + non-enhancing", "edema", "enhancing")
_FOUR_REGIONS = {
    "whole": _FOUR[1:],
    "core": ("necrosis + non-enhancing", "enhancing"),
    "active": ("enhancing",),
}

SCHEMES: Mapping[str, LabelScheme] = {
    scheme.name: scheme
    for scheme in (
        LabelScheme("brats2013", _FIVE, (0, 1, 2, 3, 4), _FIVE_REGIONS),
        LabelScheme("brats2017", _FOUR, (0, 1, 2, 4), _FOUR_REGIONS),
        LabelScheme("brats2023", _FOUR, (0, 1, 2, 3), _FOUR_REGIONS),
    )
}


def scheme_named(name: str) -> LabelScheme | None:
    """The scheme of this name; None for "auto", ValueError with the known names for any other."""
    if name != "auto" and name not in SCHEMES:
        raise ValueError(f"scheme={name!r}; one of {', '.join(SCHEMES)} or auto is expected")
    return SCHEMES.get(name)


def scheme_of_values(values: Iterable[int]) -> LabelScheme:
    """The one scheme that the label values of a whole cohort allow.

    3 and 4 together are BraTS 2013 and 2015; 4 without 3 is BraTS 2017 to 2021, which merged 3
    into 1. Without a 4 the values alone cannot tell the releases apart: 3 is enhancing tumour in
    2023 and non-enhancing in a BraTS 2013 cohort without enhancement.

    Raises
    ------
    ValueError
        If a value belongs to no scheme, or if the values leave a choice.
    """
    values = set(values)
    if outside := values - {0, 1, 2, 3, 4}:
        raise ValueError(
            f"label value {min(outside)} belongs to no known scheme "
            f"(BraTS segmentations hold 0 to 4); found {sorted(values)}"
        )
    if 4 in values:
        return SCHEMES["brats2013" if 3 in values else "brats2017"]
    raise ValueError(
        f"the label values {sorted(values)} fit several releases; say which one it is with "
        f"scheme=... (command line: --scheme), one of {', '.join(SCHEMES)}"
    )
