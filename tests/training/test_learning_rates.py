"""The learning rate of each epoch, against the rules of the published programs."""

import re
import warnings

import numpy as np
import pytest
from gans import pairs, tiny

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.training.learning_rates import CosineDecay, LinearDecay, PlateauDecay, StepDecay
from keras_style.training.resume import Resume


def published(steady: int, decay: int) -> list[float]:
    """The rates of the paper's program, which subtracts a share of the first one after each epoch beyond the steady."""
    rates = [1.0]
    for epoch in range(1, steady + decay):
        rates.append(rates[-1] - (1 / decay if epoch > steady else 0))
    return rates


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
    np.testing.assert_allclose(decay.factors(200, 200), published(100, 100), atol=1e-12)
    assert [decay.factor(epoch, 200) for epoch in (101, 102, 200)] == pytest.approx([1, 0.99, 0.01])


@pytest.mark.parametrize(("start", "epochs"), [(0, 1), (1, 1), (1, 2)])
def test_no_epoch_is_without_a_rate(start, epochs):
    assert LinearDecay(start).factors(epochs, epochs) == [1.0] * epochs


def test_steps_and_cosine():
    np.testing.assert_allclose(StepDecay(every=2, by=0.5).factors(5, 5), [1, 1, 0.5, 0.5, 0.25])
    assert StepDecay().factors(101, 101)[49:51] + StepDecay().factors(101, 101)[100:] == pytest.approx([1, 0.1, 0.01])
    np.testing.assert_allclose(CosineDecay().factors(4, 4), [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2])


def test_a_plateau_lowers_the_rate():
    """Losses by hand: 9.95 is within a hundredth of 10, NaN is no epoch, 9 is a new least."""
    gan = compiled()
    decay = PlateauDecay("cycle_a", patience=1, by=0.5)
    decay.set_model(gan)
    gan.history = keras.callbacks.History()
    gan.history.history = {"cycle_a": [10, 9.95, float("nan"), 11, 9, 9, 9, 9, 9]}
    assert decay.factors(10, 10) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    gan.history.history = {"loss": [1.0]}
    with pytest.raises(InputError, match="monitor is 'cycle_a'; expected one of loss"):
        decay.factors(2, 10)


@pytest.mark.integration
def test_a_plateau_is_remembered(tmp_path):
    """A training in two parts has the rates of a whole one, which begin to fall in its third epoch."""

    def run(epochs, directory):
        gan = tiny(image_size=4, pool_size=0)
        gan.compile(generator_optimizer=keras.optimizers.SGD(1e-9), discriminator_optimizer=keras.optimizers.SGD(1e-9))
        return trained(gan, PlateauDecay("cycle_a", 0, by=0.5), Resume(directory), epochs=epochs)[:, 0]

    whole = run(5, tmp_path / "whole")
    np.testing.assert_allclose(whole, np.multiply(1e-9, [1, 1, 0.5, 0.25, 0.125]))
    parts = [run(epochs, tmp_path / "parts") for epochs in (3, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_both_optimizers_follow_it():
    expected = published(2, 4)
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

    run(2, 1)
    np.testing.assert_allclose(run(3, 1), [[0.01, 0.005]])
    told = r"epochs 1 to 3 had .* another schedule, 0.005 in the last; from epoch 4 on .* which begins with 0.0075"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        np.testing.assert_allclose(run(6, 2), [[0.015, 0.0075], [0.01, 0.005], [0.005, 0.0025]], rtol=1e-6)
    assert len(warned) == 1 and re.search(told, str(warned[0].message))


def test_any_model_can_have_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    history = model.fit(np.zeros((2, 2)), np.zeros((2, 1)), epochs=3, verbose=0, callbacks=[LinearDecay(start=1)])
    np.testing.assert_allclose(history.history["learning_rate"], [1, 1, 1 / 2], rtol=1e-6)


def test_loss_scaling_does_not_hide_the_rate():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0)), "mse")
    history = model.fit(np.zeros((2, 2)), np.zeros((2, 1)), epochs=2, verbose=0, callbacks=[LinearDecay(start=0)])
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
