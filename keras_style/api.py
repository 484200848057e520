"""What most people need: one function from two images to a picture."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_style.checks import Layers
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.images.masks import Masks
from keras_style.optimize.iterate import OnIterate
from keras_style.painting import with_generator
from keras_style.painting.methods import METHODS
from keras_style.painting.progress import Verbosity
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY
from keras_style.painting.stylizer import Stylizer, Tile

if TYPE_CHECKING:
    from keras import Model
    from keras.optimizers import Optimizer

    from keras_style.backbones.vgg import Backbone


def methods() -> dict[str, str]:
    """Names of the methods of `transfer`, each with a line about it.

    Example:
        >>> keras_style.methods()["gatys"]
        'Gram matrices of VGG features: the correlations between filters (Gatys et al. 2016)'
    """
    return {name: method.summary for name, method in METHODS.items()}


def transfer(
    content: ImageLike,
    style: ImageLike | Sequence[ImageLike] | None = None,
    *,
    method: str | Mapping[str, float] = Stylizer.method,
    variant: str = Stylizer.variant,
    size: int = Stylizer.size,
    scales: int | Sequence[int] | None = None,
    steps: int | None = None,
    optimizer: "str | Optimizer | None" = None,
    content_weight: float | None = None,
    style_weight: float | None = None,
    tv_weight: float | None = None,
    photorealism_weight: float | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    style_blend: Sequence[float] | None = None,
    style_scale: float | None = None,
    init: ImageLike | None = None,
    content_masks: Masks | None = None,
    style_masks: Masks | Sequence[Masks] | None = None,
    preserve_color: str | None = None,
    balance: str | None = None,
    smooth: bool | None = None,
    backbone: "str | Backbone | None" = None,
    pooling: str | None = None,
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
        style: the painting, likewise, or a list of several; None with a `model`.
        method: which way of matching style; `keras_style.methods()` lists them. Several as {name: share}, whose
            objectives are added up in these proportions.
        variant: named set of parameters: "default", and where numbers were published "paper" or "reference" (the
            authors' code).
        size: long side of the result in pixels.
        scales: how many scales, coarse to fine, each twice as large as the one before; 1 for a single one; or a list of
            their long sides in pixels.
        steps: how many steps in all, shared by the scales.
        optimizer: "adam", "lbfgs" or a Keras optimizer.
        content_weight: factor of the content loss; more keeps more of the photograph.
        style_weight: factor of the style loss; more takes more of the painting.
        tv_weight: factor of the total variation; more makes a smoother picture.
        photorealism_weight: factor of the matting Laplacian, with any method; more keeps edges straight and surfaces
            smooth.
        content_layers: layers where content is compared, as a list (equal weights) or {layer: weight}.
        style_layers: layers where style is compared, likewise; a list is weighted as the variant weights layers.
        style_blend: weight of each style, in the order of the styles; equal by default.
        style_scale: long side of the style as a multiple of `size`: below 1 for finer strokes, above for broader ones.
        init: where to start: "content", "recolored" (the content in the style's colors: the means and covariances of
            color need not be found by the optimizer), "style", "noise", or an image of the content's proportions.
        content_masks: regions of the photograph, each to be painted like the region of the same name in the style: a
            label image with a color for each region, {region: mask}, or a list of masks. What no mask covers is a
            region of its own.
        style_masks: the same regions in the style; for several styles a list with the masks of each.
        preserve_color: keep the photograph's colors: "luminance" paints light and dark only, "match" first gives the
            painting the photograph's mean color and covariance.
        balance: "gradient": at every step rescale the gradient of each term by its length, so that terms of one weight
            pull alike; with Adam or another Keras optimizer.
        smooth: afterwards make every pixel a local affine function of the photograph's colors: no paint, no distortion.
        backbone: "vgg16_bsds500" (installed with the package), "vgg16_imagenet", "vgg19_imagenet" (downloaded), any of
            them as NAME=FILE with a local weights file, or a `keras_style.Backbone`.
        pooling: "max" or "average" pooling in the backbone.
        tile: for pictures larger than memory: the network sees as many pixels at a time as a square of this side has,
            with the loss and the gradient of the whole picture up to rounding ("histogram" with soft masks or several
            styles: up to a bin of its histograms); None: the whole picture; "auto": the whole where it is estimated to
            fit into memory, otherwise the largest tiles that do, and refused if there are none. The estimate is of
            memory beside the processor; it is printed where tiles are needed, and with verbose=1.
        model: a trained generator, which has learned the style, instead of a painting: a name in
            `keras_style.presets()`, a file or directory that `keras_style.models.open_generator` opens, or a Keras
            model from [-1, 1] to [-1, 1]. The picture goes through it once; `size` is all that can be chosen.
        seed: of whatever is random; the same seed and machine give the same bits.
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
        >>> result = keras_style.transfer("photo.jpg", "painting.png", size=512)
        >>> result.save("out.png")
        >>> keras_style.transfer("satellite.png", model="satellite_to_relief")

    Reference: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
    """
    given = dict(locals())
    if model is not None:
        with_generator.check_arguments(
            given, {name: p.default for name, p in inspect.signature(transfer).parameters.items()}
        )
        return with_generator.transfer(content, model, size)
    if style is None:
        raise InputError("style is None; expected a painting, or a model that has learned a style")
    stylizer = Stylizer(
        method=method,
        variant=variant,
        size=size,
        scales=scales,
        steps=steps,
        optimizer=optimizer,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        photorealism_weight=photorealism_weight,
        content_layers=content_layers,
        style_layers=style_layers,
        style_blend=style_blend,
        style_scale=style_scale,
        init=init,
        preserve_color=preserve_color,
        balance=balance,
        smooth=smooth,
        backbone=backbone,
        pooling=pooling,
        tile=tile,
        seed=seed,
    )
    return stylizer(
        content,
        style,
        content_masks=content_masks,
        style_masks=style_masks,
        callbacks=callbacks,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        verbose=verbose,
    )
