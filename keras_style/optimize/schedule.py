"""The schedule of scales: from a small picture, where strokes are placed, to the full one, where they are drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_style import checks
from keras_style.errors import InputError
from keras_style.images import MIN_SIDE, fitted_size

COARSEST = 128  # long side, in pixels: below it VGG's deepest layers have next to no positions left


@dataclass(frozen=True)
class Stage:
    """One scale: the size of the picture there, the number of steps, and the pass, counted from 1."""

    height: int
    width: int
    steps: int
    in_pass: int = 1

    @property
    def long_side(self) -> int:
        return max(self.height, self.width)


def schedule(
    height: int,
    width: int,
    scales: int | Sequence[int] | None,
    steps: int,
    passes: int = 1,
    beside: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[Stage, ...]:
    """Stages from coarse to fine; the last one has the size of the result, as has every pass after the first.

    Args:
        height, width: of the result, in pixels.
        scales: their number, each twice as large as the one before; or their long sides; None: as many as keep the
            coarsest at `COARSEST` pixels or a little more, and every side at `MIN_SIDE` or more.
        steps: in all; shared equally, the remainder going to the coarsest.
        passes: times that the picture is gone through.
        beside: `{name: (height, width)}` at the last scale of the images that are scaled with the picture.

    Raises:
        InputError: a scale is too small, for the picture or an image beside it, larger than the result, out of
            order, or there are more scales than steps.
    """
    size = max(height, width)
    beside = beside or {}

    def smallest_side(coarsest: tuple[int, int]) -> int:
        others = [scaled_alike(*image, max(coarsest), size) for image in beside.values()]
        return min(min(sides) for sides in (coarsest, *others))

    if scales is None:
        allowed = 1 + max(0, round(math.log2(size / COARSEST)))
        while allowed > 1 and (
            smallest_side(_halved(height, width, allowed - 1)) < MIN_SIDE or allowed > steps - (passes - 1)
        ):
            allowed -= 1
        scales = allowed
    scales = checks.scales("scales", scales)
    if isinstance(scales, int):
        sizes = [_halved(height, width, scales - 1 - index) for index in range(scales)]
    else:
        if not scales or scales != sorted(set(scales)) or scales[-1] != size:
            raise InputError(f"scales are {scales}; expected increasing long sides, the last one {size}")
        sizes = [(height, width) if side == size else fitted_size(height, width, side) for side in scales]
    if min(sizes[0]) < MIN_SIDE:
        raise InputError(
            f"the coarsest scale is {sizes[0][1]} x {sizes[0][0]} pixels; expected sides of at least {MIN_SIDE}: "
            "use a larger size or fewer scales"
        )
    for name, image in beside.items():
        tall, wide = scaled_alike(*image, max(sizes[0]), size)
        if min(tall, wide) < MIN_SIDE:
            raise InputError(
                f"{name}: at the coarsest scale it is {wide} x {tall} pixels; expected sides of at least {MIN_SIDE}: "
                "use a larger image or fewer scales"
            )
    stages = [*((*side, 1) for side in sizes), *((*sizes[-1], number) for number in range(2, passes + 1))]
    if steps < len(stages):
        again = f" and {passes - 1} more passes" if passes > 1 else ""
        raise InputError(f"{steps} steps for {len(sizes)} scales{again}; expected at least one for each")
    share, rest = divmod(steps, len(stages))
    return tuple(Stage(tall, wide, share + (index < rest), number) for index, (tall, wide, number) in enumerate(stages))


def scaled_alike(height: int, width: int, long_side: int, last: int) -> tuple[int, int]:
    """(height, width) of an image that belongs to a picture of long side `last`, at the scale of `long_side`."""
    return fitted_size(height, width, max(1, round(max(height, width) * long_side / last)))


def _halved(height: int, width: int, times: int) -> tuple[int, int]:
    return max(1, round(height / 2**times)), max(1, round(width / 2**times))
