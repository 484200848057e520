"""The objective: losses on layers, each with a weight and a target, added up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_style import checks, masks
from keras_style.backbones import Backbone
from keras_style.choices import BALANCES
from keras_style.errors import InputError
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.masks import Regions
from keras_style.runtime import tf

Losses = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
Features = Callable[[tf.Tensor, Iterable[str]], dict[str, tf.Tensor]]

TARGETS = ("content", "style", None)


@dataclass(frozen=True)
class Term:
    """One loss on one layer.

    Attributes:
        loss: what measures the distance.
        layer: "blockN_convM", or "image" for the pixels.
        weight: factor, not negative.
        target: "content" or "style": whose features the image's are compared with; None: the loss needs none.
        relative: divide by the loss's magnitude of the target, which makes the term free of units: independent of the
            network's activation scale.
        name: under which the term is reported, added to others of that name; by default the target or the loss's name.
        from_pass: the pass of the optimization from which on it takes part, counted from 1.
    """

    loss: FeatureLoss
    layer: str
    weight: float = 1.0
    target: str | None = None
    relative: bool = False
    name: str = ""
    from_pass: int = 1

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(f"target is {self.target!r}; expected one of {', '.join(map(repr, TARGETS))}")
        checks.number(f"weight of {self.loss.name} on {self.layer}", self.weight)
        if not self.name:
            object.__setattr__(self, "name", self.target or self.loss.name)


class Objective:
    """A weighted sum of terms.

    Args:
        terms: the summands. Terms of weight 0 are left out.
        balance: None: the terms are added as they are. "gradient": at every step the gradient of each term with respect
            to its feature maps is rescaled to the length weight / RMS of the feature maps, so that all terms of one
            weight pull alike, whatever their units. The value then is not what is descended: not for L-BFGS.

    Raises:
        InputError: no term has a weight above 0, or an unknown balance.

    Example:
        >>> objective = keras_style.Objective([
        ...     keras_style.Term(keras_style.losses.ContentLoss(), layer="block4_conv2", target="content"),
        ...     keras_style.Term(keras_style.losses.GramLoss(), layer="block3_conv1", weight=1e3, target="style"),
        ... ])

    Reference: balance: after Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using
        Histogram Losses", 2017, who clip each loss's gradient; rescaling, and to this length, is ours.
    """

    def __init__(self, terms: Sequence[Term], balance: str | None = None):
        self.terms = tuple(term for term in terms if term.weight)
        if not self.terms:
            raise InputError(f"an objective needs a term with a weight above 0; got {len(terms)} of weight 0")
        if balance is not None:
            checks.choice("balance", balance, BALANCES)
        self.balance = balance

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which the terms are reported."""
        return tuple(dict.fromkeys(term.name for term in self.terms))

    @property
    def needs_content(self) -> bool:
        """Whether any term compares with the content image."""
        return any(term.target == "content" for term in self.terms)

    def in_pass(self, number: int) -> "Objective":
        """The objective of the terms that take part in pass `number`, counted from 1."""
        return Objective([term for term in self.terms if term.from_pass <= number], self.balance)

    def bind(
        self,
        backbone: Backbone,
        content: np.ndarray | tf.Tensor | None = None,
        style: Sequence[np.ndarray | tf.Tensor] = (),
        blend: Sequence[float] | None = None,
        content_regions: Regions | None = None,
        style_regions: Sequence[Regions] = (),
        edge: int = 0,
        target_features: Features | None = None,
    ) -> Losses:
        """The objective as a function of the image alone; statistics of content and style are computed here, once.

        With regions, a style term is the sum over them of the term between the region in the image and the region of
        that name in the style, each weighted by its share of the image.

        Args:
            backbone: the network whose layers the terms name.
            content: (B, H, W, 3) in [0, 1]; needed by terms with the target "content".
            style: one (1, H, W, 3) for each style; their sizes may differ.
            blend: weight of each style; equal by default.
            content_regions: `{region: weights (H, W)}` of the image, adding up to one at every pixel; one region by
                default.
            style_regions: the same regions in each style.
            edge: without regions, positions along the border of every layer that style terms leave out, on both sides:
                features there are as much of zero padding as of the picture.
            target_features: what content and style go through instead of the backbone: a function of images and
                layers, which gives the same features.

        Returns:
            A function from images (B, H, W, 3) and the number of the step, from which random losses draw, to
            `{name: scalar}`, weighted and averaged over the batch.

        Raises:
            InputError: a target that a term needs is missing, a layer is unknown, or has nothing left of a region.
        """
        layers = [term.layer for term in self.terms]
        backbone.check_layers(layers)
        sources = {"content": [] if content is None else [content], "style": list(style)}
        blend = checks.shares("blend", blend, len(style)) if style else []
        features = {}
        see = target_features or backbone
        for target in ("content", "style"):
            needed = {term.layer for term in self.terms if term.target == target}
            if needed and not sources[target]:
                raise InputError(f"the objective compares with the {target} image; none was given")
            features[target] = [see(tf.convert_to_tensor(image), needed) for image in sources[target] if needed]

        summands = []
        for term in self.terms:
            if term.target is None:
                summands.append(_Summand(term, None, term.weight))
            elif term.target == "content":
                summands.append(_Summand.towards(term, term.loss.statistics(features["content"][0][term.layer])))
            else:
                maps = [each[term.layer] for each in features["style"]]
                poolings = backbone.poolings(term.layer)
                if content_regions is None:
                    aim = _blended(term.loss, maps, [_without_edge(each, edge) for each in maps], blend)
                    summands.append(_Summand.towards(term, aim, edge=edge))
                    continue
                for region, weights in content_regions.items():
                    inside = _at_layer(weights, poolings, region, f"the content at {term.layer}")
                    of_styles = [
                        _at_layer(each[region], poolings, region, f"the style at {term.layer}")
                        for each in style_regions
                    ]
                    aim = _blended(term.loss, maps, of_styles, blend)
                    summands.append(_Summand.towards(term, aim, inside, float(inside.mean())))

        def losses(images: tf.Tensor, step: tf.Tensor | int = 0) -> dict[str, tf.Tensor]:
            maps = backbone(images, layers)
            values: dict[str, list[tf.Tensor]] = {}
            for summand in summands:
                current = maps[summand.term.layer]
                if self.balance == "gradient":
                    current = _pulled_by(summand.pull, current)
                values.setdefault(summand.term.name, []).append(summand.value(current, step))
            return {name: tf.add_n(each) for name, each in values.items()}

        return losses


