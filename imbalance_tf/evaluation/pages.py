"""Figures and tables as pieces of a page that carry all they need with them."""

import base64
import io
import re
from html import escape

import pandas as pd
from matplotlib.figure import Figure

__all__ = ["Piece", "described", "page"]


class Piece:
    """What a notebook shows as the value of its cell."""

    def __init__(self, html: str, text: str, png: bytes | None = None):
        self.html, self.text, self.png = html, text, png

    def __repr__(self) -> str:  # where no page is shown, and without an address in memory
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def _repr_png_(self) -> bytes | None:  # by which `imbalance-tf run` keeps it as a file
        return self.png


def described(figure: Figure, text: str) -> Piece:
    """A figure with a text for a reader who cannot see it.

    Examples
    --------
    >>> 'alt="an empty square"' in described(Figure(figsize=(1, 1)), "an empty square").html
    True
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    source = base64.b64encode(picture.getvalue()).decode()
    html = f'<img src="data:image/png;base64,{source}" alt="{escape(text)}" '
    return Piece(f'{html}style="max-width: 100%">', text, picture.getvalue())


def page(table: pd.DataFrame) -> Piece:
    """A table of words: in full, and aligned to the left.

    Every cell says its own alignment. That of a style sheet is lost when a notebook that is not
    trusted yet is opened again.

    Examples
    --------
    >>> page(pd.DataFrame({"claim": ["yes"]})).html.count('style="text-align: left"')
    2
    """
    with pd.option_context("display.max_colwidth", None):
        html, text = table.to_html(index=False), table.to_string(index=False)
    return Piece(re.sub("<(t[hd])>", r'<\1 style="text-align: left">', html), text)
