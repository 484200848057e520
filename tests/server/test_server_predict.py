"""Predict over gRPC with raw stubs: every row of TensorFlow Serving's contract.

The expected texts are those of tensorflow/serving 9d981c5c, written out here and not taken from the server.
"""

import threading

import grpc
import numpy as np
import pytest
from served import Client, picture, publish, refusal, request, serve
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from keras_style.internal.tensorflow import tf
from keras_style.server import status

INVALID, NOT_FOUND = "INVALID_ARGUMENT", "NOT_FOUND"


# Which model is meant


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (None, (INVALID, "Missing ModelSpec")),
        ({"name": ""}, (INVALID, "ModelSpec has no name specified.")),
        ({"name": "", "version": 3}, (INVALID, "ModelSpec has no name specified.")),
        ({"name": "many", "label": "beta"}, (INVALID, "Unrecognized servable version label: beta")),
        ({"name": "none", "label": "stable"}, (INVALID, "Unrecognized servable version label: stable")),
        ({"name": "none"}, (NOT_FOUND, "Servable not found for request: Latest(none)")),
        ({"name": "none", "version": 1}, (NOT_FOUND, "Servable not found for request: Specific(none, 1)")),
        ({"name": "many", "version": 4}, (NOT_FOUND, "Servable not found for request: Specific(many, 4)")),
        ({"name": "many", "version": 0}, (NOT_FOUND, "Servable not found for request: Specific(many, 0)")),
        ({"name": "many", "label": "ahead"}, (NOT_FOUND, "Servable not found for request: Specific(many, 99)")),
    ],
)
@pytest.mark.parametrize("method", ["Predict", "GetModelMetadata"])
def test_which_model(client, method, spec, expected):
    asked = predict_pb2.PredictRequest()
    if method == "GetModelMetadata":
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    if spec is not None:
        asked.model_spec.CopyFrom(request(**{"inputs": {}, **spec}).model_spec)
        asked.model_spec.SetInParent()
    assert refusal(getattr(client.prediction, method), asked, 60) == expected


@pytest.mark.parametrize(("spec", "version"), [({}, 7), ({"version": 3}, 3), ({"label": "stable"}, 3)])
def test_the_version_that_answers(client, spec, version):
    x = picture()
    response = client.prediction.Predict(request("many", {"image": x}, **spec), 60)
    assert response.model_spec == request("many", {}, "serving_default", version).model_spec  # the label is not echoed
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["image"]), x)


# Predict: checks in their order, each request wrong in everything that comes later, too

NO_TENSOR = tf.make_tensor_proto(np.float32([1, 2]))
NO_TENSOR.tensor_shape.dim[0].size = 3
# A tensor of type DT_INVALID.
EMPTY_DTYPE = type(NO_TENSOR)()


