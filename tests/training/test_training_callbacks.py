"""Callbacks of a training by themselves: the best generators, scores, sample grids, tables."""

import csv
import json
import math

import numpy as np
import pytest
from gans import kernels, pairs, tiny, values
from running import listing

from keras_style import images
from keras_style.errors import DivergenceError, InputError
from keras_style.internal.tensorflow import keras
from keras_style.models import open_generator
from keras_style.training import evaluation as evaluation_module
from keras_style.training.csv_log import CSVLog
from keras_style.training.evaluation import PAIRED, Evaluation
from keras_style.training.resume import Resume
from keras_style.training.samples import Samples
from keras_style.training.snapshots import Snapshots

BOTH = ("generator_optimizer", "discriminator_optimizer")


def table(directory):
    with open(directory / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def scripted(monkeypatch, kids, kept):
    """An evaluation that measures these mean KIDs one after the other, and notes the weights that are best."""
    measurements = iter(kids)

    def measure(self):
        value = next(measurements)
        return {"kid_a2b": value + 1, "fid_a2b": 0.0, "kid_b2a": value - 1, "fid_b2a": 0.0}

    monkeypatch.setattr(Evaluation, "measure", measure)
    monkeypatch.setattr(Evaluation, "_keep", lambda self, epoch, logs: kept.append(epoch + 1))


def test_the_best_is_that_of_the_whole_training(monkeypatch, tmp_path):
    kept = []
    pictures = [np.zeros((16, 16, 3), np.uint8)] * 2
    scripted(monkeypatch, [3.0, 1.0, 2.0, 1.0, 0.5], kept)
    for epochs in (3, 5):  # the second goes on with the first
        gan = tiny()
        gan.compile()
        evaluation = Evaluation(pictures, pictures, tmp_path / "best", every=1, layer="block1_conv1")
        gan.fit(pairs(), epochs=epochs, callbacks=[evaluation, Resume(tmp_path / "backup")], verbose=0)
    assert kept == [1, 2, 5]
    assert evaluation_module.best(gan.history.history) == (4, 0.5)
    assert evaluation_module.best({}) == (None, math.inf)
    assert evaluation_module.best({"kid_a2b": [math.nan, 2.0], "kid_b2a": [math.nan, 4.0]}) == (1, 3.0)


def test_best_generators_are_those_of_their_epoch(tmp_path):
    gan = tiny()
    gan.compile()
    pictures = [np.full((16, 16, 3), level, np.uint8) for level in (0, 128)]
    evaluation = Evaluation(pictures, pictures, tmp_path / "best", every=1, layer="block1_conv1")
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(kernels(gan)[:2]))
    gan.fit(pairs(), epochs=3, callbacks=[note, evaluation], verbose=0)
    about = json.loads((tmp_path / "best" / "best.json").read_text())
    for direction, kernel in zip(("a2b", "b2a"), seen[about["epoch"] - 1], strict=True):
        saved = keras.saving.load_model(tmp_path / "best" / f"generator_{direction}.keras")
        np.testing.assert_array_equal(values(saved.weights)[0][0, 0], kernel)


def test_pairs_are_scored_pixel_by_pixel(tmp_path):
    gan = tiny()
    gan.compile()
    random = np.random.default_rng(0)
    a, b = random.integers(0, 256, (2, 3, 16, 20, 3), np.uint8)
    evaluation = Evaluation(a, b, tmp_path / "best", every=2, layer="block1_conv1", paired=True)
    history = gan.fit(pairs(), epochs=2, callbacks=[evaluation], verbose=0).history
    assert set(PAIRED) < set(history) and math.isnan(history["mae_a2b"][0])
    there, back = kernels(gan)[:2]
    for name, kernel, given, truth in (("a2b", there, a, b), ("b2a", back, b, a)):
        translated = ((given / 127.5 - 1) @ kernel / 2 + 0.5).clip(0, 1)
        assert history[f"mae_{name}"][1] == pytest.approx(np.mean(np.abs(translated - truth / 255)), rel=1e-5)
    assert set(PAIRED) < set(json.loads((tmp_path / "best" / "best.json").read_text()))


