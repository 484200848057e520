"""Unpaired batches: what is in them, in what order, and that any step can be taken up again."""

import gc
import os
import subprocess
import sys
import threading
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
from picture_files import read
from PIL import Image

from keras_style import images
from keras_style.data.unpaired_batches import unpaired
from keras_style.errors import InputError, MissingFileError
from keras_style.images.writing import srgb_profile
from keras_style.internal.tensorflow import keras, tf

SIZE = 16


def plain(levels):
    """An array of images, each of a single level."""
    return np.stack([np.full((SIZE, SIZE, 3), level, np.uint8) for level in levels])


def levels_of(batch):
    return ((batch.numpy()[:, 0, 0, 0] + 1) * 127.5).round().astype(int).tolist()


def order(data):
    """What an iteration over `data` gives: levels of A and of B for each step."""
    return [(levels_of(a), levels_of(b)) for a, b in data]


def flat(steps, domain):
    return [level for step in steps for level in step[domain]]


@pytest.fixture
def seven_and_three():
    """Seven images in A, three in B, two in a batch: four steps an epoch."""
    return unpaired(plain(range(7)), plain([100, 110, 120]), image_size=SIZE, batch_size=2, shuffle="both", seed=3)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path, noise):
    """trainA with three pictures, one of them in a folder below, and trainB with two."""
    for place in ("trainA/a.png", "trainA/below/b.png", "trainA/c.png", "trainB/a.png", "trainB/b.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(tmp_path / place)
        noise = noise[::-1, ::-1] // 2 + 50
    return tmp_path


def test_data_go_with_their_last_iterator():
    data = unpaired(plain([0]), plain([1]), image_size=SIZE)
    reference, iterator = weakref.ref(data), iter(data.map(lambda a, b: a))
    del data
    gc.collect()
    assert levels_of(next(iterator)) == [0]
    del iterator
    gc.collect()
    assert reference() is None


# Order


def test_an_epoch_is_as_long_as_the_larger_collection_and_batches_are_full(seven_and_three):
    steps = order(seven_and_three)
    assert len(steps) == len(seven_and_three) == seven_and_three.steps_per_epoch == 4
    assert all(len(a) == len(b) == 2 for a, b in steps)
    assert [spec.shape for spec in seven_and_three.element_spec] == [(2, SIZE, SIZE, 3)] * 2


@pytest.mark.parametrize(("domain", "count"), [(0, 7), (1, 3)])
def test_each_image_comes_before_any_comes_again(seven_and_three, domain, count):
    stream = [level for _ in range(21) for level in flat(order(seven_and_three), domain)]  # 168 images
    laps = [tuple(stream[start : start + count]) for start in range(0, 168, count)]
    assert {tuple(sorted(lap)) for lap in laps} == {tuple(sorted(laps[0]))} and len(set(laps[0])) == count
    assert len(set(laps)) >= min(len(laps) - 2, 6)  # new orders: all of 7!, or the six of 3!


def test_both_come_in_random_orders():
    data = unpaired(plain(range(7)), plain(range(3)), image_size=SIZE)
    assert len({tuple(flat(order(data), 0)) for _ in range(4)}) > 2


def test_a_comes_in_order():
    data = unpaired(plain(range(5)), plain(range(3)), image_size=SIZE, shuffle="b")
    assert [flat(order(data), 0) for _ in range(3)] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(flat(order(data), 1)) for _ in range(8)}) > 3


def test_with_one_in_a_batch_an_epoch_is_every_image_once():
    data = unpaired(plain(range(5)), plain(range(5)), image_size=SIZE)
    for _ in range(3):
        steps = order(data)
        assert sorted(flat(steps, 0)) == sorted(flat(steps, 1)) == list(range(5))
        assert flat(steps, 0) != flat(steps, 1)  # unpaired


def test_pairs_change_from_epoch_to_epoch(seven_and_three):
    assert order(seven_and_three) != order(seven_and_three)


