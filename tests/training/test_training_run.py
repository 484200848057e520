"""Trainings in a directory: what they write, and that they go on after anything."""

import csv
import importlib
import json
import math
import re
import shutil
import signal
import threading
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from gans import pointwise, values
from PIL import Image
from running import listing

from keras_style.errors import CheckpointError, InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models import cyclegan
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.training.csv_log import CSVLog
from keras_style.training.distribution_metrics import PooledFeatures, fid, kid
from keras_style.training.evaluation import METRICS
from keras_style.training.run import train
from keras_style.training.stop_at_interrupt import StopAtInterrupt
from keras_style.training.tensorboard_log import TensorBoardLog

STEPS, EPOCHS = 4, 3
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Pictures of noise with a tint, 20 x 24 pixels."""
    root = tmp_path_factory.mktemp("dataset")
    for number, (name, count) in enumerate({"trainA": STEPS, "trainB": 4, "testA": 3, "testB": 4}.items()):
        (root / name).mkdir()
        random = np.random.default_rng(number)
        for index in range(count):
            tint = random.integers(0, 128, 3) * (1 if "A" in name else [2, 1, 0])
            noise = (random.integers(0, 128, (20, 24, 3)) + tint).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(root / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def settings(folders):
    data = {f"{part}_{side}": str(folders / f"{part}{side.upper()}") for part in ("train", "test") for side in "ab"}
    return {
        "data": {**data, "image_size": 16},
        "model": {"generator": "tiny", "filters": 2, "discriminator": "pixel", "pool_size": 3},
        "training": {"epochs": EPOCHS},
        "evaluation": {"every": 2, "layer": "block1_conv1"},
        "samples": {"count": 2, "early": [1, 4]},
    }


@pytest.fixture(scope="module", autouse=True)
def tiny_generator():
    """Generators of a few convolutions, by names that a configuration can say."""

    def generator(name, seed, **options):
        network = pointwise(3, seed % 2**31)
        return keras.Model(network.input, network.output, name=name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cyclegan.GENERATORS, "tiny", generator)
        for upsampling in ("transposed", "resize"):
            patch.setitem(cyclegan.GENERATORS, upsampling, partial(ResNetGenerator, 0, upsampling=upsampling))
        yield


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """A training that nothing happened to."""
    return train(settings, directory=tmp_path_factory.mktemp("runs") / "whole", verbose=0)


def table(directory):
    with open(directory / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def same_scores(found, expected):
    """Numbers by name: the same bits, but for what is measured on translations.

    Pictures to translate and crops to train on have one size here, and weights are constants for the one and not for
    the other. Without AVX-512, oneDNN has two algorithms then, of which a thread goes on with the one it saw first.
    """
    assert set(found) == set(expected)
    for name, numbers in expected.items():
        rounding = 1e-6 if name.startswith(("kid", "fid")) else 0
        np.testing.assert_allclose(found[name], numbers, rtol=rounding, atol=rounding)  # NaN is where NaN is


def same_history(result, expected):
    same_scores(result.history, expected.history)


def events(directory):
    files = sorted((directory / "tensorboard").iterdir())
    return [event for file in files for event in tf.compat.v1.train.summary_iterator(str(file))]


# What a training writes


def test_the_directory_of_a_training(whole):
    assert set(listing(whole.directory)) == {
        *("backup", "best", "config.yaml", "data.json", "log.csv", "samples", "tensorboard"),
        *("generator_a2b.keras", "generator_b2a.keras"),
    }
    assert set(listing(whole.directory / "best")) == {
        *("best.json", "generator_a2b.keras", "generator_b2a.keras", "protocol.json")
    }
    assert listing(whole.directory / "samples") == [
        *("epoch_0001.png", "epoch_0002.png", "epoch_0003.png", "step_00000001.png", "step_00000004.png")
    ]
    for direction in ("a2b", "b2a"):
        saved = keras.saving.load_model(whole.directory / f"generator_{direction}.keras")
        for one, other in zip(
            values(saved.weights), values(getattr(whole.model, f"generator_{direction}").weights), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_the_result(whole):
    assert (whole.epoch, whole.epochs, whole.stopped) == (EPOCHS, EPOCHS, False)
    kids = [(a + b) / 2 for a, b in zip(whole.history["kid_a2b"], whole.history["kid_b2a"], strict=True)]
    assert [math.isnan(value) for value in kids] == [True, False, False]
    assert whole.best == (2 + int(np.argmin(kids[1:])), min(kids[1:]))
    about = json.loads((whole.directory / "best" / "best.json").read_text())
    assert (about["epoch"], about["mean_kid"]) == whole.best
    assert json.loads(json.dumps(whole.summary()))["best"]["epoch"] == whole.best[0]
    assert f"3 epochs in {whole.seconds:.0f} s, the best by KID" in str(whole)


def test_the_table_has_a_row_for_each_epoch(whole):
    rows = table(whole.directory)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert set(rows[0]) == {"epoch", "loss", *cyclegan.LOSSES, *METRICS, "learning_rate"}
    for name, expected in whole.history.items():
        assert [float(row[name] or "nan") for row in rows] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert rows[0]["kid_a2b"] == "" != rows[1]["kid_a2b"]
    # Half of three epochs, rounded down, and one more at the full rate; then half of it.
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([2e-4, 2e-4, 1e-4], rel=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("generator", "numerics"),
    [
        ("transposed", {"precision": "mixed_bfloat16"}),
        ("resize", {"precision": "mixed_float16"}),
        ("tiny", {"jit_compile": True}),
    ],
)
def test_numerics_can_be_chosen(generator, numerics, settings, tmp_path):
    chosen = {
        **settings,
        "model": {**settings["model"], "generator": generator},
        "training": {"epochs": 1, **numerics},
        "evaluation": {"every": 0},
        "samples": {"every": 0},
    }
    result = train(chosen, directory=tmp_path / "run", verbose=0)
    written = yaml.safe_load((result.directory / "config.yaml").read_text())["training"]
    assert numerics.items() <= written.items()
    assert np.isfinite(result.history["generator_loss"]).all()
    assert result.model.dtype_policy.name == numerics.get("precision", "float32")
    assert bool(result.model.jit_compile) == numerics.get("jit_compile", False)


@pytest.mark.integration
def test_a_training_begins_with_the_generators_of_another(settings, whole, tmp_path):
    model = {**settings["model"], "generator": None, "start": str(whole.directory), "discriminator": "patch_16"}
    chosen = {**settings, "model": model, "training": {"epochs": 1, "learning_rate": 1e-9}}
    result = train(chosen, directory=tmp_path / "run", verbose=0)
    for direction in ("a2b", "b2a"):
        before, after = (values(getattr(gan, f"generator_{direction}").weights) for gan in (whole.model, result.model))
        np.testing.assert_allclose(np.concatenate(after, None), np.concatenate(before, None), atol=1e-7)
    again = train(result.directory / "config.yaml", directory=result.directory, verbose=0)
    assert again.epoch == 1


def test_events_for_tensorboard(whole):
    found = events(whole.directory)
    assert found[0].file_version == "brain.Event:2"
    scalars = {(event.step, value.tag): value.simple_value for event in found for value in event.summary.value}
    for name, expected in whole.history.items():
        for epoch, value in enumerate(expected, start=1):
            if math.isnan(value):
                assert (epoch, name) not in scalars
            else:
                assert scalars[epoch, name] == np.float32(value)
    pictures = [value.image for event in found for value in event.summary.value if value.HasField("image")]
    assert len(pictures) == EPOCHS
    assert pictures[-1].encoded_image_string == (whole.directory / "samples" / "epoch_0003.png").read_bytes()


def test_the_written_configuration_is_complete_and_the_same_training(whole, settings):
    written = yaml.safe_load((whole.directory / "config.yaml").read_text())
    assert (written["data"]["load_size"], written["data"]["preprocess"]) == (18, "resize_and_crop")
    assert written["loss"] == {"adversarial": "lsgan", "cycle_weight": 10.0, "identity_weight": 0.5}
    training = {"epochs": 3, "schedule": "linear", "decay_start": 1, "decay_every": None, "learning_rate": 2e-4}
    training |= {"beta_1": 0.5, "precision": "float32", "jit_compile": "auto", "seed": 0, "save_every": "epoch"}
    assert written["training"] == {**training, "snapshot_every": None}
    assert written["data"]["shuffle"] == "both"
    again = train(whole.directory / "config.yaml", directory=whole.directory, verbose=0)
    same_history(again, whole)


def test_measurements_follow_the_protocol(whole, folders, backbone):
    """The last row, computed anew from the files."""
    about = json.loads((whole.directory / "best" / "protocol.json").read_text())
    assert "Inception" in about["protocol"] and about["layer"] == "block1_conv1"
    assert about["test_images"] == {"a": 3, "b": 4}

    def pictures(name):
        files = sorted((folders / name).iterdir())
        return [np.asarray(Image.open(file).resize((16, 16), Image.Resampling.BICUBIC)) / 255 for file in files]

    features = PooledFeatures(backbone, "block1_conv1")
    a, b = pictures("testA"), pictures("testB")
    assert about["untranslated"]["kid"] == pytest.approx(kid(features(a), features(b)), rel=1e-4)
    for direction, source, target in (("a2b", a, b), ("b2a", b, a)):
        generator = getattr(whole.model, f"generator_{direction}")
        made = [np.asarray(generator(one[None] * 2 - 1))[0] / 2 + 0.5 for one in source]
        for name, metric in (("kid", kid), ("fid", fid)):
            expected = metric(features(made), features(target))
            assert whole.history[f"{name}_{direction}"][-1] == pytest.approx(expected, rel=1e-2, abs=1e-4)


def test_a_line_for_each_epoch(settings, tmp_path, capfd):
    quick = {**settings, "evaluation": {"every": 0}, "samples": {"every": 0}, "logs": {"tensorboard": False}}
    train(quick, directory=tmp_path / "run", overrides=["training.epochs=2"], verbose=1)
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 2
    assert re.match(r"epoch 1/2, \d:\d\d:\d\d left: adversarial_a2b \d.* generator_loss \d", lines[0])
    assert lines[1].startswith("epoch 2/2, 0:00:00 left: ")
    assert "kid_a2b" not in table(tmp_path / "run")[0]
    networks = ["generator_a2b.keras", "generator_b2a.keras"]
    assert listing(tmp_path / "run") == ["backup", "config.yaml", "data.json", *networks, "log.csv"]


# Going on


def same_as(whole, directory):
    for row, expected in zip(table(directory), table(whole.directory), strict=True):
        same_scores(*({name: float(text or "nan") for name, text in each.items()} for each in (row, expected)))
    for name in ("samples/epoch_0003.png", "config.yaml"):
        assert (directory / name).read_bytes() == (whole.directory / name).read_bytes()
    assert listing(directory / "samples") == listing(whole.directory / "samples")


@pytest.mark.integration
def test_interrupted_and_killed_it_ends_as_if_nothing_had_happened(settings, whole, tmp_path, monkeypatch):
    run = {"configuration": settings, "directory": tmp_path / "run", "verbose": 0}
    step_of, epoch_of = CSVLog.on_train_batch_end, TensorBoardLog.on_epoch_end
    done = []

    def interrupted_at(last):
        def on_train_batch_end(self, batch, logs=None):
            done.append(batch)
            if len(done) == last:
                signal.raise_signal(signal.SIGINT)

        return on_train_batch_end

    usual = signal.getsignal(signal.SIGINT)
    for last, epochs in ((3, 0), (4, 1)):  # in the middle of an epoch, and at its end
        monkeypatch.setattr(CSVLog, "on_train_batch_end", interrupted_at(last))
        result = train(**run)
        assert (result.stopped, result.epoch, len(done)) == (True, epochs, last)
        assert signal.getsignal(signal.SIGINT) is usual
        assert f"stopped after {epochs} of 3 epochs" in str(result) and "same command goes on" in str(result)
        assert not (run["directory"] / "generator_a2b.keras").exists()
    monkeypatch.setattr(CSVLog, "on_train_batch_end", step_of)

    # Killed with the row of the second epoch written, and its state not yet saved.
    def killed(self, epoch, logs=None):
        raise OSError("killed")

    monkeypatch.setattr(TensorBoardLog, "on_epoch_end", killed)
    with pytest.raises(OSError, match="killed"):
        train(**run)
    assert len(table(run["directory"])) == 2
    monkeypatch.setattr(TensorBoardLog, "on_epoch_end", epoch_of)

    result = train(**run)
    assert not result.stopped
    assert result.best == (whole.best[0], pytest.approx(whole.best[1], rel=1e-6))
    same_history(result, whole)
    same_as(whole, run["directory"])
    for one, other in zip(values(result.model.variables), values(whole.model.variables), strict=True):
        np.testing.assert_array_equal(one, other)
    # Each of the later files tells TensorBoard from which epoch on to forget the earlier ones.
    starts = [event.step for event in events(run["directory"]) if event.HasField("session_log")]
    assert starts == [1, 1, 2, 2]


def test_a_finished_training_returns_at_once(settings, whole, monkeypatch):
    def untouchable(*_):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(cyclegan.CycleGAN, "train_step", untouchable)
    before = {file: file.read_bytes() for file in whole.directory.rglob("*.*") if file.suffix in (".csv", ".png")}
    again = train({**settings, "samples": {"count": 3}}, directory=whole.directory, verbose=0)  # which may change
    assert (again.epoch, again.stopped, again.best) == (EPOCHS, False, whole.best)
    assert {file: file.read_bytes() for file in before} == before


def test_another_configuration_is_refused_by_name(settings, whole):
    before = (whole.directory / "config.yaml").read_bytes()
    overrides = ["training.epochs=2", "training.decay_start=2", "model.filters=3", "evaluation.every=1"]
    with pytest.raises(CheckpointError) as caught:
        train(settings, directory=whole.directory, overrides=overrides, verbose=0)
    message = str(caught.value)
    assert set(re.findall(r"([\w.]+) was ", message)) == {
        *("training.epochs", "training.decay_start", "model.filters", "evaluation.every")
    }
    assert "training.epochs was 3, now 2" in message and str(whole.directory) in message
    assert (whole.directory / "config.yaml").read_bytes() == before


def quick(settings, folders, **training):
    """Without grids and measurements, of images in `folders`."""
    places = {f"{part}_{side}": str(folders / f"{part}{side.upper()}") for part in ("train", "test") for side in "ab"}
    rest = {"evaluation": {"every": 0}, "samples": {"every": 0}, "logs": {"tensorboard": False}}
    return {**settings, **rest, "data": {**settings["data"], **places}, "training": training}


@pytest.mark.integration
def test_it_goes_on_where_the_images_are_the_same(settings, folders, tmp_path, monkeypatch):
    home = shutil.copytree(folders, tmp_path / "here")
    whole = train(quick(settings, folders, epochs=2), directory=tmp_path / "whole", verbose=0)
    monkeypatch.setattr(CSVLog, "on_train_batch_end", lambda self, batch, logs: signal.raise_signal(signal.SIGINT))
    assert train(quick(settings, home, epochs=2), directory=tmp_path / "run", verbose=0).stopped
    monkeypatch.undo()
    moved = home.rename(tmp_path / "moved")
    (tmp_path / "link").symlink_to(moved)
    monkeypatch.chdir(tmp_path)
    for places in (Path("link"), Path("moved"), moved, folders):  # the first one ends it
        result = train(quick(settings, places, epochs=2), directory=tmp_path / "run", verbose=0)
        for one, other in zip(values(result.model.variables), values(whole.model.variables), strict=True):
            np.testing.assert_array_equal(one, other)
    for name in ("trainB", "testA"):
        changed = shutil.copytree(moved, tmp_path / name)
        (changed / name / "0.png").write_bytes((changed / name / "1.png").read_bytes())
        before = (tmp_path / "run" / "config.yaml").read_bytes()
        key = f"data.{name[:-1]}_{name[-1].lower()}"
        with pytest.raises(CheckpointError, match=rf'{key} was "\d images, \w+", now "\d images, \w+"\. Use'):
            train(quick(settings, changed, epochs=2), directory=tmp_path / "run", verbose=0)
        assert (tmp_path / "run" / "config.yaml").read_bytes() == before
    # A run that noted nothing is known by the paths.
    (tmp_path / "run" / "data.json").unlink()
    with pytest.raises(CheckpointError, match=r'data.train_a was ".*trainA", now "'):
        train(quick(settings, moved, epochs=2), directory=tmp_path / "run", verbose=0)


@pytest.mark.integration
def test_a_finished_training_goes_on_to_more_epochs(settings, folders, tmp_path):
    """As one that was to have so many from the start, if the rates are the same; otherwise it says so."""
    steady = {"decay_start": 4, "epochs": 4}
    whole = train(quick(settings, folders, **steady), directory=tmp_path / "whole", verbose=0)
    train(quick(settings, folders, decay_start=2, epochs=2), directory=tmp_path / "run", verbose=0)
    result = train(quick(settings, folders, **steady), directory=tmp_path / "run", verbose=0)
    assert (result.epoch, result.epochs, len(table(tmp_path / "run"))) == (4, 4, 4)
    for one, other in zip(values(result.model.variables), values(whole.model.variables), strict=True):
        np.testing.assert_array_equal(one, other)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        result = train(quick(settings, folders, epochs=6, decay_start=2), directory=tmp_path / "run", verbose=0)
    assert len(told) == 1 and "epochs 1 to 4 had the learning rates of another schedule" in str(told[0].message)
    rates = np.array([1, 1, 1, 1, 1 / 2, 1 / 4]) * 2e-4
    np.testing.assert_allclose(result.history["learning_rate"], rates, rtol=1e-6)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["epochs"] == 6


def test_directories_that_cannot_be_used(settings, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    with pytest.raises(InputError, match=r"full holds files, but no config.yaml"):
        train(settings, directory=tmp_path / "full")
    with pytest.raises(InputError, match=r"cannot be made a directory \(.*letter.txt is a file\)"):
        train(settings, directory=tmp_path / "full" / "letter.txt")
    with pytest.raises(InputError, match=r"run cannot be made a directory \(.*letter.txt is a file\)"):
        train(settings, directory=tmp_path / "full" / "letter.txt" / "run")
    with pytest.raises(InputError, match="directory is None with a mapping"):
        train(settings)
    with pytest.raises(InputError, match="verbose is 2"):
        train(settings, directory=tmp_path / "run", verbose=2)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("[1")
    with pytest.raises(CheckpointError, match=r"config.yaml cannot be read"):
        train(settings, directory=tmp_path / "broken")
    assert listing(tmp_path) == ["broken", "full"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"generator": "resnet_7"}}, "generator is 'resnet_7'; expected one of resnet_9"),
        ({"data": {"test_b": None}}, "expected both, or neither"),
        ({"evaluation": {"layer": "block9"}}, "no layer 'block9'"),
        ({"data": {"train_a": "nowhere"}}, "data.train_a: no such folder: nowhere"),
        ({"training": {"decay_start": 9}}, "start is 9 with epochs=3"),
    ],
    ids=repr,
)
def test_nothing_is_written_for_a_bad_configuration(changes, says, settings, tmp_path):
    changed = {section: {**settings[section], **changes.get(section, {})} for section in settings}
    with pytest.raises(InputError, match=says):
        train(changed, directory=tmp_path / "run", verbose=0)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("missing", r"missing.*expected one of .*satellite_to_relief"),
        ("generator_a2b.keras", r"model.start is .*; expected a preset or the directory of a run, with two generators"),
    ],
)
def test_generators_to_begin_with_are_those_of_a_run(start, says, settings, whole, tmp_path):
    model = {**settings["model"], "generator": None, "start": str(whole.directory / start)}
    with pytest.raises(InputError, match=says):
        train({**settings, "model": model}, directory=tmp_path / "run")
    with pytest.raises(InputError, match=r"model.start with model.generator='tiny'; expected one of the two"):
        train({**settings, "model": {**settings["model"], "start": "x"}}, directory=tmp_path / "run")
    assert not any(tmp_path.iterdir())


def test_without_a_directory_it_goes_by_the_name_of_the_file(settings, tmp_path, monkeypatch, capfd):
    (tmp_path / "noise.yaml").write_text(yaml.safe_dump({**settings, "evaluation": {"every": 0}}))
    monkeypatch.chdir(tmp_path)
    result = train("noise.yaml", overrides=["training.epochs=1", "samples.every=0"], verbose=0)
    assert capfd.readouterr() == ("", "")
    assert str(result.directory) == "runs/noise" and len(table(tmp_path / "runs" / "noise")) == 1


def test_in_another_thread_signals_are_left_alone():
    seen = []

    def enter():
        with StopAtInterrupt(None, 1):
            seen.append(signal.getsignal(signal.SIGINT))

    usual = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [usual]


# The same in ten lines of Python


@pytest.mark.integration
def test_the_example_trains_and_goes_on(folders, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("train_cyclegan")
    monkeypatch.setitem(cyclegan.GENERATORS, "resnet_6_resize", cyclegan.GENERATORS["tiny"])
    monkeypatch.setitem(cyclegan.DISCRIMINATORS, "patch_70", cyclegan.DISCRIMINATORS["pixel"])
    options = {"image_size": 16, "filters": 1}
    example.main(folders, tmp_path / "run", epochs=1, **options)
    assert set(listing(tmp_path / "run")) == {"backup", "best", "generator_a2b.keras", "log.csv", "samples"}
    assert [row["epoch"] for row in table(tmp_path / "run")] == ["1"]
    again = example.main(folders, tmp_path / "run", epochs=1, **options)
    assert again.history.epoch == [0] and float(table(tmp_path / "run")[0]["kid_a2b"])
