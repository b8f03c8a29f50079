"""The pages that a run leaves: one per notebook, and one to start from."""

import base64
import json
import re
import time
from html import escape, unescape
from importlib.metadata import version
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from imbalance_tf.cohort.disk import write_whole
from imbalance_tf.training.folder import refusing

from .settings import SETTINGS

__all__ = ["TABLE", "write_page", "write_start_page"]

_LINK = r"\]\((\d\d_\w+)\.ipynb"  # to another notebook
TABLE = "dice_comparison.csv"
_STYLE = """
:root { color-scheme: light dark }
body { background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif;
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem; text-align: right }
tr { border-bottom: 1px solid #888 }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem }
.figures img { width: 100%; background: white }
"""
# In nbconvert's pages some greys and code colours have less contrast than 4.5:1, and nothing but a
# colour tells a link from the text around it.
_READABLE = """
<style>:root {
  --jp-cell-prompt-not-active-opacity: 1; --jp-mirror-editor-number-color: #006400;
  --jp-mirror-editor-operator-color: #7a00cc; --jp-mirror-editor-comment-color: #2f6060;
} .jp-RenderedHTMLCommon a:link { text-decoration: underline }</style>
</head>"""


def write_page(executed: Path, name: str, out: Path) -> None:
    """Leave ``html/<name>.html`` and each figure as ``figures/<name>_<number>.png``.

    Where the page leads to that of a notebook that is not executed, one is left that says so.
    """
    notebook = nbformat.read(executed, as_version=4)
    pictures, others = _pictures(notebook), set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":  # the pages lie side by side, as the notebooks do
            others.update(re.findall(_LINK, cell.source))
            cell.source = re.sub(_LINK, r"](\1.html", cell.source)
    home = nbformat.v4.new_markdown_cell("[All results of this run](../index.html)")
    notebook.cells = [home, *notebook.cells]
    # Without the addresses of scripts on the network: the page must open without one.
    addresses = [trait for trait in HTMLExporter.class_trait_names() if trait.endswith("_url")]
    html, _ = HTMLExporter(**dict.fromkeys(addresses, "")).from_notebook_node(
        notebook, {"metadata": {"name": _title(notebook, name)}}
    )
    for folder in ("html", "figures"):
        (out / folder).mkdir(exist_ok=True)
    for old in (out / "figures").glob(f"{name}_[0-9][0-9].png"):
        old.unlink()
    for number, (picture, _) in enumerate(pictures, start=1):
        write_whole(out / "figures" / f"{name}_{number:02}.png", picture)
    html = _without_empty_headers(html.replace("</head>", _READABLE, 1))
    write_whole(out / "html" / f"{name}.html", html)
    for other in others:
        if not (page := out / "html" / f"{other}.html").exists():
            words, number = other.replace("_", " "), int(other[:2])
            write_whole(
                page,
                _page(
                    f"{words}: not executed",
                    f"<p>This run did not execute it: <code>imbalance-tf run {number}</code>, with "
                    f'the options of this run, does.</p><p><a href="../index.html">All results of '
                    f"this run</a></p>",
                ),
            )


def write_start_page(out: Path) -> Path:
    """Leave ``index.html``: the table, the notebooks, their figures, the settings and the version.

    It needs nothing but what lies beside it, and no network.
    """
    sections, again = [], "delete it, and it is made again"
    if (out / TABLE).exists():
        with refusing(ValueError, f"{out / TABLE} is damaged", again):
            table = pd.read_csv(out / TABLE, index_col=0).dropna(axis="columns", how="all")
        table = table.T.rename_axis(None, axis="columns")  # the other way round it is too wide
        sections.append(
            "<h2>Mean Dice over the test cases</h2>"
            + table.to_html(border=0, float_format="{:.3g}".format)
        )
    notebooks = {}
    for path in sorted((out / "notebooks").glob("[!.]*.ipynb")):
        if (out / "html" / f"{path.stem}.html").exists():
            with refusing(ValueError, f"{path} is damaged", again):
                notebooks[path.stem] = nbformat.read(path, as_version=4)
    links = [
        f'<li><a href="html/{name}.html">{escape(_title(notebook, name))}</a></li>'
        for name, notebook in notebooks.items()
    ]
    sections.append(f"<h2>Notebooks</h2><ul>{''.join(links)}</ul>")
    figures = [
        f'<a href="html/{name}.html"><img src="figures/{name}_{number:02}.png" '
        f'alt="{escape(alt or f"Figure {number} of {_title(notebook, name)}")}" loading="lazy"></a>'
        for name, notebook in notebooks.items()
        for number, (_, alt) in enumerate(_pictures(notebook), start=1)
    ]
    sections.append(f'<h2>Figures</h2><div class="figures">{"".join(figures)}</div>')
    if (out / SETTINGS).exists():
        with refusing(ValueError, f"{out / SETTINGS} is damaged", again):
            settings = {**json.loads((out / SETTINGS).read_text())}
        rows = pd.Series({key: str(value) for key, value in settings.items() if value})
        sections.append("<h2>Settings</h2>" + rows.to_frame().to_html(header=False, border=0))
    made = f"{time.strftime('%Y-%m-%d %H:%M')}, imbalance_tf {version('imbalance_tf')}"
    html = _page("Results of the lab", f"<p>{made}</p>{''.join(sections)}")
    write_whole(out / "index.html", _without_empty_headers(html))
    return out / "index.html"


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def _without_empty_headers(html: str) -> str:
    """A screen reader announces headers of tables, and pandas leaves the corner empty."""
    return re.sub(r"<th([^>]*)>\s*(&nbsp;)?\s*</th>", r"<td\1></td>", html)


def _title(notebook: nbformat.NotebookNode, name: str) -> str:
    """The first heading, or else the name of the file."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return heading.group(1) if heading else name


def _pictures(notebook: nbformat.NotebookNode) -> list[tuple[bytes, str]]:
    """Every figure that is shown, as PNG, and its text for a reader who cannot see it."""
    pictures = []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            alt = re.search(r'<img[^>]* alt="([^"]*)"', data.get("text/html", ""))
            text = unescape(alt.group(1)) if alt else ""
            pictures.append((base64.b64decode(data["image/png"]), text))
    return pictures
