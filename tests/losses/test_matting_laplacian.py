"""The matting Laplacian loss against the matrix written out, and what is known of that matrix in closed form."""

import numpy as np
import pytest
from oracles import matting

from keras_style import Objective, Term
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import MattingLaplacianLoss, affine_residual
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets

RADII = pytest.mark.parametrize("radius", [1, 2])


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 3))


def value_and_gradient(loss, photograph, image):
    """Value and gradient at one image, in its own dtype."""
    variable = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        value = loss.distance(loss.statistics(tf.constant(photograph[None])), {"image": variable})
    assert value.dtype == variable.dtype
    return value.numpy()[0], tape.gradient(value, variable).numpy()[0]


def built(photograph, **arguments) -> np.ndarray:
    """L, column by column: half the gradient at the images that are one in one pixel."""
    height, width, _ = photograph.shape
    units = np.eye(height * width).reshape(-1, height, width, 1) * [1.0, 0, 0]
    loss, variable = MattingLaplacianLoss(**arguments), tf.Variable(units)
    with tf.GradientTape() as tape:
        value = loss.distance(loss.statistics(tf.constant(photograph[None])), {"image": variable})
    return tape.gradient(value, variable).numpy()[..., 0].reshape(height * width, -1).T / 2


def relative_error(got, wanted) -> float:
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


# Against the matrix


@pytest.mark.parametrize(("radius", "dtype"), [(1, "float32"), (2, "float64")])
def test_value_and_gradient_are_those_of_the_matrix(radius, dtype):
    for size in ((9, 8), (20, 17), (70, 6)):
        photograph, image = (random_image(*size, seed).astype(dtype) for seed in (0, 1))
        matrix = matting.laplacian(photograph, epsilon=1e-7, radius=radius)
        value, gradient = value_and_gradient(MattingLaplacianLoss(radius=radius), photograph, image)
        expected_value, expected_gradient = matting.value_and_gradient(matrix, image)
        tolerance = 1e-6 if dtype == "float32" else 1e-11
        assert value == pytest.approx(expected_value, rel=tolerance)
        assert relative_error(gradient, expected_gradient) < tolerance


@pytest.mark.integration
def test_large_windows_in_two_strips_are_those_of_the_matrix():
    photograph, image = random_image(56, 19), random_image(56, 19, 1)
    expected = matting.value_and_gradient(matting.laplacian(photograph, 1e-5, 9), image)
    value, gradient = value_and_gradient(MattingLaplacianLoss(epsilon=1e-5, radius=9), photograph, image)
    assert value == pytest.approx(expected[0], rel=1e-10)
    assert relative_error(gradient, expected[1]) < 1e-10


@RADII
def test_value_and_gradient_on_a_photograph_are_those_of_the_matrix(photograph, radius):
    """With flat regions, gray edges and color lines, where most windows' covariances are singular but for epsilon."""
    image = random_image(40, 48)
    matrix = matting.laplacian(photograph, epsilon=1e-7, radius=radius)
    value, gradient = value_and_gradient(MattingLaplacianLoss(radius=radius), photograph, image)
    expected_value, expected_gradient = matting.value_and_gradient(matrix, image)
    assert value == pytest.approx(expected_value, rel=1e-7)
    assert relative_error(gradient, expected_gradient) < 1e-6


def test_gray_photograph_keeps_its_digits():
    photograph = np.repeat(random_image(12, 10)[..., :1], 3, axis=-1)
    image = random_image(12, 10, 1)
    expected = matting.value_and_gradient(matting.laplacian(photograph, epsilon=1e-7), image)
    value, gradient = value_and_gradient(MattingLaplacianLoss(), photograph, image)
    assert value == pytest.approx(expected[0], rel=1e-7)
    assert relative_error(gradient, expected[1]) < 1e-6