@pytest.mark.parametrize("position", [0, 1, 3, 4, 6, 11])
def test_any_position_gives_what_was_to_come(position, noise):
    """Pixels too: crops and flips belong to the position."""
    many = np.stack([np.roll(noise, shift, axis=0) for shift in range(5)])
    whole = unpaired(many, many[:3] // 2, image_size=SIZE, batch_size=2, seed=1)
    expected = [(a.numpy(), b.numpy()) for _ in range(4) for a, b in whole]
    again = unpaired(many, many[:3] // 2, image_size=SIZE, batch_size=2, seed=1)
    again.position = position
    got = [(a.numpy(), b.numpy()) for a, b in again]
    assert len(got) == 3 - position % 3
    assert again.position == position + len(got)
    for one, other in zip(got, expected[position:], strict=False):
        np.testing.assert_array_equal(one, other)
    assert again.settings == whole.settings


def test_crops_and_flips_are_of_the_seed():
    """One picture of each domain, so that there is no order to tell the seeds apart."""
    pictures = np.random.default_rng(0).random((2, 1, 3 * SIZE, 3 * SIZE, 3), np.float32)
    first = [
        np.concatenate([np.asarray(part) for part in next(iter(unpaired(*pictures, image_size=SIZE, seed=seed)))])
        for seed in (1, 1, 2, 3)
    ]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2]) and not np.array_equal(first[2], first[3])


def test_seed():
    def first(seed):
        return order(unpaired(plain(range(9)), plain(range(9)), image_size=SIZE, seed=seed))

    assert first(5) == first(5)
    assert first(5) != first(6)


def test_one_image_is_enough(noise):
    data = unpaired(noise[np.newaxis], plain([7, 8]), image_size=SIZE)
    first, second = (a.numpy() for a, _ in data)
    assert not np.array_equal(first, second)  # its crops differ


# Pixels


def windows(picture, size):
    """All crops of a PIL image and their mirror images, in [-1, 1], by the place of the crop and the flip."""
    pixels = np.asarray(picture).astype(np.float64) / 127.5 - 1
    for top in range(pixels.shape[0] - size + 1):
        for left in range(pixels.shape[1] - size + 1):
            crop = pixels[top : top + size, left : left + size]
            yield (top, left, False), crop
            yield (top, left, True), crop[:, ::-1]


def places(batches, picture, size):
    """Where in `picture` each batch was cut; each must be a window, to the bit of float32."""
    known = {crop.astype(np.float32).tobytes(): place for place, crop in windows(picture, size)}
    return [known[_rounded(batch).tobytes()] for batch in batches]


def _rounded(batch):
    levels = ((batch[0].numpy().astype(np.float64) + 1) * 127.5).round()
    np.testing.assert_allclose(batch[0], levels / 127.5 - 1, atol=1e-7)
    return (levels / 127.5 - 1).astype(np.float32)


@pytest.mark.parametrize("preprocess", ["resize_and_crop", "scale_width_and_crop", "crop"])
def test_crops_and_flips_are_uniform_over_all_places(preprocess, noise):
    picture = {
        "resize_and_crop": lambda image: image.resize((18, 18), Image.Resampling.BICUBIC),
        "scale_width_and_crop": lambda image: image.resize((22, 18), Image.Resampling.BICUBIC),
        "crop": lambda image: image.crop((0, 0, 24, 20)),
    }[preprocess](Image.fromarray(noise))
    load_size = {"resize_and_crop": None, "scale_width_and_crop": 22, "crop": None}[preprocess]
    data = unpaired(
        np.stack([noise] * 400), noise[np.newaxis], image_size=SIZE, load_size=load_size, preprocess=preprocess
    )
    found = places([a for a, _ in data], picture, SIZE)
    tops, lefts, flips = zip(*found, strict=True)
    for values, number in ((tops, picture.height - SIZE + 1), (lefts, picture.width - SIZE + 1), (flips, 2)):
        counts = np.bincount(values, minlength=number)
        assert len(counts) == number
        share = 1 / number
        assert np.abs(counts / 400 - share).max() < 4 * np.sqrt(share * (1 - share) / 400)  # four standard deviations


