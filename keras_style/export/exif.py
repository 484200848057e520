"""The orientation in a JPEG's EXIF data, read and applied inside a graph."""

from typing import Any

from keras_style.internal.tensorflow import tf

_SEARCHED = 2 * 65536  # bytes: the segment that holds it stands first, and has 65,533 at most
_START = b"Exif\0\0"
_TAG = 0x0112
_PADDING = 64


def orientation(data: Any) -> Any:
    """1 to 8, as EXIF counts; 1 where there is none or it is broken.

    Args:
        data: a JPEG file, a string scalar.

    Reference: CIPA DC-008, Exif 2.32, section 4.6.4 and annex of TIFF fields.
    """
    values = tf.io.decode_raw(tf.strings.substr(data, 0, _SEARCHED), tf.uint8)
    values = tf.pad(tf.cast(values, tf.int32), [[0, _PADDING]])
    last = tf.size(values) - 1  # a zero, which stands for all that lies behind the end

    count = tf.size(values) - len(_START)
    places = tf.reduce_all(tf.stack([values[k : k + count] == byte for k, byte in enumerate(_START)]), axis=0)
    found = tf.concat([tf.where(places)[:, 0], [tf.cast(last, tf.int64)]], axis=0)[0]
    start = tf.cast(found, tf.int32) + len(_START)

    def at(offset: Any) -> Any:
        return tf.gather(values, tf.clip_by_value(start + offset, 0, last))

    little = at(0) == ord("I")

    def number(offset: Any) -> Any:
        """Two bytes."""
        first, second = at(offset), at(offset + 1)
        return tf.where(little, first + 256 * second, 256 * first + second)

    # Four bytes, of which all but the lower two are zero in a segment of 64 KB.
    directory = tf.where(little, number(4), number(6))
    entries = directory + 2 + 12 * tf.range(number(directory))
    values_of_tag = tf.boolean_mask(number(entries + 8), number(entries) == _TAG)
    value = tf.concat([values_of_tag, [1]], axis=0)[0]
    return tf.where((value >= 1) & (value <= 8), value, 1)


def upright(image: Any, orientation: Any) -> Any:
    """An image (H, W, C) turned and mirrored as its orientation says."""

    def turned() -> Any:
        across = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        for axis, mirrored in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
            wanted = tf.reduce_any(orientation == tf.constant(mirrored))
            across = tf.cond(wanted, lambda x=across, a=axis: tf.reverse(x, [a]), lambda x=across: x)
        return across

    return tf.cond(orientation > 1, turned, lambda: image)
