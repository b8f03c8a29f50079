"""audit: what a sampler, or a dataset of patches, really gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbalance_tf._tensorflow import tf
from imbalance_tf.cohort.arguments import expect, expect_sizes, whole
from imbalance_tf.cohort.cohort import Cohort

from .paper import BATCH_SIZE, PATCH_SIZE
from .patches import cut_patches
from .protocol import Sampler, checked_centres


@dataclass(frozen=True)
class Audit:
    """What some batches held.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per class: ``asked`` (its share; NaN if the sampler has no shares), ``drawn`` (its
        share of all sampled patches), ``fewest`` and ``most`` (in a batch), ``voxels`` (distinct
        centres), ``repeats`` (samples per distinct centre), ``cases`` (that were sampled) ``of``
        (that have the class).
    patches, batches : int
        How many were counted.
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
    batch_size: int = BATCH_SIZE,
    patch_size: int = PATCH_SIZE,
) -> Audit:
    """Count what a sampler gives, or what a dataset gives to Keras.

    A sampler with `draws` is set back: it samples the same batches afterwards as without the audit.

    Parameters
    ----------
    source : sampler, or tf.data.Dataset
        A dataset of ``patch_dataset(..., with_centres=True)``; its labels are tested too.
    batches : int
        How many batches to count; of a dataset at most one pass.
    cohort : Cohort, optional
        Where the centres of a dataset lie; not needed for a sampler.
    batch_size, patch_size : int
        The size of a sampler's batches; a dataset has its own.

    Raises
    ------
    ValueError
        If the cohort is missing, or is not the sampler's; if the sampler gives no centres of it; if
        the dataset gives none, or labels that are not those of its centres.

    Examples
    --------
    >>> found = audit(BalancedSampler(train, seed=0), batches=10)
    >>> found.table[["asked", "drawn", "fewest", "most"]].loc["enhancing"].tolist()
    [0.2, 0.2, 24.0, 24.0]
    """
    some = hasattr(source, "draw") or isinstance(source, tf.data.Dataset)
    expect(some, "a sampler with draw(n), or a dataset,", source=source)
    own = getattr(source, "cohort", None)
    if cohort is not None and own is not None and cohort is not own:
        raise ValueError(
            f"cohort= is {cohort}, but the sampler samples from {own}; leave cohort= out"
        )
    cohort = own if cohort is None else cohort
    if cohort is None:
        raise ValueError(
            f"cohort= is missing: a {type(source).__name__} does not say where its centres lie"
        )
    expect(isinstance(cohort, Cohort), "a Cohort", cohort=cohort)
    whole(1, batches=batches)
    expect_sizes(steps=batches, batch_size=batch_size, patch_size=patch_size)
    if isinstance(source, tf.data.Dataset):
        sampled, patch_size = _of_dataset(source, batches, cohort)
    else:
        counted: Any = source  # most samplers count their draws
        start = getattr(counted, "draws", None)
        drawn = [counted.draw(batch_size) for _ in range(batches)]
        sampled = list(checked_centres(drawn, batch_size, cohort))
        if start is not None:
            counted.draws = start
    brains = [case.brain for case in cohort]
    brain_patches = (cut_patches(brains, each, patch_size, fill=False) for each in sampled)
    return Audit(
        table=_table(sampled, cohort, getattr(source, "shares", None)),
        patches=sum(map(len, sampled)),
        batches=len(sampled),
        without_brain=sum(int((~each.any(axis=(1, 2))).sum()) for each in brain_patches),
    )


def _of_dataset(
    dataset: tf.data.Dataset, batches: int, cohort: Cohort
) -> tuple[list[np.ndarray], int]:
    """The centres of each batch, and the size of the patches."""
    if not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) != 3:
        raise ValueError(
            "the dataset gives no centres; one of patch_dataset(..., with_centres=True) is expected"
        )
    sampled: list[np.ndarray] = []
    for patches, labels, centres in dataset.take(batches).as_numpy_iterator():
        size = patches.shape[1]
        own = labels if labels.ndim == 1 else labels[:, size // 2, size // 2]
        if wrong := int((own != cohort.labels_at(centres)).sum()):
            where = f"{len(own)} labels in batch {len(sampled)}"
            raise ValueError(f"{wrong} of {where} are not those of their centres")
        sampled.append(centres)
    return sampled, size


def _table(sampled: list[np.ndarray], cohort: Cohort, shares) -> pd.DataFrame:
    names = cohort.scheme.classes
    in_batch = np.array([np.bincount(cohort.labels_at(c), minlength=len(names)) for c in sampled])
    counts = in_batch.sum(axis=0)
    centres = np.concatenate(sampled)
    labels = cohort.labels_at(centres)
    distinct = [np.unique(centres[labels == number], axis=0) for number in range(len(names))]
    voxels = [len(each) for each in distinct]
    return pd.DataFrame(
        {
            "asked": np.nan if shares is None else shares,
            "drawn": counts / counts.sum(),
            "fewest": in_batch.min(axis=0),
            "most": in_batch.max(axis=0),
            "voxels": voxels,
            "repeats": counts / np.where(counts, voxels, np.nan),
            "cases": [len(np.unique(each[:, 0])) for each in distinct],
            "of": (cohort.class_counts() > 0).sum(axis=0),
        },
        index=pd.Index(names, name="class"),
    )
