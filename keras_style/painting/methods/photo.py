"""Luan et al., "Deep Photo Style Transfer", CVPR 2017: Gram matrices under a term that keeps a photograph one."""

from dataclasses import replace

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method

PAPER = replace(
    gatys.PAPER,
    # Recalled: the shares of 1/5; that losses are 1/(2 N D) sum (F - F')^2 of N filters at D positions and
    # 1/(2 N^2) sum (G - G')^2; and that the paper prints G without the 1/D that makes it free of the picture's size.
    source="Luan et al. 2017, §3, in translation; normalizations and shares recalled; pooling, steps: authors' code",
    content_weight=0.5,  # alpha = 1 at conv4_2, of half the mean
    style_weight=0.5e2,  # Gamma = 1e2, of half of GramMSE
    photorealism_weight=1e4,  # lambda, found best in figure 3
    content_normalization="mean",
    style_loss={"normalization": "gatys_pytorch"},
    photorealism_normalization="sum",  # eq. 2
    pooling="max",  # as in the authors' code
    normalized_backbone=False,
    passes=2,  # "two-stage optimization": without the photorealism term from noise, then with it
    steps=2000,  # gen_all.py of the authors' code: 1000 each
    init="noise",
    noise=1e-4 / 256,  # neuralstyle_seg.lua:183 of the authors' code, in levels: less than the grid, so all gray
)

REFERENCE = replace(
    PAPER,
    source="luanfujun/deep-photo-styletransfer @4801fa2, deepmatting_seg.lua and gen_all.py",
    content_weight=5.0,  # deepmatting_seg.lua:27
    style_weight=1e2,
    tv_weight=1e-3 * 256**2 / 2,  # :29; :569-583 is the slope of half a sum over levels, 256 (:332) to our 1
    tv_normalization="sum",
    photorealism_weight=1e4,
    style_layers=dict.fromkeys(gatys.STYLE_LAYERS, 1.0),  # no 1/5
    layer_weights=lambda layers: {layer.name: 1.0 for layer in layers},
    content_normalization="mean",  # :373, MSECriterion
    style_loss={"normalization": "johnson"},  # :506, MSECriterion of G/(N M), :528
    smooth=True,  # ours in the place of its bilateral filter: keras_style/images/smoothing.py says how they differ
)

DEFAULT = replace(
    gatys.DEFAULT,
    source="ours: chosen by eye and by the residual of a local affine fit, on two pairs at 256 px",
    photorealism_weight=7e4,
    tv_weight=0.0,
    passes=2,
    steps=160,
)

PHOTO = Method(
    name="photo",
    summary="Gram matrices under a matting Laplacian, which keeps a photograph one (Luan et al. 2017)",
    variants={"default": DEFAULT, "paper": PAPER, "reference": REFERENCE},
    terms=gatys.terms,
)
