"""Every kind of mask comes in as weights that add up to one at every pixel, or is refused in one clear line."""

import fractions
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_style.errors import InputError, MissingFileError
from keras_style.images import masks

HEIGHT, WIDTH = 20, 28
RED, BLACK, TEAL = (255, 0, 0), (0, 0, 0), (1, 128, 200)


@pytest.fixture
def left():
    """A region of hard borders, 10 of 28 columns."""
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:, :10] = True
    return inside


@pytest.fixture
def painted():
    """Three flat colors, none of whose borders is symmetric."""
    colors = np.full((HEIGHT, WIDTH, 3), BLACK, np.uint8)
    colors[:7, :] = RED
    colors[12:, 5:16] = TEAL
    return colors


def load(spec, height: int = HEIGHT, width: int = WIDTH) -> dict[str, np.ndarray]:
    """What `masks.load` returns, after checking what is true of all of it."""
    regions = masks.load(spec, height, width)
    assert list(regions) == sorted(regions, key=lambda region: (region == masks.UNCOVERED, region))
    for weights in regions.values():
        assert (weights.shape, weights.dtype) == ((height, width), np.float32)
        assert weights.min() >= 0 and weights.max() <= 1 and weights.any()
    np.testing.assert_allclose(np.sum(list(regions.values()), axis=0), 1, atol=1e-6)
    return regions


def refusal(spec, *expected: str, size=(HEIGHT, WIDTH), error: type[Exception] = InputError) -> str:
    """The one-line message with which `spec` is refused, after checking that it names what is expected."""
    with pytest.raises(error) as caught:
        masks.load(spec, *size, name="style_masks")
    message = str(caught.value)
    assert message.startswith("style_masks") and "\n" not in message
    for text in expected:
        assert text in message
    return message


def shares(regions: dict[str, np.ndarray]) -> dict[str, float]:
    return {region: float(weights.mean(dtype=np.float64)) for region, weights in regions.items()}


def gray(values: np.ndarray, mode: str = "L") -> Image.Image:
    image = Image.fromarray((values * 255).astype(np.uint8))
    return image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file


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


# One mask a region


def test_masks_by_name(left):
    regions = load({"sky": left, "ground": ~left})
    assert list(regions) == ["ground", "sky"]
    np.testing.assert_array_equal(regions["sky"], left)
    np.testing.assert_array_equal(regions["ground"], ~left)


@pytest.mark.parametrize("kind", [list, tuple])
def test_masks_by_number(left, kind):
    regions = load(kind([left, ~left]))
    assert list(regions) == ["1", "2"]
    np.testing.assert_array_equal(regions["1"], left)


def test_regions_do_not_depend_on_the_order_of_the_masks(left):
    assert list(load({"b": left, "a": ~left})) == list(load({"a": ~left, "b": left})) == ["a", "b"]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_zeros_and_ones_of_any_type(left, dtype):
    np.testing.assert_array_equal(load([left.astype(dtype)])["1"], left)


@pytest.mark.parametrize("white", [255, 1])
@pytest.mark.parametrize("kind", ["array", "image", "file", "deep"])
def test_white_is_inside(left, white, kind):
    levels = left.astype(np.uint8) * white
    mask = {
        "array": levels,
        "image": Image.fromarray(levels),
        "file": encoded(Image.fromarray(levels)),
        "deep": Image.fromarray(np.where(left, 65535 if white == 255 else 1, 0).astype(np.uint16)),
    }[kind]
    np.testing.assert_array_equal(load([mask])["1"], left)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "I", "F"])
def test_modes_of_masks(left, mode):
    image = {"I": Image.fromarray(left * np.int32(65535)), "F": Image.fromarray(left.astype(np.float32))}.get(mode)
    np.testing.assert_array_equal(load([image or gray(left, mode)])["1"], left)


def test_mask_files(tmp_path, left):
    gray(left).save(tmp_path / "a.png")
    regions = load({"a": tmp_path / "a.png", "b": encoded(gray(~left), "TIFF")})
    np.testing.assert_array_equal(regions["a"], left)


