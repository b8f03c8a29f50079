"""Part: one choice that two arms may differ in, as data."""

import ast
import hashlib
import inspect
import textwrap
from dataclasses import MISSING, dataclass, fields
from typing import Any

__all__ = ["Part", "rebuilt"]


@dataclass(frozen=True)
class Part:
    """One choice of an arm: a small frozen dataclass, whose fields are its settings.

    To add an idea is to write a subclass of `Sampling`, `Loss`, `Network`, `Finish` or `Decision`
    with its own settings. Nothing has to be registered: the class is found by its name.

    Examples
    --------
    >>> from imbalance_tf.training.losses import Focal
    >>> Focal(gamma=3.0).described(), Focal().described()
    ({'is': 'Focal', 'gamma': 3.0}, {'is': 'Focal'})
    """

    def described(self) -> dict[str, Any]:
        """Its type, and the fields that differ from their defaults: its identity, as JSON.

        So a new field with a default leaves the identity of old runs as it is. A class that is not
        of this package is told from another of the same name by its source.
        """
        described: dict[str, Any] = {"is": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            if value != default:
                described[field.name] = value.described() if isinstance(value, Part) else value
        if not type(self).__module__.startswith("imbalance_tf."):
            described["source"] = _source_digest(type(self))
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
    kinds = {kind.__name__: kind for kind in _all_kinds(Part)}
    if described["is"] not in kinds:
        raise ValueError(
            f"'{described['is']}' is no part of an arm that is known here; import the file that "
            f"defines it"
        )
    return kinds[described["is"]](**settings)


def _all_kinds(kind: type) -> list[type]:
    below: list[type] = kind.__subclasses__()
    return [each for sub in below for each in (sub, *_all_kinds(sub))]


def _source_digest(kind: type) -> str:
    """Of the code of a class, without its comments and layout."""
    try:
        code = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(kind))))
    except (OSError, TypeError):  # typed into an interpreter
        code = f"{kind.__module__}.{kind.__qualname__}"
    return hashlib.blake2b(code.encode(), digest_size=5).hexdigest()
