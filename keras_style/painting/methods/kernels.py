"""Li, Wang, Liu & Hou, "Demystifying Neural Style Transfer", IJCAI 2017: style as a distance between distributions."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method, Variant, with_content

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term


def linear(variant: Variant) -> "list[Term]":
    """Content loss + squared distance of the filters' means."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("linear"), variant.style_layers))


def poly(variant: Variant) -> "list[Term]":
    """Content loss + MMD of the kernel (x'y)^2, which is Gatys's style loss but for the factor."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("poly"), variant.style_layers))


def gaussian(variant: Variant) -> "list[Term]":
    """Content loss + MMD of the Gaussian kernel."""
    from keras_style.losses import MMDLoss

    return with_content(variant, (MMDLoss("gaussian"), variant.style_layers))


def moments(variant: Variant) -> "list[Term]":
    """Content loss + squared distances of the filters' means and standard deviations."""
    from keras_style.losses import MomentsLoss

    return with_content(variant, (MomentsLoss(), variant.style_layers))


def _method(name: str, summary: str, default: Variant, terms: "Callable[[Variant], list[Term]]") -> Method:
    return Method(name, f"{summary} (Li et al. 2017)", {"default": default}, terms)


_BASE = replace(gatys.DEFAULT, source="ours: the numbers of gatys; looked at with this method, none was changed")

MMD_LINEAR = _method("mmd_linear", "means of the filters: an MMD with a linear kernel", _BASE, linear)
MMD_POLY = _method(
    "mmd_poly", "an MMD with the kernel (x'y)^2: Gram matrices, as a distance of distributions", _BASE, poly
)
MMD_GAUSSIAN = _method(
    "mmd_gaussian", "an MMD with a Gaussian kernel, over random pairs", replace(_BASE, optimizer="adam"), gaussian
)
MOMENTS = _method("moments", "means and standard deviations of the filters: batch-norm statistics", _BASE, moments)
