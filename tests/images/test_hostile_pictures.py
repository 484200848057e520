"""Pictures that claim much, never end or carry odd baggage: read for what they are, or refused at once in one line."""

import io
import os
import tracemalloc

import numpy as np
import pytest
from image_checks import png_header, refusal, unit
from PIL import Image, ImageCms, PngImagePlugin

from keras_style import images
from keras_style.errors import InputError
from keras_style.images import masks, reading

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png(rgb, **options):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", **options)
    return file.getvalue()


def text(length, add):
    info = PngImagePlugin.PngInfo()
    getattr(info, add)("Comment", "x" * length, zip=True)
    return {"pnginfo": info}


@pytest.mark.parametrize(
    "options",
    [text(3_000_000, "add_text"), text(3_000_000, "add_itxt"), {"icc_profile": SRGB + bytes(3_000_000)}],
    ids=["text", "international text", "profile"],
)
def test_a_png_with_megabytes_of_text_or_profile_is_read(options, rgb):
    before = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    np.testing.assert_array_equal(images.load(io.BytesIO(png(rgb, **options))), unit(rgb))
    assert before == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


def test_text_behind_the_pixels_of_a_pil_image_is_read(rgb):
    data = png(rgb)
    packed = png(rgb, **text(3_000_000, "add_text"))
    start = packed.index(b"zTXt") - 4
    behind = data[:-12] + packed[start : packed.index(b"IDAT") - 4] + data[-12:]
    with Image.open(io.BytesIO(behind)) as image:
        np.testing.assert_array_equal(images.load(image), unit(rgb))


@pytest.mark.parametrize("options", [text(70_000_000, "add_text"), {"icc_profile": SRGB + bytes(70_000_000)}])
def test_more_text_than_anybody_writes_is_called_so(options, rgb):
    assert "damaged" not in refusal(
        io.BytesIO(png(rgb, **options)), "has more than 67,108,864 bytes of text or profile"
    )


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null"])
def test_devices_are_refused(place):
    refusal(place, place, "is a pipe, a socket or a device; expected a file")


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refusal(tmp_path / "pipe.png", "is a pipe, a socket or a device; expected a file")
    with pytest.raises(InputError, match="is a pipe"):
        masks.load(tmp_path / "pipe.png", 20, 28)


@pytest.mark.parametrize(
    ("limit", "size", "refused"),
    [("400", (20, 20), False), ("400", (21, 20), True), (" 401 ", (21, 20), True), ("", (21, 20), False)],
)
def test_the_user_sets_the_limit_on_pixels(limit, size, refused, monkeypatch):
    monkeypatch.setenv("KERAS_STYLE_MAX_PIXELS", limit)
    for picture in (Image.new("RGB", size), np.zeros((*size[::-1], 3))):
        if refused:
            refusal(picture, f"expected at most {limit.strip()} (the environment variable KERAS_STYLE_MAX_PIXELS")
        else:
            assert images.load(picture).shape == (*size[::-1], 3)


def test_the_limit_can_be_raised(monkeypatch, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(20_000, 20_000))
    monkeypatch.setenv("KERAS_STYLE_MAX_PIXELS", "400000000")
    refusal(path, "cut short")  # it is read, and then there are no pixels


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1e8", "9" * 5000])
def test_a_limit_that_is_none(limit, monkeypatch):
    monkeypatch.setenv("KERAS_STYLE_MAX_PIXELS", limit)
    with pytest.raises(InputError, match=r"KERAS_STYLE_MAX_PIXELS is .*; expected a whole number of pixels") as caught:
        images.load(Image.new("RGB", (20, 20)))
    assert len(str(caught.value)) < 250


def picture_of(mode, pixels):
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(pixels[..., 0].astype(np.float32) / 255)
    return Image.fromarray(pixels).convert("RGB" if mode == "P" else mode).convert(mode)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [*((mode, None) for mode in ("RGB", "RGBA", "L", "LA", "P", "CMYK", "I;16", "F")), ("RGB", SRGB), ("RGBA", SRGB)],
)
def test_strips_join_to_the_picture_and_beside_it_little_is_held(mode, profile, monkeypatch):
    picture = picture_of(mode, np.random.default_rng(0).integers(0, 255, (300, 100, 4), np.uint8))
    if profile:
        picture.info["icc_profile"] = profile
    whole = images.load(picture)
    monkeypatch.setattr(reading, "_STRIP", 700)  # seven rows
    tracemalloc.start()
    joined = images.load(picture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(joined, whole)
    assert peak < 1.5 * joined.nbytes


def test_a_label_image_of_many_colors(tmp_path):
    numbers = np.arange(200 * 200, dtype=np.uint32)
    colors = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    with pytest.raises(InputError, match=r"has 40,000 colors; expected at most 64"):
        masks.load(colors.reshape(200, 200, 3), 200, 200)


def test_thousands_of_frames_cost_as_much_as_one(tmp_path):
    frames = [Image.new("RGB", (20, 20), (index % 256,) * 3) for index in range(1000)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    tracemalloc.start()
    assert not images.load(tmp_path / "a.png").any()
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