def test_load_size_is_286_to_256():
    sizes = {64: 72, 128: 143, 256: 286}
    for image_size, load_size in sizes.items():
        large = np.zeros((1, image_size, image_size, 3), np.uint8)
        assert unpaired(large, large + 1, image_size=image_size).settings["load_size"] == load_size


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "I;16", "turned", "profile"])
def test_files_are_read_as_elsewhere(tmp_path, noise, mode):
    path = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(noise[..., 0].astype(np.uint16) * 256).save(path)
    elif mode == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(noise).save(path, exif=exif)
    elif mode == "profile":
        Image.fromarray(noise).save(path, icc_profile=srgb_profile())
    else:
        path = path.with_suffix(".tif" if mode == "CMYK" else ".png")
        alpha = Image.fromarray(noise).convert("RGBA")
        alpha.putalpha(Image.fromarray(noise[..., 1]))
        (alpha if mode == "RGBA" else Image.fromarray(noise).convert(mode)).save(path)
    expected = images.load(path)
    assert np.abs(np.asarray(images.load_pil(path)) - 255 * expected).max() <= 0.5001
    data = unpaired([path], plain([1]), preprocess="none", flip=False)
    ((a, _),) = data
    np.testing.assert_allclose(a[0], expected * 2 - 1, atol=1 / 255 + 1e-6)


def test_pillows_limit_comes_back_after_many_threads(tmp_path, noise, monkeypatch):
    Image.fromarray(noise).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    threads = [
        threading.Thread(target=lambda: [images.load_pil(tmp_path / "a.png") for _ in range(30)]) for _ in range(4)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Image.MAX_IMAGE_PIXELS == 100


# Collections


def pixels(data):
    return [a.numpy() for a, _ in data]


def test_a_folder_is_all_images_below_in_the_order_of_their_names(folders):
    for junk in ("trainA/notes.txt", "trainA/.hidden.png", "trainA/.cache/x.png"):
        (folders / junk).parent.mkdir(exist_ok=True)
        (folders / junk).write_text("no image")
    listed = [folders / "trainA" / name for name in ("a.png", "below/b.png", "c.png")]
    ways = {
        "folder": folders / "trainA",
        "text": str(folders / "trainA"),
        "list": listed,
        "glob": str(folders / "train[A]/**/*.png"),
        "array": np.stack([read(path) for path in listed]),
        "float array": np.stack([images.load(path) for path in listed]),
    }
    results = {way: pixels(unpaired(source, plain([1]), image_size=SIZE)) for way, source in ways.items()}
    assert len(results["folder"]) == 3
    for way, result in results.items():
        np.testing.assert_array_equal(result, results["folder"], err_msg=way)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"image": x, "label": 1}, lambda x: (x, 1)])