@pytest.mark.parametrize(
    ("b", "says"),
    [
        (np.zeros((3, 16, 16, 3), np.uint8), "test_a has 2 images and test_b 3; expected pairs"),
        (np.zeros((2, 16, 20, 3), np.uint8), r"images 0 .*\(16, 16, 3\) and \(16, 20, 3\); expected pairs of one size"),
    ],
)
def test_test_images_that_are_no_pairs_are_refused(b, says):
    with pytest.raises(InputError, match=says):
        Evaluation(np.zeros((2, 16, 16, 3), np.uint8), b, layer="block1_conv1", paired=True)


def test_one_test_image_has_no_spread():
    with pytest.raises(InputError, match="test_b: 1 image; expected at least 2"):
        Evaluation(np.zeros((2, 16, 16, 3), np.uint8), np.zeros((1, 16, 16, 3), np.uint8), layer="block1_conv1")


@pytest.mark.integration
def test_grids_show_image_translation_and_the_way_back(tmp_path):
    gan = tiny()
    gan.compile()
    random = np.random.default_rng(0)
    a = [random.integers(0, 256, size, np.uint8) for size in ((16, 20, 3), (18, 16, 3), (16, 16, 3))]
    b = [random.integers(0, 256, (17, 19, 3), np.uint8)]
    samples = Samples(tmp_path / "samples", a, b, count=2, every=2, early=[2, 5])
    gan.fit(pairs(), epochs=3, callbacks=[samples], verbose=0)
    assert listing(tmp_path / "samples") == ["epoch_0002.png", "epoch_0003.png", "step_00000002.png"]

    grid = images.load(tmp_path / "samples" / "epoch_0003.png")
    there, back = kernels(gan)[:2]
    height, width = 18, 20
    assert grid.shape == (2 * height + 2, 6 * width + 4 * 2 + 6, 3)
    for pictures, first, second, left in ((a[:2], there, back, 0), (b, back, there, 3 * width + 4 + 6)):
        for row, picture in enumerate(pictures):
            image = picture / 255
            once = ((image * 2 - 1) @ first / 2 + 0.5).clip(0, 1)
            twice = ((once * 2 - 1) @ second / 2 + 0.5).clip(0, 1)
            for column, expected in enumerate((image, once, twice)):
                y, x = row * (height + 2), left + column * (width + 2)
                cell = grid[y : y + height, x : x + width]
                np.testing.assert_allclose(
                    cell[: picture.shape[0], : picture.shape[1]], expected, rtol=0, atol=0.51 / 255
                )
                assert (cell[picture.shape[0] :] == 1).all() and (cell[:, picture.shape[1] :] == 1).all()
    assert (grid[height + 2 :, left:] == 1).all()  # there is no second image of B


def test_a_table_without_resume_is_that_of_this_fit(tmp_path):
    gan = tiny()
    gan.compile()
    gan.fit(pairs(), epochs=2, callbacks=[CSVLog(tmp_path / "log.csv")], verbose=0)
    assert [float(row["cycle_a"]) for row in table(tmp_path)] == gan.history.history["cycle_a"]


def test_a_table_has_empty_cells_before_a_log_began(tmp_path):
    """As where a training goes on with a state that was saved before there was such a log."""
    gan, log = tiny(), CSVLog(tmp_path / "log.csv")
    gan.history = keras.callbacks.History()
    gan.history.epoch, gan.history.history = [0, 1], {"cycle_a": [3.0, 2.0], "loss": [5.0]}
    log.set_model(gan)
    log.on_epoch_end(2, {"cycle_a": 1.0, "loss": 4.0})
    assert [(row["cycle_a"], row["loss"]) for row in table(tmp_path)] == [("3.0", ""), ("2.0", "5.0"), ("1.0", "4.0")]


