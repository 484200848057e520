"""One mask per region: weights add up to one at every pixel, or a mask is refused in one clear line."""

import io

import numpy as np
import pytest
from mask_checks import HEIGHT, WIDTH, encoded, gray, load, refusal, shares
from PIL import Image

from keras_style.errors import MissingFileError

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
