"""Tables, and whatever else is HTML, as a notebook shows them."""

import re

import pandas as pd


class Piece:
    """What a notebook shows as the value of its cell."""

    def __init__(self, html: str, text: str):
        self.html, self.text = html, text

    def __repr__(self) -> str:  # where no page is shown, and without an address in memory
        return self.text

    def _repr_html_(self) -> str:
        return self.html


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