def test_datasets(noise, wrap):
    stack = np.stack([noise, noise // 2])
    dataset = tf.data.Dataset.from_tensor_slices(stack).map(wrap)
    got = pixels(unpaired(dataset, plain([1]), image_size=SIZE))
    np.testing.assert_array_equal(got, pixels(unpaired(stack, plain([1]), image_size=SIZE)))


def refusal(error, *parts, **arguments):
    given = {"a": plain([1, 2]), "b": plain([3]), "image_size": SIZE} | arguments
    with pytest.raises(error) as caught:
        unpaired(given.pop("a"), given.pop("b"), **given)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"image_size": 8}, ["image_size is 8", "16"]),
        ({"image_size": 16.5}, ["image_size is 16.5"]),
        ({"load_size": 15}, ["load_size is 15", "16"]),
        ({"load_size": 20, "preprocess": "crop"}, ["load_size is 20", "crop"]),
        ({"batch_size": 0}, ["batch_size is 0"]),
        ({"batch_size": 3}, ["batch_size is 3", "2 images in a and 1 in b", "at most 2"]),
        ({"batch_size": 2, "preprocess": "none"}, ["batch_size is 2", "none"]),
        ({"preprocess": "squash"}, ["'squash'", "resize_and_crop"]),
        ({"flip": 1}, ["flip is 1"]),
        ({"seed": -1}, ["seed is -1"]),
        ({"on_error": "ignore"}, ["'ignore'", "raise, skip"]),
        ({"a": 3}, ["a: an object of type int", "folder"]),
        ({"b": [3]}, ["b: an object of type list", "folder"]),
        ({"b": []}, ["b: no image"]),
        ({"a": np.zeros((0, 16, 16, 3))}, ["a: no image"]),
        ({"a": np.zeros((16, 16, 3))}, ["a: an array of shape (16, 16, 3)"]),
        ({"a": np.zeros((1, 16, 16, 4))}, ["a[0]", "(16, 16, 4)"]),
        ({"a": np.full((1, 16, 16, 3), 2.0)}, ["a[0]", "2.0"]),
        ({"a": tf.data.Dataset.from_tensors(plain([1]))}, ["a: ", "batches", ".unbatch()"]),
        ({"a": tf.data.Dataset.from_tensors(plain([1])[0]).repeat()}, ["a: ", "without end"]),
        ({"a": tf.data.Dataset.from_tensors({"picture": 1})}, ["a: ", "'picture'", "'image'"]),
    ],
)
def test_arguments(arguments, parts):
    refusal(InputError, *parts, **arguments)


def test_folders_that_are_not_there_or_empty(folders):
    (folders / "empty").mkdir()
    (folders / "empty/animation.gif").write_bytes(b"GIF89a")
    refusal(MissingFileError, "a: no such folder", "nowhere", a=folders / "nowhere")
    refusal(MissingFileError, "b: no such file", "x.png", b=[folders / "x.png"])
    refusal(InputError, "a: no image in", "empty", ".png", a=folders / "empty")
    refusal(InputError, "a: no image in", "*.webp", a=str(folders / "*.webp"))
    refusal(InputError, "is a file", "folder", a=folders / "trainA/a.png")
    refusal(InputError, "is not a file", "trainA", a=[folders / "trainA"])


