"""Region masks: a label image, or one mask per region, becomes the weight of every region at every pixel.

The weights of all regions add up to one at every pixel, whatever size they are brought to.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image

from keras_style import checks, images
from keras_style.errors import InputError
from keras_style.images import ImageLike

Masks: TypeAlias = ImageLike | Mapping[str, ImageLike] | Sequence[ImageLike]
Regions: TypeAlias = Mapping[str, np.ndarray]  # the weights of each, which add up to one at every pixel

UNCOVERED = "uncovered"  # the region of the pixels that no mask covers
MAX_LABELS = 64  # ours: far above what people paint, far below what smoothing makes of it

_PROPORTIONS = 1.02  # ours: a few pixels cropped or padded somewhere, not another picture
_OVERLAP = 0.1  # ours: rounding to 8 bits adds 0.02 in ten masks, a pixel painted twice adds 1
_GAP = 0.5  # ours: more than half a pixel, which the borders of neighbors do not leave

_COLORS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX")
_NUMBERS = ("I;16", "I;16L", "I;16B", "I")
_LABEL_TEXT = "integers (height, width) or uint8 colors (height, width, 3 or 4)"
_MASK_TEXT = "(height, width): bool, uint8, other integers that are 0 or 1, or floating point in [0, 1]"


def load(masks: Masks, height: int, width: int, name: str = "content_masks") -> dict[str, np.ndarray]:
    """Read region masks for an image of height x width pixels.

    A single image is a label image: each of its colors is a region, called "#rrggbb", black as any other; gray levels
    are colors too, and so are the entries of a palette. An array of integers and a 16-bit gray image hold numbers
    instead, each a region called by its number. Borders must be hard: a label image of more than `MAX_LABELS` colors,
    or with a color that is nowhere 2 x 2 pixels large, was smoothed or compressed, and is refused.

    A mapping or list holds a gray mask for each region, white inside; in a list the regions are called "1", "2", and so
    on. Masks may be soft. Integers of which none is above 1 are zeros and ones, not levels.

    Files are read as photographs are: formats, limits and EXIF orientation. Values count as they are stored: color
    profiles are not applied. What is transparent lies outside of every region.

    A mask of another size than the image is averaged by area. Where masks add up to more than 1 by a tenth at most, or
    leave less than half of a pixel to none, as borders do, they are scaled to add up to 1. If more than half of any
    pixel is left, what is left everywhere is a region of its own, `UNCOVERED`.

    Args:
        masks: a label image, `{name of a region: mask}` or a list of masks. Each image is a path, a binary file object,
            a PIL image or an array.
        height: pixels of the image that the masks belong to.
        width: likewise.
        name: how errors call the masks, such as "style_masks".

    Returns:
        `{region: weights}`, float32 (height, width) in [0, 1], sorted by region with `UNCOVERED` last.

    Raises:
        MissingFileError: there is no such file.
        InputError: anything else is wrong with a mask, its proportions are not those of the image within 2 % or half a
            pixel, a region is empty, or two regions overlap.

    Example:
        >>> from keras_style.images import masks
        >>> sky = np.arange(40)[:, None] < np.full(60, 15)
        >>> {region: float(weights.mean()) for region, weights in masks.load({"sky": sky}, 20, 30).items()}
        {'sky': 0.375, 'uncovered': 0.625}
    """
    if isinstance(masks, Sequence) and not isinstance(masks, str | bytes):
        masks = {str(number): mask for number, mask in enumerate(masks, 1)}
    if isinstance(masks, Mapping):
        _check_names(masks, name)
        weights = {
            region: _weights(mask, height, width, f"{name}: region {region!r}") for region, mask in masks.items()
        }
    else:
        labels, regions, label = _labels(masks, name)
        _check_proportions(labels, height, width, label)
        weights = {region: resize(labels == value, height, width) for value, region in regions.items()}
    return _partition(weights, name)


def match(
    content: Mapping[str, np.ndarray],
    style: Mapping[str, np.ndarray],
    content_name: str = "content_masks",
    style_name: str = "style_masks",
) -> None:
    """Make sure that content and style have the same regions.

    Args:
        content: what `load` returned.
        style: likewise.
        content_name: how errors call the content's masks.
        style_name: how errors call the style's masks.

    Raises:
        InputError: a region is on one side only.
    """
    sides = {content_name: content.keys() - style.keys(), style_name: style.keys() - content.keys()}
    alone = [f"only {name} has {', '.join(map(repr, sorted(regions)))}" for name, regions in sides.items() if regions]
    if alone:
        about = f" ({UNCOVERED!r} is what no mask covers)" if UNCOVERED in content.keys() ^ style.keys() else ""
        raise InputError(f"{content_name}, {style_name}: {'; '.join(alone)}{about}; expected the same regions in both")


def merge(regions: Regions, into: Mapping[str, str]) -> Regions:
    """The regions with those that `into` names added to others, {region: other}, sorted again."""
    merged: dict[str, np.ndarray] = {}
    for region, weights in regions.items():
        name = into.get(region, region)
        merged[name] = merged[name] + weights if name in merged else weights
    return {region: merged[region] for region in sorted(merged, key=lambda region: (region == UNCOVERED, region))}


def mean_color(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean color (3,) of a region of an image (height, width, 3)."""
    return np.tensordot(weights, image, 2) / weights.sum()


