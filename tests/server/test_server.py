"""What the embedded server answers: every row of TensorFlow Serving's contract, over gRPC, with raw stubs.

The expected texts are those of tensorflow/serving 9d981c5c, written out here and not taken from the server.
"""

import threading
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import served
from google.protobuf import descriptor_pb2
from served import Client, picture, refusal, request
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
    session_service_pb2,
)

from keras_style.internal.tensorflow import tf
from keras_style.server import Server

INVALID, NOT_FOUND = "INVALID_ARGUMENT", "NOT_FOUND"
ALL_SIGNATURES = {
    "serving_default",
    "encoded",
    "stylized",
    "slow",
    "scored",
    "half_plus_two",
    "outputs_of_other_names",
    "input_of_another_name",
    "badly_scored",
    "sums",
    "__saved_model_init_op",
}


@pytest.fixture(scope="module")
def config(saved, tmp_path_factory):
    """Two versions of `many`, the newer one labelled, and one model whose versions are gone."""
    base = tmp_path_factory.mktemp("models")
    served.publish(saved / "all", base / "many" / "00000003")
    served.publish(saved / "all", base / "many" / "7")
    (base / "many" / "notes").mkdir()
    file = base / "models.config"
    file.write_text(
        f"""model_config_list {{ config {{
            name: "many" base_path: "{base}/many" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }}
            version_labels {{ key: "stable" value: 3 }} version_labels {{ key: "ahead" value: 99 }}
        }} }}"""
    )
    return file


@pytest.fixture(scope="module")
def server(config):
    with Server(
        config=config, port=0, rest_port=0, labels_ahead=True, max_running=2, max_waiting=2, max_message_mebibytes=8
    ) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with Client(server.address) as client:
        while client.states("many") != {7: 30, 3: 30}:  # the port opens when one of them is there
            time.sleep(0.02)
        yield client


def inputs(**arrays):
    return {name: np.asarray(array) for name, array in arrays.items()}


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
@pytest.mark.parametrize("method", ["Predict", "GetModelMetadata", "Classify", "Regress", "MultiInference"])
def test_which_model(client, method, spec, expected):
    kinds = {
        "Predict": predict_pb2.PredictRequest,
        "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
        "MultiInference": inference_pb2.MultiInferenceRequest,
    }
    asked = kinds[method]()
    if method == "GetModelMetadata":
        asked.metadata_field.append("signature_def")
    if spec is not None:
        model_spec = asked.tasks.add().model_spec if method == "MultiInference" else asked.model_spec
        model_spec.CopyFrom(request(spec["name"], {}, **{k: v for k, v in spec.items() if k != "name"}).model_spec)
        model_spec.SetInParent()
    elif method == "MultiInference":  # without tasks
        expected = (INVALID, "ModelSpec has no name specified.")
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


def test_a_tensor_that_a_few_bytes_make_huge_is_refused(client):
    """One value stands for all of a shape: 2 TB here."""
    bomb = type(NO_TENSOR)(dtype=tf.float32.as_datatype_enum, float_val=[0.5])
    for size in (2**19, 2**19, 2):
        bomb.tensor_shape.dim.add(size=size)
    assert refusal(client.predict, "many", {"image": bomb}) == (INVALID, "tensor parsing error: image")


def test_a_message_beyond_the_limit_is_refused(client):
    code, said = refusal(client.predict, "many", {"image": np.zeros((1, 1000, 1000, 3), np.float32)})
    assert code == "RESOURCE_EXHAUSTED" and "larger than max (12000" in said


# Deadlines, queue


def slow(client, steps, timeout=60.0):
    return client.predict("many", {"steps": np.int32(steps)}, timeout, signature="slow")


def test_the_deadline_reaches_the_graph(client, server):
    """The server's own count says so: the client would give up anyway."""
    before = count(server, "DEADLINE_EXCEEDED")
    started = time.perf_counter()
    assert refusal(slow, client, 10**9, 0.5)[0] == "DEADLINE_EXCEEDED"
    while count(server, "DEADLINE_EXCEEDED") == before:
        time.sleep(0.02)
        assert time.perf_counter() - started < 20


