"""One recipe a paper. Nothing here imports TensorFlow before `Recipe.terms` is called."""

from collections.abc import Mapping

from keras_style import checks
from keras_style.errors import InputError
from keras_style.recipes.blend import Blend
from keras_style.recipes.distances import (
    GAUSSIAN_KL,
    GAUSSIAN_RENYI,
    JENSEN_SHANNON,
    SLICED_WASSERSTEIN,
    TOTAL_VARIATION,
)
from keras_style.recipes.gatys import GATYS
from keras_style.recipes.histogram import HISTOGRAM
from keras_style.recipes.mmd import MMD_GAUSSIAN, MMD_LINEAR, MMD_POLY, MOMENTS
from keras_style.recipes.photo import PHOTO
from keras_style.recipes.recipe import Recipe, Variant

RECIPES = {
    recipe.name: recipe
    for recipe in (
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
    )
}

__all__ = ["RECIPES", "Blend", "Recipe", "Variant", "blend", "get"]


def get(method: str) -> Recipe:
    """The recipe called `method`.

    Raises:
        InputError: there is none of that name.
    """
    return RECIPES[checks.choice("method", method, tuple(RECIPES))]


def blend(method: str | Mapping[str, float], variant: str) -> Blend:
    """A method by its name, or several as `{name: share}`, in the variant called `variant`.

    Raises:
        InputError: there is no such method or variant, or the shares are not numbers of at least 0, one above 0.
    """
    if isinstance(method, str):
        recipe = get(method)
        return Blend(((recipe, recipe.variant(variant), 1.0),))
    if not isinstance(method, Mapping) or not method:
        raise InputError(f"method is {method!r}; expected one of {', '.join(RECIPES)}, or {{name: share}} of several")
    shares = {name: checks.number(f"method: share of {name}", share) for name, share in method.items()}
    total = sum(shares.values())
    if not total:
        raise InputError(f"method is {dict(method)!r}; expected a share above 0")
    parts = [(get(name), share / total) for name, share in shares.items()]
    return Blend(tuple((recipe, recipe.variant(variant), share) for recipe, share in parts if share))
