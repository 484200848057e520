"""The losses and the gradient of an image that goes through the network tile by tile: those of the whole image.

A style loss compares statistics that are sums over positions. A first pass adds them up over the tiles; the derivative
of the loss by each sum is then known, and a second pass carries it back to the pixels of each tile:
d loss / d image = sum over tiles of (d sums of the tile / d pixels)' (d loss / d sums).
Where windows overlap, their gradients add up. Histograms are counted within a range, which takes a pass more before.
The sliced Wasserstein distance adds nothing up, but needs little of each position (`projections.py`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_style.backbones.backbone import IMAGE, Backbone
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.optimize.gradient import LossesAndGradient, as_written, objective_and_gradient
from keras_style.optimize.objective import Objective, Summand, Term, Wanted
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling.projections import Projected
from keras_style.optimize.tiling.tiled_network import TiledNetwork, traced, within
from keras_style.optimize.tiling.tiles import Tile, Tiling


def check(objective: Objective) -> None:
    """Refuse an objective that cannot be computed tile by tile.

    Raises:
        InputError: a loss needs all positions at once, or a balance needs the gradient of each term by all of them.
    """
    if objective.balance:
        raise InputError(f"tile with balance={objective.balance!r}, which needs the whole image at once; expected none")
    if term := obstacle(objective.terms):
        raise InputError(
            f"tile with {type(term.loss).__name__} on {term.layer}, which needs all positions at once; "
            "expected tile=None"
        )


def obstacle(terms: Iterable[Term]) -> Term | None:
    """The first term whose loss cannot be computed tile by tile, as the loss says itself."""
    for term in map(_by_parts, terms):
        alone = term.loss.adds_up == "distance" and term.target != "content"
        if term.layer != IMAGE and (alone or not term.loss.adds_up):
            return term
    return None


def _by_parts(term: Term) -> Term:
    return term if term.layer == IMAGE else replace(term, loss=term.loss.by_parts())


def tiling(objective: Objective, backbone: Backbone, pixels: int) -> Tiling:
    """The tiling for an objective, with windows of at most `pixels` x `pixels` pixels."""
    layers = [term.layer for term in objective.terms]
    backbone.check_layers(layers)
    strides = [backbone.layer(name).stride for name in layers]
    ahead = max(term.loss.looks_ahead * stride for term, stride in zip(objective.terms, strides, strict=True))
    return Tiling(pixels, max(backbone.reach(layers), ahead), math.lcm(*strides))


def tiled_losses_and_gradient(
    objective: Objective,
    backbone: Backbone,
    pixels: int,
    shape: tuple[int, ...],
    dtype: np.dtype,
    targets: Targets,
) -> LossesAndGradient:
    """Compute what `losses_and_gradient` gives for `Objective.bind` in the memory of one tile; called eagerly.

    The results are equal up to rounding, except where `HistogramByParts` (masks, several styles) and
    `SlicedWassersteinByParts` (equal positions) say otherwise.

    The statistics of the targets are taken tile by tile too. The content's features are kept, at the layers that are
    compared, which is a small part of what a step over the whole image keeps. Losses on the pixels themselves that do
    not add up, such as the matting Laplacian, are computed on the whole image.

    Args:
        objective: one that `check` accepts.
        pixels: the network sees at most `pixels` x `pixels` pixels at a time.
        shape: (B, H, W, 3) of the images.
        dtype: float32 or float64.
        backbone, targets: as for `Objective.bind`.

    Raises:
        InputError: as `Objective.bind`, or tiles are smaller than what the deepest layer sees.
    """
    check(objective)
    cut = tiling(objective, backbone, pixels)
    terms = [_by_parts(term) for term in objective.terms]
    at_once = [term for term in terms if not term.loss.adds_up]
    pointwise = [term for term in terms if term.loss.adds_up == "distance"]
    sliced = [term for term in terms if term.loss.adds_up == "projections"]
    summed = [term for term in terms if term.loss.adds_up in ("statistics", "histogram")]
    whole = None
    if at_once:
        whole = objective_and_gradient(Objective(at_once).bind(backbone, targets), shape, dtype)
        if len(at_once) == len(terms):
            return whole

    network = TiledNetwork(backbone, {term.layer for term in summed + pointwise + sliced}, cut, np.dtype(dtype))

    def added_up(image: np.ndarray | tf.Tensor, wanted: Sequence[Wanted]) -> list[Statistics]:
        return _Sums(network, wanted)(tf.constant(image))

    of_sums = Objective(summed).summands(backbone, added_up, targets) if summed else []
    fixed = []
    if pointwise:
        if targets.content is None:
            raise InputError("the objective compares with the content image; none was given")
        layers = sorted({term.layer for term in pointwise})
        kept = dict(zip(layers, network.features(targets.content, layers), strict=True))
        fixed = [_Pointwise.towards(term, kept[term.layer], network, shape) for term in pointwise]
    sums = _Sums(
        network,
        [
            (each.term.loss, each.term.layer, each.mask(backbone.shape(each.term.layer, *shape[1:3])))
            for each in of_sums
        ],
    )
    finish = _finish(of_sums)
    projected = Projected(sliced, network, targets)
    pull = _pull(network, sums, of_sums, fixed, projected, (shape[0], *cut.window(*shape[1:3]), 3))

    def evaluate(images: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        step = tf.cast(step, tf.int64)
        values: dict[str, Any] = dict.fromkeys(objective.names, 0.0)
        gradient = np.zeros(shape, dtype)

        def add(found: dict[str, tf.Tensor]) -> None:
            for name, value in found.items():
                values[name] += value

        if whole:
            found, slope = whole(images, step)
            add(found)
            gradient += slope.numpy()
        found, known = finish(sums(images))
        add(found)
        found, slopes = projected(images, step)
        add(found)
        for tile in cut(*shape[1:3]):
            bounds = [tf.constant(network.bounds(tile, each.term.layer)) for each in fixed]
            features = [each.target(tile) for each in fixed]
            found, slope = pull(
                tile.seen(images),
                *(sums.bounds(tile), sums.masks(tile), known),
                *(bounds, features),
                *(projected.bounds(tile), step, projected.own(slopes, tile)),
            )
            add(found)
            into = tile.seen(gradient)
            into += slope.numpy()
        return values, tf.constant(gradient)

    return evaluate


class _Sums:
    """Statistics of images, added up over tiles.

    Args:
        network: gives the features of windows.
        wanted: losses whose statistics or histograms add up, each with its layer and its mask of that layer.

    Attributes:
        kinds: `tf.TensorSpec` of the statistics.
    """

    def __init__(self, network: TiledNetwork, wanted: Sequence[Wanted]):
        self.network = network
        self.wanted = wanted
        self.places = [(layer, loss.looks_ahead) for loss, layer, _ in wanted]
        self.signature = (
            [tf.TensorSpec([4], tf.int32) for _ in wanted],
            [tf.TensorSpec((len(mask), None, None), tf.float32) for _, _, mask in wanted if mask is not None],
        )
        seen = [network.kinds, *self.signature]
        self._extents, extents = traced(self._extents_of_tile, seen)
        self._parts, parts = traced(self._parts_of_tile, [*seen, extents])
        self._whole, self.kinds = traced(self._of_whole, [parts, extents])

    def __call__(self, images: tf.Tensor) -> list[Statistics]:
        """The wanted statistics of images (B, H, W, 3)."""
        if not self.wanted:
            return []
        counted = any(loss.adds_up == "histogram" for loss, _, _ in self.wanted)
        extents = self._over_tiles(self._extents, tf.maximum, images) if counted else []
        return self._whole(self._over_tiles(self._parts, tf.add, images, extents), extents)

    def _over_tiles(self, part: Callable, combine: Callable, images: tf.Tensor, *known: Any) -> Any:
        total = None
        for tile in self.network.cut(*images.shape[1:3]):
            found = part(self.network.maps(tile.seen(images)), self.bounds(tile), self.masks(tile), *known)
            total = found if total is None else tf.nest.map_structure(combine, total, found)
        return total

    def of_own(
        self, maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor], masks: Sequence[tf.Tensor]
    ) -> Iterator[tuple[FeatureLoss, tf.Tensor, tf.Tensor | None]]:
        """Each loss with the features that are a window's own, and their mask."""
        left = iter(masks)
        for (loss, layer, mask), own in zip(self.wanted, bounds, strict=True):
            yield loss, within(maps[layer], own), None if mask is None else next(left)

    def _extents_of_tile(self, *seen: Any) -> list[tf.Tensor]:
        return [loss.extent(own, mask) for loss, own, mask in self.of_own(*seen) if loss.adds_up == "histogram"]

    def _parts_of_tile(self, *seen: Any) -> list[Statistics]:
        *seen_, extents = seen
        left = iter(extents)
        return [
            loss.counts(own, mask, next(left)) if loss.adds_up == "histogram" else loss.statistics(own, mask)
            for loss, own, mask in self.of_own(*seen_)
        ]

    def _of_whole(self, parts: Sequence[Statistics], extents: Sequence[tf.Tensor]) -> list[Statistics]:
        left = iter(extents)
        return [
            loss.whole(part, next(left)) if loss.adds_up == "histogram" else part
            for (loss, _, _), part in zip(self.wanted, parts, strict=True)
        ]

    def bounds(self, tile: Tile) -> list[tf.Tensor]:
        return [tf.constant(self.network.bounds(tile, *place)) for place in self.places]

    def masks(self, tile: Tile) -> list[tf.Tensor]:
        return [
            tf.constant(self.network.own(tile, layer, mask, margin), tf.float32)
            for (_, _, mask), (layer, margin) in zip(self.wanted, self.places, strict=True)
            if mask is not None
        ]


