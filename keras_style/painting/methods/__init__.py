"""The methods of style transfer. Nothing here imports TensorFlow before `Method.terms` is called."""

from collections.abc import Mapping

from keras_style import checks
from keras_style.errors import InputError
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.distances import (
    GAUSSIAN_KL,
    GAUSSIAN_RENYI,
    JENSEN_SHANNON,
    SLICED_WASSERSTEIN,
    TOTAL_VARIATION,
)
from keras_style.painting.methods.gatys import GATYS
from keras_style.painting.methods.histogram_matching import HISTOGRAM
from keras_style.painting.methods.kernels import MMD_GAUSSIAN, MMD_LINEAR, MMD_POLY, MOMENTS
from keras_style.painting.methods.method import Method, Variant
from keras_style.painting.methods.painter_lesson import PAINTER
from keras_style.painting.methods.photo import PHOTO

METHODS = {
    method.name: method
    for method in (
        GATYS,
        HISTOGRAM,
        PHOTO,
        MMD_LINEAR,
        MMD_POLY,
        MMD_GAUSSIAN,
        MOMENTS,
        SLICED_WASSERSTEIN,
        GAUSSIAN_KL,
        GAUSSIAN_RENYI,
        JENSEN_SHANNON,
        TOTAL_VARIATION,
        PAINTER,
    )
}

__all__ = ["METHODS", "Blend", "Method", "Variant", "blend", "get"]


def get(name: str) -> Method:
    """The method called `name`.

    Raises:
        InputError: there is none of that name.
    """
    return METHODS[checks.choice("method", name, tuple(METHODS))]


def blend(method: str | Mapping[str, float], variant: str) -> Blend:
    """A method by its name, or several as `{name: share}`, in the variant called `variant`.

    Raises:
        InputError: there is no such method or variant, or the shares are not numbers of at least 0, one above 0.
    """
    if isinstance(method, str):
        only = get(method)
        return Blend(((only, only.variant(variant), 1.0),))
    if not isinstance(method, Mapping) or not method:
        raise InputError(
            f"method is {checks.shown(method)}; expected one of {', '.join(METHODS)}, or {{name: share}} of several"
        )
    if PAINTER.name in method:
        raise InputError(f"method is {checks.shown(dict(method))}; expected {PAINTER.name!r} alone, or none of it")
    shares = {name: checks.number(f"method: share of {name}", share) for name, share in method.items()}
    total = sum(shares.values())
    if not total:
        raise InputError(f"method is {checks.shown(dict(method))}; expected a share above 0")
    parts = [(get(name), share / total) for name, share in shares.items()]
    return Blend(tuple((each, each.variant(variant), share) for each, share in parts if share))
