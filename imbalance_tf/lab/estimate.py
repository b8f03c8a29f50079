"""How long arms of a profile will take on this machine, from a few measured steps."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.config import ExperimentConfig
from imbalance_tf.training.experiment import finished_share

from .workspace import Lab

__all__ = ["Forecast", "estimate_hours"]

_STEPS = 100
_CANDIDATES = 500


def estimate_hours(
    lab: Lab, arms: Iterable[str] = PAPER_ARMS, test_cases: int | None = None
) -> dict[str, float]:
    """Hours that each arm takes from the start: training, mining, and segmenting the test cases of
    the lab, or as many as `test_cases` such cases.

    Measured as a run does it, with the same model, batches and mining, but only a few of them, and
    always with the network of the arm "hard".
    """
    from imbalance_tf._tensorflow import keras  # help and reading need no TensorFlow
    from imbalance_tf.network.dense import segment
    from imbalance_tf.training.run import Prepared

    config = replace(lab.config("hard"), steps=_STEPS, candidates_per_class=_CANDIDATES)
    prepared = Prepared(config.trainings()[0], lab.train)
    model = prepared.new_model()
    ended: list[float] = []  # when each execution of ten steps ended; the first also compiles
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: ended.append(time.perf_counter())
    )
    model.fit(prepared.batches(), shuffle=False, verbose=0, callbacks=[clock])
    step = (ended[-1] - ended[0]) / (len(ended) - 1) / model.steps_per_execution
    mining = prepared.mining
    assert mining is not None
    mining.set_model(model)
    mined = _seconds(lambda: mining.on_epoch_end(0))
    case, slices = lab.test[0], sum(len(case.labels) for case in lab.test) / len(lab.test)
    some = slice(None, None, max(1, len(case.labels) // 8))
    images, brain = case.images[some], case.brain[some]
    segmented = _seconds(lambda: segment(model, images, brain)) * slices / len(images)
    segmented *= test_cases or len(lab.test)
    return {arm: _hours(lab.config(arm), step, mined / _CANDIDATES, segmented) for arm in arms}


def _hours(config: ExperimentConfig, step: float, candidate: float, segmented: float) -> float:
    seconds = segmented
    for training in (each for last in config.trainings() for each in last.chain):
        candidates = training.candidates if training.arm.mining else 0
        seconds += config.epochs * (training.config.steps * step + candidates * candidate)
    return seconds / 3600


def _seconds(action) -> float:
    """How long an action takes the second time; the first time also compiles."""
    action()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


class Forecast:
    """Hours that are left, corrected by what each finished arm really took.

    Parameters
    ----------
    hours : mapping of str to float
        What each arm is expected to take.

    Examples
    --------
    >>> from imbalance_tf.lab.estimate import Forecast
    >>> forecast = Forecast({"random": 1.0, "balanced": 1.0})
    >>> forecast.took("random", 1.5)
    >>> forecast.left()
    1.5
    """

    @classmethod
    def of(cls, lab: Lab, hours: Mapping[str, float] | None = None) -> "Forecast":
        """The forecast for those of the paper's arms that are not finished in a lab; `hours` from
        the start are measured, unless they are known."""
        left = {
            arm: 1 - finished_share(lab.config(arm), lab.train, lab.test, lab.out / "runs")
            for arm in PAPER_ARMS
            if not lab.run_folder(arm).exists()
        }
        hours = hours or (estimate_hours(lab) if left else {})
        return cls({arm: hours[arm] * share for arm, share in left.items()})

    def __init__(self, hours: Mapping[str, float]):
        self._expected = dict(hours)
        self._taken: dict[str, float] = {}

    def took(self, arm: str, hours: float) -> None:
        """Note what an arm took that is finished now."""
        if arm in self._expected:
            self._taken[arm] = hours

    def left(self) -> float:
        """Hours for the arms that are not finished yet, at the speed of those that are."""
        expected = sum(self._expected[arm] for arm in self._taken)
        slower = sum(self._taken.values()) / expected if expected else 1.0
        return slower * sum(
            hours for arm, hours in self._expected.items() if arm not in self._taken
        )
