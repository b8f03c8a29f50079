"""The slider: every frame and its text in one piece of HTML, and nothing from elsewhere."""

import base64
import html
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from imbalance_tf.evaluation import figures

VALUES = [0.25, 0.5, 0.75]


def drawn(value):
    figure = Figure(figsize=(2, 1))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_facecolor((value, value, value))
    return figure


@pytest.fixture
def shown():
    describe = '"{:.0%}" < all'.format
    return figures.slider(drawn, VALUES, label="grey & white", describe=describe, start=1).html


def test_every_value_has_its_own_frame_and_text(shown):
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', shown)
    greys = [plt.imread(io.BytesIO(base64.b64decode(source)))[50, 100, 0] for source in sources]
    np.testing.assert_allclose(greys, VALUES, atol=0.01)
    texts = [html.unescape(text) for text in re.findall(r' alt="([^"]+)"', shown)]
    assert texts == ['"25%" < all', '"50%" < all', '"75%" < all']


def test_one_frame_is_seen_before_anything_moves(shown):
    hidden = ["hidden" in frame for frame in re.findall("<img[^>]+>", shown)]
    assert hidden == [True, False, True]
    assert 'min="0" max="2" value="1"' in shown
    assert re.search("<output[^>]*>0.5</output>", shown)


def test_it_needs_nothing_from_elsewhere_and_names_are_escaped(shown):
    assert not re.search("https?:|<script|<link", shown)
    assert "grey &amp; white" in shown


def test_without_a_page_it_says_what_it_moves():
    moved = figures.slider(drawn, VALUES, label="grey", describe=str)
    assert repr(moved) == "slider: grey, 0.25 to 0.75"
