"""Configurations of trainings: those in the repository fit, and what is wrong with one is said in a line."""

import inspect
import os
from pathlib import Path

import pytest

from keras_style.errors import InputError, MissingFileError
from keras_style.training import config

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "cyclegan").glob("*.yaml"))
DATA = {"train_a": "a", "train_b": "b"}
OURS = {"data": {"train_a", "train_b", "test_a", "test_b", "origin"}, "model": {"start"}}


@pytest.fixture
def written(tmp_path):
    def written(text: str) -> Path:
        path = tmp_path / "training.yaml"
        path.write_text(text)
        return path

    return written


def test_every_dataset_of_the_paper_has_a_configuration():
    assert {path.stem for path in SHIPPED} >= {
        *("horse2zebra", "apple2orange", "summer2winter_yosemite", "maps", "cityscapes", "facades"),
        *("monet2photo", "cezanne2photo", "ukiyoe2photo", "vangogh2photo", "satellite_to_relief"),
        *("iphone2dslr_flower", "edges2shoes"),
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_fit(path, monkeypatch, tmp_path):
    from keras_style.models import adversarial, cyclegan
    from keras_style.training.assemble import decay

    loaded = config.load(path)
    begun = {f"runs/{other.stem}" for other in SHIPPED if other != path}
    assert loaded.model.generator in cyclegan.GENERATORS or loaded.model.start in begun
    assert loaded.model.discriminator in (None, *cyclegan.DISCRIMINATORS)
    assert loaded.loss.adversarial in (None, *adversarial.LOSSES)
    assert 0 < decay(loaded.training).start <= loaded.training.epochs
    folders = [loaded.data.train_a, loaded.data.train_b, loaded.data.test_a, loaded.data.test_b]
    assert len({os.path.dirname(folder) for folder in folders}) == 1 and len(set(folders)) == 4
    if path.stem not in ("satellite_to_relief", "satellite_to_relief_fine", "cityscapes"):
        assert (loaded.data.image_size, loaded.model.generator, loaded.model.filters) == (256, "resnet_9", 64)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError) as caught:
        config.check_folders(loaded)
    message = str(caught.value)
    assert f"data.train_a: no such folder: {folders[0]}" in message and loaded.data.origin in message
    assert str(tmp_path) in message and "\n" not in message


def test_numbers_of_the_paper():
    """Identity where colors are to stay, crops for paintings to photographs, pairs where the data have them."""
    loaded = {path.stem: config.load(path) for path in SHIPPED if not path.stem.startswith("satellite")}
    identity = {name: each.loss.identity_weight for name, each in loaded.items() if each.loss.identity_weight}
    assert identity == {"monet2photo": 0.5, "iphone2dslr_flower": 0.5}
    assert loaded["monet2photo"].data.preprocess == "crop"
    paired = {name for name, each in loaded.items() if each.evaluation.paired}
    assert paired == {"maps", "facades", "cityscapes", "edges2shoes"}
    assert {each.data.shuffle for each in loaded.values()} == {None}
    assert {name for name, each in loaded.items() if each.data.flip is not None} == {"edges2shoes"}


@pytest.mark.parametrize(
    ("preprocess", "size"),
    [
        ("resize_and_crop", (256, 256)),
        *((each, (360, 240)) for each in ("scale_width_and_crop", "scale_width")),
        *((each, (900, 601)) for each in ("crop", "none")),
    ],
)
def test_test_pictures_have_the_scale_of_the_training(preprocess, size):
    from keras_style.training.assemble import shown_as

    settings = {"preprocess": preprocess, "image_size": 256, "load_size": 360, "channels": 1}
    assert shown_as(settings).resized(900, 601) == size and shown_as(settings).channels == 1


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"schedule": "step", "decay_start": 3}, "training.decay_start is 3 with schedule='step'; expected .*'linear'"),
        ({"decay_every": 3}, "training.decay_every is 3 with schedule='linear'; expected schedule='step'"),
    ],
)
def test_numbers_of_another_schedule_are_refused(training, says):
    from keras_style.training.assemble import decay

    with pytest.raises(InputError, match=says):
        decay(config.load({"data": DATA, "training": training}).training)


def test_names_are_those_of_the_functions_that_take_them():
    from keras_style.training.assemble import FUNCTIONS

    for section, function in FUNCTIONS.items():
        names = set(config.Config.model_fields[section].annotation.model_fields)
        taken = set(inspect.signature(function).parameters)
        assert names - taken == OURS.get(section, set())


