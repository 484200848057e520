"""What a batch does with a picture, and what a worker answers."""

import errno
import io

import numpy as np
import pytest
from batch_pieces import Count, encoded, picture
from running import FAST

import keras_style
from keras_style import Stylizer, images
from keras_style.batch import manifest
from keras_style.batch.folder import Folder, resolved
from keras_style.batch.work import Exported, Painting, Translation, bound
from keras_style.batch.worker import ATTEMPTS, FATAL, Job, Worker
from keras_style.errors import InputError, MissingFileError
from keras_style.internal.tensorflow import tf
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate

# Work


def test_a_generator_is_opened_from_what_was_sent(generator, model, tmp_path):
    moved = tmp_path / "gone.keras"
    moved.write_bytes(model.read_bytes())
    work = bound(moved, "a2b", ())
    moved.unlink()
    shown = picture(1) / np.float32(255)
    np.testing.assert_array_equal(work.open()(shown), translate(generator, shown))
    assert work.settings == bound(model, "a2b", ()).settings
    other = tmp_path / "other.keras"
    ResNetGenerator(blocks=0, filters=2, seed=2).save(other)
    assert bound(other, "a2b", ()).settings["model"] != work.settings["model"]


class Inverted(tf.Module):
    def __init__(self):
        super().__init__()
        self.one = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32, name="image")])
    def invert(self, image):
        return {"image": self.one - image}

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32, name="x")])
    def other(self, x):
        return {"y": x}


def test_a_saved_model_by_its_signature(tmp_path):
    module = Inverted()
    tf.saved_model.save(module, tmp_path / "1", signatures=module.invert)
    work = bound(tmp_path / "1", "a2b", ())
    assert isinstance(work, Exported)
    shown = picture(2) / np.float32(255)
    np.testing.assert_array_equal(work.open()(shown), 1 - shown)
    tf.saved_model.save(module, tmp_path / "2", signatures=module.other)
    with pytest.raises(InputError, match="serving_default takes x; expected image"):
        bound(tmp_path / "2", "a2b", ()).open()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(InputError, match="the SavedModel cannot be opened"):
        bound(tmp_path / "1", "a2b", ()).open()


def test_a_method_paints_as_it_does_alone(photograph, painting_file, photograph_file, tmp_path):
    options = {**{name: value for name, value in FAST.items() if name != "verbose"}, "init": photograph_file}
    stylizer = Stylizer(**options)
    work = bound(stylizer, "a2b", [painting_file])
    assert isinstance(work, Painting)
    expected = stylizer(photograph, painting_file, verbose=0).array
    np.testing.assert_array_equal(work.open()(photograph), expected)

    same = bound(Stylizer(**options), "a2b", [painting_file])
    assert same.settings == work.settings
    for changed in ({"size": 40}, {"init": painting_file}, {"seed": 1}, {"style_weight": 2}):
        assert bound(Stylizer(**{**options, **changed}), "a2b", [painting_file]).settings != work.settings, changed
    assert bound(stylizer, "a2b", [photograph_file]).settings != work.settings


def test_works_that_are_refused(model, painting_file, photos, tmp_path):
    with pytest.raises(InputError, match="style with the model"):
        bound(model, "a2b", [painting_file])
    with pytest.raises(InputError, match="style is not given"):
        bound(Stylizer(), "a2b", ())
    with pytest.raises(MissingFileError, match=r"style: no such file: nowhere\.png"):
        bound(Stylizer(), "a2b", ["nowhere.png"])
    with pytest.raises(InputError, match=r"style .*notes\.txt: a BytesIO is not an image"):
        bound(Stylizer(), "a2b", [photos / "notes.txt"])
    with pytest.raises(InputError, match="has a Keras optimizer"):
        bound(Stylizer(optimizer=keras_style.internal.tensorflow.keras.optimizers.SGD()), "a2b", [painting_file])
    with pytest.raises(InputError, match="model is of type int"):
        bound(3, "a2b", ())
    with pytest.raises(MissingFileError, match=r"no such file: x\.keras"):
        bound("x.keras", "a2b", ())