def test_more_than_run_and_wait_are_refused_at_once(server):
    with Client(server.address) as client:
        asked = request("many", {"steps": np.int32(10**9)}, "slow")
        running = [client.prediction.Predict.future(asked, 6) for _ in range(4)]
        message = "2 requests are running and 2 are waiting; no more are taken"
        started = time.perf_counter()
        while (said := refusal(slow, client, 1, 1.0)) != ("RESOURCE_EXHAUSTED", message):
            assert said[0] == "DEADLINE_EXCEEDED" and time.perf_counter() - started < 20  # they are still on their way
        started = time.perf_counter()
        assert refusal(slow, client, 1) == ("RESOURCE_EXHAUSTED", message)
        assert client.states("many") == {7: 30, 3: 30}  # what runs no model is answered meanwhile
        assert time.perf_counter() - started < 5
        assert {each.code() for each in running} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        while said := outcome(slow, client, 1):  # the server's own deadlines are not over yet
            assert said == "RESOURCE_EXHAUSTED" and time.perf_counter() - started < 40
            time.sleep(0.2)


def test_clients_that_send_nothing_keep_nobody_waiting(server):
    """They have a place each, but not a turn."""
    over = threading.Event()

    def nothing():
        over.wait(60)
        yield from ()

    with Client(server.address) as client:
        silent = client.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
        calls = [silent.future(nothing()) for _ in range(2)]
        time.sleep(0.3)
        for _ in range(3):
            slow(client, 1, 20.0)
        over.set()
        assert [refusal(call.result, 30) for call in calls] == 2 * [("INTERNAL", "Failed to parse the request")]


def outcome(call, *arguments) -> str:
    """The code with which a call is refused, or nothing."""
    try:
        call(*arguments)
    except grpc.RpcError as error:
        return error.code().name
    return ""


# Metadata


def metadata(client, *fields, **spec):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    if spec:
        asked.model_spec.CopyFrom(request(**{"inputs": {}, **spec}).model_spec)
        asked.model_spec.SetInParent()
    return client.prediction.GetModelMetadata(asked, 60)


def test_metadata_is_all_signatures(client, saved):
    response = metadata(client, "signature_def", name="many", label="stable", signature="ignored")
    assert response.model_spec == request("many", {}, version=3).model_spec
    assert list(response.metadata) == ["signature_def"]
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    assert found.signature_def.keys() == ALL_SIGNATURES
    file = served.saved_model_pb2.SavedModel.FromString((saved / "all" / "saved_model.pb").read_bytes())
    for name, signature in file.meta_graphs[0].signature_def.items():
        assert found.signature_def[name] == signature
    assert found.signature_def["stylized"].defaults["steps"].int_val == [3]


@pytest.mark.parametrize(
    ("fields", "spec", "expected"),
    [
        ((), {}, (INVALID, "Missing ModelSpec")),
        ((), {"name": ""}, (INVALID, "GetModelMetadataRequest must specify at least one metadata_field")),
        (("signature_def", "size"), {"name": "none"}, (INVALID, "Metadata field size is not supported")),
        (("signature_def",), {"name": "none"}, (NOT_FOUND, "Servable not found for request: Latest(none)")),
    ],
)
def test_metadata_refuses(client, fields, spec, expected):
    assert refusal(metadata, client, *fields, **spec) == expected


# Status


def status(client, **spec):
    asked = get_model_status_pb2.GetModelStatusRequest()
    if spec:
        asked.model_spec.CopyFrom(request(**{"inputs": {}, **spec}).model_spec)
        asked.model_spec.SetInParent()
    return client.models.GetModelStatus(asked, 60)


@pytest.mark.parametrize("spec", [{"name": "many"}, {"name": "many", "label": "nobody knows"}])
def test_status_of_all_versions_the_highest_first(client, spec):
    entries = status(client, **spec).model_version_status
    assert [(e.version, e.state, e.status.error_code, e.status.error_message) for e in entries] == [
        (7, 30, 0, ""),
        (3, 30, 0, ""),
    ]
    assert all(entry.HasField("status") for entry in entries)


def test_status_of_one_version(client):
    assert [entry.version for entry in status(client, name="many", version=3).model_version_status] == [3]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, (INVALID, "Missing ModelSpec")),
        ({"name": ""}, (NOT_FOUND, "Could not find any versions of model ")),
        ({"name": "none"}, (NOT_FOUND, "Could not find any versions of model none")),
        ({"name": "many", "version": 4}, (NOT_FOUND, "Could not find version 4 of model many")),
        ({"name": "none", "version": 4}, (NOT_FOUND, "Could not find version 4 of model none")),
    ],
)
def test_status_refuses(client, spec, expected):
    assert refusal(status, client, **spec) == expected


