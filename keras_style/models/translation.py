"""Pictures of any size through a generator: [0, 1] in, [0, 1] out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast, overload

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.images import MIN_SIDE, ImageLike, load, resize
from keras_style.images.color import YIQ_LUMINANCE
from keras_style.internal import environment
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.frozen import frozen
from keras_style.models.strips import Strips


@overload
def translate(
    generator: Any,
    images: ImageLike,
    batch_size: int = 1,
    *,
    jit_compile: bool = False,
    tile: int | None = None,
    width: int | None = None,
) -> np.ndarray: ...
@overload
def translate(
    generator: Any,
    images: Sequence[ImageLike],
    batch_size: int = 1,
    *,
    jit_compile: bool = False,
    tile: int | None = None,
    width: int | None = None,
) -> list[np.ndarray]: ...
def translate(
    generator: Any,
    images: ImageLike | Sequence[ImageLike],
    batch_size: int = 1,
    *,
    jit_compile: bool = False,
    tile: int | None = None,
    width: int | None = None,
) -> np.ndarray | list[np.ndarray]:
    """Translate pictures with a generator.

    Each picture is extended by reflection, at the bottom and on the right, to the next size that the generator takes,
    and the result is cropped back. Pictures of one extended size go through it together, `batch_size` at a time.

    A stream of mixed sizes costs nothing extra without XLA: the generator is traced once for all sizes and calls,
    until its weights change. With `jit_compile=True` every extended size is compiled, which
    takes as long as dozens of pictures.

    Args:
        generator: a Keras model from images (B, H, W, 3) in [-1, 1] to images of the same shape. Its attribute
            `multiple` says what H and W must be multiples of; without one, any size is taken to fit.
        images: a picture (path, binary file object, PIL image or array (H, W, 3), uint8 or floating point in [0, 1]),
            an array (N, H, W, 3) of them, or a list of pictures of any sizes.
        batch_size: pictures at a time.
        jit_compile: compile with XLA, for many pictures of few sizes, where a measurement says that it pays.
        tile: for pictures larger than memory, with a `ResNetGenerator` or a `FastStyleGenerator`: higher ones go
            through in strips of this many rows, one picture at a time, with the statistics of the whole picture: the
            same answer up to rounding. Its maps at a quarter of the resolution are kept, up to three at a time, which
            is 192 bytes for each pixel with 64 filters; what lies before and behind them is computed again, which is an
            eighth more arithmetic with nine blocks, and some rows at the edges of strips. None: every picture at once.
        width: in pixels, to which each picture is resized first; its aspect stays. The paper has 512 for photographs
            from paintings. None: pictures as they are.

    Returns:
        float32 in [0, 1]: (H, W, 3) for one picture, (N, H, W, 3) for an array of them, a list of (H, W, 3) for a list.
        A generator of gray images, which are the luminance of pictures, gives three equal channels.

    Raises:
        MissingFileError: a file does not exist.
        InputError: a picture cannot be read, another argument is not as above, the generator answers in another shape
            than it was asked in, or has layers that cannot be computed in strips, with a tile.

    Example:
        >>> generator = keras_style.models.open_generator("satellite_to_relief")
        >>> relief = keras_style.models.translate(generator, "satellite.png")
    """
    environment.check_process()
    batch_size = checks.whole("batch_size", batch_size, 1, 10**6)
    jit_compile = checks.truth("jit_compile", jit_compile)
    if tile is not None:
        tile = checks.whole("tile", tile, 1, 10**9)
        if jit_compile:
            raise InputError(f"tile={tile} with jit_compile=True, which compiles for each strip; expected one of them")
    if width is not None:
        width = checks.whole("width", width, MIN_SIDE, 2**15)
    if getattr(generator, "channels", 3) not in (1, 3):
        raise InputError(f"generator takes images of {generator.channels} channels; expected RGB or gray images")
    run = _function(generator, jit_compile)
    strips = None if tile is None else Strips(generator, tile)
    multiple = getattr(generator, "multiple", 1)

    def prepared(picture: np.ndarray) -> np.ndarray:
        if width is not None:
            picture = resize(picture, max(MIN_SIDE, round(picture.shape[0] * width / picture.shape[1])), width)
        gray = getattr(generator, "channels", 3) == 1
        return picture @ np.array(YIQ_LUMINANCE, np.float32)[:, None] if gray else picture

    if isinstance(images, list | tuple) or (isinstance(images, np.ndarray) and images.ndim == 4):
        pictures = [prepared(load(image, name=f"images[{index}]")) for index, image in enumerate(images)]
        results = _translated(run, pictures, multiple, batch_size, jit_compile, strips)
        if not isinstance(images, np.ndarray):
            return results
        return np.array(results, np.float32) if results else np.zeros(images.shape, np.float32)
    return _translated(run, [prepared(load(cast(ImageLike, images)))], multiple, 1, False, strips)[0]


def _function(generator: Any, jit_compile: bool) -> Callable:
    if not isinstance(generator, keras.Model):
        raise InputError(f"generator is of type {type(generator).__name__}; expected a Keras model")
    # Batches of any number, as in an export: one that is known to be 1 is normalized by another operation, 1e-4 away.
    shape = (None, None, None, getattr(generator, "channels", 3))
    signature = None if jit_compile else [tf.TensorSpec(shape, tf.float32)]
    return frozen(generator, jit_compile, lambda model, images: model(images, training=False), signature, jit_compile)


def _translated(
    run: Callable, pictures: list[np.ndarray], multiple: int, batch_size: int, fill: bool, strips: Strips | None
) -> list[np.ndarray]:
    results: list[Any] = [None] * len(pictures)
    at_once = list(range(len(pictures)))
    if strips:
        at_once = [index for index in at_once if pictures[index].shape[0] <= strips.rows]
        for index in set(range(len(pictures))).difference(at_once):
            picture = _extended(pictures[index], multiple) * 2 - 1
            results[index] = _cropped(_checked(strips(picture), picture.shape), pictures[index])
    for indices in _batches(pictures, at_once, multiple, batch_size):
        batch = np.stack([_extended(pictures[index], multiple) for index in indices])
        if fill and len(indices) < batch_size:  # another batch size would be compiled anew
            batch = np.concatenate([batch, np.zeros((batch_size - len(indices), *batch.shape[1:]), np.float32)])
        answer = _checked(np.asarray(run(tf.constant(batch * 2 - 1)), np.float32), batch.shape)
        for index, translated in zip(indices, answer, strict=False):
            results[index] = _cropped(translated, pictures[index])
    return results


def _checked(answer: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if answer.shape != shape:
        raise InputError(f"the generator answers images of shape {shape} with {answer.shape}; expected the same shape")
    return answer


def _cropped(answer: np.ndarray, picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    cropped = (answer[:height, :width].astype(np.float32, copy=False) / 2 + 0.5).clip(0, 1)
    return cropped if cropped.shape[-1] == 3 else np.repeat(cropped, 3, axis=-1)


def _batches(pictures: list[np.ndarray], indices: list[int], multiple: int, batch_size: int) -> Iterator[list[int]]:
    """Batches of `indices` whose pictures have one extended size, at most `batch_size` in each."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index in indices:
        size = tuple(-(-side // multiple) for side in pictures[index].shape[:2])
        groups.setdefault(size, []).append(index)
    for group in groups.values():
        yield from (group[start : start + batch_size] for start in range(0, len(group), batch_size))


def _extended(picture: np.ndarray, multiple: int) -> np.ndarray:
    height, width, _ = picture.shape
    # NumPy reflects again where the padding is wider than the picture.
    return np.pad(picture, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
