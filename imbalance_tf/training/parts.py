"""Part: one choice in which two arms may differ, as data."""

import ast
import contextlib
import dis
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from types import CodeType
from typing import Any

import numpy as np

from imbalance_tf.cohort.disk import digest

# What is no code: where a class stands (Python 3.13), and what a copy of an object leaves in it.
_PLACE = ("__firstlineno__", "__static_attributes__", "__slotnames__")


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
        source = _source_digest(kind)
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
    kinds.sort(key=lambda kind: _source_digest(kind) == described.get("source"))
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


def _source_digest(kind: type) -> str | None:
    """Of the code of a class and its bases; None for the classes of this package."""
    own = [each for each in kind.__mro__[:-1] if not each.__module__.startswith("imbalance_tf.")]
    if not own:
        return None
    used: dict[str, str] = {}
    for each in own:
        _add_used(each, used)
    text = "".join([*map(_code, own), *(f"{name}={used[name]}" for name in sorted(used))])
    return digest(text.encode(), 5)


def _add_used(member: Any, used: dict[str, str]) -> None:
    """Add what the code of a class or function uses of its own file, by name: functions, classes
    and constants there, and the variables around it."""
    if inspect.isclass(member):
        for name in sorted(vars(member).keys() - vars(Part).keys()):  # those dataclass writes
            _add_used(_function_of(vars(member)[name]), used)
    if not inspect.isfunction(member):
        return
    around = inspect.getclosurevars(member).nonlocals
    file = {name: member.__globals__.get(name) for name in sorted(_names(member.__code__))}
    defaults = [*(member.__defaults__ or ()), *(member.__kwdefaults__ or {}).values()]
    given = {f"{member.__qualname__} {number}": value for number, value in enumerate(defaults)}
    for name, value in {**file, **around, **given}.items():
        if name in used or value is None:
            continue
        if isinstance(value, Part):  # its settings; and below its class
            used[name], name, value = repr(value), type(value).__name__, type(value)
        if inspect.isfunction(value) or inspect.isclass(value):
            if value.__module__ == member.__module__ and name not in used:
                used[name] = ""  # it may call itself
                used[name] = _code(value)
                _add_used(value, used)
        else:
            with contextlib.suppress(TypeError):  # no constant
                used[name] = json.dumps(_as_json(value, Part(), name), sort_keys=True)


def _names(code: CodeType) -> set[str]:
    """The names that a code, and the functions in it, look up in their file."""
    looked_up = (each for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL")
    inner = (_names(each) for each in code.co_consts if inspect.iscode(each))
    return {each.argval for each in looked_up}.union(*inner)


def _code(kind: Any) -> str:
    """The code of a class or function without comments and layout."""
    try:
        (found,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        if (
            getattr(found, "name", None) != kind.__name__
        ):  # Python 3.13 gives what stands at its line
            raise OSError
        return ast.unparse(found)  # not ast.dump, which differs between versions of Python
    # Defined in a notebook or an interpreter: there is no file, or another.
    except (OSError, TypeError, ValueError, SyntaxError):
        if inspect.isfunction(kind):
            return repr(_compiled(kind))
        members = sorted(vars(kind).items())
        return repr([(name, _compiled(member)) for name, member in members if name not in _PLACE])


def _compiled(value: Any) -> Any:
    """What a member of a class does: the same in every process of one version of Python."""
    value = _function_of(value)
    if inspect.isfunction(value):
        return [_compiled(value.__code__), value.__defaults__, value.__kwdefaults__]
    if inspect.iscode(value):
        consts = [_compiled(each) for each in value.co_consts]
        return [value.co_code.hex(), value.co_names, value.co_varnames, consts]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    if isinstance(value, list | dict | np.ndarray):
        with contextlib.suppress(TypeError):  # no setting
            return _as_json(value, Part(), "")
    return value if isinstance(value, bool | int | float | str | bytes | tuple) else None


def _function_of(member: Any) -> Any:
    """The function below a property, a class or static method, or a property that is kept."""
    for name in ("fget", "__func__", "func"):
        member = getattr(member, name, member)
    return member
