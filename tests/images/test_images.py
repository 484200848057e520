"""Every kind of image file, PIL image and array comes in as the same pixels, or is refused in one clear line."""

import contextlib
import io
import os
import re
import stat
import struct
import subprocess
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
import skimage.color
import skimage.transform
from PIL import Image, ImageCms

from keras_style import images
from keras_style.errors import InputError, MissingFileError

HEIGHT, WIDTH = 20, 28
ACCEPTED = "PNG, JPEG, WebP, TIFF or BMP"
NOBODY = 65534


@pytest.fixture
def rgb():
    """8-bit noise: every orientation, channel order and rounding shows in it."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def smooth():
    """8-bit gradients: they survive lossy formats."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([40 + 8 * y, 30 + 6 * x, 200 - 3 * y - 2 * x], axis=-1).astype(np.uint8)


def unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def flat(mode: str, color) -> Image.Image:
    return Image.new(mode, (WIDTH, HEIGHT), color)


def one_color(array: np.ndarray) -> np.ndarray:
    assert (array == array[0, 0]).all()
    return array[0, 0]


def assert_is_image(array: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> None:
    assert (array.shape, array.dtype) == ((height, width, 3), np.float32)
    assert array.min() >= 0 and array.max() <= 1


def refusal(image, *expected: str, error: type[Exception] = InputError) -> str:
    """The one-line message with which `image` is refused, after checking that it names what is expected."""
    with pytest.raises(error) as caught:
        images.load(image, name="content")
    message = str(caught.value)
    assert message.startswith("content: ") and "\n" not in message
    for text in expected:
        assert text in message
    return message


@contextlib.contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextlib.contextmanager
def unprivileged():
    """Root may read and write everything; nobody may not even enter pytest's temporary directories."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root that cannot become another user")
    try:
        yield
    finally:
        os.seteuid(0)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# Color profiles, built by the ICC specification (ICC.1:2001-04)


def icc_profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, offset + len(data), len(content))
        data += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(data), b"", 0x02400000, device, space, connection, b"", b"acsp"
    )
    illuminant = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    header = (header + bytes(28) + illuminant).ljust(128, b"\0")
    return header + struct.pack(">I", len(tags)) + table + data


def icc_xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def icc_gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


WHITE = icc_xyz(0.9642, 1.0, 0.8249)
# Primaries adapted to D50, columns X Y Z.
SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
P3_PRIMARIES = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def rgb_profile(red, green, blue, gamma: float = 2.2) -> bytes:
    primaries = {b"rXYZ": icc_xyz(*red), b"gXYZ": icc_xyz(*green), b"bXYZ": icc_xyz(*blue)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), icc_gamma(gamma))
    return icc_profile(b"mntr", b"RGB ", b"XYZ ", {b"wtpt": WHITE, **primaries, **curves})


def faded_profile() -> bytes:
    """sRGB's primaries and linear light, of which black keeps a twentieth."""
    primaries = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (icc_xyz(*xyz) for xyz in SRGB_PRIMARIES), strict=True))
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 2, 65535 // 20, 65535)
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return icc_profile(b"mntr", b"RGB ", b"XYZ ", {b"wtpt": WHITE, **primaries, **curves})


def gray_profile(gamma: float) -> bytes:
    return icc_profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": WHITE, b"kTRC": icc_gamma(gamma)})


def cmyk_profile() -> bytes:
    """Ink on yellow paper that only shows its black: L* = 100 (1 - K) of the paper's, whatever C, M and Y are."""
    identity = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    ramp = bytes(range(256))
    nodes = bytes(value for _cmy in range(8) for black in (255, 0) for value in (black, 128, 128))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + 4 * ramp + nodes + 3 * ramp
    return icc_profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": icc_xyz(0.80, 0.85, 0.55), b"A2B0": lut})


def encoded_srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)


# Files


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp"])
def test_lossless_files_are_read_exactly(tmp_path, rgb, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path, **({"lossless": True} if suffix == "webp" else {}))
    loaded = images.load(path)
    assert_is_image(loaded)
    np.testing.assert_array_equal(loaded, unit(rgb))


def test_jpeg_is_read_closely(tmp_path, smooth):
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(path, quality=98, subsampling=0)
    np.testing.assert_allclose(images.load(str(path)), unit(smooth), atol=4 / 255)


def test_format_is_read_from_the_data_not_from_the_suffix(tmp_path, rgb):
    path = tmp_path / "really_a_png.jpg"
    Image.fromarray(rgb).save(path, "PNG")
    np.testing.assert_array_equal(images.load(path), unit(rgb))


