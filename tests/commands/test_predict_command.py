"""`keras-style predict`: what it writes and prints, and what it refuses."""

import json
import re

import grpc
import numpy as np
import pytest
from picture_files import read
from PIL import Image
from running import command
from scripted_server import ScriptedServer, png

from keras_style import images


@pytest.fixture(scope="module")
def running():
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture
def server(running):
    running.script.clear()
    running.requests.clear()
    return running


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in (("one.png", (18, 21)), ("two.jpg", (18, 21)), ("three.webp", (16, 16))):
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / name)
    return folder


def predict(capsys, server, *arguments, model="invert"):
    return command(capsys, "predict", *arguments, "--server", server.address, "--model", model)


def predicted(server):
    """The Predict requests."""
    return [request for request in server.requests if hasattr(request, "inputs")]


def test_one_picture(server, photographs, tmp_path, capsys):
    status, out, err = predict(capsys, server, photographs / "one.png", "-o", tmp_path / "out.png")
    assert (status, out, err) == (0, f"{tmp_path / 'out.png'}: 21 x 18 pixels, version 7\n", "")
    pixels = read(photographs / "one.png")
    assert (tmp_path / "out.png").read_bytes() == png(255 - pixels)


def test_a_folder_goes_to_a_directory(server, photographs, tmp_path, capsys):
    (photographs / "broken.png").write_bytes(b"junk")
    options = ["--version", 3, "--signature", "serving_uint8", "--concurrency", 2, "--json"]
    status, out, err = predict(capsys, server, photographs, "-o", tmp_path / "some" / "out", *options)
    assert status == 1
    summary = json.loads(out)
    assert summary["outputs"] == [str(tmp_path / "some" / "out" / name) for name in ("one.png", "three.png", "two.png")]
    assert list(summary["failed"]) == [str(photographs / "broken.png")]
    assert err.startswith(f"keras-style: {photographs / 'broken.png'}: contents[0]: ")
    assert err.count("\n") == 1
    assert {request.model_spec.version.value for request in predicted(server)} == {3}
    for name in ("one.png", "two.jpg", "three.webp"):
        expected = 1 - images.load(photographs / name)
        answer = images.load(tmp_path / "some" / "out" / f"{name.partition('.')[0]}.png")
        np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_a_style(server, photographs, tmp_path, capsys):
    options = ["--style", photographs / "two.jpg", "--steps", 5, "--label", "canary"]
    assert predict(capsys, server, photographs / "one.png", "-o", tmp_path / "out.webp", *options, model="mix")[0] == 0
    (request,) = predicted(server)
    assert sorted(request.inputs) == ["content_bytes", "steps", "style_bytes"]
    assert request.model_spec.version_label == "canary"
    with Image.open(tmp_path / "out.webp") as written:
        assert written.format == "WEBP"


def test_status(server, capsys):
    assert predict(capsys, server, "--status")[:2] == (
        0,
        "invert 7: AVAILABLE\ninvert 5: END: no such op\ninvert 3: AVAILABLE\n",
    )
    status, out, _ = predict(capsys, server, "--status", "--json", "--wait", 5)
    assert (status, json.loads(out)[1]) == (0, {"version": 5, "state": "END", "error": "no such op"})


def test_metadata(server, capsys):
    status, out, _ = predict(capsys, server, "--metadata", model="mix")
    assert status == 0
    assert out.splitlines()[:10] == [
        "mix 7",
        "  serving_bytes",
        "    in  content_bytes: string (any)",
        "    in  steps: int32 (), 100 by default",
        "    in  style_bytes: string (any)",
        "    out image_bytes: string (any)",
        "  serving_default",
        "    in  content: float32 any shape",
        "    in  steps: int32 (), 100 by default",
        "    in  style: float32 any shape",
    ]
    found = json.loads(predict(capsys, server, "--metadata", "--json")[1])
    assert found["signatures"]["serving_uint8"]["inputs"]["image"]["shape"] == [None, None, None, 3]


def test_a_server_that_is_lost_ends_it(server, photographs, tmp_path, capsys):
    server.script.append(lambda request, context: None)  # the first request, for the metadata, is answered
    server.script.extend([(grpc.StatusCode.UNAVAILABLE, "gone")] * 9)
    options = ["--retries", 0, "--concurrency", 1]
    status, out, err = predict(capsys, server, photographs, "-o", tmp_path / "out", *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"keras-style: localhost:\d+, model invert: UNAVAILABLE: gone\n", err)
    assert len(predicted(server)) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected pictures, or --status, or --metadata"),
        (["photographs", "--status", "-o", "out"], "one of the three"),
        (["--status", "--metadata"], "one of the three"),
        (["photographs"], "expected --output with pictures"),
        (["--status", "-o", "out"], "and pictures with --output"),
        (["missing.png", "-o", "out.png"], "no such file or folder: missing.png"),
        (["photographs", "-o", "out.png"], "expected a directory for 3 pictures"),
        (["photographs", "-o", "out", "--quality", "0"], "quality is 0"),
        (["photographs", "-o", "out", "--concurrency", "0"], "concurrency is 0"),
        (["photographs", "-o", "out", "--timeout", "0"], "deadline is 0"),
        (["photographs", "-o", "out", "--retries", "9"], "retries is 9"),
        (["photographs", "-o", "out", "--max-message", "4000"], "max_message is 4000"),
        (["photographs", "-o", "out", "--version", "1", "--label", "x"], "version 1 and label 'x'"),
        (["photographs", "-o", "out", "--steps", "5"], "steps is 5 without a style"),
        (["photographs", "-o", "out", "--style", "none.png"], "style: no such file: none.png"),
        (["photographs", "-o", "out", "--tls-key", "none.key"], "a key without a certificate"),
        (["photographs", "-o", "out", "--tls-ca", "none.pem"], "tls: ca: no such file: none.pem"),
        (["photographs", "-o", "out", "--label", "x"], "Unrecognized servable version label: x"),
        (
            ["photographs", "-o", "out", "--signature", "x"],
            "has no signature x; expected one of serving_bytes, serving_d",
        ),
        (
            ["photographs", "-o", "out", "--style", "photographs/one.png"],
            "model invert takes no style, but image_bytes",
        ),
        (["photographs", "-o", "out", "--model", "mix"], "model mix takes a content and a style; expected --style"),
        (["photographs", "-o", "out", "--model", "none"], "NOT_FOUND: Servable not found for request: Latest(none)"),
    ],
)
def test_mistakes_write_nothing(arguments, message, server, photographs, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in arguments else ["--model", "invert"]
    status, out, err = command(capsys, "predict", *arguments, "--server", server.address, *model)
    assert (status, out) == (2, "")
    assert message in err
    assert not predicted(server)
    assert err.count("\n") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["photographs"]


def test_the_model_must_be_named(capsys, photographs):
    status, _, err = command(capsys, "predict", photographs, "-o", "out")
    assert (status, "--model" in err) == (2, True)
