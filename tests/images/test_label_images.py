"""Label images: every color is a region, and what is no label image is refused in one clear line."""

import numpy as np
import pytest
from mask_checks import BLACK, HEIGHT, RED, TEAL, WIDTH, encoded, gray, load, refusal, shares
from PIL import Image

# Label images


def test_every_color_is_a_region(painted):
    regions = load(painted)
    assert list(regions) == ["#000000", "#0180c8", "#ff0000"]
    for region, color in zip(regions, (BLACK, TEAL, RED), strict=True):
        np.testing.assert_array_equal(regions[region], (painted == color).all(axis=-1))


@pytest.mark.parametrize("kind", ["path", "str", "file", "PIL image", "palette", "RGBA", "array with alpha", "RGBX"])
def test_label_images_of_all_kinds(tmp_path, painted, kind):
    image = Image.fromarray(painted)
    image.save(tmp_path / "a.png")
    spec = {
        "path": tmp_path / "a.png",
        "str": str(tmp_path / "a.png"),
        "file": encoded(image),
        "PIL image": image,
        "palette": encoded(image.convert("P", palette=Image.Palette.ADAPTIVE, colors=3)),
        "RGBA": encoded(image.convert("RGBA")),
        "array with alpha": np.asarray(image.convert("RGBA")),
        "RGBX": image.convert("RGBX"),
    }[kind]
    regions = load(spec)
    for region, weights in load(painted).items():
        np.testing.assert_array_equal(regions[region], weights)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB"])
def test_gray_levels_are_colors(left, mode):
    regions = load(gray(left, mode))
    assert list(regions) == ["#000000", "#ffffff"]
    np.testing.assert_array_equal(regions["#ffffff"], left)


