"""The losses and the gradient of an image that goes through the network tile by tile: those of the whole image.

A style loss compares statistics that are sums over positions. A first pass adds them up over the tiles; the derivative
of the loss by each sum is then known, and a second pass carries it back to the pixels of each tile:
d loss / d image = sum over tiles of (d sums of the tile / d pixels)' (d loss / d sums).
Where windows overlap, their gradients add up.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_style.backbones import IMAGE, Backbone
from keras_style.errors import InputError
from keras_style.losses.feature_loss import Statistics
from keras_style.masks import Regions
from keras_style.optimize.gradient import LossesAndGradient, as_written, losses_and_gradient
from keras_style.optimize.objective import Objective, Summand, Term, Wanted, without_edge
from keras_style.optimize.tiles import Tile, Tiling
from keras_style.runtime import tf


def check(objective: Objective) -> None:
    """Refuse an objective that cannot be computed tile by tile.

    Raises:
        InputError: a loss needs all positions at once, or a balance needs the gradient of each term by all of them.
    """
    if objective.balance:
        raise InputError(f"tile with balance={objective.balance!r}, which needs the whole image at once; expected none")
    for term in objective.terms:
        alone = term.loss.adds_up == "distance" and term.target != "content"
        if term.layer != IMAGE and (alone or not term.loss.adds_up):
            raise InputError(
                f"tile with {type(term.loss).__name__} on {term.layer}, which needs all positions at once; expected "
                "tile=None, or a method whose statistics add up: gatys, photo, mmd_linear, mmd_poly, moments, "
                "gaussian_kl, gaussian_renyi"
            )


def tiling(objective: Objective, backbone: Backbone, pixels: int) -> Tiling:
    """How images are cut for an objective into windows of at most `pixels` to a side."""
    layers = [term.layer for term in objective.terms]
    backbone.check_layers(layers)
    ahead = max(term.loss.looks_ahead << backbone.poolings(term.layer) for term in objective.terms)
    return Tiling(pixels, max(backbone.reach(layers), ahead), max(map(backbone.poolings, layers)))


def tiled_losses_and_gradient(
    objective: Objective,
    backbone: Backbone,
    pixels: int,
    shape: tuple[int, ...],
    dtype: np.dtype,
    content: np.ndarray | None = None,
    style: Sequence[np.ndarray] = (),
    blend: Sequence[float] | None = None,
    content_regions: Regions | None = None,
    style_regions: Sequence[Regions] = (),
    edge: int = 0,
) -> LossesAndGradient:
    """What `losses_and_gradient` gives for `Objective.bind`, in the memory of one tile, to be called eagerly.

    The statistics of the targets are taken tile by tile too. The content's features are kept, at the layers that are
    compared, which is a small part of what a step over the whole image keeps. Losses on the pixels themselves that do
    not add up, such as the matting Laplacian, are computed on the whole image.

    Args:
        objective: for which `check` found nothing.
        pixels: longest side of what the network sees at a time.
        shape: (B, H, W, 3) of the images.
        dtype: float32 or float64.
        backbone, content, style, blend, content_regions, style_regions, edge: as for `Objective.bind`.

    Raises:
        InputError: as `Objective.bind`, or tiles are smaller than what the deepest layer sees.
    """
    check(objective)
    cut = tiling(objective, backbone, pixels)
    at_once = [term for term in objective.terms if not term.loss.adds_up]
    whole = None
    if at_once:
        losses = Objective(at_once).bind(backbone, content, style, blend, content_regions, style_regions, edge)
        whole = tf.function(losses_and_gradient(losses, shape, dtype), autograph=False)
        if len(at_once) == len(objective.terms):
            return whole
    pointwise = [term for term in objective.terms if term.loss.adds_up == "distance"]
    summed = [term for term in objective.terms if term.loss.adds_up == "statistics"]

    of_sums = (
        Objective(summed).summands(
            backbone.poolings,
            lambda image, wanted: _Sums(backbone, cut, image.shape, dtype, wanted)(tf.constant(image)),
            content,
            style,
            blend,
            content_regions,
            style_regions,
            edge,
        )
        if summed
        else []
    )
    wanted = [
        (each.term.loss, each.term.layer, _mask(each, shape, backbone.poolings(each.term.layer))) for each in of_sums
    ]
    sums = _Sums(backbone, cut, shape, dtype, wanted)
    kept = {}
    if pointwise:
        if content is None:
            raise InputError("the objective compares with the content image; none was given")
        kept = _features(backbone, cut, content, {term.layer for term in pointwise})
    fixed = [
        _Pointwise.towards(term, kept[term.layer], cut, backbone.poolings(term.layer), shape) for term in pointwise
    ]
    finish = _finish(of_sums)
    pull = _pull(backbone, sums, fixed)

    def evaluate(images: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values: dict[str, Any] = dict.fromkeys(objective.names, 0.0)
        gradient = np.zeros(shape, dtype)

        def add(found: dict[str, tf.Tensor]) -> None:
            for name, value in found.items():
                values[name] += value

        if whole:
            found, slope = whole(images, step)
            add(found)
            gradient += slope.numpy()
        found, slopes = finish(sums(images))
        add(found)
        for tile in sums.tiles:
            bounds = [tf.constant(tile.bounds(each.poolings)) for each in fixed]
            targets = [each.target(tile) for each in fixed]
            found, slope = pull(tile.seen(images), sums.bounds(tile), sums.masks(tile), slopes, bounds, targets)
            add(found)
            into = tile.seen(gradient)
            into += slope.numpy()
        return values, tf.constant(gradient)

    return evaluate


class _Sums:
    """Statistics of images of one size, added up over tiles by one graph.

    Args:
        shape: (B, H, W, 3).
        wanted: losses whose statistics add up, each with its layer and its mask of that layer.
    """

    def __init__(
        self, backbone: Backbone, cut: Tiling, shape: Sequence[int], dtype: np.dtype, wanted: Sequence[Wanted]
    ):
        self.backbone = backbone
        self.wanted = wanted
        self.places = [(backbone.poolings(layer), loss.looks_ahead) for loss, layer, _ in wanted]
        self.tiles = list(cut(*shape[1:3]))
        self.window = tf.TensorSpec((shape[0], *cut.window(*shape[1:3]), 3), dtype)
        self.signature = (
            [tf.TensorSpec([4], tf.int32) for _ in wanted],
            [tf.TensorSpec((len(mask), None, None), tf.float32) for _, _, mask in wanted if mask is not None],
        )
        self.kinds: Any = []  # a tf.TensorSpec for each of the statistics
        if wanted:
            self._graph = _graph(self._of_window, [self.window, *self.signature])
            found = self._graph.get_concrete_function().structured_outputs
            self.kinds = tf.nest.map_structure(tf.TensorSpec.from_tensor, found)

    def __call__(self, images: tf.Tensor) -> list[Statistics]:
        """The statistics of images (B, H, W, 3), of each that is wanted."""
        total: list[Statistics] = []
        for tile in self.tiles if self.wanted else ():
            part = self._graph(tile.seen(images), self.bounds(tile), self.masks(tile))
            total = tf.nest.map_structure(tf.add, total, part) if total else part
        return total

    def _of_window(
        self, window: tf.Tensor, bounds: Sequence[tf.Tensor], masks: Sequence[tf.Tensor]
    ) -> list[Statistics]:
        maps = self.backbone(window, {layer for _, layer, _ in self.wanted})
        return self.of_maps(maps, bounds, masks)

    def of_maps(
        self, maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor], masks: Sequence[tf.Tensor]
    ) -> list[Statistics]:
        """The statistics of what is a window's own."""
        left = list(masks)
        return [
            loss.statistics(_within(maps[layer], own), None if mask is None else left.pop(0))
            for (loss, layer, mask), own in zip(self.wanted, bounds, strict=True)
        ]

    def bounds(self, tile: Tile) -> list[tf.Tensor]:
        return [tf.constant(tile.bounds(*place)) for place in self.places]

    def masks(self, tile: Tile) -> list[tf.Tensor]:
        return [
            tf.constant(tile.own(mask, *place), tf.float32)
            for (_, _, mask), place in zip(self.wanted, self.places, strict=True)
            if mask is not None
        ]


