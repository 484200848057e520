"""The losses and the gradient of an image that goes through the network tile by tile: those of the whole image.

A style loss compares statistics that are sums over positions. A first pass adds them up over the tiles; the derivative
of the loss by each sum is then known, and a second pass carries it back to the pixels of each tile:
d loss / d image = sum over tiles of (d sums of the tile / d pixels)' (d loss / d sums).
Where windows overlap, their gradients add up. Histograms are counted within a range, which takes a pass more before.
The sliced Wasserstein distance adds nothing up, but needs little of each position (`projections.py`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_style.backbones.backbone import IMAGE, Backbone
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.optimize.gradient import GRAPHS, LossesAndGradient, as_written, objective_and_gradient
from keras_style.optimize.objective import Objective, Summand, Term, Wanted
from keras_style.optimize.places import Place, places
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
        for term in pointwise:
            (place,) = places(backbone, term.layer, term.target, term.weight, targets)
            fixed.append(_Pointwise.towards(term, kept[term.layer], network, shape, place))
    sums = _Sums(
        network,
        [
            (each.term.loss, each.term.layer, each.mask(backbone.shape(each.term.layer, *shape[1:3])))
            for each in of_sums
        ],
    )
    projected = Projected(sliced, network, targets)
    inputs = [each.tensors for each in of_sums]
    kinds = tf.nest.map_structure(tf.TensorSpec.from_tensor, inputs)
    window = (shape[0], *cut.window(*shape[1:3]), 3)
    graphs = GRAPHS.get(
        (
            *(_TileGraphs, network.key, sums.key, projected.key, window, repr(kinds)),
            tuple(each.key() for each in of_sums),
            tuple((each.term.loss.key(), each.term.layer, each.term.name) for each in fixed),
        ),
        lambda: _TileGraphs(network, sums.graphs, of_sums, kinds, fixed, projected.graphs, window),
    )

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
        found, known = graphs.finish(sums(images), inputs)
        add(found)
        found, slopes = projected(images, step)
        add(found)
        for tile in cut(*shape[1:3]):
            bounds = [tf.constant(network.bounds(tile, each.term.layer)) for each in fixed]
            features = [each.target(tile) for each in fixed]
            found, slope = graphs.pull(
                *(tile.seen(images), backbone.tensors),
                *(sums.bounds(tile), sums.masks(tile), known, inputs),
                *(bounds, features, [each.factor(target) for each, target in zip(fixed, features, strict=True)]),
                *(projected.bounds(tile), step, projected.own(slopes, tile)),
            )
            add(found)
            into = tile.seen(gradient)
            into += slope.numpy()
        return values, tf.constant(gradient)

    return evaluate


class _SumGraphs:
    """The computations of `_Sums` that are the same for all images.

    Args:
        kinds: `tf.TensorSpec` of the feature maps, by layer.
        wanted: losses whose statistics or histograms add up, each with its layer and the batch of its masks, if it has
            any.

    Attributes:
        signature: of the positions of each loss in a window, and of the masks there.
        kinds: of the statistics.
    """

    def __init__(self, kinds: Mapping[str, tf.TensorSpec], wanted: Sequence[tuple[FeatureLoss, str, int | None]]):
        self.wanted = wanted
        self.signature = (
            [tf.TensorSpec([4], tf.int32) for _ in wanted],
            [tf.TensorSpec((batch, None, None), tf.float32) for _, _, batch in wanted if batch is not None],
        )
        seen = [kinds, *self.signature]
        self.extents, extents = traced(self._extents_of_tile, seen)
        self.parts, parts = traced(self._parts_of_tile, [*seen, extents])
        self.whole, self.kinds = traced(self._of_whole, [parts, extents])

    def of_own(
        self, maps: dict[str, tf.Tensor], bounds: Sequence[tf.Tensor], masks: Sequence[tf.Tensor]
    ) -> Iterator[tuple[FeatureLoss, tf.Tensor, tf.Tensor | None]]:
        """Each loss with the features that are a window's own, and their mask."""
        left = iter(masks)
        for (loss, layer, batch), own in zip(self.wanted, bounds, strict=True):
            yield loss, within(maps[layer], own), None if batch is None else next(left)

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