@pytest.mark.slow
@RADII
def test_matrix_is_that_of_pymatting(photograph, radius):
    import pymatting  # compiles itself for a minute

    theirs = pymatting.cf_laplacian(photograph.astype(np.float64), epsilon=1e-7, radius=radius)
    expected_value, expected_gradient = matting.value_and_gradient(theirs, random_image(40, 48))
    value, gradient = value_and_gradient(MattingLaplacianLoss(radius=radius), photograph, random_image(40, 48))
    assert value == pytest.approx(expected_value, rel=1e-4)
    assert relative_error(gradient, expected_gradient) < 1e-4


# What is known of the matrix


@RADII
def test_matrix_is_symmetric_and_positive_semidefinite_and_its_rows_add_up_to_zero(radius):
    matrix = built(random_image(8, 9), radius=radius)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    np.testing.assert_allclose(matrix.sum(axis=1), 0, atol=1e-11)
    assert np.linalg.eigvalsh(matrix).min() > -1e-10


def test_trace_is_five_for_every_window():
    """An affine map of three colors explains 4 of the 9 values in a window."""
    assert np.trace(built(random_image(7, 6), epsilon=1e-11)) == pytest.approx(5 * (7 - 2) * (6 - 2), rel=1e-8)


def test_laplacian_of_a_constant_window_is_that_of_a_mean():
    np.testing.assert_allclose(built(np.full((3, 3, 3), 0.4)), np.eye(9) - 1 / 9, atol=1e-7)


def test_affine_map_of_the_photograph_costs_at_most_the_ridge_on_its_slopes(photograph):
    slopes = np.array([[0.5, 0.1, 0.2], [0.2, 0.4, 0.1], [0.1, 0.3, 0.6]])
    image = photograph.astype(np.float64) @ slopes + 0.1
    value, gradient = value_and_gradient(MattingLaplacianLoss(epsilon=1e-7), photograph, image)
    assert 0 <= value <= 1e-7 * (slopes**2).sum() * (40 - 2) * (48 - 2)
    assert np.abs(gradient).max() < 1e-3


def test_value_and_gradient_are_finite_on_a_constant_photograph():
    for dtype in ("float32", "float64"):
        photograph = np.full((9, 8, 3), 0.7, dtype)
        value, gradient = value_and_gradient(MattingLaplacianLoss(), photograph, random_image(9, 8).astype(dtype))
        assert 0 < value < np.inf
        assert np.isfinite(gradient).all()


# The loss


def test_given_image_is_as_good_as_a_target():
    photograph, image = (random_image(9, 8, seed).astype(np.float32) for seed in (0, 1))
    as_target = MattingLaplacianLoss()(photograph[None], image[None])
    given = MattingLaplacianLoss(photograph)
    assert float(given(np.zeros((1, 2, 2, 3), np.float32), image[None])) == float(as_target)
    assert float(given.distance(None, given.statistics(tf.constant(image[None])))[0]) == float(as_target)


def test_mean_is_the_sum_divided_by_the_pixels():
    photograph, image = random_image(9, 8), random_image(9, 8, 1)
    value, gradient = value_and_gradient(MattingLaplacianLoss(), photograph, image)
    mean, mean_gradient = value_and_gradient(MattingLaplacianLoss(normalization="mean"), photograph, image)
    assert mean == pytest.approx(value / 72, rel=1e-12)
    np.testing.assert_allclose(mean_gradient, gradient / 72, rtol=1e-12)