def test_file_objects_are_read_from_their_start_and_stay_open(rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    np.testing.assert_array_equal(images.load(file), unit(rgb))
    np.testing.assert_array_equal(images.load(file), unit(rgb))
    assert not file.closed


def test_file_objects_that_cannot_seek_are_read(tmp_path, rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(file.getvalue())
    with open(reading, "rb") as pipe:
        np.testing.assert_array_equal(images.load(pipe), unit(rgb))


def test_first_frame_of_several(tmp_path, rgb):
    first, second = Image.fromarray(rgb), Image.fromarray(255 - rgb)
    for name, options in {"a.tiff": {}, "a.webp": {"lossless": True}, "a.png": {}}.items():
        first.save(tmp_path / name, save_all=True, append_images=[second], **options)
        np.testing.assert_array_equal(images.load(tmp_path / name), unit(rgb), err_msg=name)


def test_phone_pictures_with_a_second_image_are_read(tmp_path, smooth):
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(
        path, "MPO", save_all=True, append_images=[Image.fromarray(255 - smooth)], quality=98, subsampling=0
    )
    np.testing.assert_allclose(images.load(path), unit(smooth), atol=4 / 255)


UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied_once(tmp_path, rgb, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path, exif=exif)
    expected = unit(UPRIGHT[orientation](rgb))
    np.testing.assert_array_equal(images.load(path), expected)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(images.load(opened), expected)


def test_exif_orientation_of_a_jpeg(tmp_path, smooth):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(path, exif=exif, quality=98, subsampling=0)
    np.testing.assert_allclose(images.load(path), unit(np.rot90(smooth, -1)), atol=4 / 255)


def test_broken_exif_is_ignored_with_a_warning(tmp_path, rgb):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path, exif=b"Exif\0\0not TIFF at all")
    with pytest.warns(UserWarning, match=r"style: .*a\.png: its EXIF data is broken"):
        loaded = images.load(path, name="style")
    np.testing.assert_array_equal(loaded, unit(rgb))


# Modes


def test_bilevel():
    image = flat("1", 0)
    image.putpixel((3, 5), 1)
    loaded = images.load(image)
    assert loaded[5, 3].tolist() == [1, 1, 1]
    assert loaded.sum() == 3


def test_gray(rgb):
    loaded = images.load(Image.fromarray(rgb[..., 0]))
    for channel in range(3):
        np.testing.assert_array_equal(loaded[..., channel], unit(rgb[..., 0]))


def test_palette(tmp_path):
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 10, 100, 200])
    image.save(tmp_path / "a.png")
    np.testing.assert_allclose(one_color(images.load(tmp_path / "a.png")), np.array([10, 100, 200]) / 255, atol=1e-7)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV"])
def test_other_color_spaces(mode):
    color = images.load(flat("RGB", (200, 100, 50)).convert(mode))
    np.testing.assert_allclose(one_color(color), np.array([200, 100, 50]) / 255, atol=3 / 255)


