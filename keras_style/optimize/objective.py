"""The objective: a weighted sum of losses on layers, each with its target."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from keras_style import checks
from keras_style.backbones.backbone import Backbone
from keras_style.checks import Balance, Weight
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.internal.with_gradient import with_gradient
from keras_style.losses.feature_loss import WEIGHTS, FeatureLoss, Statistics
from keras_style.optimize.places import Place, places, without_edge
from keras_style.optimize.targets import Targets

Features = Callable[[tf.Tensor, Iterable[str]], dict[str, tf.Tensor]]
Wanted = tuple[FeatureLoss, str, np.ndarray | None]  # a loss, its layer, and the weight of each position
StatisticsOf = Callable[[np.ndarray | tf.Tensor, Sequence[Wanted]], list[Statistics]]

TARGETS = ("content", "style", None)


@dataclass(frozen=True)
class Term:
    """One loss on one layer.

    Attributes:
        loss: what measures the distance.
        layer: name of a layer of the backbone, or "image" for the pixels.
        weight: factor, not negative; or {region: factor} for a distance from the content or style.
        target: "content" or "style": whose features the image's are compared with; None: the loss needs none.
        relative: divide by the loss's magnitude of the target, which makes the term independent of the network's
            activation scale.
        name: under which the term is reported, added to others of that name; by default the target or the loss's name.
        from_pass: the first pass of the optimization that the term takes part in, counted from 1.
    """

    loss: FeatureLoss
    layer: str
    weight: Weight = 1.0
    target: str | None = None
    relative: bool = False
    name: str = ""
    from_pass: int = 1

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(f"target is {checks.shown(self.target)}; expected one of {', '.join(map(repr, TARGETS))}")
        name = f"weight of {self.loss.name} on {self.layer}"
        checks.weight(name, self.weight)
        if isinstance(self.weight, Mapping) and self.target != "style" and self.loss.adds_up != "distance":
            raise InputError(f"{name} is by region; expected a number for a loss that is no sum over positions")
        if not self.name:
            object.__setattr__(self, "name", self.target or self.loss.name)


class Objective:
    """A weighted sum of terms.

    Args:
        terms: the summands. Terms of weight 0 are left out.
        balance: None: the terms are added as they are. "gradient": at every step the gradient of each term with respect
            to its feature maps is rescaled to the length weight / RMS of the feature maps, so that all terms of one
            weight pull alike, whatever their units. {name: threshold}: that gradient of the terms reported under the
            name, on each layer and in each region, is shortened to the threshold where it is longer, for each sample.
            The value then is not what is descended: not for L-BFGS.

    Raises:
        InputError: no term has a weight above 0, or an unknown balance.

    Example:
        >>> objective = keras_style.Objective([
        ...     keras_style.Term(keras_style.losses.ContentLoss(), layer="block4_conv2", target="content"),
        ...     keras_style.Term(keras_style.losses.GramLoss(), layer="block3_conv1", weight=1e3, target="style"),
        ... ])

    Reference: balance: Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using
        Histogram Losses", 2017, who clip each loss's gradient at a threshold; rescaling, and to this length, is ours.
    """

    def __init__(self, terms: Sequence[Term], balance: Balance | None = None):
        self.terms = tuple(term for term in terms if _counts(term.weight))
        if not self.terms:
            raise InputError(f"an objective needs a term with a weight above 0; got {len(terms)} of weight 0")
        if balance is not None:
            balance = checks.balance("balance", balance)
        known = dict.fromkeys(term.name for term in terms)
        if isinstance(balance, Mapping) and not balance.keys() <= known.keys():
            raise InputError(f"balance is {checks.shown(balance)}; expected some of {checks.listed(known)}")
        self.balance = balance

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which the terms are reported."""
        return tuple(dict.fromkeys(term.name for term in self.terms))

    @property
    def needs_content(self) -> bool:
        """Whether any term compares with the content image."""
        return any(term.target == "content" for term in self.terms)

    @property
    def bends_pixels(self) -> bool:
        """Whether a loss dominates the curvature in pixel space; see `FeatureLoss`."""
        return any(term.loss.bends_pixels for term in self.terms)

    def in_pass(self, number: int) -> "Objective":
        """The objective of the terms that take part in pass `number`, counted from 1."""
        terms = [term for term in self.terms if term.from_pass <= number]
        balance = self.balance
        if isinstance(balance, Mapping):
            names = {term.name for term in terms}
            balance = {name: threshold for name, threshold in balance.items() if name in names} or None
        return Objective(terms, balance)

    def bind(
        self,
        backbone: Backbone,
        targets: Targets,
        target_features: Features | None = None,
    ) -> "BoundObjective":
        """The objective as a function of the image alone; statistics of content and style are computed here, once.

        With regions, a style term is the sum over them of the term between the region in the image and the region of
        that name in the styles that have it, each weighted by its share of the image.

        Args:
            backbone: the network whose layers the terms name.
            targets: the images that the terms compare with.
            target_features: computes the features of content and style in place of the backbone, with the same result.

        Returns:
            A function from images (B, H, W, 3) and the number of the step, from which random losses draw, to
            `{name: scalar}`, weighted and averaged over the batch.

        Raises:
            InputError: a target that a term needs is missing, a layer is unknown, or has nothing left of a region.
        """
        backbone.check_layers(term.layer for term in self.terms)
        return BoundObjective(
            backbone, self.summands(backbone, of_whole(target_features or backbone), targets), self.balance
        )

    def summands(self, backbone: Backbone, statistics: StatisticsOf, targets: Targets) -> list["Summand"]:
        """The terms, each with what it compares with; arguments and errors as for `bind`.

        Args:
            backbone: whose layers the terms name.
            statistics: how the statistics of content and style are taken.
        """
        style = targets.style
        sources = {"content": [] if targets.content is None else [targets.content], "style": list(style)}
        for target, images in sources.items():
            if not images and any(term.target == target for term in self.terms):
                raise InputError(f"the objective compares with the {target} image; none was given")
        blend = checks.shares("blend", targets.blend, len(style)) if style else []

        compared = [
            (term, place)
            for term in self.terms
            for place in places(backbone, term.layer, term.target, term.weight, targets)
        ]
        taken: dict[str, list[list[Statistics]]] = {}  # per target and image, the statistics of each place in turn
        for target, images in sources.items():
            own = [(term, place.in_target) for term, place in compared if term.target == target]
            taken[target] = [
                statistics(image, [(term.loss, term.layer, each[number]) for term, each in own if number in each])
                for number, image in enumerate(images)
                if own
            ]
        summands = []
        for term, place in compared:
            if term.target is None:
                summands.append(Summand(term, {"weight": _scalar(place.weight), "pull": _scalar(place.weight)}))
                continue
            of_each = [taken[term.target][number].pop(0) for number in place.in_target]
            aim = of_each[0] if len(of_each) == 1 else term.loss.blend(of_each, _among(blend, place.in_target))
            summands.append(Summand.towards(term, aim, place, targets.edge if term.target == "style" else 0))
        return summands


