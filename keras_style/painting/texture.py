"""Texture synthesis: a canvas of any size that looks everywhere like the exemplar."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.backbones.backbone import Backbone
from keras_style.checks import Verbosity
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal import docstrings
from keras_style.internal.declared import texts
from keras_style.internal.digests import array_digest
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.schedule import schedule
from keras_style.painting import methods
from keras_style.painting.methods.texture_variants import for_texture
from keras_style.painting.noise import around_gray
from keras_style.painting.parameters import CHECKS, MAX_SIZE, Parameters
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY, Session
from keras_style.painting.stylizer import (
    backbone_digest,
    build_optimizer,
    layer_records,
    layer_weights,
    plain_optimizer,
    pooling_of,
)

if TYPE_CHECKING:
    from keras.optimizers import Optimizer

    from keras_style.optimize.coarse_to_fine import CoarseToFine

BLEED = 16  # pixels painted around the canvas and trimmed; ours: twice as many as around a photograph, which guides
# Positions along the border of a layer that are not matched: what zero padding makes there is not the texture's. A
# canvas has less border than its exemplar, and showed it as specks. Ours: two of block 4 are BLEED, and half of WRAP.
EDGE = 2
WRAP = 32  # pixels seen beyond an edge of a tileable texture; ours: half of what a position of block 4 sees, nearly


@docstrings.explained(texts(Parameters) | texts(Session))
def synthesize_texture(
    exemplar: ImageLike,
    size: int | Sequence[int] | None = None,
    *,
    method: str | Mapping[str, float] = "histogram",
    variant: str = Parameters.variant,
    tileable: bool = False,
    scales: int | Sequence[int] | None = None,
    steps: int | None = None,
    optimizer: "str | Optimizer | None" = None,
    style_layers: checks.Layers | None = None,
    backbone: str | Backbone | None = None,
    pooling: str | None = None,
    seed: int = 0,
    callbacks: Sequence[OnIterate] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    verbose: Verbosity = "auto",
) -> TransferResult:
    """Make a picture of any size that looks everywhere like the exemplar.

    The exemplar keeps its own resolution: a larger canvas shows more of the texture, not a larger one. It starts from
    the exemplar's pixels, drawn at random, and is synthesized coarse to fine. Where None is the default, the method's
    variant decides; published variants start as they say, and have no margin around the canvas.

    Args:
        exemplar: the texture: a path, a binary file object, a PIL image, or an array (H, W, 3), uint8 or floating point
            in [0, 1].
        size: (height, width) of the canvas in pixels, or one number for a square; the exemplar's by default.
        method: which way of matching style; `keras_style.methods()` lists them; "photo" needs a photograph and is
            refused. Several as {name: share}.
        tileable: whether the canvas can be repeated without a seam: the network sees it continued over its edges.
        style_layers: layers where texture is compared, as a list (equal weights) or {layer: weight}.
        seed: seed of the pixels that it starts from; the same seed and machine give the same bits.
        (others): explained in `keras_style.painting.parameters` and `session`, and added here on import.

    Returns:
        The picture, with the history of losses and the settings used.

    Raises:
        InputError: an argument or image is not what was expected; nothing was written.
        WeightsError: the backbone's weights cannot be had.
        CheckpointError: the checkpoint is damaged or of other arguments.
        DivergenceError: a loss is not a finite number.

    Example:
        >>> keras_style.synthesize_texture("gravel.png", size=(512, 768), tileable=True).save("ground.png")

    Reference: Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks", NIPS 2015; Risser et al.,
        "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses", 2017.
    """
    session = Session(callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose)
    seed = CHECKS["seed"]("seed", seed)
    checks.truth("tileable", tileable)
    chosen = {"scales": scales, "steps": steps, "optimizer": optimizer, "backbone": backbone, "pooling": pooling}
    given = {name: CHECKS[name](name, value) for name, value in chosen.items() if value is not None}
    published = variant != Parameters.variant
    if not published:
        given["bleed"] = 0 if tileable else BLEED
    if pooling is not None and isinstance(backbone, Backbone):
        given["backbone"] = backbone.with_pooling(pooling)
    blend = for_texture(methods.blend(method, variant), published, given)
    layers = layer_records(blend.variant.backbone)
    blend = blend.fitted(layers)
    if style_layers is not None:
        blend = blend.with_style_layers(lambda weigh: layer_weights("style_layers", style_layers, layers, weigh))
    numbers = blend.variant
    texture = images.load(exemplar, name="exemplar")
    height, width = _canvas(size, texture)
    sides = (texture.shape[0], texture.shape[1])
    stages = schedule(height, width, numbers.scales, numbers.steps, beside={"exemplar": sides})
    settings = {
        "method": method if isinstance(method, str) else dict(method),
        "variant": variant,
        "size": [height, width],
        "tileable": tileable,
        "scales": [stage.long_side for stage in stages],
        "steps": numbers.steps,
        "optimizer": plain_optimizer(numbers.optimizer),
        "style_layers": blend.mapping("style_layers"),
        "backbone": numbers.backbone if isinstance(numbers.backbone, str) else numbers.backbone.name,
        "pooling": pooling_of(numbers),
        "seed": seed,
    }
    digests = {"exemplar": array_digest(texture), "backbone": backbone_digest(numbers.backbone)}

    def make() -> "CoarseToFine":
        from keras_style.optimize.coarse_to_fine import CoarseToFine
        from keras_style.optimize.targets import Targets

        first = stages[0]
        if numbers.init == "noise":
            start = around_gray(first.height * first.width, numbers.noise, seed)
        else:
            pixels = texture.reshape(-1, 3)
            start = pixels[np.random.default_rng(seed).integers(0, len(pixels), first.height * first.width)]
        return CoarseToFine(
            build_optimizer(blend, [texture], wrap=WRAP if tileable else 0),
            stages,
            Targets(style=[texture[None]], edge=0 if published else EDGE),
            start.reshape(first.height, first.width, 3),
            numbers.bleed,
        )

    return session.run(stages, make, settings, digests)


def _canvas(size: Any, exemplar: np.ndarray) -> tuple[int, int]:
    """(height, width) of the canvas."""
    if size is None:
        return exemplar.shape[0], exemplar.shape[1]
    sides = list(size) if isinstance(size, list | tuple | np.ndarray) else [size, size]
    if len(sides) != 2:
        raise InputError(f"size is {checks.shown(size)}; expected (height, width), or one number for a square")
    height, width = (checks.whole("size", side, images.MIN_SIDE, MAX_SIZE) for side in sides)
    return height, width
