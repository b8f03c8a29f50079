"""Pieces of a page: a picture with its text, a table in full."""

import base64
import html
import re

import pandas as pd
from matplotlib.figure import Figure

from imbalance_tf.evaluation.pages import described, page


def test_a_described_figure_carries_its_picture_and_its_text():
    piece = described(Figure(figsize=(1, 1)), 'a "square" & more')
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', piece._repr_html_())
    assert base64.b64decode(source) == piece._repr_png_()
    assert piece._repr_png_().startswith(b"\x89PNG")
    (text,) = re.findall(r'alt="([^"]+)"', piece._repr_html_())
    assert html.unescape(text) == repr(piece) == 'a "square" & more'


def test_a_page_shows_every_word_and_aligns_every_cell():
    long = "undecided " * 30
    shown = page(pd.DataFrame({"claim": [long, "<b>"], "cases": [1, 2]}))
    cells = re.findall("<t[hd](?![a-z])[^>]*>", shown._repr_html_())
    assert cells == ['<th style="text-align: left">'] * 2 + ['<td style="text-align: left">'] * 4
    assert long.strip() in shown.html
    assert "&lt;b&gt;" in shown.html
    assert long.strip() in repr(shown)
    assert shown._repr_png_() is None