def test_cmyk_without_a_profile(tmp_path):
    flat("CMYK", (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(one_color(images.load(tmp_path / "a.jpg")), [0, 1, 1], atol=3 / 255)


@pytest.mark.parametrize("embedded", [False, True])
def test_lab(tmp_path, embedded):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes() if embedded else None
    flat("LAB", (150, 128 + 20, 128 - 30)).save(tmp_path / "a.tiff", icc_profile=profile)
    xyz = skimage.color.lab2xyz(np.array([[[150 / 255 * 100, 20, -30]]]), illuminant="D50")[0, 0]
    expected = encoded_srgb(np.linalg.solve(np.array(SRGB_PRIMARIES).T, xyz))
    with no_warnings():
        loaded = images.load(tmp_path / "a.tiff")
    np.testing.assert_allclose(one_color(loaded), expected, atol=2 / 255)


@pytest.mark.parametrize("value", [0, 1, 257 * 100, 12345, 65535])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_gray_keeps_its_depth(tmp_path, value, suffix):
    Image.fromarray(np.full((HEIGHT, WIDTH), value, np.uint16)).save(tmp_path / f"a.{suffix}")
    loaded = images.load(tmp_path / f"a.{suffix}")
    assert_is_image(loaded)
    np.testing.assert_allclose(one_color(loaded), 3 * [value / 65535], rtol=1e-6)


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_deep_gray_modes(mode):
    np.testing.assert_allclose(one_color(images.load(flat(mode, 12345))), 3 * [12345 / 65535], rtol=1e-6)


@pytest.mark.parametrize(("mode", "dtype"), [("L", "u1"), ("I;16", "<u2"), ("I;16B", ">u2")])
def test_turned_gray_tiff(tmp_path, mode, dtype):
    white = np.iinfo(dtype).max
    values = np.random.default_rng(0).integers(0, white + 1, (HEIGHT, WIDTH)).astype(dtype)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes()).save(tmp_path / "a.tiff", exif=exif)
    expected = np.rot90(values, -1).astype(np.float32) / white
    np.testing.assert_allclose(images.load(tmp_path / "a.tiff")[..., 1], expected, rtol=1e-6)


def test_transparent_level_of_16_bit_gray(tmp_path):
    values = np.full((HEIGHT, WIDTH), 30000, np.uint16)
    values[:, :10] = 500
    Image.fromarray(values).save(tmp_path / "a.png", transparency=500)
    loaded = images.load(tmp_path / "a.png", background=(1, 0, 0))
    assert (loaded[:, :10] == [1, 0, 0]).all()
    np.testing.assert_allclose(loaded[:, 10:], 30000 / 65535, rtol=1e-6)


def test_float_gray_is_taken_as_it_is(tmp_path):
    flat("F", 0.3).save(tmp_path / "a.tiff")
    np.testing.assert_allclose(one_color(images.load(tmp_path / "a.tiff")), [0.3, 0.3, 0.3], rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("F", 1.5, ("mode F", "1.5", "[0, 1]")),
        ("F", float("nan"), ("mode F", "NaN", "[0, 1]")),
        ("I", 65536, ("mode I", "65536", "[0, 65535]")),
        ("I", -1, ("mode I", "-1", "[0, 65535]")),
    ],
)
def test_deep_gray_out_of_range_is_refused(mode, value, expected):
    refusal(flat(mode, value), "PIL image", *expected)


def test_fourth_byte_of_rgbx_is_padding():
    np.testing.assert_array_equal(one_color(images.load(flat("RGBX", (255, 0, 255, 7)))), [1, 0, 1])


# Transparency


@pytest.mark.parametrize(
    ("mode", "color"), [("RGBA", (51, 102, 204, 51)), ("RGBa", (10, 20, 41, 51)), ("LA", (102, 51)), ("La", (20, 51))]
)
def test_alpha_is_composited_on_white_by_default(mode, color):
    foreground = np.array([51, 102, 204] if mode in ("RGBA", "RGBa") else [102, 102, 102]) / 255
    loaded = images.load(flat(mode, color))
    np.testing.assert_allclose(one_color(loaded), 0.2 * foreground + 0.8, atol=0.5 / 255)


def test_alpha_is_composited_on_the_background():
    loaded = images.load(flat("RGBA", (255, 0, 0, 51)), background=(0.0, 0.5, 1.0))
    np.testing.assert_allclose(one_color(loaded), [0.2, 0.4, 0.8], atol=1e-6)


def test_opaque_alpha_changes_nothing(rgb):
    np.testing.assert_array_equal(images.load(Image.fromarray(rgb).convert("RGBA"), background=(0, 0, 0)), unit(rgb))


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_transparent_palette_entry(tmp_path, transparency):
    image = flat("P", 0)
    image.putpalette([10, 100, 200, 1, 2, 3])
    image.paste(1, (0, 0, 5, HEIGHT))
    image.save(tmp_path / "a.png", transparency=transparency)
    with no_warnings():
        loaded = images.load(tmp_path / "a.png", background=(0, 1, 0))
    assert (loaded[:, :5] == [0, 1, 0]).all()
    np.testing.assert_allclose(one_color(loaded[:, 5:]), np.array([10, 100, 200]) / 255, atol=1e-7)


def test_palette_with_alpha_channel():
    image = flat("RGB", (255, 0, 0)).convert("P", palette=Image.Palette.ADAPTIVE).convert("PA")
    image.putalpha(Image.new("L", image.size, 51))
    assert image.mode == "PA"
    np.testing.assert_allclose(one_color(images.load(image)), [1, 0.8, 0.8], atol=1e-6)


@pytest.mark.parametrize(("mode", "color"), [("RGB", (9, 9, 9)), ("L", 9)])
def test_transparent_color(tmp_path, mode, color):
    flat(mode, color).save(tmp_path / "a.png", transparency=color)
    np.testing.assert_array_equal(one_color(images.load(tmp_path / "a.png", background=(0, 0, 1))), [0, 0, 1])


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 2), (-0.1, 0, 0), (float("nan"), 0, 0), 0.5, "white", None])
def test_background_out_of_range_is_refused(rgb, background):
    with pytest.raises(InputError, match=r"background is .*three numbers in \[0, 1\]"):
        images.load(Image.fromarray(rgb), background=background)