def test_one_color_is_one_region():
    assert list(load(Image.new("RGB", (WIDTH, HEIGHT), RED))) == ["#ff0000"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_arrays_of_integers_are_labels(left, dtype):
    labels = np.where(left, 12, 3).astype(dtype)
    regions = load(labels)
    assert list(regions) == ["12", "3"]
    np.testing.assert_array_equal(regions["12"], left)


def test_negative_labels(left):
    assert list(load(np.where(left, -1, 0))) == ["-1", "0"]


def test_boolean_array_is_a_label_image(left):
    np.testing.assert_array_equal(load(left)["1"], left)
    np.testing.assert_array_equal(load(left)["0"], ~left)


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16B", ">u2"), ("I", "<i4")])
def test_deep_gray_holds_labels(left, mode, dtype):
    labels = np.where(left, 40000, 7).astype(dtype)
    image = Image.frombytes(mode, (WIDTH, HEIGHT), labels.tobytes())
    assert list(load(image)) == ["40000", "7"]
    np.testing.assert_array_equal(load(image)["7"], ~left)


def test_label_file_is_turned_as_its_photo(painted):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = load(encoded(Image.fromarray(painted), exif=exif), WIDTH, HEIGHT)
    for region, weights in load(painted).items():
        np.testing.assert_array_equal(turned[region], np.rot90(weights, -1))


def test_color_profiles_are_not_applied(painted):
    file = encoded(Image.fromarray(painted), icc_profile=b"anything")
    assert list(load(file)) == list(load(painted))


def test_transparent_pixels_are_uncovered(painted, left):
    image = Image.fromarray(painted)
    image.putalpha(gray(~left))
    regions = load(encoded(image))
    np.testing.assert_array_equal(regions["uncovered"], left)
    np.testing.assert_array_equal(regions["#ff0000"], load(painted)["#ff0000"] * ~left)


@pytest.mark.parametrize(("mode", "color"), [("RGB", RED), ("L", 9), ("P", 1)])
def test_transparent_color_is_uncovered(left, mode, color):
    image = Image.new(mode, (WIDTH, HEIGHT), 0)
    if mode == "P":
        image.putpalette([*BLACK, *RED])
    image.paste(color, (0, 0, 10, HEIGHT))
    regions = load(encoded(image, transparency=color))
    assert list(regions) == ["#000000", "uncovered"]
    np.testing.assert_array_equal(regions["uncovered"], left)


def test_transparent_label_is_uncovered(left):
    image = Image.fromarray(np.where(left, 500, 30000).astype(np.uint16))
    np.testing.assert_array_equal(load(encoded(image, transparency=500))["uncovered"], left)


def test_labels_are_never_interpolated():
    labels = np.random.default_rng(0).choice([0, 10, 200], (64, 48))
    assert list(load(labels, 24, 18)) == ["0", "10", "200"]
    assert list(load(labels, 99, 74)) == ["0", "10", "200"]


# Label images that are refused


def test_translucent_labels_are_refused(painted):
    image = Image.fromarray(painted).convert("RGBA")
    image.putpixel((3, 3), (*RED, 128))
    refusal(image, "translucent")


def test_transparent_label_images_are_refused():
    refusal(Image.new("RGBA", (WIDTH, HEIGHT)), "transparent everywhere")
    refusal(encoded(Image.new("I;16", (WIDTH, HEIGHT), 7), transparency=7), "transparent everywhere")


def test_photographs_are_refused():
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    refusal(Image.fromarray(noise), "560 colors", "at most 64", "JPEG", "PNG")


def test_number_of_labels():
    labels = np.arange(65).repeat(16).reshape(65, 16)
    refusal(labels, "65 different labels", "at most 64", size=(65, 16))
    labels[64] = 0
    assert len(load(labels, 65, 16)) == 64


def test_number_of_colors():
    def striped(count: int) -> np.ndarray:
        return np.arange(count, dtype=np.uint8).repeat(2 * 16 * 3).reshape(2 * count, 16, 3)

    refusal(striped(65), "65 colors", "at most 64", size=(130, 16))
    assert len(load(striped(64), 128, 16)) == 64


def test_smoothed_borders_are_refused(painted):
    smooth = Image.fromarray(painted.repeat(4, axis=0).repeat(4, axis=1)).resize((37, 27), Image.Resampling.BOX)
    message = refusal(smooth, "cover nowhere 2 x 2 pixels", "PNG", "{name: mask}", size=(27, 37))
    colors = len({smooth.getpixel((x, y)) for x in range(37) for y in range(27)})
    assert 3 < colors <= 64 and f"has {colors} colors; {colors - 3} of them, such as #" in message


@pytest.mark.parametrize("quality", [75, 90, 95])
def test_jpeg_labels_are_refused(quality):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    refusal(encoded(gray(y + x < 20), "JPEG", quality=quality), "colors", "JPEG compression", "PNG")


def test_flat_jpeg_is_read():
    assert list(load(encoded(Image.new("RGB", (WIDTH, HEIGHT)), "JPEG", quality=100))) == ["#000000"]


def test_smallest_region_of_a_label_image(painted):
    painted[2:4, 3:5] = TEAL
    painted[-2:, -2:] = (9, 9, 9)
    assert shares(load(painted))["#090909"] == pytest.approx(4 / (HEIGHT * WIDTH))
    painted[-1, -1] = BLACK
    refusal(painted, "has 4 colors; 1 of them, such as #090909,")
    assert list(load({"bird": (painted == 9).all(axis=-1)})) == ["bird", "uncovered"]
    assert list(load(np.where(painted[..., 0] == 9, 1, 0))) == ["0", "1"]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *[((20, 28), np.float32), ((20, 28), np.complex64), ((20, 28), object), ((20, 28, 3), np.float32)],
        *[((20, 28, 3), np.int64), ((20, 28, 1), np.uint8), ((2, 20, 28), np.uint8), ((), np.uint8)],
    ],
)
def test_other_label_arrays_are_refused(shape, dtype):
    refusal(np.zeros(shape, dtype), f"shape {shape}", f"dtype {np.dtype(dtype)}", "integers (height, width)")


@pytest.mark.parametrize("mode", ["F", "CMYK", "LAB", "HSV", "YCbCr"])
def test_other_label_modes_are_refused(mode):
    refusal(Image.new(mode, (WIDTH, HEIGHT)), f"PIL image has mode {mode}", "accepted are 1, L, LA")