def test_defaults_need_not_be_written(written):
    loaded = config.load(written("data: {train_a: x, train_b: y}\nloss:\n"))
    assert loaded == config.load({"data": {"train_a": "x", "train_b": "y"}})
    assert loaded.training.epochs == 200 and loaded.loss.cycle_weight is None


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "'2e-4'"])
def test_numbers_as_people_write_them(text, written):
    loaded = config.load(written(f"data: {{train_a: x, train_b: y}}\ntraining: {{learning_rate: {text}}}"))
    assert loaded.training.learning_rate == 2e-4


def test_overrides_win():
    given = {"data": DATA, "training": {"epochs": 3, "seed": 1}}
    overrides = ["training.epochs=20", "model.generator=unet_128", "samples.early=[1, 5]", "loss.cycle_weight=1e1"]
    loaded = config.load(given, overrides)
    assert (loaded.training.epochs, loaded.training.seed) == (20, 1)
    assert loaded.model.generator == "unet_128"
    assert loaded.samples.early == [1, 5]
    assert loaded.loss.cycle_weight == 10
    assert given["training"]["epochs"] == 3


@pytest.mark.parametrize(
    "override", ["epochs=3", "training.epochs", "training.=3", ".epochs=3", "training.epochs=[1", "a.b=" + "[" * 9999]
)
def test_bad_overrides_are_refused(override):
    with pytest.raises(InputError, match="override is "):
        config.load({"data": DATA}, [override])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainning": {}}, ["unknown 'trainning'", "expected some of data, model, loss, training"]),
        ({"model": {"filter": 3}}, ["unknown 'model.filter'", "expected some of generator, filters"]),
        ({"model": {"filters": "many"}}, ["model.filters is 'many'", "valid integer"]),
        ({"model": {"filters": True}}, ["model.filters is True"]),
        ({"loss": {"cycle_weight": "ten"}}, ["loss.cycle_weight is 'ten'", "valid number"]),
        ({"training": {"epochs": 0}}, ["training.epochs is 0", "greater than or equal to 1"]),
        ({"training": {"epochs": 2.5}}, ["training.epochs is 2.5"]),
        ({"training": {"precision": "float8"}}, ["training.precision is 'float8'", "'mixed_float16'"]),
        ({"training": {"save_every": "day"}}, ["training.save_every is 'day'", "'epoch'"]),
        ({"data": {"train_a": "x"}}, ["data.train_b is missing"]),
        ({"data": [1]}, ["data is [1]", "expected names and values"]),
        ({"model": {"filter": 3}, "training": {"epochs": "x"}}, ["model.filter", "training.epochs is 'x'"]),
    ],
    ids=repr,
)
def test_mistakes_are_said_in_one_line(changes, says, tmp_path):
    with pytest.raises(InputError) as caught:
        config.load({"data": DATA, **changes})
    message = str(caught.value)
    assert message.startswith("config: ") and "\n" not in message
    for part in says:
        assert part in message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({f"s{index}": 1 for index in range(20_000)}, ["unknown 's0'", "and 19,988 more"]),
        ({"model": {"generator": ["x" * 1000] * 1000}}, ["model.generator is ['xxx"]),
    ],
    ids=["names", "texts"],
)
def test_large_mistakes_are_said_in_short(changes, says):
    with pytest.raises(InputError) as caught:
        config.load({"data": DATA, **changes})
    assert len(str(caught.value)) < 3000 and all(part in str(caught.value) for part in says)


def test_files_that_are_none(written, tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        config.load(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match="holds a list"):
        config.load(written("- 1"))
    with pytest.raises(InputError, match="epochs is given twice"):
        config.load(written("training:\n  epochs: 1\n  epochs: 2\n"))
    with pytest.raises(InputError, match="type int; expected a path or a mapping"):
        config.load(3)
    with pytest.raises(InputError, match="data is missing"):
        config.load(written(""))


def test_patterns_and_folders_may_exist(tmp_path):
    (tmp_path / "one.png").touch()
    config.check_folders(config.Config(data=config.Data(train_a=str(tmp_path), train_b=str(tmp_path / "*.png"))))
    with pytest.raises(MissingFileError, match=r"data.test_b: no such folder: .*\*.jpg"):
        config.check_folders(
            config.Config(
                data=config.Data(train_a=str(tmp_path), train_b=str(tmp_path), test_b=str(tmp_path / "*.jpg"))
            )
        )