# Classify, Regress, MultiInference


def fill(given, *values, context=None):
    examples = given.example_list.examples if context is None else given.example_list_with_context.examples
    for value in values:
        example = examples.add()
        if value is not None:
            example.features.feature["x"].float_list.value.append(value)
    if context is not None:
        given.example_list_with_context.context.features.feature["x"].float_list.value.append(context)


def examples(kind, signature, *values, context=None):
    made = kind()
    made.model_spec.CopyFrom(request("many", {}, signature).model_spec)
    fill(made.input, *values, context=context)
    return made


def classify(client, signature, *values, **options):
    asked = examples(classification_pb2.ClassificationRequest, signature, *values, **options)
    return client.prediction.Classify(asked, 60)


def regress(client, signature, *values, **options):
    return client.prediction.Regress(examples(regression_pb2.RegressionRequest, signature, *values, **options), 60)


def test_classify(client):
    response = classify(client, "scored", 0.25, 1.0)
    assert response.model_spec == request("many", {}, "scored", 7).model_spec
    found = [[(c.label, c.score) for c in each.classes] for each in response.result.classifications]
    assert found == [[("big", 0.25), ("small", 0.75)], [("big", 1.0), ("small", 0.0)]]


def test_regress(client):
    response = regress(client, "half_plus_two", 4.0, -2.0)
    assert response.model_spec == request("many", {}, "half_plus_two", 7).model_spec
    assert [each.value for each in response.result.regressions] == [4.0, 1.0]


def test_a_context_comes_to_each_example(client):
    assert [each.value for each in regress(client, "half_plus_two", None, None, context=6).result.regressions] == [5, 5]


@pytest.mark.parametrize(
    ("call", "signature", "values", "message"),
    [
        (classify, "nothing", (), "No signature was found with the name: nothing"),
        (classify, "stylized", (), "Expected one input Tensor."),
        (classify, "input_of_another_name", (), "No classification inputs found in SignatureDef: inputs {"),
        (
            classify,
            "outputs_of_other_names",
            (),
            'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature '
            "was: inputs {",
        ),
        (classify, "scored", (), "Input is empty."),
        (classify, "", (1.0,), "No classification inputs found in SignatureDef: inputs {"),
        (classify, "badly_scored", (1.0,), "Expected scores Tensor of DT_FLOAT. Got: DT_INT32"),
        (classify, "__saved_model_init_op", (1.0,), "Expected one input Tensor."),
        (regress, "nothing", (), "No signature was found with the name: nothing"),
        (regress, "stylized", (), "Expected one input Tensor."),
        (regress, "scored", (), "Expected one output Tensor."),
        (regress, "input_of_another_name", (), "No regression inputs found in SignatureDef: inputs {"),
        (regress, "outputs_of_other_names", (), "No regression outputs found in SignatureDef: inputs {"),
        (regress, "half_plus_two", (), "Input is empty."),
        (regress, "", (1.0,), "No regression inputs found in SignatureDef: inputs {"),
        (
            regress,
            "sums",
            (1.0,),
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got []",
        ),
    ],
)
def test_classify_and_regress_refuse(client, call, signature, values, message):
    code, said = refusal(call, client, signature, *values)
    assert code == INVALID
    assert said.startswith(message) and (message.endswith("{") or said == message)


def multi_inference(client, *tasks, values=(0.5,)):
    asked = inference_pb2.MultiInferenceRequest()
    for method, name, signature in tasks:
        task = asked.tasks.add(method_name=method and f"tensorflow/serving/{method}")
        task.model_spec.CopyFrom(request(name, {}, signature).model_spec)
    fill(asked.input, *values)
    return client.prediction.MultiInference(asked, 60)


def test_multi_inference(client):
    results = multi_inference(client, ("regress", "many", "half_plus_two"), values=(4.0, 6.0)).results
    assert [each.value for each in results[0].regression_result.regressions] == [4.0, 5.0]
    assert results[0].model_spec == request("many", {}, "half_plus_two", 7).model_spec


