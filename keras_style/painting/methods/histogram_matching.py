"""Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses", 2017.

Gram matrices, made stable by the activations' histograms.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method, Variant, with_content

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term

BINS = 256  # main.py:87 of the program below

DEFAULT = replace(
    gatys.DEFAULT,
    source="ours: Gram matrices as in gatys; histograms on the layers of the paper, recalled; not tuned",
    style_loss={**gatys.DEFAULT.style_loss, "bins": BINS},
    histogram_layers={"block1_conv1": 20.0, "block4_conv1": 2.0},  # ours: falling with depth, as the Gram weights
)

# The program's network is torchvision's, to which a pixel is level / _UNIT; ours sees levels. We take activations to be
# larger by as much. A Gram term then grows by _UNIT^4 and a histogram term by _UNIT^2.
_DEVIATION = (0.229 + 0.224 + 0.225) / 3  # main.py:14
_UNIT = 255 * _DEVIATION

REFERENCE = replace(
    gatys.REFERENCE,
    source="pierre-wilmot/NeuralTextureSynthesis @cd2f509, main.py, for textures; the content weight is ours",
    content_weight=3.5e7,  # ours: that of the deep histograms; the program has no content
    style_weight=1.0,
    style_layers=dict.fromkeys(gatys.STYLE_LAYERS, _UNIT**-2),  # :123-127, 1 each
    layer_weights=lambda layers: {layer.name: _UNIT**-2 for layer in layers},
    style_loss={"normalization": "wilmot", "bins": BINS},  # :75-77: G is not divided
    histogram_layers=dict(zip(gatys.STYLE_LAYERS, (2e9, 5e8, 1e8, 3.5e7, 3.5e7), strict=True)),  # :132-144
    optimizer={"class_name": "Adam", "config": {"learning_rate": 0.05 * _DEVIATION, "epsilon": 1e-8}},  # :45,154
    steps=3000,  # :150, 1000 at each scale
    scales=3,  # :179-185
    init="noise",
    noise=_DEVIATION,  # :152, randn
)


def terms(variant: Variant) -> "list[Term]":
    """Content loss + Gram losses + histogram losses."""
    from keras_style.losses import GramLoss, HistogramLoss

    return with_content(
        variant,
        (GramLoss(variant.style_loss["normalization"]), variant.style_layers),
        (HistogramLoss(variant.style_loss["bins"]), variant.histogram_layers),
    )


HISTOGRAM = Method(
    name="histogram",
    summary="Gram matrices and the histogram of every filter (Risser et al. 2017)",
    variants={"default": DEFAULT, "reference": REFERENCE},
    terms=terms,
)
