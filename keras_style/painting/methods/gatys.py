"""Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016: Gram matrices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_style.backbones import weights
from keras_style.backbones.backbone import Layer
from keras_style.painting.methods.method import Method, Variant, equal_shares, with_content

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term

STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")  # §3
CONTENT_LAYER = "block4_conv2"  # §3

STYLE = [layer for layer in weights.layers_of("vgg19") if layer.name in STYLE_LAYERS]
_DEFAULT_WEIGHTS = (30.0, 15.0, 6.0, 2.0, 0.5)  # by how often the image was halved


def default_weights(layers: Sequence[Layer]) -> dict[str, float]:
    """Falling with depth: the first layers carry palette and grain, the deep ones bend contours. Ours, by eye.

    Layers of one size share its weight.
    """
    levels = [min(layer.level, len(_DEFAULT_WEIGHTS) - 1) for layer in layers]
    return {
        layer.name: _DEFAULT_WEIGHTS[level] / levels.count(level) for layer, level in zip(layers, levels, strict=True)
    }


def one_over_filters_squared(layers: Sequence[Layer]) -> dict[str, float]:
    """1/N^2 for each layer, N its number of filters: `1e3/n**2` of Gatys's notebook without the 1e3."""
    return {layer.name: 1 / layer.channels**2 for layer in layers}


PAPER = Variant(
    # The paper's alpha / beta in the units of the authors' program for the normalized network: eq. 1 taken at its word,
    # a sum over all features, would weigh content a million times more.
    source="Gatys et al. 2016, §2 and §3; units and steps: leongatys/NeuralImageSynthesis @cced0b9",
    content_weight=1.0,  # BasicStyleTransfer.ipynb, In[4]: cw = 1e6, here over 1e6
    style_weight=1e3,  # In[4]: sw = 1e9, of which each layer has a fifth; alpha/beta = 1e-3, figures 3B, 5 and 6
    tv_weight=0.0,  # the paper has no such term
    content_layers={CONTENT_LAYER: 1.0},
    style_layers=equal_shares(STYLE),  # w_l = 1/5
    relative=False,
    content_normalization="mean",  # LossLayers.lua:12, MSECriterion
    style_loss={"normalization": "gatys_pytorch"},  # LossLayers.lua:63,72: that of G/M
    backbone="vgg19_imagenet",  # §2
    pooling="average",  # §2: "slightly more appealing results"
    normalized_backbone=True,  # §2: "the mean activation of each convolutional filter ... is equal to one"
    optimizer="lbfgs",  # §2.3
    bounded=False,  # ImageSynthesis.lua optimizes pixels, and In[2] clips them afterwards
    steps=500,  # In[3], at 512 px; the paper gives no number
    scales=1,
    init="noise",  # §3
)

REFERENCE = Variant(
    source="leongatys/PytorchNeuralStyleTransfer @be6c8e2, NeuralStyleTransfer.ipynb",
    content_weight=1.0,  # In[8]: content_weights = [1e0]
    style_weight=1e3,  # In[8]: style_weights = [1e3/n**2 for n in [64,128,256,512,512]]
    tv_weight=0.0,
    content_layers={CONTENT_LAYER: 1.0},  # In[8]: r42
    style_layers=one_over_filters_squared(STYLE),
    layer_weights=one_over_filters_squared,
    relative=False,
    content_normalization="mean",  # In[8]: nn.MSELoss
    style_loss={"normalization": "gatys_pytorch"},  # In[3]: GramMSELoss
    backbone="vgg19_imagenet",  # In[5]: vgg_conv.pth
    pooling="max",  # In[2]: VGG(pool="max")
    optimizer="lbfgs",  # In[9]
    bounded=False,  # In[9] optimizes pixels, and In[4] clips them afterwards
    steps=500,  # In[9]: max_iter, gradients there; at 512 px on the short side, In[4]
    scales=1,  # In[10] and In[11] repeat at 800 px with 200 steps
    init="content",  # In[6]
)

DEFAULT = Variant(
    source="ours: chosen by eye and by measures that are not optimized, see docs/methods.md",
    content_weight=1.0,
    style_weight=1.0,
    tv_weight=12.0,
    content_layers={"block3_conv3": 0.5, CONTENT_LAYER: 0.5},  # contours; what things are
    style_layers=default_weights(STYLE[:4]),  # block5_conv1 puts pieces of the painting where they do not belong
    layer_weights=default_weights,
    relative=True,
    content_normalization="mean",
    style_loss={"normalization": "paper"},
    backbone="vgg16_imagenet",
    pooling="max",
    optimizer="lbfgs",
    steps=100,  # three times as many give a picture that can hardly be told from it
    scales=None,
    init="content",
    bleed=8,
)


def terms(variant: Variant) -> "list[Term]":
    """Content loss + Gram losses: eq. 7; with total variation, a price for speckle."""
    from keras_style.losses import GramLoss

    return with_content(variant, (GramLoss(**variant.style_loss), variant.style_layers))


GATYS = Method(
    name="gatys",
    summary="Gram matrices of VGG features: the correlations between filters (Gatys et al. 2016)",
    variants={"default": DEFAULT, "paper": PAPER, "reference": REFERENCE},
    terms=terms,
)
