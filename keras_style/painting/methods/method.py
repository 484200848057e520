"""A method: the losses of a paper, and named sets of all numbers that it leaves open."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from keras_style import checks
from keras_style.backbones.backbone import Layer
from keras_style.checks import Balance, Weight

if TYPE_CHECKING:
    from keras_style.losses import FeatureLoss
    from keras_style.optimize.objective import Term

LayerWeights = Mapping[str, float]


def times(weight: Weight, factor: float) -> Weight:
    """A weight, or that of each region, times a factor."""
    if isinstance(weight, Mapping):
        return {region: each * factor for region, each in weight.items()}
    return weight * factor


def equal_shares(layers: Sequence[Layer]) -> dict[str, float]:
    """Every layer the same weight, 1 in all (w_l = 1/5 for five layers: Gatys et al. 2016, below eq. 5)."""
    return {layer.name: 1 / len(layers) for layer in layers}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A named set of a method's numbers; those that `keras_style.transfer` has arguments for are called as there.

    Attributes:
        source: where the numbers were published, or how they were chosen.
        relative: divide every loss by its own magnitude of the target, so that the weights fit any network.
        content_normalization: of `ContentLoss`.
        style_normalization: of the method's style loss.
        photorealism_normalization: of `MattingLaplacianLoss`.
        layer_weights: from a list of style layers, as a user gives it, to their weights.
        histogram_layers: layers of a method's histogram loss, beside the Gram losses on the style layers.
        normalized_backbone: rescale the network so that the mean activation of each layer is one.
        passes: number of passes: the first goes over all scales, the others stay at full size. The photorealism term
            joins in the last one.
        bleed: pixels of margin at every scale, painted like the rest and trimmed, since zero padding leaves a frame.
    """

    source: str
    content_weight: Weight
    style_weight: Weight
    tv_weight: float
    photorealism_weight: float = 0.0
    content_layers: LayerWeights
    style_layers: LayerWeights
    tv_layers: LayerWeights = field(default_factory=lambda: {"image": 1.0})
    layer_weights: Callable[[Sequence[Layer]], LayerWeights] = equal_shares
    histogram_layers: LayerWeights = field(default_factory=dict)
    relative: bool
    balance: Balance | None = None
    content_normalization: str
    style_normalization: str
    photorealism_normalization: str = "mean"
    backbone: Any
    pooling: str
    normalized_backbone: bool = False
    optimizer: Any
    steps: int
    passes: int = 1
    scales: int | Sequence[int] | None
    init: Any
    style_scale: float = 1.0
    bleed: int = 0
    smooth: bool = False
    refine: bool = False

    def fitted(self, layers: Sequence[Layer]) -> "Variant":
        """The variant on a network that has `layers`, shallow to deep.

        Where the network lacks a layer of the variant, style is compared on all of its layers, content on the deepest,
        and histograms on the first and the deepest.
        """
        known = {layer.name for layer in layers}
        ends = (layers[0].name, layers[-1].name)
        others: dict[str, Any] = {
            "content_layers": {ends[1]: 1.0},
            "style_layers": self.layer_weights(layers),
            "histogram_layers": dict(zip(ends, self.histogram_layers.values(), strict=False)),
        }
        return replace(self, **{name: own for name, own in others.items() if not known.issuperset(getattr(self, name))})


@dataclass(frozen=True)
class Method:
    """A method: a name, a line about it, its variants, and the terms of its objective.

    `projections`: directions along which it sorts the style layers, for the estimate of memory.
    """

    name: str
    summary: str
    variants: Mapping[str, Variant]
    terms: Callable[[Variant], "list[Term]"]
    projections: int = 0

    def variant(self, name: str) -> Variant:
        """The variant called `name`.

        Raises:
            InputError: there is none of that name.
        """
        return self.variants[checks.choice(f"variant of {self.name}", name, tuple(self.variants))]


def with_content(variant: Variant, *style: "tuple[FeatureLoss, LayerWeights]") -> "list[Term]":
    """Style losses on their layers, with what every method has beside them: content, total variation, photorealism."""
    from keras_style.losses import ContentLoss, MattingLaplacianLoss, TotalVariationLoss
    from keras_style.optimize.objective import Term

    content = ContentLoss(variant.content_normalization)
    return [
        *(
            Term(content, layer, times(variant.content_weight, weight), "content", variant.relative)
            for layer, weight in variant.content_layers.items()
        ),
        *(
            Term(loss, layer, times(variant.style_weight, weight), "style", variant.relative)
            for loss, layers in style
            for layer, weight in layers.items()
        ),
        *(
            Term(TotalVariationLoss(), layer, variant.tv_weight * weight, name="total_variation")
            for layer, weight in variant.tv_layers.items()
        ),
        Term(
            MattingLaplacianLoss(normalization=variant.photorealism_normalization),
            "image",
            variant.photorealism_weight,
            "content",
            variant.relative,
            name="photorealism",
            from_pass=variant.passes,
        ),
    ]
