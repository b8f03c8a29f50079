"""The core of the dense form: the graph of a patch classifier, called on windows of any size.

Every operation of the graph is called again, on a window instead of a patch, and pools are split
into quarters. `compare` then measures, for each operation, whether that is exact.
"""

from collections.abc import Callable

from imbalance_tf._tensorflow import keras, start, tf
from imbalance_tf.cohort.arguments import expect

from .agreement import ERRORS, FAILS, NoDenseForm, Step, compare

_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)

serializable = keras.saving.register_keras_serializable(package="imbalance_tf")


def core_of(model: keras.Model) -> tuple[keras.Model, int]:
    """The core of a patch classifier, with its weights, and the block: the stride of all pools.

    The core takes windows (N, R + P - 1, C + P - 1, M) and gives logits (N, R, C, classes), where P
    is the patch size, and R and C are multiples of the block. ValueError if the model is no patch
    classifier with logits, or an operation, which is named, has no exact dense form.
    """
    expect(isinstance(model, keras.Model), "a Keras model", model=model)
    if not _is_graph(model):
        raise ValueError(
            f"'{model.name}' is no chain or graph of layers, or is not built yet, so it has no "
            f"dense form; make it with keras.Sequential or keras.Model(inputs, outputs), from a "
            f"keras.Input on"
        )
    shapes = [tuple(tensor.shape[1:]) for tensor in (*model.inputs, *model.outputs)]
    (rows, *others), *ends = shapes
    square = len(others) == 2 and others[0] == rows and None not in (rows, others[1])
    if not square or len(ends) != 1 or ends[0][:-1] not in ((), (1, 1)):
        raise ValueError(
            f"'{model.name}' takes and gives {shapes}; one input, square patches (rows, columns, "
            f"modalities), and one output, (classes) or (1, 1, classes), are expected: end in a "
            f"full-window convolution that leaves (1, 1)"
        )
    steps, problem = _rebuilt(model)
    start()
    compare(model, steps, complete=problem is None)
    if problem:
        raise problem
    logits, pools = steps[-1].window, steps[-1].pools
    for _ in range(pools):
        logits = _Interleave()(logits)
    return keras.Model(steps[0].window, logits, name=f"{model.name}_core"), 2**pools


def _is_graph(operation: keras.Operation) -> bool:
    ends = [getattr(operation, name, None) for name in ("inputs", "outputs")]
    return isinstance(operation, keras.Model) and all(ends)


def _rebuilt(model: keras.Model) -> tuple[list[Step], NoDenseForm | None]:
    """Call every operation of the model on a patch and on a window: the steps, input first.

    They end before the first that cannot be called on a window; the error says so.
    """
    patches = keras.Input(model.input_shape[1:], dtype="float32")
    windows = keras.Input((None, None, model.input_shape[-1]), dtype="float32")
    on_patches = []

    def call(operation, *args, **kwargs):
        output = operation(*args, **kwargs)
        on_patches.append((_tensors((args, kwargs)), output))
        return output

    _replay(model, patches, call)

    steps = [Step(model, patches, windows, pools=0)]
    own = iter(on_patches)
    pools = {id(windows): 0}  # how many pools each map has passed

    def call_dense(operation, *args, **kwargs):
        (inputs, output), maps = next(own), _tensors((args, kwargs))
        outputs = _tensors(output)
        depth = max((pools[id(each)] for each in maps), default=0)
        try:
            if isinstance(operation, _POOLS) and operation.pool_size == operation.strides == (2, 2):
                # One pool at stride 1, then split: pooling four shifted maps would copy them.
                pool = type(operation)(
                    2, 1, data_format=operation.data_format, dtype=operation.dtype_policy
                )
                dense, depth = _Quarters()(pool(*maps)), depth + 1
            elif [each.shape[1:] for each in inputs] == [
                (1, 1, *each.shape[1:]) for each in outputs
            ]:
                dense = maps[0]  # it only drops the axes (1, 1), which a window keeps
            else:
                dense = operation(*args, **kwargs)
        except ERRORS as error:
            raise NoDenseForm(model, operation, FAILS) from error
        for one, same in zip(outputs, _tensors(dense), strict=True):
            if len(same.shape) != 4 or len(one.shape) not in (2, 4):
                shapes = [tuple(each.shape[1:]) for each in (*inputs, one)]
                why = f"it puts the places of a map together: {shapes}"
                raise NoDenseForm(model, operation, why)
            pools[id(same)] = depth
            steps.append(Step(operation, one, same, depth))
        return dense

    try:
        _replay(model, windows, call_dense)
    except NoDenseForm as problem:
        return steps, problem
    return steps, None


def _replay(model: keras.Model, tensor: keras.KerasTensor, call: Callable) -> keras.KerasTensor:
    """Call the operations of a graph, and of the models in it, in their order on a tensor."""

    def inner(operation, *args, **kwargs):
        if _is_graph(operation) and len(operation.inputs) == len(operation.outputs) == 1:
            return _replay(operation, args[0], call)
        return call(operation, *args, **kwargs)

    # The graph of a Sequential is private; a functional model of its ends has the same graph.
    graph = keras.Model(model.inputs[0], model.outputs[0])
    return keras.models.clone_model(
        graph, input_tensors=tensor, clone_function=lambda each: each, call_function=inner
    ).output


def _tensors(nested) -> list[keras.KerasTensor]:
    flat = keras.tree.flatten(nested)
    return [each for each in flat if isinstance(each, keras.KerasTensor)]


class ShapeLayer(keras.layers.Layer):
    """A layer that moves values without computing, and so keeps their dtype."""

    def __init__(self, **other):
        super().__init__(**other, autocast=False)


@serializable
class _Quarters(ShapeLayer):
    """Every second row and column, from each of four starts, stacked along the batch axis."""

    def call(self, maps):
        shape = tf.shape(maps)
        even = maps[:, : shape[1] // 2 * 2, : shape[2] // 2 * 2]
        return tf.space_to_batch(even, [2, 2], [[0, 0], [0, 0]])


@serializable
class _Interleave(ShapeLayer):
    """The inverse of `_Quarters`."""

    def call(self, maps):
        return tf.batch_to_space(maps, [2, 2], [[0, 0], [0, 0]])
