"""Every kind of image file, PIL image and array comes in as the same pixels, or is refused in one clear line."""

import io
import os
import time
import warnings

import numpy as np
import pytest
from image_checks import ACCEPTED, HEIGHT, WIDTH, assert_is_image, png_header, refusal, unit, unprivileged
from PIL import Image

from keras_style import images
from keras_style.errors import InputError, MissingFileError

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
