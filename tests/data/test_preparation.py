"""Sizes and colors of training images, against the rules of the published program."""

import numpy as np
import pytest
from gans import images, tiny
from PIL import Image

from keras_style.data.unpaired_batches import unpaired
from keras_style.errors import InputError

SIZE = 16


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def one(picture, **options):
    """What becomes of a picture in A, (height, width, channels) in 0 to 255, without flips."""
    data = unpaired(picture[None], images(1, 0, 32) / 2 + 0.5, image_size=SIZE, flip=False, **options)
    (a, _), *_ = data
    assert a.dtype == "float32" and data.largest[0] >= a.shape[1] and data.largest[1] >= a.shape[2]
    return (a[0].numpy() + 1) * 127.5


def resized(picture, width, height, mode="RGB"):
    return np.asarray(Image.fromarray(picture).convert(mode).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("height", "width", "sides"), [(21, 26, (20, 24)), (22, 23, (24, 24)), (20, 24, (20, 24))])
def test_none_makes_sides_multiples_of_four(height, width, sides):
    """22 / 4 is 5.5, which Python rounds to the even 6; 26 / 4 is 6.5, also to 6."""
    picture = noise(height, width)
    np.testing.assert_allclose(one(picture, preprocess="none"), resized(picture, *sides[::-1]), atol=1e-4)


def test_scale_width_keeps_the_aspect():
    picture = noise(30, 20)
    np.testing.assert_allclose(one(picture, preprocess="scale_width"), resized(picture, SIZE, 24), atol=1e-4)


def test_a_low_picture_gets_the_height_of_a_crop():
    """20 pixels wide it would be 10 high; the crop is from a picture of 20 x 16, whose left edge is at random."""
    picture = noise(20, 40)
    crop = one(picture, preprocess="scale_width_and_crop", load_size=20)
    whole = resized(picture, 20, SIZE)
    assert min(np.abs(whole[:, left : left + SIZE] - crop).max() for left in range(5)) < 1e-4


def test_gray():
    picture = noise(32, 32)
    gray = one(picture, channels=1, load_size=SIZE)
    np.testing.assert_allclose(gray, resized(picture, SIZE, SIZE, "L")[..., None], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels is 2; expected 3, RGB, or 1, gray"),
        ({"preprocess": "scale_width", "load_size": 20}, "load_size is 20 with preprocess='scale_width'"),
        ({"preprocess": "scale_width", "batch_size": 2}, "batch_size is 2 with preprocess='scale_width'; expected 1"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        unpaired(images(3, 0, 32) / 2 + 0.5, images(3, 1, 32) / 2 + 0.5, image_size=SIZE, **options)


def test_files_of_several_sizes_train_with_a_pool(tmp_path):
    """A pool of two returns, in three epochs of three, what came in before, of another size."""
    for number, (height, width) in enumerate([(16, 24), (28, 16), (16, 16)]):
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 1 else 1  # lies on its side
        Image.fromarray(noise(height, width)).save(tmp_path / f"{number}.png", exif=exif)
    data = unpaired(tmp_path, noise(16, 16)[None], preprocess="none", seed=1)
    assert data.largest == (16, 28)
    gan = tiny(pool_size=2)
    gan.compile()
    history = gan.fit(data, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert gan.pool_a.stored.shape == (2, 16, 28, 3) and int(gan.pool_a.seen) == 9
    gan.compile(jit_compile=True)
    with pytest.raises(InputError, match="images differ in size, with jit_compile=True"):
        gan.fit(data, verbose=0)