def test_soft_masks_keep_their_levels():
    levels = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    for mask in (levels, Image.fromarray(levels), levels / 255):
        regions = load({"soft": mask})
        np.testing.assert_allclose(regions["soft"], levels / 255, atol=1e-7)
        np.testing.assert_allclose(regions["uncovered"], 1 - levels / 255, atol=1e-7)


def test_deep_masks_keep_their_depth():
    levels = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    np.testing.assert_allclose(load([Image.fromarray(levels)])["1"], levels / 65535, atol=1e-7)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_parts_of_a_mask_are_outside(left, mode):
    image = Image.new(mode, (WIDTH, HEIGHT), "white")
    image.putalpha(gray(left * 0.8))
    np.testing.assert_allclose(load([image])["1"], left * 0.8, atol=1e-6)


def test_transparent_level_of_a_deep_mask_is_outside(left):
    image = Image.fromarray(np.where(left, 65535, 30000).astype(np.uint16))
    np.testing.assert_array_equal(load([encoded(image, transparency=30000)])["1"], left)


def test_masks_are_turned_as_their_photo(left):
    exif = Image.Exif()
    exif[0x0112] = 8
    np.testing.assert_array_equal(load([encoded(gray(left), exif=exif)], WIDTH, HEIGHT)["1"], np.rot90(left))


def test_masks_are_copied(left):
    mask = left.astype(np.float32)
    load([mask, 1 - mask])["1"][:] = 0.5
    np.testing.assert_array_equal(mask, left)


# Masks that are refused


@pytest.mark.parametrize("mask", [np.zeros((HEIGHT, WIDTH)), Image.new("L", (WIDTH, HEIGHT))])
def test_empty_regions_are_refused(left, mask):
    refusal({"sky": left, "sea": mask}, "region 'sea'", "black everywhere", "empty")


def test_white_behind_transparency_is_empty():
    refusal([Image.new("LA", (WIDTH, HEIGHT), (255, 0))], "region '1': PIL image is black everywhere")


def test_colored_masks_are_refused(painted):
    refusal([Image.fromarray(painted)], "region '1': PIL image is colored", "gray")


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "HSV", "YCbCr"])
def test_other_mask_modes_are_refused(mode):
    refusal([Image.new(mode, (WIDTH, HEIGHT))], f"has mode {mode}", "accepted are 1, L, LA", "I, F")


@pytest.mark.parametrize("shape", [(20, 28, 1), (20, 28, 3), (20,), ()])
def test_other_mask_shapes_are_refused(shape):
    refusal([np.ones(shape)], f"region '1': an array of shape {shape}", "(height, width)")


@pytest.mark.parametrize("dtype", [object, np.complex64, np.dtype("U1")])
def test_other_mask_dtypes_are_refused(dtype):
    refusal([np.zeros((20, 28), dtype)], f"dtype {np.dtype(dtype)}", "bool, uint8")


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.nan, float, ("NaN",)),
        (np.inf, float, ("infinite",)),
        (-0.25, float, ("from -0.25 to 0.5", "[0, 1]")),
        (255, np.float32, ("to 255.0", "[0, 1]")),
        (255, np.int64, ("to 255", "[0, 1]")),
        (-1, np.int8, ("from -1", "[0, 1]")),
    ],
)
def test_values_out_of_range_are_refused(value, dtype, expected):
    mask = np.full((HEIGHT, WIDTH), 0.5).astype(dtype)
    mask[7, 8] = value
    refusal({"sky": mask}, "region 'sky'", f"dtype {mask.dtype}", *expected)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("F", 1.5, ("mode F", "1.5", "[0, 1]")), ("F", float("nan"), ("NaN",)), ("I", 65536, ("mode I", "65535"))],
)
def test_deep_masks_out_of_range_are_refused(mode, value, expected):
    refusal([Image.new(mode, (WIDTH, HEIGHT), value)], "region '1': PIL image", *expected)


