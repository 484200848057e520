"""Sliced Wasserstein loss against SciPy, sorting and closed forms; its draws and its gradient."""

import numpy as np
import pytest
from feature_maps import blended, distance, distances_from, gradient, random_features
from oracles import gradients
from oracles import histogram as oracle
from scipy import stats

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import SlicedWassersteinLoss

POWERS = pytest.mark.parametrize("power", [1, 2])


IMAGE, STYLE = random_features(6, 7, 5), random_features(6, 7, 5, 1)


def draws(loss: SlicedWassersteinLoss, image: np.ndarray, style: np.ndarray, number: int) -> np.ndarray:
    """Distances of that many steps."""
    target, current = (loss.statistics(tf.constant(each[None])) for each in (style, image))

    @tf.function(autograph=False)
    def values(steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda step: loss.redrawn(step).distance(target, current)[0], steps, image.dtype)

    return values(tf.range(number, dtype=tf.int64)).numpy()


# One filter


def test_of_one_filter_it_is_the_wasserstein_distance():
    image, style = IMAGE[..., :1], STYLE[..., :1]
    expected = stats.wasserstein_distance(image.ravel(), style.ravel())
    assert distance(SlicedWassersteinLoss(power=1), image, style) == pytest.approx(expected, rel=1e-12)


def test_of_one_filter_it_is_the_mean_square_between_sorted_values():
    image, style = IMAGE[..., :1], STYLE[..., :1]
    expected = ((np.sort(image.ravel()) - np.sort(style.ravel())) ** 2).mean()
    assert distance(SlicedWassersteinLoss(), image, style) == pytest.approx(expected, rel=1e-12)


@POWERS
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (11, 9)])
def test_at_other_counts_the_quantiles_of_the_target_are_interpolated(power, size):
    image, style = IMAGE[..., :1], random_features(*size, 1, seed=2)
    got = distance(SlicedWassersteinLoss(1, power), image, style)  # a direction may be -1, which changes nothing
    assert got == pytest.approx(oracle.transport(image, style, power), rel=1e-12)


def test_wasserstein_distance_is_met_closely_at_other_counts():
    image, style = random_features(20, 20, 1), random_features(33, 27, 1, seed=1)
    expected = stats.wasserstein_distance(image.ravel(), style.ravel())
    assert distance(SlicedWassersteinLoss(power=1), image, style) == pytest.approx(expected, rel=0.05)


# More filters


@pytest.mark.parametrize("filters", [2, 5, 64])
def test_a_translation_costs_the_mean_square_of_its_components(filters):
    image = random_features(6, 7, filters)
    move = np.random.default_rng(2).normal(size=filters)
    expected = (move**2).sum() / filters
    spread = np.std(draws(SlicedWassersteinLoss(1), image + move, image, 60))
    error = spread / np.sqrt(10_000)
    value = distance(SlicedWassersteinLoss(projections=10_000), image + move, image)
    assert abs(value - expected) < 4 * error
    assert error < 0.02 * expected


def test_a_translation_in_the_plane_costs_two_over_pi_of_its_length():
    value = distance(SlicedWassersteinLoss(projections=20_000, power=1), IMAGE[..., :2] + [3, 4], IMAGE[..., :2])
    assert value == pytest.approx(5 * 2 / np.pi, rel=0.01)  # the mean of |cos|


@POWERS
def test_turning_the_features_changes_nothing_but_the_draw(power):
    turn = stats.ortho_group.rvs(5, random_state=0)
    loss = SlicedWassersteinLoss(projections=10_000, power=power)
    assert distance(loss, IMAGE @ turn, STYLE @ turn) == pytest.approx(distance(loss, IMAGE, STYLE), rel=0.03)


