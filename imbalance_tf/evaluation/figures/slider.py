"""Figures made beforehand, and a range input that moves through them."""

import base64
import io
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

__all__ = ["Slider", "slider"]

# One plain handler: no widget and no kernel, so that it moves in JupyterLab, in the exported page
# and without a network.
_MOVE = """
const box = this.closest('.frames');
box.querySelectorAll('img').forEach((frame, number) => { frame.hidden = number != this.value; });
const shown = box.querySelector('img:not([hidden])');
box.querySelector('output').textContent = shown.dataset.value;
this.setAttribute('aria-valuetext', shown.dataset.value + '. ' + shown.alt);
""".strip().replace("\n", " ")


class Slider:
    """What `slider` returns: a notebook shows it as the value of its cell."""

    def __init__(self, html: str, text: str):
        self.html, self.text = html, text

    def __repr__(self) -> str:  # where no page is shown, and without an address in memory
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def slider(
    draw: Callable[[Any], Figure],
    values: Sequence[Any],
    *,
    label: str,
    describe: Callable[[Any], str],
    start: int = 0,
    width: int = 800,
    show: Callable[[Any], str] = "{:g}".format,
) -> Slider:
    """One figure per value, and a slider that chooses which of them is seen.

    Without its script, as in a notebook that JupyterLab does not trust yet, the figure of `start`
    is seen.

    Parameters
    ----------
    draw : callable
        Of a value, the closed `Figure`.
    values : sequence
        From left to right. All figures are drawn at once.
    label : str
        What is moved, before the slider.
    describe : callable
        Of a value, what its figure shows, for a reader who cannot see it.
    start : int
        Number of the value that is shown first.
    width : int
        Of the figures, in pixels of the page.
    show : callable
        Of a value, how it is written behind the slider.

    Examples
    --------
    >>> def draw(share):
    ...     figure = Figure(figsize=(2, 1))
    ...     figure.subplots().barh(["healthy"], [share])
    ...     return figure
    >>> moved = slider(draw, [0.2, 0.5], label="share", describe="{:.0%} healthy".format)
    >>> moved.html.count("<img"), "50% healthy" in moved.html
    (2, True)
    """
    frames = []
    for number, value in enumerate(values):
        picture = io.BytesIO()
        draw(value).savefig(picture, format="png", dpi=100)
        source = base64.b64encode(picture.getvalue()).decode()
        frames.append(
            f'<img src="data:image/png;base64,{source}" alt="{escape(describe(value))}" '
            f'width="{width}" style="max-width: 100%" '
            f'data-value="{escape(show(value))}"{"" if number == start else " hidden"}>'
        )
    first, text = escape(show(values[start])), escape(describe(values[start]))
    return Slider(
        f'<div class="frames"><label>{escape(label)} '
        f'<input type="range" min="0" max="{len(values) - 1}" value="{start}" '
        f'aria-valuetext="{first}. {text}" oninput="{escape(_MOVE)}"></label> '
        f'<output aria-live="off">{first}</output><br>{"".join(frames)}</div>',
        f"slider: {label}, {show(values[0])} to {show(values[-1])}",
    )
