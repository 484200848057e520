"""Images become files of 8 bits, whole or not at all."""

import io
import os
import re
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
from image_checks import unit, unprivileged
from PIL import Image, ImageCms

from keras_style import images
from keras_style.errors import InputError, MissingFileError

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
