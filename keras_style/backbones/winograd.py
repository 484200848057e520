"""Convolutions of frozen 3 x 3 kernels with a quarter of the multiplications: Winograd's minimal filtering.

A tile of 4 x 4 outputs is computed from 6 x 6 inputs at six points in each direction, where a convolution is a product:
36 multiplications for each pair of channels, instead of 144. All tiles together are 36 products of matrices, which is
what a processor does best; on the way there and back are gathers and products with matrices of six rows.

Rounding errors in float32 are some 2e-6 of the result's root mean square, five times those of a direct convolution.
Tiles of 6 x 6 outputs would take a sixth less time, but their errors are three times as large, and windows of an image
that start at multiples of 16 pixels would have other tiles, and other errors, than the whole image.

Reference: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, §4.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.internal.with_gradient import with_gradient

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]

_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # and infinity; of those tried, with the least rounding
_TAPS = 3
_MANY = 16 * 16  # positions; with fewer, the transformed kernels are more to read than is saved
_INPUTS = len(_POINTS) + 1  # of a tile, to each side
_OUTPUTS = _INPUTS - _TAPS + 1


def _at_points(coefficients: int) -> np.ndarray:
    """The matrix from a polynomial's coefficients to its values at the points; at infinity, its last coefficient."""
    return np.vstack([np.vander(_POINTS, coefficients, increasing=True), np.eye(coefficients)[-1]])


# y = A' [(G g) * (B' d)] of inputs d, kernel g and outputs y, in one direction.
_KERNEL = _at_points(_TAPS)  # G
_TILE = np.linalg.inv(_at_points(_INPUTS)).T  # B'
_RESULT = _at_points(_OUTPUTS).T  # A'


class Filters(NamedTuple):
    """A frozen kernel as `convolve` takes it.

    Attributes:
        kernel: (3, 3, in, out).
        at_points: (36, in, out), at the points of both directions.
    """

    kernel: tf.Tensor
    at_points: tf.Tensor


def prepare(kernel: np.ndarray, dtype: tf.DType) -> Filters:
    """The kernel (3, 3, in, out), transformed."""
    constant = tf.constant(kernel, dtype)
    both = tf.constant(np.kron(_KERNEL, _KERNEL), dtype)
    at_points = both @ tf.reshape(constant, [_TAPS**2, -1])
    return Filters(constant, tf.reshape(at_points, [_INPUTS**2, *kernel.shape[2:]]))


def pays(images: tf.Tensor) -> bool | None:
    """Whether there are positions enough for `convolve` to be faster; None: not known before the graph runs."""
    positions = images.shape[:3].num_elements()
    return None if positions is None else positions >= _MANY


def convolve(images: tf.Tensor, filters: Filters) -> tf.Tensor:
    """`tf.nn.conv2d(images, kernel, 1, "SAME")`, with its gradient by the images.

    Args:
        images: (B, H, W, in); if sides are not known, it is decided when the graph runs whether this pays.
        filters: the kernel, prepared.
    """

    def so() -> tf.Tensor:
        return _frozen(images, filters.at_points, *_places(images))

    def directly() -> tf.Tensor:
        return tf.nn.conv2d(images, filters.kernel, 1, "SAME")

    known = pays(images)
    if known is None:
        made = tf.cond(tf.reduce_prod(tf.shape(images)[:3]) >= _MANY, so, directly)
    else:
        made = so() if known else directly()
    return tf.ensure_shape(made, [*images.shape[:3], filters.kernel.shape[-1]])


def _places(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the inputs of the tiles are in the padded images, (6, 6, B, down, across), and each output in the tiles'.

    In a graph that is traced for one size they are constants.
    """
    known = images.shape.is_fully_defined()
    batch, height, width, _ = images.shape if known else tf.unstack(tf.shape(images))
    count = functools.partial(np.arange, dtype=np.int32) if known else tf.range
    down, across = -(-height // _OUTPUTS), -(-width // _OUTPUTS)
    rows, columns = down * _OUTPUTS + 2, across * _OUTPUTS + 2
    row = (_OUTPUTS * count(down))[:, None] + count(_INPUTS)[:, None, None, None, None]
    column = _OUTPUTS * count(across) + count(_INPUTS)[:, None, None, None]
    inputs = (count(batch)[:, None, None] * rows + row) * columns + column

    row, column = count(height)[:, None], count(width)
    tile = (count(batch)[:, None, None] * down + row // _OUTPUTS) * across + column // _OUTPUTS
    outputs = (row % _OUTPUTS * _OUTPUTS + column % _OUTPUTS) * (batch * down * across) + tile
    return tf.convert_to_tensor(inputs), tf.convert_to_tensor(outputs)


@with_gradient
def _frozen(
    images: tf.Tensor, at_points: tf.Tensor, inputs: tf.Tensor, outputs: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    def pull(slope: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        return _convolve(slope, at_points, inputs, outputs, turned=True), None, None, None

    return _convolve(images, at_points, inputs, outputs), pull


def _convolve(
    x: tf.Tensor, kernel: tf.Tensor, inputs: tf.Tensor, outputs: tf.Tensor, turned: bool = False
) -> tf.Tensor:
    """`turned`: by the kernel turned by 180 degrees, from its outputs to its inputs, as a gradient goes.

    To turn the kernel is to turn each tile before and after.
    """
    tile, result = (_TILE[:, ::-1], _RESULT[::-1]) if turned else (_TILE, _RESULT)
    channels, filters = tf.shape(x)[-1], tf.shape(kernel)[1 if turned else 2]
    _, _, batch, down, across = tf.unstack(tf.shape(inputs))
    tiles = batch * down * across

    sides = tf.stack([down, across]) * _OUTPUTS + 1 - tf.shape(x)[1:3]
    padded = tf.pad(x, [[0, 0], [1, sides[0]], [1, sides[1]], [0, 0]])
    seen = tf.gather(tf.reshape(padded, [-1, channels]), inputs)
    at_points = tf.reshape(_both_ways(tile, seen, tiles * channels), [_INPUTS**2, tiles, channels])
    products = tf.matmul(at_points, kernel, transpose_b=turned)
    made = tf.reshape(_both_ways(result, products, tiles * filters), [-1, filters])
    return tf.gather(made, outputs)


def _both_ways(matrix: np.ndarray, values: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """`matrix` times the first axis, and times the second, of `values` as (6, 6, count)."""
    once = tf.constant(matrix, values.dtype)
    along_rows = once @ tf.reshape(values, [_INPUTS, _INPUTS * count])
    return once @ tf.reshape(along_rows, [len(matrix), _INPUTS, count])
