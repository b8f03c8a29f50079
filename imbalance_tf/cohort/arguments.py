"""What an argument may be, and the words in which any other is refused."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np

LARGEST_PATCH = 1024
"""Rows of a patch. Beyond it, the full-window convolution of `patch_cnn` alone takes gigabytes."""
LARGEST_POOL = 10_000
"""Patches of a class among which neighbours are sought: each is compared with each."""
LARGEST_LAYER = 1024
"""Channels of a layer: beyond it, one convolution takes more memory than a lab has."""
LONGEST_PASS = 10**8
"""Patches whose centres are sampled together: they take 1.6 GB."""
_LONGEST_SHOWN = 300  # characters of a value that is refused
_LARGEST_BATCH = 2**26  # pixels: 0.5 GB with four modalities in half precision


def expect(holds: object, expected: str, /, **found: Any) -> None:
    """Raise a ValueError that names the arguments found and what is expected, unless it holds."""
    if not holds:
        shown = {name: repr(value) for name, value in found.items()}
        arguments = ", ".join(
            f"{name}={text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '...'}"
            for name, text in shown.items()
        )
        raise ValueError(f"{arguments}; {expected} is expected")


def one_of(*known: Any, **found: Any) -> None:
    """ValueError unless the argument that is given by its name is one of the known values."""
    (value,) = found.values()
    *some, last = map(repr, known)
    expected = f"{', '.join(some)} or {last}" if some else last
    # An array is equal to nothing, but element by element, and pandas' NA not even that.
    expect(isinstance(value, str | None) and value in known, expected, **found)


def settle(frozen: object, **fields: Any) -> None:
    """Set fields of a frozen dataclass that is just being made."""
    for name, value in fields.items():
        object.__setattr__(frozen, name, value)


def is_list(value: object) -> bool:
    """Whether it is things in an order: no text, no mapping, nor a set, whose order differs from
    process to process."""
    return np.iterable(value) and not isinstance(
        value, str | bytes | bytearray | Mapping | set | frozenset
    )


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite real number, of Python or NumPy; not True, nor "1"."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # 10**400
        return False


def whole(least: int, most: int | None = None, **found: Any) -> int:
    """The argument that is given by its name, as an int.

    Raises
    ------
    ValueError
        If it is no whole number, of Python or NumPy, within these limits. 1.0, True and
        "1" are not.

    Examples
    --------
    >>> from imbalance_tf.cohort.arguments import whole
    >>> whole(1, epochs=np.int64(3))
    3
    >>> whole(1, epochs=2.5)
    Traceback (most recent call last):
    ValueError: epochs=2.5; a whole number from 1 is expected
    """
    (value,) = found.values()
    limits = f"from {least}" if most is None else f"from {least} to {most}"
    number = isinstance(value, Integral) and not isinstance(value, bool)
    within = number and least <= value and (most is None or value <= most)
    expect(within, f"a whole number {limits}", **found)
    return int(value)


def probability(**found: Any) -> float:
    """The argument that is given by its name, as a float; ValueError unless it is 0 to 1."""
    (value,) = found.values()
    expect(is_number(value) and 0 <= value <= 1, "a probability from 0 to 1", **found)
    return float(value) + 0.0  # not -0.0, which would be another run


def candidates_of(**found: Any) -> int:
    """How many of a class are classified to find the hard ones, as an int."""
    return whole(1, LONGEST_PASS, **found)


def filters_of(filters: Any) -> tuple[int, ...]:
    """Numbers of filters, one a level of a U-Net; ValueError if none could be made of them."""
    listed = tuple(filters) if is_list(filters) else ()
    expect(1 <= len(listed) <= 10, "a list of 1 to 10 numbers of filters", filters=filters)
    return tuple(whole(1, LARGEST_LAYER, filters=count) for count in listed)


def seed_of(seed: Any) -> int:
    """A seed as an int; ValueError unless it is a whole number from 0 to 2**32 - 1."""
    return whole(0, 2**32 - 1, seed=seed)


def expect_sizes(*, steps: Any, batch_size: Any, patch_size: Any, smallest_patch: int = 1) -> None:
    """ValueError unless these are whole numbers whose patches fit into the memory of a computer."""
    steps, batch_size = whole(1, steps=steps), whole(1, batch_size=batch_size)
    patch_size = whole(smallest_patch, LARGEST_PATCH, patch_size=patch_size)
    expect(
        batch_size * patch_size**2 <= _LARGEST_BATCH,
        f"a batch of at most {_LARGEST_BATCH:,} pixels, which is half a gigabyte with four "
        f"modalities,",
        batch_size=batch_size,
        patch_size=patch_size,
    )
    expect(
        steps * batch_size <= LONGEST_PASS,
        f"an epoch of at most {LONGEST_PASS:,} patches, whose centres are sampled together,",
        steps=steps,
        batch_size=batch_size,
    )