@POWERS
def test_it_is_the_transport_along_the_drawn_direction(power):
    """The direction is read off translations: one along an axis costs the square of that component."""
    axes = np.eye(5)[:, None, None, :]

    def moved(by: np.ndarray) -> float:
        return distance(SlicedWassersteinLoss(1, 2, seed=5), STYLE + by, STYLE) ** 0.5

    lengths = [moved(axis) for axis in axes]
    with_first = np.array([moved(axes[0] + axis) for axis in axes])
    direction = np.where(with_first > np.maximum(lengths[0], lengths), lengths, np.negative(lengths))
    assert np.linalg.norm(direction) == pytest.approx(1, rel=1e-9)
    image, style = ((features @ direction)[..., None] for features in (IMAGE, STYLE))
    value = distance(SlicedWassersteinLoss(1, power, seed=5), IMAGE, STYLE)
    assert value == pytest.approx(oracle.transport(image, style, power), rel=1e-9)


@POWERS
@pytest.mark.parametrize("size", [(3, 4), (5, 3)], ids=["equal size", "different size"])
def test_gradient_is_that_of_central_differences(power, size):
    image = np.random.default_rng(0).normal(size=(3, 4, 2))
    style = np.random.default_rng(1).normal(size=(*size, 2))
    loss = SlicedWassersteinLoss(4, power)
    expected = gradients.gradient(distances_from(loss, style), image, h=1e-6)
    np.testing.assert_allclose(gradient(loss, image, style), expected, rtol=1e-6, atol=1e-8)


def test_blend_is_the_mixture_of_the_distributions():
    loss = SlicedWassersteinLoss(64)
    other = random_features(6, 7, 5, 2) + 3
    mixture = np.concatenate([STYLE, other, other, other])
    value = blended(loss, IMAGE, [STYLE, other], [0.25, 0.75])
    assert value == pytest.approx(distance(loss, IMAGE, mixture), rel=0.05)


def test_magnitude_is_the_expected_distance_from_features_of_zero():
    magnitudes = [
        float(loss.magnitude(loss.statistics(tf.constant(STYLE[None])))[0])
        for loss in (SlicedWassersteinLoss(power=2), SlicedWassersteinLoss(power=1))
    ]
    value = distance(SlicedWassersteinLoss(10_000), np.zeros_like(STYLE), STYLE)
    assert magnitudes[0] == pytest.approx(value, rel=0.02)
    assert magnitudes[1] == pytest.approx(magnitudes[0] ** 0.5, rel=1e-12)


# Draws


@POWERS
def test_features_are_at_no_distance_from_themselves_at_any_draw(power):
    loss = SlicedWassersteinLoss(4, power)
    assert [distance(loss.redrawn(step), IMAGE, IMAGE) for step in range(8)] == [0] * 8


@POWERS
def test_steps_and_seeds_draw_anew_and_can_be_repeated(power):
    first, second = (
        [distance(SlicedWassersteinLoss(4, power, seed).redrawn(step), IMAGE, STYLE) for step in range(5)]
        for seed in (0, 1)
    )
    assert len({*first, *second}) == 10
    loss = SlicedWassersteinLoss(4, power)
    assert [distance(loss.redrawn(step), IMAGE, STYLE) for step in range(5)] == first
    assert distance(loss, IMAGE, STYLE) == first[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_step_of_a_graph_draws_as_that_of_python(dtype):
    loss, image, style = SlicedWassersteinLoss(4), IMAGE.astype(dtype), STYLE.astype(dtype)
    expected = [distance(loss.redrawn(step), image, style) for step in range(4)]
    assert draws(loss, image, style, 4) == pytest.approx(expected, rel=1e-6 if dtype == np.float32 else 1e-13)


def test_float32_takes_the_directions_of_float64():
    in_double = distance(SlicedWassersteinLoss(), IMAGE, STYLE)
    in_single = distance(SlicedWassersteinLoss(), IMAGE.astype(np.float32), STYLE.astype(np.float32))
    assert in_single == pytest.approx(in_double, rel=1e-5)


# Bad arguments


@pytest.mark.parametrize(
    ("argument", "value"),
    [("projections", 0), ("projections", 2.5), ("power", 0), ("power", 3), ("power", 1.5), ("seed", -1), ("seed", "1")],
)
def test_bad_argument_is_named(argument, value):
    with pytest.raises(InputError, match=f"{argument} is {value!r}; expected a whole number"):
        SlicedWassersteinLoss(**{argument: value})
