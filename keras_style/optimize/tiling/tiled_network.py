"""The network of an image that is seen tile by tile."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from keras_style.backbones.backbone import Backbone
from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import crop
from keras_style.optimize.gradient import GRAPHS, as_written
from keras_style.optimize.tiling.tiles import Tile, Tiling


class TiledNetwork:
    """The backbone as one graph for windows of every image.

    Attributes:
        pattern: the backbone without its tensors.
        kinds: `tf.TensorSpec` of the feature maps, by layer.
        key: what graphs with this network depend on.
    """

    def __init__(self, backbone: Backbone, layers: Iterable[str], cut: Tiling, dtype: np.dtype):
        names = sorted(layers)
        self.backbone = backbone
        self.cut = cut
        self.dtype = dtype
        window = tf.TensorSpec((None, None, None, 3), dtype)
        inputs = tf.nest.map_structure(tf.TensorSpec.from_tensor, backbone.tensors)
        self.pattern = pattern = backbone.with_tensors(inputs)
        self.kinds = {name: tf.TensorSpec((None, None, None, backbone.layer(name).channels), dtype) for name in names}
        self.key = backbone.key(), repr(inputs), repr(self.kinds)
        self._maps = GRAPHS.get(
            (TiledNetwork, self.key),
            lambda: as_written(lambda window, tensors: pattern.with_tensors(tensors)(window, names), [window, inputs]),
        )

    def maps(self, window: tf.Tensor) -> dict[str, tf.Tensor]:
        """The feature maps of a window, by layer."""
        maps: dict[str, tf.Tensor] = self._maps(window, self.backbone.tensors)
        return maps

    def features(self, images: np.ndarray, layers: Sequence[str]) -> list[np.ndarray]:
        """Feature maps (B, H', W', C) of images."""

        def own(maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            return [within(maps[name], at) for name, at in zip(layers, bounds, strict=True)]

        return self.placed(tf.constant(images), layers, own)

    def placed(
        self, images: tf.Tensor, layers: Sequence[str], part: Callable[..., Sequence[tf.Tensor]]
    ) -> list[np.ndarray]:
        """The outputs of `part`, position by position, assembled from the tiles: each (B, H', W', any).

        Args:
            images: (B, H, W, 3).
            layers: one for each answer of `part`.
            part: a function of the feature maps of a window and its own positions in each of `layers`.
        """
        batch, height, width, _ = images.shape
        whole: list[np.ndarray] = []
        for tile in self.cut(height, width):
            found = part(self.maps(tile.seen(images)), [tf.constant(self.bounds(tile, name)) for name in layers])
            whole = whole or [
                np.empty((batch, *self.backbone.shape(name, height, width), own.shape[-1]), self.dtype)
                for name, own in zip(layers, found, strict=True)
            ]
            for name, into, own in zip(layers, whole, found, strict=True):
                self.own(tile, name, into)[...] = own
        return whole

    def own(self, tile: Tile, layer: str, whole: np.ndarray, margin: int = 0) -> np.ndarray:
        """The part of a layer (B, H', W', ...) that a tile owns, as a view; see `Span.at_layer` for `margin`."""
        (_, top, bottom), (_, left, right) = self._place(tile, layer, margin)
        return whole[:, top:bottom, left:right]

    def bounds(self, tile: Tile, layer: str, margin: int = 0) -> np.ndarray:
        """The own positions (top, bottom, left, right) in a layer of what the network sees of a tile, int32."""
        inside = [position - start for start, *ends in self._place(tile, layer, margin) for position in ends]
        return np.array(inside, np.int32)

    def _place(self, tile: Tile, layer: str, margin: int) -> list[tuple[int, int, int]]:
        stride, counts = (
            self.backbone.layer(layer).stride,
            self.backbone.shape(layer, tile.rows.length, tile.columns.length),
        )
        return [
            span.at_layer(stride, count, margin) for span, count in zip((tile.rows, tile.columns), counts, strict=True)
        ]


def traced(function: Callable[..., Any], signature: Sequence[Any]) -> tuple[Callable[..., Any], Any]:
    """`function` as a graph, and what it answers, as `tf.TensorSpec`."""
    made = tf.function(function, autograph=False, input_signature=signature)
    answer = made.get_concrete_function().structured_outputs
    return made, tf.nest.map_structure(tf.TensorSpec.from_tensor, answer)


def within(features: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """The positions own = (top, bottom, left, right) of features (B, H, W, C)."""
    return crop(features, *tf.unstack(own))
