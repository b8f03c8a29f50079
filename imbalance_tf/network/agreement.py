"""Agreement: whether each operation of a patch classifier gives the same on patches and windows.

It is measured, so no list of layer types has to know what has an exact dense form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from imbalance_tf._tensorflow import expect_logits, keras, tf
from imbalance_tf.cohort.case import AIR

_TOLERANCE = 0.005
"""Relative to the largest value of a map: far above what another order of summation changes, also
with the 19-bit products of some GPUs, and far below what an inexact operation does."""
_HALF = 0.06
"""The same for a map in half precision, and for all that is computed from one: logits in float32
that add and subtract such values are no more exact than these."""

ERRORS = (ValueError, TypeError, tf.errors.OpError)
FAILS = "it works on patches of one size only"


class NoDenseForm(ValueError):
    """An operation of a model has no exact dense form."""

    def __init__(self, model: keras.Model, operation: keras.Operation, why: str):
        super().__init__(
            f"'{operation.name}' ({type(operation).__name__}) of '{model.name}' has no exact dense "
            f"form: {why}. Unpadded convolutions of stride 1, 2x2 pools of stride 2, sums of maps, "
            f"and whatever treats every voxel alike have one"
        )


@dataclass(frozen=True)
class Step:
    """The output of one operation for a patch, and for a window, after a number of pools."""

    operation: keras.Operation
    patch: keras.KerasTensor
    window: keras.KerasTensor
    pools: int


def compare(model: keras.Model, steps: list[Step], *, complete: bool) -> None:
    """Compare every step on made-up windows, and on patches that are cut out of them.

    The first step is the input; if `complete`, the last gives the logits of the model. ValueError
    if the model gives probabilities, or a patch and a window differ.
    """
    size, block = model.input_shape[1], 2 ** max(step.pools for step in steps)
    side = block * -(-size // block)
    generator = np.random.default_rng(0)
    scans = _windows(generator, side + size - 1, model.input_shape[-1])
    corners = product(range(len(scans)), (0, side - 1), (0, side - 1))
    inner = generator.integers(0, (len(scans), side // 4 + 1, side // 4 + 1), size=(8, 3)).tolist()
    # And as many from the air: for an operation that looks at all patches of a batch together, the
    # batch must differ much from the windows.
    air = [(1, row, side - 1 - column) for _, row, column in inner]
    places = [*corners, *map(tuple, inner), *air]
    cut = np.stack([scans[n, i : i + size, j : j + size] for n, i, j in places])
    outputs = _float(model(cut, training=False)).reshape(len(cut), -1)
    expect_logits(model, outputs)

    # Twice, once with other weights: a weight that is zero now may hide what training will show.
    for shaken in (False, True):
        maps, error = _maps(steps, [cut, scans], generator if shaken else None)
        tolerance = _TOLERANCE
        for step, (on_patches, on_windows) in zip(steps, maps, strict=False):
            if on_patches.dtype in (tf.float16, tf.bfloat16):
                tolerance = _HALF
            _compare_step(model, step, on_patches, on_windows, places, tolerance)
        if error:
            raise NoDenseForm(model, steps[len(maps)].operation, FAILS) from error
        if complete and not shaken:
            last = _float(maps[-1][0]).reshape(outputs.shape)
            if (apart := _apart(outputs, last)) > _HALF:
                why = f"its call() gives something else than its layers, by {apart:.2g}"
                raise NoDenseForm(model, model, why)


def _maps(
    steps: list[Step], inputs: list[np.ndarray], generator: np.random.Generator | None
) -> tuple[list[tuple], Exception | None]:
    """The maps (of patches, of windows) of the steps, up to the first that fails, and its error.

    With a generator the weights are shaken; those of the model stay as they are.
    """
    error = None
    for end in range(len(steps), 0, -1):
        maps = [each for step in steps[:end] for each in (step.patch, step.window)]
        probe = keras.Model(maps[:2], maps)
        weights = [np.asarray(variable) for variable in probe.trainable_variables]
        if generator:
            weights = [_shaken(weight, generator) for weight in weights]
        others = [variable.value for variable in probe.non_trainable_variables]
        try:
            maps, _ = probe.stateless_call(weights, others, inputs, training=False)
            return list(zip(maps[::2], maps[1::2], strict=True)), error
        except ERRORS as failure:
            error = failure
    return [], error


def _windows(generator: np.random.Generator, side: int, channels: int) -> np.ndarray:
    """Two windows in which all regions differ, one of them with air."""
    scans = generator.normal(size=(2, side, side, channels))
    scans *= np.geomspace(0.3, 3, side)[:, None, None]
    scans += np.geomspace(0.1, 3, side)[:, None]
    scans[1, : side // 2, side // 3 :] = AIR
    return np.clip(scans, AIR, -AIR).astype(np.float32)


def _shaken(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    spread = np.sqrt(np.square(weight, dtype=np.float64).mean()) if weight.size else 0.0
    # By 0.1 at least: what a weight of 0 or 1e-6 hides now, training will show.
    return (weight + generator.normal(size=weight.shape) * max(spread, 0.1)).astype(weight.dtype)


def _compare_step(
    model: keras.Model, step: Step, on_patches, on_windows, places, tolerance: float
) -> None:
    own, whole = _float(on_patches), _float(on_windows)
    own = own.reshape(len(own), *(own.shape[1:] if own.ndim == 4 else (1, 1, own.shape[-1])))
    same = list(_parts(whole, step.pools, own.shape[1:3], places))
    if any(part.shape != own.shape[1:] for part in same):
        why = f"of a window it leaves {whole.shape[1:]}, not the map {own.shape[1:]} of every patch"
    elif (apart := _apart(own, np.stack(same))) > tolerance:
        why = f"a patch and the window around it differ by {apart:.2g} of the largest value"
    else:
        return
    raise NoDenseForm(model, step.operation, why)


def _float(tensor) -> np.ndarray:
    return np.asarray(tf.cast(tensor, tf.float32))


def _parts(whole: np.ndarray, pools: int, shape, places) -> Iterator[np.ndarray]:
    """The parts of the map of the windows that are the maps of the patches at these places."""
    windows = len(whole) // 4**pools
    for number, row, column in places:
        for level in range(pools):
            quarter = 2 * (row >> level & 1) + (column >> level & 1)
            number += quarter * windows * 4**level
        top, left = row >> pools, column >> pools
        yield whole[number, top : top + shape[0], left : left + shape[1]]


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference, relative to the largest value; 1 if only one of two is finite."""
    if not (np.isfinite(one) == np.isfinite(other)).all():
        return 1.0
    one, other = np.nan_to_num(one, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    return float(np.abs(one - other).max() / max(np.abs(one).max(), np.abs(other).max(), 1e-30))
