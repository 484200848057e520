"""Image files decoded in a graph: as `keras_style.images` reads them, and nothing hostile is ever allocated."""

import io
import re
from pathlib import Path

import numpy as np
import picture_files as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import encoded, pixels
from PIL import Image

from keras_style import images
from keras_style.errors import InputError
from keras_style.export.decoding import decode, to_float
from keras_style.export.limits import Limits
from keras_style.internal.tensorflow import tf

LIMITS = Limits(max_pixels=4096, max_bytes=50_000)


@pytest.fixture(scope="module")
def read():
    function = tf.function(
        lambda data: decode(data, "image_bytes", LIMITS),
        autograph=False,
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    return lambda file: function(file).numpy()


def as_pillow(file: bytes) -> np.ndarray:
    return images.load(io.BytesIO(file))


RGB, RGBA = pixels(), pixels(channels=4)
GRAY = RGB[..., 0]
DEEP = (GRAY.astype(np.uint16) * 257 + np.arange(30, dtype=np.uint16)).clip(0, 65535).astype(np.uint16)
PALETTE = Image.fromarray(RGB).quantize(64)


@pytest.mark.parametrize(
    "file",
    {
        "png": encoded(RGB, "PNG"),
        "png rgba": encoded(RGBA, "PNG"),
        "png gray": encoded(GRAY, "PNG"),
        "png gray alpha": encoded(Image.fromarray(RGBA).convert("LA"), "PNG"),
        "png 16-bit gray": encoded(DEEP, "PNG"),
        "png palette": encoded(PALETTE, "PNG"),
        "png palette, transparent": encoded(PALETTE, "PNG", transparency=3),
        "png gray, transparent": encoded(GRAY, "PNG", transparency=int(GRAY[5, 5])),
        "png 1 bit": encoded(Image.fromarray(GRAY > 128), "PNG"),
        "png palette of 4 bits": encoded(Image.fromarray(RGB).quantize(10), "PNG", bits=4),
        "png palette of 2 bits, transparent": encoded(Image.fromarray(RGB).quantize(4), "PNG", bits=2, transparency=1),
        "bmp": encoded(RGB, "BMP"),
        "bmp 32 bits": encoded(RGBA, "BMP"),
        "bmp gray": encoded(GRAY, "BMP"),
        "bmp palette": encoded(PALETTE, "BMP"),
    }.items(),
    ids=lambda case: case[0],
)
def test_lossless_files_are_what_pillow_reads(read, file):
    np.testing.assert_allclose(read(file[1]), as_pillow(file[1]), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 40}], ids=str)
@pytest.mark.parametrize("picture", [RGB, GRAY], ids=["rgb", "gray"])
def test_jpeg_is_what_pillow_reads(read, picture, options):
    file = encoded(picture, "JPEG", **options)
    np.testing.assert_allclose(read(file), as_pillow(file), atol=1e-6)


SCAN_MARKERS = b"\xff\xda" * 1000
PLAIN, PROGRESSIVE = encoded(RGB, "JPEG"), encoded(RGB, "JPEG", progressive=True)


def with_segment(code: int, content: bytes, file: bytes = PLAIN, count: int = 1) -> bytes:
    """The JPEG with further segments behind its first two bytes."""
    return file[:2] + count * (bytes([0xFF, code]) + (len(content) + 2).to_bytes(2, "big") + content) + file[2:]


