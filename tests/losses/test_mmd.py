"""Maximum mean discrepancy against kernels of all pairs, and what its random pairs promise."""

import itertools

import numpy as np
import pytest
from feature_maps import blended, distance, distances_from, gradient
from oracles import gradients
from oracles import losses as loss_oracle
from oracles import mmd as oracle

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import MMDLoss
from keras_style.losses.feature_loss import Statistics
from keras_style.losses.mmd import KERNELS

BOTH_SIZES = pytest.mark.parametrize("size", [(4, 5), (7, 6)], ids=["equal size", "different size"])
RANDOM = [("gaussian", {}), ("poly", {"degree": 3}), ("poly", {"degree": 3, "offset": 0.5})]
random_kernels = pytest.mark.parametrize(("kernel", "settings"), RANDOM, ids=["gaussian", "cubic", "cubic with offset"])


def random_features(height: int, width: int, filters: int = 3, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size."""
    return np.random.default_rng(seed).normal(0.3, 1, (height, width, filters)).clip(0)


def rows(features: np.ndarray) -> np.ndarray:
    return features.reshape(-1, features.shape[-1])


def draws(loss: MMDLoss, image: np.ndarray, style: np.ndarray, number: int) -> np.ndarray:
    """Distances of that many steps."""

    target = loss.statistics(tf.constant(style[None]))
    return draws_from(loss, image, target, number)


def draws_from(loss: MMDLoss, image: np.ndarray, target: Statistics, number: int) -> np.ndarray:
    """The same from a target's statistics."""
    current = loss.statistics(tf.constant(image[None]))

    @tf.function(autograph=False)
    def values(steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda step: loss.redrawn(step).distance(target, current)[0], steps, image.dtype)

    return values(tf.range(number, dtype=tf.int64)).numpy()


IMAGE, STYLE = random_features(4, 5), random_features(4, 5, seed=1)


# Exact kernels


@BOTH_SIZES
def test_linear_kernel_is_the_squared_distance_of_the_means(size):
    style = random_features(*size, seed=1)
    expected = ((rows(IMAGE).mean(axis=0) - rows(style).mean(axis=0)) ** 2).sum()
    assert distance(MMDLoss("linear"), IMAGE, style) == pytest.approx(expected, rel=1e-12)
    pairwise = oracle.biased(rows(IMAGE), rows(style), oracle.polynomial(1, 0))
    assert distance(MMDLoss("linear"), IMAGE, style) == pytest.approx(pairwise, rel=1e-11)


@BOTH_SIZES
def test_square_kernel_is_the_distance_of_gram_matrices(size):
    style = random_features(*size, seed=1)
    difference = loss_oracle.gram(IMAGE) / 20 - loss_oracle.gram(style) / (size[0] * size[1])
    assert distance(MMDLoss(), IMAGE, style) == pytest.approx((difference**2).sum(), rel=1e-12)
    assert distance(MMDLoss(), IMAGE, style) == pytest.approx(loss_oracle.polynomial_mmd(IMAGE, style), rel=1e-11)


@BOTH_SIZES
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("offset", [0.0, 0.7, 30.0])
def test_polynomial_kernel_is_that_of_all_pairs(size, degree, offset):
    style = random_features(*size, seed=1)
    expected = oracle.biased(rows(IMAGE), rows(style), oracle.polynomial(degree, offset))
    assert distance(MMDLoss("poly", degree, offset), IMAGE, style) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("kernel", "offset"), [("linear", 0.0), ("poly", 0.0), ("poly", 2.0)])
def test_blend_is_the_mixture_of_the_distributions(kernel, offset):
    loss = MMDLoss(kernel, offset=offset)
    other = random_features(4, 5, seed=2)
    degree = 1 if kernel == "linear" else 2
    mixture = np.concatenate([rows(STYLE), *[rows(other)] * 3])
    expected = oracle.biased(rows(IMAGE), mixture, oracle.polynomial(degree, offset))
    assert blended(loss, IMAGE, [STYLE, other], [0.25, 0.75]) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("degree", "kernel"), [(1, "poly"), (2, "poly"), (5, "linear")])
def test_exact_kernels_draw_nothing(kernel, degree):
    loss = MMDLoss(kernel, degree, 1.0)
    assert loss.exact
    assert np.ptp(draws(loss, IMAGE, STYLE, 4)) == 0


# Random pairs


def oracle_kernel(kernel: str, settings: dict) -> oracle.Kernel | None:
    return None if kernel == "gaussian" else oracle.polynomial(settings["degree"], settings.get("offset", 0.0))


CYCLES = [(0, *others) for others in itertools.permutations(range(1, 5)) if others[0] < others[-1]]  # of 5, undirected


@random_kernels
def test_every_draw_puts_all_positions_in_a_random_cycle(kernel, settings):
    image, style = random_features(1, 5), random_features(1, 5, seed=1)
    values = draws(MMDLoss(kernel, **settings), image, style, 200)
    expected = [oracle.chained(rows(image), rows(style), cycle, oracle_kernel(kernel, settings)) for cycle in CYCLES]
    nearest = np.abs(values[:, None] - expected).argmin(axis=1)
    np.testing.assert_allclose(values, np.take(expected, nearest), rtol=1e-9, atol=1e-12)
    assert set(nearest.tolist()) == set(range(12))
    assert np.bincount(nearest).max() < 40  # 200 / 12 = 17 of each


