"""What learns: the part `network` of an arm."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from imbalance_tf.cohort.arguments import filters_of, settle

from .parts import Part


@dataclass(frozen=True)
class Network(Part):
    """What learns. A subclass gives `build` and `segment`."""

    target: ClassVar[Literal["centre", "patch"]] = "centre"
    """The label of a patch: that of its centre, or a map of all its voxels."""
    multiple: ClassVar[int] = 1
    """The rows and columns of a patch are a multiple of it."""

    @abstractmethod
    def build(self, *, channels: int, classes: int, patch_size: int, seed: int, precision: str):
        """A Keras model with logits, not compiled; its last layer with weights is ``logits``."""
        raise NotImplementedError

    @abstractmethod
    def segment(self, model: Any, images: np.ndarray, brain: np.ndarray) -> np.ndarray:
        """Class probabilities (S, H, W, classes) of a case: see `imbalance_tf.segment`."""
        raise NotImplementedError


@dataclass(frozen=True)
class PatchCNN(Network):
    """Predicts the class of the centre of a patch, as we read the paper: `patch_cnn`."""

    def build(self, **sizes):
        from imbalance_tf.network.cnn import patch_cnn

        return patch_cnn(**sizes)

    def segment(self, model, images, brain):
        from imbalance_tf.network.dense import segment

        return segment(model, images, brain)


@dataclass(frozen=True)
class UNet(Network):
    """Predicts the class of every voxel of a patch (Ronneberger et al. 2015): see `unet`.

    Parameters
    ----------
    filters : sequence of int
        Of each level, from the finest.
    """

    filters: Sequence[int] = (8, 16, 32, 64)

    target = "patch"

    def __post_init__(self):
        settle(self, filters=filters_of(self.filters))

    @property
    def multiple(self) -> int:  # type: ignore[override]
        return 2 ** (len(self.filters) - 1)

    def build(self, *, patch_size, **sizes):
        from imbalance_tf.network.unet import unet

        return unet(filters=self.filters, **sizes)

    def segment(self, model, images, brain):
        from imbalance_tf.network.unet import segment_maps

        return segment_maps(model, images, brain, multiple=self.multiple)
