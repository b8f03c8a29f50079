"""The pages of a run, read back from the files."""

import base64
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

from imbalance_tf.lab.pages import TABLE, write_page, write_start_page
from imbalance_tf.lab.settings import SETTINGS


def _picture(folder):
    plt.imsave(folder / "dot.png", [[0.0, 1.0]])
    return (folder / "dot.png").read_bytes()


@pytest.fixture
def out(tmp_path):
    """A folder with one executed notebook: two figures, of which one has a text."""

    png = base64.b64encode(_picture(tmp_path)).decode()
    html = '<img src="data:," alt="Dice of &quot;core&quot; &amp;lt; that of whole">'
    outputs = [
        nbformat.v4.new_output("display_data", {"image/png": png, "text/html": html}),
        nbformat.v4.new_output("display_data", {"image/png": png}),
    ]
    cell = nbformat.v4.new_code_cell("show()", outputs=outputs, execution_count=1)
    text = nbformat.v4.new_markdown_cell("intro\n\n# 7. Two <classifiers>\n[next](08_other.ipynb)")
    out = tmp_path / "out"
    (out / "notebooks").mkdir(parents=True)
    executed = out / "notebooks" / "07_two.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[text, cell]), executed)
    (out / SETTINGS).write_text(json.dumps({"profile": "smoke", "data": "", "seed": 3}))
    (out / TABLE).write_text("strategy,whole,cases core\nrandom,0.81234,6\n<b>,,6\n")
    write_page(executed, "07_two", out)
    write_start_page(out)
    return out


def test_the_start_page_shows_what_there_is(out):
    page = (out / "index.html").read_text()
    assert "0.812" in page
    assert "7. Two &lt;classifiers&gt;</a>" in page
    assert ">smoke<" in page
    assert ">3<" in page
    assert "<b>" not in page, "names are escaped"
    assert page.count("<img") == 2
    assert 'alt="Dice of &quot;core&quot; &amp;lt; that of whole"' in page
    assert 'alt="Figure 2 of 7. Two &lt;classifiers&gt;"' in page


def test_every_link_leads_to_something_beside_it(out):
    pages = [out / "index.html", *(out / "html").iterdir()]
    assert len(pages) == 3, "also one for the notebook that is not executed"
    for page in pages:
        text = page.read_text()
        links = re.findall(r'(?:href|src)="([^"#]+)', text)
        local = [link for link in links if not re.match("https?:|data:", link)]
        assert [link for link in local if not (page.parent / link).exists()] == []
    assert not re.search("https?:", (out / "index.html").read_text())


def test_a_page_of_a_notebook_that_is_not_executed_gives_way_to_its_own(out):
    page = out / "html" / "08_other.html"
    assert "<code>imbalance-tf run 8</code>" in page.read_text()
    assert "08_other" not in (out / "index.html").read_text()
    executed = out / "notebooks" / "07_two.ipynb"
    write_page(executed, "08_other", out)
    assert "not executed" not in page.read_text()
    write_page(executed, "07_two", out)
    assert "show" in page.read_text()


def test_a_page_has_a_title_of_its_own_and_a_way_home(out):
    page = (out / "html" / "07_two.html").read_text()
    assert "<title>7. Two &lt;classifiers&gt;</title>" in page
    assert 'href="../index.html"' in page
    assert [path.name for path in sorted((out / "figures").iterdir())] == [
        "07_two_01.png",
        "07_two_02.png",
    ]


def test_a_figure_that_is_no_longer_there_goes(out):
    executed = out / "notebooks" / "07_two.ipynb"
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells[1].outputs.pop()
    nbformat.write(notebook, executed)
    write_page(executed, "07_two", out)
    write_start_page(out)
    assert [Path(path).name for path in (out / "figures").iterdir()] == ["07_two_01.png"]
    assert (out / "index.html").read_text().count("<img") == 1


@pytest.mark.bad_input
@pytest.mark.parametrize("name", [TABLE, SETTINGS, "notebooks/07_two.ipynb"])
@pytest.mark.parametrize("content", ["", "{", "[1", "\0\0"])
def test_a_damaged_file_is_named_with_the_way_out(out, name, content):
    if name == TABLE and content:
        content = 'a,b\n1,"2'
    (out / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{Path(name).name} is damaged .*; delete it, and it is"):
        write_start_page(out)