@pytest.mark.parametrize(
    ("signature", "given", "outputs", "expected"),
    [
        ("nothing", {}, ("z",), ("FAILED_PRECONDITION", 'Serving signature key "nothing" not found.')),
        (
            "",
            {},
            ("z",),
            (
                INVALID,
                "input size does not match signature: 0!=1 len({}) != len({image}). Sent extra: {}. "
                "Missing but required: {image}.",
            ),
        ),
        (
            "",
            {"image": NO_TENSOR, "b": NO_TENSOR, "a": NO_TENSOR},
            ("z",),
            (
                INVALID,
                "input size does not match signature: 3!=1 len({a,b,image}) != len({image}). Sent extra: {a,b}. "
                "Missing but required: {}.",
            ),
        ),
        (
            "stylized",
            dict.fromkeys(("content", "style", "steps", "more"), NO_TENSOR),
            ("z",),
            (
                INVALID,
                "input size does not match signature: 4!=3 len({content,more,steps,style}) != "
                "len({content,steps,style}). Sent extra: {more}. Missing but required: {}.",
            ),
        ),
        (
            "",
            {"picture": NO_TENSOR},
            ("z",),
            (
                INVALID,
                "Signature input alias: image(feed name: serving_default_image:0) not found in request and no default "
                "value provided. Inputs expected to be in the request {picture}, or default input alias set: ",
            ),
        ),
        (
            "stylized",
            {"style": np.float32([1])},
            ("z",),
            (
                INVALID,
                "Signature input alias: content(feed name: stylized_content:0) not found in request and no default "
                "value provided. Inputs expected to be in the request {style}, or default input alias set: steps",
            ),
        ),
        (
            "stylized",
            {"content": np.float32([1]), "style": np.float32([1]), "step": np.int32(1)},
            ("z",),
            (
                INVALID,
                "Inputs contains invalid name. Used request inputs: content,style, request input: content,step,style",
            ),
        ),
        ("", {"image": EMPTY_DTYPE}, ("z",), (INVALID, "tensor parsing error: image")),
        ("", {"image": NO_TENSOR}, ("z",), (INVALID, "tensor parsing error: image")),
        (
            "stylized",
            {"content": np.uint8([1]), "style": np.uint8([1])},
            ("image", "z"),
            (
                INVALID,
                "output tensor alias not found in signature: z Outputs expected to be in the set {difference,image}.",
            ),
        ),
        (
            "",
            {"image": np.uint8([1])},
            ("image", "image"),
            (INVALID, "duplicate output tensor alias: image"),
        ),
        (
            "stylized",
            {"content": np.uint8([1]), "style": np.float32([1])},
            (),
            (INVALID, "Expects arg[0] to be float but uint8 is provided"),
        ),
        (
            "stylized",
            {"content": np.float32([1]), "style": np.float64([1])},
            (),
            (INVALID, "Expects arg[2] to be float but double is provided"),
        ),
    ],
)
def test_predict_refuses(client, signature, given, outputs, expected):
    assert refusal(client.predict, "many", given, signature=signature, outputs=outputs) == expected


def test_a_missing_signature_is_said_before_its_inputs_and_after_the_model(client):
    assert refusal(client.predict, "none", {}, signature="nothing")[0] == NOT_FOUND


@pytest.mark.parametrize(
    ("signature", "given", "message"),
    [
        ("", {"image": picture(4, 5, 3)}, "image must be 4-dimensional: [4,5,3]"),
        ("", {"image": picture(1, 4, 5, 2)}, "input depth must be evenly divisible by filter depth: 2 vs 3"),
        ("encoded", {"image_bytes": [b"junk"]}, "Unknown image file format"),
        ("encoded", {"image_bytes": [b""]}, ""),
        ("encoded", {"image_bytes": [tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)).numpy()[:-20]]}, ""),
        ("stylized", {"content": np.float32([1, 2]), "style": np.float32([1, 2, 3])}, "Incompatible shapes"),
        ("__saved_model_init_op", {}, "Tried to fetch data for 'NoOp', which produces no output."),
    ],
)
def test_what_the_graph_refuses_is_an_invalid_argument(client, signature, given, message):
    code, said = refusal(client.predict, "many", given, signature=signature)
    assert code == INVALID and message in said


def test_shapes_are_not_checked_against_the_signature(client):
    """Broadcasting is the graph's business: sizes are the client's own."""
    answer = client.predict("many", {"content": np.float32([1]), "style": np.float32([1, 2])}, signature="stylized")
    np.testing.assert_array_equal(answer["image"], [4, 7])


def test_defaults_of_the_signature_and_the_filter_of_outputs(client):
    given = {"content": np.float32([1]), "style": np.float32([2])}
    assert client.predict("many", given, signature="stylized", outputs=("image",)) == {"image": 7}
    given["steps"] = np.int32(10)
    assert client.predict("many", given, signature="stylized") == {"image": 21, "difference": -1}


def test_answers_are_typed_fields(client):
    x = picture()
    response = client.prediction.Predict(request("many", {"image": x}), 60)
    proto = response.outputs["image"]
    assert not proto.tensor_content and proto.float_val == x.ravel().tolist()
    assert proto.dtype == tf.float32.as_datatype_enum and [d.size for d in proto.tensor_shape.dim] == [1, 4, 5, 3]