@pytest.mark.parametrize("nothing", [{}, [], ()])
def test_no_masks_are_refused(nothing):
    refusal(nothing, "style_masks is empty", "at least one")


@pytest.mark.parametrize("region", [1, "", " ", None])
def test_other_names_of_regions_are_refused(left, region):
    refusal({region: left}, f"called {region!r}", "a name")


def test_reserved_name_is_refused(left):
    refusal({"uncovered": left}, "'uncovered' is what no mask covers", "another name")


# What is common to both


@pytest.mark.parametrize("wrap", [lambda mask: mask, lambda mask: [mask], lambda mask: {"1": mask}])
@pytest.mark.parametrize("wrong", [None, 3, b"bytes", {"a": 1}.values(), Ellipsis])
def test_other_objects_are_refused(wrap, wrong):
    refusal(wrap(wrong), f"an object of type {type(wrong).__name__}", "expected a path")


def test_masks_within_masks_are_refused(left):
    refusal([[left]], "region '1': an object of type list")
    refusal({"a": {"b": left}}, "region 'a': an object of type dict")


@pytest.mark.parametrize("wrap", [lambda mask: mask, lambda mask: [mask]])
def test_files_that_cannot_be_read(tmp_path, wrap):
    refusal(wrap(tmp_path / "missing.png"), "no such file", "missing.png", error=MissingFileError)
    refusal(wrap(str(tmp_path)), "is a directory")
    (tmp_path / "a.png").write_bytes(b"not an image")
    refusal(wrap(tmp_path / "a.png"), "a.png is not an image that can be read", "PNG, JPEG")
    refusal(wrap(io.BytesIO(b"")), "a BytesIO")
    with open(tmp_path / "a.png") as text:
        refusal(wrap(text), "open as text")


@pytest.mark.parametrize("wrap", [lambda mask: mask, lambda mask: [mask]])
def test_limits_are_those_of_photographs(wrap, monkeypatch):
    refusal(wrap(np.ones((15, 21), np.uint8)), "21 x 15", "at least 16")
    refusal(wrap(Image.new("L", (21, 15))), "21 x 15", "at least 16")
    refusal(wrap(np.broadcast_to(np.uint8(1), (10_001, 10_000))), "100,000,000")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    load(wrap(encoded(Image.new("L", (WIDTH, HEIGHT), 255))))


@pytest.mark.parametrize("wrap", [lambda mask: mask, lambda mask: [mask]])
@pytest.mark.parametrize("size", [(28, 20), (20, 29), (24, 28), (200, 288)])
def test_other_proportions_are_refused(wrap, size):
    text = f"28 x 20 pixels (width x height) and its image {size[1]} x {size[0]}; expected the same proportions"
    refusal(wrap(np.ones((HEIGHT, WIDTH), np.uint8)), text, size=size)
    refusal(wrap(Image.new("L", (WIDTH, HEIGHT), 255)), text, size=size)


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        *[((20, 28), (200, 285)), ((200, 285), (20, 28)), ((20, 28), (200, 286)), ((683, 1024), (342, 512))],
        *[((49, 1000), (25, 500)), ((25, 500), (49, 1000)), ((500, 25), (1000, 49))],
    ],
)
def test_proportions_that_differ_by_rounding(mask, image):
    assert load(np.ones(mask, np.uint8), *image)["1"].all()


# Gaps and overlaps


def test_what_no_mask_covers_is_a_region(left):
    regions = load({"sky": left})
    assert list(regions) == ["sky", "uncovered"]
    np.testing.assert_array_equal(regions["uncovered"], ~left)


def test_uncovered_comes_last(left):
    assert list(load({"water": left, "Zürich": np.flip(left)})) == ["Zürich", "water", "uncovered"]


def test_one_uncovered_pixel_is_a_region():
    mask = np.ones((HEIGHT, WIDTH))
    mask[3, 4] = 0.49
    regions = load([mask])
    assert shares(regions)["uncovered"] == pytest.approx(0.51 / mask.size)


