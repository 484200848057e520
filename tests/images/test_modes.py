"""Gray, palettes, CMYK, 16 bits, transparency: every mode of a file comes in as RGB in [0, 1]."""

import numpy as np
import pytest
from image_checks import HEIGHT, WIDTH, assert_is_image, flat, one_color, refusal, unit
from PIL import Image

from keras_style import images
from keras_style.errors import InputError


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
