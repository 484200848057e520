"""The numbers of a method for texture synthesis, where there is no content."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keras_style.errors import InputError
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.method import equal_shares
from keras_style.painting.methods.painter_lesson import PAINTER

# Of the default variants; published ones keep theirs.
_NUMBERS: dict[str, Any] = {
    "tv_weight": 0.0,  # a texture's grain is what is wanted
    "steps": 240,  # ours: from noise it takes about twice as many as from a photograph
    "layer_weights": equal_shares,
    "style_layers": {  # ours: flatter than for transfer, since no contours are there to be bent
        "block1_conv1": 1.0,
        "block2_conv1": 1.0,
        "block3_conv1": 1.0,
        "block4_conv1": 1.0,
        "block5_conv1": 0.1,
    },
}


def for_texture(blend: Blend, published: bool, given: Mapping[str, Any]) -> Blend:
    """The blend without content, with the numbers `given` in place of its own.

    Args:
        blend: the methods in one variant.
        published: whether the variant keeps all other numbers of its own.
        given: numbers that a user chose.

    Raises:
        InputError: a method needs a photograph.
    """
    if any(method.name == PAINTER.name for method, _, _ in blend.parts):
        raise InputError(f"method {PAINTER.name} paints a photograph; expected another one for a texture")
    if any(variant.photorealism_weight for _, variant, _ in blend.parts):
        names = [method.name for method, variant, _ in blend.parts if variant.photorealism_weight]
        raise InputError(f"method {', '.join(names)} keeps a photograph; expected another one for a texture")
    if published:
        return blend.with_numbers({"content_weight": 0.0, **given})
    blend = blend.with_numbers({"content_weight": 0.0, **_NUMBERS, **given})
    return Blend(
        tuple(
            (
                method,
                replace(variant, histogram_layers=dict.fromkeys(variant.histogram_layers, 1.0)),
                share,
            )
            for method, variant, share in blend.parts
        )
    )
