"""Histogram loss against sorting and quantiles of NumPy, SciPy and scikit-image; ties, gaps and its gradient."""

import numpy as np
import pytest
import scipy.stats
from feature_maps import blended, distance, distances_from, gradient
from feature_maps import random_features as activations
from oracles import gradients
from oracles import histogram as oracle
from skimage.exposure import match_histograms

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import FeatureLoss, GramLoss, HistogramLoss, MomentsLoss

EVERY_BINS = pytest.mark.parametrize("bins", [None, 256])


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Without ties; skewed, and every filter on a scale of its own."""
    random = np.random.default_rng(seed)
    return random.gamma(2, 1, (height, width, filters)) * random.uniform(0.5, 5, filters) - 1


def column(*values: float) -> np.ndarray:
    """Features of one filter."""
    return np.reshape(np.asarray(values, np.float64), (1, -1, 1))


def aims(loss: FeatureLoss, image: np.ndarray, style: np.ndarray) -> np.ndarray:
    """R(x), read off the gradient 2 (x - R(x)) / (N M)."""
    return image - gradient(loss, image, style) * image.size / 2


IMAGE, STYLE, LARGER_STYLE = random_features(12, 15, 4), random_features(12, 15, 4, 1), random_features(21, 18, 4, 2)


# Without bins


def test_at_equal_counts_it_is_the_mean_square_between_sorted_values():
    sorted_image, sorted_style = (np.sort(features.reshape(-1, 4), axis=0) for features in (IMAGE, STYLE))
    expected = ((sorted_image - sorted_style) ** 2).mean()
    assert distance(HistogramLoss(), IMAGE, STYLE) == pytest.approx(expected, rel=1e-12)
    single = HistogramLoss()(STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert float(single) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("features", [random_features, activations])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (12, 15), (21, 18)])
def test_at_other_counts_the_quantiles_of_the_target_are_interpolated(features, size):
    image, style = features(12, 15, 4), features(*size, 4, seed=2)
    assert distance(HistogramLoss(), image, style) == pytest.approx(oracle.transport(image, style), rel=1e-12)


def test_root_of_a_translation_is_its_length():
    assert distance(HistogramLoss(), IMAGE + 3, IMAGE) == pytest.approx(9, rel=1e-12)


def test_it_is_not_less_than_the_square_of_the_first_wasserstein_distance():
    for image, style in zip(IMAGE.T, STYLE.T, strict=True):
        first = scipy.stats.wasserstein_distance(image.ravel(), style.ravel())
        assert distance(HistogramLoss(), image[..., None], style[..., None]) >= first**2


@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
def test_map_is_that_of_scikit_image(style):
    matched = match_histograms(IMAGE, style, channel_axis=-1)
    got = aims(HistogramLoss(), IMAGE, style)
    if style.shape == IMAGE.shape:
        np.testing.assert_allclose(got, matched, rtol=1e-9, atol=1e-9)
        return
    # scikit-image takes shares "up to and including" a value, ours go to its middle: half a rank apart.
    for x, theirs, target in zip(*(oracle.columns(each) for each in (got, matched, style)), strict=True):
        ranks = [np.interp(values, np.sort(target), np.arange(target.size)) / target.size for values in (x, theirs)]
        assert np.abs(ranks[0] - ranks[1]).max() <= 0.5 / target.size + 0.5 / x.size + 1e-9


@pytest.mark.parametrize("style", [(4, 3), (6, 5)], ids=["equal size", "different size"])
def test_gradient_is_that_of_central_differences(style):
    image, style = random_features(4, 3, 2), random_features(*style, 2, seed=1)
    transport = gradients.one_by_one(lambda point: oracle.transport(point, style))
    by_oracle = gradients.gradient(transport, image, h=1e-6)
    own = gradients.gradient(distances_from(HistogramLoss(), style), image, h=1e-6)
    got = gradient(HistogramLoss(), image, style)
    np.testing.assert_allclose(got, by_oracle, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got, own, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("features", [random_features, activations])
def test_gradient_is_twice_the_way_to_the_aim(features):
    image, style = features(7, 9, 3), features(8, 6, 3, 1)
    expected = oracle.gradient(image, style)
    np.testing.assert_allclose(gradient(HistogramLoss(), image, style), expected, rtol=1e-9, atol=1e-12)


# Ties


def test_equal_values_share_the_mean_of_what_they_are_matched_with():
    image, style = column(0, 0, 0, 5), column(1, 2, 6, 7)
    np.testing.assert_allclose(aims(HistogramLoss(), image, style)[0, :, 0], [3, 3, 3, 7], rtol=1e-12)
    assert distance(HistogramLoss(), image, style) == pytest.approx((1 + 4 + 36 + 4) / 4)


@EVERY_BINS
def test_all_zeros_of_a_filter_have_the_same_gradient(bins):
    image, style = activations(9, 8, 3), activations(7, 9, 3, 1)
    got = gradient(HistogramLoss(bins), image, style)
    for channel in range(3):
        zeros = got[..., channel][image[..., channel] == 0]
        assert zeros.size > 10
        assert np.ptp(zeros) == 0


@EVERY_BINS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_order_of_positions_does_not_change_the_gradient(bins, dtype):
    image, style = activations(9, 8, 3).astype(dtype), activations(7, 9, 3, 1).astype(dtype)
    order = np.random.default_rng(0).permutation(72)
    shuffled = image.reshape(72, 3)[order].reshape(image.shape)
    expected = gradient(HistogramLoss(bins), image, style).reshape(72, 3)[order].reshape(image.shape)
    np.testing.assert_array_equal(gradient(HistogramLoss(bins), shuffled, style), expected)


def test_zeros_of_one_filter_are_not_tied_to_those_of_the_next():
    image, style = np.zeros((2, 2, 2)), np.stack([np.full((2, 2), 1.0), np.full((2, 2), 5.0)], axis=-1)
    assert (aims(HistogramLoss(), image, style) == style).all()


# By bins


def test_more_bins_come_closer_to_no_bins():
    exact = distance(HistogramLoss(), IMAGE, STYLE)
    errors = [abs(distance(HistogramLoss(bins), IMAGE, STYLE) - exact) / exact for bins in (16, 128, 1024, 65536)]
    assert errors[0] < 0.2 and errors[1] < 0.02 and errors[2] < 0.01
    assert errors[3] < 1e-4


def test_at_other_counts_more_bins_come_closer_up_to_the_spacing_of_ranks():
    exact = distance(HistogramLoss(), IMAGE, LARGER_STYLE)
    for bins in (128, 1024, 65536):
        assert distance(HistogramLoss(bins), IMAGE, LARGER_STYLE) == pytest.approx(exact, rel=0.1)
    image, style = random_features(120, 150, 1), random_features(130, 170, 1, 2)
    wanted = distance(HistogramLoss(), image, style)
    for bins in (128, 1024, 65536):
        assert distance(HistogramLoss(bins), image, style) == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("bins", [8, 64, 256])
def test_map_by_bins_is_exact_up_to_their_width(bins):
    image, style = random_features(60, 50, 2), random_features(70, 40, 2, 1)
    got = aims(HistogramLoss(bins), image, style)
    for values, mine, target in zip(*(oracle.columns(each) for each in (image, got, style)), strict=True):
        dense = values < np.quantile(values, 0.98)  # in the tail a bin of the image holds much of the target's range
        error = np.abs(mine - oracle.aims(values, target))[dense].max()
        assert error <= 2 * max(np.ptp(values), np.ptp(target)) / bins


@pytest.mark.parametrize(("bins", "dtype"), [(2, np.float32), (10, np.float64), (256, np.float32), (65536, np.float64)])
@pytest.mark.parametrize(
    "features",
    [
        random_features(9, 8, 3),
        activations(9, 8, 3),
        np.concatenate([random_features(4, 8, 3), 1000 + random_features(5, 8, 3)]),
        column(0, 0, 0, 0, 0, 0, 1, 1),
        column(-1, -1, 0, 0, 0, 7),
        np.full((3, 3, 2), 2.5),
        np.zeros((3, 3, 2)),
        column(4.0),
    ],
    ids=["skewed", "with zeros", "bimodal", "two values", "three values", "constant", "dead", "single"],
)
def test_map_of_a_distribution_onto_itself_is_the_identity(features, bins, dtype):
    features = features.astype(dtype)
    tolerance = 8 * float(np.finfo(dtype).eps) * np.abs(features).max() * features.size
    np.testing.assert_allclose(aims(HistogramLoss(bins), features, features), features, atol=tolerance)
    assert distance(HistogramLoss(bins), features, features) <= tolerance**2


@pytest.mark.parametrize("bins", [64, 256, 4096])
def test_nothing_is_sent_into_a_gap_of_the_target(bins):
    values = random_features(16, 16, 1)
    image, style = (np.where(values > np.median(values), values + gap, values) for gap in (5, 50))
    got, width = np.sort(aims(HistogramLoss(bins), image, style).ravel()), np.ptp(style) / bins
    below, above = np.sort(style.ravel())[[127, 128]]
    assert got[127] <= below + width and got[128] >= above - width


@pytest.mark.parametrize("shape", [(12, 15), (21, 18)])
def test_map_by_bins_is_monotone(shape):
    got = aims(HistogramLoss(256), IMAGE, random_features(*shape, 4, seed=2))
    for values, mine in zip(oracle.columns(IMAGE), oracle.columns(got), strict=True):
        assert (np.diff(mine[np.argsort(values)]) >= -1e-9).all()


# Masks and blends


@EVERY_BINS
def test_blend_of_a_style_with_itself_is_that_style(bins):
    value = blended(HistogramLoss(bins), IMAGE, [STYLE] * 2, [0.5, 0.5])
    assert value == pytest.approx(distance(HistogramLoss(bins), IMAGE, STYLE), rel=1e-6 if bins else 5e-3)


@EVERY_BINS
def test_blend_is_the_mixture_of_the_distributions(bins):
    other = random_features(12, 15, 4, 5) + 10
    value = blended(HistogramLoss(bins), IMAGE, [STYLE, other], [0.25, 0.75])
    mixed = np.concatenate([STYLE, other, other, other])
    assert value == pytest.approx(oracle.transport(IMAGE, mixed), rel=0.02)


@EVERY_BINS
def test_magnitude_is_the_distance_from_features_of_zero(bins):
    style = activations(9, 8, 3)
    magnitude = HistogramLoss(bins).magnitude(HistogramLoss(bins).statistics(tf.constant(style[None])))
    assert float(magnitude[0]) == pytest.approx(oracle.transport(np.zeros((4, 4, 3)), style), rel=0.05)


# What a Gram matrix does not see


@EVERY_BINS
def test_equal_gram_matrices_with_other_histograms_differ(bins):
    turn = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2  # orthogonal, of positions
    vectors = np.array([[2.0, 0, 0, 0], [0, 1.0, 0, 0]])
    image, style = (each.T.reshape(2, 2, 2) for each in (vectors, vectors @ turn))
    for moment in (np.mean, np.var):
        assert (np.abs(moment(image, axis=(0, 1)) - moment(style, axis=(0, 1))) > 0.05).all()
    assert distance(GramLoss(), image, style) == pytest.approx(0, abs=1e-28)
    assert distance(HistogramLoss(bins), image, style) > 0.1
    assert distance(MomentsLoss(), image, style) > 0.1


# Bad arguments


@pytest.mark.parametrize("bins", [0, 1, -5, 2.5, "256", True, 65537])
def test_bad_bins_are_named(bins):
    with pytest.raises(InputError, match=r"bins is .*; expected a whole number from 2 to 65536"):
        HistogramLoss(bins)


@pytest.mark.parametrize("shift", [-100, -2, 0, 2], ids=["dead", "more zeros", "as many zeros", "fewer zeros"])
def test_zeros_by_bins_are_sent_where_those_without_bins_are(shift):
    image = np.random.default_rng(2).normal(shift, 2, (40, 40, 3)).clip(0)
    style = np.random.default_rng(1).normal(0.3, 2, (35, 44, 3)).clip(0)
    got, expected = (aims(HistogramLoss(bins), image, style)[image == 0] for bins in (1024, None))
    np.testing.assert_allclose(got, expected, atol=2 * style.max() / 1024)
