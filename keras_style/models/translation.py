"""Pictures of any size through a generator: [0, 1] in, [0, 1] out."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast, overload

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.images import ImageLike, load
from keras_style.runtime import keras, tf

# By generator, and by whether XLA compiles: the weights when it was traced, and the function.
_traced: weakref.WeakKeyDictionary[Any, dict[bool, tuple[list[np.ndarray], Callable]]] = weakref.WeakKeyDictionary()


@overload
def translate(generator: Any, images: ImageLike, batch_size: int = 1, *, jit_compile: bool = False) -> np.ndarray: ...
@overload
def translate(
    generator: Any, images: Sequence[ImageLike], batch_size: int = 1, *, jit_compile: bool = False
) -> list[np.ndarray]: ...
def translate(
    generator: Any, images: ImageLike | Sequence[ImageLike], batch_size: int = 1, *, jit_compile: bool = False
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

    Returns:
        float32 in [0, 1]: (H, W, 3) for one picture, (N, H, W, 3) for an array of them, a list of (H, W, 3) for a list.

    Raises:
        MissingFileError: a file does not exist.
        InputError: a picture cannot be read, another argument is not as above, or the generator answers in another
            shape than it was asked in.

    Example:
        >>> painted = keras_style.models.translate(generator, "photo.jpg")
    """
    batch_size = checks.whole("batch_size", batch_size, 1, 10**6)
    jit_compile = checks.truth("jit_compile", jit_compile)
    if getattr(generator, "channels", 3) != 3:
        raise InputError(f"generator takes images of {generator.channels} channels; expected one of RGB images")
    run = _function(generator, jit_compile)
    multiple = getattr(generator, "multiple", 1)
    if isinstance(images, list | tuple) or (isinstance(images, np.ndarray) and images.ndim == 4):
        pictures = [load(image, name=f"images[{index}]") for index, image in enumerate(images)]
        results = _translated(run, pictures, multiple, batch_size, fill=jit_compile)
        return np.array(results, np.float32).reshape(images.shape) if isinstance(images, np.ndarray) else results
    return _translated(run, [load(cast(ImageLike, images))], multiple, 1, fill=False)[0]


def _function(generator: Any, jit_compile: bool) -> Callable:
    if not isinstance(generator, keras.Model):
        raise InputError(f"generator is of type {type(generator).__name__}; expected a Keras model")
    # As constants, oneDNN lays the weights out for its fastest convolution; XLA only compiles longer with them.
    weights = [] if jit_compile else [_view(variable) for variable in generator.weights]
    traced = _traced.setdefault(generator, {})
    if jit_compile in traced:
        before, function = traced[jit_compile]
        if all(map(_equal, before, weights)):
            return function
    reference = weakref.ref(generator)  # a strong one would keep the generator in `_traced` forever

    def run(images: Any) -> Any:
        model: Any = reference()
        constants = [(variable, tf.constant(value)) for variable, value in zip(model.weights, weights, strict=False)]
        with keras.StatelessScope(constants):
            return model(images, training=False)

    # Batches of any number, as in an export: one that is known to be 1 is normalized by another operation, 1e-4 away.
    signature = None if jit_compile else [tf.TensorSpec((None, None, None, 3), tf.float32)]
    traced[jit_compile] = weights, tf.function(run, input_signature=signature, jit_compile=jit_compile)
    return traced[jit_compile][1]


def _view(variable: keras.Variable) -> np.ndarray:
    """The variable's value, without a copy on a CPU, where TensorFlow does not write to it while it is held."""
    return np.asarray(memoryview(tf.convert_to_tensor(variable.value)))


def _equal(before: np.ndarray, now: np.ndarray) -> bool:
    return before.ctypes.data == now.ctypes.data or np.array_equal(before, now)


def _translated(
    run: Callable, pictures: list[np.ndarray], multiple: int, batch_size: int, fill: bool
) -> list[np.ndarray]:
    results: list[Any] = [None] * len(pictures)
    for indices in _batches(pictures, multiple, batch_size):
        batch = np.stack([_extended(pictures[index], multiple) for index in indices])
        if fill and len(indices) < batch_size:  # another batch size would be compiled anew
            batch = np.concatenate([batch, np.zeros((batch_size - len(indices), *batch.shape[1:]), np.float32)])
        answer = np.asarray(run(tf.constant(batch * 2 - 1)), np.float32)
        if answer.shape != batch.shape:
            raise InputError(
                f"the generator answers images of shape {batch.shape} with {answer.shape}; expected the same shape"
            )
        for index, translated in zip(indices, answer, strict=False):
            height, width, _ = pictures[index].shape
            results[index] = (translated[:height, :width] / 2 + 0.5).clip(0, 1)
    return results


def _batches(pictures: list[np.ndarray], multiple: int, batch_size: int) -> Iterator[list[int]]:
    """Indices of pictures that have one extended size, at most `batch_size` at a time."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        size = tuple(-(-side // multiple) for side in picture.shape[:2])
        groups.setdefault(size, []).append(index)
    for group in groups.values():
        yield from (group[start : start + batch_size] for start in range(0, len(group), batch_size))


def _extended(picture: np.ndarray, multiple: int) -> np.ndarray:
    height, width, _ = picture.shape
    # NumPy reflects again where the padding is wider than the picture.
    return np.pad(picture, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
