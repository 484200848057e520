"""Adversarial losses against their formulas in NumPy."""

import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models import adversarial

REAL, FAKE = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 1)).astype(np.float32)


def log_sigmoid(x):
    return -np.log1p(np.exp(-x.astype(np.float64)))


EXPECTED = {
    "lsgan": (((FAKE - 1) ** 2).mean(), ((REAL - 1) ** 2).mean() + (FAKE**2).mean()),
    "vanilla": (-log_sigmoid(FAKE).mean(), -log_sigmoid(REAL).mean() - log_sigmoid(-FAKE).mean()),
    "wasserstein": (-FAKE.mean(), FAKE.mean() - REAL.mean()),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_losses_are_those_of_their_papers(name):
    loss = adversarial.get(name)
    generator, discriminator = EXPECTED[name]
    assert float(loss.generator(tf.constant(FAKE))) == pytest.approx(generator, rel=1e-5)
    assert float(loss.discriminator(tf.constant(REAL), tf.constant(FAKE))) == pytest.approx(discriminator, rel=1e-5)


def test_large_scores_stay_finite():
    scores = tf.constant([[-1e4], [1e4]])
    assert float(adversarial.get("vanilla").generator(scores)) == pytest.approx(5e3)


def test_the_penalty_of_a_linear_discriminator_has_a_closed_form():
    """The gradient of a sum over c values, each times w, is w everywhere: its norm is |w| sqrt(c)."""
    weight = 0.3
    images = np.random.default_rng(1).normal(size=(2, 2, 4, 4, 3)).astype(np.float32)

    def scores(x, training):
        return tf.reduce_sum(weight * x, axis=[1, 2, 3], keepdims=True)

    penalty = adversarial.Wasserstein(10.0).penalty(scores, tf.constant(images[0]), tf.constant(images[1]), [1, 2])
    assert float(penalty) == pytest.approx(10 * (weight * np.sqrt(48) - 1) ** 2, rel=1e-4)


def test_the_penalty_is_taken_between_real_and_fake_at_a_point_that_the_seed_draws():
    """Of scores sum(x^2) / 2 the gradient is x: its norm says where on the line from 0 to 1 the penalty was taken."""
    real, fake = np.zeros((500, 1, 1, 1), np.float32), np.ones((500, 1, 1, 1), np.float32)
    points = []

    def scores(x, training):
        points.append(x.numpy().ravel())
        return tf.square(x) / 2

    loss = adversarial.Wasserstein(1.0)
    values = [float(loss.penalty(scores, tf.constant(real), tf.constant(fake), [1, step])) for step in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    for point, value in zip(points, values, strict=True):
        assert 0 <= point.min() < 0.05 and 0.95 < point.max() <= 1
        assert point.mean() == pytest.approx(0.5, abs=0.05)
        assert value == pytest.approx(np.mean((point - 1) ** 2), rel=1e-4)


def test_a_discriminator_without_slope_has_a_finite_gradient():
    weight = tf.Variable(0.0)
    images = tf.ones((2, 2, 2, 3))
    with tf.GradientTape() as tape:
        value = adversarial.Wasserstein().penalty(lambda x, training: weight * x, images, 2 * images, [0, 0])
    assert np.isfinite(tape.gradient(value, weight))


@pytest.mark.parametrize("name", EXPECTED)
def test_losses_survive_serialization(name):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(adversarial.get(name)))
    assert type(again) is adversarial.LOSSES[name]
    assert again.get_config() == adversarial.get(name).get_config()


@pytest.mark.parametrize("given", ["hinge", None, object()])
def test_anything_else_is_refused(given):
    with pytest.raises(InputError, match=r"adversarial is .*; expected one of lsgan, vanilla, wasserstein"):
        adversarial.get(given)
