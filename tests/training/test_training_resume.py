"""A training that was killed and started again ends in the bits of one that was not."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from gans import images, pairs, tiny, values
from PIL import Image
from running import listing, python

from keras_style import data
from keras_style.errors import CheckpointError, InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.training import optimizers
from keras_style.training.learning_rates import LinearDecay
from keras_style.training.resume import Resume

EPOCHS = 3
STEPS = 7


def unpaired(**options):
    """Seven steps an epoch."""
    a, b = images(7, 1, 20) / 2 + 0.5, images(5, 2, 20) / 2 + 0.5
    return data.unpaired(a, b, **{"image_size": 16, "seed": 4, **options})


class Killed(Exception):
    pass


class Killer(keras.callbacks.Callback):
    """Ends the training after so many steps of this run, or at the end of its first epoch."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        if isinstance(self.left, int):
            self.left -= 1
            if not self.left:
                self.die()

    def on_epoch_end(self, epoch, logs=None):
        if self.left == "epoch end":
            self.die()

    def die(self):
        raise Killed


class Dying(Killer):
    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)


def made(**options):
    gan = tiny(image_size=16, **options)
    gan.compile(adversarial="wasserstein")
    return gan


def train(directory, *extra, gan=None, every=2, epochs=EPOCHS, source=None, **options):
    gan = gan or made()
    callbacks = [LinearDecay(start=1), Resume(directory, every=every), *extra]
    history = gan.fit(source or unpaired(), epochs=epochs, callbacks=callbacks, verbose=0, **options)
    return state(gan), history


def state(gan):
    everything = [*gan.variables, *(each for one in optimizers.of(gan).values() for each in one.variables)]
    return values(everything)


def assert_same(one, other):
    assert len(one) == len(other)
    for x, y in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a training that nothing happened to, and what `train` gave."""
    directory = tmp_path_factory.mktemp("whole") / "state"
    return directory, train(directory)


@pytest.fixture(scope="module")
def whole(finished):
    return finished[1]


@pytest.fixture
def directory(finished, tmp_path):
    """A copy of its directory."""
    return shutil.copytree(finished[0], tmp_path / "state")


# As a script: python test_training_resume.py DIRECTORY [STEPS OR "write" TO DIE AFTER]
DOOMED = """
import os, sys
sys.path[:0] = ["tests", "tests/training"]
import test_training_resume as test
from keras_style.internal import atomic_files

directory, fate = sys.argv[1], sys.argv[2]
extra = []
if fate == "in a write":
    whole = os.fsync
    def die_in_the_third(number, count=[0]):
        count[0] += 1
        if count[0] == 3:
            os.truncate(number, 1000)
            test.Dying(0).die()
        whole(number)
    os.fsync = die_in_the_third
elif fate:
    extra = [test.Dying(int(fate))]
