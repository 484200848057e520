"""The signatures of content and style around a function of one example, here a cheap one."""

import io

import numpy as np
import picture_files as files
import pytest
from picture_files import encoded, pixels
from PIL import Image
from session import Served

from keras_style.export.exportable import least_steps
from keras_style.export.limits import Limits
from keras_style.export.signatures import Encoding, describe, pair_endpoints
from keras_style.export.warmup_requests import FILE, write_warmup
from keras_style.internal.tensorflow import tf
from keras_style.painting.stylizer import Stylizer

STEPS = 7


def blend(content, style, steps):
    """At half the content's size: its colors, moved to the mean of the style by a share that the steps say."""
    share = tf.cast(steps, tf.float32) / 100
    small = content[::2, ::2]
    return (1 - share) * small + share * tf.reduce_mean(style, axis=(0, 1))


def expected(content, style, steps=STEPS):
    small = content[::2, ::2].astype(np.float32) / 255
    return (1 - steps / 100) * small + steps / 100 * (style.astype(np.float32) / 255).mean((0, 1))


@pytest.fixture(scope="module")
def signatures():
    return pair_endpoints(blend, STEPS, Limits(max_pixels=4000, max_steps=90), Encoding(), painted=1000)


@pytest.fixture(scope="module")
def version(signatures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "1"
    module = tf.Module()
    module.functions = list(signatures.values())
    tf.saved_model.save(module, str(folder), signatures=signatures)
    write_warmup(folder, "blend", signatures, 32, steps=4)
    return folder


@pytest.fixture(scope="module")
def served(version):
    return Served(version)


CONTENTS = np.stack([pixels(20, 31, seed=seed) for seed in range(2)])
STYLES = np.stack([pixels(17, 12, seed=seed) for seed in (5, 6)])


def test_described_in_json(signatures):
    any_size = {"dtype": "uint8", "shape": [None, None, None, 3]}
    assert describe(signatures["serving_uint8"]) == {
        "inputs": {"content": any_size, "style": any_size, "steps": {"dtype": "int32", "shape": []}},
        "outputs": {"image": any_size},
    }


def test_names_and_the_default_number_of_steps(served):
    for name, suffix, result in (
        ("serving_default", "", "image"),
        ("serving_uint8", "", "image"),
        ("serving_bytes", "_bytes", "image_bytes"),
    ):
        one = served.signatures[name]
        assert set(one.inputs) == {f"content{suffix}", f"style{suffix}", "steps"}
        assert set(one.outputs) == {result}
        assert {key: int(tf.make_ndarray(value)) for key, value in one.defaults.items()} == {"steps": STEPS}
        assert not one.inputs["steps"].tensor_shape.dim and one.inputs["steps"].dtype == tf.int32.as_datatype_enum


@pytest.mark.parametrize("given", [{}, {"steps": np.int32(50)}], ids=str)
def test_each_signature_computes_every_example(served, given):
    steps = int(given.get("steps", STEPS))
    wanted = [expected(content, style, steps) for content, style in zip(CONTENTS, STYLES, strict=True)]
    floats = served(content=CONTENTS.astype(np.float32) / 255, style=STYLES.astype(np.float32) / 255, **given)
    np.testing.assert_allclose(floats["image"], wanted, atol=1e-5)
    eight_bits = served("serving_uint8", content=CONTENTS, style=STYLES, **given)["image"]
    assert eight_bits.dtype == np.uint8
    np.testing.assert_allclose(eight_bits, np.array(wanted) * 255, atol=0.501)
    contents = [CONTENTS[0], pixels(40, 20)]  # of two sizes
    answers = served(
        "serving_bytes",
        content_bytes=[encoded(each, "PNG") for each in contents],
        style_bytes=[encoded(each, "BMP") for each in STYLES],
        **given,
    )["image_bytes"]
    for answer, content, style in zip(answers, contents, STYLES, strict=True):
        image = np.asarray(Image.open(io.BytesIO(answer))) / 255
        np.testing.assert_allclose(image, expected(content, style, steps), atol=0.51 / 255)


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("serving_uint8", {"content": CONTENTS, "style": STYLES[:1]}, "content: 2 images, style: 1; expected as many"),
        ("serving_uint8", {"content": CONTENTS[[0] * 5], "style": STYLES[[0] * 5]}, "5 images; expected at most 4"),
        ("serving_uint8", {"content": CONTENTS[:0], "style": STYLES[:0]}, "content: 0 images"),
        ("serving_uint8", {"content": CONTENTS, "style": STYLES, "steps": np.int32(0)}, "steps: 0; expected 1 to 90"),
        ("serving_uint8", {"content": CONTENTS, "style": STYLES, "steps": np.int32(91)}, "steps: 91"),
        ("serving_default", {"content": CONTENTS + np.float32(0), "style": STYLES + np.float32(0)}, "values from"),
        ("serving_bytes", {"content_bytes": [], "style_bytes": []}, "content_bytes: 0 images"),
        ("serving_bytes", {"content_bytes": [b"a"], "style_bytes": [b"a", b"b"]}, "1 images, style_bytes: 2"),
        (
            "serving_bytes",
            {"content_bytes": [encoded(CONTENTS[0], "PNG")], "style_bytes": [files.png_header(50_000, 50_000)]},
            "style_bytes: 50000 x 50000 pixels",
        ),
        (
            "serving_bytes",
            {"content_bytes": [encoded(CONTENTS[0], "PNG")] * 2, "style_bytes": [encoded(pixels(50, 50), "PNG")] * 2},
            "style_bytes: 2 images take 5000 pixels; expected at most 4000 in all",
        ),
    ],
)
def test_invalid_argument(served, signature, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served(signature, **inputs)


def test_warm_up_takes_as_few_steps_as_it_is_told(version, served):
    from tensorflow_serving.apis import prediction_log_pb2

    for record in tf.compat.v1.io.tf_record_iterator(str(version / FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        assert inputs["steps"] == 4
        served(request.model_spec.signature_name, **inputs)


def test_the_least_steps_are_one_for_each_scale_and_pass():
    assert least_steps(Stylizer(size=512, scales=[128, 256, 512])) == 3
    assert least_steps(Stylizer(size=256, scales=1)) == 1
