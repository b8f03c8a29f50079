"""Part: one choice in which two arms may differ, as data."""

import ast
import inspect
import textwrap
from dataclasses import MISSING, dataclass, fields
from typing import Any

from imbalance_tf.cohort.disk import digest

_PLACE = ("__firstlineno__", "__static_attributes__")  # Python 3.13: where a class stands


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
        this package also has a digest of its code, without that of the functions it calls.
        """
        described: dict[str, Any] = {"is": type(self).__name__}
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            if isinstance(default, float) and isinstance(value, int):
                value = float(value)  # 2 and 2.0 are the same run
            if value != default:
                described[field.name] = value.described() if isinstance(value, Part) else value
        if source := _source_digest(type(self)):
            described["source"] = source
        return described


def rebuilt(described: dict[str, Any]) -> Any:
    """The part that `Part.described` described.

    Raises
    ------
    ValueError
        If no part of this name has been defined or imported.
    """
    settings = {key: value for key, value in described.items() if key not in ("is", "source")}
    for name, value in settings.items():
        if isinstance(value, dict) and "is" in value:
            settings[name] = rebuilt(value)
        elif isinstance(value, list):
            settings[name] = tuple(value)
    kinds = [kind for kind in _subclasses(Part) if kind.__name__ == described["is"]]
    if not kinds:
        raise ValueError(
            f"'{described['is']}' is no part of an arm that is known here; import the file that "
            f"defines it"
        )
    # Of several with this name, the one with this code, or else the newest.
    kinds.sort(key=lambda kind: _source_digest(kind) == described.get("source"))
    return kinds[-1](**settings)


def _subclasses(kind: type) -> list[type]:
    below: list[type] = kind.__subclasses__()
    return [each for sub in below for each in (sub, *_subclasses(sub))]


def _source_digest(kind: type) -> str | None:
    """Of the code of a class and its bases; None for the classes of this package."""
    own = [each for each in kind.__mro__[:-1] if not each.__module__.startswith("imbalance_tf.")]
    text = "".join(map(_code, own))
    return digest(text.encode(), 5) if own else None


def _code(kind: type) -> str:
    """The code of a class without comments and layout."""
    try:
        (found,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        if (
            getattr(found, "name", None) != kind.__name__
        ):  # Python 3.13 gives what stands at its line
            raise OSError
        return ast.dump(ast.Module([found], []))
    # Defined in a notebook or an interpreter: there is no file, or another.
    except (OSError, TypeError, ValueError, SyntaxError):
        members = sorted(vars(kind).items())
        return repr([(name, _compiled(member)) for name, member in members if name not in _PLACE])


def _compiled(value: Any) -> Any:
    """What a member of a class does: the same in every process of one version of Python."""
    value = getattr(value, "fget", getattr(value, "__func__", value))
    if inspect.isfunction(value):
        return [_compiled(value.__code__), value.__defaults__, value.__kwdefaults__]
    if inspect.iscode(value):
        consts = [_compiled(each) for each in value.co_consts]
        return [value.co_code.hex(), value.co_names, value.co_varnames, consts]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return value if isinstance(value, bool | int | float | str | bytes | tuple) else None
