"""One source for exercise and solution: what a student, a reader and a teacher get of it.

A notebook marks its cells by tags. In a cell tagged ``exercise``, what a student writes stands
between the lines ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (as nbgrader has them), and in
comments there what stands in its place until then::

    def dice(truth, predicted):
        ### BEGIN SOLUTION
        # stub: return float("nan")
        return 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())
        ### END SOLUTION

A stub has to run, and so have the cells after it. A cell tagged ``check`` calls one of
`imbalance_tf.lab.checks`; a cell tagged ``instructor`` is for the teacher alone.
"""

import re
import textwrap
from pathlib import Path
from typing import Literal

import nbformat

__all__ = ["Kind", "built"]

Kind = Literal["student", "solutions", "instructor"]

_REGION = re.compile(r"(?ms)^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$")
_STUB = re.compile(r"(?m)^ *# stub: (.*\n)")
_MARKER = re.compile(r"### (?:BEGIN|END) SOLUTION")


def built(source: Path, kind: Kind) -> nbformat.NotebookNode:
    """A notebook for those who do its exercises, read their solutions, or teach with it.

    Parameters
    ----------
    source : Path
        A notebook without any of the tags comes out as it is.
    kind : {"student", "solutions", "instructor"}
        With stubs; with solutions; or with the markers, and the teacher's cells too. The first and
        the last say to nbgrader which cells are answers and which are tests.

    Raises
    ------
    ValueError
        If a marker stands alone or outside an exercise, or an exercise has no solution or no stub.
    """
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        exercise = "exercise" in cell.metadata.get("tags", [])
        problem = _problem(cell.source, exercise)
        if problem:
            raise ValueError(f"{source.name}, cell '{cell.id}': {problem}")
        if kind != "solutions":
            _tell_nbgrader(cell)
        if exercise and kind != "instructor":
            cell.source = _REGION.sub(_stub if kind == "student" else _solution, cell.source)
    if kind != "instructor":
        notebook.cells = [
            cell for cell in notebook.cells if "instructor" not in cell.metadata.get("tags", [])
        ]
    return notebook


def _problem(text: str, exercise: bool) -> str:
    """What is wrong with the markers of a cell; empty if nothing is."""
    regions = _REGION.findall(text)
    if len(_MARKER.findall(text)) != 2 * len(regions):
        return "each '### BEGIN SOLUTION' needs an '### END SOLUTION', on lines of their own"
    if regions and not exercise:
        return "a solution in a cell without the tag 'exercise'; a student would read it"
    if exercise and not regions:
        return "an exercise without a solution between '### BEGIN SOLUTION' and '### END SOLUTION'"
    if not all(_STUB.search(body) for _, body in regions):
        return "no line '# stub: ...' in the solution, such as '# stub: dice = ...'"
    return ""


def _stub(region: re.Match) -> str:
    lines = "# your code here\n" + "".join(_STUB.findall(region[2]))
    return textwrap.indent(lines, region[1]).rstrip("\n")


def _solution(region: re.Match) -> str:
    return _STUB.sub("", region[2]).rstrip("\n")


def _tell_nbgrader(cell: nbformat.NotebookNode) -> None:
    """The metadata by which nbgrader knows an answer from a test of it, which is worth a point."""
    tags = cell.metadata.get("tags", [])
    common = {"schema_version": 3, "grade_id": cell.id, "task": False}
    if "exercise" in tags:
        cell.metadata.nbgrader = {**common, "grade": False, "solution": True, "locked": False}
    elif "check" in tags:
        cell.metadata.nbgrader = {
            **common, "grade": True, "solution": False, "locked": True, "points": 1
        }  # fmt: skip
