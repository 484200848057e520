"""A Stylizer as a graph: the picture of the Stylizer itself, from one trace for all sizes, also in a session."""

from pathlib import Path

import numpy as np
import pytest
from running import FAST, eagerly

import keras_style
from keras_style import images
from keras_style.errors import InputError
from keras_style.export.stylizer_graph import stylizer_graph
from keras_style.images import resize_graph
from keras_style.internal.tensorflow import keras, tf
from keras_style.painting.methods import METHODS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OPTIONS = {name: value for name, value in FAST.items() if name != "verbose"}
INSTALLED = METHODS["gatys"].variant("default").backbone
# Where each loss is a large graph, of one layer; poolings are in the others.
SHALLOW = {"content_layers": ["block1_conv2"], "style_layers": ["block1_conv1"]}


def picture(height, width, seed):
    """Smooth blobs that touch both ends of [0, 1], with some grain."""
    random = np.random.default_rng(seed)
    blobs = images.resize(random.random((5, 5, 3), np.float32), height, width)
    grain = 0.05 * random.standard_normal(blobs.shape)
    return (1.8 * blobs - 0.4 + grain).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def adam():
    stylizer = keras_style.Stylizer(method="gatys", optimizer="adam", **OPTIONS)
    return stylizer, stylizer_graph(stylizer)


# One graph


@pytest.mark.parametrize(
    ("content", "style"), [((40, 57), (61, 33)), ((48, 48), (31, 45)), ((131, 47), (200, 201)), ((17, 20), (16, 16))]
)
def test_one_trace_gives_the_picture_of_python_at_every_size(adam, content, style):
    stylizer, graph = adam
    content, style = picture(*content, 1), picture(*style, 2)
    expected = stylizer(content, style, verbose=0).array
    got = graph(content, style, graph.steps)
    assert got.shape == expected.shape
    assert np.abs(expected - images.fit(content, 48)).mean() > 0.01  # it was painted
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert graph.graph.experimental_get_tracing_count() == 1


def test_steps_are_given_when_it_runs(adam):
    stylizer, graph = adam
    content, style = picture(40, 57, 1), picture(61, 33, 2)
    seen = []
    longer = keras_style.Stylizer(method="gatys", optimizer="adam", **{**OPTIONS, "steps": 7})
    longer(content, style, verbose=0, callbacks=[lambda iterate: seen.append(iterate.image)])
    assert graph.steps == stylizer.steps == 3
    for steps in (1, 7):
        np.testing.assert_allclose(graph(content, style, steps), seen[steps - 1], atol=1e-4)
    np.testing.assert_array_less(1e-3, np.abs(seen[0] - seen[6]).max())


@pytest.mark.integration
def test_a_session_gives_it_without_python(adam, tmp_path):
    stylizer, graph = adam
    names = {"content": [None, None, 3], "style": [None, None, 3]}
    inputs = [tf.TensorSpec(shape, tf.float32, name) for name, shape in names.items()]

    @tf.function(input_signature=[*inputs, tf.TensorSpec([], tf.int32, "steps")], autograph=False)
    def serve(content, style, steps):
        return {"image": graph(content, style, steps)}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, tmp_path / "1", signatures={"serving_default": serve})
    content, style = picture(52, 31, 3), picture(48, 48, 4)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "1"))
        signature = loaded.signature_def["serving_default"]
        operations = {operation.type for operation in session.graph.get_operations()}
        for function in session.graph.as_graph_def().library.function:
            operations |= {node.op for node in function.node_def}
        assert not [name for name in operations if "PyFunc" in name]
        values = {"content": content, "style": style, "steps": 3}
        feed = {signature.inputs[name].name: value for name, value in values.items()}
        got = session.run(signature.outputs["image"].name, feed)
        feed[signature.inputs["steps"].name] = 0
        with pytest.raises(tf.errors.InvalidArgumentError, match="0 steps for 1 scales; expected at least one"):
            session.run(signature.outputs["image"].name, feed)
    np.testing.assert_allclose(got, stylizer(content, style, verbose=0).array, atol=1e-4)


def test_what_does_not_fit_is_said_when_it_runs(adam):
    _, graph = adam
    fits = picture(48, 48, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"content is 40 x 12 pixels .*at least 16 on each side"):
        graph(picture(12, 40, 1), fits, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="style: at style_scale 1 it is 48 x 11 pixels"):
        graph(fits, picture(20, 90, 1), 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="the loss is not finite"):
        graph(np.full((48, 48, 3), np.nan, np.float32), fits, 3)