@dataclass(frozen=True, eq=False)
class _Pointwise:
    """A term whose distance adds up over positions, with the features that it compares with.

    Attributes:
        features: (B, H', W', C) of the whole target.
        weight: scalar or (B,), by which the distance is multiplied.
    """

    term: Term
    features: np.ndarray
    network: TiledNetwork
    weight: tf.Tensor | float

    @classmethod
    def towards(cls, term: Term, features: np.ndarray, network: TiledNetwork, shape: Sequence[int]) -> "_Pointwise":
        if features.shape[1:3] != network.backbone.shape(term.layer, shape[1], shape[2]):
            raise InputError(f"content features have shape {features.shape}; the image has {tuple(shape)}")
        weight: tf.Tensor | float = term.weight
        each = cls(term, features, network, weight)
        if not term.relative:
            return each
        magnitude = tf.add_n(
            [
                each.share(target) * term.loss.magnitude(term.loss.statistics(target))
                for target in map(each.target, network.cut(*shape[1:3]))
            ]
        )
        return cls(term, features, network, weight / tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude)))

    def target(self, tile: Tile) -> tf.Tensor:
        """The features that the tile's own are compared with."""
        return tf.constant(self.network.own(tile, self.term.layer, self.features))

    def share(self, target: tf.Tensor) -> tf.Tensor:
        part = tf.cast(tf.shape(target)[1] * tf.shape(target)[2], target.dtype)
        return self.term.loss.share(part, self.features.shape[1] * self.features.shape[2])

    def value(self, target: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        loss = self.term.loss
        distance = loss.distance(loss.statistics(target), loss.statistics(own))
        return tf.reduce_mean(self.weight * self.share(target) * distance)


def _finish(of_sums: Sequence[Summand]) -> Callable[..., Any]:
    """A function from finished sums to values by name and to what each tile needs to know of the whole.

    A tile needs the derivative with respect to each sum, or the histogram itself, whose value and gradient add up.
    """
    counted = [each.term.loss.adds_up == "histogram" for each in of_sums]

    def both(finished: list[Statistics]) -> tuple[dict[str, tf.Tensor], list[Statistics]]:
        values: dict[str, list[tf.Tensor]] = {}
        with tf.GradientTape() as tape:
            tape.watch(finished)
            for each, statistics, by_tiles in zip(of_sums, finished, counted, strict=True):
                if not by_tiles:
                    value = each.weighted(each.term.loss.distance(each.aim, statistics))
                    values.setdefault(each.term.name, []).append(value)
            total = {name: tf.add_n(parts) for name, parts in values.items()}
        ends = list(total.values())
        slopes = tape.gradient(ends, finished, unconnected_gradients=tf.UnconnectedGradients.ZERO) if ends else finished
        known = [own if by_tiles else slope for own, slope, by_tiles in zip(finished, slopes, counted, strict=True)]
        return total, known

    return tf.function(both, autograph=False) if of_sums else lambda finished: ({}, [])


def _pull(
    network: TiledNetwork,
    sums: _Sums,
    of_sums: Sequence[Summand],
    fixed: Sequence[_Pointwise],
    projected: Projected,
    window: Sequence[int],
) -> Callable[..., Any]:
    """A function from a window and what is known of the whole to the window's values by name and its pixel gradient."""
    places = [tf.TensorSpec([4], tf.int32) for _ in fixed]
    targets = [network.kinds[each.term.layer] for each in fixed]

    def both(
        window: tf.Tensor,
        bounds: list[tf.Tensor],
        masks: list[tf.Tensor],
        known: list[Statistics],
        fixed_bounds: list[tf.Tensor],
        targets: list[tf.Tensor],
        projected_bounds: list[tf.Tensor],
        step: tf.Tensor,
        by_projections: list[tf.Tensor],
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values: dict[str, list[tf.Tensor]] = {}
        ends, slopes = [], []
        with tf.GradientTape() as tape:
            tape.watch(window)
            maps = network.backbone(window, network.kinds)
            for each, of_whole, (loss, own, mask) in zip(of_sums, known, sums.of_own(maps, bounds, masks), strict=True):
                if loss.adds_up == "histogram":
                    value = each.weighted(loss.distance_of_part(each.aim, of_whole, own, mask))
                    values.setdefault(each.term.name, []).append(value)
                else:
                    ends += tf.nest.flatten(loss.statistics(own, mask))
                    slopes += tf.nest.flatten(of_whole)
            for term, at, target in zip(fixed, fixed_bounds, targets, strict=True):
                value = term.value(target, within(maps[term.term.layer], at))
                values.setdefault(term.term.name, []).append(value)
            added = {name: tf.add_n(parts) for name, parts in values.items()}
            ends += projected.of_window(maps, projected_bounds, step)
            slopes += by_projections
        ends += added.values()
        slopes += map(tf.ones_like, added.values())
        return added, tape.gradient(ends, window, output_gradients=slopes)

    window_kind = tf.TensorSpec(window, network.dtype)
    return as_written(
        both, [window_kind, *sums.signature, sums.kinds, places, targets, *projected.signature, projected.kinds]
    )