def check_weights(name: str, weights: Mapping[str, float], regions: Regions | None) -> None:
    """Make sure that there is a weight of each region.

    Raises:
        InputError: a region has none, or there is one of a region that does not exist.
    """
    if weights.keys() != (regions or {}).keys():
        expected = f"one of each of {checks.listed(regions)}" if regions else "a number, since there are no masks"
        raise InputError(f"{name} is given of {checks.listed(weights)}; expected {expected}")


def shares(regions: Regions) -> dict[str, float]:
    """The share of the image that each region has, for people to read."""
    return {region: round(float(weights.mean()), 4) for region, weights in regions.items()}


def resize(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean over the area of each new pixel; unlike Lanczos, it keeps every region's share of the image.

    Args:
        mask: (height, width), bool or floating point in [0, 1].
        height: pixels.
        width: pixels.

    Returns:
        float32 (height, width) in [0, 1].
    """
    if mask.shape != (height, width):
        mask = _area_means(_area_means(mask, width).T, height).T
    return mask.astype(np.float32, order="C")


def at_layer(mask: np.ndarray, stride: int, shape: tuple[int, int], offset: int = 0) -> np.ndarray:
    """A mask at a layer of a network: the means over the pixels that each position owns, as `Layer` describes it.

    Args:
        mask: (height, width), floating point.
        stride: pixels from one position to the next.
        shape: rows and columns of the layer.
        offset: where the first position begins. Beyond its border, the mask goes on as at its border.

    Returns:
        `shape`, of the same dtype.
    """
    rows, columns = (
        np.clip(np.arange(count * stride) + offset, 0, side - 1) for count, side in zip(shape, mask.shape, strict=True)
    )
    mask = mask[np.ix_(rows, columns)]
    while stride > 1:
        step = 2 if stride % 2 == 0 else stride
        stride //= step
        height, width = (side // step for side in mask.shape)
        mask = mask.reshape(height, step, width, step).mean(axis=(1, 3))
    return mask


def _area_means(mask: np.ndarray, size: int) -> np.ndarray:
    """Means along the last axis over `size` equal parts, whose ends may lie within a pixel."""
    rows, count = mask.shape
    ends = np.arange(size + 1) * count / size
    whole = np.minimum(ends.astype(int), count - 1)
    sums = np.zeros((rows, count + 1))
    np.cumsum(mask, axis=1, dtype=np.float64, out=sums[:, 1:])
    areas = sums[:, whole] + (ends - whole) * mask[:, whole]
    return np.diff(areas, axis=1) * (size / count)


def _partition(weights: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Weights that add up to one, by rules that `load` documents."""
    total: np.ndarray = np.sum(list(weights.values()), axis=0)
    shared = np.count_nonzero(total > 1 + _OVERLAP)
    if shared:
        worst = np.unravel_index(total.argmax(), total.shape)
        first, second = sorted(sorted(weights, key=lambda region: weights[region][worst])[-2:])
        raise InputError(
            f"{name}: {first!r} and {second!r} overlap; of the {total.size:,} pixels {shared:,} belong to more than "
            "one region; expected masks that share no pixels"
        )
    weights = {region: weights[region] for region in sorted(weights)}
    left = 1 - total
    if (left > _GAP).any():
        weights[UNCOVERED] = left.clip(0)
        total = total.clip(1)
    return {region: weight / total for region, weight in weights.items()}


def _check_names(masks: Mapping[str, ImageLike], name: str) -> None:
    if not masks:
        raise InputError(f"{name} is empty; expected at least one mask")
    for region in masks:
        if not isinstance(region, str) or not region.strip():
            raise InputError(f"{name}: a region is called {checks.shown(region)}; expected a name, such as 'sky'")
        if region == UNCOVERED:
            raise InputError(f"{name}: {UNCOVERED!r} is what no mask covers; expected another name for a region")


def _check_proportions(mask: np.ndarray, height: int, width: int, label: str) -> None:
    rows, columns = mask.shape
    low, high = sorted((columns * height, rows * width))
    rounded = 2 * (high - low) <= max(rows, columns, height, width)  # half a pixel, which may be much of a narrow side
    if high > _PROPORTIONS * low and not rounded:
        raise InputError(
            f"{label} is {columns} x {rows} pixels (width x height) and its image {width} x {height}; "
            "expected the same proportions within 2 %"
        )


# Label images


def _labels(image: ImageLike, name: str) -> tuple[np.ndarray, dict[int, str], str]:
    """A number at every pixel, the region of each number unless it is transparent, and how errors call the image."""
    if isinstance(image, np.ndarray):
        label = f"{name}: an array of shape {image.shape} and dtype {image.dtype}"
        if image.ndim == 2 and _is_integer(image.dtype):
            _check_size(image, name)
            labels, regions = _numbered(image.astype(np.uint8) if image.dtype == bool else image, None, label)
        elif image.ndim == 3 and image.shape[-1] in (3, 4) and image.dtype == np.uint8:
            _check_size(image, name)
            labels, regions = _colored(Image.fromarray(image), label)
        else:
            raise InputError(f"{label}; expected {_LABEL_TEXT}, or one mask per region: {{name: mask}} or a list")
    else:
        decoded, label = images.decoded(image, name, "an array")
        if decoded.mode in _COLORS:
            labels, regions = _colored(decoded, label)
        elif decoded.mode in _NUMBERS:
            labels, regions = _numbered(np.asarray(decoded), decoded.info.get("transparency"), label)
        else:
            raise InputError(f"{label} has mode {decoded.mode}; accepted are {', '.join((*_COLORS, *_NUMBERS))}")
    if not regions:
        raise InputError(f"{label} is transparent everywhere; expected flat colors, each a region")
    return labels, regions, label


def _numbered(labels: np.ndarray, transparent: int | None, label: str) -> tuple[np.ndarray, dict[int, str]]:
    values = np.unique(labels).tolist()
    if len(values) > MAX_LABELS:
        raise InputError(f"{label} has {len(values):,} different labels; expected at most {MAX_LABELS}, each a region")
    return labels, {value: str(value) for value in values if value != transparent}


def _colored(image: Image.Image, label: str) -> tuple[np.ndarray, dict[int, str]]:
    rgba = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    labels: np.ndarray = rgba[..., 0].astype(np.int32)
    for channel in (1, 2):
        labels <<= 8
        labels |= rgba[..., channel]
    if rgba.shape[-1] == 4:
        alpha = rgba[..., 3]
        if ((alpha > 0) & (alpha < 255)).any():
            raise InputError(f"{label} has translucent pixels; expected opaque ones, or transparent ones in no region")
        labels[alpha == 0] = -1
    regions = {value: f"#{value:06x}" for value in np.unique(labels).tolist() if value >= 0}
    if len(regions) > MAX_LABELS:
        raise InputError(
            f"{label} has {len(regions):,} colors; expected at most {MAX_LABELS} flat ones, each a region: smoothing "
            "and JPEG compression make more, so save it as PNG without them"
        )
    thick = _thick(labels)
    thin = [region for value, region in regions.items() if value not in thick]
    if thin:
        raise InputError(
            f"{label} has {len(regions)} colors; {len(thin)} of them, such as {thin[0]}, cover nowhere 2 x 2 pixels, "
            "as smoothing and JPEG compression leave them; expected flat colors: save it as PNG without them, or give "
            "one mask per region: {name: mask} or a list"
        )
    return labels, regions


def _thick(labels: np.ndarray) -> set[int]:
    """The labels that fill a square of 2 x 2 pixels somewhere."""
    corner = labels[:-1, :-1]
    filled = (corner == labels[:-1, 1:]) & (corner == labels[1:, :-1]) & (corner == labels[1:, 1:])
    return set(np.unique(corner[filled]).tolist())


# One mask per region


def _weights(mask: ImageLike, height: int, width: int, name: str) -> np.ndarray:
    if isinstance(mask, np.ndarray):
        label = f"{name}: an array of shape {mask.shape} and dtype {mask.dtype}"
        weights = _from_array(mask, name, label)
    else:
        decoded, label = images.decoded(mask, name, "an array")
        weights = _from_image(decoded, label)
    if not weights.any():
        raise InputError(f"{label} is black everywhere: the region is empty; expected white inside of it")
    _check_proportions(weights, height, width, label)
    return resize(weights, height, width)


def _from_array(array: np.ndarray, name: str, label: str) -> np.ndarray:
    if array.ndim != 2 or not (_is_integer(array.dtype) or np.issubdtype(array.dtype, np.floating)):
        raise InputError(f"{label}; expected {_MASK_TEXT}")
    _check_size(array, name)
    if array.dtype == np.uint8:
        return _unit(array, 255)
    images.check_range(array, 0, 1, label)
    return array.astype(np.float32)


def _from_image(image: Image.Image, label: str) -> np.ndarray:
    """Gray in [0, 1], and 0 where it is transparent."""
    if image.mode in _COLORS:
        rgba = np.asarray(image.convert("RGBA"))
        gray, alpha = rgba[..., 0], rgba[..., 3]
        if ((gray != rgba[..., 1]) | (gray != rgba[..., 2]))[alpha > 0].any():
            raise InputError(f"{label} is colored; expected gray, white inside of the region, or one label image")
        return _unit(gray, 255) * (alpha / np.float32(255))
    values: np.ndarray = np.asarray(image)
    if image.mode == "F":
        images.check_range(values, 0, 1, f"{label} (mode F)")
        return values
    if image.mode not in _NUMBERS:
        raise InputError(f"{label} has mode {image.mode}; accepted are {', '.join((*_COLORS, *_NUMBERS, 'F'))}")
    images.check_range(values, 0, 65535, f"{label} (mode {image.mode})")
    return np.where(values == image.info.get("transparency", -1), np.float32(0), _unit(values, 65535))


def _unit(values: np.ndarray, white: int) -> np.ndarray:
    return values.astype(np.float32) / (white if values.max() > 1 else 1)


# Both


def _is_integer(dtype: np.dtype) -> bool:
    return dtype.kind in "biu"


def _check_size(array: np.ndarray, name: str) -> None:
    height, width = array.shape[:2]
    images.check_size(height, width, name, "the array")