def test_answers_are_bytes_if_asked_for(saved, tmp_path):
    publish(saved / "times_2", tmp_path / "m" / "1")
    with serve(tmp_path, tensor_content=True) as server, Client(server.address) as client:
        proto = client.prediction.Predict(request("m", {"x": np.float32([1, 2])}), 60).outputs["y"]
        assert proto.tensor_content == np.float32([2, 4]).tobytes() and not proto.float_val


def test_encoded_images(client):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
    encoded = [tf.io.encode_png(pictures[0]).numpy(), tf.io.encode_png(pictures[1][:3]).numpy()]
    answer = client.predict("many", {"image_bytes": encoded}, signature="encoded")["image_bytes"]
    np.testing.assert_array_equal(tf.io.decode_png(answer[0]), 255 - pictures[0])
    np.testing.assert_array_equal(tf.io.decode_png(answer[1]), 255 - pictures[1][:3])


def test_what_is_accepted_and_ignored(client):
    asked = request("many", {"image": picture()})
    asked.client_id = b"somebody"
    asked.request_options.SetInParent()
    asked.predict_streamed_options.SetInParent()
    assert client.prediction.Predict(asked, 60).model_spec.version.value == 7


def test_long_messages_are_cut(client):
    code, said = refusal(client.predict, "many", {"x" * 3000: NO_TENSOR, "image": NO_TENSOR})
    assert code == INVALID and said.startswith("input size does not match signature: 2!=1 len({image,xxx")
    assert len(said) == 1024 + len("...TRUNCATED") and said.endswith("x...TRUNCATED")


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("short", "short"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1024 + "...TRUNCATED"),
        ("é" * 600, "é" * 512 + "...TRUNCATED"),
    ],
)
def test_a_message_is_cut_by_its_bytes(message, sent):
    assert status.details(message) == sent


def test_a_tensor_that_a_few_bytes_make_huge_is_refused(client):
    """One value stands for all of a shape: 2 TB here."""
    bomb = type(NO_TENSOR)(dtype=tf.float32.as_datatype_enum, float_val=[0.5])
    for size in (2**19, 2**19, 2):
        bomb.tensor_shape.dim.add(size=size)
    assert refusal(client.predict, "many", {"image": bomb}) == (INVALID, "tensor parsing error: image")


def test_a_tensor_may_take_as_much_as_a_message_and_no_more(client):
    """8 MiB here."""
    style = np.float32([1])
    content = type(NO_TENSOR)(dtype=tf.float32.as_datatype_enum, float_val=[0.5])
    size = content.tensor_shape.dim.add(size=2**21)
    given = {"content": content, "style": style}
    answer = client.predict("many", given, signature="stylized", outputs=("difference",))
    assert answer["difference"].shape == (2**21,)
    size.size += 1
    refused = refusal(client.predict, "many", given, signature="stylized", outputs=("difference",))
    assert refused == (INVALID, "tensor parsing error: content")


def test_a_message_beyond_the_limit_is_refused(client):
    code, said = refusal(client.predict, "many", {"image": np.zeros((1, 1000, 1000, 3), np.float32)})
    assert code == "RESOURCE_EXHAUSTED" and "larger than max (12000" in said


# An independent client


def test_ovmsclient(server):
    ovmsclient = pytest.importorskip("ovmsclient")
    client = ovmsclient.make_grpc_client(server.address)
    x = picture()
    np.testing.assert_array_equal(client.predict({"image": x}, "many", model_version=7), x)
    assert client.get_model_status("many", 7)[7] == {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
    found = client.get_model_metadata("many", model_version=7)
    assert found["inputs"]["image"] == {"shape": [-1, -1, -1, 3], "dtype": "DT_FLOAT"}
    with pytest.raises(ovmsclient.tfs_compat.base.errors.ModelNotFoundError):
        client.predict({"image": x}, "none", model_version=7)


def test_clients_at_once(server):
    """Each gets the answer to its own request."""
    wrong = []

    def ask(seed):
        with Client(server.address) as client:
            for number in range(10):
                content = np.random.default_rng([seed, number]).random(5, np.float32)
                try:
                    answer = client.predict("many", {"content": content, "style": content}, signature="stylized")
                    if not np.allclose(answer["image"], 4 * content):
                        wrong.append((seed, number))
                except grpc.RpcError as error:
                    wrong.append(error.details())

    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
