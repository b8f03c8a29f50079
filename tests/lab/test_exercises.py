"""One source for exercise and solution, and what is made of it."""

import ast
import re

import nbformat
import pytest
from click.testing import CliRunner

from imbalance_tf.lab.cli import main
from imbalance_tf.lab.exercises import built
from imbalance_tf.lab.notebooks import execute_notebook, notebook_paths

EXERCISE = """\
def dice(truth, predicted):
    ### BEGIN SOLUTION
    # stub: both = ...
    both = (truth & predicted).sum()
    ### END SOLUTION
    ### BEGIN SOLUTION
    # stub: mean = ...  # of the two sizes
    # stub: return float("nan")
    mean = (truth.sum() + predicted.sum()) / 2

    return both / mean
    ### END SOLUTION"""
STUDENT = """\
def dice(truth, predicted):
    # your code here
    both = ...
    # your code here
    mean = ...  # of the two sizes
    return float("nan")"""
SOLUTION = """\
def dice(truth, predicted):
    both = (truth & predicted).sum()
    mean = (truth.sum() + predicted.sum()) / 2

    return both / mean"""


def _write(path, *cells):
    new = {"code": nbformat.v4.new_code_cell, "note": nbformat.v4.new_markdown_cell}
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    for kind, tags, text in cells:
        notebook.cells.append(new[kind](text, metadata={"tags": tags} if tags else {}))
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def lesson(tmp_path):
    return _write(
        tmp_path / "01_lesson.ipynb",
        ("code", ["parameters"], "x: int = 1  # a number"),
        ("note", ["instructor"], "Expect the Jaccard index."),
        ("code", ["exercise"], EXERCISE),
        ("code", ["check"], "print(dice.__name__)"),
    )


@pytest.mark.parametrize(
    ("kind", "text", "cells"),
    [("student", STUDENT, 3), ("solutions", SOLUTION, 3), ("instructor", EXERCISE, 4)],
)
def test_one_source_gives_all_three(lesson, kind, text, cells):
    notebook = built(lesson, kind)
    nbformat.validate(notebook)
    assert len(notebook.cells) == cells
    assert notebook.cells[-2].source == text
    assert ("Expect" in nbformat.writes(notebook)) == (kind == "instructor")


@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_nbgrader_is_told_what_is_an_answer_and_what_a_test(lesson, kind):
    told = [cell.metadata.get("nbgrader", {}) for cell in built(lesson, kind).cells]
    assert [cell["solution"] for cell in told if cell] == [True, False]
    assert told[-1]["points"] == 1
    assert not any("nbgrader" in cell.metadata for cell in built(lesson, "solutions").cells)


@pytest.mark.parametrize(
    ("tags", "text", "words"),
    [
        ([], EXERCISE, "without the tag 'exercise'; a student would read it"),
        (["exercise"], "dice = 1", "an exercise without a solution"),
        (["exercise"], "### BEGIN SOLUTION\ndice = 1", "needs an '### END SOLUTION'"),
        (["exercise"], EXERCISE.replace("### END", "## END", 1), "needs an '### END SOLUTION'"),
        (["exercise"], EXERCISE.replace("# stub: both", "# both"), "no line '# stub: ...'"),
    ],
)
@pytest.mark.parametrize("kind", ["student", "solutions", "instructor"])
def test_a_cell_that_would_give_the_solution_away_is_named(tmp_path, tags, text, words, kind):
    path = _write(tmp_path / "01_lesson.ipynb", ("code", tags, text))
    with pytest.raises(ValueError, match=r"01_lesson.ipynb, cell '.*': ") as caught:
        built(path, kind)
    assert words in str(caught.value)


def test_a_notebook_is_executed_with_its_solutions_and_without_notes(lesson, tmp_path):
    executed = execute_notebook(lesson, tmp_path / "out", {})
    assert [path.name for path in executed.parent.iterdir()] == [lesson.name]
    sources = [cell.source for cell in nbformat.read(executed, as_version=4).cells]
    assert SOLUTION in sources
    assert not [source for source in sources if "Expect" in source]


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_the_notebooks_of_the_lab(path):
    source = nbformat.read(path, as_version=4)
    tags = [tag for cell in source.cells for tag in cell.metadata.get("tags", [])]
    assert {*tags} <= {"parameters", "exercise", "check", "instructor"}
    if tags == ["parameters"]:
        assert built(path, "student") == built(path, "instructor") == source
        return
    kept = [tag for tag in tags if tag in ("exercise", "check")]
    assert kept == ["exercise", "check"] * (len(kept) // 2), "each exercise has its check"
    student = built(path, "student")
    for cell in student.cells:
        assert "SOLUTION" not in cell.source
        assert "stub:" not in cell.source
        if "exercise" in cell.metadata.get("tags", []):
            ast.parse(cell.source)


@pytest.mark.parametrize("option", [(), ("--solutions",), ("--instructor",)])
def test_they_are_written_by_a_command(tmp_path, option):
    done = CliRunner().invoke(main, ["notebooks", str(tmp_path / "course"), *option])
    assert done.exit_code == 0, done.output
    for path in notebook_paths():
        written = tmp_path / "course" / path.name
        kind = option[0][2:] if option else "student"
        assert nbformat.read(written, as_version=4) == built(path, kind)
        if not re.search("exercise|instructor", path.read_text()):
            assert written.read_bytes() == path.read_bytes()
