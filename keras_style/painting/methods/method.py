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
        style_loss: settings of the method's style loss: all that may be given, with their values.
        photorealism_normalization: of `MattingLaplacianLoss`.
        tv_normalization: of `TotalVariationLoss`.
        layer_weights: from a list of style layers, as a user gives it, to their weights.
        histogram_layers: layers of a method's histogram loss, beside the Gram losses on the style layers.
        optimizer: "adam", "lbfgs", a Keras optimizer, or one as `keras.optimizers.serialize` gives it.
        bounded: keep pixels in [0, 1] at every step; False: only in the end, as published programs do.
        noise: standard deviation of the noise that `init="noise"` starts from, around mean gray; pixels are in [0, 1].
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
    style_loss: Mapping[str, Any] = field(default_factory=dict)
    photorealism_normalization: str = "mean"
    tv_normalization: str = "mean"
    backbone: Any
    pooling: str
    normalized_backbone: bool = False
    optimizer: Any
    bounded: bool = True
    steps: int
    passes: int = 1
    scales: int | Sequence[int] | None
    init: Any
    noise: float = 1 / 255  # a level: leongatys/NeuralImageSynthesis @cced0b9, BasicStyleTransfer.ipynb, In[5]
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
    """A method: a name, a line about it, its variants, and the terms of its objective."""

    name: str
    summary: str
    variants: Mapping[str, Variant]
    terms: Callable[[Variant], "list[Term]"]

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
            Term(
                TotalVariationLoss(normalization=variant.tv_normalization),
                layer,
                variant.tv_weight * weight,
                name="total_variation",
            )
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