class _Sums:
    """Statistics of images, added up over tiles.

    Args:
        network: gives the features of windows.
        wanted: losses whose statistics or histograms add up, each with its layer and its mask of that layer.
    """

    def __init__(self, network: TiledNetwork, wanted: Sequence[Wanted]):
        self.network = network
        self.wanted = wanted
        self.places = [(layer, loss.looks_ahead) for loss, layer, _ in wanted]
        batches = [None if mask is None else len(mask) for _, _, mask in wanted]
        self.key = tuple((loss.key(), layer, batch) for (loss, layer, _), batch in zip(wanted, batches, strict=True))
        masked = [(loss, layer, batch) for (loss, layer, _), batch in zip(wanted, batches, strict=True)]
        self.graphs = GRAPHS.get((_Sums, network.key, self.key), lambda: _SumGraphs(network.kinds, masked))

    def __call__(self, images: tf.Tensor) -> list[Statistics]:
        """The wanted statistics of images (B, H, W, 3)."""
        if not self.wanted:
            return []
        counted = any(loss.adds_up == "histogram" for loss, _, _ in self.wanted)
        extents = self._over_tiles(self.graphs.extents, tf.maximum, images) if counted else []
        sums: list[Statistics] = self.graphs.whole(
            self._over_tiles(self.graphs.parts, tf.add, images, extents), extents
        )
        return sums

    def _over_tiles(self, part: Callable, combine: Callable, images: tf.Tensor, *known: Any) -> Any:
        total = None
        for tile in self.network.cut(*images.shape[1:3]):
            found = part(self.network.maps(tile.seen(images)), self.bounds(tile), self.masks(tile), *known)
            total = found if total is None else tf.nest.map_structure(combine, total, found)
        return total

    def bounds(self, tile: Tile) -> list[tf.Tensor]:
        return [tf.constant(self.network.bounds(tile, *place)) for place in self.places]

    def masks(self, tile: Tile) -> list[tf.Tensor]:
        return [
            tf.constant(self.network.own(tile, layer, np.asarray(mask), margin), tf.float32)
            for (_, _, mask), (layer, margin) in zip(self.wanted, self.places, strict=True)
            if mask is not None
        ]


