"""Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses", 2017.

Gram matrices, made stable by the activations' histograms.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method, Variant, with_content

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term

BINS = 256  # in every public implementation; the paper could not be read for it

DEFAULT = replace(
    gatys.DEFAULT,
    source="ours: Gram matrices as in gatys; histograms where most public code has them, not tuned",
    histogram_layers={"block1_conv1": 3.0, "block4_conv1": 1.0},  # ours: falling with depth, as the Gram weights
)


def terms(variant: Variant) -> "list[Term]":
    """Content loss + Gram losses + histogram losses."""
    from keras_style.losses import GramLoss, HistogramLoss

    return with_content(
        variant,
        (GramLoss(variant.style_normalization), variant.style_layers),
        (HistogramLoss(bins=BINS), variant.histogram_layers),
    )


HISTOGRAM = Method(
    name="histogram",
    summary="Gram matrices and the histogram of every filter (Risser et al. 2017)",
    variants={"default": DEFAULT},
    terms=terms,
)