# Color profiles


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "jpg"])
def test_profile_with_swapped_primaries_swaps_red_and_green(tmp_path, suffix):
    red, green, blue = SRGB_PRIMARIES
    path = tmp_path / f"a.{suffix}"
    flat("RGB", (255, 0, 0)).save(path, icc_profile=rgb_profile(green, red, blue), quality=100)
    np.testing.assert_allclose(one_color(images.load(path)), [0, 1, 0], atol=6 / 255)


def test_wide_gamut_profile_is_converted_by_colorimetry(tmp_path):
    color = np.array([180, 120, 60])
    path = tmp_path / "a.png"
    flat("RGB", tuple(color.tolist())).save(path, icc_profile=rgb_profile(*P3_PRIMARIES, gamma=2.0))
    xyz = np.array(P3_PRIMARIES).T @ (color / 255) ** 2.0
    expected = encoded_srgb(np.linalg.solve(np.array(SRGB_PRIMARIES).T, xyz))
    assert np.abs(expected - color / 255).max() > 0.05
    np.testing.assert_allclose(one_color(images.load(path)), expected, atol=1.5 / 255)


def test_profile_applies_under_alpha_and_orientation(tmp_path):
    red, green, blue = SRGB_PRIMARIES
    exif = Image.Exif()
    exif[0x0112] = 6
    image = flat("RGBA", (255, 0, 0, 51))
    image.save(tmp_path / "a.png", icc_profile=rgb_profile(green, red, blue), exif=exif)
    loaded = images.load(tmp_path / "a.png")
    assert_is_image(loaded, WIDTH, HEIGHT)
    np.testing.assert_allclose(one_color(loaded), [0.8, 1, 0.8], atol=2 / 255)


def test_profile_of_a_palette_image(tmp_path):
    red, green, blue = SRGB_PRIMARIES
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "a.png", icc_profile=rgb_profile(green, red, blue))
    np.testing.assert_allclose(one_color(images.load(tmp_path / "a.png")), [0, 1, 0], atol=2 / 255)


@pytest.mark.parametrize(("mode", "value", "white"), [("L", 100, 255), ("I;16", 25700, 65535)])
def test_gray_profile(tmp_path, mode, value, white):
    flat(mode, value).save(tmp_path / "a.png", icc_profile=gray_profile(1.0))
    loaded = one_color(images.load(tmp_path / "a.png"))
    np.testing.assert_allclose(loaded, encoded_srgb(np.full(3, value / white)), atol=1.5 / 255)


def test_gray_profile_keeps_16_bits(tmp_path):
    ramp = np.linspace(20000, 21000, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=gray_profile(1.8))
    loaded = images.load(tmp_path / "a.png")[..., 0]
    assert (np.diff(loaded.ravel()) > 0).all()


def test_gray_profile_under_alpha():
    image = flat("LA", (100, 51))
    image.info["icc_profile"] = gray_profile(1.0)
    expected = 0.2 * encoded_srgb(np.array(100 / 255)) + 0.8
    np.testing.assert_allclose(one_color(images.load(image)), 3 * [float(expected)], atol=1 / 255)


def test_cmyk_profile(tmp_path):
    flat("CMYK", (255, 0, 0, 0)).save(tmp_path / "a.tiff", icc_profile=cmyk_profile())
    np.testing.assert_allclose(one_color(images.load(tmp_path / "a.tiff")), [1, 1, 1], atol=2 / 255)
    flat("CMYK", (0, 0, 0, 128)).save(tmp_path / "b.tiff", icc_profile=cmyk_profile())
    lightness = 100 * (1 - 128 / 255)
    expected = encoded_srgb(np.array(((lightness + 16) / 116) ** 3))
    np.testing.assert_allclose(one_color(images.load(tmp_path / "b.tiff")), 3 * [float(expected)], atol=2 / 255)


def test_darkest_color_of_a_profile_becomes_black(tmp_path):
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)
    pixels = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (HEIGHT, WIDTH, 3))
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "a.png", icc_profile=faded_profile())
    expected = encoded_srgb(ramp / 255)
    np.testing.assert_allclose(images.load(tmp_path / "a.png")[0, :, 1], expected, atol=2 / 255)


