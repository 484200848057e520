"""The first frame of a GIF, cut out inside a graph.

TensorFlow's decoder allocates all frames of a file, of which a small file can have thousands.
"""

from typing import Any

from keras_style.internal.tensorflow import tf

_EXTENSION, _IMAGE = 0x21, 0x2C
_TRAILER = b"\x3b"
_MAX_BLOCKS = 200_000  # of 255 bytes, more than the limit of a file holds; many short ones would only take time


def first_frame(data: Any) -> tuple[Any, Any, Any, Any]:
    """A GIF that ends after its first frame, height and width of that frame, and whether it was there as a whole.

    Args:
        data: a string scalar that starts as a GIF does.

    Reference: GIF89a Specification, CompuServe 1990, sections 15 to 26.
    """
    end = tf.strings.length(data)
    values = tf.pad(tf.io.decode_raw(data, tf.uint8), [[0, 1]])

    def at(position: Any) -> Any:
        return tf.cast(values[tf.minimum(position, end)], tf.int32)  # a zero behind the end

    def table(flags: Any) -> Any:
        """Bytes of a color table."""
        return tf.where(flags >= 0x80, 3 * tf.bitwise.left_shift(2, flags % 8), 0)

    def is_open(position: Any, in_blocks: Any, frame: Any) -> Any:
        return (position < end) & (in_blocks | (frame < 0))

    def step(position: Any, in_blocks: Any, frame: Any) -> tuple[Any, Any, Any]:
        """Over one sub-block, or over the start of an extension or image."""
        value = at(position)
        is_image = ~in_blocks & (value == _IMAGE)
        is_extension = ~in_blocks & (value == _EXTENSION)
        to_blocks = tf.where(is_image, 11 + table(at(position + 9)), tf.where(is_extension, 2, end))
        return (
            position + tf.where(in_blocks, 1 + value, to_blocks),  # behind the end at the trailer, or at damage
            tf.where(in_blocks, value != 0, is_image | is_extension),
            tf.where(is_image, position, frame),
        )

    start = 13 + table(at(10))
    position, in_blocks, frame = tf.while_loop(
        is_open,
        step,
        (start, tf.constant(False), tf.constant(-1)),
        parallel_iterations=1,
        maximum_iterations=_MAX_BLOCKS,
    )
    cut = tf.strings.join([tf.strings.substr(data, 0, tf.minimum(position, end)), _TRAILER])
    height, width = (at(frame + low) + 256 * at(frame + low + 1) for low in (7, 5))
    return cut, height, width, (frame >= 0) & ~in_blocks & (position <= end)