@pytest.mark.parametrize("settings", [{"degree": 3}, {"degree": 4, "offset": 0.5}])
def test_mean_over_the_draws_is_the_unbiased_sum_over_all_pairs(settings):
    values = draws(MMDLoss("poly", **settings), IMAGE, STYLE, 2000)
    expected = oracle.unbiased(rows(IMAGE), rows(STYLE), oracle_kernel("poly", settings))
    error = values.std() / np.sqrt(values.size)
    assert abs(values.mean() - expected) < 4 * error
    assert error < 0.1 * np.abs(values).max()


def test_mean_of_the_gaussian_kernel_is_the_unbiased_sum_over_all_pairs():
    image, style = random_features(6, 7, 2), 1.5 + random_features(6, 7, 2, seed=1)
    x, y = rows(image), rows(style)
    squares = [((a - b) ** 2).sum(axis=-1) for a, b in ((x[:, None], x), (y[:, None], y), (x[:, None], y))]
    apart = ~np.eye(42, dtype=bool)
    bandwidth = (squares[0][apart].mean() + squares[1][apart].mean() + 2 * squares[2][apart].mean()) / 4
    expected = oracle.unbiased(x, y, oracle.gaussian(bandwidth))
    values = draws(MMDLoss("gaussian"), image, style, 2000)
    assert expected > 0.3
    assert values.mean() == pytest.approx(expected, rel=0.02)  # each draw has a bandwidth of its own


def test_a_target_of_another_size_is_compared_as_a_whole():
    image, style = random_features(4, 6, 2), random_features(12, 15, 2, seed=1)
    style[9:] += 3  # a quarter of the target, which has to be met as often
    x, y = rows(image), rows(style)
    squares = [((a[:, None] - b) ** 2).sum(axis=-1).mean() for a, b in ((x, x), (y, y), (x, y))]
    expected = oracle.biased(x, y, oracle.gaussian((squares[0] + squares[1] + 2 * squares[2]) / 4))
    values = draws(MMDLoss("gaussian"), image, style, 1500)
    assert values.mean() == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("size", [(12, 15), (2, 5)], ids=["larger", "smaller"])
