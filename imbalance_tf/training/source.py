"""The code of a class of one's own, as a digest: what tells its runs from those of another."""

import ast
import contextlib
import dis
import functools
import inspect
import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from imbalance_tf.cohort.disk import digest

_PLAIN = bool | int | float | complex | str | bytes | range | Enum | None | type(...)


@dataclass(frozen=True)
class _Nothing:
    pass


# What `dataclass` writes into every class, or Python does: nothing that somebody has thought of.
_WRITTEN = {*vars(_Nothing), "__firstlineno__", "__static_attributes__", "__slotnames__"}


def source_digest(kind: type) -> str | None:
    """Of the code of a class and its bases, and of all that this uses of its own file.

    None for the classes of this package. What is used of other files counts by its name, objects of
    other files by their type, and by their configuration if they have one, as those of Keras do.
    """
    own = [each for each in kind.__mro__[:-1] if not each.__module__.startswith("imbalance_tf.")]
    if not own:
        return None
    seen: set[int] = set()
    return digest(json.dumps([_meaning(each, each.__module__, seen) for each in own]).encode(), 5)


def _meaning(value: Any, file: str, seen: set[int]) -> Any:
    """What a value is, as JSON: the same in every process, and another if anything in it differs.

    Each function and class of the module `file` is described once, where it is `seen` first.
    """
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray | np.generic):
        content = repr(value).encode() if value.dtype.hasobject else value.tobytes()
        return [str(value.dtype), value.shape, digest(content)]
    if isinstance(value, ModuleType):
        return value.__name__

    def of(each: Any) -> Any:
        return _meaning(each, file, seen)

    if isinstance(value, Mapping):
        return sorted((json.dumps([of(key), of(each)]) for key, each in value.items()))
    if isinstance(value, list | tuple):
        return [of(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(of(each)) for each in value)
    if isinstance(value, functools.partial):
        return [of(value.func), of(value.args), of(value.keywords)]
    if inspect.ismethod(value):
        return [of(value.__func__), of(value.__self__)]
    first = id(value) not in seen
    if inspect.isfunction(value) or inspect.isclass(value):
        name = f"{value.__module__}.{value.__qualname__}"
        if value.__module__ != file or not first:
            return name  # not seen by that: a base in another file is still to be described
        seen.add(id(value))  # it may use itself
        used = _members(value) if isinstance(value, type) else _used(value)
        code = _code(value)  # type: ignore[arg-type]
        return [name, code, {key: of(each) for key, each in used.items()}]
    seen.add(id(value))
    if inside := _functions_in(value):
        return [of(each) for each in inside]
    kind = type(value)
    if not first or inspect.isbuiltin(value) or not hasattr(value, "__dict__"):
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    if kind.__module__ == file:
        return [of(kind), of(vars(value))]
    if hasattr(kind, "__dataclass_fields__"):  # as a part; not by its fields, which may be a cohort
        return repr(value)
    with contextlib.suppress(Exception):  # whatever the code of somebody else does not like
        config = value.get_config()
        # Not its name, which counts how many there are.
        return [of(kind), of({key: config[key] for key in config if key != "name"})]
    return of(kind)


def _used(function: Any) -> dict[str, Any]:
    """By name, what a function uses of its file and of the functions around it."""
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    names = sorted(name for name in _names(function.__code__) if name in function.__globals__)
    return {
        **{f"default {number}": value for number, value in enumerate(defaults)},
        **{name: function.__globals__[name] for name in names if not name.startswith("__")},
        **dict(sorted(inspect.getclosurevars(function).nonlocals.items())),
    }


def _members(kind: type) -> dict[str, Any]:
    """By name, the bases and attributes of a class, and what its methods use."""
    members = {name: vars(kind)[name] for name in sorted(vars(kind).keys() - _WRITTEN)}
    members["(bases)"] = kind.__bases__
    for name, member in members.items():
        functions = _functions_in(member)
        # The code of its methods stands in that of the class.
        if functions and all(_stands_in(kind, each) for each in functions):
            members[name] = list(map(_used, functions))
    return members


def _stands_in(kind: type, function: Any) -> bool:
    """Whether a function is written inside a class, not by a decorator or elsewhere."""
    return function.__code__.co_qualname.startswith(f"{kind.__qualname__}.")


def _functions_in(value: Any) -> list[Any]:
    """A function, or those below a property, a class method or another wrapper such as a cache."""
    if inspect.isfunction(value):
        return [value]
    inside = (
        inspect.getattr_static(value, name, None)
        for name in ("fget", "__func__", "func", "__wrapped__", "_python_function")
    )
    return [each for each in inside if inspect.isfunction(each)]


def _names(code: CodeType) -> set[str]:
    """The names that a code, and what is defined in it, look up in their file."""
    looked_up = (each for each in dis.get_instructions(code) if each.opname in _LOOKS_UP)
    inner = (_names(each) for each in code.co_consts if inspect.iscode(each))
    return {each.argval for each in looked_up}.union(*inner)


_LOOKS_UP = ("LOAD_GLOBAL", "LOAD_NAME")


@functools.cache  # of what runs: the file may be edited meanwhile
def _code(kind: Any) -> str:
    """The code of a class or function without comments and layout."""
    try:
        # Of a function its code, since that of a wrapper would be that of what it wraps.
        written, name = kind, kind.__name__
        if inspect.isfunction(kind):
            written, name = kind.__code__, kind.__code__.co_name
        (found,) = ast.parse(textwrap.dedent(inspect.getsource(written))).body
        if getattr(found, "name", None) != name:  # Python 3.13 gives what stands at its line
            raise OSError
        return ast.unparse(found)  # not ast.dump, which differs between versions of Python
    # Defined in a notebook or an interpreter: there is no file, or another.
    except (OSError, TypeError, ValueError, SyntaxError):
        members = {"": kind} if inspect.isfunction(kind) else vars(kind)
        functions = {
            name: _functions_in(members[name]) for name in sorted(members.keys() - _WRITTEN)
        }
        return repr(
            {
                name: [_compiled(each.__code__) for each in found]
                for name, found in functions.items()
            }
        )


def _compiled(code: CodeType) -> list[Any]:
    """What a code does: the same in every process of one version of Python."""
    consts = [
        _compiled(each)
        if inspect.iscode(each)
        else sorted(map(repr, each))
        if isinstance(each, frozenset)
        else repr(each)
        for each in code.co_consts
    ]
    return [code.co_code.hex(), code.co_names, code.co_varnames, consts]
