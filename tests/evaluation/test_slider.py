"""The slider: every frame and its text in one piece of HTML, and nothing from elsewhere."""

import base64
import html
import io
import json
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


def frames_of(shown):
    return json.loads(html.unescape(*re.findall(r'data-frames="([^"]+)"', shown)))


def test_every_value_has_its_own_frame_and_text(shown):
    frames = frames_of(shown)
    pictures = [base64.b64decode(source.partition(",")[2]) for source, _, _ in frames]
    greys = [plt.imread(io.BytesIO(picture))[50, 100, 0] for picture in pictures]
    np.testing.assert_allclose(greys, VALUES, atol=0.01)
    texts = [text for _, text, _ in frames]
    assert texts == ['"25%" < all', '"50%" < all', '"75%" < all']
    assert [value for _, _, value in frames] == ["0.25", "0.5", "0.75"]


def test_without_its_script_one_frame_is_seen(shown):
    """As in a notebook that is not trusted: unknown attributes are taken away."""
    (seen,) = re.findall("<img[^>]+>", re.sub(' data-frames="[^"]+"', "", shown))
    source, text, _ = frames_of(shown)[1]
    assert f'src="{source}"' in seen
    assert f'alt="{html.escape(text)}"' in seen
    assert 'min="0" max="2" value="1"' in shown
    assert re.search("<output[^>]*>0.5</output>", shown)


def test_it_needs_nothing_from_elsewhere_and_names_are_escaped(shown):
    assert not re.search("https?:|<script|<link", shown)
    assert "grey &amp; white" in shown


def test_without_a_page_it_says_what_it_moves():
    moved = figures.slider(drawn, VALUES, label="grey", describe=str)
    assert repr(moved) == "slider: grey, 0.25 to 0.75"
