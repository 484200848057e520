"""The command doctor: what it says, what it keeps to itself, and that it finds what is wrong."""

import json
import platform
import re

import pytest
from running import command

from keras_style import api
from keras_style.backbones import weights
from keras_style.commands import doctor_command
from keras_style.version import __version__


def report(capsys, *arguments) -> tuple[int, dict]:
    status, out, err = command(capsys, "doctor", "--json", *arguments)
    assert err == ""
    return status, json.loads(out)


def test_it_says_what_there_is(capsys):
    status, found = report(capsys, "--no-trial")
    assert status == 0 and found["wrong"] == [] and "Trial" not in found
    assert found["Versions"]["keras_style"] == __version__
    assert found["Versions"]["Python"] == platform.python_version()
    assert found["Machine"]["system"] == platform.platform()
    assert found["Weights"][weights.INSTALLED] == "whole" and found["Weights"]["satellite_to_relief"] == "whole"
    assert re.search(r"\btf2onnx \d", found["Optional parts"]["onnx"])  # of the environment of the tests
    assert not {"test", "docs", "benchmark"} & found["Optional parts"].keys()


def test_it_paints_and_the_text_can_be_pasted(capsys):
    status, out, _ = command(capsys, "doctor")
    assert status == 0
    titles = [line for line in out.splitlines() if line.startswith("### ")]
    assert titles == [
        f"### {each}" for each in ("Versions", "Machine", "Weights", "Optional parts", "Environment", "Trial")
    ]
    assert "* 3 steps at 64 px: " in out
    assert out.endswith("Nothing was found to be wrong.\n")


def test_a_failure_is_told_without_the_home_folder(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    def fails(*_, **__):
        raise RuntimeError(f"no room\nin {tmp_path}/cache")

    monkeypatch.setattr(api, "transfer", fails)
    status, found = report(capsys)
    assert status == 1
    assert found["wrong"] == ["3 steps at 64 px: failed: RuntimeError: no room in ~/cache"]


def test_paths_and_tokens_of_the_environment_are_kept_back(capsys, monkeypatch):
    for name, value in (("KERAS_HOME", "/home/someone"), ("RAY_AUTH_TOKEN", "s3cret"), ("TF_NUM_INTEROP_THREADS", "3")):
        monkeypatch.setenv(name, value)
    _, out, _ = command(capsys, "doctor", "--no-trial")
    assert "* KERAS_HOME: set" in out and "* RAY_AUTH_TOKEN: set" in out and "* TF_NUM_INTEROP_THREADS: 3" in out
    assert "someone" not in out and "s3cret" not in out


def test_damaged_weights_are_found(capsys, monkeypatch, tmp_path):
    damaged = tmp_path / "vgg16_imagenet.h5"
    damaged.write_bytes(b"not HDF5")
    monkeypatch.setattr(weights, "_in_package", lambda source: damaged)
    status, found = report(capsys, "--no-trial")
    assert status == 1 and found["wrong"] == ["vgg16_imagenet: damaged"]
    damaged.unlink()
    assert weights.state("vgg16_imagenet") == "not here"
    assert report(capsys, "--no-trial")[1]["wrong"] == ["vgg16_imagenet: not here, though it comes with the package"]


def test_a_download_is_looked_for_and_never_made(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert weights.state("vgg19_imagenet") == "not here"
    kept = tmp_path / "models" / weights.SOURCES["vgg19_imagenet"].file_name
    kept.parent.mkdir()
    kept.write_bytes(b"half of it")
    assert weights.state("vgg19_imagenet") == "damaged"


def test_missing_packages_of_an_extra_are_named(monkeypatch):
    versions = {"onnx": "1.2"}
    monkeypatch.setattr(doctor_command, "_version", versions.get)
    found = doctor_command._optional_parts()
    assert {*found["onnx"].removeprefix("without ").split(", ")} == {"tf2onnx", "onnxruntime"}
    assert found["hub"] == "without huggingface-hub"


def test_completion_knows_commands_and_the_options_of_the_one_that_is_called(capsys, monkeypatch):
    monkeypatch.setenv("_KERAS_STYLE_COMPLETE", "complete_bash")

    def completed(words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        status, out, _ = command(capsys)
        assert status == 0
        return out.split()

    assert completed("keras-style tr") == ["transfer", "train", "translate"]
    assert completed("keras-style transfer --style-w") == ["--style-weight"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_has_a_script_for_each_shell(shell, capsys, monkeypatch):
    monkeypatch.setenv("_KERAS_STYLE_COMPLETE", f"source_{shell}")
    status, out, _ = command(capsys)
    assert status == 0 and "keras-style" in out and "_KERAS_STYLE_COMPLETE" in out
