"""A method with its parameters bound: from two images to a picture."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.backbones.backbone import Backbone, Layer, up_to_deepest
from keras_style.checks import INITS, Layers, Verbosity
from keras_style.errors import InputError, MissingFileError
from keras_style.images import ImageLike, masks
from keras_style.images.masks import Masks, Regions
from keras_style.internal import docstrings, stderr
from keras_style.internal.declared import check_all, texts
from keras_style.internal.digests import array_digest
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.schedule import Stage, schedule
from keras_style.optimize.tiling import memory
from keras_style.optimize.tiling.tiles import smallest_window
from keras_style.painting import methods, with_painter
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.method import Variant, equal_shares
from keras_style.painting.methods.painter_lesson import PAINTER
from keras_style.painting.noise import around_gray
from keras_style.painting.parameters import Parameters
from keras_style.painting.regions import Given, Styles
from keras_style.painting.result import TransferResult
from keras_style.painting.run_backbone import backbone_digest, layer_records, load_backbone, pooling_of
from keras_style.painting.session import CHECKPOINT_EVERY, Session

if TYPE_CHECKING:
    from keras.optimizers import Optimizer

    from keras_style.optimize.coarse_to_fine import CoarseToFine
    from keras_style.optimize.image_optimizer import ImageOptimizer

# Parameters that replace a number of the method's variant as they are; layers are weighed first, settings merged.
_NUMBERS = [each.name for each in fields(Parameters) if each.name in Variant.__dataclass_fields__]
_NUMBERS = [name for name in _NUMBERS if not name.endswith("_layers") and name != "style_loss"]
_REGIONAL = ("content_weight", "style_weight")  # those that may be {region: number}


@docstrings.explained(texts(Parameters))
@dataclass(frozen=True, kw_only=True, eq=False)
class Stylizer(Parameters):
    """A style-transfer method with every parameter bound, called with a content and a style.

    Where None is the default, the method's variant decides.

    The first picture of a method and size takes seconds until its first step, in which TensorFlow makes a graph; the
    next ones of that size use it again, whatever their pixels, weights, steps and seed. The process keeps the last 32
    graphs, of some 20 MB each, and what a few pictures of up to 600 x 600 pixels need to step; memory stays where
    it is however many pictures are painted.

    Args:
        (all): explained in `keras_style.painting.parameters`, and added here on import.

    Raises:
        InputError: a parameter is not what was expected; nothing was computed yet.

    Example:
        >>> stylizer = keras_style.Stylizer(method="gatys", size=256, steps=100)
        >>> stylizer("photo.jpg", "painting.png").save("out.png")
    """

    _blend: Blend = field(init=False, repr=False)

    def __post_init__(self) -> None:
        blend = methods.blend(self.method, self.variant)
        check_all(self)
        with_painter.check_parameters(self)
        given = {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}
        if self.pooling is not None and isinstance(self.backbone, Backbone):
            given["backbone"] = self.backbone.with_pooling(self.pooling)
        layers = layer_records(given.get("backbone", blend.variant.backbone))
        if self.content_layers is not None:
            given["content_layers"] = layer_weights("content_layers", self.content_layers, layers, equal_shares)
        if self.tv_layers is not None:
            given["tv_layers"] = variation_layers(self.tv_layers, layers)
        if self.balance is not None and self.optimizer is None:
            given["optimizer"] = "adam"  # L-BFGS, the usual one, cannot follow weights that change with every step
        blend = blend.with_numbers(given).fitted(layers)
        if self.style_layers is not None:
            given_layers = self.style_layers
            blend = blend.with_style_layers(lambda weigh: layer_weights("style_layers", given_layers, layers, weigh))
        if self.style_loss is not None:
            blend = blend.with_style_loss(self.style_loss)
        check_balance(blend.variant)
        object.__setattr__(self, "_blend", blend)

    @property
    def blend(self) -> Blend:
        """The methods with their shares, each with all of its numbers."""
        return self._blend

    @property
    def numbers(self) -> Variant:
        """The numbers of the run: the variant's, with the parameters in their place."""
        return self._blend.variant

    @property
    def of_masks(self) -> str | None:
        """The name of a parameter that only has a meaning with masks."""
        by_region = [name for name in _REGIONAL if isinstance(getattr(self.numbers, name), Mapping)]
        rules = [name for name in ("merge_regions", "unmatched_regions") if getattr(self, name) is not None]
        return next(iter(by_region + rules), None)

    def __call__(
        self,
        content: ImageLike,
        style: Styles,
        *,
        content_masks: Masks | None = None,
        style_masks: Masks | Sequence[Masks] | None = None,
        callbacks: Sequence[OnIterate] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: int = CHECKPOINT_EVERY,
        verbose: Verbosity = "auto",
    ) -> TransferResult:
        """Paint `content` in the manner of `style`; see `keras_style.transfer` for arguments, result and errors."""
        session = Session(
            callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose
        )
        variant = self.numbers
        photograph = images.load(content, name="content")
        height, width = images.fitted_size(photograph.shape[0], photograph.shape[1], self.size)
        photograph = images.resize(photograph, height, width)
        given = Given.of(style)
        paintings = [self._load_style(each, given.called(index)) for index, each in enumerate(given.images)]
        if self.method == PAINTER.name:
            if content_masks is not None or style_masks is not None or given.owners:
                raise InputError(
                    f'masks with the method "{PAINTER.name}", whose network paints everywhere; expected none'
                )
            shares = given.shares("style_blend", self.style_blend)
            settings = self._settings([], shares, None)
            return with_painter.taught_transfer(self, self._blend, photograph, paintings, shares, settings, session)
        beside = {given.called(index): each.shape[:2] for index, each in enumerate(paintings)}
        stages = schedule(height, width, variant.scales, variant.steps, variant.passes, beside)
        blend = given.shares("style_blend", self.style_blend)
        content_regions, style_regions = given.regions(
            *(content_masks, style_masks, photograph, paintings),
            into=self.merge_regions,
            unmatched=self.unmatched_regions,
        )
        if self.auto_regions is not None:
            if content_regions is not None:
                raise InputError(f"auto_regions={self.auto_regions} with masks; expected one of them")
            content_regions, *style_regions = self._find_regions([photograph, *paintings])
        for name in _REGIONAL:
            if isinstance(weight := getattr(variant, name), Mapping):
                masks.check_weights(name, weight, content_regions)
        settings = self._settings(stages, blend, content_regions)
        word = isinstance(variant.init, str) and variant.init in INITS
        init = None if word else load_init(variant.init, INITS, height, width)

        digests = {
            "content": array_digest(photograph),
            "style": [array_digest(painting) for painting in paintings],
            "content_masks": content_regions and array_digest(*content_regions.values()),
            "style_masks": [array_digest(*regions.values()) for regions in style_regions],
            "init": self.numbers.init if init is None else array_digest(init),
            "backbone": backbone_digest(variant.backbone),
        }

        tile = self._tile(stages, paintings, content_regions, session)

        def make() -> "CoarseToFine":
            from keras_style.optimize.coarse_to_fine import CoarseToFine
            from keras_style.optimize.targets import Targets

            target, targets = self._in_color(photograph, paintings)
            start = self._start(stages[0], target, targets, init, partial(given.composed, regions=content_regions))
            return CoarseToFine(
                build_optimizer(self._blend, [target, *targets], tile=tile),
                stages,
                Targets(target[None], [each[None] for each in targets], blend, content_regions, style_regions),
                start,
                variant.bleed,
            )

        def finish(image: np.ndarray) -> np.ndarray:
            if not variant.smooth and not variant.refine and self.preserve_color != "luminance":
                return image
            original = images.resize(photograph, *image.shape[:2])
            from keras_style.images import color, smoothing

            if variant.smooth:
                image = _on_processor(smoothing.smooth, image, original)
            if variant.refine:
                image = _on_processor(smoothing.refine, image, original)
            if self.preserve_color == "luminance":
                image = _on_processor(color.restore_chroma, image, original)
            return image

        return session.run(stages, make, settings, digests, finish)

    def _find_regions(self, pictures: Sequence[np.ndarray]) -> list[Regions]:
        from keras_style.painting.auto_regions import find_regions

        assert self.auto_regions is not None
        variant = self.numbers
        layer = next(
            layer.name for layer in reversed(layer_records(variant.backbone)) if layer.name in variant.content_layers
        )
        return find_regions(load_backbone(variant), layer, pictures, self.auto_regions, self.seed)

    def _tile(
        self, stages: Sequence[Stage], styles: Sequence[np.ndarray], regions: Regions | None, session: Session
    ) -> int | None:
        """The side of the tiles, in pixels; None: the whole picture.

        Raises:
            InputError: the picture does not fit into memory, whatever the tiles.
        """
        if self.tile != "auto":
            return self.tile
        last, variant = stages[-1], self.numbers
        of_content = {layer for _, part, _ in self._blend.parts for layer in part.content_layers}
        of_style = {layer for _, part, _ in self._blend.parts for layer in part.style_layers}
        varied = {layer for layer in variant.tv_layers if layer != "image"} if variant.tv_weight else set()
        binned = {layer for _, part, _ in self._blend.parts for layer in part.histogram_layers}
        projections = {
            layer: part.style_loss["projections"]
            for _, part, _ in self._blend.parts
            if "projections" in part.style_loss
            for layer in part.style_layers
        }
        tile, line = memory.plan(
            memory.Work(
                last.height + 2 * variant.bleed,
                last.width + 2 * variant.bleed,
                [(each.shape[0], each.shape[1]) for each in styles],
                _computed(variant.backbone, of_content | of_style | binned | varied),
                sorted(of_content),
                sorted(binned),
                variant.optimizer if isinstance(variant.optimizer, str) else "adam",
                len(regions or ()),
                projections,
            ),
            memory.available(),
            _smallest_tile(variant.backbone, of_content | of_style | binned | varied),
        )
        if session.verbose == 1 or (tile and session.verbose):
            stderr.say(f"keras-style: {line}")
        return tile

    def _load_style(self, style: ImageLike, name: str) -> np.ndarray:
        loaded = images.load(style, name=name)
        fitted = images.fit(loaded, max(1, round(self.size * self.numbers.style_scale)))
        if min(fitted.shape[:2]) < images.MIN_SIDE:
            raise InputError(
                f"{name}: at style_scale {self.numbers.style_scale:g} it is {fitted.shape[1]} x {fitted.shape[0]} "
                f"pixels; expected sides of at least {images.MIN_SIDE}"
            )
        return fitted

    def _in_color(self, content: np.ndarray, styles: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Content and styles as the losses are to see them."""
        if self.preserve_color is None:
            return content, styles
        from keras_style.images import color

        if self.preserve_color == "luminance":
            pairs = [_on_processor(color.luminance_pair, content, style) for style in styles]
            return pairs[0][0], [gray for _, gray in pairs]
        return content, [_on_processor(color.match, style, content) for style in styles]

    def _start(
        self,
        stage: Stage,
        content: np.ndarray,
        styles: Sequence[np.ndarray],
        given: np.ndarray | None,
        composed: Callable[[Iterable[np.ndarray]], np.ndarray],
    ) -> np.ndarray:
        init = self.numbers.init
        if given is not None:
            image = given
        elif init == "noise":
            noise = around_gray(stage.height * stage.width, self.numbers.noise, self.seed)
            return noise.reshape(stage.height, stage.width, 3)
        elif init == "style":
            image = composed(styles)
        elif init == "recolored":
            from keras_style.images import color

            image = composed(_on_processor(color.match, content, each) for each in styles)
        else:
            image = content
        return images.resize(image, stage.height, stage.width)

    def _settings(self, stages: Sequence[Stage], blend: Sequence[float], regions: Regions | None) -> dict[str, Any]:
        variant = self.numbers
        backbone, init = variant.backbone, variant.init
        return {
            **{each.name: getattr(self, each.name) for each in fields(Parameters)},
            **{name: getattr(variant, name) for name in _NUMBERS},
            "method": self.method if isinstance(self.method, str) else dict(self.method),
            "scales": [stage.long_side for stage in stages if stage.in_pass == 1],
            "optimizer": plain_optimizer(variant.optimizer),
            "content_layers": dict(variant.content_layers),
            "style_layers": self._blend.mapping("style_layers"),
            "style_loss": self._blend.mapping("style_loss"),
            "tv_layers": dict(variant.tv_layers),
            "style_blend": list(blend),
            "init": init if isinstance(init, str) else type(init).__name__,
            "backbone": backbone if isinstance(backbone, str) else backbone.name,
            "pooling": pooling_of(variant),
            "regions": regions and masks.shares(regions),
        }


def load_init(init: Any, words: Sequence[str], height: int, width: int) -> np.ndarray:
    """The image to start from.

    Raises:
        InputError: it is none, or its proportions are not those of the picture, (height, width).
    """
    try:
        image = images.load(init, name="init")
    except MissingFileError as error:
        raise MissingFileError(f"{error}; expected an image, or one of {', '.join(words)}") from None
    given_height, given_width = image.shape[:2]
    if not np.isclose(given_width / given_height, width / height, rtol=0.02):
        raise InputError(
            f"init is {given_width} x {given_height} pixels; expected the proportions of the result, {width} x {height}"
        )
    return image


def check_balance(variant: Variant) -> None:
    """Refuse L-BFGS, the usual optimizer, which cannot follow weights that change with every step."""
    if variant.balance and variant.optimizer == "lbfgs":
        raise InputError("balance with the optimizer 'lbfgs'; expected 'adam' or a Keras optimizer")


def build_optimizer(
    blend: Blend, targets: Sequence[np.ndarray], wrap: int = 0, tile: int | None = None
) -> "ImageOptimizer":
    """The optimizer of a blend's objective.

    TensorFlow is imported only now: whatever is wrong with the arguments was said in a fraction of the time.

    Args:
        blend: the methods with their numbers.
        targets: the images by which a network is normalized.
        wrap, tile: of `ImageOptimizer`.

    Raises:
        InputError: a tile with a method that cannot be tiled.
    """
    from keras_style.optimize.image_optimizer import ImageOptimizer
    from keras_style.optimize.objective import Objective
    from keras_style.optimize.tiling import tiled_losses

    variant = blend.variant
    objective = Objective(blend.terms(), variant.balance)
    if tile is not None and (term := tiled_losses.obstacle(objective.terms)):
        raise InputError(
            f"tile with {type(term.loss).__name__} on {term.layer}, which needs all positions at once; expected "
            f"tile=None, or a method that can be tiled: {', '.join(tileable_methods())}"
        )
    backbone = load_backbone(variant)
    if variant.normalized_backbone:
        backbone = backbone.normalized(targets)
    return ImageOptimizer(backbone, objective, variant.optimizer, wrap, tile, variant.bounded)


def tileable_methods() -> list[str]:
    """The methods whose losses can be computed tile by tile."""
    from keras_style.optimize.tiling import tiled_losses

    return [
        name
        for name, method in methods.METHODS.items()
        if name != PAINTER.name and tiled_losses.obstacle(method.terms(method.variant("default"))) is None
    ]


def layer_weights(
    name: str, given: Layers, layers: Sequence[Layer], weigh: Callable[[Sequence[Layer]], Mapping[str, float]]
) -> Mapping[str, float]:
    """`{layer: weight}` of layers that a user named, out of `layers`; see `checks.layer_weights`."""
    records = {layer.name: layer for layer in layers}
    return checks.layer_weights(name, given, tuple(records), lambda names: weigh([records[each] for each in names]))


def variation_layers(given: Layers, layers: Sequence[Layer]) -> Mapping[str, float]:
    """`{layer: weight}` of the layers whose total variation counts; "image" is the pixels."""
    names = ("image", *(layer.name for layer in layers))
    return checks.layer_weights("tv_layers", given, names, lambda found: dict.fromkeys(found, 1 / len(found)))


def _computed(backbone: str | Backbone, names: Iterable[str]) -> Sequence[Layer]:
    """All activations up to the deepest of the layers `names`."""
    if isinstance(backbone, str):
        return up_to_deepest(layer_records(backbone), names)
    return backbone.computed(names)


def _smallest_tile(backbone: str | Backbone, names: Collection[str]) -> float:
    """The side of the smallest tiles, in pixels; infinity: there can be none."""
    used = [layer for layer in layer_records(backbone) if layer.name in names]
    reaches = [layer.reach for layer in used if layer.reach is not None]
    if len(reaches) < len(used):
        return math.inf
    return smallest_window(max(reaches, default=0), math.lcm(*(layer.stride for layer in used)))


def _on_processor(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Arrays from a function of `images.color` or `images.smoothing`, whose linear algebra a GPU may not have."""
    from keras_style.internal.tensorflow import tf

    with tf.device("CPU:0"):
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), function(*arrays))


def plain_optimizer(optimizer: "str | Mapping[str, Any] | Optimizer") -> str | dict[str, Any]:
    """An optimizer as JSON values."""
    if isinstance(optimizer, str):
        return optimizer
    if isinstance(optimizer, Mapping):
        return dict(optimizer)
    config = optimizer.get_config()
    return {key: value if isinstance(value, str | int | float | None) else str(value) for key, value in config.items()}
