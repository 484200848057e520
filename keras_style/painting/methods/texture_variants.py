"""The numbers of a method that differ for texture synthesis, where there is no content."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keras_style.errors import InputError
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.method import equal_shares

_NUMBERS: dict[str, Any] = {
    "content_weight": 0.0,
    "tv_weight": 0.0,  # a texture's grain is what is wanted
    "photorealism_weight": 0.0,
    "init": "noise",
    "smooth": False,
    "refine": False,
    "passes": 1,
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


def for_texture(blend: Blend, given: Mapping[str, Any]) -> Blend:
    """The blend without content, from noise, with the numbers `given` in place of its own.

    Raises:
        InputError: a method needs a photograph.
    """
    if any(variant.photorealism_weight for _, variant, _ in blend.parts):
        names = [method.name for method, variant, _ in blend.parts if variant.photorealism_weight]
        raise InputError(f"method {', '.join(names)} keeps a photograph; expected another one for a texture")
    blend = blend.with_numbers({**_NUMBERS, **given})
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
