"""An exported painter: the pictures of `Painter.paint`, with the style as an input, in every format."""

import io
import json

import numpy as np
import onnxruntime
import pytest
from small_painters import filled

import keras_style
from keras_style import images
from keras_style.errors import InputError, RefusedError
from keras_style.export import export_litert, export_onnx, saved_model
from keras_style.internal.tensorflow import tf


@pytest.fixture(scope="module")
def painter():
    return filled()


@pytest.fixture(scope="module")
def exported(painter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "mine"
    return saved_model.export_saved_model(painter, folder, warmup=True)


@pytest.fixture(scope="module")
def signatures(exported):
    loaded = tf.saved_model.load(str(exported))
    return {**loaded.signatures, "keep": loaded}


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((2, 37, 50, 3), np.float32)


def test_floats(signatures, painter, pictures):
    weights = np.array([[1, 0, 3], [0, 2, 0]], np.float32)  # of each image; only their proportions count
    full = tf.constant(1.0)  # a server fills it in
    run = signatures["serving_default"]
    answer = run(image=tf.constant(pictures), style_weights=tf.constant(weights), strength=full)["image"].numpy()
    expected = [
        painter.paint(pictures[0], ["one", "three"], style_blend=[1, 3]).array,
        painter.paint(pictures[1], "two").array,
    ]
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    one = signatures["serving_default"](
        image=tf.constant(pictures), style_weights=tf.constant([0.0, 1, 0]), strength=tf.constant(0.25)
    )["image"]
    half = [painter.paint(picture, "two", strength=0.25).array for picture in pictures]
    np.testing.assert_allclose(one, half, atol=1e-5)
    still = signatures["serving_default"](
        image=tf.constant(pictures), style_weights=tf.constant([0.0, 1, 0]), strength=tf.constant(0.0)
    )["image"]
    np.testing.assert_array_equal(still, pictures)


def test_files_and_names(signatures, painter, pictures):
    run, full = signatures["serving_bytes"], tf.constant(1.0)
    files = [images.encode(pictures[0], "png"), images.encode(pictures[1, :20], "png")]
    answers = run(image_bytes=tf.constant(files), style=tf.constant(["two", "one"]), strength=full)
    for data, file, name in zip(answers["image_bytes"].numpy(), files, ("two", "one"), strict=True):
        expected = painter.paint(io.BytesIO(file), name).array
        np.testing.assert_allclose(images.load(io.BytesIO(data)), expected, atol=0.5 / 255 + 1e-4)
    same = run(image_bytes=tf.constant(files), style=tf.constant("one"), strength=full)["image_bytes"].numpy()
    assert same[1] == answers["image_bytes"].numpy()[1]


@pytest.mark.parametrize(
    ("weights", "strength", "said"),
    [
        ([1.0, 0.0], 1.0, r"style_weights: shape 2; expected \(3,\) or \(number of images, 3\)"),
        ([[1.0, 0, 0]] * 3, 1.0, "the images are 2"),
        ([0.0, 0, 0], 1.0, "expected numbers of at least 0, one above 0"),
        ([-1.0, 2, 0], 1.0, "expected numbers of at least 0"),
        ([1.0, 0, 0], 1.5, "strength: 1.5; expected 0 to 1"),
    ],
)
def test_what_is_refused(signatures, pictures, weights, strength, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        signatures["serving_default"](
            image=tf.constant(pictures), style_weights=tf.constant(weights), strength=tf.constant(strength)
        )


def test_names_that_are_none(signatures, pictures):
    file = images.encode(pictures[0], "png")
    for style, said in ((["four"], "style: four; expected some of one, two, three"), (["one"] * 3, "3 names for 1")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=said):
            signatures["serving_bytes"](
                image_bytes=tf.constant([file]), style=tf.constant(style), strength=tf.constant(1.0)
            )


def test_the_order_of_the_styles_is_told(exported, painter):
    told = json.loads((exported / "keras_style.json").read_text())
    assert told["kind"] == "painter" and told["styles"] == ["one", "two", "three"]
    assert set(told["signatures"]["serving_default"]["inputs"]) == {"image", "style_weights", "strength"}
    assert set(told["signatures"]["serving_bytes"]["inputs"]) == {"image_bytes", "style", "strength"}


@pytest.mark.integration
def test_it_is_verified_without_keras(exported, painter):
    found = keras_style.export.verify(exported, painter).differences
    assert found["serving_default"] < 1e-5 and len(found) == 3


def test_onnx_takes_the_style(painter, tmp_path, pictures):
    file = export_onnx(painter, tmp_path / "mine.onnx")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for picture in (pictures[0], pictures[0, :21, :34]):  # any size
        (answer,) = session.run(None, {"image": picture[None], "style_weights": np.array([1, 0, 1], np.float32)})
        np.testing.assert_allclose(answer[0], painter.paint(picture, ["one", "three"]).array, atol=1e-4)


@pytest.mark.integration
def test_litert_takes_the_style(painter, tmp_path, pictures):
    from ai_edge_litert.interpreter import Interpreter

    file = export_litert(painter, tmp_path / "mine.tflite", size=(37, 50))
    run = Interpreter(str(file)).get_signature_runner()
    answer = run(image=pictures[:1], style_weights=np.array([0, 1, 0], np.float32))["translated"]
    np.testing.assert_allclose(answer[0], painter.paint(pictures[0], "two").array, atol=1e-4)


def test_a_lesson_is_not_exported(tmp_path):
    stylizer = keras_style.Stylizer(method="painter")
    with pytest.raises(InputError, match="teaches a network, which an exported graph cannot"):
        saved_model.export_saved_model(stylizer, tmp_path / "m")


@pytest.mark.integration
def test_a_client_names_the_style(exported, painter, pictures):
    with keras_style.server.Server(exported.parents[1], port=0) as server:
        client = keras_style.serving.StyleClient(server.address, model="mine")
        picture = np.round(pictures[0] * 255).astype(np.uint8)
        answer = client.stylize(picture, "two", strength=0.5)
        expected = painter.paint(picture, "two", strength=0.5).array
        np.testing.assert_allclose(images.load(answer.image), expected, atol=0.5 / 255 + 1e-4)
        assert [each.size for each in client.stylize_many([picture, picture], "one")] == [(50, 37)] * 2
        with pytest.raises(RefusedError, match="style: four; expected some of one, two, three"):
            client.stylize(picture, "four")
        with pytest.raises(InputError, match="steps is 3 with the name of a style"):
            client.stylize(picture, "one", steps=3)
        with pytest.raises(InputError, match="strength is 2"):
            client.stylize(picture, "one", strength=2)