@dataclass(frozen=True, eq=False)
class _Summand:
    """A term with what it compares with, within one region of the image.

    Attributes:
        aim: statistics of the target.
        weight: scalar or (B,), by which the distance is multiplied.
        mask: (1, H, W), the region; None: everywhere.
        share: of the image that the region takes.
        edge: positions along the border that do not count; without a mask.
    """

    term: Term
    aim: Statistics | None
    weight: tf.Tensor | float
    mask: np.ndarray | None = None
    share: float = 1.0
    edge: int = 0

    @classmethod
    def towards(
        cls, term: Term, aim: Statistics, mask: np.ndarray | None = None, share: float = 1.0, edge: int = 0
    ) -> "_Summand":
        weight: tf.Tensor | float = term.weight * share
        if term.relative:
            weight = weight / _positive(term.loss.magnitude(aim))
        return cls(term, aim, weight, mask, share, edge)

    @property
    def pull(self) -> float:
        return self.term.weight * self.share

    def value(self, features: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        loss = self.term.loss.redrawn(step)
        mask = _without_edge(features, self.edge) if self.mask is None else self.mask
        return tf.reduce_mean(self.weight * loss.distance(self.aim, loss.statistics(features, mask)))


def _blended(
    loss: FeatureLoss, maps: Sequence[tf.Tensor], masks: Sequence[np.ndarray | None], blend: Sequence[float]
) -> Statistics:
    """The statistics of one style, or of several as one."""
    of_each = [loss.statistics(features, mask) for features, mask in zip(maps, masks, strict=True)]
    return of_each[0] if len(of_each) == 1 else loss.blend(of_each, blend)


def _without_edge(features: tf.Tensor, edge: int) -> np.ndarray | None:
    """A mask (1, H, W) of all positions but those, of which at least one stays; None if all stay."""
    if not edge:
        return None
    mask = np.zeros((1, *features.shape[1:3]), np.float32)
    rows, columns = (min(edge, (side - 1) // 2) for side in mask.shape[1:])
    mask[:, rows : mask.shape[1] - rows, columns : mask.shape[2] - columns] = 1
    return mask


def _at_layer(weights: np.ndarray, poolings: int, region: str, where: str) -> np.ndarray:
    carried = masks.at_layer(weights, poolings)[None]
    if not carried.any():
        raise InputError(f"region {region!r}: nothing of it is left in {where}; expected a larger region or image")
    return carried


def _pulled_by(pull: float, features: tf.Tensor) -> tf.Tensor:
    """`features`, with the gradient that comes back rescaled to the length `pull` / RMS of the features, per sample."""

    @tf.custom_gradient
    def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def rescale(gradient: tf.Tensor) -> tf.Tensor:
            axes = [1, 2, 3]
            length = tf.sqrt(tf.reduce_sum(tf.square(gradient), axes, keepdims=True))
            rms = tf.sqrt(tf.reduce_mean(tf.square(x), axes, keepdims=True))
            return tf.math.divide_no_nan(pull * gradient, length * rms)

        return tf.identity(x), rescale

    return identity(features)


def _positive(magnitude: tf.Tensor) -> tf.Tensor:
    """A target without any activation has no unit to divide by: it keeps its weight."""
    return tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude))