@pytest.mark.parametrize("profile", [b"not a profile", gray_profile(1.0), cmyk_profile()])
def test_profile_that_does_not_fit_is_ignored_with_a_warning(tmp_path, rgb, profile):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path, icc_profile=profile)
    with pytest.warns(UserWarning, match=r"style: .*a\.png: its color profile does not fit"):
        loaded = images.load(path, name="style")
    np.testing.assert_array_equal(loaded, unit(rgb))


def test_srgb_profile_changes_nothing(rgb):
    image = Image.fromarray(rgb)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(images.load(image), unit(rgb))


def test_the_callers_image_is_left_as_it_is(rgb):
    image = Image.fromarray(rgb).convert("RGBA")
    image.getexif()[0x0112] = 6
    image.info["icc_profile"] = rgb_profile(*P3_PRIMARIES)
    before = image.copy()
    images.load(image)
    assert image == before
    assert image.getexif()[0x0112] == 6


# Bad files


def test_missing_file(tmp_path):
    path = tmp_path / "none.png"
    message = refusal(path, error=MissingFileError)
    assert message == f"content: no such file: {path}"


def test_directory(tmp_path):
    refusal(tmp_path, f"{tmp_path} is a directory", ACCEPTED)


def test_path_through_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    refusal(tmp_path / "file" / "a.png", str(tmp_path / "file" / "a.png"), "cannot be read: Not a directory")


def test_text_file_named_jpg(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("this is not a picture\n" * 10)
    refusal(path, str(path), "not an image", ACCEPTED)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.png"
    path.write_bytes(b"")
    refusal(path, f"{path} is empty", ACCEPTED)


def test_empty_file_object():
    refusal(io.BytesIO(), "BytesIO", ACCEPTED)


@pytest.mark.parametrize("suffix", ["gif", "ico", "tga", "ppm"])
def test_other_formats_are_refused(tmp_path, rgb, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path)
    refusal(path, str(path), ACCEPTED)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "bmp", "webp"])
def test_truncated_file(tmp_path, rgb, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(rgb).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    refusal(path, str(path))


def test_truncated_jpeg_is_called_damaged(tmp_path, rgb):
    path = tmp_path / "cut.jpg"
    Image.fromarray(rgb).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    refusal(path, f"{path} cannot be read", "damaged or cut short", "truncated")


def test_flipped_bits_are_an_image_or_an_input_error(rgb):
    """Pillow raises many kinds of errors for damaged data: none of them may escape."""
    random = np.random.default_rng(0)
    refused = 0
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "BMP"):
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, format)
        for _ in range(40):
            data = np.frombuffer(file.getvalue(), np.uint8).copy()
            data[random.integers(0, min(200, len(data)), 6)] ^= random.integers(1, 256, 6, dtype=np.uint8)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    images.load(io.BytesIO(data.tobytes()))
                except InputError:
                    refused += 1
    assert refused > 20


def test_unreadable_file(tmp_path, rgb):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    path.chmod(0)
    with unprivileged():
        refusal(path, str(path), "Permission denied")


