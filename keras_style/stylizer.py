"""A method with its parameters bound: from two images to a picture."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, color, images, recipes, weights
from keras_style.checks import Layers
from keras_style.choices import INITS, OPTIMIZERS, POOLINGS, PRESERVE_COLOR
from keras_style.errors import InputError, MissingFileError
from keras_style.images import ImageLike
from keras_style.optimize.checkpoint import Checkpoint
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.schedule import Stage, schedule
from keras_style.progress import Progress, Verbosity
from keras_style.recipes.recipe import Variant, equal_shares
from keras_style.result import TransferResult

if TYPE_CHECKING:
    from keras.optimizers import Optimizer

    from keras_style.backbones import Backbone
    from keras_style.optimize.coarse_to_fine import CoarseToFine

MAX_SIZE = 10_000  # pixels
CHECKPOINT_EVERY = 50  # steps


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

    method: str = "gatys"
    variant: str = "default"
    size: int = 512
    scales: int | Sequence[int] | None = None
    steps: int | None = None
    optimizer: "str | Optimizer | None" = None
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    content_layers: Layers | None = None
    style_layers: Layers | None = None
    style_blend: Sequence[float] | None = None
    style_scale: float | None = None
    init: ImageLike | None = None
    preserve_color: str | None = None
    backbone: "str | Backbone | None" = None
    pooling: str | None = None
    seed: int = 0
    _variant: Variant = field(init=False, repr=False)

    def __post_init__(self) -> None:
        recipe = recipes.get(self.method)
        variant = recipe.variant(self.variant)
        object.__setattr__(self, "size", checks.whole("size", self.size, images.MIN_SIDE, MAX_SIZE))
        object.__setattr__(self, "seed", checks.whole("seed", self.seed, 0, 2**63 - 1))
        if self.preserve_color is not None:
            checks.choice("preserve_color", self.preserve_color, PRESERVE_COLOR)
        given = {name: _checked(name, getattr(self, name)) for name in _OVERRIDES if getattr(self, name) is not None}
        known = _layers(given.get("backbone", variant.backbone))
        if self.content_layers is not None:
            given["content_layers"] = checks.layer_weights("content_layers", self.content_layers, known, equal_shares)
        if self.style_layers is not None:
            weigh = variant.layer_weights
            given["style_layers"] = checks.layer_weights("style_layers", self.style_layers, known, weigh)
        object.__setattr__(self, "_variant", replace(variant, **given))

    def __call__(
        self,
        content: ImageLike,
        style: ImageLike | Sequence[ImageLike],
        *,
        callbacks: Sequence[OnIterate] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: int = CHECKPOINT_EVERY,
        verbose: Verbosity = "auto",
    ) -> TransferResult:
        """Paint `content` in the manner of `style`; see `keras_style.transfer` for arguments, result and errors."""
        started = time.perf_counter()
        checks.whole("checkpoint_every", checkpoint_every, 1, 10**9)
        callbacks = checks.callables("callbacks", callbacks)
        if verbose not in ("auto", 0, 1):
            raise InputError(f"verbose is {verbose!r}; expected 'auto', 0 or 1")
        variant = self._variant
        full = images.load(content, name="content")
        height, width = images.fitted_size(full.shape[0], full.shape[1], self.size)
        stages = schedule(height, width, variant.scales, variant.steps)
        photograph = images.resize(full, height, width)
        paintings = [self._load_style(each, number) for number, each in enumerate(_as_list(style), start=1)]
        blend = checks.shares("style_blend", self.style_blend, len(paintings))
        settings = self._settings(stages, blend)

        saved = None if checkpoint is None else self._checkpoint(checkpoint, settings, photograph, paintings)
        state = saved.load() if saved else None
        target, targets = self._in_color(photograph, paintings)
        start = self._start(stages[0], target, targets, height, width)
        run = self._run(stages, target, targets, blend, start)

        def finish(image: np.ndarray) -> np.ndarray:
            if self.preserve_color != "luminance":
                return image
            return color.restore_chroma(image, images.resize(photograph, *image.shape[:2]))

        with Progress(stages, verbose) as progress:

            def on_iterate(iterate: Iterate) -> bool:
                progress(iterate)
                finished = replace(iterate, read_image=lambda: finish(iterate.image))
                answers = [callback(finished) for callback in callbacks]  # all are called, also after one has stopped
                return any(answer is True for answer in answers)

            save = saved.save if saved else (lambda state: None)
            minimum = run.run(on_iterate, state, save, checkpoint_every)
        return TransferResult(
            array=finish(minimum.image),
            history=minimum.history,
            settings=settings,
            seconds=time.perf_counter() - started,
            stopped=minimum.stopped,
        )

    def _run(
        self,
        stages: Sequence[Stage],
        content: np.ndarray,
        styles: Sequence[np.ndarray],
        blend: Sequence[float],
        start: np.ndarray,
    ) -> "CoarseToFine":
        """The optimization, ready to go."""
        # TensorFlow is imported only now: whatever is wrong with the arguments was said in a fraction of the time.
        from keras_style import backbones
        from keras_style.optimize.coarse_to_fine import CoarseToFine
        from keras_style.optimize.image_optimizer import ImageOptimizer
        from keras_style.optimize.objective import Objective

        variant = self._variant
        backbone: Backbone = variant.backbone
        if isinstance(variant.backbone, str):
            backbone = backbones.get(variant.backbone, pooling=variant.pooling)
        elif self.pooling is not None:
            backbone = replace(backbone, pooling=self.pooling)
        if variant.normalized_backbone:
            backbone = backbone.normalized([content, *styles])
        objective = Objective(recipes.get(self.method).terms(variant))
        optimizer = ImageOptimizer(backbone, objective, variant.optimizer)
        return CoarseToFine(optimizer, stages, content, styles, blend, start, variant.bleed)

    def _checkpoint(
        self, directory: str | Path, settings: Mapping[str, Any], content: np.ndarray, styles: Sequence[np.ndarray]
    ) -> Checkpoint:
        """The checkpoint of exactly this picture."""
        digests = {
            "content": _digest(content),
            "style": [_digest(style) for style in styles],
            "init": self._init_digest(),
            "backbone": _backbone_digest(self._variant.backbone),
        }
        return Checkpoint(directory, {**settings, **digests})

    def _load_style(self, style: ImageLike, number: int) -> np.ndarray:
        loaded = images.load(style, name=f"style {number}" if number > 1 else "style")
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
            return images.resize(content if init == "content" else styles[0], stage.height, stage.width)
        image = _load_init(init)
        given_height, given_width = image.shape[:2]
        if not np.isclose(given_width / given_height, width / height, rtol=0.02):
            raise InputError(
                f"init is {given_width} x {given_height} pixels; expected the content's proportions, {width} x {height}"
            )
        return images.resize(image, stage.height, stage.width)

    def _init_digest(self) -> str:
        init = self._variant.init
        return init if isinstance(init, str) and init in INITS else _digest(_load_init(init))

    def _settings(self, stages: Sequence[Stage], blend: Sequence[float]) -> dict[str, Any]:
        variant = self._variant
        backbone, optimizer, init = variant.backbone, variant.optimizer, variant.init
        return {
            "method": self.method,
            "variant": self.variant,
            "size": self.size,
            "scales": [stage.long_side for stage in stages],
            "steps": variant.steps,
            "optimizer": optimizer if isinstance(optimizer, str) else _plain(optimizer.get_config()),
            "content_weight": variant.content_weight,
            "style_weight": variant.style_weight,
            "tv_weight": variant.tv_weight,
            "content_layers": dict(variant.content_layers),
            "style_layers": dict(variant.style_layers),
            "style_blend": list(blend),
            "style_scale": variant.style_scale,
            "init": init if isinstance(init, str) else type(init).__name__,
            "preserve_color": self.preserve_color,
            "backbone": backbone if isinstance(backbone, str) else backbone.name,
            "pooling": variant.pooling if isinstance(backbone, str) else self.pooling or backbone.pooling,
            "seed": self.seed,
        }


_OVERRIDES = (
    "scales",
    "steps",
    "optimizer",
    "content_weight",
    "style_weight",
    "tv_weight",
    "style_scale",
    "init",
    "backbone",
    "pooling",
)


def _checked(name: str, value: Any) -> Any:
    """A value that replaces a number of the variant, if it fits."""
    match name:
        case "steps":
            return checks.whole(name, value, 1, 10**9)
        case "scales":
            return checks.scales(value)
        case "content_weight" | "style_weight" | "tv_weight":
            return checks.number(name, value)
        case "style_scale":
            return checks.number(name, value, 0.01, 10)
        case "pooling":
            return checks.choice(name, value, POOLINGS)
        # Keras's optimizers and our backbones are told by what they have: their classes would import TensorFlow.
        case "optimizer" if isinstance(value, type) or not hasattr(value, "apply"):
            return checks.choice("optimizer (if not a Keras optimizer)", value, OPTIMIZERS)
        case "backbone" if not isinstance(value, str) and not hasattr(value, "kernels"):
            return checks.choice("backbone (if not a Backbone)", value, tuple(weights.SOURCES))
    return value


def _layers(backbone: "str | Backbone") -> Sequence[str]:
    if isinstance(backbone, str):
        return weights.layer_names(weights.source(backbone.partition("=")[0]).network)
    return tuple(backbone.kernels)


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


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _backbone_digest(backbone: "str | Backbone") -> str:
    """The name of published weights; the digest of any others."""
    if isinstance(backbone, str):
        name, _, file = backbone.partition("=")
        arrays = [array for pair in weights.load(name, file).values() for array in pair] if file else []
    else:
        name, arrays = backbone.name, [array for pair in backbone.kernels.values() for array in pair]
    return f"{name} {_digest(*arrays)}" if arrays else name


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras configuration as JSON values."""
    return {key: value if isinstance(value, str | int | float | None) else str(value) for key, value in config.items()}