# Everything else that a Stylizer has


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"method": "gatys", "scales": 2, "steps": 6}, marks=pytest.mark.integration),
        pytest.param(
            {"method": "gatys", "init": "recolored", "scales": [32, 48], "optimizer": "adam", **SHALLOW},
            marks=pytest.mark.integration,
        ),
        pytest.param(
            {
                "method": "histogram",
                "size": 32,
                "init": "noise",
                "seed": 5,
                "preserve_color": "luminance",
                **SHALLOW,
            },
            marks=pytest.mark.integration,
        ),
        pytest.param(
            {"method": "photo", "optimizer": "adam", "smooth": True, "refine": True, "steps": 4, "size": 32, **SHALLOW},
            marks=pytest.mark.integration,
        ),
        pytest.param(
            {
                "method": dict.fromkeys(sorted(set(METHODS) - {"gatys", "histogram", "painter", "photo"}), 1.0),
                "init": "style",
                "preserve_color": "match",
                "style_scale": 0.8,
                "balance": "gradient",
                "optimizer": keras.optimizers.Adam(0.01),
                "steps": 2,
                **SHALLOW,
            },
            marks=pytest.mark.integration,
        ),
        pytest.param(
            {"method": "gatys", "variant": "paper", "backbone": "vgg16_imagenet", "steps": 2},
            marks=pytest.mark.integration,
        ),
        pytest.param(
            {"method": "histogram", "variant": "reference", "backbone": INSTALLED, "scales": 1, **SHALLOW},
            marks=pytest.mark.integration,
        ),
    ],
    ids=["scales", "recolored", "histogram", "photo", "distances", "plain pixels of L-BFGS", "plain pixels of Adam"],
)
def test_the_picture_is_that_of_python(options):
    stylizer = keras_style.Stylizer(**{**OPTIONS, **options})
    graph = stylizer_graph(stylizer)
    content, style = picture(39, 60, 1), picture(70, 52, 2)
    with eagerly():
        expected = stylizer(content, style, verbose=0).array
    near = 5e-4 if options.get("method") == "histogram" else 1e-4  # of values next to equal, rounding decides the rank
    np.testing.assert_allclose(graph(content, style, graph.steps), expected, atol=near)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("content", "style"),
    [
        ("neuschwanstein_castle.jpg", "vangogh_cafe_terrace_at_night.png"),
        ("astronaut.png", "vangogh_the_harvest.webp"),
        ("red_panda.jpg", "vangogh_night_cafe.png"),
        ("great_wall_landscape.jpg", "vangogh_church_at_auvers.webp"),
    ],
)
def test_after_100_steps_the_pictures_are_one_to_the_eye(optimizer, content, style):
    stylizer = keras_style.Stylizer(method="gatys", optimizer=optimizer, steps=100, size=256)
    content, style = images.load(EXAMPLES / "content" / content), images.load(EXAMPLES / "style" / style)
    error = stylizer_graph(stylizer)(content, style, 100) - stylizer(content, style, verbose=0).array
    decibels = -10 * np.log10(np.mean(np.square(error)) + 1e-12)
    print(f"{optimizer}: {decibels:.1f} dB")
    assert decibels > 35


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": np.zeros((48, 48, 3))}, "init is an image, which an export cannot start from"),
        ({"style_blend": [1.0, 2.0]}, "style_blend has 2 weights; an export takes one style"),
        ({"optimizer": keras.optimizers.SGD(0.1)}, "the optimizer is SGD as configured; an export runs 'adam'"),
        ({"optimizer": keras.optimizers.Adam(0.1, amsgrad=True)}, "the optimizer is Adam as configured"),
        ({"optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9))}, "a constant"),
        ({"scales": [32, 40]}, "scales are"),
        ({"scales": 3, "steps": 2}, "expected"),
    ],
)
def test_what_a_graph_cannot_do_is_refused_at_once(options, message):
    with pytest.raises(InputError, match=message):
        stylizer_graph(keras_style.Stylizer(**{**OPTIONS, **options}))


# Sizes


@pytest.mark.parametrize(
    ("before", "after"), [((40, 48), (20, 24)), ((41, 57), (100, 31)), ((300, 17), (16, 16)), ((64, 64), (64, 20))]
)
def test_resize_is_that_of_pillow(before, after):
    image = picture(*before, 0)
    got = tf.function(resize_graph.resize, autograph=False)(image, tf.constant(after[0]), tf.constant(after[1]))
    np.testing.assert_allclose(got, images.resize(image, *after), atol=1.2e-7)


def test_sizes_are_rounded_as_in_python():
    fitted = tf.function(resize_graph.fitted_size, autograph=False)
    for height, width, long_side in [(1, 1000, 16), (333, 500, 7), (500, 333, 10_000), (65_535, 3, 9_999), (5, 5, 1)]:
        sides = tuple(int(side) for side in fitted(*map(tf.constant, (height, width, long_side))))
        assert sides == images.fitted_size(height, width, long_side)
