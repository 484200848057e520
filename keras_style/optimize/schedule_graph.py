"""`schedule` inside a graph, for a content whose size is known only when the graph runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_style.images import MIN_SIDE
from keras_style.images.resize_graph import fitted_size, scaled_alike
from keras_style.internal.tensorflow import tf
from keras_style.optimize.schedule import COARSEST


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of a run: the scales, coarse to fine, then the passes that follow the first.

    Attributes:
        heights, widths, steps: (stages,), int32.
        scales: how many stages the first pass has.
    """

    heights: tf.Tensor
    widths: tf.Tensor
    steps: tf.Tensor
    scales: tf.Tensor

    def size(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.heights[index], self.widths[index]


def stages(
    content: Sequence[tf.Tensor],
    style: Sequence[tf.Tensor],
    size: int,
    scales: int | Sequence[int] | None,
    steps: tf.Tensor,
    passes: int,
) -> Stages:
    """`schedule` as tensors; its errors become InvalidArgumentError.

    Args:
        content: (height, width) of the result.
        style: (height, width) of the style at the last scale.
        size: the long side of the result.
        scales: as `schedule` has accepted them for a square of that size.
        steps: scalar, in all.
        passes: times that the picture is gone through.
    """
    if isinstance(scales, Sequence):
        number = tf.constant(len(scales))
        of_scales = [content if side == size else fitted_size(content[0], content[1], side) for side in scales]
        heights, widths = (tf.stack(sides) for sides in zip(*of_scales, strict=True))
    else:
        number = _most_scales(content, style, size, steps, passes) if scales is None else tf.constant(scales)
        heights, widths = (_halved(side, number - 1 - tf.range(number)) for side in content)
    with tf.control_dependencies(_checks(heights, widths, style, size, number, steps, passes)):
        count = number + passes - 1
    share, rest = steps // count, steps % count
    return Stages(
        heights=tf.concat([heights, tf.repeat(heights[-1:], passes - 1)], axis=0),
        widths=tf.concat([widths, tf.repeat(widths[-1:], passes - 1)], axis=0),
        steps=share + tf.cast(tf.range(count) < rest, tf.int32),
        scales=number,
    )


def require(condition: tf.Tensor, message: str, *values: Any) -> tf.Operation:
    """Stop the graph with `message`, its {} filled in, unless the condition is true."""
    return tf.debugging.Assert(condition, [tf.strings.format(message, values)])


def _most_scales(
    content: Sequence[tf.Tensor], style: Sequence[tf.Tensor], size: int, steps: tf.Tensor, passes: int
) -> tf.Tensor:
    """Number of scales that keeps the coarsest at `COARSEST` pixels or a little more, and every side at `MIN_SIDE`."""
    fit = tf.constant(1)
    for number in range(2, 2 + max(0, round(math.log2(size / COARSEST)))):
        coarsest = [_halved(side, tf.constant(number - 1)) for side in content]
        sides = [*coarsest, *scaled_alike(style[0], style[1], tf.maximum(*coarsest), size)]
        fits = (tf.reduce_min(tf.stack(sides)) >= MIN_SIDE) & (number <= steps - (passes - 1))
        fit = tf.where(fits, number, fit)
    return fit


def _checks(
    heights: tf.Tensor,
    widths: tf.Tensor,
    style: Sequence[tf.Tensor],
    size: int,
    scales: tf.Tensor,
    steps: tf.Tensor,
    passes: int,
) -> list[tf.Operation]:
    height, width = heights[0], widths[0]
    tall, wide = scaled_alike(style[0], style[1], tf.maximum(height, width), size)
    again = f" and {passes - 1} more passes" if passes > 1 else ""
    return [
        require(
            tf.minimum(height, width) >= MIN_SIDE,
            f"the coarsest scale is {{}} x {{}} pixels; expected sides of at least {MIN_SIDE}: use another content",
            width,
            height,
        ),
        require(
            tf.minimum(tall, wide) >= MIN_SIDE,
            f"style: at the coarsest scale it is {{}} x {{}} pixels; expected sides of at least {MIN_SIDE}: "
            "use another style",
            wide,
            tall,
        ),
        require(
            steps >= scales + passes - 1,
            f"{{}} steps for {{}} scales{again}; expected at least one for each",
            steps,
            scales,
        ),
    ]


def _halved(side: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
    return tf.maximum(1, tf.cast(tf.round(tf.cast(side, tf.float64) / 2.0 ** tf.cast(times, tf.float64)), tf.int32))
