"""Everything that a run depends on, besides its cohort."""

from dataclasses import dataclass, field, fields

from imbalance_tf.sampling.samplers import BalancedSampler, HardExampleSampler, RandomSampler

__all__ = ["SAMPLERS", "STRATEGIES", "ExperimentConfig", "deciding"]

SAMPLERS = {
    "random": RandomSampler,
    "balanced": BalancedSampler,
    "hard": HardExampleSampler,
}
STRATEGIES = tuple(SAMPLERS)
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything that a run depends on, besides its cohort.

    Parameters
    ----------
    strategy : {"random", "balanced", "hard"}
        How batches are sampled; all else is the same for the three.
    epochs, steps : int
        Epochs, and batches in each (paper: 50 and 1000).
    batch_size, patch_size : int
        Patches in a batch, and their rows and columns (paper: 120 and 64).
    learning_rate : float
        Of Adam at the start; falls to 0 along a half cosine. The paper gives none.
    threshold, candidates_per_class
        Of `HardExampleMining`; without effect on the other strategies.
    precision : {"float32", "mixed_bfloat16"}
        Of the training, see `patch_cnn`. The machine decides it, not the experiment: two configs
        that differ in it only are equal, and a run that is there is read, whatever it was trained
        in.
    seed : int
        Of the initial weights and of every draw.

    Examples
    --------
    >>> ExperimentConfig("balanced", epochs=50, steps=1000).batch_size
    120
    """

    strategy: str
    epochs: int
    steps: int
    batch_size: int = 120
    patch_size: int = 64
    learning_rate: float = 1e-3
    threshold: float = 0.75
    candidates_per_class: int = 1000
    precision: str = field(default="float32", compare=False)
    seed: int = 0

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy={self.strategy!r}; one of {', '.join(STRATEGIES)} is expected"
            )
        smallest = {
            "epochs": 1,
            "steps": 1,
            "batch_size": 1,
            "candidates_per_class": 1,
            "patch_size": 22,
            "seed": 0,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value}; a whole number from {least} is expected")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision={self.precision!r}; one of {', '.join(PRECISIONS)} is expected"
            )
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold}; a probability from 0 to 1 is expected")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate}; above 0 is expected")


def deciding(config: ExperimentConfig) -> dict:
    """What of a config decides the model and its scores."""
    without_effect = () if config.strategy == "hard" else ("threshold", "candidates_per_class")
    names = (each.name for each in fields(config) if each.compare)
    return {name: getattr(config, name) for name in names if name not in without_effect}
