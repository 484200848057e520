"""A method with its parameters bound: from two images to a picture."""

import hashlib
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from keras_style import checks, images
from keras_style.backbones import weights
from keras_style.backbones.backbone import Backbone, Layer, up_to_deepest
from keras_style.checks import BALANCES, INITS, OPTIMIZERS, POOLINGS, PRESERVE_COLOR, Layers
from keras_style.errors import InputError, MissingFileError
from keras_style.images import ImageLike, color, masks
from keras_style.images.masks import Masks, Regions
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.schedule import Stage, schedule
from keras_style.optimize.tiling import memory
from keras_style.optimize.tiling.tiles import smallest_window
from keras_style.painting import methods
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.method import Variant, equal_shares
from keras_style.painting.progress import Verbosity
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY, Watch

if TYPE_CHECKING:
    from keras.optimizers import Optimizer

    from keras_style.optimize.coarse_to_fine import CoarseToFine
    from keras_style.optimize.image_optimizer import ImageOptimizer

MAX_SIZE = 10_000  # pixels

Tile: TypeAlias = Literal["auto"] | int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Stylizer:
    """A style-transfer method with every parameter bound, called with a content and a style.

    Parameters are those of `keras_style.transfer`, where each is explained; None means what the method's variant says.

    Raises:
        InputError: a parameter is not what was expected; nothing was computed yet.

    Example:
        >>> stylizer = keras_style.Stylizer(method="gatys", size=256, steps=100)
        >>> stylizer("photo.jpg", "painting.png").save("out.png")
    """

    method: str | Mapping[str, float] = "gatys"
    variant: str = "default"
    size: int = 512
    scales: int | Sequence[int] | None = None
    steps: int | None = None
    optimizer: "str | Optimizer | None" = None
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    photorealism_weight: float | None = None
    content_layers: Layers | None = None
    style_layers: Layers | None = None
    style_blend: Sequence[float] | None = None
    style_scale: float | None = None
    init: ImageLike | None = None
    preserve_color: str | None = None
    balance: str | None = None
    smooth: bool | None = None
    backbone: str | Backbone | None = None
    pooling: str | None = None
    tile: Tile = "auto"
    seed: int = 0
    _blend: Blend = field(init=False, repr=False)

    def __post_init__(self) -> None:
        blend = methods.blend(self.method, self.variant)
        object.__setattr__(self, "size", checks.whole("size", self.size, images.MIN_SIDE, MAX_SIZE))
        object.__setattr__(self, "seed", checks.whole("seed", self.seed, 0, 2**63 - 1))
        if self.tile not in ("auto", None):
            object.__setattr__(self, "tile", checks.whole('tile (if not "auto" or None)', self.tile, 1, 10**9))
        if self.preserve_color is not None:
            checks.choice("preserve_color", self.preserve_color, PRESERVE_COLOR)
        given = {name: checked(name, getattr(self, name)) for name in _OVERRIDES if getattr(self, name) is not None}
        if self.pooling is not None and isinstance(self.backbone, Backbone):
            given["backbone"] = self.backbone.with_pooling(self.pooling)
        layers = layer_records(given.get("backbone", blend.variant.backbone))
        if self.content_layers is not None:
            given["content_layers"] = layer_weights("content_layers", self.content_layers, layers, equal_shares)
        if self.balance is not None and self.optimizer is None:
            given["optimizer"] = "adam"  # L-BFGS, the usual one, cannot follow weights that change with every step
        blend = blend.with_numbers(given).fitted(layers)
        if self.style_layers is not None:
            given_layers = self.style_layers
            blend = blend.with_style_layers(lambda weigh: layer_weights("style_layers", given_layers, layers, weigh))
        if blend.variant.balance and blend.variant.optimizer == "lbfgs":
            raise InputError("balance with the optimizer 'lbfgs'; expected 'adam' or a Keras optimizer")
        object.__setattr__(self, "_blend", blend)

    @property
    def _variant(self) -> Variant:
        """The numbers of the run."""
        return self._blend.variant

    def __call__(
        self,
        content: ImageLike,
        style: ImageLike | Sequence[ImageLike],
        *,
        content_masks: Masks | None = None,
        style_masks: Masks | Sequence[Masks] | None = None,
        callbacks: Sequence[OnIterate] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: int = CHECKPOINT_EVERY,
        verbose: Verbosity = "auto",
    ) -> TransferResult:
        """Paint `content` in the manner of `style`; see `keras_style.transfer` for arguments, result and errors."""
        watch = Watch(callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose)
        variant = self._variant
        photograph = images.load(content, name="content")
        height, width = images.fitted_size(photograph.shape[0], photograph.shape[1], self.size)
        photograph = images.resize(photograph, height, width)
        paintings = [self._load_style(each, number) for number, each in enumerate(_as_list(style), start=1)]
        beside = {_style_name(number): each.shape[:2] for number, each in enumerate(paintings, start=1)}
        stages = schedule(height, width, variant.scales, variant.steps, variant.passes, beside)
        blend = checks.shares("style_blend", self.style_blend, len(paintings))
        content_regions, style_regions = _regions(content_masks, style_masks, photograph, paintings)
        settings = self._settings(stages, blend, content_regions)

        digests = {
            "content": digest(photograph),
            "style": [digest(painting) for painting in paintings],
            "content_masks": content_regions and digest(*content_regions.values()),
            "style_masks": [digest(*regions.values()) for regions in style_regions],
            "init": self._init_digest(),
            "backbone": backbone_digest(variant.backbone),
        }

        tile = self._tile(stages, paintings, content_regions, watch)
        target, targets = self._in_color(photograph, paintings)
        start = self._start(stages[0], target, targets, height, width)

        def make() -> "CoarseToFine":
            from keras_style.optimize.coarse_to_fine import CoarseToFine
            from keras_style.optimize.targets import Targets

            return CoarseToFine(
                build_optimizer(self._blend, [target, *targets], tile=tile),
                stages,
                Targets(target[None], [each[None] for each in targets], blend, content_regions, style_regions),
                start,
                variant.bleed,
            )

        def finish(image: np.ndarray) -> np.ndarray:
            if not variant.smooth and self.preserve_color != "luminance":
                return image
            original = images.resize(photograph, *image.shape[:2])
            if variant.smooth:
                from keras_style.images import smoothing  # SciPy takes a quarter of a second to load

                image = smoothing.smooth(image, original)
            return color.restore_chroma(image, original) if self.preserve_color == "luminance" else image

        return watch.run(stages, make, settings, digests, finish)

    def _tile(
        self, stages: Sequence[Stage], styles: Sequence[np.ndarray], regions: Regions | None, watch: Watch
    ) -> int | None:
        """The side of the tiles, in pixels; None: the whole picture.

        Raises:
            InputError: the picture does not fit into memory, whatever the tiles.
        """
        if self.tile != "auto":
            return self.tile
        last, variant = stages[-1], self._variant
        of_content = {layer for _, part, _ in self._blend.parts for layer in part.content_layers}
        of_style = {layer for _, part, _ in self._blend.parts for layer in part.style_layers}
        binned = {layer for _, part, _ in self._blend.parts for layer in part.histogram_layers}
        projections = {
            layer: each.projections
            for each, part, _ in self._blend.parts
            if each.projections
            for layer in part.style_layers
        }
        tile, line = memory.plan(
            memory.Work(
                last.height + 2 * variant.bleed,
                last.width + 2 * variant.bleed,
                [(each.shape[0], each.shape[1]) for each in styles],
                _computed(variant.backbone, of_content | of_style | binned),
                sorted(of_content),
                sorted(binned),
                variant.optimizer if isinstance(variant.optimizer, str) else "adam",
                len(regions or ()),
                projections,
            ),
            memory.available(),
            _smallest_tile(variant.backbone, of_content | of_style | binned),
        )
        if watch.verbose == 1 or (tile and watch.verbose):
            print(f"keras-style: {line}", file=sys.stderr, flush=True)
        return tile

    def _load_style(self, style: ImageLike, number: int) -> np.ndarray:
        loaded = images.load(style, name=_style_name(number))
        fitted = images.fit(loaded, max(1, round(self.size * self._variant.style_scale)))
        if min(fitted.shape[:2]) < images.MIN_SIDE:
            raise InputError(
                f"style: at style_scale {self._variant.style_scale:g} it is {fitted.shape[1]} x {fitted.shape[0]} "
                f"pixels; expected sides of at least {images.MIN_SIDE}"
            )
        return fitted

    def _in_color(self, content: np.ndarray, styles: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Content and styles as the losses are to see them."""
        if self.preserve_color == "luminance":
            pairs = [color.luminance_pair(content, style) for style in styles]
            return pairs[0][0], [gray for _, gray in pairs]
        if self.preserve_color == "match":
            return content, [color.match(style, content) for style in styles]
        return content, styles

    def _start(
        self, stage: Stage, content: np.ndarray, styles: Sequence[np.ndarray], height: int, width: int
    ) -> np.ndarray:
        init = self._variant.init
        if isinstance(init, str) and init in INITS:
            if init == "noise":
                return np.random.default_rng(self.seed).random((stage.height, stage.width, 3), np.float32)
            if init == "recolored":
                content = color.match(content, styles[0])
            return images.resize(styles[0] if init == "style" else content, stage.height, stage.width)
        image = _load_init(init)
        given_height, given_width = image.shape[:2]
        if not np.isclose(given_width / given_height, width / height, rtol=0.02):
            raise InputError(
                f"init is {given_width} x {given_height} pixels; expected the content's proportions, {width} x {height}"
            )
        return images.resize(image, stage.height, stage.width)

    def _init_digest(self) -> str:
        init = self._variant.init
        return init if isinstance(init, str) and init in INITS else digest(_load_init(init))

    def _settings(self, stages: Sequence[Stage], blend: Sequence[float], regions: Regions | None) -> dict[str, Any]:
        variant = self._variant
        backbone, init = variant.backbone, variant.init
        return {
            "method": self.method if isinstance(self.method, str) else dict(self.method),
            "variant": self.variant,
            "size": self.size,
            "scales": [stage.long_side for stage in stages if stage.in_pass == 1],
            "steps": variant.steps,
            "optimizer": plain_optimizer(variant.optimizer),
            "content_weight": variant.content_weight,
            "style_weight": variant.style_weight,
            "tv_weight": variant.tv_weight,
            "photorealism_weight": variant.photorealism_weight,
            "content_layers": dict(variant.content_layers),
            "style_layers": self._blend.style_layers,
            "style_blend": list(blend),
            "style_scale": variant.style_scale,
            "init": init if isinstance(init, str) else type(init).__name__,
            "regions": regions and {name: round(float(weights.mean()), 4) for name, weights in regions.items()},
            "preserve_color": self.preserve_color,
            "balance": variant.balance,
            "smooth": variant.smooth,
            "backbone": backbone if isinstance(backbone, str) else backbone.name,
            "pooling": pooling_of(variant),
            "tile": self.tile,
            "seed": self.seed,
        }


_OVERRIDES = (
    "scales",
    "steps",
    "optimizer",
    "content_weight",
    "style_weight",
    "tv_weight",
    "photorealism_weight",
    "balance",
    "smooth",
    "style_scale",
    "init",
    "backbone",
    "pooling",
)


def checked(name: str, value: Any) -> Any:
    """A value that replaces a number of the variant, if it fits."""
    match name:
        case "steps":
            return checks.whole(name, value, 1, 10**9)
        case "scales":
            return checks.scales(value)
        case "content_weight" | "style_weight" | "tv_weight" | "photorealism_weight":
            return checks.number(name, value)
        case "style_scale":
            return checks.number(name, value, 0.01, 10)
        case "pooling":
            return checks.choice(name, value, POOLINGS)
        case "balance":
            return checks.choice(name, value, BALANCES)
        case "smooth":
            return checks.truth(name, value)
        # Duck-typed: isinstance would import TensorFlow.
        case "optimizer" if isinstance(value, type) or not hasattr(value, "apply"):
            return checks.choice("optimizer (if not a Keras optimizer)", value, OPTIMIZERS)
        case "backbone" if not isinstance(value, str | Backbone):
            raise InputError(
                f"backbone is {value!r}; expected one of {', '.join(weights.SOURCES)}, or a Backbone, which "
                "keras_style.backbones.from_keras makes of a Keras model"
            )
    return value


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
    return ImageOptimizer(backbone, objective, variant.optimizer, wrap, tile)


def tileable_methods() -> list[str]:
    """The methods whose losses can be computed tile by tile."""
    from keras_style.optimize.tiling import tiled_losses

    return [
        name
        for name, method in methods.METHODS.items()
        if tiled_losses.obstacle(method.terms(method.variant("default"))) is None
    ]


def load_backbone(variant: Variant) -> Backbone:
    """The backbone of a variant as it was published, or as it was passed in."""
    from keras_style import backbones

    if isinstance(variant.backbone, str):
        return backbones.get(variant.backbone, pooling=variant.pooling)
    return variant.backbone


def pooling_of(variant: Variant) -> str | None:
    """The pooling that is used; None: the backbone has no choice of it."""
    return variant.pooling if isinstance(variant.backbone, str) else getattr(variant.backbone, "pooling", None)


def layer_records(backbone: str | Backbone) -> tuple[Layer, ...]:
    """The layers of a backbone, or of the published one of that name."""
    if isinstance(backbone, str):
        return weights.layers_of(weights.source(backbone.partition("=")[0]).network)
    return backbone.layers


def layer_weights(
    name: str, given: Layers, layers: Sequence[Layer], weigh: Callable[[Sequence[Layer]], Mapping[str, float]]
) -> Mapping[str, float]:
    """`{layer: weight}` of layers that a user named, out of `layers`; see `checks.layer_weights`."""
    records = {layer.name: layer for layer in layers}
    return checks.layer_weights(name, given, tuple(records), lambda names: weigh([records[each] for each in names]))


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


def _style_name(number: int) -> str:
    """The name of a style in errors."""
    return f"style {number}" if number > 1 else "style"


def _load_init(init: ImageLike) -> np.ndarray:
    try:
        return images.load(init, name="init")
    except MissingFileError as error:
        raise MissingFileError(f"{error}; expected an image, or one of {', '.join(INITS)}") from None


def _as_list(style: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    styles: list[Any] = list(style) if isinstance(style, list | tuple) else [style]
    if not styles:
        raise InputError("style is an empty list; expected at least one image")
    return styles


def _regions(
    content_masks: Masks | None,
    style_masks: Masks | Sequence[Masks] | None,
    content: np.ndarray,
    styles: Sequence[np.ndarray],
) -> tuple[Regions | None, list[Regions]]:
    """The regions of the content and of each style: the same ones everywhere."""
    if content_masks is None and style_masks is None:
        return None, []
    if content_masks is None or style_masks is None:
        given, missing = ("style", "content") if content_masks is None else ("content", "style")
        raise InputError(f"{given}_masks without {missing}_masks; expected both, or none")
    of_content = masks.load(content_masks, content.shape[0], content.shape[1], "content_masks")
    of_each: list[Any] = [style_masks]
    # A list of mappings can only be one mapping a style.
    listed = isinstance(style_masks, list | tuple) and any(isinstance(each, Mapping) for each in style_masks)
    if len(styles) > 1 or listed:
        if not isinstance(style_masks, list | tuple) or len(style_masks) != len(styles):
            raise InputError(f"style_masks are not a list of {len(styles)}; expected the masks of each style")
        of_each = list(style_masks)
    of_styles: list[Regions] = []
    for number, (each, style) in enumerate(zip(of_each, styles, strict=True), start=1):
        name = "style_masks" if len(styles) == 1 else f"style_masks {number}"
        regions = masks.load(each, style.shape[0], style.shape[1], name)
        masks.match(of_content, regions, style_name=name)
        of_styles.append(regions)
    return of_content, of_styles


def digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def backbone_digest(backbone: str | Backbone) -> str:
    """The name of published weights; the digest of any others."""
    if isinstance(backbone, str):
        name, _, file = backbone.partition("=")
        arrays = [array for pair in weights.load(name, file).values() for array in pair] if file else []
    else:
        name, arrays = backbone.name, list(backbone.arrays)
        precision = getattr(backbone, "precision", "float32")
        name += f" {precision}" if precision != "float32" else ""
    return f"{name} {digest(*arrays)}" if arrays else name


def plain_optimizer(optimizer: "str | Optimizer") -> str | dict[str, Any]:
    """An optimizer as JSON values."""
    if isinstance(optimizer, str):
        return optimizer
    config = optimizer.get_config()
    return {key: value if isinstance(value, str | int | float | None) else str(value) for key, value in config.items()}
