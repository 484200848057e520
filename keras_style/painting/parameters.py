"""The parameters of a transfer: the name, type, default, check and explanation of each, in this one place.

A line here is an argument of `Stylizer`, a line of the docstrings, a key of the YAML files and an option of the command
line. `keras_style.transfer` repeats name, type and default in its signature, for editors and type checkers; a test
compares the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from keras_style import checks, images
from keras_style.backbones import weights
from keras_style.backbones.backbone import Backbone
from keras_style.checks import OPTIMIZERS, POOLINGS, PRESERVE_COLOR, UNMATCHED, Balance, Layers, Weight
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal.declared import checks_of, parameter

if TYPE_CHECKING:
    from keras.optimizers import Optimizer


MAX_SIZE = 10_000  # pixels
MIN_STROKE, MAX_STROKE = 0.25, 4.0  # beyond, hardly anything of the photograph is left, or of the painting

Tile: TypeAlias = Literal["auto"] | int | None


def _tile(name: str, value: Any) -> Any:
    return value if value in ("auto", None) else checks.whole(f'{name} (if not "auto" or None)', value, 1, 10**9)


# An optimizer is duck-typed: isinstance would import TensorFlow.


def _optimizer(name: str, value: Any) -> Any:
    if isinstance(value, type) or not hasattr(value, "apply"):
        return checks.choice(f"{name} (if not a Keras optimizer)", value, OPTIMIZERS)
    return value


def _backbone(name: str, value: Any) -> Any:
    if isinstance(value, str | Backbone):
        return value
    raise InputError(
        f"{name} is {checks.shown(value)}; expected one of {', '.join(weights.SOURCES)}, or a Backbone, which "
        "keras_style.backbones.from_keras makes of a Keras model"
    )


def _settings(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is {checks.shown(value)}; expected {{setting: number}}")
    numbers = {key: checks.number(f"{name}: {key}", number) for key, number in value.items()}
    return {key: int(number) if number.is_integer() else number for key, number in numbers.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """The parameters of a `Stylizer`. Where None is the default, the method's variant decides."""

    method: str | Mapping[str, float] = parameter(
        "gatys",
        "which way of matching style; `keras_style.methods()` lists them. Several as {name: share}, whose "
        "objectives are added up in these proportions.",
    )
    variant: str = parameter(
        "default",
        'named set of parameters: "default", and where numbers were published "paper" or "reference" (the authors\' '
        "code).",
    )
    size: int = parameter(
        512, "long side of the result in pixels.", partial(checks.whole, low=images.MIN_SIDE, high=MAX_SIZE)
    )
    scales: int | Sequence[int] | None = parameter(
        None,
        "how many scales, coarse to fine, each twice as large as the one before; 1 for a single one; or a list of "
        "their long sides in pixels.",
        checks.scales,
    )
    steps: int | None = parameter(
        None, "how many steps in all, shared by the scales.", partial(checks.whole, low=1, high=10**9)
    )
    optimizer: "str | Optimizer | None" = parameter(None, '"adam", "lbfgs" or a Keras optimizer.', _optimizer)
    content_weight: Weight | None = parameter(
        None,
        "factor of the content loss; more keeps more of the photograph. With masks also {region: factor}, of each one.",
        checks.weight,
    )
    style_weight: Weight | None = parameter(
        None,
        "factor of the style loss, likewise; more takes more of the painting.",
        checks.weight,
    )
    tv_weight: float | None = parameter(
        None, "factor of the total variation; more makes a smoother picture.", checks.number
    )
    photorealism_weight: float | None = parameter(
        None,
        "factor of the matting Laplacian, with any method; more keeps edges straight and surfaces smooth.",
        checks.number,
    )
    content_layers: Layers | None = parameter(
        None, "layers where content is compared, as a list (equal weights) or {layer: weight}."
    )
    style_layers: Layers | None = parameter(
        None, "layers where style is compared, likewise; a list is weighted as the variant weights layers."
    )
    style_loss: Mapping[str, float] | None = parameter(
        None,
        "settings of the method's style loss as {name: number}: degree and offset of mmd_poly, bandwidth of "
        "mmd_gaussian, epsilon of moments, bins of histogram, jensen_shannon and total_variation, projections and "
        "power of sliced_wasserstein, epsilon of the Gaussian divergences and alpha of Renyi's.",
        _settings,
    )
    tv_layers: Layers | None = parameter(
        None,
        'layers whose total variation counts, as a list (equal weights) or {layer: weight}; "image" is the pixels.',
    )
    style_blend: Sequence[float] | None = parameter(
        None, "weight of each style, in the order of the styles; equal by default."
    )
    style_scale: float | None = parameter(
        None,
        "long side of the style as a multiple of `size`: below 1 for finer strokes, above for broader ones.",
        partial(checks.number, low=0.01, high=10),
    )
    init: ImageLike | None = parameter(
        None,
        'where to start: "content", "recolored" (the content in the style\'s colors, so that the optimizer need not '
        'find the means and covariances of color), "style", "noise", or an image of the content\'s proportions.',
    )
    auto_regions: int | None = parameter(
        None,
        "in place of masks: as many regions, or a few less, are found in photograph and styles by what the network "
        "sees, by colors and by height in the picture, and painted region by region.",
        partial(checks.whole, low=2, high=16),
    )
    merge_regions: Mapping[str, str] | None = parameter(
        None,
        "regions that count as others, {region: other}, such as lake as sea, in photograph and styles.",
        checks.names,
    )
    unmatched_regions: str | None = parameter(
        None,
        'what a region of the photograph is painted like that the style lacks, instead of an error: "nearest": like '
        'the style\'s region whose mean color is nearest; "whole": like all of the style. With either, regions that '
        "only the style has are left out.",
        partial(checks.choice, choices=UNMATCHED),
    )
    preserve_color: str | None = parameter(
        None,
        'keep the photograph\'s colors: "luminance" paints light and dark only, "match" first gives the painting the '
        "photograph's mean color and covariance.",
        partial(checks.choice, choices=PRESERVE_COLOR),
    )
    balance: Balance | None = parameter(
        None,
        '"gradient": at every step rescale the gradient of each term by its length, so that terms of one weight '
        "pull alike; or {term: threshold}: shorten gradients of content, style, total_variation or photorealism that "
        "are longer than that; with Adam or another Keras optimizer.",
        checks.balance,
    )
    smooth: bool | None = parameter(
        None,
        "afterwards make every pixel a local affine function of the photograph's colors: no paint, no distortion.",
        checks.truth,
    )
    refine: bool | None = parameter(
        None,
        "afterwards add the photograph's fine detail, what a guided filter takes out of it, to the picture.",
        checks.truth,
    )
    backbone: str | Backbone | None = parameter(
        None,
        '"vgg16_imagenet" (in the package, up to block5_conv1), "vgg16_imagenet_full" or "vgg19_imagenet" (all layers; '
        "downloaded, or NAME=FILE with a local weights file), or a `keras_style.Backbone`.",
        _backbone,
    )
    pooling: str | None = parameter(
        None, '"max" or "average" pooling in the backbone.', partial(checks.choice, choices=POOLINGS)
    )
    strength: float | None = parameter(
        None,
        "of painters: from 0, the photograph itself, to 1, the style.",
        partial(checks.number, low=0, high=1),
    )
    stroke: float | None = parameter(
        None,
        "of painters: size of the strokes as a multiple of what was learned.",
        partial(checks.number, low=MIN_STROKE, high=MAX_STROKE),
    )
    tile: Tile = parameter(
        "auto",
        "for pictures larger than memory: the network sees as many pixels at a time as a square of this side has, "
        'with the loss and the gradient of the whole picture up to rounding ("histogram" with soft masks or several '
        'styles: up to a bin of its histograms); None: the whole picture; "auto": the whole where it is estimated '
        "to fit into memory, otherwise the largest tiles that do, and refused if there are none. The estimate is of "
        "main memory, not a GPU's; it is printed where tiles are needed, and with verbose=1.",
        _tile,
    )
    seed: int = parameter(
        0,
        "seed of all random numbers; the same seed and machine give the same bits.",
        partial(checks.whole, low=0, high=2**63 - 1),
    )


CHECKS = checks_of(Parameters)
