"""Scoring: segment the test cases with the models of an arm, and compare with the truth."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import digest, write_whole
from imbalance_tf.cohort.names import shown
from imbalance_tf.evaluation.dice import dice_scores, volume_ratios

from .config import Training
from .folder import refusing
from .result import read_segmentation
from .task import task_of


def predicted_classes(
    trainings: Sequence[Training], models: Sequence[Any], case: Case, train: Cohort
) -> np.ndarray:
    """Class number of every voxel of a case: (s, h, w) uint8; 0 outside the brain.

    One model decides alone. Of two, the second tells the classes from 1 on apart, where the first
    predicts that tissue is not healthy.

    Parameters
    ----------
    trainings : sequence of Training
    models : sequence of keras.Model
        Of each training.
    train : Cohort
        On which they were trained: its class shares are the natural ones.

    Raises
    ------
    ValueError
        If a network gives NaN, or a decision other than one of its classes for each voxel.
    """
    where, classes = case.brain, np.zeros(case.labels.shape, np.uint8)
    for number, (training, model) in enumerate(zip(trainings, models, strict=True)):
        arm, task = training.arm, task_of(training.task, train.scheme.classes)
        counts = task.counts(train)
        probabilities = arm.network.segment(model, case.images, where)[where]
        if np.isnan(probabilities).any():
            raise ValueError(
                f"arm '{arm.name}': its model predicts NaN in case '{case.id}'; train it with a "
                f"smaller learning_rate ({training.config.learning_rate:g} now)"
            )
        batch = task.shares(arm.sampling, train)
        with refusing(ValueError, f"arm '{arm.name}' cannot decide", "see Decision.decide"):
            decided = np.asarray(
                arm.decision.decide(probabilities, natural=counts / counts.sum(), batch=batch)
            )
        known = decided.dtype.kind in "biu" and decided.shape == probabilities.shape[:1]
        if not known or not set(np.unique(decided)) <= set(range(len(task.names))):
            raise ValueError(
                f"arm '{arm.name}': {type(arm.decision).__name__} gives {decided.dtype} of shape "
                f"{decided.shape} for {len(probabilities)} voxels; a whole number from 0 to "
                f"{len(task.names) - 1} is expected for each"
            )
        classes[where] = decided.astype(np.uint8) + number
        where = classes > 0
    return classes


def score(
    trainings: Sequence[Training],
    models: Sequence[Any],
    train: Cohort,
    test: Cohort,
    partial: Path,
    place: Path,
) -> None:
    """Segment every test case; leaves the segmentations, dice.csv and volume_ratios.csv.

    What a process that was killed has segmented for this `place` is kept.
    """
    (partial / "segmentations").mkdir(exist_ok=True)
    dice, ratios = {}, {}
    for number, case in enumerate(test, start=1):
        path = partial / "segmentations" / f"{case.id}.nii.gz"
        own = digest(f"{place.parent.name} {place.name} {case.digest}".encode())
        try:
            predicted = read_segmentation(path, case, test.scheme, own)
        except Exception:  # it is not there, damaged, or of another run or case
            print(shown(f"segmenting {case.id} ({number} of {len(test)})"), flush=True)
            predicted = predicted_classes(trainings, models, case, train)
            whole = case.to_scan(test.scheme.to_file_values(predicted)).transpose(2, 1, 0)
            image = nib.Nifti1Image(whole, case.affine)
            image.header["descrip"] = own
            # nibabel's own gzip writes the time of day.
            write_whole(path, gzip.compress(image.to_bytes(), compresslevel=2, mtime=0))
        truth, said = case.labels[case.brain], predicted[case.brain]
        dice[case.id] = dice_scores(truth, said, test.scheme)
        ratios[case.id] = volume_ratios(truth, said, test.scheme)
    for name, scores in {"dice": dice, "volume_ratios": ratios}.items():
        table = pd.DataFrame.from_dict(scores, orient="index").rename_axis("case")
        write_whole(partial / f"{name}.csv", table.to_csv(lineterminator="\n"))