def test_smaller_gaps_are_closed():
    mask = np.ones((HEIGHT, WIDTH))
    mask[3, 4] = 0.5
    assert shares(load([mask])) == {"1": 1}


def test_borders_of_neighbors_leave_no_gap(left):
    soft = np.asarray(gray(left).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC))
    leaking = (soft * 0.8).astype(np.uint8)
    assert list(load([leaking, 255 - soft], 2 * HEIGHT, 2 * WIDTH)) == ["1", "2"]


def test_gap_that_is_thin_in_the_image_is_closed():
    column = np.arange(140)[np.newaxis].repeat(100, axis=0)
    apart = [column < 69, column > 69]
    assert list(load(apart, 100, 140)) == ["1", "2", "uncovered"]
    regions = load(apart)
    assert list(regions) == ["1", "2"]
    assert shares(regions)["1"] == pytest.approx(0.5, abs=0.01)


def test_overlaps_are_refused(left):
    other = np.zeros_like(left)
    other[:4, 8:12] = True
    refusal({"sky": left, "sun": other}, "'sky' and 'sun' overlap", "of the 560 pixels 8 belong", "share no pixels")


def test_overlap_of_two_among_three(left):
    three = {"c": ~left, "b": np.full(left.shape, 0.05), "a": left * 0.9}
    assert list(load(three)) == ["a", "b", "c"]
    refusal(three | {"a": np.ones_like(left)}, "'a' and 'c' overlap", "560 pixels 360 belong")


def test_overlap_that_rounding_makes_is_shared(left):
    regions = load([left * 1.0, np.where(left, 0.1, 1.0)])
    np.testing.assert_allclose(regions["1"], left / 1.1, rtol=1e-6)
    refusal([left * 1.0, np.where(left, 0.11, 1.0)], "'1' and '2' overlap")


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_smooth_complementary_masks_pass(left, resample):
    size = (37, 26)
    assert list(load([gray(mask).resize(size, resample) for mask in (left, ~left)])) == ["1", "2"]


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_complementary_masks_as_jpeg_pass(quality):
    y, x = np.mgrid[0:100, 0:140]
    inside = (x - 70) ** 2 + (y - 40) ** 2 < 900
    regions = load([encoded(gray(mask), "JPEG", quality=quality) for mask in (inside, ~inside)], 100, 140)
    assert list(regions) == ["1", "2"]
    assert shares(regions)["1"] == pytest.approx(inside.mean(), abs=5e-3)


# Sizes


SIZES = [(20, 28), (10, 14), (7, 10), (40, 56), (33, 46), (19, 27), (200, 280)]


