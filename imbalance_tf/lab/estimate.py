"""How long the strategies of a profile will take on this machine, from a few measured steps."""

import time
from collections.abc import Mapping
from dataclasses import replace

from imbalance_tf.training.config import STRATEGIES, ExperimentConfig
from imbalance_tf.training.experiment import finished_epochs

from .workspace import Lab

__all__ = ["Forecast", "estimate_hours"]

_STEPS = 100
_CANDIDATES = 500


def estimate_hours(lab: Lab) -> dict[str, float]:
    """Hours that each strategy takes, were nothing there: training, mining and segmenting.

    Everything is done as a run does it, with the same model, batches and mining, only less of it.
    """
    from imbalance_tf._tensorflow import keras  # help and reading need no TensorFlow
    from imbalance_tf.network.dense import segment
    from imbalance_tf.sampling.patches import patch_dataset
    from imbalance_tf.training.run import mining_of, new_model

    config = replace(lab.config("hard"), steps=_STEPS, candidates_per_class=_CANDIDATES)
    model = new_model(config, lab.train)
    sampler = lab.sampler("hard")
    batches = patch_dataset(
        sampler, steps=_STEPS, batch_size=config.batch_size, patch_size=config.patch_size
    )
    ended: list[float] = []  # each execution, of ten steps as in a run; the first also compiles
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: ended.append(time.perf_counter())
    )
    model.fit(batches, shuffle=False, verbose=0, callbacks=[clock])
    step = (ended[-1] - ended[0]) / (len(ended) - 1) / model.steps_per_execution
    mining = mining_of(config, sampler)
    mining.set_model(model)
    mined = _seconds(lambda: mining.on_epoch_end(0))
    case, slices = lab.test[0], sum(len(case.labels) for case in lab.test)
    some = slice(None, None, max(1, len(case.labels) // 8))
    images, brain = case.images[some], case.brain[some]
    segmented = _seconds(lambda: segment(model, images, brain)) * slices / len(images)
    return {
        strategy: _hours(lab.config(strategy), step, mined / _CANDIDATES, segmented)
        for strategy in STRATEGIES
    }


def _hours(config: ExperimentConfig, step: float, candidate: float, segmented: float) -> float:
    an_epoch = config.steps * step
    if config.strategy == "hard":
        an_epoch += config.candidates_per_class * candidate
    return (config.epochs * an_epoch + segmented) / 3600


def _seconds(action) -> float:
    """The second time, since the first compiles."""
    action()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


class Forecast:
    """Hours that are left, renewed by what each strategy really took.

    Parameters
    ----------
    hours : mapping of str to float
        What each strategy is expected to take; none if nothing is to be said.

    Examples
    --------
    >>> forecast = Forecast({"random": 1.0, "balanced": 1.0})
    >>> forecast.took("random", 1.5)
    >>> forecast.left()
    1.5
    """

    @classmethod
    def of(cls, lab: Lab) -> "Forecast":
        """Of what is missing of the strategies of a lab."""
        left = {
            strategy: 1 - finished_epochs(lab.run_folder(strategy)) / lab.profile.epochs
            for strategy in STRATEGIES
            if not lab.run_folder(strategy).exists()
        }
        hours = estimate_hours(lab) if left else {}
        return cls({strategy: hours[strategy] * share for strategy, share in left.items()})

    def __init__(self, hours: Mapping[str, float]):
        self._expected = dict(hours)
        self._taken: dict[str, float] = {}

    def took(self, strategy: str, hours: float) -> None:
        """A strategy is trained, and took so long."""
        if strategy in self._expected:
            self._taken[strategy] = hours

    def left(self) -> float:
        """Of the strategies that are not trained yet, at the speed of those that are."""
        expected = sum(self._expected[strategy] for strategy in self._taken)
        slower = sum(self._taken.values()) / expected if expected else 1.0
        return slower * sum(
            hours for strategy, hours in self._expected.items() if strategy not in self._taken
        )
