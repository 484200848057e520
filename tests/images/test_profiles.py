"""Color profiles: files are converted to sRGB by colorimetry."""

import struct

import numpy as np
import pytest
import skimage.color
from image_checks import HEIGHT, WIDTH, assert_is_image, flat, one_color, unit
from PIL import Image, ImageCms

from keras_style import images

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


# Color profiles


@pytest.mark.parametrize("embedded", [False, True])
def test_lab(tmp_path, embedded):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes() if embedded else None
    flat("LAB", (150, 128 + 20, 128 - 30)).save(tmp_path / "a.tiff", icc_profile=profile)
    xyz = skimage.color.lab2xyz(np.array([[[150 / 255 * 100, 20, -30]]]), illuminant="D50")[0, 0]
    expected = encoded_srgb(np.linalg.solve(np.array(SRGB_PRIMARIES).T, xyz))
    loaded = images.load(tmp_path / "a.tiff")
    np.testing.assert_allclose(one_color(loaded), expected, atol=2 / 255)


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
