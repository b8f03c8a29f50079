"""Part: one choice in which two arms may differ, as data."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from .source import source_digest


@dataclass(frozen=True)
class Part:
    """One choice of an arm: a small frozen dataclass whose fields are its settings.

    To add an idea, write a subclass of `Sampling`, `Loss`, `Network`, `Finish` or `Decision` with
    its own settings. Nothing has to be registered: the class is found by its name.

    Examples
    --------
    >>> Focal(gamma=3.0).described(), Focal().described()
    ({'is': 'Focal', 'gamma': 3.0}, {'is': 'Focal'})
    """

    def described(self) -> dict[str, Any]:
        """Its identity, as JSON: its type, and the fields that differ from their defaults.

        So a new field with a default leaves the identity of old runs as it is. A class outside
        this package has all its fields, and a digest of its code and of what that uses of its file.

        Raises
        ------
        TypeError
            If a setting is none that could be kept, such as a function, or is no field.
        """
        kind = type(self)
        own = {field.name for field in fields(self)}
        hidden = {name for name in vars(self).keys() - own if not _is_cached(kind, name)}
        if hidden:
            raise TypeError(
                f"{kind.__name__} keeps {', '.join(sorted(hidden))}, by which one run could "
                f"not be told from another; fields of a dataclass are expected: write "
                f"@dataclass(frozen=True) above the class, and no __init__"
            )
        described: dict[str, Any] = {"is": kind.__name__}
        source = source_digest(kind)
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            factory: Any = field.default_factory
            # By its type: a class that was sent to another process has a copy of it.
            if not isinstance(factory, type(MISSING)):
                default = factory()
            value, default = (_as_json(each, self, field.name) for each in (value, default))
            if isinstance(default, float) and isinstance(value, int):
                value = float(value)  # 2 and 2.0 are the same run
            # The default of a class outside may be a name of its file, whose value no code says.
            if value != default or source:
                described[field.name] = value
        return described | ({"source": source} if source else {})


def kinds_of(part: Part) -> Iterator[type]:
    """The classes of a part, and of all parts in it."""
    yield type(part)
    for value in vars(part).values():
        if isinstance(value, Part):
            yield from kinds_of(value)


def absent_methods(kind: type) -> list[str]:
    """What a class should give, and does not: methods that are abstract still."""
    # Not by ABCMeta, whose own members would enter the digest of a class in a notebook.
    return [
        name
        for name in dir(kind)
        if getattr(inspect.getattr_static(kind, name), "__isabstractmethod__", False)
    ]


def _is_cached(kind: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(kind, name, None), cached_property)


def _as_json(value: Any, part: Part, field: str) -> Any:
    """A setting as JSON keeps it, with Python's numbers; TypeError if it cannot be kept."""
    if isinstance(value, Part):
        return value.described()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _as_json(each, part, field) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_as_json(each, part, field) for each in value]
    if value is None or isinstance(value, bool | int | float | str | type(MISSING)):
        return value
    raise TypeError(
        f"{type(part).__name__}: {field}={value!r}; numbers, text, parts, and lists or mappings of "
        f"these are expected, which can be kept beside the run and tell it from others"
    )


def rebuilt(described: dict[str, Any]) -> Any:
    """The part that `Part.described` described.

    Raises
    ------
    ValueError
        If no part of this name has been defined or imported, or it has no such setting.
    """
    settings = {
        key: _rebuilt(value) for key, value in described.items() if key not in ("is", "source")
    }
    kinds = [kind for kind in _subclasses(Part) if kind.__name__ == described["is"]]
    if not kinds:
        raise ValueError(
            f"'{described['is']}' is no part of an arm that is known here; import the file that "
            f"defines it"
        )
    # Of several with this name, the one with this code, or else the newest.
    kinds.sort(key=lambda kind: source_digest(kind) == described.get("source"))
    kind = kinds[-1]
    if unknown := settings.keys() - {field.name for field in fields(kind)}:
        raise ValueError(
            f"'{described['is']}' has no setting {', '.join(sorted(unknown))} here; read it with "
            f"the version of imbalance_tf, or of the file, that made it"
        )
    return kind(**settings)


def _rebuilt(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_rebuilt, value))
    return rebuilt(value) if isinstance(value, dict) and "is" in value else value


def _subclasses(kind: type) -> list[type]:
    below: list[type] = kind.__subclasses__()
    return [each for sub in below for each in (sub, *_subclasses(sub))]
