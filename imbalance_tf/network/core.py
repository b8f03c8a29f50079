"""The core of the dense form: the graph of a patch classifier, rebuilt for windows of any size.

Every operation of the graph is called again, on a window instead of a patch; pools are split into
quarters. Whether that gives what the patch model gives is asked of the model itself: at each
operation, maps of a few patches are held against the same places of the window's map. So no list
of layer types has to know what is exact, and what is not is refused by the name of the operation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from imbalance_tf._tensorflow import keras, refuse_probabilities, start, tf
from imbalance_tf.cohort.case import AIR

__all__ = ["Core", "core_of"]

_TOLERANCE = 0.005
"""Of the largest value of a map. Far above what other orders of summation make of it, also in the
19-bit products of some GPUs, and far below what an operation does that has no dense form."""
_HALF = 0.06
"""The same where a map is in half precision."""

_ERRORS = (ValueError, TypeError, tf.errors.OpError)
_FAILS = "it works on patches of one size only"
_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)

serializable = keras.saving.register_keras_serializable(package="imbalance_tf")


@dataclass(frozen=True)
class Core:
    """The core of the dense form of a patch classifier.

    Attributes
    ----------
    model : keras.Model
        Windows (N, R + P - 1, C + P - 1, M) -> logits (N, R, C, classes), P the patch size. R and
        C are multiples of the block. It shares the weights of the patch classifier.
    block : int
        Rows of the map in which every shift of every pool comes once.
    """

    model: keras.Model
    block: int


def core_of(model: keras.Model) -> Core:
    """Rebuild the graph of a patch classifier for windows, and hold both against each other.

    Raises
    ------
    ValueError
        If the model is no patch classifier with logits, or an operation of it has no exact dense
        form; with the name of that operation.
    """
    _refuse_other_models(model)
    patches = keras.Input(model.input_shape[1:], dtype="float32")
    windows = keras.Input((None, None, model.input_shape[-1]), dtype="float32")
    steps, problem = _rebuilt(model, patches, windows)
    start()
    if steps:
        _compare(model, patches, windows, steps, complete=problem is None)
    if problem:
        raise problem
    logits = steps[-1].window
    for _ in range(steps[-1].pools):
        logits = _Interleave()(logits)
    return Core(keras.Model(windows, logits, name=f"{model.name}_core"), 2 ** steps[-1].pools)


@dataclass(frozen=True)
class _Step:
    """What one operation makes of a patch, and of a window that has gone through some pools."""

    operation: keras.Operation
    patch: keras.KerasTensor
    window: keras.KerasTensor
    pools: int


def _refuse_other_models(model: keras.Model) -> None:
    if not _is_graph(model):
        raise ValueError(
            f"'{model.name}' is no chain or graph of layers (or was not built yet), so it has no "
            f"dense form; make it with keras.Sequential or keras.Model(inputs, outputs), from a "
            f"keras.Input on"
        )
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or len(shapes[0]) != 4 or None in shapes[0][1:]:
        raise ValueError(
            f"'{model.name}' takes and gives {shapes}; one input, patches (rows, columns, "
            f"modalities), and one output, logits, are expected"
        )
    if shapes[0][1] != shapes[0][2]:
        raise ValueError(
            f"'{model.name}' takes {shapes[0][1]}x{shapes[0][2]} patches; squares are expected"
        )
    if shapes[1][1:-1] not in ((), (1, 1)):
        raise ValueError(
            f"the last map of '{model.name}' is {shapes[1][1:-1]}; it must end in a full-window "
            f"convolution that leaves (1, 1)"
        )


def _is_graph(operation) -> bool:
    chain = isinstance(operation, keras.Model) and getattr(operation, "inputs", None)
    return bool(chain) and getattr(operation, "outputs", None) is not None


def _rebuilt(model, patches, windows) -> tuple[list[_Step], ValueError | None]:
    """Call every operation of the model on a patch and on a window, in one order.

    Up to the first that cannot be called on a window, with the error that says so.
    """
    on_patches = []

    def call(operation, *args, **kwargs):
        output = operation(*args, **kwargs)
        on_patches.append((_tensors((args, kwargs)), output))
        return output

    _replay(model, patches, call)

    steps: list[_Step] = []
    own = iter(on_patches)
    pools = {id(windows): 0}  # that each map has gone through

    def call_dense(operation, *args, **kwargs):
        (inputs, output), maps = next(own), _tensors((args, kwargs))
        depth = max((pools[id(each)] for each in maps), default=0)
        try:
            if isinstance(operation, _POOLS) and operation.pool_size == operation.strides == (2, 2):
                # Every shift of the pool at once, then apart: four shifted maps would be copies.
                pool = type(operation)(2, strides=1, dtype=operation.dtype_policy)
                dense, depth = _Quarters()(pool(*maps)), depth + 1
            elif len(inputs) == 1 and _drops_places(inputs[0], output):
                dense = maps[0]
            else:
                dense = operation(*args, **kwargs)
        except _ERRORS as error:
            raise _Stuck(_FAILS, operation) from error
        for one, same in zip(_tensors(output), _tensors(dense), strict=True):
            if len(same.shape) != 4 or len(one.shape) not in (2, 4):
                shapes = [tuple(each.shape[1:]) for each in (*inputs, one)]
                raise _Stuck(f"it puts the places of a map together: {shapes}", operation)
            pools[id(same)] = depth
            steps.append(_Step(operation, one, same, depth))
        return dense

    try:
        _replay(model, windows, call_dense)
    except _Stuck as stuck:
        return steps, _no_dense_form(model, stuck.operation, str(stuck))
    return steps, None


class _Stuck(Exception):
    """An operation cannot be called on a window."""

    def __init__(self, why: str, operation):
        super().__init__(why)
        self.operation = operation


def _replay(model: keras.Model, start, call: Callable):
    """Call the operations of a graph in their order, and those of the models in it, on `start`."""

    def inner(operation, *args, **kwargs):
        if _is_graph(operation) and len(operation.inputs) == len(operation.outputs) == 1:
            return _replay(operation, args[0], call)
        return call(operation, *args, **kwargs)

    # A Sequential keeps its graph to itself; a model of its ends has the same.
    graph = keras.Model(model.inputs[0], model.outputs[0])
    return keras.models.clone_model(
        graph, input_tensors=start, clone_function=lambda each: each, call_function=inner
    ).output


def _drops_places(before, after) -> bool:
    """Whether a map of one place, (1, 1, c), becomes (c,): over a window nothing is dropped."""
    return tuple(before.shape[1:3]) == (1, 1) and tuple(after.shape[1:]) == before.shape[3:]


def _tensors(nested) -> list[keras.KerasTensor]:
    flat = keras.tree.flatten(nested)
    return [each for each in flat if isinstance(each, keras.KerasTensor)]


def _compare(model, patches, windows, steps: list[_Step], *, complete: bool) -> None:
    """Hold patches of made-up windows against the windows, operation by operation."""
    size, block = model.input_shape[1], 2 ** max(step.pools for step in steps)
    side = block * -(-size // block)
    generator = np.random.default_rng(0)
    scans = _windows(generator, side + size - 1, model.input_shape[-1])
    corners = product(range(len(scans)), (0, side - 1), (0, side - 1))
    # More of them from one corner: an operation that looks at all of them together must not see the
    # same over the windows.
    inner = generator.integers(0, (len(scans), side // 4 + 1, side // 4 + 1), size=(8, 3)).tolist()
    places = [*corners, *map(tuple, inner)]
    cut = np.stack([scans[n, i : i + size, j : j + size] for n, i, j in places])
    outputs = _float(model(cut, training=False)).reshape(len(cut), -1)
    refuse_probabilities(model, outputs)

    # Twice, once with other weights: one that is zero today may hide what training will show.
    for shaken in (False, True):
        maps, error = _maps(patches, windows, steps, [cut, scans], generator if shaken else None)
        for step, (on_patches, on_windows) in zip(steps, maps, strict=False):
            _refuse_if_parted(model, step, on_patches, on_windows, places)
        if error:
            raise _no_dense_form(model, steps[len(maps)].operation, _FAILS) from error
        if complete and not shaken:
            last = _float(maps[-1][0]).reshape(outputs.shape)
            if (apart := _apart(outputs, last)) > _HALF:
                why = f"its call() gives something else than its layers, by {apart:.2g}"
                raise _no_dense_form(model, model, why)


def _maps(patches, windows, steps: list[_Step], inputs, generator):
    """What the steps make of patches and of windows: pairs, and the error that ended them, if any.

    With shaken weights if there is a generator; the weights of the model stay as they are.
    """

    def run(some: list[_Step]):
        maps = [each for step in some for each in (step.patch, step.window)]
        probe = keras.Model([patches, windows], maps)
        weights = [np.asarray(variable) for variable in probe.trainable_variables]
        if generator:
            weights = [_shaken(weight, generator) for weight in weights]
        others = [variable.value for variable in probe.non_trainable_variables]
        maps, _ = probe.stateless_call(weights, others, inputs, training=False)
        return list(zip(maps[::2], maps[1::2], strict=True))

    try:
        return run(steps), None
    except _ERRORS:  # at one of them: one by one up to there
        done: list[tuple] = []
        try:
            for step in steps:
                done += run([step])
        except _ERRORS as error:
            return done, error
        raise


def _windows(generator: np.random.Generator, side: int, channels: int) -> np.ndarray:
    """Two windows in which no region is like another, one of them with air."""
    scans = generator.normal(size=(2, side, side, channels))
    scans *= np.geomspace(0.3, 3, side)[:, None, None]
    scans += np.geomspace(0.1, 3, side)[:, None]
    scans[1, : side // 2, side // 3 :] = AIR
    return np.clip(scans, AIR, -AIR).astype(np.float32)


def _shaken(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    spread = np.sqrt(np.square(weight, dtype=np.float64).mean()) if weight.size else 0.0
    return (weight + generator.normal(size=weight.shape) * (spread or 0.1)).astype(weight.dtype)


def _refuse_if_parted(model, step: _Step, on_patches, on_windows, places) -> None:
    half = on_patches.dtype in (tf.float16, tf.bfloat16)
    own, whole = _float(on_patches), _float(on_windows)
    own = own.reshape(len(own), *(own.shape[1:] if own.ndim == 4 else (1, 1, own.shape[-1])))
    same = list(_parts(whole, step.pools, own.shape[1:3], places))
    if any(part.shape != own.shape[1:] for part in same):
        why = f"of a window it leaves {whole.shape[1:]}, not the map {own.shape[1:]} of every patch"
        raise _no_dense_form(model, step.operation, why)
    if (apart := _apart(own, np.stack(same))) > (_HALF if half else _TOLERANCE):
        why = f"there a patch and the window around it part, by {apart:.2g} of the largest value"
        raise _no_dense_form(model, step.operation, why)


def _float(tensor) -> np.ndarray:
    return np.asarray(tf.cast(tensor, tf.float32))


def _parts(whole: np.ndarray, pools: int, shape, places) -> Iterator[np.ndarray]:
    """Where the maps of the patches at these places stand in the map of the windows."""
    windows = len(whole) // 4**pools
    for number, row, column in places:
        for level in range(pools):
            quarter = 2 * (row >> level & 1) + (column >> level & 1)
            number += quarter * windows * 4**level
        top, left = row >> pools, column >> pools
        yield whole[number, top : top + shape[0], left : left + shape[1]]


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference, as a share of the largest value; 1 if it is no number in one only."""
    if not (np.isfinite(one) == np.isfinite(other)).all():
        return 1.0
    one, other = np.nan_to_num(one, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    return float(np.abs(one - other).max() / max(np.abs(one).max(), np.abs(other).max(), 1e-30))


def _no_dense_form(model: keras.Model, operation, why: str) -> ValueError:
    return ValueError(
        f"'{operation.name}' ({type(operation).__name__}) of '{model.name}' has no exact dense "
        f"form: {why}. Unpadded convolutions of stride 1, 2x2 pools of stride 2, sums of maps, and "
        f"whatever treats every voxel alike have one"
    )


@serializable
class _Quarters(keras.layers.Layer):
    """Every second row and column, from each of four starts, stacked along the batch axis."""

    def __init__(self, **other):
        super().__init__(**other, autocast=False)

    def call(self, maps):
        shape = tf.shape(maps)
        even = maps[:, : shape[1] // 2 * 2, : shape[2] // 2 * 2]
        return tf.space_to_batch(even, [2, 2], [[0, 0], [0, 0]])


@serializable
class _Interleave(keras.layers.Layer):
    """What `_Quarters` split, put together again."""

    def __init__(self, **other):
        super().__init__(**other, autocast=False)

    def call(self, maps):
        return tf.batch_to_space(maps, [2, 2], [[0, 0], [0, 0]])
