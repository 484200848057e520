"""The scans and segments of a JPEG file, counted inside a graph without decoding any."""

from typing import Any

from keras_style.export.limits import MAX_JPEG_SCANS, MAX_JPEG_SEGMENTS
from keras_style.internal.tensorflow import tf

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_PADDING = 4


def jpeg_parts(data: Any) -> tuple[Any, Any]:
    """Numbers of scans and of segments up to the file's end, as the decoder finds them.

    It goes from marker to marker by the length behind each, so that nothing counts that stands inside a profile or
    behind the end, where telephones put a film. It stops where one number is beyond its limit.

    Args:
        data: a JPEG file, a string scalar.

    Returns:
        int64 scalars.

    Reference: ITU-T T.81, annex B.1.1.
    """
    values = tf.pad(tf.io.decode_raw(data, tf.uint8), [[0, _PADDING]])
    codes = values[1:]
    # Behind 0xFF: 0 is a value 0xFF, 0xFF fills, and 1 and 0xD0 to 0xD7 stand alone.
    is_marker = (values[:-1] == 0xFF) & (codes > 1) & (codes < 0xFF) & ((codes < 0xD0) | (codes > 0xD7))
    places = tf.where(is_marker)[:, 0]
    count = tf.size(places, tf.int64)

    def number(place: Any) -> Any:
        return tf.cast(values[place], tf.int64)

    def go_on(index: Any, scans: Any, segments: Any) -> Any:
        return (index < count) & (scans <= MAX_JPEG_SCANS) & (segments <= MAX_JPEG_SEGMENTS)

    def step(index: Any, scans: Any, segments: Any) -> tuple[Any, Any, Any]:
        place = places[index]
        code = number(place + 1)
        length = tf.where(code == _START, tf.constant(0, tf.int64), 256 * number(place + 2) + number(place + 3))
        following = tf.searchsorted(places, [place + 2 + length], out_type=tf.int64)[0]
        return (
            tf.where(code == _END, count, following),
            scans + tf.cast(code == _SCAN, tf.int64),
            segments + 1,
        )

    zero = tf.constant(0, tf.int64)
    _, scans, segments = tf.while_loop(go_on, step, (zero, zero, zero), parallel_iterations=1)
    return scans, segments
