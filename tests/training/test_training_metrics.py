"""KID and FID, against double loops, matrix roots and closed forms."""

import numpy as np
import pytest
import scipy.linalg

from keras_style.errors import InputError
from keras_style.training.distribution_metrics import PooledFeatures, fid, kid


def samples(count: int, seed: int, dimensions: int = 5, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 1.0, (count, dimensions)) + shift


def looped_kid(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(u, v):
        return (sum(float(a) * float(b) for a, b in zip(u, v, strict=True)) / len(u) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(u, v) for u in x for v in y) / (n * m)


def rooted_fid(x: np.ndarray, y: np.ndarray) -> float:
    """As published: by a root of the product of the covariances."""
    product = np.cov(x, rowvar=False) @ np.cov(y, rowvar=False)
    traces = np.trace(np.cov(x, rowvar=False) + np.cov(y, rowvar=False))
    root = scipy.linalg.sqrtm(product)
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + traces - 2 * np.trace(np.real(root)))


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Samples whose own mean and covariance are exactly these."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 4), (5, 12)])
def test_kid_is_the_double_sum_over_different_pairs(n, m):
    x, y = samples(n, 0), samples(m, 1, shift=0.5)
    assert kid(x, y) == pytest.approx(looped_kid(x, y), rel=1e-12)


def test_kid_of_one_distribution_is_zero_on_average_and_grows_with_a_shift():
    same = [kid(samples(12, 2 * seed), samples(9, 2 * seed + 1)) for seed in range(400)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 20
    assert min(same) < 0
    x = samples(200, 1)
    assert 0 < kid(x, samples(200, 2, shift=0.5)) < kid(x, samples(200, 2, shift=1.0))


def test_kid_over_subsets_is_their_mean():
    x, y = samples(30, 0), samples(25, 1, shift=1.0)
    drawn = kid(x, y, subset_size=10, subsets=2000, seed=3)
    assert drawn == kid(x, y, subset_size=10, subsets=2000, seed=3) != kid(x, y, subset_size=10, subsets=2000, seed=4)
    assert drawn == pytest.approx(kid(x, y), rel=0.05)  # an average of unbiased estimates of the same
    one = kid(x[:10], y[:10], subset_size=10, subsets=1)
    assert one == pytest.approx(kid(x[:10], y[:10]), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(40, 60), (2000, 50)])
def test_fid_is_that_of_the_matrix_root(n, m):
    x, y = samples(n, 0), samples(m, 1, shift=0.5)
    assert fid(x, y) == pytest.approx(rooted_fid(x, y), rel=1e-9)


def test_fid_of_gaussians_in_closed_form():
    mean_x, mean_y = np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, 3.0])
    x = with_moments(mean_x, np.diag([4.0, 9.0, 1.0]), 50, 0)
    y = with_moments(mean_y, np.diag([1.0, 25.0, 1.0]), 70, 1)
    # With covariances that commute: |difference of means|^2 + sum of (sigma_x - sigma_y)^2.
    assert fid(x, y) == pytest.approx(5 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-9)


def test_fid_with_fewer_samples_than_dimensions():
    random = np.random.default_rng(0)
    basis, _ = np.linalg.qr(random.normal(size=(40, 4)))
    x, y = samples(9, 0, 4), samples(7, 1, 4, shift=1.0)
    assert fid(x @ basis.T, y @ basis.T) == pytest.approx(rooted_fid(x, y), rel=1e-9)  # a turn changes nothing
    wide = random.normal(size=(6, 30))
    assert fid(wide, wide) == pytest.approx(0, abs=1e-10)
    assert fid(wide, wide + 0.5) == pytest.approx(30 * 0.25, rel=1e-9)
    assert fid(wide, np.tile(wide[:1], (5, 1))) == pytest.approx(
        np.sum((wide.mean(0) - wide[0]) ** 2) + np.trace(np.cov(wide, rowvar=False)), rel=1e-9
    )


@pytest.mark.parametrize("metric", [kid, fid])
def test_distances_are_symmetric(metric):
    x, y = samples(8, 0), samples(6, 1)
    assert metric(x, y) == pytest.approx(metric(y, x), rel=1e-9)


@pytest.mark.parametrize("metric", [kid, fid])
@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), r"\(3, 2\) and \(3, 4\)"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "at least 2"),
        (np.zeros(3), np.zeros(3), r"expected \(n, d\)"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "NaN"),
    ],
)
def test_other_features_are_refused(metric, x, y, says):
    with pytest.raises(InputError, match=says):
        metric(x, y)


def test_too_large_subsets_are_refused():
    with pytest.raises(InputError, match=r"subset_size is 7; expected a whole number from 2 to 6"):
        kid(samples(8, 0), samples(6, 1), subset_size=7)


def test_features_are_means_over_the_map_of_one_length(backbone, photograph, painting):
    pooled = PooledFeatures(backbone, "block2_conv1")([photograph, painting])
    for features, image in zip(pooled, (photograph, painting), strict=True):
        maps = backbone(image[None].copy(), ["block2_conv1"])["block2_conv1"].numpy()
        means = maps[0].astype(np.float64).mean((0, 1))
        np.testing.assert_allclose(features, means / np.sqrt(np.mean(means**2)), rtol=1e-3, atol=1e-5)
    levels = np.round(photograph * 255).astype(np.uint8)
    eight_bit = PooledFeatures(backbone, "block2_conv1")([levels, levels.astype(np.float32) / 255])
    np.testing.assert_allclose(eight_bit[0], eight_bit[1], rtol=1e-5)


def test_an_unknown_layer_is_refused(backbone):
    with pytest.raises(InputError, match="no layer 'block6_conv1'"):
        PooledFeatures(backbone, "block6_conv1")