def of_whole(see: Features) -> StatisticsOf:
    """Statistics of an image that passes through a network as a whole."""

    def statistics(image: np.ndarray | tf.Tensor, wanted: Sequence[Wanted]) -> list[Statistics]:
        maps = see(tf.convert_to_tensor(image), {layer for _, layer, _ in wanted})
        return [loss.statistics(maps[layer], mask) for loss, layer, mask in wanted]

    return statistics


@dataclass(frozen=True, eq=False)
class Summand:
    """A term with what it compares with, within one region of the image.

    Attributes:
        tensors: what differs from target to target:
            "aim": statistics of the target, if the term has one;
            "weight": scalar or (B,), by which the distance is multiplied;
            "pull": scalar, the term's weight in this region, which a balance goes by;
            "mask": (1, H, W), the region, if it is not everywhere.
        edge: positions along the border that do not count; without a mask.
    """

    term: Term
    tensors: Mapping[str, Any]
    edge: int = 0

    @classmethod
    def towards(cls, term: Term, aim: Statistics, place: Place, edge: int = 0) -> "Summand":
        pull = weight = _scalar(place.weight)
        if term.relative:
            magnitude = _positive(term.loss.magnitude(aim))
            weight = tf.cast(weight, magnitude.dtype) / magnitude
        if place.spread is not None:
            positions = _scalar(place.spread.sum(dtype=np.float64))
            pull = pull * positions / place.spread.size
            weight *= tf.cast(term.loss.share(positions, place.spread.size), weight.dtype)
            aim = {**aim, WEIGHTS: tf.constant(place.spread.reshape(1, -1), aim[WEIGHTS].dtype)}
        region = {} if place.mask is None else {"mask": tf.constant(place.mask, tf.float32)}
        return cls(term, {"aim": aim, "weight": weight, "pull": pull, **region}, edge)

    def key(self) -> Hashable:
        """Return what a graph of it depends on beside its tensors."""
        return self.term.loss.key(), self.term.layer, self.term.name, self.edge

    @property
    def aim(self) -> Statistics | None:
        """Statistics of the target."""
        return self.tensors.get("aim")

    def value(self, features: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        loss = self.term.loss.redrawn(step)
        current = loss.statistics(features, self.mask(features.shape[1:3]))
        return self.weighted(loss.distance(self.aim, current))

    def mask(self, shape: Sequence[int]) -> tf.Tensor | np.ndarray | None:
        """The weights (1, H', W') of a layer's H' x W' positions; None: all count."""
        return self.tensors["mask"] if "mask" in self.tensors else without_edge(shape, self.edge)

    def weighted(self, distance: tf.Tensor) -> tf.Tensor:
        """The summand's value, from its distance (B,)."""
        return tf.reduce_mean(tf.cast(self.tensors["weight"], distance.dtype) * distance)


@dataclass(frozen=True, eq=False)
class BoundObjective:
    """An objective with the targets of its terms: a function of the image alone.

    Attributes:
        margin: pixels by which images are continued over their edges, as if they were repeated.
    """

    backbone: Backbone
    summands: Sequence[Summand]
    balance: Balance | None
    margin: int = 0

    def __call__(self, images: tf.Tensor, step: tf.Tensor | int = 0) -> dict[str, tf.Tensor]:
        """The losses by name of images (B, H, W, 3) and step: each a scalar, their sum the objective."""
        if self.margin:
            images = _continued(images, self.margin)
        maps = self.backbone(images, [summand.term.layer for summand in self.summands])
        values: dict[str, list[tf.Tensor]] = {}
        for summand in self.summands:
            current = maps[summand.term.layer]
            if self.balance == "gradient":
                current = _pulled_by(tf.cast(summand.tensors["pull"], current.dtype), current)
            elif isinstance(self.balance, Mapping) and summand.term.name in self.balance:
                current = _clipped_at(tf.constant(self.balance[summand.term.name], current.dtype), current)
            values.setdefault(summand.term.name, []).append(summand.value(current, step))
        return {name: tf.add_n(each) for name, each in values.items()}

    def key(self) -> Hashable:
        """Return what a graph of it depends on beside its tensors."""
        balance = tuple(sorted(self.balance.items())) if isinstance(self.balance, Mapping) else self.balance
        return self.backbone.key(), tuple(summand.key() for summand in self.summands), balance, self.margin

    @property
    def tensors(self) -> Any:
        """All that differs from target to target, in any nesting."""
        return self.backbone.tensors, [summand.tensors for summand in self.summands]

    def with_tensors(self, tensors: Any) -> Self:
        """The same with other `tensors`."""
        of_backbone, of_each = tensors
        summands = [replace(summand, tensors=own) for summand, own in zip(self.summands, of_each, strict=True)]
        return replace(self, backbone=self.backbone.with_tensors(of_backbone), summands=summands)


def _counts(weight: Weight) -> bool:
    return any(weight.values()) if isinstance(weight, Mapping) else bool(weight)


def _among(blend: Sequence[float], numbers: Collection[int]) -> list[float]:
    """The weights of these styles, which add up to 1."""
    own = [blend[number] for number in numbers]
    return own if len(own) == len(blend) else checks.shares("blend of the styles that have a region", own, len(own))


def _scalar(number: float) -> tf.Tensor:
    return tf.constant(number, tf.float64)


def _continued(images: tf.Tensor, margin: int) -> tf.Tensor:
    for axis in (1, 2):
        side = images.shape[axis]
        images = tf.gather(images, [index % side for index in range(-margin, side + margin)], axis=axis)
    return images


@with_gradient
def _pulled_by(pull: tf.Tensor, features: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[None, tf.Tensor]]]:
    """`features`, with the gradient that comes back rescaled to the length `pull` / RMS of the features, per sample."""

    def rescale(gradient: tf.Tensor) -> tuple[None, tf.Tensor]:
        rms = tf.sqrt(tf.reduce_mean(tf.square(features), [1, 2, 3], keepdims=True))
        return None, tf.math.divide_no_nan(pull * gradient, _length(gradient) * rms)

    return tf.identity(features), rescale


@with_gradient
def _clipped_at(
    threshold: tf.Tensor, features: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[None, tf.Tensor]]]:
    """`features`, with the gradient that comes back shortened to the length `threshold` if it is longer, per sample."""

    def clip(gradient: tf.Tensor) -> tuple[None, tf.Tensor]:
        return None, gradient * (threshold / tf.maximum(_length(gradient), threshold))

    return tf.identity(features), clip


def _length(gradient: tf.Tensor) -> tf.Tensor:
    """The length (B, 1, 1, 1) of a gradient (B, H, W, C)."""
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2, 3], keepdims=True))


def _positive(magnitude: tf.Tensor) -> tf.Tensor:
    """A target without any activation has no unit to divide by: it keeps its weight."""
    return tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude))
