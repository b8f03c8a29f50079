"""The patch classifier: one architecture for all three strategies."""

from imbalance_tf._tensorflow import keras, start, tf
from imbalance_tf.cohort.arguments import LARGEST_PATCH, whole

from .inputs import expect_network, seeds_of


@keras.saving.register_keras_serializable(package="imbalance_tf")
class ChannelBias(keras.layers.Layer):
    """Adds one trained number to each channel; Keras has that only inside other layers.

    Examples
    --------
    >>> from imbalance_tf.network.cnn import ChannelBias
    >>> tuple(ChannelBias()(np.zeros((1, 2, 2, 3))).shape)
    (1, 2, 2, 3)
    """

    def build(self, input_shape):
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, maps):
        return tf.nn.bias_add(maps, tf.cast(self.bias, maps.dtype))


def patch_cnn(
    *,
    channels: int,
    classes: int,
    patch_size: int = 64,
    seed: int = 0,
    precision: str = "float32",
) -> keras.Model:
    """A small CNN that predicts the class of the voxel at the centre of a patch.

    Three times an unpadded 3x3 convolution, a 2x2 max-pool, bias and ReLU, then a convolution whose
    window is the whole remaining map, then a linear layer. The paper gives no architecture; this
    one is ours. Nothing is padded, so the same weights run over a whole slice exactly (`segment`).
    Nothing is batch-normalised, since batch statistics would depend on how a batch is sampled.

    Parameters
    ----------
    channels : int
        Modalities.
    classes : int
    patch_size : int
        Rows and columns of a patch, at least 22: or nothing is left after three convolutions and
        pools. At most 1024.
    seed : int
        Of the initial weights.
    precision : str
        Keras' dtype policy of the hidden layers, such as ``"mixed_bfloat16"``. Weights and logits
        are always float32.

    Returns
    -------
    keras.Model
        Patches (N, patch_size, patch_size, channels) of any float dtype -> logits (N, classes)
        float32. Not compiled. A saved model is loaded once this function has been imported.

    Raises
    ------
    ValueError
        If an argument is wrong, such as a patch that is too small.

    Examples
    --------
    >>> patch_cnn(channels=4, classes=5).output_shape
    (None, 5)
    """
    whole(22, LARGEST_PATCH, patch_size=patch_size)
    expect_network(channels=channels, classes=classes, precision=precision)
    start()
    seeds = seeds_of(seed)
    # Of Keras' own settings none may decide: a person's keras.json can hold others.
    last = "channels_last"

    def convolution(filters, window, dtype=precision, **options):
        initializer = keras.initializers.HeUniform(seed=next(seeds))
        return keras.layers.Conv2D(
            filters,
            window,
            kernel_initializer=initializer,
            data_format=last,
            dtype=dtype,
            **options,
        )

    # Every dtype is given, or Keras' global policy would decide. Every name is given, because
    # Keras numbers its own names over all models of a session.
    patches = keras.Input((patch_size, patch_size, channels), dtype="float32", name="patches")
    model = keras.Sequential([patches], name="patch_cnn")
    for number, filters in enumerate((16, 32, 64), start=1):
        model.add(convolution(filters, 3, use_bias=False, name=f"convolution_{number}"))
        pool = {"data_format": last, "dtype": precision, "name": f"pool_{number}"}
        model.add(keras.layers.MaxPooling2D(2, **pool))
        # Bias and ReLU after the pool are the same function as before it, and the gradient of the
        # bias is faster: a fifth more patches per second (benchmarks/training.py).
        model.add(ChannelBias(dtype=precision, name=f"bias_{number}"))
        model.add(keras.layers.ReLU(dtype=precision, name=f"relu_{number}"))
    window = model.output_shape[1:3]
    model.add(convolution(32, window, activation="relu", name="full_window"))
    model.add(convolution(classes, 1, dtype="float32", name="logits"))
    model.add(keras.layers.Flatten(data_format=last, dtype="float32", name="flatten"))
    # A Sequential takes other sizes too: a larger patch would give several answers in one row, and
    # `fit` would train on them without an error.
    shape = (None, patch_size, patch_size, channels)
    model.input_spec = keras.layers.InputSpec(shape=shape, name="patches")
    return model
