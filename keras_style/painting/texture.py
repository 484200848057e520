"""Texture synthesis: a canvas of any size that looks everywhere like the exemplar."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.backbones.backbone import Backbone
from keras_style.checks import Verbosity
from keras_style.errors import InputError
from keras_style.images import ImageLike, masks
from keras_style.images.masks import Masks, Regions
from keras_style.internal import docstrings
from keras_style.internal.declared import texts
from keras_style.internal.digests import array_digest
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.schedule import schedule
from keras_style.painting import methods
from keras_style.painting.methods.texture_variants import for_texture
from keras_style.painting.noise import around_gray
from keras_style.painting.parameters import CHECKS, MAX_SIZE, Parameters
from keras_style.painting.regions import Given, Styles
from keras_style.painting.result import TransferResult
from keras_style.painting.run_backbone import backbone_digest, layer_records, pooling_of
from keras_style.painting.session import CHECKPOINT_EVERY, Session
from keras_style.painting.stylizer import (
    build_optimizer,
    check_balance,
    layer_weights,
    load_init,
    plain_optimizer,
    variation_layers,
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
    exemplar: Styles,
    size: int | Sequence[int] | None = None,
    *,
    method: str | Mapping[str, float] = "histogram",
    variant: str = Parameters.variant,
    tileable: bool = False,
    scales: int | Sequence[int] | None = None,
    steps: int | None = None,
    optimizer: "str | Optimizer | None" = None,
    style_layers: checks.Layers | None = None,
    style_blend: Sequence[float] | None = None,
    canvas_masks: Masks | None = None,
    exemplar_masks: Masks | Sequence[Masks] | None = None,
    init: ImageLike | None = None,
    tv_weight: float | None = None,
    tv_layers: checks.Layers | None = None,
    balance: checks.Balance | None = None,
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
            in [0, 1]; a list of several, which are mixed; or {region: texture}, each for the region of that name in
            `canvas_masks`.
        size: (height, width) of the canvas in pixels, or one number for a square; the (first) exemplar's by default.
        method: which way of matching style; `keras_style.methods()` lists them; "photo" needs a photograph and is
            refused. Several as {name: share}.
        tileable: whether the canvas can be repeated without a seam: the network sees it continued over its edges.
        style_layers: layers where texture is compared, as a list (equal weights) or {layer: weight}.
        style_blend: weight of each exemplar in the mixture, in the order of the exemplars; equal by default.
        canvas_masks: an index map of the canvas, which says where which texture goes: a label image with a color for
            each region, {region: mask}, or a list of masks. Soft masks make textures pass into each other.
        exemplar_masks: the same regions in the exemplar; for several a list with the masks of each. With a texture for
            each region they can be left out.
        init: where to start, in place of the exemplars' pixels: "noise", or an image of the canvas's proportions.
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
        >>> right = np.tile(np.linspace(0, 1, 96), (64, 1))
        >>> textures, masks = {"gravel": "gravel.png", "stone": "painting.png"}, {"gravel": 1 - right, "stone": right}
        >>> keras_style.synthesize_texture(textures, size=(64, 96), canvas_masks=masks)

    Reference: Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks", NIPS 2015; Risser et al.,
        "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses", 2017.
    """
    session = Session(callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose)
    seed = CHECKS["seed"]("seed", seed)
    checks.truth("tileable", tileable)
    chosen = {"scales": scales, "steps": steps, "optimizer": optimizer, "backbone": backbone, "pooling": pooling}
    chosen |= {"balance": balance, "tv_weight": tv_weight}
    given = {name: CHECKS[name](name, value) for name, value in chosen.items() if value is not None}
    if balance is not None and optimizer is None:
        given["optimizer"] = "adam"  # L-BFGS cannot follow weights that change with every step
    published = variant != Parameters.variant
    if not published:
        given["bleed"] = 0 if tileable else BLEED
    if pooling is not None and isinstance(backbone, Backbone):
        given["backbone"] = backbone.with_pooling(pooling)
    blend = for_texture(methods.blend(method, variant), published, given)
    layers = layer_records(blend.variant.backbone)
    if tv_layers is not None:
        blend = blend.with_numbers({"tv_layers": variation_layers(tv_layers, layers)})
    blend = blend.fitted(layers)
    if style_layers is not None:
        blend = blend.with_style_layers(lambda weigh: layer_weights("style_layers", style_layers, layers, weigh))
    numbers = blend.variant
    check_balance(numbers)
    exemplars = Given.of(exemplar, "exemplar")
    textures = [images.load(each, name=exemplars.called(index)) for index, each in enumerate(exemplars.images)]
    height, width = _canvas(size, textures[0])
    sides = {exemplars.called(index): (each.shape[0], each.shape[1]) for index, each in enumerate(textures)}
    stages = schedule(height, width, numbers.scales, numbers.steps, beside=sides)
    weights = exemplars.shares("style_blend", style_blend)
    names = ("canvas_masks", "exemplar_masks")
    on_canvas, in_exemplars = exemplars.regions(
        canvas_masks, exemplar_masks, np.empty((height, width, 3)), textures, names
    )
    begin = numbers.init if init is None and published else init
    noise = isinstance(begin, str) and begin == "noise"
    start = None if init is None or noise else load_init(init, ("noise",), height, width)
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
        "style_blend": weights,
        "tv_weight": numbers.tv_weight,
        "tv_layers": dict(numbers.tv_layers),
        "balance": numbers.balance,
        "init": "noise" if noise else "pixels" if init is None else type(init).__name__,
        "regions": on_canvas and masks.shares(on_canvas),
        "seed": seed,
    }
    digests = {
        "exemplar": [array_digest(each) for each in textures],
        "canvas_masks": on_canvas and array_digest(*on_canvas.values()),
        "exemplar_masks": [array_digest(*regions.values()) for regions in in_exemplars],
        "start": None if start is None else array_digest(start),
        "backbone": backbone_digest(numbers.backbone),
    }

    def make() -> "CoarseToFine":
        from keras_style.optimize.coarse_to_fine import CoarseToFine
        from keras_style.optimize.targets import Targets

        coarsest = (stages[0].height, stages[0].width)
        if start is not None:
            first = images.resize(start, *coarsest)
        elif noise:
            first = around_gray(coarsest[0] * coarsest[1], numbers.noise, seed).reshape(*coarsest, 3)
        else:
            first = _drawn(textures, weights, on_canvas, in_exemplars, coarsest, seed)
        return CoarseToFine(
            build_optimizer(blend, textures, wrap=WRAP if tileable else 0),
            stages,
            Targets(
                None, [each[None] for each in textures], weights, on_canvas, in_exemplars, 0 if published else EDGE
            ),
            first,
            numbers.bleed,
        )

    return session.run(stages, make, settings, digests)


