"""The smoothing after photographic transfer, against least squares window by window, and what it keeps and removes."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from oracles import matting
from scipy import ndimage

from keras_style.errors import InputError
from keras_style.images import smoothing
from keras_style.internal.tensorflow import tf

SLOPES = np.array([[0.5, 0.1, 0.2], [0.2, 0.4, 0.1], [0.1, 0.3, 0.6]])


def smooth(*arguments, **options) -> np.ndarray:
    return smoothing.smooth(*arguments, **options).numpy()


def distorted(picture: np.ndarray) -> np.ndarray:
    """With strokes and grain that the photograph does not have."""
    noise = np.random.default_rng(0).normal(size=(2, *picture.shape))
    strokes = 0.2 * ndimage.gaussian_filter(noise[0], (1.5, 1.5, 0))
    return (picture + strokes + 0.05 * noise[1]).clip(0, 1).astype(np.float32)


def unexplained(picture: np.ndarray, photograph: np.ndarray) -> float:
    """Mean variance of a picture in 3 x 3 windows beside that of the closest affine map of the photograph."""

    def windows(image: np.ndarray) -> np.ndarray:
        cut = sliding_window_view(image.astype(np.float64), (3, 3), axis=(0, 1))
        return cut.reshape(-1, 3, 9).transpose(0, 2, 1)

    colors, values = windows(photograph), windows(picture)
    design = np.concatenate([colors, np.ones((*colors.shape[:2], 1))], axis=-1)
    residual = values - design @ (np.linalg.pinv(design, rcond=1e-4) @ values)
    return float((residual**2).mean())


@pytest.mark.parametrize("radius", [1, 2, 20])
@pytest.mark.parametrize("epsilon", [1e-2, 1e-5])
def test_smooth_is_least_squares_in_windows_and_the_mean_of_their_maps(radius, epsilon):
    picture, photograph = np.random.default_rng(0).random((2, 7, 9, 3))
    expected = matting.local_affine(picture, photograph, radius, epsilon).clip(0, 1)
    np.testing.assert_allclose(smooth(picture, photograph, radius, epsilon), expected, atol=1e-10)


def test_affine_map_of_the_photograph_stays(photograph):
    picture = (photograph @ SLOPES + 0.05).astype(np.float32)
    np.testing.assert_allclose(smooth(picture, photograph, radius=4, epsilon=1e-9), picture, atol=1e-4)
    np.testing.assert_allclose(smooth(picture, photograph), picture, atol=0.02)


def test_photograph_itself_keeps_its_edges(photograph):
    smoothed = smooth(photograph, photograph)
    assert np.abs(smoothed - photograph).max() < 0.02
    steps, before = (np.abs(np.diff(image, axis=1)).max(axis=-1) for image in (smoothed, photograph))
    edges = before > 0.2
    assert edges.sum() > 20
    assert (steps[edges] > 0.95 * before[edges]).all()


def test_edges_lost_by_the_picture_come_back(photograph):
    blurred = ndimage.gaussian_filter(photograph, (1, 1, 0))
    smoothed = smooth(blurred, photograph, radius=4)
    steps, sharp, lost = (np.abs(np.diff(image, axis=1)).max(axis=-1) for image in (smoothed, photograph, blurred))
    edges = sharp > 0.2
    assert np.mean(steps[edges] / sharp[edges]) > 1.3 * np.mean(lost[edges] / sharp[edges])


@pytest.mark.parametrize("radius", [None, 4])
def test_distortions_go_and_colors_stay(photograph, radius):
    clean = photograph @ SLOPES + 0.05
    picture = distorted(clean)
    smoothed = smooth(picture, photograph, radius)
    limit = 0.2 if radius is None else 0.05  # windows of 3 x 3, which a picture of 48 pixels gets, explain more
    assert unexplained(smoothed, photograph) < limit * unexplained(picture, photograph)
    assert np.abs(smoothed - clean).mean() < 0.7 * np.abs(picture - clean).mean()
    np.testing.assert_allclose(smoothed.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.01)


def test_default_radius_grows_with_the_picture():
    picture, photograph = np.random.default_rng(0).random((2, 4, 350, 3))
    np.testing.assert_array_equal(smooth(picture, photograph), smooth(picture, photograph, radius=4))


def test_flat_photograph_leaves_the_mean_color():
    picture = np.random.default_rng(0).random((9, 9, 3))
    smoothed = smooth(picture, np.full((9, 9, 3), 0.3), radius=9)
    np.testing.assert_allclose(smoothed, np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape), atol=1e-12)


def test_in_a_graph_of_any_size_it_is_the_same(photograph):
    graph = tf.function(
        lambda picture, photograph: smoothing.smooth(picture, photograph, radius=3),
        autograph=False,
        input_signature=[tf.TensorSpec([None, None, 3], tf.float32)] * 2,
    )
    picture = distorted(photograph)
    np.testing.assert_allclose(graph(picture, photograph), smooth(picture, photograph, radius=3), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_result_has_shape_and_dtype_of_the_picture_and_lies_in_0_to_1(dtype, photograph):
    picture = np.random.default_rng(0).integers(0, 2, photograph.shape).astype(dtype)
    before = picture.copy()
    smoothed = smooth(picture, photograph)
    assert (smoothed.shape, smoothed.dtype) == (picture.shape, dtype)
    assert smoothed.min() >= 0 and smoothed.max() <= 1
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (2, 2, 3)])
def test_smallest_pictures_are_smoothed(shape):
    picture, photograph = np.random.default_rng(0).random((2, *shape))
    assert np.isfinite(smooth(picture, photograph)).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"photograph": np.zeros((5, 4, 3))}, r"\(4, 5, 3\) and the photograph \(5, 4, 3\); expected equal shapes"),
        ({"radius": 0}, "radius is 0; expected a whole number from 1"),
        ({"epsilon": 0}, "epsilon is 0; expected a number of at least 1e-09"),
    ],
)
def test_bad_argument_is_named_with_what_is_expected(arguments, expected):
    picture = np.zeros((4, 5, 3))
    with pytest.raises(InputError, match=expected):
        smooth(**{"picture": picture, "photograph": picture, **arguments})


# The refinement


@pytest.mark.parametrize("radius", [1, 4])
def test_refined_is_the_picture_and_what_the_guided_filter_takes_from_the_photograph(radius):
    picture, photograph = np.random.default_rng(0).random((2, 9, 11, 3))
    detail = photograph - matting.local_affine(photograph, photograph, radius, 0.01)
    refined = smoothing.refine(picture, photograph, radius).numpy()
    np.testing.assert_allclose(refined, (picture + detail).clip(0, 1), atol=1e-10)
    assert np.abs(detail).max() > 0.05


def test_detail_lost_to_flat_patches_comes_back(photograph):
    grain = 0.04 * np.random.default_rng(0).normal(size=photograph.shape[:2])[..., None]
    grainy = (photograph + grain).clip(0, 1).astype(np.float32)
    posterized = np.round(ndimage.gaussian_filter(photograph, (1, 1, 0)) * 6) / 6

    def shared(picture: np.ndarray) -> float:
        fine = [each - ndimage.gaussian_filter(each, (1, 1, 0)) for each in (picture, grainy)]
        return float(np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1])

    refined = smoothing.refine(posterized.astype(np.float32), grainy, radius=4).numpy()
    assert shared(refined) > shared(posterized) + 0.1
    assert refined.dtype == np.float32 and refined.min() >= 0 and refined.max() <= 1
    with pytest.raises(InputError, match="expected equal shapes"):
        smoothing.refine(posterized, photograph[1:])