def test_closed_pil_image(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pass
    refusal(image, "PIL image cannot be read")


def test_file_object_open_as_text(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with open(tmp_path / "a.png") as file:
        refusal(file, str(tmp_path / "a.png"), "binary", "'rb'")
    refusal(io.StringIO("text"), "StringIO", "binary")


@pytest.mark.parametrize("value", [None, 3, b"photo.jpg", [[0.0]], {"path": "photo.jpg"}])
def test_other_types_are_refused(value):
    refusal(
        value, f"type {type(value).__name__};", "path", "binary file object", "PIL image", "array (height, width, 3)"
    )


# Limits


def test_huge_file_is_refused_from_its_header(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(20_000, 20_000))
    started = time.perf_counter()
    with no_warnings():
        refusal(path, str(path), "20000 x 20000", "400,000,000", "100,000,000")
    assert time.perf_counter() - started < 1


def test_tiny_file_is_refused_from_its_header(tmp_path):
    path = tmp_path / "tiny.png"
    path.write_bytes(png_header(1, 1))
    refusal(path, str(path), "1 x 1", "at least 16")


@pytest.mark.parametrize("size", [(15, 16), (16, 15)])
def test_smallest_side(size):
    refusal(Image.new("RGB", size), f"{size[0]} x {size[1]}", "at least 16")
    assert_is_image(images.load(Image.new("RGB", (16, 16))), 16, 16)


def test_pillows_limit_neither_interferes_nor_changes(tmp_path, rgb, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with no_warnings():
        images.load(path)
    assert Image.MAX_IMAGE_PIXELS == 100
    path.write_bytes(png_header(20_000, 20_000))
    with pytest.raises(InputError):
        images.load(path)
    assert Image.MAX_IMAGE_PIXELS == 100


# Arrays


def test_uint8_array(rgb):
    loaded = images.load(rgb)
    assert_is_image(loaded)
    np.testing.assert_array_equal(loaded, unit(rgb))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_float_arrays(dtype):
    array = np.linspace(0, 1, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(dtype)
    loaded = images.load(array)
    assert_is_image(loaded)
    np.testing.assert_array_equal(loaded, array.astype(np.float32))


def test_array_is_copied():
    array = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    images.load(array)[:] = 1
    assert (array == 0).all()


@pytest.mark.parametrize(
    "shape", [(20, 28), (20, 28, 1), (20, 28, 4), (3, 20, 28), (1, 20, 28, 3), (20, 28, 0), (0,), ()]
)
def test_other_shapes_are_refused(shape):
    refusal(np.zeros(shape, np.float32), f"shape {shape}", "float32", "(height, width, 3)")


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.bool_, np.complex64, object])
def test_other_dtypes_are_refused(dtype):
    refusal(np.zeros((20, 28, 3), dtype), f"dtype {np.dtype(dtype)}", "uint8 or floating point")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.nan, ("NaN",)),
        (np.inf, ("infinite",)),
        (-np.inf, ("infinite",)),
        (-0.25, ("from -0.25 to 0.5", "[0, 1]")),
        (255.0, ("from 0.5 to 255.0", "[0, 1]")),
        (np.nextafter(np.float32(1), np.float32(2)), ("to 1.0000001", "[0, 1]")),
    ],
)
def test_values_out_of_range_are_refused(value, expected):
    array = np.full((20, 28, 3), 0.5, np.float32)
    array[7, 8, 1] = value
    refusal(array, "shape (20, 28, 3)", "float32", *expected)


@pytest.mark.parametrize("shape", [(0, 20, 3), (20, 15, 3), (10_001, 10_000, 3)])
def test_sizes_of_arrays(shape):
    array = np.broadcast_to(np.float32(0.5), shape)  # without the memory
    refusal(array, f"{shape[1]} x {shape[0]}", "100,000,000" if shape[0] > 100 else "at least 16")


# Sizes


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((300, 400), 200, (150, 200)),
        ((400, 300), 200, (200, 150)),
        ((100, 100), 7, (7, 7)),
        ((3, 4), 2, (2, 2)),  # 1.5 goes up
        ((5, 8), 4, (3, 4)),  # 2.5 goes up as well
        ((333, 1000), 100, (33, 100)),
        ((1, 1000), 10, (1, 10)),
        ((300, 400), 800, (600, 800)),
    ],
)
def test_fitted_size(size, long_side, expected):
    assert images.fitted_size(*size, long_side) == expected
    if max(size) < 500:
        assert images.fit(np.zeros((*size, 3), np.float32), long_side).shape == (*expected, 3)


@pytest.mark.parametrize("numbers", [(0, 5, 5), (5, 0, 5), (5, 5, 0), (5, 5, -3)])
def test_sizes_below_one_are_refused(numbers):
    with pytest.raises(InputError, match="at least 1 pixel"):
        images.fitted_size(*numbers)


def test_resize_to_the_same_size_is_the_same_array(rgb):
    image = unit(rgb)
    assert images.resize(image, HEIGHT, WIDTH) is image
    assert images.fit(image, WIDTH) is image


