"""What a name may be: of cases, classes, regions, modalities, schemes and studies.

Many of these names come from files. They become names of files, columns of tables and text in
terminals, figures and pages, where some characters mean something else.
"""

import re
import sys
import unicodedata
from typing import Any

_MARKUP = '<>"$'  # of pages, and of formulas in figures
_IN_PATHS = "/\\:*?|"
_FORMULA = ("=", "+", "-", "@")  # what begins so is calculated by a spreadsheet
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?", re.IGNORECASE)  # of Windows
_LONGEST = 200  # bytes, of the 255 that a file name may have, beginning and ending included


def name_problem(name: Any, *, of_file: bool = False) -> str:
    """Why this cannot be a name, and if `of_file` the stem of a file name; empty if it can.

    Examples
    --------
    >>> from imbalance_tf.cohort.names import name_problem
    >>> name_problem("necrosis + non-enhancing")
    ''
    >>> name_problem("../case_1", of_file=True)
    "the name '../case_1' holds '/'"
    """
    problem = _problem(name) or (_problem_of_file if of_file else _problem_of_label)(name)
    return f"the name {name!r} {problem}" if problem else ""


def expect_name(name: Any, what: str, *, of_file: bool = False) -> None:
    """ValueError, about `what`, unless this can be a name."""
    if problem := name_problem(name, of_file=of_file):
        raise ValueError(f"{what}: {problem}; choose another")


def _problem(name: Any) -> str:
    if not isinstance(name, str):
        return "is no text"
    if not name or name != name.strip():
        return "is empty, or begins or ends with a space"
    if not name.isprintable():
        return f"holds characters that cannot be printed on one line{undecoded(name)}"
    if marks := [each for each in _MARKUP if each in name]:
        return f"holds {marks[0]!r}"
    if name.startswith(_FORMULA):
        return f"begins with {name[0]!r}, as a formula of a spreadsheet does"
    if (length := len(name.encode())) > _LONGEST:
        return f"has {length} bytes; at most {_LONGEST} are expected"
    return ""


def _problem_of_file(name: str) -> str:
    if marks := [each for each in _IN_PATHS if each in name]:
        return f"holds {marks[0]!r}"
    if name.startswith(".") or name.endswith("."):
        return "begins or ends with a dot"
    if _DEVICE.fullmatch(name):
        return "is that of a device in Windows"
    return ""


def _problem_of_label(name: str) -> str:
    return "begins with '_': legends leave out such names" if name.startswith("_") else ""


def as_one(name: str) -> str:
    """The same for all names that are one file where capitals, or forms of a letter, are alike."""
    return unicodedata.normalize("NFC", name).casefold()


def one_line(text: str) -> str:
    """A text without what would end its line, or change a terminal: such characters as escapes."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def undecoded(name: str) -> str:
    """What to do about the bytes in a name that Python could not read as text; mostly nothing."""
    encoding = sys.getfilesystemencoding()
    if name.isascii() or encoding == "utf-8":
        return ""
    return f" (Python reads names of files as {encoding} here; set PYTHONUTF8=1 if they are UTF-8)"


def shown(text: str) -> str:
    """A text as standard output can write it: a character that its encoding lacks as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