def test_a_target_of_another_size_gives_the_unbiased_sum_over_all_pairs(size):
    image, style = random_features(4, 6, 2), 1 + random_features(*size, 2, seed=1)
    x, y = rows(image), rows(style)
    values = draws(MMDLoss("poly", 3), image, style, 800)
    xs, ys, across = ((a @ b.T) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = [(each.sum() - np.trace(each)) / (len(each) * (len(each) - 1)) for each in (xs, ys)]
    expected, error = sum(within) - 2 * across.mean(), values.std() / np.sqrt(values.size)
    assert abs(values.mean() - expected) < 4 * error
    assert error < 0.15 * expected


def test_one_draw_sees_a_structured_image_as_a_whole():
    """Halves of one value each: partners at one distance would be all within them, or all across."""
    image = np.repeat([0.0, 1.0], 200).reshape(20, 20, 1)
    values = draws(MMDLoss("poly", 3), image, 1 - image, 50)  # the same distribution: 0 in expectation
    assert values.std() < 0.1
    assert abs(values.mean()) < 0.05


@random_kernels
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_are_at_no_distance_from_themselves_at_any_draw(kernel, settings, dtype):
    image = IMAGE.astype(dtype)
    assert np.abs(draws(MMDLoss(kernel, **settings), image, image, 20)).max() == 0


@random_kernels
def test_same_step_draws_the_same_pairs_eager_and_in_a_graph(kernel, settings):
    loss = MMDLoss(kernel, **settings)
    eager = [distance(loss.redrawn(step), IMAGE, STYLE) for step in range(6)]
    assert draws(loss, IMAGE, STYLE, 6) == pytest.approx(eager, rel=1e-12, abs=1e-12)  # a graph cubes by a * a * a


@random_kernels
def test_steps_and_seeds_draw_anew_and_can_be_repeated(kernel, settings):
    image, style = random_features(16, 16), random_features(16, 16, seed=1)
    loss, other = MMDLoss(kernel, **settings), MMDLoss(kernel, seed=1, **settings)
    of_steps, of_seed = draws(loss, image, style, 5), draws(other, image, style, 5)
    assert len(set(of_steps)) == len(set(of_seed)) == 5
    assert not set(of_steps) & set(of_seed)
    assert (draws(MMDLoss(kernel, **settings), image, style, 5) == of_steps).all()
    assert distance(loss, image, style) == pytest.approx(of_steps[0], rel=1e-12)


def test_redrawn_leaves_the_loss_as_it_was():
    loss = MMDLoss("gaussian", seed=3)
    before = distance(loss, IMAGE, STYLE)
    assert distance(loss.redrawn(7), IMAGE, STYLE) != before
    assert distance(loss, IMAGE, STYLE) == before


@pytest.mark.parametrize("size", [(3, 4), (5, 4)], ids=["equal size", "different size"])
def test_gradient_of_a_polynomial_is_that_of_central_differences(size):
    image, style = random_features(3, 4, 2), random_features(*size, 2, seed=1)
    loss = MMDLoss("poly", degree=3, offset=0.5).redrawn(2)
    expected = gradients.gradient(distances_from(loss, style), image, h=1e-5)
    np.testing.assert_allclose(gradient(loss, image, style), expected, rtol=1e-6, atol=1e-8)


def test_gradient_of_the_gaussian_kernel_holds_the_bandwidth_constant():
    image, style = random_features(1, 5, 2), random_features(1, 5, 2, seed=1)
    x, y = rows(image), rows(style)
    loss = MMDLoss("gaussian").redrawn(4)
    value = distance(loss, image, style)
    cycle = min(CYCLES, key=lambda cycle: abs(oracle.chained(x, y, cycle) - value))
    here, there = list(cycle), [*cycle[1:], cycle[0]]
    pairs = ((x[here], x[there]), (y[here], y[there]), (x[here], y[there]), (x[there], y[here]))
    kernel = oracle.gaussian(float(np.mean([((a - b) ** 2).sum(axis=1) for a, b in pairs])))
    assert value == pytest.approx(oracle.chained(x, y, cycle, kernel), rel=1e-9)

    def held(point: np.ndarray) -> float:
        return oracle.chained(rows(point), y, cycle, kernel)

    expected = gradients.gradient(gradients.one_by_one(held), image, h=1e-5)
    np.testing.assert_allclose(gradient(loss, image, style), expected, rtol=1e-6, atol=1e-8)


def test_magnitude_of_a_polynomial_over_random_pairs_is_the_kernel_of_the_mean_square():
    loss = MMDLoss("poly", degree=3, offset=0.5)
    magnitude = loss.magnitude(loss.statistics(tf.constant(STYLE[None])))
    assert float(magnitude[0]) == pytest.approx(((rows(STYLE) ** 2).sum(axis=1).mean() + 0.5) ** 3, rel=1e-12)


def test_gaussian_kernel_of_two_points_is_in_closed_form():
    image, style = np.zeros((1, 2, 1)), np.full((1, 2, 1), 3.0)  # all distances across are 9, within 0: bandwidth 4.5
    assert distance(MMDLoss("gaussian"), image, style) == pytest.approx(2 - 2 * np.exp(-2), rel=1e-12)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_bandwidth_is_a_factor_on_the_mean_distance(factor):
    image, style = np.zeros((1, 2, 1)), np.full((1, 2, 1), 3.0)  # as above
    expected = 2 - 2 * np.exp(-2 / factor)
    assert distance(MMDLoss("gaussian", bandwidth=factor), image, style) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("kernel", "settings"), [("linear", {}), ("poly", {"offset": 0.7}), *RANDOM])
def test_sum_is_the_mean_times_the_positions_of_the_image(kernel, settings):
    style = random_features(3, 3, seed=1)
    mean, total = (MMDLoss(kernel, **settings, normalization=name) for name in ("mean", "sum"))
    assert distance(total, IMAGE, style) == pytest.approx(20 * distance(mean, IMAGE, style), rel=1e-12)
    magnitudes = [float(loss.magnitude(loss.statistics(tf.constant(style[None])))[0]) for loss in (mean, total)]
    assert magnitudes[1] == pytest.approx(9 * magnitudes[0], rel=1e-12)


def test_blend_of_random_pairs_is_the_mixture_in_expectation():
    loss = MMDLoss("gaussian")
    image, style, other = (random_features(6, 8, 2, seed) + seed for seed in (0, 1, 2))
    targets = [loss.statistics(tf.constant(each[None])) for each in (style, other)]
    mixture = loss.statistics(tf.constant(np.concatenate([style, other, other, other])[None]))
    values = [draws_from(loss, image, target, 60) for target in (loss.blend(targets, [0.25, 0.75]), mixture)]
    error = np.sqrt(sum(np.var(each) / len(each) for each in values))
    assert abs(np.mean(values[0]) - np.mean(values[1])) < 4 * error
    assert error < 0.1 * np.mean(values[0])


# Bad arguments


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("kernel", "rbf", ", ".join(KERNELS)),
        ("kernel", None, ", ".join(KERNELS)),
        ("degree", 0, "a whole number from 1 to 10"),
        ("degree", 2.5, "a whole number from 1 to 10"),
        ("offset", -1, "a number of at least 0"),
        ("offset", float("nan"), "a number of at least 0"),
        ("bandwidth", 0, "a number of at least 1e-06"),
        ("normalization", "paper", "mean, sum"),
        ("seed", -1, "a whole number from 0 to 2147483647"),
        ("seed", 2**31, "a whole number from 0 to 2147483647"),
    ],
)
def test_bad_argument_is_named_with_what_is_expected(argument, value, expected):
    with pytest.raises(InputError, match=f"{argument} is {value!r}; expected .*{expected}"):
        MMDLoss(**{argument: value})