@pytest.mark.parametrize("size", [(7, 9), (64, 50), (1, 1)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_resize_keeps_a_constant(size, value):
    resized = images.resize(np.full((20, 28, 3), value, np.float32), *size)
    assert_is_image(resized, *size)
    np.testing.assert_allclose(resized, value, atol=2**-17)  # to the nearest multiple of 2^-16


def test_resize_is_antialiased():
    y, x = np.mgrid[0:64, 0:64]
    checkerboard = np.repeat(((x + y) % 2)[..., np.newaxis], 3, axis=-1).astype(np.float32)
    resized = images.resize(checkerboard, 16, 16)
    np.testing.assert_allclose(resized[2:-2, 2:-2], 0.5, atol=0.01)


@pytest.mark.parametrize("size", [(11, 13), (10, 14), (41, 30)])
def test_resize_does_not_shift(rgb, size):
    image = unit(rgb)
    symmetric = (image + image[::-1] + image[:, ::-1] + image[::-1, ::-1]) / 4
    resized = images.resize(symmetric, *size)
    np.testing.assert_allclose(resized, resized[::-1], atol=1e-6)
    np.testing.assert_allclose(resized, resized[:, ::-1], atol=1e-6)


def test_resize_keeps_a_ramp_in_place():
    ramp = np.repeat(((np.arange(64) + 0.5) / 64)[np.newaxis, :, np.newaxis], 20, axis=0).astype(np.float32)
    resized = images.resize(ramp, 20, 16)
    np.testing.assert_allclose(resized[3, 3:-3, 0], ((np.arange(16) + 0.5) / 16)[3:-3], atol=1e-3)


def test_resize_agrees_roughly_with_scikit_image():
    blurred = skimage.transform.resize(np.random.default_rng(0).random((8, 8, 3)), (48, 60), order=3)
    image = np.clip(blurred, 0, 1).astype(np.float32)
    expected = skimage.transform.resize(image, (24, 30), order=3, anti_aliasing=True)
    np.testing.assert_allclose(images.resize(image, 24, 30), expected, atol=0.05)


def test_resize_clips_the_overshoot_at_edges():
    step = np.zeros((16, 32, 1), np.float32)
    step[:, 16:] = 1
    resized = images.resize(step, 32, 64)
    assert (resized.min(), resized.max()) == (0, 1)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_resize_treats_channels_alike(rgb, channels):
    image = np.repeat(unit(rgb)[..., :1], channels, axis=-1)
    image[..., -1] = 1 - image[..., -1]
    resized = images.resize(image, 9, 11)
    assert resized.shape == (9, 11, channels)
    np.testing.assert_allclose(resized[..., -1], 1 - images.resize(1 - image, 9, 11)[..., -1], atol=1e-6)
    np.testing.assert_array_equal(resized[..., :1], images.resize(image[..., :1], 9, 11))


def test_resize_refuses_other_arrays_and_sizes():
    with pytest.raises(InputError, match=r"shape \(20, 28\).*\(height, width, channels\)"):
        images.resize(np.zeros((20, 28)), 5, 5)
    with pytest.raises(InputError, match="height 0 and width 5"):
        images.resize(np.zeros((20, 28, 3)), 0, 5)


# Writing


def test_to_pil_rounds_to_the_nearest_level():
    row = np.array([0, 0.49, 0.51, 100.49, 100.5, 254.51, 255]) / 255
    array = np.repeat(row[np.newaxis, :, np.newaxis], 3, axis=-1)
    image = images.to_pil(array)
    assert image.mode == "RGB"
    assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 1, 100, 101, 255, 255]


def test_every_level_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8)
    array = np.repeat(levels.reshape(16, 16, 1), 3, axis=-1)
    np.testing.assert_array_equal(np.asarray(images.to_pil(images.load(array))), array)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((4, 4, 3), 1.01), r"from 1\.01 to 1\.01.*\[0, 1\]"),
        (np.full((4, 4, 3), -0.01), r"-0\.01"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.zeros((4, 4)), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4)), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), "uint8.*floating point"),
    ],
)
def test_to_pil_refuses_other_arrays(array, expected):
    with pytest.raises(InputError, match=expected):
        images.to_pil(array)


def test_png_is_lossless(rgb):
    data = images.encode(unit(rgb), "png")
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), rgb)
    np.testing.assert_array_equal(images.load(io.BytesIO(data)), unit(rgb))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_encoded_files_carry_an_srgb_profile(smooth, format):
    with Image.open(io.BytesIO(images.encode(unit(smooth), format))) as image:
        assert image.format == format.upper()
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        np.testing.assert_allclose(np.asarray(image), smooth, atol=12)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_quality_is_used(rgb, format):
    low, high = (images.encode(unit(rgb), format, quality) for quality in (10, 95))
    assert len(low) < 0.7 * len(high)


def test_jpeg_keeps_the_resolution_of_color():
    with Image.open(io.BytesIO(images.encode(np.zeros((16, 16, 3)), "jpeg"))) as image:
        assert [(horizontal, vertical) for _, horizontal, vertical, _ in image.layer] == [(1, 1)] * 3


