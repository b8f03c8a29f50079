"""A table as a page shows it."""

import re

import pandas as pd

from imbalance_tf.evaluation.pages import page


def test_a_page_shows_every_word_and_aligns_every_cell():
    long = "undecided " * 30
    shown = page(pd.DataFrame({"claim": [long, "<b>"], "cases": [1, 2]}))
    cells = re.findall("<t[hd](?![a-z])[^>]*>", shown._repr_html_())
    assert cells == ['<th style="text-align: left">'] * 2 + ['<td style="text-align: left">'] * 4
    assert long.strip() in shown.html
    assert "&lt;b&gt;" in shown.html
    assert long.strip() in repr(shown)
