"""Histogram matching of features and of pictures, against quantiles of NumPy."""

import numpy as np
import pytest
from oracles import histogram as oracle

from keras_style.errors import InputError
from keras_style.losses import match_histograms


@pytest.mark.parametrize("bins", [None, 4096])
def test_matched_features_are_the_targets_quantiles(bins):
    random = np.random.default_rng(0)
    features, target = random.normal(size=(30, 40, 3)), random.random((25, 32, 3))
    matched = match_histograms(features, target, bins).numpy()
    expected = [oracle.aims(x, y) for x, y in zip(oracle.columns(features), oracle.columns(target), strict=True)]
    np.testing.assert_allclose(matched.reshape(-1, 3).T, expected, atol=1e-10 if bins is None else 0.02)


def test_equal_values_have_one_aim_and_pictures_keep_their_shape():
    flat, target = np.full((4, 5, 3), 0.25, np.float32), np.random.default_rng(0).random((6, 7, 3), np.float32)
    matched = match_histograms(flat, target).numpy()
    assert (matched.shape, matched.dtype) == ((4, 5, 3), np.float32)
    np.testing.assert_allclose(matched, np.broadcast_to(target.mean(axis=(0, 1)), (4, 5, 3)), atol=0.03)
    batch = match_histograms(np.stack([target, target[::-1]]), target[None]).numpy()
    np.testing.assert_allclose(batch, np.stack([target, target[::-1]]), atol=1e-6)


@pytest.mark.parametrize("shapes", [((4, 5), (4, 5)), ((4, 5, 3), (4, 5, 2)), ((4, 5, 3), (1, 4, 5, 3))])
def test_shapes_that_do_not_fit_are_named(shapes):
    with pytest.raises(InputError, match=r"expected \(B, H, W, C\) or \(H, W, C\) both"):
        match_histograms(*(np.zeros(shape, np.float32) for shape in shapes))