def test_profile_has_a_fixed_date_so_that_files_are_reproducible():
    with Image.open(io.BytesIO(images.encode(np.zeros((16, 16, 3)), "png"))) as image:
        assert image.info["icc_profile"][24:36] == struct.pack(">6H", 2024, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("format", ["gif", "JPG", "", None])
def test_other_formats_are_not_encoded(format):
    with pytest.raises(InputError, match=f"{re.escape(repr(format))}.*png, jpeg, webp"):
        images.encode(np.zeros((16, 16, 3)), format)


@pytest.mark.parametrize("quality", [0, 101, -1, 50.0, "95"])
def test_quality_out_of_range_is_refused(quality):
    with pytest.raises(InputError, match=f"quality is {quality!r}.*1 to 100"):
        images.encode(np.zeros((16, 16, 3)), "jpeg", quality)


def test_image_too_large_for_the_format():
    with pytest.raises(InputError, match=r"16384 x 1 pixels.*webp"):
        images.encode(np.zeros((1, 16384, 3), np.float32), "webp")


@pytest.mark.parametrize(
    ("name", "format"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.WebP", "WEBP")]
)
def test_save_takes_the_format_from_the_suffix(tmp_path, smooth, name, format):
    assert images.save(unit(smooth), str(tmp_path / name)) == tmp_path / name
    with Image.open(tmp_path / name) as image:
        assert image.format == format
    assert os.listdir(tmp_path) == [name]


def test_save_passes_the_quality_on(tmp_path, rgb):
    images.save(unit(rgb), tmp_path / "a.jpg", quality=10)
    assert (tmp_path / "a.jpg").read_bytes() == images.encode(unit(rgb), "jpeg", 10)


def test_saved_file_has_the_usual_mode(tmp_path, rgb):
    (tmp_path / "ordinary").write_bytes(b"")
    images.save(unit(rgb), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_interrupted_save_keeps_the_old_file(tmp_path, rgb, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        images.save(unit(rgb), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


def test_full_disk_is_one_line(tmp_path, rgb, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=r"a\.png cannot be written: No space left on device$"):
        images.save(unit(rgb), tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_bad_image_does_not_touch_the_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(InputError):
        images.save(np.full((16, 16, 3), 2.0), path)
    assert path.read_bytes() == b"old"


# Whether a file can be written: save() refuses what check_writable() refuses


def save_black(path) -> None:
    images.save(np.zeros((16, 16, 3)), path)


@pytest.fixture(params=[images.check_writable, save_black], ids=["check_writable", "save"])
def check(request):
    return request.param


@pytest.mark.parametrize("name", ["a.gif", "a", ".png", "a.png.bak", "a.tiff"])
def test_other_suffixes_are_refused(tmp_path, check, name):
    suffix = {"a.gif": ".gif", "a.png.bak": ".bak", "a.tiff": ".tiff"}.get(name, "")
    with pytest.raises(
        InputError, match=f"{re.escape(name)} has the suffix '{re.escape(suffix)}'.*png.*jpg.*jpeg.*webp"
    ):
        check(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_missing_parent(tmp_path, check):
    with pytest.raises(MissingFileError, match=f"no such directory: {re.escape(str(tmp_path / 'missing'))}$"):
        check(tmp_path / "missing" / "a.png")
    assert os.listdir(tmp_path) == []


def test_parent_that_is_a_file(tmp_path, check):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png cannot be written: Not a directory"):
        check(tmp_path / "file" / "a.png")


def test_directory_as_target(tmp_path, check):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(InputError, match=r"a\.png is a directory"):
        check(tmp_path / "a.png")


def test_pipe_as_target(tmp_path, check):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is not a file"):
        check(tmp_path / "a.png")
    assert stat.S_ISFIFO((tmp_path / "a.png").stat().st_mode)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_file_system_that_takes_no_files(check):
    with pytest.raises(InputError, match=r"/proc/self/a\.png cannot be written: ."):
        check("/proc/self/a.png")


def test_parent_without_permission(tmp_path, check):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    with unprivileged(), pytest.raises(InputError, match=r"a\.png cannot be written: Permission denied"):
        check(tmp_path / "locked" / "a.png")
    assert os.listdir(tmp_path / "locked") == []


def test_write_protected_target(tmp_path, check, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda name, mode: False)  # what it answers to all but root
    with pytest.raises(InputError, match=r"a\.png is write-protected"):
        check(path)
    assert path.read_bytes() == b"old"


def test_check_writable_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.png"
    images.check_writable(path)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"old")
    images.check_writable(path)
    assert (os.listdir(tmp_path), path.read_bytes()) == (["a.png"], b"old")


def test_relative_path_is_written_here(tmp_path, rgb, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.save(unit(rgb), "a.png")
    assert os.listdir(tmp_path) == ["a.png"]


def test_images_load_without_tensorflow():
    script = "import sys, keras_style.images; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
