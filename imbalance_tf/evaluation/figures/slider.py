"""Figures made beforehand, and a range input that moves through them."""

import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from imbalance_tf.evaluation.pages import Piece

from .style import image_source

# One plain handler: no widget and no kernel, so that it moves in JupyterLab, in the exported page
# and without a network.
_MOVE = """
const [source, text, value] = JSON.parse(this.dataset.frames)[this.value];
const box = this.closest('.frames');
Object.assign(box.querySelector('img'), {src: source, alt: text});
box.querySelector('output').textContent = value;
this.setAttribute('aria-valuetext', value + '. ' + text);
""".strip().replace("\n", " ")


def slider(
    draw: Callable[[Any], Figure],
    values: Sequence[Any],
    *,
    label: str,
    describe: Callable[[Any], str],
    start: int = 0,
    width: int = 800,
    show: Callable[[Any], str] = "{:g}".format,
) -> Piece:
    """One figure per value, and a slider that chooses which of them is seen.

    Without its script, as in a notebook that JupyterLab does not trust yet, the figure of `start`
    is seen alone: the others lie in an attribute of the slider, which is lost there.

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
    (1, True)
    """
    frames = [(image_source(draw(value)), describe(value), show(value)) for value in values]
    source, text, shown = (escape(part) for part in frames[start])
    return Piece(
        f'<div class="frames"><label>{escape(label)} '
        # The first attribute: or JupyterLab would keep the arrow keys for itself.
        f'<input data-lm-suppress-shortcuts="true" type="range" '
        f'min="0" max="{len(values) - 1}" value="{start}" '
        f'aria-valuetext="{shown}. {text}" oninput="{escape(_MOVE)}" '
        f'data-frames="{escape(json.dumps(frames))}"></label> '
        f'<output aria-live="off">{shown}</output><br>'
        f'<img src="{source}" alt="{text}" width="{width}" style="max-width: 100%"></div>',
        f"slider: {label}, {show(values[0])} to {show(values[-1])}",
    )
