"""The objective: losses on layers, each with a weight and a target, added up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_style import checks
from keras_style.backbones import Backbone
from keras_style.errors import InputError
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.runtime import tf

Losses = Callable[[tf.Tensor], dict[str, tf.Tensor]]

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
    """

    loss: FeatureLoss
    layer: str
    weight: float = 1.0
    target: str | None = None
    relative: bool = False
    name: str = ""

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

    Raises:
        InputError: no term has a weight above 0.

    Example:
        >>> objective = keras_style.Objective([
        ...     keras_style.Term(keras_style.losses.ContentLoss(), layer="block4_conv2", target="content"),
        ...     keras_style.Term(keras_style.losses.GramLoss(), layer="block3_conv1", weight=1e3, target="style"),
        ... ])
    """

    def __init__(self, terms: Sequence[Term]):
        self.terms = tuple(term for term in terms if term.weight)
        if not self.terms:
            raise InputError(f"an objective needs a term with a weight above 0; got {len(terms)} of weight 0")

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which the terms are reported."""
        return tuple(dict.fromkeys(term.name for term in self.terms))

    @property
    def needs_content(self) -> bool:
        """Whether any term compares with the content image."""
        return any(term.target == "content" for term in self.terms)

    def bind(
        self,
        backbone: Backbone,
        content: np.ndarray | tf.Tensor | None = None,
        style: Sequence[np.ndarray | tf.Tensor] = (),
        blend: Sequence[float] | None = None,
    ) -> Losses:
        """The objective as a function of the image alone; statistics of content and style are computed here, once.

        Args:
            backbone: the network whose layers the terms name.
            content: (B, H, W, 3) in [0, 1]; needed by terms with the target "content".
            style: one (1, H, W, 3) for each style; their sizes may differ.
            blend: weight of each style; equal by default.

        Returns:
            A function from images (B, H, W, 3) to `{name: scalar}`, weighted and averaged over the batch.

        Raises:
            InputError: a target that a term needs is missing, or a layer is unknown.
        """
        layers = [term.layer for term in self.terms]
        backbone.check_layers(layers)
        sources = {"content": [] if content is None else [content], "style": list(style)}
        shares = {"content": [1.0], "style": checks.shares("blend", blend, len(style)) if style else []}
        features = {}
        for target in ("content", "style"):
            needed = {term.layer for term in self.terms if term.target == target}
            if needed and not sources[target]:
                raise InputError(f"the objective compares with the {target} image; none was given")
            features[target] = [backbone(tf.convert_to_tensor(image), needed) for image in sources[target] if needed]

        bound: list[tuple[Term, Statistics | None, tf.Tensor | float]] = []
        for term in self.terms:
            if term.target is None:
                bound.append((term, None, term.weight))
                continue
            of_each = [term.loss.statistics(maps[term.layer]) for maps in features[term.target]]
            blended = of_each[0] if len(of_each) == 1 else term.loss.blend(of_each, shares[term.target])
            weight = term.weight / _positive(term.loss.magnitude(blended)) if term.relative else term.weight
            bound.append((term, blended, weight))

        def losses(images: tf.Tensor) -> dict[str, tf.Tensor]:
            maps = backbone(images, layers)
            values: dict[str, list[tf.Tensor]] = {}
            for term, aim, weight in bound:
                distance = term.loss.distance(aim, term.loss.statistics(maps[term.layer]))
                values.setdefault(term.name, []).append(tf.reduce_mean(weight * distance))
            return {name: tf.add_n(summands) for name, summands in values.items()}

        return losses


def _positive(magnitude: tf.Tensor) -> tf.Tensor:
    """A target without any activation has no unit to divide by: it keeps its weight."""
    return tf.where(magnitude > 0, magnitude, tf.ones_like(magnitude))
