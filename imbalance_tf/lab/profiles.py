"""How much of the paper's protocol a run does: smoke, lab, evening, paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imbalance_tf.sampling.paper import BATCH_SIZE, PATCH_SIZE, THRESHOLD

__all__ = ["PROFILES", "TEST_SHARE", "Profile", "fastest_precision", "profile_named"]

TEST_SHARE = 0.3
"""Fraction of the cases that is kept for the test, at least one case."""


@dataclass(frozen=True)
class Profile:
    """The size of an experiment, and of the embedded cohort that it runs on by default.

    Batches are the paper's in every profile: 120 patches of 64x64, a threshold of 75 %.
    """

    name: str
    epochs: int
    steps: int
    candidates_per_class: int
    cases: int
    slice_thickness: int
    batch_size: int = BATCH_SIZE
    patch_size: int = PATCH_SIZE
    threshold: float = THRESHOLD

    def shows(self) -> str:
        """What one training of this length can show, and what it cannot.

        Examples
        --------
        >>> print(PROFILES["paper"].shows())
        50,000 batches are as many as the paper's: where one run differs from the paper, its length
        is not the reason.
        """
        batches, paper = (p.epochs * p.steps for p in (self, PROFILES["paper"]))
        if batches >= paper:
            return (
                f"{batches:,} batches are as many as the paper's: where one run differs from the "
                "paper, its length\nis not the reason."
            )
        of_paper = f"{batches:,} batches are {100 * batches / paper:.2g} % of the paper's {paper:,}"
        if batches < 100:
            return f"{of_paper}: they show that everything runs, and nothing else."
        # In the study `length`, mining turns over between 1,000 and 4,000 batches.
        sees = " and what mining does to it" if batches >= 4_000 else ""
        return (
            f"{of_paper}: enough to see which tissue a sampling\nfavours{sees}, not to say which "
            "arm is best after a longer training (notebook 10, section 10.4)."
        )


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("smoke", 2, 4, candidates_per_class=60, cases=4, slice_thickness=10),
        Profile("lab", 10, 100, candidates_per_class=1000, cases=20, slice_thickness=3),
        # On the lab's cohort, for the evening before a class.
        Profile("evening", 14, 1000, candidates_per_class=5000, cases=20, slice_thickness=3),
        # The paper's protocol (section IV), on as many cases as BraTS 2013 has public labels for.
        Profile("paper", 50, 1000, candidates_per_class=5000, cases=30, slice_thickness=1),
    )
}
"""How long the lab trains, and on how many embedded cases, by name."""


def profile_named(name: str) -> Profile:
    """The profile of this name; ValueError with the known names for any other."""
    if not isinstance(name, str) or name not in PROFILES:
        raise ValueError(f"profile={name!r}; one of {', '.join(PROFILES)} is expected")
    return PROFILES[name]


def fastest_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """``"mixed_bfloat16"`` on a processor that calculates in bfloat16, else ``"float32"``.

    On such a processor bfloat16 trains faster (``benchmarks/training.py``), with Dice inside the
    spread of three seeds in float32 (``benchmarks/precision_dice.py``); on others it is emulated,
    and far slower.
    """
    try:
        flags = cpuinfo.read_text().split()
    except OSError:  # not Linux
        return "float32"
    return "mixed_bfloat16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "float32"
