"""Whole cases at a glance: three planes through the tumour."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imbalance_tf.cohort.cohort import Cohort

from .scans import shown_channel
from .style import GREYS, class_colours, class_legend, described, panels, span

MARGIN = 5
PLANES = ("axial", "coronal", "sagittal")


def case_page(
    cohort: Cohort, case_ids: Sequence[str] | None = None, *, modality: str | None = None
) -> Figure:
    """One row per case: three planes through the tumour, each whole, and the outlined tumour alone.

    It serves to look at phantoms beside real patients: would they look like tumours to somebody
    who reads scans?

    Parameters
    ----------
    cohort : Cohort
    case_ids : sequence of str, optional
        By default the first six.
    modality : str, optional
        By default FLAIR, where the whole tumour is bright, or the first.

    Raises
    ------
    ValueError
        If the cohort has no such modality.

    Examples
    --------
    >>> [axis.get_ylabel() for axis in case_page(cohort, ["small", "tiny"]).axes[::6]]
    ['small', 'tiny']
    """
    case_ids = list(cohort.case_ids[:6] if case_ids is None else case_ids)
    if modality is None:
        channel = shown_channel(cohort)
    elif modality in cohort.modalities:
        channel = cohort.modalities.index(modality)
    else:
        raise ValueError(f"modality={modality!r}; one of {list(cohort.modalities)} is expected")
    figure, axes = panels(len(case_ids), 6, width=10.5, height=1.75 * len(case_ids) + 0.6)
    for row, case_id in zip(axes, case_ids, strict=True):
        _show_case(row, cohort, case_id, channel)
        row[0].set_ylabel(fill(case_id, 22))
    for axis, title in zip(axes[0], np.repeat(PLANES, 2), strict=True):
        axis.set_title(title)
    figure.suptitle(cohort.modalities[channel])
    class_legend(figure, cohort.scheme)
    shares = {each: float((cohort[each].labels > 0).sum()) for each in case_ids}
    shares = {each: 100 * tumour / cohort[each].brain.sum() for each, tumour in shares.items()}
    text = f"Three planes through the tumour of {len(case_ids)} cases, {cohort.modalities[channel]}"
    sizes = span(pd.Series(shares), "{:.1f} % of the brain")
    return described(
        figure, f"{text}, each whole and as outlines of its classes. It fills {sizes}."
    )


def _show_case(row: np.ndarray, cohort: Cohort, case_id: str, channel: int) -> None:
    case, colours = cohort[case_id], class_colours(cohort.scheme.classes)
    image, labels = case.images[..., channel].astype(float), case.labels
    for axis, (plain, outlined) in enumerate(row.reshape(3, 2)):
        number = case.widest_slice(axis)
        scan, classes = (np.take(volume, number, axis) for volume in (image, labels))
        if axis:  # slices are counted from the feet up, and shown with the head up
            scan, classes = scan[::-1], classes[::-1]
        height, width = np.delete(case.spacing, axis)
        for panel in (plain, outlined):
            panel.imshow(scan, aspect=height / width, **GREYS)
        # A line leaves the scan under it visible. It runs inside of its own class, or the border
        # of two classes would show only the one that is drawn last.
        for value in np.unique(classes[classes > 0]):
            mask = (classes == value).astype(float)
            if min(mask.shape) > 1:
                outlined.contour(mask, levels=[0.9], colors=[colours[value]], linewidths=1)
        if (classes > 0).any():  # as large as there is room for, since borders lie close together
            rows, columns = (np.flatnonzero((classes > 0).any(axis=k)) for k in (1, 0))
            outlined.set(
                xlim=(columns[0] - MARGIN, columns[-1] + MARGIN),
                ylim=(rows[-1] + MARGIN, rows[0] - MARGIN),
            )