final, history = test.train(directory, *extra)
test.np.savez(directory + ".npz", *final)
"""


@pytest.mark.integration
def test_killed_processes_end_in_the_same_bits(whole, tmp_path):
    directory = tmp_path / "state"
    for fate in ("6", "in a write"):  # in the middle of an epoch, and between two of them
        run = python(DOOMED, directory, fate)
        assert run.returncode == -signal.SIGKILL, run.stderr
    run = python(DOOMED, directory, "")
    assert run.returncode == 0, run.stderr
    with np.load(f"{directory}.npz") as file:
        assert_same([file[name] for name in file.files], whole[0])


@pytest.mark.parametrize(
    ("every", "deaths"),
    [
        pytest.param("epoch", (9, "epoch end"), marks=pytest.mark.integration),
        pytest.param(1, (1, 9), marks=pytest.mark.integration),
        (3, (5, "epoch end")),
    ],
    ids=str,
)
def test_interrupted_anywhere_it_ends_in_the_same_bits(every, deaths, whole, tmp_path):
    for death in deaths:
        with pytest.raises(Killed):
            train(tmp_path / "state", Killer(death), every=every)
    final, history = train(tmp_path / "state", every=every)
    assert_same(final, whole[0])
    assert history.epoch == whole[1].epoch == [0, 1, 2]
    assert history.history == whole[1].history  # means over whole epochs, though parts were in other runs


def test_a_finished_training_returns_at_once(whole, directory):
    final, history = whole
    assert listing(directory) == ["state.npz"]
    steps = []
    counter = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    before = (directory / "state.npz").stat().st_mtime_ns
    again, repeated = train(directory, counter)
    assert not steps
    assert_same(again, final)
    assert repeated.history == history.history and repeated.epoch == history.epoch
    assert (directory / "state.npz").stat().st_mtime_ns == before


@pytest.mark.integration
def test_more_epochs_go_on_where_it_ended(tmp_path):
    def constant(directory, epochs):
        gan = made()
        gan.fit(unpaired(), epochs=epochs, callbacks=[Resume(directory)], verbose=0)
        return state(gan)

    constant(tmp_path / "state", 1)
    assert_same(constant(tmp_path / "state", 3), constant(tmp_path / "other", 3))


@pytest.mark.integration
def test_several_steps_at_a_time(whole, tmp_path):
    def run(*extra):
        gan = made()
        gan.compile(adversarial="wasserstein", steps_per_execution=2)
        return train(tmp_path / "state", *extra, gan=gan, every=2)

    with pytest.raises(Killed):
        run(Killer(6))  # executions: four in the first epoch, two in the second
    assert_same(run()[0], whole[0])


def test_any_model_goes_on_from_its_last_epoch(tmp_path):
    def run(directory, *extra):
        keras.utils.set_random_seed(1)
        layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("adam", "mse", jit_compile=False)
        x = np.random.default_rng(0).random((12, 3), np.float32)
        callbacks = [Resume(directory), *extra]
        model.fit(x, x[:, :1], batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
        return values([*model.weights, *model.optimizer.variables])

    with pytest.raises(Killed):
        run(tmp_path / "state", Killer(5))
    assert_same(run(tmp_path / "state"), run(tmp_path / "other"))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return A[index : index + 1], B[index : index + 1]


def without_end():
    while True:
        yield from map(Batches().__getitem__, range(4))


A, B = images(4, 1), images(4, 2)
FEEDS = {
    "tf.data": lambda: ((pairs(),), {}),
    "PyDataset": lambda: ((Batches(),), {}),
    "PyDataset of two threads": lambda: ((Batches(workers=2),), {}),
    "generator": lambda: ((without_end(),), {"steps_per_epoch": 4}),
    "arrays": lambda: ((A, B), {"batch_size": 1}),
    "a pair of arrays": lambda: (([A, B],), {"batch_size": 1}),
    "tensors": lambda: ((tf.constant(A), tf.constant(B)), {"batch_size": 1}),
}


@pytest.mark.parametrize(
    "feed",
    [
        pytest.param(feed, id=name, marks=[] if name in ("tf.data", "generator") else pytest.mark.integration)
        for name, feed in FEEDS.items()
    ],
)
def test_it_goes_on_however_it_is_fed(feed, tmp_path):
    """Also where the size of images is known by the first batch only, which the training gets, too."""

    def run(directory, *extra):
        gan = tiny()
        gan.compile()
        positional, options = feed()
        callbacks = [Resume(tmp_path / directory), *extra]
        history = gan.fit(*positional, **options, epochs=3, verbose=0, callbacks=callbacks).history
        assert int(gan.pool_a.seen) == 12
        return state(gan), history

    with pytest.raises(Killed):
        run("parts", Killer(9))
    whole, history = run("whole")
    parts, other = run("parts")
    assert_same(parts, whole)
    assert other == history


def test_what_is_built_later_cannot_be_restored(tmp_path):
    def of_any_size():
        yield from map(Batches().__getitem__, range(4))

    signature = (tf.TensorSpec((None, None, None, 3)),) * 2
    data = tf.data.Dataset.from_generator(of_any_size, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(4))
    gan = tiny()
    gan.compile()
    with pytest.raises(InputError, match=r"pool_a is not built; expected all layers .* a CycleGAN takes image_size"):
        gan.fit(data, verbose=0, callbacks=[Resume(tmp_path / "state")])
    assert listing(tmp_path) == []
    gan = tiny(pool_size=0)  # which has nothing to build
    gan.compile()
    gan.fit(data, verbose=0, callbacks=[Resume(tmp_path / "state")])


def test_a_state_that_lacks_a_part_changes_nothing(directory):
    with np.load(directory / "state.npz") as file:
        arrays = dict(file)
    del arrays[f"variable_{len([name for name in arrays if name.startswith('variable')]) - 1}"]
    np.savez(directory / "state.npz", **arrays)
    gan = made()
    before = state(gan)
    with pytest.raises(CheckpointError, match="lacks a part of the state of a training; delete it to start again"):
        train(directory, gan=gan)
    assert_same(state(gan), before)


def test_fewer_epochs_than_there_are_is_refused(directory):
    with pytest.raises(CheckpointError, match="holds 3 epochs of this training; expected epochs=3 or more, not 2"):
        train(directory, epochs=2)


@pytest.mark.integration
def test_images_of_the_same_names_and_other_contents_are_refused(tmp_path):
    """Wherever they are, the same images go on; a state that did not note contents is not asked for them."""
    for number, folder in enumerate(("one", "other")):
        (tmp_path / folder).mkdir()
        for index, picture in enumerate(images(3, 1, 20)):
            noise = np.uint8(picture * 127 + 128) if index < 2 else np.full((20, 20, 3), 100 + number, np.uint8)
            Image.fromarray(noise).save(tmp_path / folder / f"{index}.bmp")  # all of one size
    shutil.copytree(tmp_path / "one", tmp_path / "copy")

    def source(folder):
        return data.unpaired(tmp_path / folder, images(2, 1, 20) / 2 + 0.5, image_size=16)

    for folder in ("one", "copy"):
        with pytest.raises(Killed):
            train(tmp_path / "state", Killer(4), source=source(folder))
    with pytest.raises(CheckpointError, match=r"data.contents_a was \"3 images, .*\", now \"3 images, "):
        train(tmp_path / "state", source=source("other"))
    with np.load(tmp_path / "state" / "state.npz") as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    del about["identity"]["data.contents_a"], about["identity"]["data.contents_b"]
    np.savez(tmp_path / "state" / "state.npz", **{**arrays, "about": np.array(json.dumps(about))})
    train(tmp_path / "state", source=source("one"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gan": lambda: made(seed=9)}, "model.seed was 0, now 9"),
        ({"gan": lambda: made(pool_size=4)}, "model.pool_size was 3, now 4"),
        ({"source": lambda: unpaired(seed=5)}, "data.seed was 4, now 5"),
        ({"source": lambda: unpaired(flip=False)}, "data.flip was true, now false"),
    ],
)
def test_the_state_of_another_training_is_refused(options, message, directory):
    before = (directory / "state.npz").read_bytes()
    with pytest.raises(CheckpointError, match=f"holds the state of another training: {message}"):
        train(directory, **{name: make() for name, make in options.items()})
    assert (directory / "state.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cycle_weight": 5}, r"training.cycle_weight was 10.0, now 5.0"),
        ({"adversarial": "vanilla"}, r"training.adversarial"),
        ({"generator_optimizer": "sgd"}, r"training.generator_optimizer"),
        (
            {"generator_optimizer": keras.optimizers.Adam(1e-3, 0.5, 0.999, 1e-8)},
            "generator_optimizer.config.learning_rate",
        ),
    ],
)
def test_other_settings_are_refused(settings, message, directory):
    gan = made()
    gan.compile(**{"adversarial": "wasserstein", **settings})
    with pytest.raises(CheckpointError, match=message):
        train(directory, gan=gan)


def test_damage_is_refused(directory):
    file = directory / "state.npz"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(
        CheckpointError, match=r"cannot be read as the state of a training .*; delete it to start again"
    ):
        train(directory)


def test_steps_need_data_with_a_position(tmp_path):
    with pytest.raises(InputError, match=r"every is 2 with data of type .*; expected every='epoch', or data whose"):
        train(tmp_path / "state", source=pairs(side=16))


@pytest.mark.parametrize("every", [0, "batch", 1.5])
def test_bad_arguments_are_refused(every, tmp_path):
    with pytest.raises(InputError, match="every is"):
        Resume(tmp_path, every=every)


def test_missing_parents_are_made_and_a_file_is_refused(tmp_path):
    train(tmp_path / "run" / "backup")
    state = tmp_path / "run" / "backup" / "state.npz"
    assert state.is_file()
    with pytest.raises(CheckpointError, match=r"cannot be made a directory \(Not a directory\)"):
        train(state / "backup")
