"""Li, Wang, Liu & Hou, "Demystifying Neural Style Transfer", IJCAI 2017: style as a distance between distributions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keras_style.backbones.backbone import Layer
from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method, Variant, with_content

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term


def linear(variant: Variant) -> "list[Term]":
    """Content loss + squared distance of the filters' means."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("linear", **variant.style_loss), variant.style_layers))


def poly(variant: Variant) -> "list[Term]":
    """Content loss + MMD of the kernel (x'y)^2, which is Gatys's style loss but for the factor."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("poly", **variant.style_loss), variant.style_layers))


def gaussian(variant: Variant) -> "list[Term]":
    """Content loss + MMD of the Gaussian kernel."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("gaussian", **variant.style_loss), variant.style_layers))


def moments(variant: Variant) -> "list[Term]":
    """Content loss + squared distances of the filters' means and standard deviations."""
    from keras_style.losses import MomentsLoss

    return with_content(variant, (MomentsLoss(**variant.style_loss), variant.style_layers))


_BASE = replace(gatys.DEFAULT, source="ours: the numbers of gatys; looked at with this method, none was changed")

# Units of the authors' program: levels, 256 of them (neural-style.py:82) where pixels here go from 0 to 1; the network
# sees the same. It gives each layer's gradient a scale g; the weights here are those whose gradient is the same.
_LEVELS = 256
_GAMMA = 5.0  # :30

_REFERENCE = replace(
    gatys.REFERENCE,
    source="lyttonhao/Neural-Style-MMD @a79b913, neural-style.py",
    content_weight=1.0,  # :28
    content_normalization="sum",  # :182
    tv_weight=1e-2 / 16 * _LEVELS**2,  # :32; :202-206 is 1/8 of the slope of half the sum, the border aside
    tv_normalization="sum",
    pooling="average",  # model_vgg19.py:15
    optimizer={
        "class_name": "SGD",
        "config": {
            "learning_rate": {
                "module": "keras.optimizers.schedules",
                "class_name": "ExponentialDecay",
                "config": {
                    "initial_learning_rate": 1e-3 / _LEVELS**2,  # :38
                    "decay_steps": 80,  # :50
                    "decay_rate": 0.9,  # :52
                    "staircase": True,
                },
            },
            "momentum": 0.9,  # :291
            "global_clipnorm": 3 * 600 * 450 * _LEVELS,  # :297 for 600 x 450 px: there the number of the image's values
        },
    },
    steps=1000,  # :34
    init="noise",  # :64
    noise=0.1 / 3**0.5 / _LEVELS,  # :281, uniform there
)


def one_over_filters(layers: Sequence[Layer]) -> dict[str, float]:
    """1/N for each layer, N its number of filters."""
    return {layer.name: 1 / layer.channels for layer in layers}


def _variants(
    weight: float,
    weigh: Callable[[Sequence[Layer]], dict[str, float]],
    settings: Mapping[str, Any],
    normalization: str = "sum",
    optimizer: str = _BASE.optimizer,
) -> dict[str, Variant]:
    """Both variants of a method.

    Args:
        weight, weigh, normalization: the reference's style weight, weights of layers, and normalization of the loss.
        settings: of the loss, in both.
        optimizer: of the default.
    """
    reference = replace(
        _REFERENCE,
        style_weight=weight,
        style_layers=weigh(gatys.STYLE),
        layer_weights=weigh,
        style_loss={**settings, "normalization": normalization},
    )
    return {"default": replace(_BASE, optimizer=optimizer, style_loss=settings), "reference": reference}


# g for M positions of N filters: :161-168 with the scales of :217-226; it multiplies what mmd_loss.py or bn_loss.py
# gives.
MMD_LINEAR = Method(
    "mmd_linear",
    "means of the filters: an MMD with a linear kernel (Li et al. 2017)",
    # g = gamma 2e3 / (N M), of M (m - m') (mmd_loss.py:95): the loss times gamma 1e3 M / N.
    _variants(_GAMMA * 2e3 / 2, one_over_filters, {}),
    linear,
)
MMD_POLY = Method(
    "mmd_poly",
    "an MMD with the kernel (x'y)^2: Gram matrices, as a distance of distributions (Li et al. 2017)",
    # g = gamma 1e-1 / (N^2 M), of X (G - G') (mmd_loss.py:88): gamma M / (40 N^2).
    _variants(_GAMMA * 1e-1 / 4, gatys.one_over_filters_squared, {"degree": 2, "offset": 0.0}),
    poly,
)
MMD_GAUSSIAN = Method(
    "mmd_gaussian",
    "an MMD with a Gaussian kernel, over random pairs (Li et al. 2017)",
    # g = gamma 3e14 / (N M), of half a sum over M / 2 pairs of each kind (mmd_loss.py:116): M cancels.
    _variants(_GAMMA * 3e14 / 4, one_over_filters, {"bandwidth": 1.0}, normalization="mean", optimizer="adam"),
    gaussian,
)
MOMENTS = Method(
    "moments",
    "means and standard deviations of the filters: batch-norm statistics (Li et al. 2017)",
    # gamma is 1 (run.sh); g = 1e3 M, of half the slope of the mean over filters (bn_loss.py:43,63).
    _variants(1e3 / 2, lambda layers: {layer.name: 1.0 for layer in layers}, {"epsilon": 1e-5}),
    moments,
)
