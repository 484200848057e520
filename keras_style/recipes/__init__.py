"""One recipe a paper. Nothing here imports TensorFlow before `Recipe.terms` is called."""

from keras_style import checks
from keras_style.recipes.gatys import GATYS
from keras_style.recipes.recipe import Recipe, Variant

RECIPES = {recipe.name: recipe for recipe in (GATYS,)}

__all__ = ["RECIPES", "Recipe", "Variant", "get"]


def get(method: str) -> Recipe:
    """The recipe called `method`.

    Raises:
        InputError: there is none of that name.
    """
    return RECIPES[checks.choice("method", method, tuple(RECIPES))]
