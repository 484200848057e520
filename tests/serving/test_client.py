"""Both clients against a server with the official stubs: what they send, understand, try again and complain about."""

import asyncio
import io
import threading
import time
from unittest import mock

import grpc
import numpy as np
import pytest
from PIL import Image
from running import python
from scripted_server import ScriptedServer, later, png

from keras_style import errors, images
from keras_style.errors import InputError, MissingFileError
from keras_style.serving import AsyncStyleClient, StyleClient, StyledPicture

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "the queue is full")


@pytest.fixture(scope="module")
def running():
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture
def server(running):
    running.script.clear()
    running.requests.clear()
    running.typed, running.at_once = True, 0
    return running


@pytest.fixture(params=["sync", "async"])
def use(request, server):
    """Do something with a client: `use(lambda client: client.stylize(...), **options)`; a stream becomes a list."""

    async def asynchronous(act, options):
        async with AsyncStyleClient(server.address, **options) as client:
            result = act(client)
            return [each async for each in result] if hasattr(result, "__aiter__") else await result

    def run(act, **options):
        options = {"model": "invert", **options}
        if request.param == "async":
            return asyncio.run(asynchronous(act, options))
        with StyleClient(server.address, **options) as client:
            result = act(client)
            return list(result) if hasattr(result, "__next__") else result

    return run


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (18, 21, 3), np.uint8)


@pytest.fixture
def photo(pixels, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(pixels))
    return path


# One picture


def test_a_path_goes_as_it_is_and_comes_back_encoded(use, server, photo, pixels, tmp_path):
    answer = use(lambda client: client.stylize(photo))
    sent = server.requests[0]
    assert sent.inputs["image_bytes"].string_val[0] == photo.read_bytes()
    assert list(sent.inputs) == ["image_bytes"]
    assert answer.data == png(255 - pixels)
    np.testing.assert_array_equal(np.asarray(answer.image), 255 - pixels)
    np.testing.assert_allclose(answer.array, 1 - pixels.astype(np.float32) / 255, atol=1e-6)
    assert (answer.version, answer.signature, answer.size, answer.pixels) == (7, "serving_bytes", (21, 18), None)
    assert answer.save(tmp_path / "out.png").read_bytes() == answer.data
    with Image.open(answer.save(tmp_path / "out.jpg")) as written:
        assert written.format == "JPEG"
    assert Image.open(io.BytesIO(answer._repr_png_())).size == (21, 18)


def test_bytes_are_not_looked_at(use, server, photo):
    assert use(lambda client: client.stylize(photo.read_bytes())).data
    with pytest.raises(errors.RefusedError, match=r"INVALID_ARGUMENT: Unknown image file format\.$"):
        use(lambda client: client.stylize(b"no picture"))
    assert server.requests[1].inputs["image_bytes"].string_val[0] == b"no picture"


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "PIL"])
def test_pixels_go_and_come_as_pixels(use, server, pixels, kind, typed, tmp_path):
    server.typed = typed
    given = {"uint8": pixels, "PIL": Image.fromarray(pixels)}.get(kind)
    given = (pixels / 255).astype(kind) if given is None else given
    answer = use(lambda client: client.stylize(given))
    exact = kind in ("uint8", "PIL")
    assert server.requests[0].model_spec.signature_name == ("serving_uint8" if exact else "serving_default")
    assert answer.data is None
    assert answer.pixels.dtype == (np.uint8 if exact else np.float32)
    np.testing.assert_allclose(answer.array, 1 - pixels.astype(np.float32) / 255, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(answer.image), 255 - pixels)
    assert answer.size == (21, 18)
    np.testing.assert_allclose(images.load(answer.save(tmp_path / "out.png")), answer.array, atol=0.5 / 255 + 1e-6)


