"""The core of the dense form: the graph of a patch classifier, rebuilt for windows of any size.

Every operation of the graph is called again, on a window instead of a patch; pools are split into
quarters. Whether that gives what the patch model gives is asked of the model itself: at each
operation, maps of a few patches are held against the same places of the window's map. So no list
of layer types has to know what is exact, and what is not is refused by the name of the operation.
"""

from collections.abc import Callable
from dataclasses import dataclass

from imbalance_tf._tensorflow import keras, start, tf

from .agreement import ERRORS, FAILS, Step, compare, no_dense_form

__all__ = ["Core", "core_of", "serializable"]

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
        compare(model, patches, windows, steps, complete=problem is None)
    if problem:
        raise problem
    logits = steps[-1].window
    for _ in range(steps[-1].pools):
        logits = _Interleave()(logits)
    return Core(keras.Model(windows, logits, name=f"{model.name}_core"), 2 ** steps[-1].pools)


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


def _rebuilt(model, patches, windows) -> tuple[list[Step], ValueError | None]:
    """Call every operation of the model on a patch and on a window, in one order.

    Up to the first that cannot be called on a window, with the error that says so.
    """
    on_patches = []

    def call(operation, *args, **kwargs):
        output = operation(*args, **kwargs)
        on_patches.append((_tensors((args, kwargs)), output))
        return output

    _replay(model, patches, call)

    steps: list[Step] = []
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
        except ERRORS as error:
            raise _Stuck(FAILS, operation) from error
        for one, same in zip(_tensors(output), _tensors(dense), strict=True):
            if len(same.shape) != 4 or len(one.shape) not in (2, 4):
                shapes = [tuple(each.shape[1:]) for each in (*inputs, one)]
                raise _Stuck(f"it puts the places of a map together: {shapes}", operation)
            pools[id(same)] = depth
            steps.append(Step(operation, one, same, depth))
        return dense

    try:
        _replay(model, windows, call_dense)
    except _Stuck as stuck:
        return steps, no_dense_form(model, stuck.operation, str(stuck))
    return steps, None


class _Stuck(Exception):
    """An operation cannot be called on a window."""

    def __init__(self, why: str, operation):
        super().__init__(why)
        self.operation = operation


def _replay(model: keras.Model, tensor, call: Callable):
    """Call the operations of a graph in their order, and those of the models in it, on a tensor."""

    def inner(operation, *args, **kwargs):
        if _is_graph(operation) and len(operation.inputs) == len(operation.outputs) == 1:
            return _replay(operation, args[0], call)
        return call(operation, *args, **kwargs)

    # A Sequential keeps its graph to itself; a model of its ends has the same.
    graph = keras.Model(model.inputs[0], model.outputs[0])
    return keras.models.clone_model(
        graph, input_tensors=tensor, clone_function=lambda each: each, call_function=inner
    ).output


def _drops_places(before, after) -> bool:
    """Whether a map of one place, (1, 1, c), becomes (c,): over a window nothing is dropped."""
    return tuple(before.shape[1:3]) == (1, 1) and tuple(after.shape[1:]) == before.shape[3:]


def _tensors(nested) -> list[keras.KerasTensor]:
    flat = keras.tree.flatten(nested)
    return [each for each in flat if isinstance(each, keras.KerasTensor)]


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
