"""`keras-style export`: what it writes and prints, and what it refuses in one line before it loads anything."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from picture_files import pixels
from PIL import Image
from running import command, fresh_environment
from session import Served

from keras_style.commands import production_commands as command_module
from keras_style.errors import ExportError
from keras_style.export.litert_file import export_litert
from keras_style.export.onnx_file import export_onnx
from keras_style.internal.version_folders import versions
from keras_style.models.fast_style_generator import FastStyleGenerator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate


@pytest.fixture(scope="module")
def generator():
    return ResNetGenerator(0, 2, seed=0)


@pytest.fixture(scope="module")
def file(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("generator") / "generator.keras"
    generator.save(path)
    return path


@pytest.mark.integration
def test_exported_and_verified(file, generator, tmp_path, capsys):
    Image.fromarray(pixels(25, 34)).save(tmp_path / "picture.png")
    status, out, err = command(
        capsys, "export", file, tmp_path / "a2b", "--verify", "--picture", tmp_path / "picture.png"
    )
    assert (status, out, err) == (0, f"{tmp_path / 'a2b' / '1'}: verified\n", "")
    image = pixels(25, 34)
    answer = Served(tmp_path / "a2b" / "1")("serving_uint8", image=image[None])["image"][0]
    assert np.abs(answer / 255 - translate(generator, image)).max() <= 0.501 / 255
    metadata = json.loads((tmp_path / "a2b" / "1" / "keras_style.json").read_text())
    assert metadata["source"] == str(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "m"], "preset is 'nowhere'"),
        (["nowhere.keras", "m"], "no such file: nowhere.keras"),
        (["file", "FILE/m"], "m cannot be made a directory"),
        (["file", "m", "--version", "0"], "version is 0"),
        (["file", "m", "--version", "x"], "version is 'x'"),
        (["file", "m", "--direction", "b"], "direction is 'b'"),
        (["file", "m", "--size", "1,2,3"], "size is [1, 2, 3]"),
        (["file", "m", "--size", "big"], "size is 'big'"),
        (["file", "m", "--format", "gif"], "output_format is 'gif'"),
        (["file", "m", "--picture", "a.png"], "pictures without verify"),
        (["file", "m", "--set", "steps=3"], "--set with"),
        (["gatys", "m", "--set", "steps"], "--set steps; expected KEY=VALUE"),
        (["gatys", "m", "--set", "stepz=3"], "unknown 'stepz'"),
        (["gatys", "m", "--set", "steps=0"], "steps is 0"),
        (["gatys", "m.onnx"], ".onnx of a method; expected a generator"),
        (["none.yaml", "m"], "no such file: none.yaml"),
        (["file", "no/m.onnx"], "no such directory: no"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, list) else "",
)
def test_mistakes_are_one_line_and_write_nothing(file, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(
        capsys, "export", *[file if word == "file" else word.replace("FILE", str(file)) for word in arguments]
    )
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_method_is_a_stylizer_with_its_parameters(tmp_path):
    (tmp_path / "method.yaml").write_text("method: histogram\nsize: 128\n")
    stylizer = command_module._method(str(tmp_path / "method.yaml"), ["steps=30", "style_layers={block1_conv1: 2}"])
    assert (stylizer.method, stylizer.size, stylizer.steps) == ("histogram", 128, 30)
    assert stylizer.style_layers == {"block1_conv1": 2}
    assert command_module._method("gatys", []).method == "gatys"
    assert command_module._method("satellite_to_relief", []) is None


@pytest.mark.parametrize("write", [export_onnx, export_litert])
class TestFiles:
    @pytest.mark.parametrize("network", [ResNetGenerator, FastStyleGenerator])
    def test_runs_and_answers_as_keras(self, write, network, tmp_path):
        pytest.importorskip("onnxruntime" if write is export_onnx else "ai_edge_litert")
        path, generator = tmp_path / "generator.onnx", network(blocks=0, filters=2, seed=0)
        write(generator, path, size=(21, 30))
        image = pixels(21, 30).astype(np.float32)[None] / 255
        if write is export_onnx:
            import onnxruntime

            session = onnxruntime.InferenceSession(path)
            assert [[each.name for each in both] for both in (session.get_inputs(), session.get_outputs())] == [
                ["image"],
                ["translated"],
            ]
            answer = session.run(None, {"image": image})[0]
        else:
            from ai_edge_litert.interpreter import Interpreter

            answer = Interpreter(str(path)).get_signature_runner()(image=image)["translated"]
        np.testing.assert_allclose(answer, translate(generator, image), atol=1e-4)

    def test_what_differs_is_not_written(self, write, generator, tmp_path, monkeypatch):
        pytest.importorskip("onnxruntime" if write is export_onnx else "ai_edge_litert")
        monkeypatch.setattr("keras_style.models.translation.translate", lambda _, picture: picture + 1)
        with pytest.raises(ExportError, match="differs from Keras by"):
            write(generator, tmp_path / "generator.bin", size=16)
        assert list(tmp_path.iterdir()) == []


EXPORTER = """
import sys
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.export import export_saved_model
generator = ResNetGenerator(0, 2, seed=0)
print("ready", flush=True)
while True:
    export_saved_model(generator, sys.argv[1], max_pixels=1024)
    print("exported", flush=True)
"""


def killed_exports(directory, kills, random):
    """SIGKILL an exporting process at random moments; every number that is there must load and answer."""
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", EXPORTER, directory],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=fresh_environment(),
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.random() * 10)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    image = pixels(17, 18).astype(np.float32)[None] / 255
    found = versions(directory) if directory.exists() else {}
    for folder in found.values():
        assert Served(folder)(image=image)["image"].shape == image.shape
    return found


@pytest.mark.slow
def test_killed_exports_never_leave_half_a_version(tmp_path):
    found = killed_exports(tmp_path / "model", 50, np.random.default_rng(0))
    assert len(found) >= 5
