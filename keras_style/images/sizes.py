"""Sizes and values that an image may have, and resizing."""

import os

import numpy as np
from PIL import Image

from keras_style import checks
from keras_style.errors import InputError

MIN_SIDE = 16  # pixels: four poolings, as in VGG, leave a single one
MAX_PIXELS = 100_000_000  # height times width: 1.2 GB of float32 RGB, and up to 0.4 GB of the decoded file
LIMIT = "KERAS_STYLE_MAX_PIXELS"  # the environment variable that sets another limit
GRID = np.float32(2**16)  # results of Python and of exported graphs are rounded to 1 / GRID, so that their bits agree


def max_pixels() -> int:
    """The pixels that an image may have: what the environment variable `LIMIT` says, or else `MAX_PIXELS`.

    Raises:
        InputError: the variable is no whole number above 0.
    """
    given = os.environ.get(LIMIT, "").strip()
    if not given:
        return MAX_PIXELS
    if not given.isdecimal() or len(given) > 18 or not int(given):
        raise InputError(f"{LIMIT} is {checks.shown(given)}; expected a whole number of pixels, such as {MAX_PIXELS}")
    return int(given)


def check_size(height: int, width: int, name: str, source: str) -> None:
    """Refuse an image with a side below `MIN_SIDE` or more than `max_pixels()`; the error begins with the names."""
    if min(height, width) < MIN_SIDE:
        raise InputError(
            f"{name}: {source} is {width} x {height} pixels (width x height); expected at least {MIN_SIDE} on each side"
        )
    if height * width > (limit := max_pixels()):
        raise InputError(
            f"{name}: {source} is {width} x {height} pixels (width x height), {height * width:,} in all; "
            f"expected at most {limit:,} (the environment variable {LIMIT} sets another limit)"
        )


def check_range(values: np.ndarray, low: int, high: int, label: str) -> None:
    """Refuse values that are not finite or lie outside [low, high]; the error begins with `label`."""
    smallest, largest = values.min(), values.max()
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        raise InputError(f"{label}: NaN or infinite values; expected finite ones in [{low}, {high}]")
    if smallest < low or largest > high:
        raise InputError(f"{label}: values from {smallest} to {largest}; expected [{low}, {high}]")


def fitted_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """(height, width) in pixels, scaled so that the longer is `long_side`; the shorter is rounded, and at least 1.

    Raises:
        InputError: a number is below 1.
    """
    if min(height, width, long_side) < 1:
        raise InputError(f"height {height}, width {width}, long side {long_side}; expected at least 1 pixel each")
    longest = max(height, width)

    def scaled(side: int) -> int:
        return max(1, (2 * side * long_side + longest) // (2 * longest))  # exact, and halves go up

    return scaled(height), scaled(width)


def fit(image: np.ndarray, long_side: int) -> np.ndarray:
    """`resize` so that the long side has `long_side` pixels and the aspect stays.

    Args:
        image: (height, width, channels) in [0, 1].
        long_side: pixels of the longer side of the result.

    Raises:
        InputError: `long_side` is below 1.
    """
    height, width = image.shape[:2]
    return resize(image, *fitted_size(height, width, long_side))


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased resize: a Lanczos window of three lobes, as wide as the reduction asks for.

    Args:
        image: (height, width, channels) in [0, 1], any number of channels.
        height: pixels.
        width: pixels.

    Returns:
        float32 (height, width, channels), clipped to [0, 1] because Lanczos overshoots at edges, in multiples of
        1 / `GRID`; `image` itself where it has the size already.

    Raises:
        InputError: `image` is not (height, width, channels) or a side is below 1.
    """
    if image.ndim != 3:
        raise InputError(f"resize: an array of shape {image.shape}; expected (height, width, channels)")
    if min(height, width) < 1:
        raise InputError(f"resize: to height {height} and width {width}; expected at least 1 pixel each")
    if image.shape[:2] == (height, width):
        return image
    channels = np.moveaxis(image, -1, 0).astype(np.float32, order="C")
    across = [_resized(channel, channel.shape[0], width) for channel in channels]
    stacked: np.ndarray = np.stack([_resized(channel, height, width) for channel in across], axis=-1)
    return stacked.clip(0, 1)


def _resized(channel: np.ndarray, height: int, width: int) -> np.ndarray:
    """Rounded to `GRID`, so that an exported graph, which adds up in another order, has the same bits."""
    if channel.shape == (height, width):
        return channel
    exact = np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.LANCZOS))
    rounded: np.ndarray = np.round(exact * GRID) / GRID
    return rounded
