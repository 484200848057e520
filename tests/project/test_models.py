"""`make models`: the zoo as a directory that a server reads, and the files of serving/ as it is."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from picture_files import pixels

import keras_style
from keras_style.errors import ExportError
from keras_style.export import exportable
from keras_style.painting.methods import METHODS
from keras_style.serving import StyleClient, models_config

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).parents[2] / "export" / "models.py"


@pytest.fixture
def program(monkeypatch):
    """`export/models.py`, with methods of one layer and without the comparison in another process."""
    program = runpy.run_path(str(PROGRAM))
    stylizer, export = keras_style.Stylizer, keras_style.export_saved_model
    layers = {"content_layers": ["block1_conv1"], "style_layers": ["block1_conv1"]}
    monkeypatch.setattr(keras_style, "Stylizer", lambda **options: stylizer(**options, **layers, steps=2, scales=1))

    def exported(model, directory, **options):
        assert options.pop("verify") is True
        return export(model, directory, **options, warmup=False)

    monkeypatch.setattr(keras_style, "export_saved_model", exported)
    return program


def run(program, capsys, models, *only, **options):
    """Status, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        program["main"](models, list(only) or None, size=32, **{"new": False, **options})
    return ended.value.code, *capsys.readouterr()


def test_the_zoo_is_every_preset_gans_both_ways_and_every_method():
    names = list(runpy.run_path(str(PROGRAM))["zoo"]())
    assert names == ["painters", "satellite_to_relief", "satellite_to_relief_b2a", *exportable.methods()]
    assert {*keras_style.presets()} <= {*names}
    assert {*exportable.methods()} <= METHODS.keys() and {"gatys", "histogram", "photo"} <= {*names}


def test_what_is_there_is_kept_and_served(program, tmp_path, capsys):
    models, names = tmp_path / "some" / "models", ("satellite_to_relief", "gatys")
    status, out, err = run(program, capsys, models, *names)
    assert (status, err) == (0, "")
    for name, line in zip(names, out.splitlines(), strict=True):
        assert line.startswith(f"{models / name / '1'}: verified, ") and line.endswith(" s")
    status, out, _ = run(program, capsys, models, *names)
    assert (status, out) == (0, "".join(f"{models / name / '1'}: up to date\n" for name in names))

    described = models / "gatys" / "1" / "keras_style.json"
    assert json.loads(described.read_text())["long_side"] == 32
    described.write_text(json.dumps({**json.loads(described.read_text()), "steps": 7}))
    _, out, _ = run(program, capsys, models, "gatys")
    assert out == f"{models / 'gatys' / '1'}: kept, though steps would be another; --new adds a version\n"
    _, out, _ = run(program, capsys, models, *names, new=True)
    first, second = out.splitlines()
    assert first.endswith("up to date") and second.startswith(f"{models / 'gatys' / '2'}: verified, ")

    config = tmp_path / "models.config"
    config.write_text(models_config(models, base_path=str(models)))
    for settings in ({"models": models}, {"config": config}):
        with keras_style.server.Server(**settings, port=0, warmup=False) as server:
            answers = []
            for name, pair in (("satellite_to_relief", [pixels(40, 33)]), ("gatys", [pixels(24, 32), pixels(32, 20)])):
                with StyleClient(server.address, name) as client:
                    answers.append(np.asarray(client.stylize(*pair).image))
        assert [answer.shape for answer in answers] == [(40, 33, 3), (24, 32, 3)]


def test_one_that_fails_does_not_keep_the_others_from_being_made(program, tmp_path, monkeypatch, capsys):
    export = keras_style.export_saved_model

    def fails(model, directory, **options):
        if directory.name == "satellite_to_relief":
            raise ExportError("it differs")
        return export(model, directory, **options)

    monkeypatch.setattr(keras_style, "export_saved_model", fails)
    status, out, err = run(program, capsys, tmp_path, "satellite_to_relief", "satellite_to_relief_b2a")
    assert (status, err) == (1, "models: it differs\n")
    assert out.startswith(f"{tmp_path / 'satellite_to_relief_b2a' / '1'}: verified, ")


def test_mistakes(program, tmp_path, capsys):
    status, out, err = run(program, capsys, tmp_path / "models", "monet")
    assert (status, out) == (2, "") and err.startswith("models: no model monet; expected some of painters, ")
    assert not (tmp_path / "models").exists()
