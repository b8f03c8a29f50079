"""One run beside a finished study: the claims of the paper, and what it teaches where they meet."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from imbalance_tf.cohort.labels import SCHEMES, LabelScheme
from imbalance_tf.evaluation.claims import compare_with_paper, study_claims
from imbalance_tf.training.result import ExperimentResult

from .finished import FinishedStudy
from .workspace import Lab

__all__ = ["LESSONS", "claims_beside", "lessons", "said", "scheme_of"]

LESSONS = {
    "both decide, and agree": "Repeat it, with the interval of the study.",
    "neither decides": "Say so. The difference may be absent, or too small for these cases.",
    "only the study decides": "The run was not wrong. Its few cases could not tell.",
    "only this run decides": "It looked clear on one split; over all cases it is not. Do not "
    "repeat it.",
    "they contradict each other": "Both rules were passed. Two standard errors over the cases of "
    "one training know nothing of another training.",
}
"""How the verdicts of a run and of a study about one claim can meet, and what each way teaches."""

# The commonest class of the embedded cohort first: the table of a shipped study does not say it.
_SHIPPED = ["edema", "enhancing", "necrosis", "non-enhancing"]


def scheme_of(study: FinishedStudy, own: LabelScheme) -> LabelScheme:
    """The scheme whose regions and classes a study scored: `own` if it fits, or a known one."""
    scored = set(study.table["region"])
    schemes = [own, *SCHEMES.values()]
    return next((s for s in schemes if {*s.regions, *s.classes} == scored), own)


def claims_beside(
    lab: Lab, results: Mapping[str, ExperimentResult], study: FinishedStudy
) -> pd.DataFrame:
    """The paper's claims as one run decides them, and as a study does.

    Parameters
    ----------
    lab : Lab
        In which the run was made.
    results : mapping of str to ExperimentResult
        Of random, balanced and hard.
    study : FinishedStudy
        Of the same three arms.

    Returns
    -------
    pandas.DataFrame
        One row per claim: ``claim``, ``measured run`` and ``verdict run``, ``measured study`` and
        ``verdict study`` ("not asked" where the classes are others), and ``meet``: one of
        `LESSONS`, or empty if only one was asked.
    """
    scheme = lab.train.scheme
    voxels = lab.train.class_counts().sum(axis=0)
    order = own = [scheme.classes[number] for number in 1 + np.argsort(-voxels[1:])]
    if not study.here:
        order = _SHIPPED
        if set(own) == set(order):
            own = order  # so that both speak of the same rare classes
    one = compare_with_paper(
        {arm: result.dice for arm, result in results.items()},
        {arm: result.volume_ratios for arm, result in results.items()},
        scheme=scheme,
        classes=own,
    )
    many = study_claims(study.table, scheme=scheme_of(study, scheme), classes=order)
    table = pd.merge(one, many, on="claim", how="outer", sort=False, suffixes=(" run", " study"))
    table = table.set_index("claim").loc[list(dict.fromkeys([*many["claim"], *one["claim"]]))]
    table = table.fillna("not asked").reset_index()
    pairs = zip(table["verdict run"], table["verdict study"], strict=True)
    return table.assign(meet=[_meeting(run, other) for run, other in pairs])


def said(verdict: str) -> str:
    """What a verdict says of a claim: ``"for"`` the paper, ``"against"`` it, or ``"open"``.

    Examples
    --------
    >>> said("seen here"), said("the opposite here"), said("undecided: 'no difference' ...")
    ('for', 'against', 'open')
    """
    if verdict.startswith("seen here"):
        return "for"
    return "against" if verdict.startswith("the opposite") else "open"


def lessons(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims of `claims_beside` sorted by how run and study meet, and what that teaches."""
    rows = []
    for how, lesson in LESSONS.items():
        found = claims["claim"][claims["meet"] == how]
        if len(found):
            rows.append([how, len(found), "; ".join(found), lesson])
    return pd.DataFrame(rows, columns=["how they meet", "claims", "which", "what it teaches"])


def _meeting(run: str, other: str) -> str:
    if "not asked" in (run, other):
        return ""
    run, other = said(run), said(other)
    if "open" in (run, other):
        lone = "only the study decides" if run == "open" else "only this run decides"
        return "neither decides" if run == other else lone
    return "both decide, and agree" if run == other else "they contradict each other"