@pytest.mark.parametrize(
    "file",
    {
        "a film behind the end": PLAIN + b"\0\0\0\x18ftypmp42" + SCAN_MARKERS,
        "a second picture behind the end": PROGRESSIVE + PROGRESSIVE * 20,
        "markers in a comment": with_segment(0xFE, SCAN_MARKERS),
        "markers in a profile": with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SCAN_MARKERS, PROGRESSIVE),
        "a picture within the picture": with_segment(0xED, PROGRESSIVE * 30),
        "an end within a segment": with_segment(0xEB, b"\xff\xd9" * 9, PROGRESSIVE),
        "bytes that fill": PLAIN.replace(b"\xff\xda", b"\xff\xff\xff\xff\xda"),
        "restart markers": encoded(RGB, "JPEG", restart_marker_blocks=1),
        "many empty segments": with_segment(0xFE, b"", PLAIN, 900),
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_no_scan_of_a_jpeg_does_not_count(read, file):
    np.testing.assert_allclose(read(file[1]), as_pillow(file[1]), atol=1e-6)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_jpeg_is_turned_upright(read, orientation, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "a maker with a long name, before the orientation"
    exif[0x0112] = orientation
    file = encoded(RGB, "JPEG", exif=exif)
    assert read(file).shape == ((30, 21, 3) if 5 <= orientation <= 8 else (21, 30, 3))
    np.testing.assert_allclose(read(file), as_pillow(file), atol=1e-6)


@pytest.mark.parametrize("broken", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"XX"])
def test_broken_exif_is_ignored(read, broken):
    file = encoded(RGB, "JPEG", exif=b"Exif\0\0" + broken)
    np.testing.assert_array_equal(read(file), read(encoded(RGB, "JPEG")))


NO_IMAGE = "image_bytes: it is not an image that can be read; accepted are JPEG, PNG or BMP"


@pytest.mark.parametrize("file", [encoded(PALETTE, "GIF"), b"GIF87a", b"GIF89a" + bytes(100)], ids=len)
def test_gif_is_refused_as_python_refuses_it(read, file):
    with pytest.raises(InputError, match="is not an image that can be read; accepted are PNG, JPEG, WebP, TIFF or BMP"):
        as_pillow(file)
    with pytest.raises(tf.errors.InvalidArgumentError, match=NO_IMAGE):
        read(file)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "image_bytes: it is empty; accepted are JPEG, PNG or BMP"),
        (b"\0", NO_IMAGE),
        (b"not a picture at all", NO_IMAGE),
        (encoded(RGB, "WEBP"), NO_IMAGE),
        (encoded(RGB, "TIFF"), NO_IMAGE),
        (b"<svg/>", NO_IMAGE),
        (bytes(50_001), "image_bytes: 50001 bytes; expected at most 50000"),
        (encoded(pixels(65, 64), "PNG"), "64 x 65 pixels; expected at least 1 and at most 4096"),
        (encoded(pixels(64, 65), "JPEG"), "65 x 64 pixels"),
        (encoded(pixels(64, 65), "BMP"), "65 x 64 pixels"),
        (files.png_header(0, 5), "0 x 5 pixels"),
        (files.png_header(50_000, 50_000, bytes([0, 0, 0, 8]) * 3), "a PNG that does not start with its header"),
        (files.bmp_header(-5, 5), "-5 x 5 pixels"),
        (files.bmp_header(8, 8, bits=4), "a BMP of 4 bits, compression 0"),
        (files.bmp_header(8, 8, bits=8, compression=1), "a BMP of 8 bits, compression 1"),
        (with_segment(0xFE, b"", PLAIN, 12_000), "a JPEG of 1001 segments; expected at most 1000"),
        (files.progressive_jpeg(101), r"a JPEG of 1\d\d scans; expected at most 100"),
    ],
    ids=lambda case: re.sub(r"\W+", " ", case)[:40] if isinstance(case, str) else "",
)
def test_refused_by_one_sentence(read, file, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read(file)


BOMBS = {
    "png": files.png_header(50_000, 50_000),
    "png of the largest size": files.png_header(2**31 - 1, 2**31 - 1),
    "jpeg": files.jpeg_header(50_000, 50_000),
    "bmp": files.bmp_header(50_000, 50_000),
    "bmp from the top": files.bmp_header(50_000, -50_000),
    "bmp of the largest size": files.bmp_header(2**31 - 1, -(2**31)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_claimed_size_is_never_allocated(read, bomb):
    with pytest.raises(tf.errors.InvalidArgumentError):  # once before, so that the graph is there
        read(BOMBS[bomb])
    before = peak_memory(reset=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\d+ x \d+ pixels; expected"):
        read(BOMBS[bomb])
    assert peak_memory() - before < 20 * 2**20  # a 50,000 x 50,000 image has 7.5 GB


def peak_memory(reset: bool = False) -> int:
    """Bytes that this process has had at most; since now, if reset."""
    if reset:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            pytest.skip("the peak of memory cannot be reset here")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@settings(max_examples=200, deadline=None)
@given(
    format=st.sampled_from(["PNG", "JPEG", "GIF", "BMP"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=5),
    kept=st.just(1.0) | st.floats(0, 1),
)
def test_damage_is_refused_or_read_but_never_more(read, format, changes, kept):
    """Bytes changed and files cut: an image within the limits, or INVALID_ARGUMENT."""
    damaged = bytearray(encoded(pixels(16, 16), format))
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    check_refused_or_read(read, bytes(damaged[: round(kept * len(damaged))]))


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM"]), rest=st.binary(max_size=200)
)
def test_any_bytes_are_refused_or_read(read, start, rest):
    check_refused_or_read(read, start + rest)


def check_refused_or_read(read, file: bytes) -> None:
    try:
        image = read(file)
    except tf.errors.InvalidArgumentError:
        return
    assert image.shape[0] * image.shape[1] <= LIMITS.max_pixels
    assert image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize(("largest", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_levels_become_the_floats_of_numpy_in_an_optimized_graph(largest, dtype):
    """Where TensorFlow makes a product of the division, half of them are a bit off, and a long optimization another."""
    levels = np.arange(largest + 1).astype(dtype)
    signature = [tf.TensorSpec([None], dtype)]
    divided = tf.function(lambda pixels: to_float(pixels, largest), input_signature=signature, autograph=False)(levels)
    np.testing.assert_array_equal(divided, levels.astype(np.float32) / largest)
