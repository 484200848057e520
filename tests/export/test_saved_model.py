"""Exported generators: signatures, answers, refusals, fixed sizes, warm-up records, metadata."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import picture_files as files
import pytest
from gans import tiny
from picture_files import encoded, pixels
from session import Served

import keras_style
from keras_style import images
from keras_style.errors import ExportError, InputError, MissingFileError
from keras_style.export.generator_graph import generator_graph
from keras_style.export.signatures import Encoding
from keras_style.export.verification import verify
from keras_style.internal.digests import array_digest
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate
from keras_style.models.unet_generator import UNetGenerator

MAX_PIXELS = 6000


def picture(height, width, seed=0):
    return pixels(height, width, seed=seed).astype(np.float32) / 255


@pytest.fixture(scope="module")
def generator():
    return ResNetGenerator(1, 2, seed=0)


@pytest.fixture(scope="module")
def version(generator, tmp_path_factory):
    return keras_style.export_saved_model(
        generator, tmp_path_factory.mktemp("models") / "a2b", max_pixels=MAX_PIXELS, max_bytes=100_000
    )


@pytest.fixture(scope="module")
def served(version):
    return Served(version)


@pytest.fixture(scope="module")
def fixed(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "fixed"
    return keras_style.export_saved_model(generator, folder, size=(30, 41), output_format="jpeg", quality=90)


class TestSignatures:
    def test_names_keys_types_and_shapes(self, served):
        def described(infos):
            return {
                name: (tf.dtypes.as_dtype(info.dtype).name, [side.size for side in info.tensor_shape.dim])
                for name, info in infos.items()
            }

        any_size = [-1, -1, -1, 3]
        expected = {
            "serving_default": ({"image": ("float32", any_size)}, {"image": ("float32", any_size)}),
            "serving_uint8": ({"image": ("uint8", any_size)}, {"image": ("uint8", any_size)}),
            "serving_bytes": ({"image_bytes": ("string", [-1])}, {"image_bytes": ("string", [-1])}),
        }
        found = {
            name: (described(one.inputs), described(one.outputs))
            for name, one in served.signatures.items()
            if not name.startswith("__")
        }
        assert found == expected
        assert {served.signatures[name].method_name for name in expected} == {"tensorflow/serving/predict"}

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("signature", "key", "value"),
        [
            ("serving_default", "image", picture(17, 18)[None]),
            ("serving_uint8", "image", pixels(17, 18)[None]),
            ("serving_bytes", "image_bytes", np.array([encoded(pixels(17, 18), "PNG")])),
        ],
        ids=lambda case: case if isinstance(case, str) else "",
    )
    def test_tensorflows_own_tool_shows_and_runs_them(self, version, tmp_path, signature, key, value):
        def tool(*arguments):
            line = [Path(sys.executable).with_name("saved_model_cli"), *arguments]
            return subprocess.run(list(map(str, line)), capture_output=True, text=True, check=True).stdout

        assert f"signature_def['{signature}']" in tool("show", "--dir", version, "--all")
        np.save(tmp_path / "value.npy", value)
        given = ["--inputs", f"{key}={tmp_path / 'value.npy'}", "--outdir", tmp_path]
        tool("run", "--dir", version, "--tag_set", "serve", "--signature_def", signature, *given)
        answer = np.load(tmp_path / f"{key}.npy", allow_pickle=True)
        assert answer.shape == value.shape

    def test_the_fixed_variant_has_static_shapes(self, fixed):
        for name, one in Served(fixed).signatures.items():
            for info in (*one.inputs.values(), *one.outputs.values()):
                if not name.startswith("__") and info.dtype != tf.string.as_datatype_enum:
                    assert [side.size for side in info.tensor_shape.dim] == [-1, 30, 41, 3]


class TestAnswers:
    @pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 30), (39, 18), (40, 48)])
    def test_floats_are_those_of_translate(self, served, generator, height, width):
        batch = np.stack([picture(height, width, seed) for seed in range(2)])
        answer = served(image=batch)["image"]
        np.testing.assert_allclose(answer, translate(generator, batch), atol=1e-5)

    def test_8_bits_are_those_of_translate(self, served, generator):
        batch = np.stack([pixels(19, 22, seed=seed) for seed in range(2)])
        answer = served("serving_uint8", image=batch)["image"]
        assert answer.dtype == np.uint8
        assert np.abs(answer - translate(generator, batch) * 255).max() <= 0.5 + 1e-3

    def test_files_of_different_sizes_in_one_request(self, served, generator):
        sent = [
            encoded(pixels(21, 30), "JPEG"),
            encoded(pixels(16, 17, 4), "PNG"),
            encoded(pixels(40, 20), "BMP"),
            encoded(pixels(18, 18)[..., 0], "PNG"),
        ]
        answers = served("serving_bytes", image_bytes=sent)["image_bytes"]
        for file, answer in zip(sent, answers, strict=True):
            assert answer.startswith(b"\x89PNG")
            expected = translate(generator, images.load(io.BytesIO(file)))
            assert np.abs(images.load(io.BytesIO(answer)) - expected).max() <= 0.5 / 255 + 1e-4

    @pytest.mark.parametrize(("height", "width"), [(n, 10 - n) for n in range(1, 10)])
    def test_pictures_smaller_than_the_network_takes(self, served, generator, height, width):
        tiny = picture(height, width)
        reflected = np.pad(tiny, ((0, 12 - height), (0, 12 - width), (0, 0)), mode="reflect")
        needed = [max(8, -(-side // 4) * 4) for side in (height, width)]
        extended = reflected[: needed[0], : needed[1]]
        expected = generator(extended[None] * 2 - 1)[:, :height, :width] / 2 + 0.5
        np.testing.assert_allclose(served(image=tiny[None])["image"], expected, atol=1e-5)

    def test_a_unet_of_which_most_is_reflection(self):
        unet = UNetGenerator(128, 2, seed=0)
        image = picture(16, 140)
        np.testing.assert_allclose(generator_graph(unet)(image[None])[0], translate(unet, image), atol=1e-5)

    def test_the_fixed_variant_resizes_files_and_answers_a_batch(self, fixed, generator):
        served = Served(fixed)
        batch = np.stack([picture(30, 41, seed) for seed in range(3)])
        np.testing.assert_allclose(served(image=batch)["image"], translate(generator, batch), atol=1e-5)
        sent = [pixels(30, 41), pixels(50, 99), pixels(20, 20)]
        answers = served("serving_bytes", image_bytes=[encoded(each, "PNG") for each in sent])["image_bytes"]
        for each, answer in zip(sent, answers, strict=True):
            expected = translate(generator, images.resize(each.astype(np.float32) / 255, 30, 41))
            assert answer.startswith(b"\xff\xd8\xff")
            through_jpeg = images.load(io.BytesIO(images.encode(expected, "jpeg", 90)))
            assert np.abs(images.load(io.BytesIO(answer)) - through_jpeg).mean() < 1 / 255

    def test_encoding_is_that_of_the_package(self):
        image = picture(30, 41)
        for format, quality in (("png", 95), ("jpeg", 60), ("jpeg", 100)):
            file = Encoding(format, quality).encode(tf.constant(image)).numpy()
            ours = images.load(io.BytesIO(images.encode(image, format, quality)))
            assert np.abs(images.load(io.BytesIO(file)) - ours).max() <= 2 / 255, (format, quality)


class TestRefusals:
    @pytest.mark.parametrize(
        ("signature", "value", "message"),
        [
            ("serving_default", np.zeros((0, 16, 16, 3), np.float32), "image: 0 images of 16 x 16 pixels; expected at"),
            ("serving_uint8", np.zeros((1, 0, 16, 3), np.uint8), "1 images of 16 x 0 pixels; expected at least 1"),
            ("serving_default", np.zeros((2, 60, 60, 3), np.float32), "2 images of 60 x 60 .* at most 6000 in all"),
            (
                "serving_default",
                np.zeros((400, 1, 1, 3), np.float32),
                "400 images of 1 x 1 .* each takes as many as 64",
            ),
            ("serving_uint8", np.zeros((1, 1, 3000, 3), np.uint8), "3000 x 1 pixels; .* each takes as many as 24000"),
            (
                "serving_bytes",
                [encoded(pixels(1, 3000), "PNG")],
                "1 images take 24000 pixels; expected at most 6000 in",
            ),
            ("serving_bytes", [encoded(pixels(60, 60), "PNG")] * 2, "2 images take 7200 pixels; expected at most 6000"),
            ("serving_bytes", [bytes(60_000)] * 2, "2 images of 120000 bytes in all; expected at most 100000"),
            ("serving_bytes", [b""] * 6, "image_bytes: 6 images; expected at most 5"),
            ("serving_default", np.full((1, 16, 16, 3), 1.5, np.float32), r"values from 1.5 to 1.5; expected \[0, 1\]"),
            ("serving_default", np.full((1, 16, 16, 3), np.nan, np.float32), "values from nan"),
            ("serving_default", np.zeros((16, 16, 3), np.float32), "not compatible with expected shape"),
            ("serving_default", np.zeros((1, 16, 16, 1), np.float32), "not compatible with expected shape"),
            ("serving_uint8", np.zeros((1, 16, 16, 4), np.uint8), "not compatible with expected shape"),
            ("serving_default", np.zeros((1, 16, 16, 3), np.uint8), "[Ee]xpects? .* float"),
            ("serving_bytes", [], "image_bytes: 0 images; expected at least 1"),
            ("serving_bytes", [[b"a"]], "not compatible with expected shape"),
            ("serving_bytes", [b""], "it is empty"),
            ("serving_bytes", [encoded(pixels(16, 16), "PNG"), b"no picture"], "it is not an image that can be read"),
            ("serving_bytes", [encoded(pixels(16, 16), "PNG")[:90]], "."),
            ("serving_bytes", [files.png_header(50_000, 50_000)], "50000 x 50000 pixels; expected .* at most 6000"),
            ("serving_bytes", [bytes(100_001)], "100001 bytes in all; expected at most 100000"),
        ],
        ids=lambda case: "" if isinstance(case, str) else None,
    )
    def test_invalid_argument(self, served, signature, value, message):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            served(signature, **{"image_bytes" if signature == "serving_bytes" else "image": value})

    def test_a_limit_that_no_picture_keeps_is_refused(self, generator, tmp_path):
        with pytest.raises(InputError, match="max_pixels is 63; this model computes at least 64 for a picture"):
            keras_style.export_saved_model(generator, tmp_path / "a2b", max_pixels=63)
        assert list(tmp_path.iterdir()) == []

    def test_batches_of_a_fixed_size_are_limited_too(self, fixed):
        most = 2048 * 2048 // (32 * 44)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"2979 images of 41 x 30 .* takes as many as 1408"):
            Served(fixed)(image=np.zeros((most + 1, 30, 41, 3), np.float32))

    def test_tensors_of_another_size_than_the_fixed_one(self, fixed):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
            Served(fixed)(image=np.zeros((1, 41, 30, 3), np.float32))


class TestBesideTheGraph:
    def test_warm_up_records_parse_and_run(self, version, served):
        from tensorflow_serving.apis import prediction_log_pb2

        file = version / "assets.extra" / "tf_serving_warmup_requests"
        asked = []
        for record in tf.compat.v1.io.tf_record_iterator(str(file)):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            assert request.model_spec.name == "a2b"
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            served(request.model_spec.signature_name, **inputs)
            asked.append(request.model_spec.signature_name)
        assert asked == ["serving_default", "serving_bytes", "serving_uint8"]

    def test_metadata(self, version, generator):
        metadata = json.loads((version / "keras_style.json").read_text())
        assert metadata["kind"] == "generator"
        assert metadata["limits"] == {"max_pixels": MAX_PIXELS, "max_bytes": 100_000, "max_steps": 1000}
        assert metadata["versions"]["keras_style"] == keras_style.__version__
        assert metadata["weights_sha256"] == array_digest(*(variable.numpy() for variable in generator.weights))
        assert metadata["signatures"]["serving_bytes"]["inputs"] == {
            "image_bytes": {"dtype": "string", "shape": [None]}
        }

    def test_the_card_of_a_preset_comes_along(self, tmp_path, without_graph):
        gan = tiny()
        preset = gan.save_to_preset(tmp_path / "noise", "noise to noise")
        made = keras_style.export_saved_model(str(preset), tmp_path / "b2a", 5, direction="b2a", warmup=False)
        assert made == tmp_path / "b2a" / "5"
        assert not (made / "assets.extra").exists()
        metadata = json.loads((made / "keras_style.json").read_text())
        assert metadata["card"]["summary"] == "noise to noise"
        assert metadata["direction"] == "b2a"
        assert metadata["weights_sha256"] == array_digest(*(each.numpy() for each in gan.generator_b2a.weights))


@pytest.fixture
def without_graph(monkeypatch):
    """Exports write everything but the graph, whose tracing takes seconds."""
    monkeypatch.setattr("keras_style.export.saved_model._signatures", lambda *_: {})
    monkeypatch.setattr("keras_style.export.saved_model._save", lambda *_: None)


@pytest.fixture
def here(monkeypatch):
    """Graphs that are verified run in this process."""

    def run(directory, requests):
        served, answers = Served(directory), {}
        for number, request in enumerate(requests):
            signature = next(iter(request)).partition("/")[0]
            inputs = {key.partition("/")[2]: value for key, value in request.items()}
            if signature == "serving_bytes":
                inputs = {name: [value.tobytes()] for name, value in inputs.items()}
            for name, value in served(signature, **inputs).items():
                answers[f"{number}/{name}"] = value if value.dtype != object else np.frombuffer(value[0], np.uint8)
        return answers

    monkeypatch.setattr("keras_style.export.verification._run", run)


class TestVerification:
    @pytest.mark.slow  # the command's test does it, too
    def test_in_a_process_without_keras(self, version, generator):
        result = verify(version, generator, [pixels(37, 50), pixels(41, 23)])
        assert result.pictures == 2
        assert result.differences["serving_default"] <= 1e-5
        assert result.differences["serving_bytes"] <= 1 / 255

    def test_another_model_is_noticed(self, version, here):
        with pytest.raises(ExportError, match="serving_default differs from Keras by"):
            verify(version, ResNetGenerator(1, 2, seed=1))

    @pytest.mark.parametrize("pictures", [(), (pixels(50, 99), pixels(30, 41), pixels(20, 20))], ids=len)
    def test_the_fixed_variant(self, fixed, generator, here, pictures):
        assert verify(fixed, generator, pictures).differences["serving_default"] <= 1e-5

    def test_what_is_no_version(self, tmp_path, generator):
        with pytest.raises(MissingFileError, match="no exported version"):
            verify(tmp_path, generator)

    @pytest.mark.slow
    def test_a_graph_that_does_not_run(self, tmp_path, version, generator):
        broken = tmp_path / "broken"
        shutil.copytree(version, broken)
        (broken / "saved_model.pb").write_bytes(b"no graph")
        with pytest.raises(ExportError, match="broken does not run by itself: "):
            verify(broken, generator)

    def test_what_differs_is_not_published(self, generator, tmp_path, without_graph, monkeypatch):
        def fails(*_):
            raise ExportError("differs")

        monkeypatch.setattr("keras_style.export.verification.verify", fails)
        with pytest.raises(ExportError):
            keras_style.export_saved_model(generator, tmp_path / "model", verify=True, warmup=False)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_every_shipped_preset_is_exported_and_verified(tmp_path, direction):
    pictures = sorted(Path("examples/content").iterdir())[:2]
    for name in keras_style.presets():
        keras_style.export_saved_model(name, tmp_path / name, direction=direction, verify=True, pictures=pictures)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "a2c"}, "direction is 'a2c'"),
        ({"size": 0}, "size is 0"),
        ({"size": (1, 2, 3)}, r"size is \(1, 2, 3\)"),
        ({"output_format": "gif"}, "output_format is 'gif'"),
        ({"quality": 101}, "quality is 101"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"max_bytes": 1.5}, "max_bytes is 1.5"),
        ({"warmup": 1}, "warmup is 1"),
        ({"pictures": ["a.png"]}, "pictures without verify"),
        ({"version": 0}, "version is 0"),
        ({"model": 3}, "model is of type int; expected a generator"),
        ({"model": "nowhere"}, "preset is 'nowhere'"),
        ({"model": keras_style.Stylizer(), "size": 64}, "size with a Stylizer"),
        ({"model": keras.Sequential([keras.Input((None, None, 3)), keras.layers.AveragePooling2D(2)])}, "same shape"),
    ],
    ids=str,
)
def test_mistakes_write_nothing(generator, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        keras_style.export_saved_model(**{"model": generator, "directory": tmp_path / "model", **arguments})
    assert not (tmp_path / "model").exists()
