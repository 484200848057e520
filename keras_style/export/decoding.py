"""Image files to pixels inside a graph, with the limits checked before anything is decoded.

The pixels are those of `keras_style.images.load`, except that color profiles, which TensorFlow does not know, are not
applied.
"""

from typing import Any

from keras_style.export.exif import orientation, upright
from keras_style.export.graph_checks import refuse_unless
from keras_style.export.jpeg_parts import jpeg_parts
from keras_style.export.limits import MAX_JPEG_SCANS, MAX_JPEG_SEGMENTS, Limits
from keras_style.internal.tensorflow import tf

FORMATS = "JPEG, PNG or BMP"
_HEAD = 64  # bytes, more than the headers of PNG and BMP take
_PNG_GRAY = 0


def size_of(data: Any, name: str, limits: Limits) -> Any:
    """Height and width by the header, int64 (2,), of a file that `decode` takes; arguments and errors are those."""
    return _opened(data, name, limits)[1]


def decode(data: Any, name: str, limits: Limits) -> Any:
    """An image file as float32 RGB (H, W, 3) in [0, 1].

    JPEG (turned upright by its EXIF orientation), PNG (transparent pixels on white; 16-bit gray keeps its depth) and
    uncompressed BMP of 8, 24 or 32 bits.

    Args:
        data: a string scalar.
        name: the name of the input in refusals.
        limits: bounds on its length and its pixels.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for any other file.
    """
    kind, _, data = _opened(data, name, limits)
    image = tf.switch_case(kind, [lambda: _jpeg(data, name), lambda: _png(data), lambda: _bmp(data)])
    return tf.ensure_shape(image, (None, None, 3))


def _opened(data: Any, name: str, limits: Limits) -> tuple[Any, Any, Any]:
    """The place of the file's format in a list, height and width, and the file, checked as far as its header goes."""
    length = tf.strings.length(data)
    data = refuse_unless(length > 0, [f"{name}: it is empty; accepted are {FORMATS}"], data)
    refusal = [f"{name}: ", length, f" bytes; expected at most {limits.max_bytes}"]
    data = refuse_unless(length <= limits.max_bytes, refusal, data)
    sizes = {b"\xff\xd8\xff": _jpeg_size, b"\x89PNG\r\n\x1a\n": _png_size, b"BM": _bmp_size}
    matches = tf.stack([tf.strings.substr(data, 0, len(start)) == start for start in sizes])
    refusal = [f"{name}: it is not an image that can be read; accepted are {FORMATS}"]
    data = refuse_unless(tf.reduce_any(matches), refusal, data)
    kind = tf.argmax(matches, output_type=tf.int32)
    size = tf.switch_case(kind, [lambda read=read: read(data, name) for read in sizes.values()])
    height, width = tf.unstack(size, num=2)
    fits = (height > 0) & (width > 0) & (height * width <= limits.max_pixels)
    refusal = [f"{name}: ", width, " x ", height, f" pixels; expected at least 1 and at most {limits.max_pixels}"]
    return kind, refuse_unless(fits, refusal, size), refuse_unless(fits, refusal, data)


def _jpeg_size(data: Any, name: str) -> Any:
    return tf.cast(tf.image.extract_jpeg_shape(data)[:2], tf.int64)


def _jpeg(data: Any, name: str) -> Any:
    scans, segments = jpeg_parts(data)
    refusal = [f"{name}: a JPEG of ", scans, f" scans; expected at most {MAX_JPEG_SCANS}"]
    data = refuse_unless(scans <= MAX_JPEG_SCANS, refusal, data)
    refusal = [f"{name}: a JPEG of ", segments, f" segments; expected at most {MAX_JPEG_SEGMENTS}"]
    data = refuse_unless(segments <= MAX_JPEG_SEGMENTS, refusal, data)
    pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")  # as Pillow does
    return upright(to_float(pixels), orientation(data))