@dataclass(frozen=True, eq=False)
class _Pointwise:
    """A term whose distance adds up over positions, with the features that it compares with.

    Attributes:
        features: (B, H', W', C) of the whole target.
        weight: scalar or (B,), by which the distance is multiplied.
        spread: (1, H', W'), by what each position's part is multiplied; None: nothing.
    """

    term: Term
    features: np.ndarray
    network: TiledNetwork
    weight: tf.Tensor | float
    spread: np.ndarray | None = None

    @classmethod
    def towards(
        cls, term: Term, features: np.ndarray, network: TiledNetwork, shape: Sequence[int], place: Place
    ) -> "_Pointwise":
        if features.shape[1:3] != network.backbone.shape(term.layer, shape[1], shape[2]):
            raise InputError(f"content features have shape {features.shape}; the image has {tuple(shape)}")
        each = cls(term, features, network, place.weight)
        if term.relative:
            magnitude = tf.add_n(
                [
                    each.share(mask) * term.loss.magnitude(term.loss.statistics(target))
                    for target, mask in map(each.target, network.cut(*shape[1:3]))
                ]
            )
            each = replace(each, weight=place.weight / tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude)))
        return replace(each, spread=place.spread)

    def target(self, tile: Tile) -> tuple[tf.Tensor, tf.Tensor]:
        """The features that the tile's own are compared with, and the weight of each position."""
        features = self.network.own(tile, self.term.layer, self.features)
        if self.spread is None:
            mask = np.ones((1, *features.shape[1:3]))
        else:
            mask = self.network.own(tile, self.term.layer, self.spread)
        return tf.constant(features), tf.constant(mask, features.dtype)

    def share(self, mask: tf.Tensor) -> tf.Tensor:
        return self.term.loss.share(tf.reduce_sum(mask), self.features.shape[1] * self.features.shape[2])

    def factor(self, target: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """The factor of a tile's distance, scalar or (B,)."""
        return self.weight * self.share(target[1])


class _TileGraphs:
    """The computations of a step that are the same for all images.

    Args:
        network: gives the features of windows.
        sums: of the statistics that add up.
        of_sums: what they are compared with.
        inputs: `tf.TensorSpec` of the tensors of each of these.
        fixed: terms whose distances add up.
        projected: of the terms that are compared by projections.
        window: shape of the windows.

    Attributes:
        finish: from finished sums and the tensors of what they are compared with to values by name, and to what each
            tile needs to know of the whole: the derivative with respect to each sum, or the histogram itself, whose
            value and gradient add up.
        pull: from a window and what is known of the whole to the window's values by name and its pixel gradient.
    """

    def __init__(
        self,
        network: TiledNetwork,
        sums: _SumGraphs,
        of_sums: Sequence[Summand],
        inputs: Sequence[Any],
        fixed: Sequence[_Pointwise],
        projected: Any,
        window: Sequence[int],
    ):
        self._network, self._layers = network.pattern, tuple(network.kinds)
        self._sums, self._projected = sums, projected
        self._of_sums = [replace(each, tensors=kinds) for each, kinds in zip(of_sums, inputs, strict=True)]
        self._fixed = [(each.term.loss, each.term.layer, each.term.name) for each in fixed]
        self.finish = tf.function(self._finish, autograph=False) if of_sums else lambda finished, inputs: ({}, [])
        spec = tf.TensorSpec.from_tensor
        of_fixed = [(network.kinds[each.term.layer], tf.TensorSpec((1, None, None), network.dtype)) for each in fixed]
        self.pull = as_written(
            self._pull,
            [
                *(tf.TensorSpec(window, network.dtype), tf.nest.map_structure(spec, network.backbone.tensors)),
                *(*sums.signature, sums.kinds, list(inputs)),
                *([tf.TensorSpec([4], tf.int32) for _ in fixed], of_fixed),
                [tf.TensorSpec(tf.TensorShape(None), network.dtype) for _ in fixed],
                *(*projected.signature, projected.kinds),
            ],
        )

    def _with(self, inputs: Sequence[Any]) -> list[Summand]:
        return [replace(each, tensors=own) for each, own in zip(self._of_sums, inputs, strict=True)]

    def _finish(
        self, finished: list[Statistics], inputs: Sequence[Any]
    ) -> tuple[dict[str, tf.Tensor], list[Statistics]]:
        counted = [each.term.loss.adds_up == "histogram" for each in self._of_sums]
        values: dict[str, list[tf.Tensor]] = {}
        with tf.GradientTape() as tape:
            tape.watch(finished)
            for each, statistics, by_tiles in zip(self._with(inputs), finished, counted, strict=True):
                if not by_tiles:
                    value = each.weighted(each.term.loss.distance(each.aim, statistics))
                    values.setdefault(each.term.name, []).append(value)
            total = {name: tf.add_n(parts) for name, parts in values.items()}
        ends = list(total.values())
        slopes = tape.gradient(ends, finished, unconnected_gradients=tf.UnconnectedGradients.ZERO) if ends else finished
        known = [own if by_tiles else slope for own, slope, by_tiles in zip(finished, slopes, counted, strict=True)]
        return total, known

    def _pull(
        self,
        window: tf.Tensor,
        of_network: Any,
        bounds: list[tf.Tensor],
        masks: list[tf.Tensor],
        known: list[Statistics],
        inputs: list[Any],
        fixed_bounds: list[tf.Tensor],
        targets: list[tuple[tf.Tensor, tf.Tensor]],
        factors: list[tf.Tensor],
        projected_bounds: list[tf.Tensor],
        step: tf.Tensor,
        by_projections: list[tf.Tensor],
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values: dict[str, list[tf.Tensor]] = {}
        ends, slopes = [], []
        with tf.GradientTape() as tape:
            tape.watch(window)
            maps = self._network.with_tensors(of_network)(window, self._layers)
            of_own = self._sums.of_own(maps, bounds, masks)
            for each, of_whole, (loss, own, mask) in zip(self._with(inputs), known, of_own, strict=True):
                if loss.adds_up == "histogram":
                    value = each.weighted(loss.distance_of_part(each.aim, of_whole, own, mask))
                    values.setdefault(each.term.name, []).append(value)
                else:
                    ends += tf.nest.flatten(loss.statistics(own, mask))
                    slopes += tf.nest.flatten(of_whole)
            for (loss, layer, name), at, target, factor in zip(
                self._fixed, fixed_bounds, targets, factors, strict=True
            ):
                distance = loss.distance(loss.statistics(*target), loss.statistics(within(maps[layer], at)))
                values.setdefault(name, []).append(tf.reduce_mean(factor * distance))
            added = {name: tf.add_n(parts) for name, parts in values.items()}
            ends += self._projected.of_window(maps, projected_bounds, step) + list(added.values())
        slopes += [*by_projections, *map(tf.ones_like, added.values())]
        return added, tape.gradient(ends, window, output_gradients=slopes)
