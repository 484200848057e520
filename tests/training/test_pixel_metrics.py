"""Mean absolute error and SSIM, against NumPy and scikit-image."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from keras_style.errors import InputError
from keras_style.training.pixel_metrics import mean_absolute_error, ssim


@pytest.fixture
def pairs(photograph, painting):
    random = np.random.default_rng(0)
    noisy = (photograph + random.normal(0, 0.1, photograph.shape)).clip(0, 1).astype(np.float32)
    return [photograph, painting], [noisy, painting[::-1]]


def test_the_error_is_the_mean_over_pictures_of_unequal_sizes(pairs):
    expected = [np.mean(np.abs(x.astype(np.float64) - y)) for x, y in zip(*pairs, strict=True)]
    assert mean_absolute_error(*pairs) == pytest.approx(np.mean(expected), rel=1e-6)
    assert mean_absolute_error([np.zeros((2, 2, 3))], [np.full((2, 2, 3), 0.25)]) == 0.25


def test_similarity_is_that_of_scikit_image(pairs):
    options = {"data_range": 1.0, "channel_axis": -1, "gaussian_weights": True, "use_sample_covariance": False}
    expected = [structural_similarity(x, y, sigma=1.5, **options) for x, y in zip(*pairs, strict=True)]
    assert ssim(*pairs) == pytest.approx(np.mean(expected), abs=1e-4)
    assert ssim(pairs[0], pairs[0]) == pytest.approx(1)


def test_a_picture_smaller_than_the_window_is_refused():
    with pytest.raises(InputError, match=r"\(10, 40, 3\); expected sides of at least 11"):
        ssim([np.zeros((10, 40, 3), np.float32)], [np.zeros((10, 40, 3), np.float32)])