def test_losses_that_are_not_finite_stop_a_fit():
    gan = tiny()
    gan.compile(generator_optimizer=keras.optimizers.SGD(1e30))
    weights = gan.generator_a2b.get_weights()
    with pytest.raises(DivergenceError, match=r"not finite at epoch 1, step \d: .*cycle_a (nan|inf)"):
        gan.fit(pairs(4), verbose=0, callbacks=keras.callbacks.Callback())
    assert not np.array_equal(gan.generator_a2b.get_weights()[0], weights[0])


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    gan = tiny()
    gan.compile()
    gan.fit(pairs(2), verbose=0, callbacks=[Resume(tmp_path)])
    before = (tmp_path / "state.npz").read_bytes()
    resume = Resume(tmp_path)

    def spoil(epoch, logs):
        gan.generator_a2b.weights[0].assign(gan.generator_a2b.weights[0] * np.nan)

    with pytest.raises(DivergenceError, match=r"weights are not finite after step .* keeps the state before"):
        gan.fit(pairs(2), epochs=2, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=spoil), resume])
    assert (tmp_path / "state.npz").read_bytes() == before


def compiled(rates=(0.02, 0.08)):
    gan = tiny()
    gan.compile(**dict(zip(BOTH, map(keras.optimizers.SGD, rates), strict=True)))
    return gan


def scheduled():
    return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))


# Callbacks of Keras


@pytest.mark.parametrize(
    ("callback", "optimizer", "message"),
    [
        (keras.callbacks.ReduceLROnPlateau("loss"), scheduled, "ReduceLROnPlateau with an optimizer that follows a"),
        (keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate), scheduled, "LearningRateScheduler with an"),
        (keras.callbacks.SwapEMAWeights(), lambda: None, "SwapEMAWeights knows one optimizer"),
        (
            keras.callbacks.EarlyStopping("kid_a2b"),
            lambda: None,
            "EarlyStopping follows kid_a2b .* expected mode='min'",
        ),
        (
            keras.callbacks.ModelCheckpoint("x.h5"),
            lambda: None,
            "filepath is x.h5; expected a file that ends in .keras",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("given", [lambda one: [one], lambda one: keras.callbacks.CallbackList([one])])
def test_what_cannot_work_is_refused_before_the_first_step(callback, optimizer, message, given):
    gan = tiny()
    gan.compile(discriminator_optimizer=optimizer())
    before = kernels(gan)
    with pytest.raises(InputError, match=message):
        gan.fit(pairs(2), verbose=0, callbacks=given(callback))
    assert all((one == other).all() for one, other in zip(kernels(gan), before, strict=True))


def test_rates_are_set_for_both_optimizers():
    """By the first epoch to zero, as a warm-up may do, after which the ratio of the two is still that of the start."""
    gan, seen = compiled(), []
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: [0.0, 0.01, rate / 2][epoch])
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(rates(gan)))
    history = gan.fit(pairs(1), epochs=3, verbose=0, callbacks=[schedule, note]).history
    np.testing.assert_allclose(seen, [(0, 0), (0.01, 0.04), (0.005, 0.02)], rtol=1e-6)
    np.testing.assert_allclose(history["learning_rate"], np.array(seen)[:, 0])


def test_rates_fall_where_a_loss_does_not():
    gan = compiled((1e-9, 4e-9))  # so low that nothing moves
    plateau = keras.callbacks.ReduceLROnPlateau("cycle_a", factor=0.1, patience=1, min_delta=1)
    gan.fit(pairs(2), epochs=3, verbose=0, callbacks=[plateau])
    np.testing.assert_allclose(rates(gan), [1e-11, 4e-11], rtol=1e-5)