@pytest.mark.parametrize(
    ("tasks", "values", "expected"),
    [
        (
            (("regress", "many", "half_plus_two"), ("regress", "", "x")),
            (1.0,),
            "Found ModelSpec with an empty model name.",
        ),
        (
            (("regress", "many", "half_plus_two"), ("regress", "other", "x")),
            (1.0,),
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        ((("regress", "many", "half_plus_two"),) * 2, (1.0,), "Duplicate evaluation of signature: half_plus_two"),
        ((("regress", "many", "nothing"),), (1.0,), "Requested signature not found in model graph: nothing"),
        ((("regress", "many", "scored"),), (), "Expected one output Tensor."),
        ((("classify", "many", "stylized"),), (), "Expected one input Tensor."),
        ((("regress", "many", "half_plus_two"),), (), "Input is empty."),
    ],
)
def test_multi_inference_refuses(client, tasks, values, expected):
    assert refusal(multi_inference, client, *tasks, values=values) == (INVALID, expected)


@pytest.mark.parametrize("method", ["predict", ""])
def test_multi_inference_of_another_method_is_unimplemented(client, method):
    said = f"Unsupported signature method_name: {method and 'tensorflow/serving/predict'}"
    assert refusal(multi_inference, client, (method, "many", "scored")) == ("UNIMPLEMENTED", said)


# What is not offered


@pytest.mark.parametrize(
    "method",
    [
        "/tensorflow.serving.SessionService/SessionRun",
        "/tensorflow.serving.PredictionService/PredictStreamed",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_what_is_not_registered_is_unimplemented(client, method):
    call = client.channel.unary_unary(method)
    assert refusal(call, session_service_pb2.SessionRunRequest().SerializeToString(), 60)[0] == "UNIMPLEMENTED"


def test_exactly_these_methods(client):
    """The descriptors of the API wheel say which there are."""
    for stub in (client.prediction, client.models):
        assert {name for name in vars(stub) if name[0] != "_"} <= {
            "Predict",
            "GetModelMetadata",
            "Classify",
            "Regress",
            "MultiInference",
            "GetModelStatus",
            "HandleReloadConfigRequest",
        }
    assert prediction_service_pb2_grpc.PredictionServiceServicer


def test_reload_takes_nothing_but_a_list(client):
    message = (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )
    asked = model_management_pb2.ReloadConfigRequest()
    assert refusal(client.models.HandleReloadConfigRequest, asked, 60) == (INVALID, message)
    asked.config.custom_model_config.Pack(descriptor_pb2.FileDescriptorProto())
    assert refusal(client.models.HandleReloadConfigRequest, asked, 60) == (INVALID, message)


# Metrics


def page(server) -> str:
    url = f"http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.read().decode()


def count(server, status) -> int:
    name = f':tensorflow:serving:request_count{{model_name="many",status="{status}"}} '
    return sum(int(line.removeprefix(name)) for line in page(server).splitlines() if line.startswith(name))


def test_metrics(client, server):
    before = count(server, "OK"), count(server, INVALID)
    client.predict("many", {"image": picture()})
    refusal(client.predict, "many", {})
    refusal(client.predict, "made up by a client", {})
    text = page(server)
    assert (count(server, "OK"), count(server, INVALID)) == (before[0] + 1, before[1] + 1)
    assert "made up" not in text  # such names would fill the memory
    labels = 'model_name="many",API="Predict"'
    for line in (
        "# TYPE :tensorflow:serving:request_count counter",
        "# TYPE :tensorflow:serving:request_latency histogram",
        "# TYPE :tensorflow:serving:runtime_latency histogram",
    ):
        assert line in text.splitlines()
    for name, last in (("request_latency", 'entrypoint="GRPC"'), ("runtime_latency", 'runtime="TF1"')):
        buckets = [
            line for line in text.splitlines() if line.startswith(f":tensorflow:serving:{name}_bucket{{{labels}")
        ]
        limits = [line.partition('le="')[2].partition('"')[0] for line in buckets]
        assert limits == [f"{10 * 1.8**i:g}" for i in range(33)] + ["+Inf"]
        counts = [int(line.rpartition(" ")[2]) for line in buckets]
        assert counts == sorted(counts) and last in buckets[0]
        assert f":tensorflow:serving:{name}_count{{{labels},{last}}} {counts[-1]}" in text.splitlines()


def test_the_port_of_metrics_shows_nothing_else(server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}/v1/models/many", timeout=30)
    assert refused.value.code == 404


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
