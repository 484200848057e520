"""The function that most people need: from two images to a picture."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from keras_style.backbones.backbone import Backbone
from keras_style.checks import Balance, Layers, Verbosity, Weight
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.images.masks import Masks
from keras_style.internal import docstrings
from keras_style.internal.declared import texts
from keras_style.optimize.iterate import OnIterate
from keras_style.painting import with_generator, with_painter
from keras_style.painting.methods import METHODS
from keras_style.painting.painters import painter_source
from keras_style.painting.parameters import Parameters, Tile
from keras_style.painting.regions import Styles
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY, Session
from keras_style.painting.stylizer import Stylizer

if TYPE_CHECKING:
    from keras import Model
    from keras.optimizers import Optimizer

    from keras_style.backbones.backbone import Backbone


def methods() -> dict[str, str]:
    """Names of the methods of `transfer`, each with a line about it.

    Example:
        >>> keras_style.methods()["gatys"]
        'Gram matrices of VGG features: the correlations between filters (Gatys et al. 2016)'
    """
    return {name: method.summary for name, method in METHODS.items()}


@docstrings.explained(texts(Parameters) | texts(Session))
def transfer(
    content: ImageLike,
    style: Styles | None = None,
    *,
    method: str | Mapping[str, float] = Stylizer.method,
    variant: str = Stylizer.variant,
    size: int = Stylizer.size,
    scales: int | Sequence[int] | None = None,
    steps: int | None = None,
    optimizer: "str | Optimizer | None" = None,
    content_weight: Weight | None = None,
    style_weight: Weight | None = None,
    tv_weight: float | None = None,
    photorealism_weight: float | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    style_loss: Mapping[str, float] | None = None,
    tv_layers: Layers | None = None,
    style_blend: Sequence[float] | None = None,
    style_scale: float | None = None,
    init: ImageLike | None = None,
    content_masks: Masks | None = None,
    style_masks: Masks | Sequence[Masks] | None = None,
    auto_regions: int | None = None,
    merge_regions: Mapping[str, str] | None = None,
    unmatched_regions: str | None = None,
    preserve_color: str | None = None,
    balance: Balance | None = None,
    smooth: bool | None = None,
    refine: bool | None = None,
    backbone: str | Backbone | None = None,
    pooling: str | None = None,
    strength: float | None = None,
    stroke: float | None = None,
    tile: Tile = Stylizer.tile,
    model: "str | Path | Model | None" = None,
    seed: int = Stylizer.seed,
    callbacks: Sequence[OnIterate] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    verbose: Verbosity = "auto",
) -> TransferResult:
    """Paint a photograph in the manner of one or several paintings.

    Where None is the default, the method's variant decides.

    Args:
        content: the photograph: a path, a binary file object, a PIL image, or an array (H, W, 3), uint8 or floating
            point in [0, 1]. Transparent pixels are laid on white.
        style: the painting, likewise; a list of several; or {region: painting}, each for the region of that name in
            `content_masks`. With a painter as the `model`: the name of one of its styles, or of several; or a file that
            `Painter.save_style` wrote. None with a generator.
        content_masks: regions of the photograph, each to be painted like the region of the same name in the style: a
            label image with a color for each region, {region: mask}, or a list of masks. What no mask covers is a
            region of its own.
        style_masks: the same regions in the style; for several styles a list with the masks of each. With a painting
            for each region they can be left out, and {region: mask} says which part of a painting counts.
        model: a trained generator, which has learned the style, instead of a painting: a name in
            `keras_style.presets()`, a file or directory that `keras_style.models.open_generator` opens, or a Keras
            model from [-1, 1] to [-1, 1]. The picture goes through it once; `size` is all that can be chosen. Or a
            painter: "painters", a file, a `keras_style.models.Painter`; it takes `style`, `style_blend`, `size`,
            `strength`, `stroke` and `preserve_color`.
        (others): explained in `keras_style.painting.parameters` and `session`, and added here on import.

    Returns:
        The picture, with the history of losses and the settings used.

    Raises:
        InputError: an argument or image is not what was expected; nothing was written.
        WeightsError: the backbone's weights cannot be had.
        CheckpointError: the checkpoint is damaged or of other arguments.
        DivergenceError: a loss is not a finite number.

    Example:
        >>> result = keras_style.transfer("photo.jpg", "painting.png", size=512)
        >>> result.save("out.png")
        >>> keras_style.transfer("satellite.png", model="satellite_to_relief")
        >>> keras_style.transfer("photo.jpg", "great_wave", model="painters", strength=0.8)

    Reference: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
    """
    given = dict(locals())
    if model is not None:
        defaults = {name: each.default for name, each in inspect.signature(transfer).parameters.items()}
        if painter_source.is_painter(model):
            with_painter.check_arguments(given, defaults)
            return with_painter.transfer(content, model, style, size, given)
        with_generator.check_arguments(given, defaults)
        return with_generator.transfer(content, model, size)
    if style is None:
        raise InputError("style is None; expected a painting, or a model that has learned a style")
    del given["model"]
    bound = {each.name: given.pop(each.name) for each in fields(Parameters)}
    return Stylizer(**bound)(**given)
