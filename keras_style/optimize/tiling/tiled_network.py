"""The network of an image that is seen tile by tile."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from keras_style.backbones.vgg import Backbone
from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import crop
from keras_style.optimize.gradient import as_written
from keras_style.optimize.tiling.tiles import Tiling


class TiledNetwork:
    """The backbone as one graph for windows of every image."""

    def __init__(self, backbone: Backbone, layers: Iterable[str], cut: Tiling, dtype: np.dtype):
        names = sorted(layers)
        self.backbone = backbone
        self.cut = cut
        self.dtype = dtype
        window = tf.TensorSpec((None, None, None, 3), dtype)
        self.maps = as_written(lambda window: backbone(window, names), [window])
        self.kinds = {name: tf.TensorSpec((None, None, None, backbone.channels(name)), dtype) for name in names}

    def features(self, images: np.ndarray, layers: Sequence[str]) -> list[np.ndarray]:
        """Feature maps (B, H', W', C) of images."""

        def own(maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            return [within(maps[name], at) for name, at in zip(layers, bounds, strict=True)]

        return self.placed(tf.constant(images), layers, own)

    def placed(
        self, images: tf.Tensor, layers: Sequence[str], part: Callable[..., Sequence[tf.Tensor]]
    ) -> list[np.ndarray]:
        """What `part` makes of layers, position by position, put together from the tiles: each (B, H', W', any).

        Args:
            images: (B, H, W, 3).
            layers: one for each answer of `part`.
            part: from the feature maps of a window and its own positions in each of `layers` to what belongs there.
        """
        batch, height, width, _ = images.shape
        times = [self.backbone.poolings(name) for name in layers]
        whole: list[np.ndarray] = []
        for tile in self.cut(height, width):
            found = part(self.maps(tile.seen(images)), [tf.constant(tile.bounds(each)) for each in times])
            whole = whole or [
                np.empty((batch, height >> each, width >> each, own.shape[-1]), self.dtype)
                for each, own in zip(times, found, strict=True)
            ]
            for each, into, own in zip(times, whole, found, strict=True):
                tile.own(into, each)[...] = own
        return whole


def traced(function: Callable[..., Any], signature: Sequence[Any]) -> tuple[Callable[..., Any], Any]:
    """`function` as a graph, and what it answers, as `tf.TensorSpec`."""
    made = tf.function(function, autograph=False, input_signature=signature)
    answer = made.get_concrete_function().structured_outputs
    return made, tf.nest.map_structure(tf.TensorSpec.from_tensor, answer)


def within(features: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Of features (B, H, W, C) the positions from own = (top, bottom, left, right)."""
    return crop(features, *tf.unstack(own))
