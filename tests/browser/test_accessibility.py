"""The pages of a run in a browser: an accessibility checker is content, and nothing is loaded."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from imbalance_tf.lab.cli import main


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """All notebooks, executed in the smoke profile."""
    out = tmp_path_factory.mktemp("smoke")
    main(["run", "--all", "--profile", "smoke", "--out", str(out)], standalone_mode=False)
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_clean(opened, out, scheme):
    page, faults = opened(color_scheme=scheme), {}
    for path in [out / "index.html", *sorted((out / "html").glob("*.html"))]:
        page.goto(path.as_uri())
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        if found.violations_count or page.problems:
            faults[path.name] = found.generate_report(), [*page.problems]
        page.problems.clear()
    assert faults == {}


def test_every_slider_shows_one_figure_and_moves_by_keys(opened, out):
    page, moved = opened(), set()
    for path in sorted((out / "html").glob("*.html")):
        page.goto(path.as_uri())
        for box in page.locator(".frames").all():
            slider, image = box.locator("input"), box.locator("img")
            for key in ("Home", "ArrowRight", "ArrowRight"):
                before = slider.get_attribute("aria-valuetext"), image.get_attribute("src")
                slider.press(key)
                assert image.count() == 1
                assert image.is_visible()
                text = slider.get_attribute("aria-valuetext")
                assert text.endswith(image.get_attribute("alt"))
                if key != "Home":
                    assert text != before[0]
                    assert image.get_attribute("src") != before[1]
            moved.add(path.stem[:2])
    assert moved == {"03", "07", "08", "09"}
    assert page.problems == []
