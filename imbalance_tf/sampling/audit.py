"""audit: what a sampler, or a dataset of patches, really gives."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbalance_tf._tensorflow import tf
from imbalance_tf.cohort.cohort import Cohort

from .patches import Sampler, cut_patches

__all__ = ["Audit", "audit"]


@dataclass(frozen=True)
class Audit:
    """What was drawn in some batches.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a class: ``asked`` (its share; NaN if the sampler asks for none), ``drawn`` (its
        share of all that was drawn), ``fewest`` and ``most`` (in a batch), ``voxels`` (distinct
        ones), ``repeats`` (draws per distinct voxel), ``cases`` (with a draw) ``of`` (with the
        class).
    patches, batches : int
        How many were looked at.
    without_brain : int
        Patches that hold nothing but air.
    """

    table: pd.DataFrame
    patches: int
    batches: int
    without_brain: int


def audit(
    source: Sampler | tf.data.Dataset,
    batches: int,
    *,
    cohort: Cohort | None = None,
    batch_size: int = 120,
    patch_size: int = 64,
) -> Audit:
    """Count what a sampler draws, or what a dataset gives to Keras.

    A sampler that can be set back (`draws`) draws the same afterwards as if it had not been asked.

    Parameters
    ----------
    source : sampler, or tf.data.Dataset
        A dataset of `patch_dataset` with ``with_centres=True``. Its labels are held against the
        cohort's.
    batches : int
        How many batches to look at; of a dataset no more than one pass has.
    cohort : Cohort, optional
        Where the centres of a dataset lie; a sampler says it itself.
    batch_size, patch_size : int
        Of the batches, where the source is a sampler; a dataset has its own.

    Raises
    ------
    ValueError
        If the cohort is missing, or is not the sampler's; if the dataset gives no centres, or
        gives labels that are not those of its centres.

    Examples
    --------
    >>> audit(BalancedSampler(train, seed=0), batches=100).table            # doctest: +SKIP
    """
    own = getattr(source, "cohort", None)
    if cohort is not None and own is not None and cohort is not own:
        raise ValueError(
            f"cohort= is {cohort}, but the sampler draws from {own}; leave cohort= out"
        )
    cohort = cohort or own
    if cohort is None:
        raise ValueError(
            f"cohort= is missing: a {type(source).__name__} does not say where its centres lie"
        )
    if batches < 1:
        raise ValueError(f"batches={batches}; at least 1 is expected")
    if isinstance(source, tf.data.Dataset):
        drawn, patch_size = _of_dataset(source, batches, cohort)
    else:
        start = getattr(source, "draws", None)
        drawn = [np.asarray(source.draw(batch_size)) for _ in range(batches)]
        if start is not None:
            source.draws = start
    brains = [case.brain for case in cohort]
    air = [
        ~cut_patches(brains, centres, patch_size, fill=False).any(axis=(1, 2)) for centres in drawn
    ]
    return Audit(
        table=_table(drawn, cohort, getattr(source, "shares", None)),
        patches=sum(map(len, drawn)),
        batches=len(drawn),
        without_brain=int(sum(map(np.sum, air))),
    )


def _of_dataset(dataset, batches: int, cohort: Cohort) -> tuple[list[np.ndarray], int]:
    """Centres of each batch, and the size of the patches."""
    if not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) != 3:
        raise ValueError(
            "the dataset gives no centres; one of patch_dataset(..., with_centres=True) is expected"
        )
    drawn = []
    for patches, labels, centres in dataset.take(batches).as_numpy_iterator():
        size = patches.shape[1]
        own = labels if labels.ndim == 1 else labels[:, size // 2, size // 2]
        if wrong := int((own != cohort.labels_at(centres)).sum()):
            raise ValueError(
                f"{wrong} of {len(own)} labels in batch {len(drawn)} are not those of their centres"
            )
        drawn.append(centres)
    return drawn, size


def _table(drawn: list[np.ndarray], cohort: Cohort, shares) -> pd.DataFrame:
    names = cohort.scheme.classes
    in_batch = np.array([np.bincount(cohort.labels_at(c), minlength=len(names)) for c in drawn])
    centres = np.concatenate(drawn)
    labels = cohort.labels_at(centres)
    cases = centres[:, 0]
    counts = in_batch.sum(axis=0)
    voxels = [len(np.unique(centres[labels == number], axis=0)) for number in range(len(names))]
    return pd.DataFrame(
        {
            "asked": np.nan if shares is None else shares,
            "drawn": counts / counts.sum(),
            "fewest": in_batch.min(axis=0),
            "most": in_batch.max(axis=0),
            "voxels": voxels,
            "repeats": counts / np.where(counts, voxels, np.nan),
            "cases": [len(np.unique(cases[labels == number])) for number in range(len(names))],
            "of": (cohort.class_counts() > 0).sum(axis=0),
        },
        index=pd.Index(names, name="class"),
    )
