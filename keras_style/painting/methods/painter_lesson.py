"""Painters: not the pixels of a picture are optimized, but the numbers by which a network paints."""

from dataclasses import replace

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method

# The network behind the style layers is fixed, so that they need no weights that fall with depth, and the content layer
# lies less deep: 990 numbers move no contours.
LESSON = replace(
    gatys.DEFAULT,
    source="ours: chosen by the style loss of photographs that were not taught on, and by eye, see docs/painters.md",
    content_weight=1.0,
    style_weight=1.0,
    tv_weight=1.0,
    content_layers={"block3_conv3": 1.0},
    style_layers=dict.fromkeys(gatys.STYLE_LAYERS[:4], 2.5),
    optimizer="adam",
    steps=80,
    scales=1,
    bleed=0,
)

PAINTER = Method(
    name="painter",
    summary="a trained network that is taught the painting first: any size in seconds (after Dumoulin et al. 2017)",
    variants={"default": LESSON},
    terms=gatys.terms,
)