def test_a_folder_that_may_not_be_read(folders, monkeypatch):
    scandir = os.scandir

    def refuse(path):  # permissions do not bind root, as whom tests may run
        if str(path).endswith("below"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    refusal(InputError, "a: ", "below cannot be read: Permission denied", a=folders / "trainA")


def test_the_same_images_twice_are_worth_a_warning(folders):
    with pytest.warns(UserWarning, match="a and b are the same 3 images"):
        unpaired(folders / "trainA", str(folders / "trainA/../trainA"), image_size=SIZE)


# Images that cannot be read


@pytest.fixture
def damaged(folders, noise):
    """Two of five that cannot be read, and one smaller than a crop of 18."""
    (folders / "trainA/cut.png").write_bytes((folders / "trainA/a.png").read_bytes()[:200])
    (folders / "trainA/text.jpg").write_text("no image")
    Image.fromarray(noise[:16]).save(folders / "trainA/small.png")
    return folders


def test_skipped_images_are_named_once_and_the_epoch_counts_the_others(damaged):
    with pytest.warns(UserWarning, match="are skipped") as caught:
        data = unpaired(
            damaged / "trainA", damaged / "trainB", image_size=18, preprocess="crop", on_error="skip", batch_size=2
        )
    (warning,) = [str(each.message) for each in caught]
    assert "3 of 6 images are skipped" in warning
    for part in ("a: ", "cut.png", "text.jpg", "small.png is 24 x 16", "at least 18"):
        assert part in warning
    assert len(data) == 2
    assert len(list(data)) == 2


def test_nothing_left_after_skipping(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    refusal(InputError, "none of 1 images", "a.png", a=tmp_path, on_error="skip")


class Recorder(keras.Model):
    """Trains nothing, and writes down what it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.compile(run_eagerly=True)
        self.optimizer = None

    def train_step(self, batch):
        self.seen.append(tuple(levels_of(each) for each in batch))
        return {"loss": 0.0}


@pytest.mark.parametrize("name", ["cut.png", "text.jpg"])
def test_an_image_that_cannot_be_read_ends_fit_with_its_name(damaged, name):
    data = unpaired([damaged / "trainA" / name], damaged / "trainB", image_size=SIZE)
    with pytest.raises(InputError, match=f"a: .*{name}"), data.feeding():
        Recorder().fit(data, verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=name):  # its name is in TensorFlow's words too
        next(iter(data))


def test_an_image_smaller_than_the_crop_is_named(damaged):
    data = unpaired([damaged / "trainA/small.png"], plain([1]), image_size=18, preprocess="crop")
    with pytest.raises(InputError, match=r"small\.png is 24 x 16 pixels.*at least 18"), data.feeding():
        Recorder().fit(data, verbose=0)


# Keras


class From(keras.callbacks.Callback):
    """What a callback that resumes does, as far as data goes."""

    def __init__(self, data, position):
        super().__init__()
        self.data, self.position = data, position

    def on_train_begin(self, logs=None):
        self.data.position = self.position


def test_fit_takes_one_epoch_after_the_other(seven_and_three):
    model = Recorder()
    with seven_and_three.feeding():
        model.fit(seven_and_three, epochs=3, verbose=0)
    seven_and_three.position = 0
    assert model.seen == [step for _ in range(3) for step in order(seven_and_three)]


@pytest.mark.parametrize("position", [4, 6, 7])
def test_fit_goes_on_in_the_middle_of_an_epoch(seven_and_three, position):
    expected = [step for _ in range(3) for step in order(seven_and_three)]
    model = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with seven_and_three.feeding():
            model.fit(
                seven_and_three, initial_epoch=1, epochs=3, verbose=0, callbacks=[From(seven_and_three, position)]
            )
    assert model.seen == expected[position:]


def test_feeding_starts_with_its_epoch_and_leaves_other_errors_alone(seven_and_three):
    expected = [order(seven_and_three) for _ in range(3)]
    with seven_and_three.feeding(epoch=2):
        assert order(seven_and_three) == expected[2]
    another = tf.errors.OutOfRangeError(None, None, "another")
    with pytest.raises(tf.errors.OutOfRangeError, match="another"), seven_and_three.feeding():
        raise another


TWO_REPLICAS = """
import keras_style, sys, warnings
import tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
sys.path[:0] = [{tests!r}, {tests!r} + "/data"]
from test_data import From, keras, plain, unpaired
data = unpaired(plain(range(7)), plain([100, 110, 120]), image_size=16, batch_size=2, shuffle="both", seed=3)

class Model(keras.Model):
    def train_step(self, batch):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        levels = [tf.cast(tf.round((each[:, 0, 0, 0] + 1) * 127.5), tf.int32) for each in batch]
        tf.print("replica", replica, *levels, output_stream="file://" + {out!r})
        return {{"loss": tf.reduce_mean(batch[0])}}

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = Model()
    model.compile(jit_compile=False)
    model.built = True
warnings.simplefilter("error")
with data.feeding():
    model.fit(data, epochs=2, verbose=0, callbacks=[From(data, 2)])
"""


@pytest.mark.integration
def test_replicas_share_each_batch(seven_and_three, tmp_path):
    program = TWO_REPLICAS.format(tests=str(Path(__file__).parents[1]), out=str(tmp_path / "seen"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = sorted((tmp_path / "seen").read_text().splitlines())
    seven_and_three.position = 2
    steps = order(seven_and_three) + order(seven_and_three)
    assert seen == sorted(
        f"replica {replica} [{a[replica]}] [{b[replica]}]" for a, b in steps for replica in (0, 1)
    )  # two of A and two of B a step, one of each for a replica