def test_a_file_that_the_server_would_see_otherwise_is_read_here(server, pixels, tmp_path):
    upright = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    alike = ("turned.jpg", "gray.jpg", "alpha.png", "gray.png", "palette.png", "deep.png")
    upright.save(tmp_path / "turned.jpg", exif=turned)
    upright.convert("L").save(tmp_path / "gray.jpg")
    upright.convert("RGBA").save(tmp_path / "alpha.png")
    upright.convert("L").save(tmp_path / "gray.png")
    upright.convert("P").save(tmp_path / "palette.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    upright.save(tmp_path / "turned.png", exif=turned)
    upright.save(tmp_path / "lossless.webp", lossless=True)
    upright.save(tmp_path / "profile.png", icc_profile=images._srgb_profile())
    upright.convert("CMYK").save(tmp_path / "cmyk.jpg")
    with StyleClient(server.address, "invert") as client:
        for path in sorted(tmp_path.iterdir()):
            client.stylize(path)
            sent = server.requests[-1].inputs["image_bytes"].string_val[0]
            if path.name in alike:
                assert sent == path.read_bytes()
            else:
                opened = Image.open(io.BytesIO(sent))
                assert (opened.format, opened.mode) == ("PNG", "RGB")
                expected = images.load_pil(path)
                np.testing.assert_array_equal(np.asarray(opened), np.asarray(expected))


@pytest.mark.parametrize(
    ("signature", "key", "kind"),
    [
        ("serving_bytes", "image_bytes", bytes),
        ("serving_uint8", "image", np.uint8),
        ("serving_default", "image", np.float32),
        ("fixed_256", "image", np.float32),
    ],
)
@pytest.mark.parametrize("source", ["path", "bytes", "PIL", "uint8", "float"])
def test_a_named_signature_gets_what_it_takes(server, photo, pixels, signature, key, kind, source):
    given = {
        "path": photo,
        "bytes": photo.read_bytes(),
        "PIL": Image.fromarray(pixels),
        "uint8": pixels,
        "float": (pixels / 255).astype(np.float32),
    }[source]
    with StyleClient(server.address, "invert", signature=signature) as client:
        answer = client.stylize(given)
    sent = server.requests[0]
    assert (sent.model_spec.signature_name, list(sent.inputs)) == (signature, [key])
    assert (answer.data is not None) == (kind is bytes)
    if kind is not bytes:
        assert answer.pixels.dtype == kind
    np.testing.assert_array_equal(np.asarray(answer.image), 255 - pixels)


def test_content_and_style_go_in_the_form_that_keeps_both(use, server, photo, pixels):
    floats = (pixels / 255).astype(np.float32)
    assert use(lambda client: client.stylize(photo, photo, steps=12)).data
    assert sorted(server.requests[0].inputs) == ["content_bytes", "steps", "style_bytes"]
    steps = server.requests[0].inputs["steps"]
    assert (steps.dtype, len(steps.tensor_shape.dim), steps.tensor_content) == (3, 0, (12).to_bytes(4, "little"))
    use(lambda client: client.stylize(photo, pixels))
    assert server.requests[1].model_spec.signature_name == "serving_uint8"
    assert sorted(server.requests[1].inputs) == ["content", "style"]
    use(lambda client: client.stylize(Image.fromarray(pixels), floats))
    assert server.requests[2].model_spec.signature_name == "serving_default"


def test_large_pictures_pass(use, server):
    """8 MB each way, twice what gRPC lets through by default."""
    server.typed = False
    large = np.zeros((1400, 2000, 3), np.uint8)
    assert use(lambda client: client.stylize(large)).pixels.min() == 255


def test_the_limit_of_a_message(use):
    large = np.zeros((100, 100, 3), np.uint8)
    with pytest.raises(errors.ExhaustedError, match=r"RESOURCE_EXHAUSTED: .*larger than max"):
        use(lambda client: client.stylize(large), max_message_bytes=20_000)


# Which version


def test_version_and_label(use, server, photo):
    assert use(lambda client: client.stylize(photo)).version == 7
    assert not server.requests[0].model_spec.WhichOneof("version_choice")
    assert use(lambda client: client.stylize(photo), version=3).version == 3
    assert server.requests[1].model_spec.version.value == 3
    use(lambda client: client.stylize(photo), label="canary")
    assert server.requests[2].model_spec.version_label == "canary"
    with pytest.raises(errors.RefusedError, match="Unrecognized servable version label: stabel"):
        use(lambda client: client.stylize(photo), label="stabel")


def test_status(use, server):
    found = use(lambda client: client.status())
    assert [(each.version, each.state, each.error) for each in found] == [
        (7, "AVAILABLE", ""),
        (5, "END", "no such op"),
        (3, "AVAILABLE", ""),
    ]
    assert [each.version for each in use(lambda client: client.status(), version=5)] == [5]


def test_metadata(use):
    found = use(lambda client: client.metadata(), model="mix", version=3)
    names = ["serving_bytes", "serving_default", "serving_uint8"]
    assert (found.model, found.version, list(found.signatures)) == ("mix", 3, names)
    described = {
        name: {key: (info.dtype, info.shape) for key, info in signature.inputs.items()}
        for name, signature in found.signatures.items()
    }
    pixels = ("uint8", (None, None, None, 3))
    assert described == {
        "serving_bytes": {
            "content_bytes": ("string", (None,)),
            "steps": ("int32", ()),
            "style_bytes": ("string", (None,)),
        },
        "serving_default": {"content": ("float32", None), "steps": ("int32", ()), "style": ("float32", None)},
        "serving_uint8": {"content": pixels, "steps": ("int32", ()), "style": pixels},
    }
    outputs = {key: info.dtype for key, info in found.signatures["serving_bytes"].outputs.items()}
    assert outputs == {"image_bytes": "string"}
    assert [signature.defaults for signature in found.signatures.values()] == [{"steps": 100}] * 3


# When things go wrong


def test_unavailable_is_tried_again(use, server, photo):
    server.script.extend([UNAVAILABLE] * 2)
    started = time.monotonic()
    assert use(lambda client: client.stylize(photo)).data
    assert len(server.requests) == 3
    assert time.monotonic() - started >= 0.8 * (0.5 + 1)  # 20 % of jitter


def test_large_requests_are_tried_again_too(use, server):
    server.script.append(UNAVAILABLE)
    server.typed = False
    assert use(lambda client: client.stylize(np.zeros((1400, 1000, 3), np.uint8))).pixels.min() == 255
    assert len(server.requests) == 2


def test_retries_end(use, server, photo):
    server.script.extend([UNAVAILABLE] * 2)
    with pytest.raises(errors.ServerUnavailableError, match="UNAVAILABLE: the queue is full"):
        use(lambda client: client.stylize(photo), retries=1)
    assert len(server.requests) == 2


def test_the_deadline_holds_with_all_tries(use, server, photo):
    server.script.extend([UNAVAILABLE] * 5)
    started = time.monotonic()
    with pytest.raises(errors.DeadlineError, match="DEADLINE_EXCEEDED"):
        use(lambda client: client.stylize(photo), deadline=0.8)
    assert 0.8 <= time.monotonic() - started < 3
    assert len(server.requests) == 2


def test_the_deadline_of_a_slow_answer(use, server, photo):
    server.script.append(later(2))
    with pytest.raises(errors.DeadlineError, match=rf"^{server.address}, model invert: DEADLINE_EXCEEDED: "):
        use(lambda client: client.stylize(photo), deadline=0.3)


CLASSES = {
    "UNAVAILABLE": errors.ServerUnavailableError,
    "DEADLINE_EXCEEDED": errors.DeadlineError,
    "INVALID_ARGUMENT": errors.RefusedError,
    "FAILED_PRECONDITION": errors.RefusedError,
    "OUT_OF_RANGE": errors.RefusedError,
    "NOT_FOUND": errors.UnknownModelError,
    "RESOURCE_EXHAUSTED": errors.ExhaustedError,
    "UNAUTHENTICATED": errors.AccessError,
    "PERMISSION_DENIED": errors.AccessError,
    **dict.fromkeys(
        ("CANCELLED", "UNKNOWN", "ALREADY_EXISTS", "ABORTED", "UNIMPLEMENTED", "INTERNAL", "DATA_LOSS"),
        errors.ServingError,
    ),
}


def test_every_code_has_a_class():
    assert CLASSES.keys() == {code.name for code in grpc.StatusCode} - {"OK"}


@pytest.mark.parametrize("code", CLASSES)
def test_an_error_says_where_what_and_why(server, photo, code):
    server.script.append((grpc.StatusCode[code], "because\nof this"))
    with StyleClient(server.address, "invert", retries=0) as client, pytest.raises(errors.StyleError) as caught:
        client.stylize(photo)
    error = caught.value
    assert type(error) is CLASSES[code]
    assert str(error) == f"{server.address}, model invert: {code}: because of this"
    assert (error.server, error.model, error.code) == (server.address, "invert", code)
    assert error.details == "because of this"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "INTERNAL"])
