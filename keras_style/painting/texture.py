"""Texture synthesis: a canvas of any size that looks everywhere like the exemplar."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.schedule import schedule
from keras_style.painting import methods
from keras_style.painting.methods.method import equal_shares
from keras_style.painting.methods.texture_variants import for_texture
from keras_style.painting.progress import Verbosity
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY, Watch
from keras_style.painting.stylizer import (
    MAX_SIZE,
    backbone_digest,
    build_optimizer,
    checked,
    digest,
    known_layers,
    plain_optimizer,
)

if TYPE_CHECKING:
    from keras.optimizers import Optimizer

    from keras_style.backbones.vgg import Backbone
    from keras_style.optimize.coarse_to_fine import CoarseToFine

BLEED = 16  # pixels painted around the canvas and trimmed; ours: twice as many as around a photograph, which guides
# Positions along the border of a layer that are not matched: what zero padding makes there is not the texture's. A
# canvas has less border than its exemplar, and showed it as specks. Ours: two of block 4 are BLEED, and half of WRAP.
EDGE = 2
WRAP = 32  # pixels seen beyond an edge of a tileable texture; ours: half of what a position of block 4 sees, nearly


def synthesize_texture(
    exemplar: ImageLike,
    size: int | Sequence[int] | None = None,
    *,
    method: str | Mapping[str, float] = "histogram",
    tileable: bool = False,
    scales: int | Sequence[int] | None = None,
    steps: int | None = None,
    optimizer: "str | Optimizer | None" = None,
    style_layers: checks.Layers | None = None,
    backbone: "str | Backbone | None" = None,
    pooling: str | None = None,
    seed: int = 0,
    callbacks: Sequence[OnIterate] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    verbose: Verbosity = "auto",
) -> TransferResult:
    """Make a picture of any size that looks everywhere like the exemplar.

    The exemplar keeps its own resolution: a larger canvas shows more of the texture, not a larger one. It starts from
    the exemplar's pixels, drawn at random, and is synthesized coarse to fine. Where None is the default, the method
    decides.

    Args:
        exemplar: the texture: a path, a binary file object, a PIL image, or an array (H, W, 3), uint8 or floating point
            in [0, 1].
        size: (height, width) of the canvas in pixels, or one number for a square; the exemplar's by default.
        method: which way of matching style; `keras_style.methods()` lists them; "photo" needs a photograph and is
            refused. Several as {name: share}.
        tileable: whether the canvas can be repeated without a seam: the network sees it continued over its edges.
        scales: how many scales, coarse to fine, each twice as large as the one before; 1 for a single one; or a list of
            their long sides in pixels.
        steps: how many steps in all, shared by the scales.
        optimizer: "adam", "lbfgs" or a Keras optimizer.
        style_layers: layers where texture is compared, as a list (equal weights) or {layer: weight}.
        backbone: "vgg16_bsds500" (installed with the package), "vgg16_imagenet", "vgg19_imagenet" (downloaded), any of
            them as NAME=FILE with a local weights file, or a `keras_style.Backbone`.
        pooling: "max" or "average" pooling in the backbone.
        seed: of the pixels that it starts from; the same seed and machine give the same bits.
        callbacks: functions called after each step with a `keras_style.Iterate`; one that returns True ends the run.
        checkpoint: directory where the run saves itself, and from where the same call goes on; made if missing.
        checkpoint_every: steps between two saves; the end of each scale is saved, too.
        verbose: 0: print nothing; 1: a progress bar, or a line for each scale where no bar can be shown; "auto": a
            bar if it can be shown.

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
    watch = Watch(callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose)
    seed = checks.whole("seed", seed, 0, 2**63 - 1)
    checks.truth("tileable", tileable)
    numbers = {"scales": scales, "steps": steps, "optimizer": optimizer, "backbone": backbone, "pooling": pooling}
    given = {name: checked(name, value) for name, value in numbers.items() if value is not None}
    given["bleed"] = 0 if tileable else BLEED
    blend = for_texture(methods.blend(method, "default"), given)
    if style_layers is not None:
        known = known_layers(blend.variant.backbone)
        blend = blend.with_style_layers(
            lambda _: checks.layer_weights("style_layers", style_layers, known, equal_shares)
        )
    variant = blend.variant
    texture = images.load(exemplar, name="exemplar")
    height, width = _canvas(size, texture)
    sides = (texture.shape[0], texture.shape[1])
    stages = schedule(height, width, variant.scales, variant.steps, beside={"exemplar": sides})
    settings = {
        "method": method if isinstance(method, str) else dict(method),
        "size": [height, width],
        "tileable": tileable,
        "scales": [stage.long_side for stage in stages],
        "steps": variant.steps,
        "optimizer": plain_optimizer(variant.optimizer),
        "style_layers": blend.style_layers,
        "backbone": variant.backbone if isinstance(variant.backbone, str) else variant.backbone.name,
        "pooling": variant.pooling,
        "seed": seed,
    }
    digests = {"exemplar": digest(texture), "backbone": backbone_digest(variant.backbone)}

    def make() -> "CoarseToFine":
        from keras_style.optimize.coarse_to_fine import CoarseToFine

        pixels = texture.reshape(-1, 3)
        drawn = np.random.default_rng(seed).integers(0, len(pixels), (stages[0].height, stages[0].width))
        return CoarseToFine(
            build_optimizer(blend, pooling, [texture], wrap=WRAP if tileable else 0),
            stages,
            content=None,
            styles=[texture],
            blend=[1.0],
            init=pixels[drawn],
            edge=EDGE,
            bleed=variant.bleed,
        )

    return watch.run(stages, make, settings, digests)


def _canvas(size: Any, exemplar: np.ndarray) -> tuple[int, int]:
    """(height, width) of the canvas."""
    if size is None:
        return exemplar.shape[0], exemplar.shape[1]
    sides = list(size) if isinstance(size, list | tuple | np.ndarray) else [size, size]
    if len(sides) != 2:
        raise InputError(f"size is {size!r}; expected (height, width), or one number for a square")
    height, width = (checks.whole("size", side, images.MIN_SIDE, MAX_SIZE) for side in sides)
    return height, width
