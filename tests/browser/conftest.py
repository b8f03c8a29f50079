"""Chromium, and a JupyterLab as a student starts it. Run by `pytest tests/browser` only."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

try:
    from playwright.sync_api import Error, sync_playwright
except ImportError as error:
    raise ImportError('tests/browser needs playwright: pip install ".[browser]"') from error

HERE = ("file:", "data:", "blob:", "http://127.0.0.1:", "ws://127.0.0.1:")


@pytest.fixture(scope="session")
def chromium():
    """The Chromium that is installed, or else the one of `playwright install chromium`."""
    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except Error as error:
            pytest.fail(f"no Chromium; run `playwright install chromium`. {error}")
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """A page that leaves nothing for the network, and keeps the errors that it reports."""
    contexts = []

    def opened(**settings):
        context = chromium.new_context(viewport={"width": 1000, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("request", lambda asked: asked.url.startswith(HERE) or page.problems.append(asked))
        page.on("console", lambda said: said.type == "error" and page.problems.append(said.text))
        page.on("pageerror", lambda error: page.problems.append(error))
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def jupyterlab():
    """`with jupyterlab(folder, home) as address`: see `_jupyterlab`."""
    return _jupyterlab


@contextmanager
def _jupyterlab(folder, home):
    """The address of a JupyterLab that serves a folder, with no settings of a person's own."""
    places = ("CONFIG", "DATA", "RUNTIME")
    environment = {**os.environ, **{f"JUPYTER_{place}_DIR": str(home / place) for place in places}}
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--port=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    home.mkdir(exist_ok=True)
    with (home / "log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield _address(server, home)
    finally:
        server.terminate()
        server.wait(30)


def _address(server, home):
    for _ in range(600):
        assert server.poll() is None, (home / "log").read_text()
        for path in (home / "RUNTIME").glob("jpserver-*.json"):
            try:
                return json.loads(path.read_text())["url"]
            except ValueError:  # it is being written
                pass
        time.sleep(0.2)
    pytest.fail("JupyterLab did not start. " + (home / "log").read_text())
