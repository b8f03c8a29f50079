"""The documentation site, built as the README says, of the notebooks as the lab executed them."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

DOCS = Path(__file__).parents[1] / "docs"
LOADED = r"""<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)\s*=\s*["']([^"']+)"""
OUTSIDE = r"""(?:https?:)?//|file:|/"""

pytestmark = pytest.mark.slow


def _build(lab, out):
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, out],
        env={**os.environ, "IMBALANCE_LAB": str(lab)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(smoke, tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    done = _build(smoke[0], out)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path: path.read_text() for path in sorted(site.rglob("*.html"))}


def test_nothing_is_loaded_from_outside(site, pages):
    for path, text in pages.items():
        loaded = [each for each in re.findall(LOADED, text) if not each.startswith("data:")]
        assert loaded, path
        assert not [each for each in loaded if re.match(OUTSIDE, each)], path
        missing = [
            each for each in loaded if not (path.parent / re.sub(r"[?#].*", "", each)).exists()
        ]
        # Sphinx names these, and writes them only if it is told where the site will be.
        assert not missing, path
    for path in [*site.rglob("*.css"), *pages]:
        text = path.read_text()
        assert not re.findall(rf"""url\(["']?(?:{OUTSIDE})|@import ["'](?:{OUTSIDE})""", text), path
    for path in site.rglob("*.js"):
        assert not re.findall(r"""(?:import|fetch|src ?=)\W{0,3}https?:""", path.read_text()), path


def test_every_page_is_there_with_a_title_of_its_own(site, pages):
    sources = [*DOCS.rglob("*.md"), *DOCS.parent.glob("notebooks/*.ipynb")]
    for source in sources:
        root = DOCS if source.is_relative_to(DOCS) else DOCS.parent
        assert (site / source.relative_to(root)).with_suffix(".html") in pages
    titles = [re.search("<title>(.+?)</title>", text, re.DOTALL)[1] for text in pages.values()]
    assert len(set(titles)) == len(titles)


def test_links_between_pages_lead_to_something(pages):
    for path, text in pages.items():
        for link in map(unescape, re.findall(r"""<a [^>]*href=["']([^"']+)""", text)):
            target, _, section = link.partition("#")
            if re.match("https?:|mailto:", link):
                continue
            found = path.parent / unquote(target) if target else path
            assert found.exists(), f"{path}: {link}"
            if section and found in pages:
                assert re.search(rf"""id=["']{re.escape(unquote(section))}["']""", pages[found]), (
                    link
                )


def test_the_notebooks_are_shown_as_they_were_executed(site, pages):
    gallery = pages[site / "notebooks" / "index.html"]
    for path in DOCS.parent.glob("notebooks/*.ipynb"):
        page = pages[site / "notebooks" / f"{path.stem}.html"]
        assert len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", page)) >= 4
        assert "injected" not in page
        assert f"{path.stem}.png" in gallery
    assert "<math" in pages[site / "notebooks" / "08_other_remedies.html"]


def test_the_reference_has_every_public_name(pages):
    import imbalance_tf

    text = "".join(pages.values())
    assert not [name for name in imbalance_tf.__all__ if f'id="imbalance_tf.{name}"' not in text]


def test_a_folder_that_is_no_lab_is_refused(tmp_path):
    done = _build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert f"IMBALANCE_LAB={tmp_path} has no folder notebooks" in done.stdout + done.stderr