@pytest.mark.integration
def test_averaged_weights_are_those_of_the_end(tmp_path):
    """As Keras does it for one optimizer; a training that goes on does so from the weights that were averaged."""
    momentum, steps = 0.5, []

    def trained(epochs):
        gan = tiny(image_size=4)
        gan.compile(generator_optimizer=keras.optimizers.SGD(0.02, use_ema=True, ema_momentum=momentum))
        note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(kernels(gan)))
        gan.fit(pairs(2), epochs=epochs, verbose=0, callbacks=[note, Resume(tmp_path)])
        return kernels(gan)

    trained(1)
    found = trained(2)
    expected = steps[0][0]
    for step in steps[1:]:
        expected = momentum * expected + (1 - momentum) * step[0]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[2], steps[-1][2])  # the discriminators' optimizer averages nothing


def rates(gan):
    return [float(getattr(gan, name).learning_rate) for name in BOTH]


@pytest.mark.integration
def test_callbacks_of_keras_follow_losses(tmp_path):
    """`loss` is what both generators follow; a loss gets better by getting smaller, which nobody has to say."""
    gan = compiled()
    history = gan.fit(pairs(3), validation_data=pairs(2), epochs=2, verbose=0).history
    assert history["loss"] == history["generator_loss"] and history["val_loss"] == history["val_generator_loss"]
    for monitor in ("loss", "val_loss", "cycle_a", "val_discriminator_b"):
        gan, path = compiled(), tmp_path / f"{monitor}.keras"
        callbacks = [
            keras.callbacks.EarlyStopping(monitor, patience=0, min_delta=100),
            keras.callbacks.ModelCheckpoint(path, monitor=monitor, save_best_only=True),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TerminateOnNaN(),
        ]
        stopped = gan.fit(pairs(3), validation_data=pairs(2), epochs=5, verbose=0, callbacks=callbacks).history
        assert len(stopped["loss"]) == 2 and path.is_file()
        assert [float(row["loss"]) for row in table(tmp_path)] == stopped["loss"]


@pytest.mark.integration
def test_a_backup_of_keras_goes_on(tmp_path):
    def trained(epochs, directory):
        gan = tiny(image_size=4)
        gan.compile()
        backup = keras.callbacks.BackupAndRestore(tmp_path / directory, delete_checkpoint=False)
        gan.fit(pairs(3), epochs=epochs, verbose=0, callbacks=[backup])
        return values([*gan.variables, *gan.optimizer.variables])

    trained(2, "parts")
    for one, other in zip(trained(4, "parts"), trained(4, "whole"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_callbacks_of_keras_work(tmp_path):
    gan = tiny()
    gan.compile()
    stop = keras.callbacks.EarlyStopping("cycle_a", mode="min", patience=0, min_delta=10)
    weights, model = tmp_path / "gan.weights.h5", tmp_path / "gan.keras"
    checkpoints = [
        keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
        keras.callbacks.ModelCheckpoint(model),
    ]
    history = gan.fit(pairs(2), epochs=5, verbose=0, callbacks=[stop, *checkpoints]).history
    assert len(history["cycle_a"]) == 2  # the second epoch was not better by ten
    assert weights.exists()
    restored = keras.saving.load_model(model)
    for one, other in zip(values(restored.weights), values(gan.weights), strict=True):
        np.testing.assert_array_equal(one, other)


def test_snapshots_are_generators(tmp_path):
    gan = tiny()
    gan.compile()
    gan.fit(pairs(1), epochs=3, verbose=0, callbacks=[Snapshots(tmp_path / "some" / "where", every=2)])
    assert listing(tmp_path / "some" / "where") == ["epoch_0002"]
    gan.fit(pairs(1), epochs=4, initial_epoch=3, verbose=0, callbacks=[Snapshots(tmp_path, every=2)])
    for direction in ("a2b", "b2a"):
        before, after = (
            values(open_generator(place, direction).weights)[0]
            for place in (tmp_path / "some" / "where" / "epoch_0002", tmp_path / "epoch_0004")
        )
        np.testing.assert_array_equal(after, values(getattr(gan, f"generator_{direction}").weights)[0])
        assert np.any(before != after)
    with pytest.raises(InputError, match="every is 0"):
        Snapshots(tmp_path, every=0)
