"""A transfer by a painter: by a style that it knows, in one pass; or by a painting that it is taught first."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal.digests import array_digest
from keras_style.internal.paths import user_path
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.painter_lesson import PAINTER
from keras_style.painting.painters import painter_source, style_file
from keras_style.painting.parameters import CHECKS, Parameters
from keras_style.painting.result import TransferResult
from keras_style.painting.session import Session

if TYPE_CHECKING:
    from keras_style.painting.painters.painter import Painter

# What one pass has a use for. It takes no steps: callbacks are accepted, and never called.
OPTIONS = ("size", "style_blend", "strength", "stroke", "preserve_color")
ARGUMENTS = ("content", "model", "style", *OPTIONS)
_ACCEPTED = ("callbacks", "verbose")

# What teaching has a use for, of the parameters of a Stylizer.
TEACHING = (
    *("method", "variant", *OPTIONS, "steps", "content_weight", "style_weight", "tv_weight"),
    *("content_layers", "style_layers", "style_scale", "backbone", "pooling", "seed"),
)
LESSON = 256  # long side of the photograph as it is taught on, in pixels
LARGEST = 1024  # long side of the painting, likewise, at most: beyond, strokes are larger than what the network sees


def check_arguments(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse arguments of `keras_style.transfer` that a painter's one pass has no use for.

    Raises:
        InputError: there is one.
    """
    known = ARGUMENTS + _ACCEPTED
    unfit = [name for name, value in given.items() if name not in known and value is not defaults.get(name)]
    if unfit:
        raise InputError(
            f"model with {', '.join(unfit)}; a painter paints in one pass: expected at most {', '.join(known[2:])} "
            "beside it"
        )


def transfer(content: ImageLike, model: Any, style: Any, size: int, given: Mapping[str, Any]) -> TransferResult:
    """Paint a picture in styles that a painter knows.

    Args:
        content: the photograph.
        model: a painter, or what `painter_source.open_painter` opens.
        style: a name, or a file that `Painter.save_style` wrote; a list of several.
        size: long side of the result in pixels.
        given: style_blend, strength, stroke and preserve_color.

    Raises:
        InputError: the model, the picture or an argument is not what was expected.
        WeightsError: a style belongs to another painter.
    """
    from keras_style.painting.painters.easel import painted

    began = time.perf_counter()
    CHECKS["size"]("size", size)
    painter = painter_source.open_painter(model)
    names = list(style) if isinstance(style, list | tuple) else [style]
    row = _row(painter, names, given["style_blend"])
    result = painted(painter.network, content, row, size, given["strength"], given["stroke"], given["preserve_color"])
    settings = {
        "model": os.fspath(model) if isinstance(model, str | os.PathLike) else painter.name,
        "style": [os.fspath(each) for each in names],
        "style_blend": checks.shares("style_blend", given["style_blend"], len(names)),
        **result.settings,
    }
    return TransferResult(result.array, result.history, settings, time.perf_counter() - began)


def _row(painter: "Painter", styles: Sequence[Any], blend: Sequence[float] | None) -> np.ndarray:
    if not styles or styles == [None]:
        raise InputError(f"style is None; expected a style of the painter: {', '.join(painter.styles)}")
    shares = checks.shares("style_blend", blend, len(styles))
    rows = [_row_of(painter, style) for style in styles]
    return np.asarray(np.tensordot(np.array(shares, np.float32), np.array(rows), 1), np.float32)


def _row_of(painter: "Painter", style: Any) -> np.ndarray:
    if isinstance(style, str) and style in painter.styles:
        return painter.row(style)
    if isinstance(style, str | os.PathLike):
        if os.fspath(style) in painter.styles:
            return painter.row(os.fspath(style))
        if user_path(style).suffix == style_file.SUFFIX:
            return painter.read_style(style).row
    raise InputError(
        f"style is {checks.shown(style)}; expected a style of the painter, that is one of {', '.join(painter.styles)}, "
        f'or a file {style_file.SUFFIX}; a painting is taught by method="painter" without a model'
    )


# A painting that is taught first


def check_parameters(given: Parameters) -> None:
    """Refuse parameters of a Stylizer that go with painters only, or that `method="painter"` has no use for.

    Raises:
        InputError: there is one.
    """
    default = {each.name: each.default for each in fields(Parameters)}
    chosen = [name for name in default if getattr(given, name) is not default[name]]
    if given.method != PAINTER.name:
        if foreign := [name for name in ("strength", "stroke") if name in chosen]:
            raise InputError(
                f'{", ".join(foreign)} with the method {checks.shown(given.method)}; expected method="painter"'
            )
        return
    if unfit := [name for name in chosen if name not in TEACHING]:
        raise InputError(
            f'{", ".join(unfit)} with the method "painter", which teaches a network: expected at most '
            f"{', '.join(TEACHING[2:])} beside it"
        )


def taught_transfer(
    given: Parameters,
    method: Blend,
    photograph: np.ndarray,
    paintings: Sequence[np.ndarray],
    blend: Sequence[float],
    settings: Mapping[str, Any],
    session: Session,
) -> TransferResult:
    """Teach paintings on a photograph, and paint the photograph.

    Args:
        given: whose method is "painter".
        method: the same with all of its numbers.
        photograph: (H, W, 3), of the size of the result.
        paintings: (H', W', 3) each; several are learned as one style.
        blend: the weight of each.
        settings: of the result.
        session: how the lesson is watched and saved.
    """
    from keras_style.optimize.objective import Objective
    from keras_style.optimize.schedule import Stage
    from keras_style.painting.painters import school
    from keras_style.painting.painters.easel import finished
    from keras_style.painting.run_backbone import backbone_digest, load_backbone

    variant = method.variant
    painter = painter_source.open_painter(painter_source.PRESET).knowledge
    for name, picture in [("content", photograph), *((f"style {n}", each) for n, each in enumerate(paintings))]:
        school.check_picture(name, picture)
    lesson = school.cut(images.fit(photograph, min(LESSON, given.size)))
    styles = [images.fit(each, min(LARGEST, max(each.shape[:2]))) for each in paintings]
    strength = 1.0 if given.strength is None else given.strength
    stroke = 1.0 if given.stroke is None else given.stroke

    def make() -> school.Course:
        objective = Objective(method.terms())
        return school.Course(
            painter, styles, blend, [lesson], objective, load_backbone(variant), variant.steps, given.seed
        )

    def finish(row: np.ndarray) -> np.ndarray:
        return finished(painter.network, photograph, row.reshape(-1), strength, stroke, given.preserve_color)

    digests = {
        "content": array_digest(photograph),
        "style": [array_digest(each) for each in paintings],
        "painter": painter.base,
        "backbone": backbone_digest(variant.backbone),
    }
    stages = [Stage(lesson.shape[0], lesson.shape[1], variant.steps)]
    return session.run(stages, make, {**settings, "strength": strength, "stroke": stroke}, digests, finish)
