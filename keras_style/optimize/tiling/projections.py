"""Style terms of an image seen tile by tile whose losses need all positions at once, but few numbers per position."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import Statistics
from keras_style.optimize.gradient import GRAPHS
from keras_style.optimize.objective import Objective, Summand, Term, Wanted
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling.tiled_network import TiledNetwork, traced, within
from keras_style.optimize.tiling.tiles import Tile


class _Graphs:
    """The computations of `Projected` that are the same for all images.

    Args:
        terms: as there.
        kinds: `tf.TensorSpec` of the feature maps, by layer.

    Attributes:
        signature: of the positions of each term in a window, and the step.
        kinds: of the projections.
    """

    def __init__(self, terms: Sequence[Term], kinds: Mapping[str, tf.TensorSpec]):
        self.losses = [(term.loss, term.layer) for term in terms]
        self.signature = ([tf.TensorSpec([4], tf.int32) for _ in terms], tf.TensorSpec([], tf.int64))
        seen = [kinds, *self.signature]
        self.of_target, _ = traced(self._of_target_window, seen)
        self.of_image, self.kinds = traced(self.of_window, seen)

    def of_window(self, maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor], step: tf.Tensor) -> list[tf.Tensor]:
        """The projections (B, h, w, K) that are a window's own, of each term."""
        return [
            loss.redrawn(step).projected(within(maps[layer], own))
            for (loss, layer), own in zip(self.losses, bounds, strict=True)
        ]

    def _of_target_window(self, maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor], step: tf.Tensor) -> Any:
        return [
            loss.redrawn(step).of_target(within(maps[layer], own))
            for (loss, layer), own in zip(self.losses, bounds, strict=True)
        ]


class Projected:
    """Terms whose losses are those of projections (`SlicedWassersteinByParts`).

    The projections of the whole image are gathered from its tiles. Their losses are taken direction by direction, since
    sorting and its gradient take many times the memory of what is sorted. What a tile has to know is the derivative by
    its own projections, which takes the place of these.

    Directions are drawn anew, and the style's vectors are not kept, which would be as much as a step over all of the
    style keeps: with each draw the style goes through the network again.

    Args:
        terms: those terms.
        network: gives the features of windows.
        targets: the images that the terms compare with.
    """

    def __init__(self, terms: Sequence[Term], network: TiledNetwork, targets: Targets):
        self.terms = terms
        self.network = network
        self.layers = [term.layer for term in terms]
        self.key = tuple((term.loss.key(), term.layer) for term in terms)
        self.graphs = GRAPHS.get((Projected, network.key, self.key), lambda: _Graphs(terms, network.kinds))
        self._draw = 0
        self._summands: list[Summand] = []
        if terms:
            # The content is kept only if it is needed.
            self._targets = targets if Objective(terms).needs_content else replace(targets, content=None)
            self._redraw(tf.constant(1, tf.int64))  # with which every run begins

    def __call__(self, images: tf.Tensor, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], list[np.ndarray]]:
        """Values by name, and of each term the derivative (B, H', W', K) by the projections."""
        if not self.terms:
            return {}, []
        self._redraw(step)
        placed = self._placed(self.graphs.of_image, images, step)
        values: dict[str, tf.Tensor] = {}
        for term, whole in zip(self.terms, placed, strict=True):
            for direction in range(whole.shape[-1]):
                value, slope = self._along(direction, term, whole)
                whole[..., direction : direction + 1] = slope
                values[term.name] = values.get(term.name, 0.0) + value
        return values, placed

    def bounds(self, tile: Tile) -> list[tf.Tensor]:
        return [tf.constant(self.network.bounds(tile, layer)) for layer in self.layers]

    def own(self, slopes: Sequence[np.ndarray], tile: Tile) -> list[tf.Tensor]:
        """The part of each derivative that a tile owns."""
        return [
            tf.constant(self.network.own(tile, layer, slope)) for slope, layer in zip(slopes, self.layers, strict=True)
        ]

    def _placed(self, part: Any, images: tf.Tensor, step: tf.Tensor) -> list[np.ndarray]:
        return self.network.placed(images, self.layers, lambda maps, bounds: part(maps, bounds, step))

    def _redraw(self, step: tf.Tensor) -> None:
        """Take the targets' projections along the directions of a step, unless they are those that are there."""
        if int(step) == self._draw:
            return
        self._summands = []  # before there are others

        def statistics(image: np.ndarray | tf.Tensor, wanted: Sequence[Wanted]) -> list[Statistics]:
            placed = self._placed(self.graphs.of_target, tf.constant(image), step)
            of_each = {(term.loss, term.layer): whole for term, whole in zip(self.terms, placed, strict=True)}
            return [loss.statistics(tf.constant(of_each[loss, layer]), mask) for loss, layer, mask in wanted]

        self._summands = Objective(self.terms).summands(self.network.backbone, statistics, self._targets)
        self._draw = int(step)

    def _along(self, direction: int, term: Term, whole: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """A direction's share of a term's value, over all regions, and its derivative by the projections."""
        projections = tf.constant(whole[..., direction : direction + 1])
        parts = []
        with tf.GradientTape() as tape:
            tape.watch(projections)
            for each in self._summands:
                if each.term is term:
                    mask = each.mask(whole.shape[1:3])
                    target = term.loss.along(direction, each.aim)
                    distance = term.loss.distance(target, term.loss.statistics(projections, mask))
                    parts.append(each.weighted(distance) / whole.shape[-1])
            value = tf.add_n(parts)
        return value, tape.gradient(value, projections)
