"""Sizes and resizing."""

import numpy as np
import pytest
import skimage.color
import skimage.transform
from image_checks import HEIGHT, WIDTH, assert_is_image, unit

from keras_style import images
from keras_style.errors import InputError

# Sizes


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((300, 400), 200, (150, 200)),
        ((400, 300), 200, (200, 150)),
        ((100, 100), 7, (7, 7)),
        ((3, 4), 2, (2, 2)),  # 1.5 goes up
        ((5, 8), 4, (3, 4)),  # 2.5 goes up as well
        ((333, 1000), 100, (33, 100)),
        ((1, 1000), 10, (1, 10)),
        ((300, 400), 800, (600, 800)),
    ],
)
def test_fitted_size(size, long_side, expected):
    assert images.fitted_size(*size, long_side) == expected
    if max(size) < 500:
        assert images.fit(np.zeros((*size, 3), np.float32), long_side).shape == (*expected, 3)


@pytest.mark.parametrize("numbers", [(0, 5, 5), (5, 0, 5), (5, 5, 0), (5, 5, -3)])
def test_sizes_below_one_are_refused(numbers):
    with pytest.raises(InputError, match="at least 1 pixel"):
        images.fitted_size(*numbers)


def test_resize_to_the_same_size_is_the_same_array(rgb):
    image = unit(rgb)
    assert images.resize(image, HEIGHT, WIDTH) is image
    assert images.fit(image, WIDTH) is image


@pytest.mark.parametrize("size", [(7, 9), (64, 50), (1, 1)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_resize_keeps_a_constant(size, value):
    resized = images.resize(np.full((20, 28, 3), value, np.float32), *size)
    assert_is_image(resized, *size)
    np.testing.assert_allclose(resized, value, atol=2**-17)  # to the nearest multiple of 2^-16


def test_resize_is_antialiased():
    y, x = np.mgrid[0:64, 0:64]
    checkerboard = np.repeat(((x + y) % 2)[..., np.newaxis], 3, axis=-1).astype(np.float32)
    resized = images.resize(checkerboard, 16, 16)
    np.testing.assert_allclose(resized[2:-2, 2:-2], 0.5, atol=0.01)


@pytest.mark.parametrize("size", [(11, 13), (10, 14), (41, 30)])
def test_resize_does_not_shift(rgb, size):
    image = unit(rgb)
    symmetric = (image + image[::-1] + image[:, ::-1] + image[::-1, ::-1]) / 4
    resized = images.resize(symmetric, *size)
    np.testing.assert_allclose(resized, resized[::-1], atol=1e-6)
    np.testing.assert_allclose(resized, resized[:, ::-1], atol=1e-6)


def test_resize_keeps_a_ramp_in_place():
    ramp = np.repeat(((np.arange(64) + 0.5) / 64)[np.newaxis, :, np.newaxis], 20, axis=0).astype(np.float32)
    resized = images.resize(ramp, 20, 16)
    np.testing.assert_allclose(resized[3, 3:-3, 0], ((np.arange(16) + 0.5) / 16)[3:-3], atol=1e-3)


def test_resize_agrees_roughly_with_scikit_image():
    blurred = skimage.transform.resize(np.random.default_rng(0).random((8, 8, 3)), (48, 60), order=3)
    image = np.clip(blurred, 0, 1).astype(np.float32)
    expected = skimage.transform.resize(image, (24, 30), order=3, anti_aliasing=True)
    np.testing.assert_allclose(images.resize(image, 24, 30), expected, atol=0.05)


def test_resize_clips_the_overshoot_at_edges():
    step = np.zeros((16, 32, 1), np.float32)
    step[:, 16:] = 1
    resized = images.resize(step, 32, 64)
    assert (resized.min(), resized.max()) == (0, 1)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_resize_treats_channels_alike(rgb, channels):
    image = np.repeat(unit(rgb)[..., :1], channels, axis=-1)
    image[..., -1] = 1 - image[..., -1]
    resized = images.resize(image, 9, 11)
    assert resized.shape == (9, 11, channels)
    np.testing.assert_allclose(resized[..., -1], 1 - images.resize(1 - image, 9, 11)[..., -1], atol=1e-6)
    np.testing.assert_array_equal(resized[..., :1], images.resize(image[..., :1], 9, 11))


def test_resize_refuses_other_arrays_and_sizes():
    with pytest.raises(InputError, match=r"shape \(20, 28\).*\(height, width, channels\)"):
        images.resize(np.zeros((20, 28)), 5, 5)
    with pytest.raises(InputError, match="height 0 and width 5"):
        images.resize(np.zeros((20, 28, 3)), 0, 5)
