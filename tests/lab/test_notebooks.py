"""The notebooks as they are committed, as they are executed, and as they fail."""

import errno
import json
import os
import re
from collections import Counter
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from nbclient import NotebookClient

from imbalance_tf import write_phantom_cohort
from imbalance_tf.lab import notebooks
from imbalance_tf.lab.exercises import built
from imbalance_tf.lab.notebooks import (
    NotebookError,
    chosen_notebooks,
    execute_notebook,
    notebook_paths,
)

NAMES = [
    "01_data_exploration",
    "02_random_sampling",
    "03_balanced_sampling",
    "04_hard_example_mining",
    "05_dice_comparison",
    "06_thresholds_and_shares",
    "07_two_classifiers",
    "08_other_remedies",
    "09_which_data",
    "10_how_sure",
]
PARAMETERS = {"profile", "out", "seed", "own_data"}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
NOISE = re.compile(
    r"oneDNN|cpu_feature_guard|computation_placer|cuda|TensorRT|absl|rendezvous|XLA|"
    r"[IWEF]\d{4} \d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d|Warning",
    re.IGNORECASE,
)

# ipykernel and zmq, in the process that runs the kernel.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(params=notebook_paths(), ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_the_notebooks_are_there():
    assert [path.stem for path in notebook_paths()] == NAMES


def test_a_notebook_is_committed_clean(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_a_notebook_opens_with_objectives_and_minutes_and_ends_with_a_question(notebook):
    first = notebook.cells[0].source
    assert first.startswith("# ")
    assert "**After this notebook you can**" in first
    assert re.search(r"About \d+ minutes", first)
    assert "## To think about" in notebook.cells[-1].source + notebook.cells[-2].source


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_one_tagged_annotated_parameters_cell(path):
    tagged = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", [])
    ]
    assert len(tagged) == 1
    known = papermill.inspect_notebook(str(path))
    assert set(known) == PARAMETERS
    for parameter in known.values():
        assert parameter["inferred_type_name"] in ("str", "int", "dict")
        assert parameter["help"]


@pytest.mark.slow
def test_the_lab_leaves_all_that_it_promises(smoke):
    out, printed = smoke
    for name in NAMES:
        assert (out / "notebooks" / f"{name}.ipynb").exists()
        assert (out / "html" / f"{name}.html").exists()
        figures = list((out / "figures").glob(f"{name}_*.png"))
        assert len(figures) >= 4
        assert all(figure.read_bytes().startswith(b"\x89PNG") for figure in figures)
    runs = sorted(path.name.rpartition("-")[0] for path in (out / "runs").glob("[!.]*"))
    expected = {
        "balanced": 3,  # with a share of one's own, and on another disease
        "balanced-healthy_or_not": 1,
        "balanced-mining": 2,  # and a threshold of one's own
        "balanced-naturalhead": 1,
        "balanced-which_kind": 1,
        "random": 2,  # also on another disease
        "random-crossentropy": 1,
        "smote": 1,
    }
    assert Counter(runs) == expected
    table = pd.read_csv(out / "dice_comparison.csv", index_col="strategy")
    assert table.index.tolist() == ["random", "balanced", "hard"]
    assert {"whole", "core", "active", "healthy", "volume whole"} < set(table)
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.split()}
    for strategy, row in table.iterrows():
        assert lines[strategy][:3] == [f"{row[name]:.3f}" for name in ("whole", "core", "active")]
    assert str(out) in printed