def _png_size(data: Any, name: str) -> Any:
    head = _head(data)
    # A chunk before the header would put other numbers in the place of the size.
    is_first = tf.reduce_all(head[12:16] == tf.constant(list(b"IHDR"), tf.int64))
    head = refuse_unless(is_first, [f"{name}: a PNG that does not start with its header"], head)
    return tf.stack([_big_endian(head, 20), _big_endian(head, 16)])


def _png(data: Any) -> Any:
    head = _head(data)
    # As Pillow: only gray is read with 16 bits, deep color with 8.
    deep = (head[24] == 16) & (head[25] == _PNG_GRAY)
    image = tf.cond(
        deep,
        lambda: to_float(tf.io.decode_png(data, channels=4, dtype=tf.uint16), 65535),
        lambda: to_float(tf.io.decode_png(data, channels=4)),
    )
    alpha = image[..., 3:]
    # The decoder fills a missing alpha with the largest number of the pixels' bits, which below 8 bits is not 255.
    filler = to_float(tf.bitwise.left_shift(tf.constant(1, tf.int64), head[24]) - 1)
    alpha = tf.where((head[24] < 8) & tf.reduce_all(alpha == filler), 1.0, alpha)
    return image[..., :3] * alpha + (1 - alpha)


def _bmp_size(data: Any, name: str) -> Any:
    head = _head(data)
    header, bits, compression = _bmp_header(head)
    known = (header >= 40) & ((bits == 8) | (bits == 24) | (bits == 32)) & (compression == 0)
    refusal = [f"{name}: a BMP of ", bits, " bits, compression ", compression, "; expected 8, 24 or 32 bits and none"]
    head = refuse_unless(known, refusal, head)
    # A negative height means that the rows go from top to bottom.
    height, width = (_signed(_little_endian(head, place, 4)) for place in (22, 18))
    return tf.stack([tf.abs(height), width])


def _bmp(data: Any) -> Any:
    header, bits, _ = _bmp_header(_head(data))

    def from_palette() -> Any:
        # The decoder returns the index into the palette as a gray level.
        colors = tf.io.decode_raw(tf.strings.substr(data, tf.cast(14 + header, tf.int32), 4 * 256), tf.uint8)
        blue_green_red = tf.reshape(tf.pad(colors, [[0, 4 * 256 - tf.size(colors)]]), (256, 4))
        return tf.gather(blue_green_red[:, 2::-1], tf.cast(tf.io.decode_bmp(data)[..., 0], tf.int32))

    # The fourth byte of a pixel is rarely alpha; most writers leave it zero.
    return to_float(tf.cond(bits == 8, from_palette, lambda: tf.io.decode_bmp(data)[..., :3]))


def _bmp_header(head: Any) -> list[Any]:
    """Its length, the bits of a pixel, and the compression."""
    return [_little_endian(head, *place) for place in ((14, 4), (28, 2), (30, 4))]


def to_float(pixels: Any, largest: int = 255) -> Any:
    """Whole numbers up to `largest` as float32 in [0, 1], to the bits that NumPy's division gives."""
    # TensorFlow's graph optimizer turns the division into a product, which rounds otherwise in float32.
    return tf.cast(tf.cast(pixels, tf.float64) / largest, tf.float32)


def _head(data: Any) -> Any:
    """The first bytes as int64, zeros where the file is shorter."""
    values = tf.io.decode_raw(tf.strings.substr(data, 0, _HEAD), tf.uint8)
    return tf.cast(tf.pad(values, [[0, _HEAD - tf.size(values)]]), tf.int64)


def _little_endian(head: Any, start: int, count: int) -> Any:
    return tf.add_n([head[start + place] * 256**place for place in range(count)])


def _big_endian(head: Any, start: int) -> Any:
    return tf.add_n([head[start + 3 - place] * 256**place for place in range(4)])


def _signed(value: Any) -> Any:
    return tf.where(value >= 2**31, value - 2**32, value)