@pytest.mark.parametrize("size", SIZES)
def test_shares_of_the_image_stay(painted, size):
    expected = shares(load(painted))
    assert shares(load(painted, *size)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_any_labels_stay_a_partition(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(16, 60, 2)
    labels = rng.integers(0, 6, (height, width))
    scale = rng.uniform(0.3, 3)
    regions = load(labels, max(1, round(height * scale)), max(1, round(width * scale)))
    assert shares(regions) == pytest.approx({str(label): (labels == label).mean() for label in range(6)}, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_any_soft_masks_stay_a_partition(seed):
    rng = np.random.default_rng(seed)
    levels = rng.dirichlet([0.3, 0.3, 0.3], (31, 44)).transpose(2, 0, 1)
    for size in [(31, 44), (13, 18), (62, 88), (50, 71)]:
        regions = load({"a": levels[0], "b": levels[1]}, *size)
        expected = dict(zip(("a", "b", "uncovered"), levels.mean(axis=(1, 2)), strict=True))
        assert shares(regions) == pytest.approx(expected, abs=1e-6)


def overlaps(count: int, size: int) -> np.ndarray:
    """How much of each of `size` equal parts every one of `count` pixels is, in fractions."""
    rows = []
    for part in range(size):
        low, high = fractions.Fraction(part * count, size), fractions.Fraction((part + 1) * count, size)
        rows.append([max(0, min(high, pixel + 1) - max(low, pixel)) / (high - low) for pixel in range(count)])
    return np.array(rows, float)


@pytest.mark.parametrize("size", [(5, 7), (16, 9), (31, 40), (17, 60), (1, 1)])
def test_resize_is_the_mean_over_the_area(size):
    mask = np.random.default_rng(0).random((17, 23))
    expected = overlaps(17, size[0]) @ mask @ overlaps(23, size[1]).T
    resized = masks.resize(mask, *size)
    assert (resized.shape, resized.dtype) == (size, np.float32)
    np.testing.assert_allclose(resized, expected, atol=1e-7)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
@pytest.mark.parametrize("size", [(17, 23), (6, 11), (40, 29)])
def test_resize_leaves_zeros_and_ones(dtype, size):
    for value in (0, 1):
        assert (masks.resize(np.full((17, 23), value, dtype), *size) == value).all()


def test_resize_returns_a_new_array():
    mask = np.ones((4, 5), np.float32)
    assert not np.shares_memory(masks.resize(mask, 4, 5), mask)


# Layers


@pytest.mark.parametrize("size", [(16, 16), (20, 28), (37, 51)])
@pytest.mark.parametrize("poolings", [0, 1, 2, 4])
def test_at_layer_is_the_mean_of_squares(size, poolings):
    mask = np.random.default_rng(0).random(size).astype(np.float32)
    side = 2**poolings
    height, width = size[0] // side, size[1] // side
    pooled = masks.at_layer(mask, side, (height, width))
    assert (pooled.shape, pooled.dtype) == ((height, width), np.float32)
    for y, x in np.ndindex(height, width):
        square = mask[y * side : (y + 1) * side, x * side : (x + 1) * side]
        assert pooled[y, x] == pytest.approx(square.mean(), abs=1e-6)


def test_at_layer_stays_a_partition(painted):
    for poolings in range(5):
        side = 2**poolings
        pooled = [masks.at_layer(mask, side, (37 // side, 51 // side)) for mask in load(painted, 37, 51).values()]
        np.testing.assert_allclose(np.sum(pooled, axis=0), 1, atol=1e-6)


def test_at_layer_keeps_float64():
    assert masks.at_layer(np.ones((4, 4)), 2, (2, 2)).dtype == np.float64


# Both sides


def test_same_regions_match(painted, left):
    masks.match(load(painted), load(painted[::-1, ::-1].repeat(2, axis=0).repeat(2, axis=1), 40, 56))
    masks.match(load({"sky": left}), load({"sky": ~left}))


@pytest.mark.parametrize(
    ("content", "style", "expected"),
    [
        ("ab", "a", "only content_masks has 'b'; expected the same regions in both"),
        ("a", "acb", "only style_masks has 'b', 'c'; expected the same regions in both"),
        ("ab", "bc", "only content_masks has 'a'; only style_masks has 'c'; expected the same regions in both"),
        (["a", "uncovered"], "a", "only content_masks has 'uncovered' ('uncovered' is what no mask covers); expected"),
        (["a", "uncovered"], ["b", "uncovered"], "content_masks has 'a'; only style_masks has 'b'; expected"),
    ],
)
def test_region_of_one_side_is_refused(content, style, expected):
    with pytest.raises(InputError) as caught:
        masks.match(dict.fromkeys(content), dict.fromkeys(style))
    assert str(caught.value).startswith("content_masks, style_masks: only ") and expected in str(caught.value)


def test_sides_have_names():
    with pytest.raises(InputError, match=r"^content_masks, style_masks 2: only style_masks 2 has 'a'; expected"):
        masks.match({}, {"a": np.ones(1)}, style_name="style_masks 2")


def test_masks_do_not_load_tensorflow():
    script = "import sys, keras_style.images.masks; print({'tensorflow', 'keras', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
