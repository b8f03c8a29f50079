"""How the documentation site is built: ``sphinx-build -W docs results/site``.

It shows the notebooks as the lab left them in the folder that the environment variable
``IMBALANCE_LAB`` names, else in ``results/lab``; one that was not executed there is shown without
results. No page loads anything that lies outside the site.
"""

import ast
import os
import re
import shutil
from importlib.metadata import version as version_of
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from myst_parser.mdit_to_docutils.base import default_slugify
from numpy.typing import ArrayLike
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.typing import stringify_annotation

import imbalance_tf
from imbalance_tf.lab.exercises import built

DOCS = Path(__file__).parent
ROOT = DOCS.parent
LAB = Path(os.environ.get("IMBALANCE_LAB", ROOT / "results" / "lab"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

project, author, language = "imbalance_tf", "the authors of imbalance_tf", "en"
copyright = "the authors of imbalance_tf. Code: MIT. Text: CC BY 4.0"
release = version = version_of("imbalance_tf")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
# Pages with code are executed. The notebooks are not: that takes minutes, and the lab did it.
nb_execution_excludepatterns = ["notebooks/*"]
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_ipywidgets_js = {}  # else from the network

default_role = "py:obj"  # a name in backticks is a link if there is such a name
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sphinx = False


def copy_notebooks(app):
    """The notebooks and a picture of each, side by side in ``docs/notebooks``."""
    if "IMBALANCE_LAB" in os.environ and not (LAB / "notebooks").is_dir():
        raise FileNotFoundError(
            f"IMBALANCE_LAB={LAB} has no folder notebooks; a folder that imbalance-tf run wrote "
            f"is expected: imbalance-tf run --all --out {LAB}"
        )
    for committed in NOTEBOOKS:
        executed, target = LAB / "notebooks" / committed.name, DOCS / "notebooks" / committed.name
        if executed.exists():
            notebook = nbformat.read(executed, as_version=4)
        else:
            notebook = built(committed, "solutions")
        notebook.cells = [
            cell for cell in notebook.cells if "injected-parameters" not in tags(cell)
        ]
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = inside(cell.source)
            elif "exercise" in tags(cell):
                cell.metadata["tags"] = [*tags(cell), "hide-input"]
        text = nbformat.writes(notebook)
        if not target.exists() or target.read_text() != text:  # what is the same is not built again
            target.write_text(text)
        target.with_suffix(".png").unlink(missing_ok=True)
        if (picture := LAB / "figures" / f"{committed.stem}_01.png").exists():
            shutil.copy(picture, target.with_suffix(".png"))


def tags(cell):
    return cell.metadata.get("tags", [])


def with_anchor(heading):
    """Jupyter's anchor of a heading, ``2.2-Training``, as it is in the site: ``22-training``."""
    return default_slugify(heading.group().replace("-", " "))


def complete(app, docname, source):
    """Add to a page what can be read from the project."""
    if docname == "index":
        course = [f"course/{path.stem}" for path in sorted((DOCS / "course").glob("*.md"))]
        source[0] = source[0].replace("course/*", "\n".join(course))
    if docname == "notebooks/index":
        source[0] += gallery()
    if docname.startswith("api/"):
        source[0] += reference(docname.removeprefix("api/"))
    source[0] = inside(source[0])


def inside(text):
    """Links between files of the project, as links between pages of the site."""
    for file, page in (("data/studies/README.md", "studies.md"), ("README.md", "index.md")):
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(file)}", f"](/{page}", text)
    text = re.sub(r"\]\((?:\.\./)*docs/", "](/", text)
    text = re.sub(r"\]\((?:\.\./)*notebooks/", "](/notebooks/", text)
    return re.sub(r"(?<=\.ipynb#)[^)]+", with_anchor, text)


def included(app, path, docname, content):
    content[0] = inside(content[0])


def gallery():
    cards = []
    for path in NOTEBOOKS:
        picture = (
            f"![]({path.stem}.png)\n" if (DOCS / f"notebooks/{path.stem}.png").exists() else ""
        )
        cards.append(f":::{{container}} card\n{picture}[]({path.name})\n:::\n")
    return "\n::::{container} gallery\n" + "\n".join(cards) + "::::\n"


MODULES = {"evaluation": ["evaluation.intervals", "evaluation.figures"], "lab": ["lab.checks"]}
"""What the reference shows beside the public names."""


def reference(room):
    """Every public name of a room, by its kind, in the order of ``__init__.pyi``; its modules."""
    lines = ["", "```{eval-rst}"]
    parsed = ast.parse((ROOT / "imbalance_tf" / "__init__.pyi").read_text())
    named = [(line.module, each.name) for line in parsed.body[1:] for each in line.names]
    for origin, name in named:
        if origin.split(".")[0] != room:
            continue
        if name.isupper():  # autodoc looks for the text of a value only where it is defined
            text = ModuleAnalyzer.for_module(f"imbalance_tf.{origin}").find_attr_docs()["", name]
            lines += [f".. py:data:: imbalance_tf.{name}", "", *(f"   {each}" for each in text)]
        else:
            kind = "class" if name[0].isupper() else "function"
            lines.append(f".. auto{kind}:: imbalance_tf.{name}")
            bases = getattr(getattr(imbalance_tf, name), "__bases__", ())
            if any(base.__name__ in imbalance_tf.__all__ for base in bases):
                lines.append("   :show-inheritance:")
    for module in MODULES.get(room, []):
        title = module.rpartition(".")[2].capitalize()
        lines += ["```", f"## {title}", "```{eval-rst}"]
        lines.append(f".. automodule:: imbalance_tf.{module}")
        if (ROOT / "imbalance_tf" / module.replace(".", "/")).is_dir():
            lines.append("   :imported-members:")
    return "\n".join([*lines, "```", ""])


def visit_math(writer, node):
    """Formulas as MathML, which browsers read without a script."""
    as_block = node.tagname == "math_block"
    writer.body.append(tex2mathml(node.astext(), as_block=as_block))
    raise nodes.SkipNode


def readable(app, what, name, obj, options, signature, returned):
    """A signature with ``ArrayLike``, not with the dozen types that it stands for."""
    alias = stringify_annotation(ArrayLike, "smart")
    return signature and signature.replace(alias, "ArrayLike"), returned


def setup(app):
    app.connect("autodoc-process-signature", readable)
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", complete)
    app.connect("include-read", included)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