def _drawn(
    textures: Sequence[np.ndarray],
    blend: Sequence[float],
    on_canvas: Regions | None,
    in_textures: Sequence[Regions],
    size: tuple[int, int],
    seed: int,
) -> np.ndarray:
    """Pixels of the textures, drawn at random: each with the weight of its texture, and from its region."""
    random = np.random.default_rng(seed)
    pixels = np.concatenate([each.reshape(-1, 3) for each in textures])
    if len(textures) == 1 and on_canvas is None:
        return pixels[random.integers(0, len(pixels), size)]

    everywhere = {"": np.ones(size)}
    alone = [{"": np.ones(each.shape[:2])} for each in textures]
    of_canvas = {region: masks.resize(mask, *size) for region, mask in (on_canvas or everywhere).items()}
    drawn = []
    for region in of_canvas:
        chances = [
            weight * each[region] / each[region].sum() if region in each else np.zeros(texture.shape[:2])
            for weight, each, texture in zip(blend, in_textures or alone, textures, strict=True)
        ]
        heavy = np.cumsum(np.concatenate([each.ravel() for each in chances]))
        drawn.append(pixels[np.searchsorted(heavy, random.random(size) * heavy[-1], side="right")])
    below = np.cumsum(list(of_canvas.values()), axis=0)
    region_at = (below[:-1] < random.random(size)).sum(axis=0)
    return np.take_along_axis(np.stack(drawn), region_at[None, ..., None], axis=0)[0]


def _canvas(size: Any, exemplar: np.ndarray) -> tuple[int, int]:
    """(height, width) of the canvas."""
    if size is None:
        return exemplar.shape[0], exemplar.shape[1]
    sides = list(size) if isinstance(size, list | tuple | np.ndarray) else [size, size]
    if len(sides) != 2:
        raise InputError(f"size is {checks.shown(size)}; expected (height, width), or one number for a square")
    height, width = (checks.whole("size", side, images.MIN_SIDE, MAX_SIZE) for side in sides)
    return height, width
