"""Total variation against differences of neighbors, one by one."""

import numpy as np
import pytest
from feature_maps import distance
from oracles import losses as oracle

from keras_style.errors import InputError
from keras_style.losses import TotalVariationLoss


@pytest.mark.parametrize("exponent", [1, 1.25, 2, 3])
def test_total_variation_is_the_published_one(exponent):
    image = np.random.default_rng(0).random((6, 9, 3))
    wanted = oracle.total_variation(image, exponent)
    assert distance(TotalVariationLoss(exponent), image, image) == pytest.approx(wanted, rel=1e-9)
    single = image[None].astype(np.float32)
    assert float(TotalVariationLoss(exponent)(single, single)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("exponent", [1, 2])
def test_sum_is_the_mean_times_the_differences(exponent):
    image = np.random.default_rng(0).random((6, 9, 3))
    wanted = 5 * 8 * 3 * oracle.total_variation(image, exponent)
    assert distance(TotalVariationLoss(exponent, "sum"), image, image) == pytest.approx(wanted, rel=1e-9)


def test_total_variation_of_a_checkerboard_is_two():
    y, x = np.mgrid[0:12, 0:10]
    board = np.repeat(((x + y) % 2)[..., None], 3, axis=-1).astype(np.float32)
    assert distance(TotalVariationLoss(), board, board) == 2.0


@pytest.mark.parametrize(("axis", "expected"), [("vertical", 0.25), ("horizontal", 0.0625)])
def test_total_variation_of_a_slope_is_its_square(axis, expected):
    y, x = np.mgrid[0:5, 0:8].astype(np.float64)
    slope = np.repeat((0.5 * y if axis == "vertical" else 0.25 * x)[..., None], 3, axis=-1)
    assert distance(TotalVariationLoss(), slope, slope) == pytest.approx(expected, rel=1e-12)


def test_total_variation_ignores_what_it_is_compared_with():
    image, other = np.random.default_rng(0).random((1, 5, 7, 6)), np.zeros((1, 3, 3, 6))
    loss = TotalVariationLoss(dtype="float64")
    assert float(loss(other, image)) == float(loss(image, image))


@pytest.mark.parametrize("exponent", [1, 2])
def test_total_variation_under_a_mask_is_the_mean_over_the_positions_inside(exponent):
    mask = np.zeros((8, 9))
    mask[2:6, 1:5] = 1
    image = np.random.default_rng(0).random((8, 9, 3))
    expected = oracle.total_variation(image[2:7, 1:6], exponent)  # with the neighbors of the last row and column
    got = distance(TotalVariationLoss(exponent), image, image, mask)
    assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("received", [0.5, "2", None, float("inf"), float("nan")])
def test_bad_exponent_is_named_with_what_is_expected(received):
    with pytest.raises(InputError, match=f"exponent is {received!r}; expected .*at least 1"):
        TotalVariationLoss(received)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 9, 3), (1, 9, 1, 3)])
def test_image_without_neighbors_has_no_total_variation(shape):
    with pytest.raises(InputError, match="at least 2 x 2"):
        TotalVariationLoss()(np.ones(shape), np.ones(shape))