def test_only_unavailable_is_tried_again(use, server, photo, code):
    server.script.append((grpc.StatusCode[code], "no"))
    with pytest.raises(errors.ServingError):
        use(lambda client: client.stylize(photo))
    assert len(server.requests) == 1


def test_nobody_there(photo):
    with StyleClient("localhost:1", "invert", retries=0) as client:
        with pytest.raises(errors.ServerUnavailableError, match=r"^localhost:1, model invert: UNAVAILABLE: .*refused"):
            client.stylize(photo)
        assert not client.ready()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "answered nothing"),
        ({"image": np.zeros((2, 16, 16, 3), np.float32)}, r"image \(type 1, shape \[2, 16, 16, 3\]\)"),
        ({"image": np.zeros((1, 16), np.float32)}, r"image \(type 1, shape \[1, 16\]\)"),
        ({"image": [b"x"]}, r"image \(type 7"),
        ({"image_bytes": [b"x", b"y"]}, r"image_bytes \(type 7, shape \[2\]\)"),
        ({"scores": np.zeros(3, np.float32)}, "scores"),
    ],
)
def test_an_answer_that_is_no_picture(server, photo, outputs, message, monkeypatch):
    from scripted_server import predict_pb2, tf

    response = predict_pb2.PredictResponse(outputs={k: tf.make_tensor_proto(v) for k, v in outputs.items()})
    monkeypatch.setattr(server, "_invert", lambda request, context: response)
    with StyleClient(server.address, "invert") as client, pytest.raises(errors.ServingError, match=message):
        client.stylize(photo)