@dataclass(frozen=True, eq=False)
class _Pointwise:
    """A term whose distance adds up, with the features that it compares with.

    Attributes:
        features: (B, H', W', C) of the whole target.
        weight: scalar or (B,), by which the distance is multiplied.
    """

    term: Term
    features: np.ndarray
    poolings: int
    weight: tf.Tensor | float

    @classmethod
    def towards(
        cls, term: Term, features: np.ndarray, cut: Tiling, poolings: int, shape: Sequence[int]
    ) -> "_Pointwise":
        if features.shape[1:3] != tuple(side >> poolings for side in shape[1:3]):
            raise InputError(f"content features have shape {features.shape}; the image has {tuple(shape)}")
        weight: tf.Tensor | float = term.weight
        each = cls(term, features, poolings, weight)
        if not term.relative:
            return each
        magnitude = tf.add_n(
            [
                each.share(target) * term.loss.magnitude(term.loss.statistics(target))
                for target in map(each.target, cut(*shape[1:3]))
            ]
        )
        return cls(term, features, poolings, weight / tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude)))

    def target(self, tile: Tile) -> tf.Tensor:
        """The features that the tile's own are compared with."""
        return tf.constant(tile.own(self.features, self.poolings))

    def share(self, target: tf.Tensor) -> tf.Tensor:
        part = tf.cast(tf.shape(target)[1] * tf.shape(target)[2], target.dtype)
        return self.term.loss.share(part, self.features.shape[1] * self.features.shape[2])

    def value(self, target: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        loss = self.term.loss
        distance = loss.distance(loss.statistics(target), loss.statistics(own))
        return tf.reduce_mean(self.weight * self.share(target) * distance)


def _features(backbone: Backbone, cut: Tiling, images: np.ndarray, layers: Iterable[str]) -> dict[str, np.ndarray]:
    """Feature maps (B, H', W', C) of images, tile by tile."""
    names = sorted(layers)

    def of_window(window: tf.Tensor, bounds: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        maps = backbone(window, names)
        return [_within(maps[name], own) for name, own in zip(names, bounds, strict=True)]

    batch, height, width, _ = images.shape
    window = tf.TensorSpec((batch, *cut.window(height, width), 3), images.dtype)
    signature = [window, [tf.TensorSpec([4], tf.int32) for _ in names]]
    graph = _graph(of_window, signature)
    whole: dict[str, np.ndarray] = {}
    for tile in cut(height, width):
        bounds = [tf.constant(tile.bounds(backbone.poolings(name))) for name in names]
        for name, part in zip(names, graph(tf.constant(tile.seen(images)), bounds), strict=True):
            if name not in whole:
                times = backbone.poolings(name)
                whole[name] = np.empty((batch, height >> times, width >> times, part.shape[-1]), images.dtype)
            tile.own(whole[name], backbone.poolings(name))[...] = part.numpy()
    return whole


def _finish(of_sums: Sequence[Summand]) -> Callable[..., Any]:
    """From finished sums to values by name, and the derivative by each sum."""

    def both(finished: list[Statistics]) -> tuple[dict[str, tf.Tensor], list[Statistics]]:
        values: dict[str, list[tf.Tensor]] = {}
        with tf.GradientTape() as tape:
            tape.watch(finished)
            for each, statistics in zip(of_sums, finished, strict=True):
                value = tf.reduce_mean(each.weight * each.term.loss.distance(each.aim, statistics))
                values.setdefault(each.term.name, []).append(value)
            total = {name: tf.add_n(parts) for name, parts in values.items()}
        slopes = tape.gradient(total, finished, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return total, slopes

    return tf.function(both, autograph=False) if of_sums else lambda finished: ({}, [])


def _pull(backbone: Backbone, sums: _Sums, fixed: Sequence[_Pointwise]) -> Callable[..., Any]:
    """From a window and the derivatives by all sums to its own values by name, and the gradient by its pixels."""
    layers = {layer for _, layer, _ in sums.wanted} | {each.term.layer for each in fixed}
    places = [tf.TensorSpec([4], tf.int32) for _ in fixed]
    targets = [
        tf.TensorSpec((len(each.features), None, None, each.features.shape[-1]), sums.window.dtype) for each in fixed
    ]

    def both(
        window: tf.Tensor,
        bounds: list[tf.Tensor],
        masks: list[tf.Tensor],
        slopes: list[Statistics],
        fixed_bounds: list[tf.Tensor],
        targets: list[tf.Tensor],
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(window)
            maps = backbone(window, layers)
            statistics = sums.of_maps(maps, bounds, masks)
            values: dict[str, list[tf.Tensor]] = {}
            for each, own, target in zip(fixed, fixed_bounds, targets, strict=True):
                value = each.value(target, _within(maps[each.term.layer], own))
                values.setdefault(each.term.name, []).append(value)
            added = {name: tf.add_n(parts) for name, parts in values.items()}
        ends = [*tf.nest.flatten(statistics), *added.values()]
        upstream = [*tf.nest.flatten(slopes), *map(tf.ones_like, added.values())]
        return added, tape.gradient(ends, window, output_gradients=upstream)

    return _graph(both, [sums.window, *sums.signature, sums.kinds, places, targets])


def _graph(function: Callable[..., Any], signature: Sequence[Any]) -> Any:
    """`function` as a graph that runs as it was written, to be called eagerly."""
    return tf.function(as_written(function, signature), autograph=False, input_signature=signature)


def _within(features: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Of features (B, H, W, C) the positions from own = (top, bottom, left, right)."""
    return features[:, own[0] : own[1], own[2] : own[3]]


def _mask(summand: Summand, shape: Sequence[int], poolings: int) -> np.ndarray | None:
    return summand.mask if summand.mask is not None else without_edge(shape, poolings, summand.edge)