def test_executed_notebooks_have_no_noise_and_no_control_codes(smoke):
    for name in NAMES:
        executed = nbformat.read(smoke[0] / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in executed.cells:
            for output in cell.get("outputs", []):
                assert output.output_type != "error"
                assert output.get("name") != "stderr", output.text
                text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
                assert not CONTROL.search(text), text
                assert not NOISE.search(text), text


@pytest.mark.slow
def test_no_cell_draws_a_figure_without_showing_it(smoke):
    for name in NAMES:
        executed = nbformat.read(smoke[0] / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in executed.cells:
            if cell.cell_type == "code" and "\nfigures." in "\n" + cell.source:
                outputs = [output.get("data", {}) for output in cell.outputs]
                pictures = ["image/png" in data for data in outputs]
                sliders = ['class="frames"' in data.get("text/html", "") for data in outputs]
                assert sum(pictures) + sum(sliders) == 1, cell.source


def test_every_figure_has_a_text_and_no_two_have_the_same(smoke):
    for name in NAMES:
        executed = nbformat.read(smoke[0] / "notebooks" / f"{name}.ipynb", as_version=4)
        outputs = [o.get("data", {}) for c in executed.cells for o in c.get("outputs", [])]
        shown = [data for data in outputs if "image/png" in data]
        texts = [re.findall(r'<img[^>]* alt="([^"]+)"', d.get("text/html", "")) for d in shown]
        assert all(len(text) == 1 for text in texts), name
        assert len({text for (text,) in texts}) == len(shown), name
        page = (smoke[0] / "html" / f"{name}.html").read_text()
        assert not re.findall(r"<img(?![^>]* alt=\"[^\"]+\")", page), name


def test_the_pages_load_nothing_from_the_network(smoke):
    for name in NAMES:
        page = (smoke[0] / "html" / f"{name}.html").read_text()
        assert not re.findall(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css)""", page)
        assert not re.findall(r"""(?:import|require)\(["']https?://""", page)
        assert not re.findall(r"https?://[\w.-]*(?:cdn|unpkg)", page)


@pytest.mark.slow
def test_a_second_run_reads_what_is_there(smoke, run_smoke):
    out, printed = smoke
    kept = {p: p.stat().st_mtime_ns for p in (out / "runs").rglob("*") if p.is_file()}
    phantom = {p: p.stat().st_mtime_ns for p in out.glob("phantom-*/*/*.nii.gz")}
    assert len(phantom) == 20
    again = run_smoke(out.parent.parent)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert {p: p.stat().st_mtime_ns for p in phantom} == phantom
    assert "Epoch" in printed
    assert "Epoch" not in again
    assert again.split("Mean Dice")[1].split("minutes")[0][:-6] in printed


def test_the_links_of_a_page_lead_to_something(smoke):
    for name in NAMES:
        page = smoke[0] / "html" / f"{name}.html"
        links = re.findall(r"""<a [^>]*href=["']([^"'#]+)(?:#([^"']+))?""", page.read_text())
        local = [link for link in links if not link[0].startswith(("http:", "https:", "data:"))]
        assert local, name  # the next notebook's page, or one that explains a word
        for target, section in local:
            assert (page.parent / target).exists(), target
            assert not section or f'id="{section}"' in (page.parent / target).read_text(), section


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
@pytest.mark.slow
def test_every_cell_can_be_run_twice_with_the_same_result(smoke, path, tmp_path):
    """A person presses the keys again; nothing is bound to something else, or drawn on."""
    out, _ = smoke
    doubled = nbformat.read(path, as_version=4)
    parameters = [c for c in doubled.cells if "parameters" in c.metadata.get("tags", [])]
    parameters[0].source += f"\nprofile, out = 'smoke', {str(out)!r}"
    code = [cell for cell in doubled.cells if cell.cell_type == "code"]
    doubled.cells = [nbformat.v4.new_code_cell(cell.source) for cell in code for _ in range(2)]
    NotebookClient(doubled, kernel_name="python3", iopub_timeout=120).execute(cwd=str(tmp_path))
    for once, again in zip(doubled.cells[::2], doubled.cells[1::2], strict=True):
        assert _shown(once) == _shown(again), once.source


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
@pytest.mark.slow
def test_a_students_notebook_runs_before_anything_is_written_in_it(smoke, path, tmp_path):
    student = built(path, "student")
    checked = _tagged(student, "check")
    if not checked:
        return  # it is the notebook that was executed
    _tagged(student, "parameters")[0].source += f"\nprofile, out = 'smoke', {str(smoke[0])!r}"
    NotebookClient(student, kernel_name="python3", iopub_timeout=120).execute(cwd=str(tmp_path))
    for cell in checked:
        (said,) = cell.outputs
        assert said.text.startswith(cell.source.rpartition("checks.")[2].partition("(")[0])
        assert "your code stopped" not in said.text, "a stub is no mistake"
        assert not said.text.endswith(": right\n")
    for cell in student.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text


def _tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def _shown(cell):
    # What is printed comes in as many pieces as the time between them makes.
    printed = "".join(output.get("text", "") for output in cell.outputs)
    return printed, [output.data for output in cell.outputs if "data" in output]


def _lesson(folder, *cells):
    """A notebook of these cells, after one with a parameter."""
    cells = ["x: int = 1  # a number", *cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata.tags = ["parameters"]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, folder / "lesson.ipynb")
    return folder / "lesson.ipynb"


def test_a_notebook_that_was_killed_before_its_page_was_written_is_none_that_was_edited(
    tmp_path, monkeypatch
):
    lesson, out = _lesson(tmp_path, "print(x)"), tmp_path / "out"
    (out / "html").mkdir(parents=True)
    (out / "html" / "lesson.html").write_text("not executed: another notebook leads here")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(notebooks, "write_page", killed)
        with pytest.raises(KeyboardInterrupt):
            execute_notebook(lesson, out, {})
    executed = execute_notebook(lesson, out, {})
    assert [path.name for path in executed.parent.iterdir()] == ["lesson.ipynb"]
    assert "not executed" not in (out / "html" / "lesson.html").read_text()


def test_a_finished_notebook_is_not_replaced_by_a_part_of_it(tmp_path, monkeypatch):
    """As Ctrl-C leaves it in a second run."""
    lesson, out = _lesson(tmp_path, "print(x)", "print(x + 1)"), tmp_path / "out"
    executed = execute_notebook(lesson, out, {})
    finished, page = executed.read_text(), (out / "html" / "lesson.html").read_text()

    def stopped(_, running, **__):
        notebook = nbformat.read(lesson, as_version=4)
        nbformat.write(notebook, running)
        raise KeyboardInterrupt

    monkeypatch.setattr(papermill, "execute_notebook", stopped)
    with pytest.raises(KeyboardInterrupt):
        execute_notebook(lesson, out, {})
    assert executed.read_text() == finished
    assert (out / "html" / "lesson.html").read_text() == page
    executed.unlink()
    with pytest.raises(KeyboardInterrupt):
        execute_notebook(lesson, out, {})
    assert executed.exists()  # as far as it came, if there is no other


def test_a_notebook_in_which_a_person_has_worked_is_kept(tmp_path):
    lesson, out = _lesson(tmp_path, "print(x)"), tmp_path / "out"
    executed = execute_notebook(lesson, out, {})
    execute_notebook(lesson, out, {})
    assert [path.name for path in executed.parent.iterdir()] == ["lesson.ipynb"]
    for number in (1, 2):
        answered = nbformat.read(executed, as_version=4)
        answered.cells.append(nbformat.v4.new_markdown_cell(f"my answer {number}"))
        nbformat.write(answered, executed)
        later = (out / "html" / "lesson.html").stat().st_mtime + 5
        os.utime(executed, (later, later))
        execute_notebook(lesson, out, {})
        kept = executed.with_name(f"lesson.edited-{number}.ipynb")
        assert f"my answer {number}" in kept.read_text()
        assert "my answer" not in executed.read_text()


@pytest.mark.slow
def test_the_comparison_alone_runs_the_whole_lab_on_real_files(tmp_path, write_case):
    """In any order, by papermill itself, on a folder of cases, with BraTS 2013's kind of names."""
    case_folder = tmp_path / "cases"
    for number, name in enumerate(("0001", "NA", "1e5")):
        write_case(case_folder, name, seed=number)
    papermill.execute_notebook(
        str(*chosen_notebooks(["5"])),
        str(tmp_path / "05.ipynb"),
        parameters={
            "profile": "smoke",
            "own_data": {"data": str(case_folder)},
            "out": str(tmp_path / "out"),
        },
        progress_bar=False,
        iopub_timeout=120,
    )
    assert len(list((tmp_path / "out" / "runs").glob("[!.]*"))) == 3


@pytest.mark.slow
def test_another_disease_goes_through_the_whole_lab(tmp_path, run_smoke):
    """Two classes, one region, a scheme from a TOML file: nothing in the lab is about tumours."""
    cases = write_phantom_cohort(
        tmp_path / "cases", cases=4, slice_thickness=10, disease="lesions", progress=False
    )
    run_smoke(tmp_path, "--all", "--data", str(cases))
    out = tmp_path / "results" / "smoke"
    table = pd.read_csv(out / "dice_comparison.csv", index_col="strategy")
    assert table.index.tolist() == ["random", "balanced", "hard"]
    assert list(table)[:2] == ["lesion", "healthy"]
    for name in NAMES:
        executed = nbformat.read(out / "notebooks" / f"{name}.ipynb", as_version=4)
        printed = [o.get("text", "") for c in executed.cells for o in c.get("outputs", [])]
        assert "enhancing" not in "".join(printed)


@pytest.mark.slow
def test_one_notebook_is_run_by_its_number(tmp_path, run_smoke):
    printed = run_smoke(tmp_path, "01")
    out = tmp_path / "results" / "smoke"
    assert [path.stem for path in (out / "notebooks").glob("*.ipynb")] == ["01_data_exploration"]
    assert "not executed" in (out / "html" / "02_random_sampling.html").read_text()
    assert f"Start here: {out / 'index.html'}" in printed
    assert "Mean Dice" not in printed, "nothing is trained yet"


def test_a_notebook_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"notebook 99; a number or one of 01_data_exploration, "):
        chosen_notebooks(["1", "99"])


def test_an_unknown_parameter_names_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match=r"no parameter 'epochs'; it has profile, out, seed, own_data"
    ):
        execute_notebook(notebook_paths()[0], tmp_path, {"epochs": 3})
    assert not list(tmp_path.iterdir())


def test_a_failed_notebook_is_kept_and_the_cell_is_named(tmp_path):
    lesson = _lesson(tmp_path, "print('before')", "1 / (x - 1)", "print('after')")
    with pytest.raises(NotebookError, match=r"lesson.ipynb failed in cell \[3\]: ZeroDivision"):
        execute_notebook(lesson, tmp_path / "out", {})
    kept = json.loads((tmp_path / "out" / "notebooks" / "lesson.ipynb").read_text())
    assert "before" in json.dumps(kept)
    assert (tmp_path / "out" / "html" / "lesson.html").exists()


def test_on_a_full_disk_the_notebook_of_before_stays(tmp_path, monkeypatch):
    source = notebook_paths()[0]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / source.name).write_text("before")

    def full(_, running, **__):
        Path(running).write_text('{"cells": [')
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", full)
    with pytest.raises(OSError, match=r"is full .*01_data_exploration.ipynb .* takes 5.0 MB"):
        execute_notebook(source, tmp_path, {"profile": "smoke"})
    assert (tmp_path / "notebooks" / source.name).read_text() == "before"
    assert not (tmp_path / "html").exists()
