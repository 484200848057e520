"""Luan et al., "Deep Photo Style Transfer", CVPR 2017: Gram matrices under a term that keeps a photograph one."""

from dataclasses import replace

from keras_style.painting.methods import gatys
from keras_style.painting.methods.method import Method

PAPER = replace(
    gatys.PAPER,
    source="Luan et al. 2017, §3, in translation; shares of 1/5 recalled; pooling and steps: authors' code",
    content_weight=1.0,  # alpha = 1 at conv4_2
    style_weight=1e2,  # Gamma
    photorealism_weight=1e4,  # lambda, found best in figure 3
    content_normalization="paper",
    style_normalization="paper",
    photorealism_normalization="sum",  # eq. 2
    pooling="max",  # as in the authors' code
    normalized_backbone=False,
    passes=2,  # "two-stage optimization": without the photorealism term from noise, then with it
    steps=2000,  # gen_all.py of the authors' code: 1000 each
    init="noise",
)

REFERENCE = replace(
    PAPER,
    source="luanfujun/deep-photo-styletransfer @4801fa2, deepmatting_seg.lua and gen_all.py",
    content_weight=5.0,  # deepmatting_seg.lua:27
    style_weight=1e2,
    tv_weight=1e-3,  # its number; there half a sum over levels of 0-255, here a mean over [0, 1]: not the same strength
    photorealism_weight=1e4,
    style_layers=dict.fromkeys(gatys.STYLE_LAYERS, 1.0),  # no 1/5
    layer_weights=lambda layers: {layer.name: 1.0 for layer in layers},
    content_normalization="mean",
    style_normalization="johnson",  # :534
    smooth=True,  # ours in the place of its bilateral filter: keras_style/images/smoothing.py says how they differ
)

DEFAULT = replace(
    gatys.DEFAULT,
    source="ours: chosen by eye and by the residual of a local affine fit, on two pairs at 256 px",
    photorealism_weight=3e4,
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