def test_batch_has_one_value_per_image_and_one_photograph_serves_all():
    photographs, images = (np.stack([random_image(6, 7, seed + i) for i in range(3)]) for seed in (0, 3))
    loss = MattingLaplacianLoss()
    values = loss.distance(loss.statistics(tf.constant(photographs)), loss.statistics(tf.constant(images)))
    expected = [value_and_gradient(loss, *pair)[0] for pair in zip(photographs, images, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        values = loss.distance(loss.statistics(tf.constant(photographs[:1])), loss.statistics(variable))
    expected = [value_and_gradient(loss, photographs[0], image) for image in images]
    np.testing.assert_allclose(values, [value for value, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(tape.gradient(values, variable), [slope for _, slope in expected], atol=1e-12)


def test_no_gradient_runs_through_the_laplacian():
    variable = tf.Variable(random_image(6, 6)[None])
    loss = MattingLaplacianLoss()
    with tf.GradientTape() as tape:
        value = loss.distance(loss.statistics(variable), {"image": tf.constant(random_image(6, 6, 1)[None])})
    assert tape.gradient(value, variable) is None


def test_objective_descends_it_as_a_term_on_the_image(backbone, photograph):
    image = random_image(40, 48).astype(np.float32)
    term = Term(MattingLaplacianLoss(), "image", weight=3.0, target="content", relative=True)
    losses = Objective([term]).bind(backbone, Targets(photograph[None]))
    evaluate = losses_and_gradient(losses, (1, 40, 48, 3), np.float32)
    values, gradient = evaluate(tf.constant(image[None]), tf.constant(0, tf.int64))
    expected = matting.value_and_gradient(matting.laplacian(photograph, epsilon=1e-7), image)
    assert float(values["content"]) == pytest.approx(3 * expected[0], rel=1e-5)
    assert relative_error(gradient[0].numpy(), 3 * expected[1]) < 1e-5


def test_compiled_model_is_saved_and_loaded_with_its_photograph(tmp_path):
    photograph, image = (random_image(6, 5, seed).astype(np.float32)[None] for seed in (0, 1))
    model = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    model.compile("sgd", loss=MattingLaplacianLoss(photograph[0]))
    before = model.evaluate(image, image, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored.loss.image, photograph[0])
    assert restored.evaluate(image, image, verbose=0) == pytest.approx(before, rel=1e-6)


# Masks


@pytest.mark.parametrize("given", [True, False], ids=["image given", "target"])
def test_mask_leaves_the_windows_inside(given):
    photograph, image = random_image(12, 10), random_image(12, 10, 1)
    mask = np.zeros((1, 12, 10))
    mask[:, 2:9, 3:10] = 1
    inside = np.s_[2:9, 3:10]
    variable = tf.Variable(image[None])
    for normalization in ("sum", "mean"):
        loss = MattingLaplacianLoss(photograph if given else None, normalization=normalization)
        cropped = MattingLaplacianLoss(normalization=normalization)
        expected = value_and_gradient(cropped, photograph[inside], image[inside])
        with tf.GradientTape() as tape:
            if given:
                value = loss.distance(None, loss.statistics(variable, mask))
            else:
                value = loss.distance(loss.statistics(tf.constant(photograph[None]), mask), loss.statistics(variable))
        gradient = tape.gradient(value, variable).numpy()[0]
        assert float(value[0]) == pytest.approx(expected[0], rel=1e-11)
        np.testing.assert_allclose(gradient[inside], expected[1], atol=1e-11)
        gradient[inside] = 0
        assert not gradient.any()


def test_half_a_mask_is_half_the_loss():
    photograph, image = (tf.constant(random_image(9, 8, seed)[None]) for seed in (0, 1))
    loss = MattingLaplacianLoss()
    half = loss.distance(loss.statistics(photograph, tf.fill([1, 9, 8], 0.5)), {"image": image})
    np.testing.assert_allclose(half, loss.distance(loss.statistics(photograph), {"image": image}) / 2, rtol=1e-12)


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"epsilon": 0}, "epsilon is 0; expected a number of at least 1e-12"),
        ({"epsilon": None}, "epsilon is None"),
        ({"radius": 0}, "radius is 0; expected a whole number from 1"),
        ({"radius": 1.5}, "radius is 1.5"),
        ({"normalization": "paper"}, "normalization is 'paper'; expected one of mean, sum"),
        ({"image": "photo.jpg"}, "image is str; expected an array"),
        ({"image": np.zeros((5, 5))}, r"image is float64 \(5, 5\); expected an array"),
        ({"image": np.zeros((5, 5, 3), np.uint8)}, r"image is uint8 \(5, 5, 3\); expected an array"),
        ({"image": np.full((5, 5, 3), 128.0)}, r"image of shape \(5, 5, 3\) has values outside"),
        ({"image": np.full((5, 5, 3), np.nan)}, r"image of shape \(5, 5, 3\) has values outside"),
        ({"image": np.zeros((4, 9, 3)), "radius": 2}, "9 x 4 pixels .* radius 2; expected at least 5 x 5"),
    ],
)
def test_bad_argument_is_named_with_what_is_expected(arguments, expected):
    with pytest.raises(InputError, match=expected):
        MattingLaplacianLoss(**arguments)