def test_an_answer_that_cannot_be_read(tmp_path):
    broken = StyledPicture(b"not a picture", None, 1, "serving_bytes")
    for use_it in (lambda: broken.array, lambda: broken.image, lambda: broken.size):
        with pytest.raises(InputError, match="the answer"):
            use_it()
    with pytest.raises(InputError):
        broken.save(tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


# Waiting


def test_ready(use, server):
    assert use(lambda client: client.ready()) is True
    assert use(lambda client: client.ready(), label="canary") is True
    assert use(lambda client: client.ready(), label="none") is False
    assert use(lambda client: client.ready(), model="other") is False
    server.script.append((grpc.StatusCode.INTERNAL, "broken"))
    with pytest.raises(errors.ServingError, match="broken"):
        use(lambda client: client.ready())


def test_wait(use, server):
    server.script.extend([(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(invert)")] * 2)
    use(lambda client: client.wait(30))
    assert len(server.requests) == 3
    with pytest.raises(errors.DeadlineError, match=r"not ready after 0\.3 s: .*Latest\(other\)"):
        use(lambda client: client.wait(0.3), model="other")


# Many pictures


def test_many_come_in_order(use, server, pixels):
    pictures = [np.full((16, 16, 3), value, np.uint8) for value in range(20)]
    server.script.extend(later(wait) for wait in np.random.default_rng(1).uniform(0, 0.05, 20))
    answers = use(lambda client: client.stylize_many(pictures, concurrency=5))
    assert [255 - answer.pixels[0, 0, 0] for answer in answers] == list(range(20))
    assert 2 <= server.at_once <= 5


def test_no_picture_is_taken_before_there_is_room(server, pixels):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield pixels

    with StyleClient(server.address, "invert") as client:
        answers = client.stylize_many(endless(), concurrency=3)
        assert not taken
        for count in range(1, 6):
            next(answers)
            assert len(taken) == count + 2  # two are under way while the caller holds one
        answers.close()


def test_no_picture_is_taken_before_there_is_room_async(server, pixels):
    taken = []

    async def endless():
        while True:
            taken.append(len(taken))
            yield pixels

    async def run():
        async with AsyncStyleClient(server.address, "invert") as client:
            answers = client.stylize_many(endless(), concurrency=3)
            for count in range(1, 6):
                await anext(answers)
                assert len(taken) == count + 2
            await answers.aclose()

    asyncio.run(run())


def test_a_picture_that_fails_does_not_end_the_stream(use, photo, tmp_path, pixels):
    pictures = [photo, tmp_path / "missing.png", b"junk", 5, photo]
    answers = use(lambda client: client.stylize_many(pictures, concurrency=2))
    assert [type(answer) for answer in answers] == [
        StyledPicture,
        MissingFileError,
        errors.RefusedError,
        InputError,
        StyledPicture,
    ]
    assert "contents[1]: no such file" in str(answers[1])
    assert answers[4].data == png(255 - pixels)


def test_unless_asked(use, server, photo):
    server.script.append(later(0))
    with pytest.raises(errors.RefusedError):
        use(lambda client: client.stylize_many([photo, b"junk", photo], concurrency=1, return_exceptions=False))
    assert len(server.requests) == 2


def test_leaving_a_stream_cancels_what_is_under_way(server, pixels, monkeypatch):
    began, ended = threading.Event(), threading.Event()
    usual = server._invert

    def slow_if_large(request, context):
        if request.inputs["image"].tensor_shape.dim[1].size > 18:
            context.add_callback(ended.set)
            began.set()
            ended.wait(20)
        return usual(request, context)

    monkeypatch.setattr(server, "_invert", slow_if_large)
    with StyleClient(server.address, "invert") as client:
        for _ in client.stylize_many([pixels, np.zeros((40, 40, 3), np.uint8)], concurrency=2):
            assert began.wait(10)
            break
        assert ended.wait(5)


def test_one_style_for_many(use, server, photo, tmp_path):
    use(
        lambda client: list(client.stylize_many([photo] * 3, photo, steps=2)) if False else client.stylize(photo, photo)
    )
    answers = use(lambda client: client.stylize_many([photo] * 3, photo, steps=2))
    assert len(answers) == 3
    assert {request.inputs["style_bytes"].string_val[0] for request in server.requests} == {photo.read_bytes()}
    count = len(server.requests)
    for style, steps in ((tmp_path / "none.png", 2), (photo, 0), (None, 5), (4, None)):
        with pytest.raises(InputError):
            use(lambda client, style=style, steps=steps: client.stylize_many([photo], style, steps=steps))
    assert len(server.requests) == count


def test_one_picture_is_not_many(use, photo, pixels):
    for one in (photo, str(photo), photo.read_bytes(), pixels, Image.fromarray(pixels)):
        with pytest.raises(InputError, match="contents is one picture, a "):
            use(lambda client, one=one: client.stylize_many(one))
    assert len(use(lambda client: client.stylize_many(np.stack([pixels] * 3)))) == 3


def test_threads_share_a_client(server, pixels):
    with StyleClient(server.address, "invert") as client:
        wrong = []

        def work(value):
            for _ in range(10):
                answer = client.stylize(np.full((16, 16, 3), value, np.uint8))
                if not (answer.pixels == 255 - value).all():
                    wrong.append(value)

        threads = [threading.Thread(target=work, args=(value,)) for value in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(server.requests) == 80


# Its life


def test_a_closed_client_connects_anew(server, photo):
    client = StyleClient(server.address, "invert")
    client.close()
    assert client.stylize(photo).data
    client.close()
    assert client.stylize(photo).data
    client.close()


def test_closing_ends_what_other_threads_wait_for(server, pixels, monkeypatch):
    began, closed = threading.Event(), threading.Event()
    usual = server._invert

    def slow(request, context):
        began.set()
        closed.wait(20)
        return usual(request, context)

    monkeypatch.setattr(server, "_invert", slow)
    client = StyleClient(server.address, "invert")
    for ask in (lambda: client.stylize(pixels), lambda: next(client.stylize_many([pixels], return_exceptions=False))):
        began.clear()
        caught = []
        thread = threading.Thread(target=lambda ask=ask, caught=caught: caught.append(_error_of(ask)))
        thread.start()
        assert began.wait(10)
        client.close()
        thread.join(10)
        assert type(caught[0]) is errors.ServingError
        assert "CANCELLED" in str(caught[0])
    closed.set()


def _error_of(act):
    try:
        act()
    except Exception as error:
        return error


def test_a_fork_is_told_to_make_its_own():
    script = """
import os, keras_style
client = keras_style.serving.StyleClient("localhost:1", "invert", retries=0)
assert not client.ready()
child = os.fork()
if not child:
    try:
        client.ready()
    except keras_style.errors.ServingError as error:
        print(error, flush=True)
        client.close()
    os._exit(0)
os.waitpid(child, 0)
assert not client.ready()
"""
    done = python(script)
    expected = "localhost:1, model invert: this client is connected in another process or event loop"
    assert (done.returncode, done.stdout.startswith(expected), done.stdout.count("\n")) == (0, True, 1), done.stderr


def test_another_event_loop_is_told_to_make_its_own(server):
    client = AsyncStyleClient(server.address, "invert")
    assert asyncio.run(client.ready())
    with pytest.raises(errors.ServingError, match="another process or event loop"):
        asyncio.run(client.ready())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("http://localhost:8500", "m"), {}, "server is 'http://localhost:8500'; expected HOST:PORT"),
        (("", "m"), {}, "server is ''"),
        (("h:1", ""), {}, "model is ''"),
        (("h:1", "m"), {"version": 3, "label": "x"}, "version 3 and label 'x'"),
        (("h:1", "m"), {"version": -1}, "version is -1"),
        (("h:1", "m"), {"label": ""}, "label is ''"),
        (("h:1", "m"), {"signature": 5}, "signature is 5"),
        (("h:1", "m"), {"deadline": 0}, "deadline is 0"),
        (("h:1", "m"), {"retries": 5}, "retries is 5"),
        (("h:1", "m"), {"max_message_bytes": 2**31}, "max_message_bytes is 2147483648"),
        (("h:1", "m"), {"tls": True}, "tls is True"),
    ],
)
def test_mistakes_come_out_at_once(arguments, options, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        StyleClient(*arguments, **options)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "image: no bytes"),
        (5, "an object of type int; expected bytes, a path, a PIL image or an array"),
        (np.zeros((16, 16), np.uint8), "image: an array of shape"),
        (np.full((16, 16, 3), 2.0), "image: .*values from 2"),
        (np.zeros((16, 16, 3), np.int32), "dtype int32"),
    ],
)
def test_pictures_that_are_none_are_not_sent(use, server, picture, message):
    with pytest.raises(InputError, match=message):
        use(lambda client: client.stylize(picture))
    assert not server.requests


def test_the_table_of_methods_is_the_official_one(server):
    """The paths that the generated stubs register."""
    from scripted_server import model_service_pb2_grpc, prediction_service_pb2_grpc

    from keras_style.serving.endpoint import METHODS

    channel = mock.Mock()
    prediction_service_pb2_grpc.PredictionServiceStub(channel)
    model_service_pb2_grpc.ModelServiceStub(channel)
    assert {path for path, _, _ in METHODS.values()} <= {call.args[0] for call in channel.unary_unary.call_args_list}
