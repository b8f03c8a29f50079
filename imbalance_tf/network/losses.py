"""Losses on integer labels that Keras has in another form, or not at all.

They are registered with Keras, so that a half-trained model that is saved with one goes on.
"""

from imbalance_tf._tensorflow import keras, tf

from .core import serializable

__all__ = ["Adjusted", "DiceAndCrossEntropy", "SparseFocal"]


def _one_hot(labels, logits):
    return tf.one_hot(tf.cast(labels, tf.int32), tf.shape(logits)[-1], dtype=logits.dtype)


@serializable
class SparseFocal(keras.losses.Loss):
    """Keras' `CategoricalFocalCrossentropy` of logits, for integer labels.

    Without its factor alpha, which would only scale the whole.

    Examples
    --------
    >>> loss = SparseFocal(gamma=0.0)([1], [[0.0, 2.0]])  # gamma 0: the cross-entropy
    >>> round(float(loss), 4)
    0.1269
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal", **other):
        super().__init__(name=name, **other)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        y_pred = tf.convert_to_tensor(y_pred)
        return keras.losses.categorical_focal_crossentropy(
            _one_hot(y_true, y_pred), y_pred, alpha=1.0, gamma=self.gamma, from_logits=True
        )

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@serializable
class Adjusted(keras.losses.Loss):
    """Cross-entropy of the logits plus a constant for each class (Menon et al. 2021).

    Examples
    --------
    >>> loss = Adjusted(addition=[0.0, -2.0])([1], [[0.0, 2.0]])
    >>> round(float(loss), 4)
    0.6931
    """

    def __init__(self, addition: list[float], name: str = "adjusted", **other):
        super().__init__(name=name, **other)
        self.addition = addition

    def call(self, y_true, y_pred):
        logits = tf.convert_to_tensor(y_pred)
        logits += tf.constant(self.addition, logits.dtype)
        return keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)

    def get_config(self):
        return {**super().get_config(), "addition": self.addition}


@serializable
class DiceAndCrossEntropy(keras.losses.Loss):
    """Cross-entropy plus Keras' Dice loss, the mean over the classes, of a batch of maps.

    Examples
    --------
    >>> labels = np.array([[[0, 1]]])
    >>> sure = 20.0 * np.eye(2)[labels]
    >>> float(DiceAndCrossEntropy()(labels, sure)) < 1e-4
    True
    """

    def __init__(self, name: str = "dice_and_cross_entropy", **other):
        super().__init__(name=name, **other)

    def call(self, y_true, y_pred):
        logits = tf.convert_to_tensor(y_pred)
        entropy = keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
        over = tuple(range(logits.shape.rank - 1))  # all but the classes
        dice = keras.losses.dice(_one_hot(y_true, logits), tf.nn.softmax(logits), axis=over)
        return entropy + tf.reduce_mean(dice)