def test_target_smaller_than_a_window_is_refused():
    with pytest.raises(InputError, match="5 x 2 pixels"):
        MattingLaplacianLoss()(np.zeros((1, 2, 5, 3)), np.zeros((1, 2, 5, 3)))


@pytest.mark.parametrize("given", [True, False], ids=["image given", "target"])
def test_image_of_another_size_is_refused(given):
    photograph, image = random_image(6, 7), random_image(7, 6)
    loss = MattingLaplacianLoss(photograph if given else None)
    for call in (loss, tf.function(loss, autograph=False)):
        with pytest.raises(InputError, match=r"\(1, 6, 7, 3\).*\(1, 7, 6, 3\)"):
            call(photograph[None], image[None])


def test_features_are_no_photograph():
    with pytest.raises(InputError, match=r"\(1, 6, 6, 64\); expected 3 channels"):
        MattingLaplacianLoss().statistics(tf.zeros([1, 6, 6, 64]))


def test_without_a_photograph_there_is_no_loss():
    loss = MattingLaplacianLoss()
    with pytest.raises(InputError, match="no photograph"):
        loss.distance(None, loss.statistics(tf.zeros([1, 6, 6, 3])))


def test_photographs_are_not_blended():
    with pytest.raises(InputError, match="got 2 to blend"):
        MattingLaplacianLoss().blend([{}, {}], [0.5, 0.5])


# The residual


def test_residual_is_the_unexplained_part_of_the_variance_in_windows():
    """Least squares of NumPy, window by window, with a constant for the whole."""
    random = np.random.default_rng(0)
    photograph, picture = random.random((2, 8, 9, 3))
    left = whole = 0.0
    for y in range(6):
        for x in range(7):
            colors, values = (each[y : y + 3, x : x + 3].reshape(9, 3) for each in (photograph, picture))
            design = np.c_[colors, np.ones(9)]
            left += ((values - design @ np.linalg.lstsq(design, values, rcond=None)[0]) ** 2).sum()
            whole += ((values - values.mean(axis=0)) ** 2).sum()
    assert affine_residual(picture, photograph) == pytest.approx(left / whole, rel=1e-4)


def test_residual_of_noise_is_that_of_four_numbers_out_of_nine():
    photograph, noise = np.random.default_rng(0).random((2, 64, 64, 3))
    assert affine_residual(noise, photograph) == pytest.approx(5 / 8, abs=0.02)
    assert affine_residual(noise, photograph, radius=5) == pytest.approx(1 - 3 / 120, abs=0.01)


def test_residual_of_what_is_locally_affine_is_next_to_nothing(photograph):
    rows = np.linspace(0.4, 0.9, len(photograph), dtype=np.float32)[:, None, None]
    gray = np.repeat(photograph @ np.array([[0.3], [0.6], [0.1]], np.float32), 3, axis=2)
    noise = np.random.default_rng(0).random(photograph.shape, np.float32)
    for picture in (photograph, gray, 1 - photograph, np.full_like(photograph, 0.5)):
        assert affine_residual(picture, photograph) < 1e-3
    assert affine_residual(photograph * rows, photograph) < 0.02 < 0.1 < affine_residual(noise, photograph)


def test_residual_of_what_is_no_picture_is_refused(photograph):
    for picture, says in ((photograph[1:], "photograph"), (photograph * 300, "picture of shape"), ("a.png", "picture")):
        with pytest.raises(InputError, match=says):
            affine_residual(picture, photograph)
