"""The learning rate of each epoch, against the published program's rule."""

import re
import warnings

import numpy as np
import pytest
from gans import pairs, tiny

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.training.linear_decay import LinearDecay
from keras_style.training.resume import Resume


def published(epoch: int, steady: int, decay: int) -> float:
    """`lambda_rule` of the published program, whose epoch counts from 0."""
    return 1.0 - max(0, epoch + 1 - steady) / float(decay + 1)


class Rates(keras.callbacks.Callback):
    """What the optimizers use, batch by batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(
            [float(each.learning_rate) for each in (self.model.generator_optimizer, self.model.discriminator_optimizer)]
        )


def trained(gan, decay, *others, **options):
    rates = Rates()
    history = gan.fit(pairs(1), verbose=0, callbacks=[decay, rates, *others], **options).history
    np.testing.assert_allclose([pair[1] for pair in rates.seen], history["learning_rate"][-len(rates.seen) :])
    return np.array(rates.seen)


def compiled():
    gan = tiny()
    gan.compile(generator_optimizer=keras.optimizers.SGD(0.02), discriminator_optimizer=keras.optimizers.Adam(0.01))
    return gan


def test_factors_are_those_of_the_published_program():
    decay = LinearDecay(start=100)
    for epoch in range(200):
        assert decay.factor(epoch + 1, 200) == pytest.approx(published(epoch, 100, 100), abs=1e-12)
    assert decay.factor(100, 200) == 1
    assert decay.factor(101, 200) == pytest.approx(0.990, abs=1e-3)
    assert decay.factor(200, 200) == pytest.approx(0.0099, abs=1e-4)


def test_both_optimizers_follow_it():
    expected = [published(epoch, 2, 4) for epoch in range(6)]
    rates = trained(compiled(), LinearDecay(start=2), epochs=6)
    np.testing.assert_allclose(rates, np.outer(expected, [0.02, 0.01]), rtol=1e-6)


@pytest.mark.integration
def test_a_training_in_parts_has_the_rates_of_a_whole_one(tmp_path):
    """In one process, and through a file whose optimizers hold a rate that has fallen already."""
    expected = trained(compiled(), LinearDecay(start=1), epochs=6)
    gan = compiled()
    parts = [trained(gan, LinearDecay(start=1, epochs=6), epochs=2)]
    parts.append(trained(gan, LinearDecay(start=1, epochs=6), initial_epoch=2, epochs=4))
    gan.save(tmp_path / "gan.keras")
    gan = keras.saving.load_model(tmp_path / "gan.keras")
    parts.append(trained(gan, LinearDecay(start=1), initial_epoch=4, epochs=6))
    np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.integration
def test_other_rates_in_earlier_epochs_are_told(tmp_path):
    """Two epochs more: as long as the rate stays there is nothing to tell, later it is another schedule."""

    def run(epochs, start):
        gan = tiny(image_size=4)
        gan.compile(generator_optimizer=keras.optimizers.SGD(0.02), discriminator_optimizer=keras.optimizers.Adam(0.01))
        return trained(gan, LinearDecay(start=start), Resume(tmp_path), epochs=epochs)

    run(2, 2)
    np.testing.assert_allclose(run(3, 2), [[0.01, 0.005]])
    told = r"epochs 1 to 3 had .* another schedule, 0.005 in the last; from epoch 4 on .* which begins with 0.00667"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        np.testing.assert_allclose(run(5, 3), [[0.04 / 3, 0.02 / 3], [0.02 / 3, 0.01 / 3]], rtol=1e-6)
    assert len(warned) == 1 and re.search(told, str(warned[0].message))


def test_any_model_can_have_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    history = model.fit(np.zeros((2, 2)), np.zeros((2, 1)), epochs=3, verbose=0, callbacks=[LinearDecay(start=1)])
    np.testing.assert_allclose(history.history["learning_rate"], [1, 2 / 3, 1 / 3], rtol=1e-6)


def test_loss_scaling_does_not_hide_the_rate():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0)), "mse")
    history = model.fit(np.zeros((2, 2)), np.zeros((2, 1)), epochs=2, verbose=0, callbacks=[LinearDecay(start=1)])
    np.testing.assert_allclose(history.history["learning_rate"], [1, 1 / 2], rtol=1e-6)


def test_a_schedule_is_refused():
    gan = tiny()
    gan.compile(generator_optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)))
    with pytest.raises(InputError, match="generator_optimizer has a learning rate schedule; expected a number"):
        gan.fit(pairs(1), verbose=0, callbacks=[LinearDecay()])


@pytest.mark.parametrize("arguments", [{"start": -1}, {"start": 1.5}, {"epochs": 0}, {"start": 10, "epochs": 5}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        LinearDecay(**arguments)
