"""Both clients against a server with the official stubs: what they send, and how they read the answers."""

import io
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from scripted_server import png

from keras_style import errors, images
from keras_style.errors import InputError
from keras_style.images.writing import srgb_profile
from keras_style.serving import StyleClient


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
    upright.save(tmp_path / "profile.png", icc_profile=srgb_profile())
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


# Mistakes


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
