"""From a generator to a picture through all of it: exported, served, asked by the client. It equals `translate`."""

import asyncio

import numpy as np
import pytest
from PIL import Image

from keras_style import export
from keras_style.errors import RefusedError
from keras_style.images.writing import srgb_profile
from keras_style.server import Server
from keras_style.serving import AsyncStyleClient, StyleClient

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gan():
    from keras_style.models.cyclegan import CycleGAN

    return CycleGAN("resnet_6", filters=2, discriminator="pixel", image_size=16, pool_size=2, seed=1)


@pytest.fixture(scope="module")
def address(gan, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    export.export_saved_model(gan.generator_a2b, models / "a2b")
    with Server(models, port=0) as server:
        yield server.address


@pytest.fixture(scope="module")
def translated(gan):
    from keras_style.models.translation import translate

    return lambda picture: translate(gan.generator_a2b, picture)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)  # sides that are no multiples of 4


def test_pixels(address, translated, pixels):
    floats = (pixels / 255).astype(np.float32)
    with StyleClient(address, "a2b") as client:
        np.testing.assert_allclose(client.stylize(floats).array, translated(floats), atol=1e-5)
        answer = client.stylize(pixels)
    assert answer.version == 1
    np.testing.assert_allclose(answer.array, translated(pixels), atol=0.5 / 255 + 1e-5)


def test_every_kind_of_file_is_seen_as_python_sees_it(address, translated, pixels, tmp_path):
    picture = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = Image.fromarray(pixels[..., 0])
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "turned.jpg", exif=turned, quality=95)
    picture.save(tmp_path / "turned.png", exif=turned)
    picture.convert("L").save(tmp_path / "gray.jpg")
    picture.convert("P").save(tmp_path / "palette.png")
    Image.merge("RGBA", (*picture.split(), alpha)).save(tmp_path / "alpha.png")
    Image.merge("LA", (picture.convert("L"), alpha)).save(tmp_path / "gray_alpha.png")
    picture.convert("1").save(tmp_path / "bits.png")
    picture.quantize(16).save(tmp_path / "four_bits.png", bits=4)  # TensorFlow's decoder gives these an alpha of 15
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(tmp_path / "deep.png")
    picture.save(tmp_path / "profile.png", icc_profile=srgb_profile())
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    picture.save(tmp_path / "picture.webp", lossless=True)
    picture.save(tmp_path / "picture.tif")
    paths = sorted(tmp_path.iterdir())
    with StyleClient(address, "a2b") as client:
        for path, answer in zip(paths, client.stylize_many(paths, concurrency=2, return_exceptions=False), strict=True):
            difference = np.abs(answer.array - translated(path)).max() * 255
            assert difference <= 1, path.name


def test_what_is_no_picture(address):
    async def ask():
        async with AsyncStyleClient(address, "a2b") as client:
            return [each async for each in client.stylize_many([b"junk", b"GIF8", b"\xff\xd8\xff"])]

    assert [type(each) for each in asyncio.run(ask())] == [RefusedError] * 3
