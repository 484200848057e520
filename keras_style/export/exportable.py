"""Models that can be exported: generators, opened from wherever they are, and optimization methods."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_style.checks import DIRECTIONS, INITS
from keras_style.errors import InputError, StyleError
from keras_style.internal.digests import array_digest
from keras_style.internal.paths import user_path
from keras_style.models.loading import presets
from keras_style.optimize.schedule import schedule
from keras_style.painting.methods import METHODS
from keras_style.painting.methods.painter_lesson import PAINTER
from keras_style.painting.painters import painter_source
from keras_style.painting.run_backbone import backbone_digest
from keras_style.painting.stylizer import Stylizer


@dataclass(frozen=True)
class Source:
    """A model to export.

    Args:
        model: a generator, a Keras model; a Painter; or a Stylizer.
        description: what it is and where it came from, as JSON values.
    """

    model: Any
    description: dict[str, Any]

    @property
    def is_painter(self) -> bool:
        return painter_source.is_painter(self.model)

    @property
    def is_generator(self) -> bool:
        return not isinstance(self.model, Stylizer) and not self.is_painter

    @property
    def multiple(self) -> int:
        """Sides that are multiples of it are taken as they are, if they are long enough."""
        return getattr(self.model, "multiple", 1)

    def least_pixels(self, size: tuple[int, int] | None) -> int:
        """The fewest pixels that a generator computes for a picture, of this height and width if they are fixed."""
        from keras_style.export.generator_graph import extended_pixels

        return int(extended_pixels(self.model)(*(size or (1, 1))))


def open_source(model: Any, direction: str = "a2b") -> Source:
    """Open what `export_saved_model` takes.

    Raises:
        MissingFileError, InputError, WeightsError: it cannot be opened, or is something else.
    """
    if isinstance(model, Stylizer):
        return Source(model, {"kind": "stylizer", **_of_stylizer(model)})
    if painter_source.is_painter(model):
        return Source(painter_source.open_painter(model), {"kind": "painter", **_of_painter(model)})
    from keras_style.internal.tensorflow import keras
    from keras_style.models.cyclegan import CycleGAN
    from keras_style.models.loading.open_generator import open_generator

    described: dict[str, Any] = {"kind": "generator"}
    if isinstance(model, str | os.PathLike):
        described |= {"source": os.fspath(model), "direction": direction, "card": _card(model)}
        model = open_generator(model, direction)
    elif isinstance(model, CycleGAN):
        described["direction"] = direction
        model = {"a2b": model.generator_a2b, "b2a": model.generator_b2a}.get(direction)
        if model is None:
            raise InputError(f"direction is {direction!r}; expected one of {', '.join(DIRECTIONS)}")
    if not isinstance(model, keras.Model):
        raise InputError(
            f"model is of type {type(model).__name__}; expected a generator (a Keras model), a Stylizer, or the name "
            "of a preset, a run or a file"
        )
    return Source(model, {**described, **_of_generator(model)})


def _of_generator(generator: Any) -> dict[str, Any]:
    return {
        "model": type(generator).__name__,
        "parameters": int(sum(np.prod(variable.shape) for variable in generator.weights)),
        "multiple": getattr(generator, "multiple", 1),
        "minimum": getattr(generator, "minimum", 1),
        "weights_sha256": array_digest(*(variable.numpy() for variable in generator.weights)),
    }


def _of_painter(source: Any) -> dict[str, Any]:
    painter = painter_source.open_painter(source)
    named = {"source": os.fspath(source), "card": _card(source)} if isinstance(source, str | os.PathLike) else {}
    return {
        **named,
        "styles": list(painter.styles),
        "multiple": painter.multiple,
        "minimum": painter.minimum,
        "weights_sha256": array_digest(*(variable.numpy() for variable in painter.weights)),
    }


def _of_stylizer(stylizer: Stylizer) -> dict[str, Any]:
    method = stylizer.method if isinstance(stylizer.method, str) else dict(stylizer.method)
    variant = stylizer.numbers
    return {
        "method": method,
        "variant": stylizer.variant,
        "long_side": stylizer.size,  # "size" is that to which an export resizes
        "steps": variant.steps,
        "weights": backbone_digest(variant.backbone),
    }


def methods() -> list[str]:
    """Names of the methods that can be exported as they are by default."""
    return [name for name in METHODS if not _refusal(Stylizer(method=name))]


def check_stylizer(stylizer: Stylizer) -> None:
    """Make sure that a graph can do what a Stylizer does.

    Raises:
        InputError: it has an image to start from, several styles, or what goes with masks.
    """
    if refusal := _refusal(stylizer):
        raise InputError(refusal)


def _refusal(stylizer: Stylizer) -> str | None:
    if stylizer.method == PAINTER.name:
        return (
            'the method "painter" teaches a network, which an exported graph cannot; expected a painter that has been '
            "taught"
        )
    init = stylizer.numbers.init
    if not isinstance(init, str) or init not in INITS:
        return f"init is an image, which an export cannot start from; expected one of {', '.join(INITS)}"
    if stylizer.style_blend is not None and len(stylizer.style_blend) != 1:
        return f"style_blend has {len(stylizer.style_blend)} weights; an export takes one style"
    if of_regions := stylizer.of_masks or (stylizer.auto_regions and "auto_regions"):
        return f"{of_regions} is about regions, and an export takes no masks; expected it without"
    return None


def least_steps(stylizer: Stylizer) -> int:
    """One for each scale and pass, of a square picture."""
    variant = stylizer.numbers
    return len(schedule(stylizer.size, stylizer.size, variant.scales, variant.steps, variant.passes))


def _card(model: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The description of a preset with the text of its card; None of anything else."""
    folder = user_path(model)
    if folder.is_dir() and not (folder / presets.DESCRIPTION).is_file():
        return None
    try:
        description, files = presets.load(os.fspath(model))
    except StyleError:
        return None
    card = files.get(presets.CARD)
    return {**description, "card": card.read_text(encoding="utf-8") if card else ""}