# A worker


@pytest.fixture
def job(target, model, photos, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.setenv(name, "1")  # so that what the worker sets is undone
    work = bound(model, "a2b", ())
    source = Folder(*resolved("pictures", photos))
    return lambda **changes: Job(
        **{
            "work": work,
            "source": source,
            "target": target,
            "manifest": manifest.claim(target, work.settings, [])[0],
            "format": "png",
            "quality": 95,
            "threads": 1,
            **changes,
        }
    )


@pytest.mark.parametrize(("format", "suffix"), [("png", "png"), ("jpeg", "jpg")])
def test_a_worker_makes_a_picture_once(job, generator, photos, target, format, suffix):
    begin = Count()
    worker = Worker(job(format=format, quality=80), begin)
    number, status, error, seconds = worker.answer(7, "sub/a.jpg", f"sub/a.{suffix}")
    assert (number, status, error) == (7, "done", "") and seconds > 0
    expected = images.encode(translate(generator, photos / "sub" / "a.jpg"), format, 80)
    assert target.read(f"sub/a.{suffix}") == expected
    assert worker.answer(7, "sub/a.jpg", f"sub/a.{suffix}")[1:3] == ("done", "")
    assert begin.begun == [7]


def test_what_is_wrong_with_a_picture_is_an_answer(job, photos, target):
    whole = (photos / "sub" / "a.jpg").read_bytes()
    damaged = {"cut.jpg": whole[: len(whole) // 2], "text.png": b"hello", "empty.png": b""}
    for name, data in damaged.items():
        (photos / name).write_bytes(data)
    worker = Worker(job(), Count())
    told = {name: worker.answer(0, name, "x.png")[1:3] for name in [*damaged, "missing.png"]}
    assert {status for status, _ in told.values()} == {"failed"}
    for name, words in {"cut.jpg": "cut short", "text.png": "not an image", "empty.png": "is empty"}.items():
        assert name in told[name][1] and words in told[name][1]
    assert "no such file" in told["missing.png"][1]
    assert target.names() == {manifest.FILE}


def test_a_picture_of_a_store(job, memory, generator):
    memory.pipe_file("/photos/a.png", encoded(picture(4)))
    memory.pipe_file("/photos/b.png", b"")
    worker = Worker(job(source=Folder(memory, "/photos")), Count())
    assert worker.answer(0, "a.png", "a.png")[1:3] == ("done", "")
    made = images.load(io.BytesIO(worker.job.target.read("a.png")))
    assert np.abs(made - translate(generator, picture(4))).max() <= 0.5 / 255 + 1e-5
    assert worker.answer(1, "b.png", "b.png")[1] == "failed"


def test_a_picture_that_kills_workers_is_given_up(job):
    worker = Worker(job(), Count(already=ATTEMPTS))
    assert worker.answer(0, "b.PNG", "b.png")[1:3] == (
        "failed",
        f"{ATTEMPTS} workers were killed while they worked on it; the memory may not suffice",
    )


def test_what_would_be_wrong_with_every_picture_is_fatal(job, photos, target, tmp_path, monkeypatch):
    def answer(**changes):
        return Worker(job(**changes), Count()).answer(0, "b.PNG", "b.png")[1:3]

    status, error = answer(version="0.0")
    assert status == FATAL and "expected 0.0" in error
    status, error = answer(manifest=b"another")
    assert status == FATAL and "expected storage that all machines share" in error
    status, error = answer(work=Translation("x.keras", b"no model", "a2b"))
    assert status == FATAL and "x.keras" in error

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Folder, "write", full)
    worker = Worker(job(), Count())
    assert worker.answer(0, "b.PNG", "b.png")[1:3] == (FATAL, "OSError: [Errno 28] No space left on device")
