"""A student in JupyterLab: runs, solves, goes on to the next notebook, interrupts, runs again."""

import re
import time

import nbformat
import pytest
from nbclient import NotebookClient

from imbalance_tf.lab.notebooks import write_notebooks

MINUTE = 60_000  # milliseconds, as the browser counts
PATIENCE = 20 * MINUTE
SOLUTION = """\
def dice(truth, predicted):
    sizes = truth.sum() + predicted.sum()
    return 2 * (truth & predicted).sum() / sizes if sizes else float("nan")
"""
SLIDER = """\
import matplotlib.pyplot as plt
from imbalance_tf.evaluation import figures

def draw(value):
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.bar([0], [value])
    plt.close(figure)
    return figure

figures.slider(draw, [1, 2, 3], label="height", describe="a bar of height {}".format)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory, jupyterlab):
    """A course as a student gets it, and a slider that was drawn on another machine."""
    folder = tmp_path_factory.mktemp("course")
    write_notebooks(folder)
    cell = nbformat.v4.new_code_cell(SLIDER)
    slider = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), kernel_name="python3").execute()
    slider.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(slider, folder / "slider.ipynb")
    with jupyterlab(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


def notebook(page, address, name):
    page.goto(f"{address}lab/tree/{name}.ipynb?reset", timeout=2 * MINUTE)
    page.set_default_timeout(2 * MINUTE)
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")
    # What is run before the kernel has answered may be lost.
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()


def cell(page, text):
    return page.locator(".jp-NotebookPanel:visible .jp-CodeCell", has_text=text).first


def write(page, of_cell, text):
    of_cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def choose(page, profile):
    """Edit the cell of parameters."""
    parameters = cell(page, "profile: str")
    text = parameters.locator(".cm-content").inner_text()
    write(page, parameters, text.replace('"lab"', f'"{profile}"'))


def run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu [data-command='runmenu:run-all']").click()


def outputs(of_cell):
    return of_cell.locator(".jp-OutputArea-output").all_text_contents()  # out of view, too


def says(of_cell, text, patience=PATIENCE):
    """Wait until a cell has printed it."""
    of_cell.locator(".jp-OutputArea-output", has_text=re.compile(text)).first.wait_for(
        timeout=patience
    )


def follow(page, link, heading):
    """Follow the last link to another notebook."""
    page.get_by_role("link", name=link, exact=True).last.click()
    page.wait_for_selector(f".jp-NotebookPanel:visible h1:has-text('{heading}')")


def ended(of_cell):
    return re.search(r"\[\d+\]", of_cell.locator(".jp-InputPrompt").text_content())


def test_an_exercise_is_solved_and_a_link_leads_on(opened, address):
    page = opened()
    notebook(page, address, "01_data_exploration")
    choose(page, "smoke")
    run_all(page)
    check = cell(page, "checks.dice(dice)")
    says(check, "dice: .*nothing is computed yet")
    says(cell(page, "realism.inside.sum()"), "values lie within")  # a stub stops nothing after it
    assert page.locator(".jp-NotebookPanel:visible [data-mime-type$=stderr]").count() == 0

    exercise = cell(page, "def dice(truth, predicted)")
    write(page, exercise, SOLUTION)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    says(check, "^dice: right")

    follow(page, "02_random_sampling", "2. Random sampling")
    assert page.problems == []


def test_a_training_shows_that_it_is_alive_and_goes_on_after_an_interruption(opened, address):
    """In the lab profile: the trainings of `smoke` are over too soon to be interrupted."""
    page = opened()
    notebook(page, address, "03_balanced_sampling")
    run_all(page)
    training = cell(page, 'result = lab.run("balanced")')
    says(training, "Epoch 3/10")
    page.locator("[data-command='notebook:interrupt-kernel'], [title*='Interrupt']").first.click()
    says(training, "Run it again, and it goes on after the last finished epoch")
    says(training, "KeyboardInterrupt")

    run_all(page)
    says(training, "going on after epoch")
    silences, text, since = [], "", time.monotonic()
    while not ended(training):
        now, found = time.monotonic(), "".join(outputs(training))
        if found != text:
            silences.append(now - since)
            text, since = found, now
        assert now - since < 10, f"silent for ten seconds after: {text[-200:]}"
        page.wait_for_timeout(200)
    print(f"longest silence: {max(silences):.1f} s in {len(silences)} signs of life")
    assert "Epoch 10/10" in text
    follow(page, "04_hard_example_mining", "4. Hard example mining")
    assert page.problems == []


def test_a_slider_is_one_figure_until_trusted_and_then_moves_by_keys(opened, address):
    page = opened()
    notebook(page, address, "slider")
    frames = page.locator(".frames")
    frames.wait_for()
    assert [image.get_attribute("alt") for image in frames.locator("img").all()] == [
        "a bar of height 1"
    ]

    cell(page, "figures.slider").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")  # its own output is trusted
    frames.locator("input[data-frames]").focus(timeout=2 * MINUTE)
    page.keyboard.press("ArrowRight")
    assert frames.locator("img").count() == 1
    assert frames.locator("img").get_attribute("alt") == "a bar of height 2"
    assert frames.locator("input").get_attribute("aria-valuetext") == "2. a bar of height 2"
    assert page.problems == []
