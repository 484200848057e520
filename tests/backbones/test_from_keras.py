"""A backbone of any Keras model: what its layers see, and everything that can be done with a VGG."""

import numpy as np
import pytest

import keras_style
from keras_style import Objective, Stylizer, Term, losses
from keras_style.backbones import from_keras
from keras_style.errors import InputError
from keras_style.images import masks
from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling import memory
from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient, tiling
from keras_style.painting.run_backbone import backbone_digest

L = keras.layers
MOBILE = ["Conv1_relu", "block_2_add", "block_5_add"]


def noise(*size: int, dtype: type = np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((*size, 3)).astype(dtype)


def randomized(model: keras.Model) -> keras.Model:
    """The model with random weights, statistics of normalizations too."""
    random = np.random.default_rng(0)
    for variable in model.variables:
        spread = 1.5 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        value = random.normal(size=variable.shape) * spread
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path or "gamma" in variable.path else value)
    return model


def of_same_padding(x):
    """Strides and pooling whose padding depends on the size, branches, and every kind of convolution."""
    x = first = L.Conv2D(5, 3, 2, "same", activation="relu", name="first")(x)
    x = L.DepthwiseConv2D((3, 5), padding="same", name="depthwise")(x)
    added = L.Add()([L.BatchNormalization()(x), first])
    pooled = L.MaxPooling2D(3, 2, "same")(added)
    wide = L.Conv2D(4, 3, padding="same", dilation_rate=2, activation="tanh")(pooled)
    x = L.Concatenate(name="both")([L.SeparableConv2D(6, 2, padding="same", activation="silu")(pooled), wide])
    return {"first": first, "sum": added, "both": x}


def of_valid_padding(x):
    """No padding but what is said; 3 for a stride; odd windows at the end that are dropped."""
    x = first = L.Conv2D(6, 3, activation="elu", name="first")(x)
    x = L.ZeroPadding2D(((2, 1), (0, 3)))(x)
    x = L.Conv2D(5, 4, 3, activation="leaky_relu", name="third")(x)
    x = L.Cropping2D(((1, 0), (0, 1)))(x)
    return {"first": first, "third": x, "last": L.AveragePooling2D(2, name="last")(L.LayerNormalization()(x))}


def nested(x):
    """A model within a model, and an operator between layers."""
    inner = keras.Sequential(
        [keras.Input((None, None, 6), dtype="float64"), L.Conv2D(4, 5, 2, "same"), L.ReLU()], name="inner"
    )
    x = first = L.Conv2D(6, 3, padding="same", activation="relu", name="first")(x)
    return {"first": first, "inner": inner(x) * 0.5}


NETWORKS = {each.__name__: each for each in (of_same_padding, of_valid_padding, nested)}


def built(make) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        image = keras.Input((None, None, 3), dtype="float64", name="image")
        tapped = make(image)
        named = [L.Activation("linear", name=f"tap_{name}")(tensor) for name, tensor in tapped.items()]
        return randomized(keras.Model(image, named, name=make.__name__))
    finally:
        keras.config.set_dtype_policy(before)


def taps(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if layer.name.startswith("tap_")]


@pytest.fixture(scope="module")
def networks():
    return {name: built(make) for name, make in NETWORKS.items()}


@pytest.fixture(scope="module", params=NETWORKS)
def custom(request, networks):
    """In float64, so that what is equal is so up to its rounding."""
    return from_keras(networks[request.param], taps(networks[request.param]))


@pytest.fixture(scope="module")
def mobile():
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(input_shape=(None, None, 3), alpha=0.35, include_top=False, weights=None)
    return from_keras(network, MOBILE, preprocess=keras.applications.mobilenet_v2.preprocess_input)


@pytest.fixture(scope="module")
def small():
    """Three layers in float32, for whole runs."""
    image = keras.Input((None, None, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="a")(image)
    x = L.Conv2D(6, 3, 2, "same", activation="relu", name="b")(x)
    x = L.Conv2D(8, 3, 2, "same", activation="relu", name="c")(x)
    return from_keras(randomized(keras.Model(image, x, name="small")), ["c", "a", "b"])


# Layers


def test_records_of_a_network_of_keras_applications(mobile):
    assert [(layer.name, layer.channels, layer.stride) for layer in mobile.layers] == [
        ("Conv1_relu", 16, 2),
        ("block_2_add", 8, 4),
        ("block_5_add", 16, 8),
    ]
    features = mobile(noise(1, 61, 50, dtype=np.float32), ["image", *MOBILE])
    for layer in mobile.layers:
        assert features[layer.name].shape == (1, *mobile.shape(layer.name, 61, 50), layer.channels)
    assert features["image"].shape == (1, 61, 50, 3)


def test_features_are_those_of_the_model_in_inference(mobile):
    network = keras.applications.MobileNetV2(input_shape=(None, None, 3), alpha=0.35, include_top=False, weights=None)
    randomized(network)
    backbone = from_keras(network, MOBILE, preprocess=keras.applications.mobilenet_v2.preprocess_input)
    image = noise(2, 40, 33, dtype=np.float32)
    tapped = keras.Model(network.inputs, [network.get_layer(name).output for name in MOBILE])
    expected = tapped(tf.constant(2 * image - 1), training=False)  # as its papers scale images
    for name, maps in zip(MOBILE, expected, strict=True):
        np.testing.assert_allclose(backbone(image, [name])[name], maps, rtol=1e-4, atol=1e-5)


def test_weights_are_frozen(networks):
    model = keras.models.clone_model(networks["nested"])
    backbone = from_keras(model, taps(model))
    image = noise(1, 20, 20)
    before = backbone(image, ["tap_inner"])["tap_inner"]
    model.variables[0].assign(model.variables[0] + 1)
    np.testing.assert_array_equal(backbone(image, ["tap_inner"])["tap_inner"], before)


def test_what_a_position_sees_is_where_its_gradient_is_not_zero(custom):
    for layer in custom.layers:
        for side in range(40, 40 + 2 * layer.stride):
            image = tf.constant(noise(1, side, side + 1))
            with tf.GradientTape() as tape:
                tape.watch(image)
                maps = custom(image, [layer.name])[layer.name]
                row, column = (count // 2 for count in maps.shape[1:3])
                value = tf.reduce_sum(tf.sin(7 * maps[0, row, column]))
            pixels = np.abs(tape.gradient(value, image)[0]).sum(axis=-1)
            for axis, position in ((1, row), (0, column)):
                seen = np.nonzero(pixels.sum(axis=axis))[0]
                own = position * layer.stride
                assert own - layer.reach <= seen[0] and seen[-1] <= own + layer.stride - 1 + layer.reach


def test_reach_is_no_larger_than_it_has_to_be():
    """By hand: 2 pixels beyond one's own by 5 x 5; from there 1 more to the left, and none beyond the second own."""
    image = keras.Input((None, None, 3))
    x = L.Conv2D(2, 5, padding="same", name="a")(image)
    x = L.Conv2D(2, 3, 2, "valid", name="b")(L.ZeroPadding2D(1)(x))
    backbone = from_keras(keras.Model(image, x), ["a", "b"])
    assert [(layer.reach, layer.offset) for layer in backbone.layers] == [(2, 0), (3, 0)]


def test_positions_without_padding_lie_in_the_middle_of_what_they_see():
    image = x = keras.Input((None, None, 3))
    for _ in range(3):
        x = L.Conv2D(2, 3)(x)
    backbone = from_keras(keras.Model(image, L.ReLU(name="last")(x)), {"mine": "last"})
    (layer,) = backbone.layers
    assert (layer.name, layer.offset, backbone.shape("mine", 20, 17)) == ("mine", 3, (14, 11))
    mask = np.random.default_rng(0).random((20, 17)).astype(np.float32)
    np.testing.assert_array_equal(masks.at_layer(mask, 1, (14, 11), layer.offset), mask[3:-3, 3:-3])


def test_masks_reach_every_position_of_a_layer_that_rounds_up(small):
    mask = np.arange(7 * 5, dtype=np.float32).reshape(7, 5)
    at = masks.at_layer(mask, 2, small.shape("b", 7, 5))
    assert at.shape == (4, 3)
    assert at[0, 0] == mask[:2, :2].mean() and at[3, 2] == mask[6, 4]


# Tiles


def of_both(objective, backbone, tile, images, targets):
    evaluations = (
        losses_and_gradient(objective.bind(backbone, targets), images.shape, images.dtype),
        tiled_losses_and_gradient(objective, backbone, tile, images.shape, images.dtype, targets),
    )
    for evaluate in evaluations:
        values, gradient = evaluate(tf.constant(images), 1)
        yield {name: float(value) for name, value in values.items()}, gradient.numpy()


@pytest.mark.parametrize("excess", [0, pytest.param(1, marks=pytest.mark.integration)])
def test_tiles_have_the_gradient_of_the_whole(custom, excess):
    """At even and odd sizes, which strides with padding meet in other places."""
    names = [layer.name for layer in custom.layers]
    content = Term(losses.ContentLoss(), names[0], 1.0, "content", relative=True)
    objective = Objective([content, *(Term(losses.GramLoss(), name, 1.0, "style", relative=True) for name in names)])
    smallest = tiling(objective, custom, 10**6).smallest
    height, width = smallest + 8 + excess, 2 * smallest + 5
    images, photograph, style = (noise(1, *size, seed=seed) for seed, size in enumerate([(height, width)] * 3))
    assert len(list(tiling(objective, custom, smallest)(height, width))) > 2
    (values, gradient), tiled = of_both(objective, custom, smallest, images, Targets(photograph, [style], edge=1))
    assert tiled[0] == pytest.approx(values, rel=1e-11)
    assert np.linalg.norm(tiled[1] - gradient) <= 1e-11 * np.linalg.norm(gradient)


@pytest.mark.integration
def test_tiles_of_a_network_of_keras_applications(mobile):
    objective = Objective([Term(losses.GramLoss(), name, 1.0, "style", relative=True) for name in MOBILE])
    images, style = noise(1, 150, 121, dtype=np.float32), noise(1, 90, 101, dtype=np.float32, seed=1)
    tile = tiling(objective, mobile, 10**6).smallest
    assert tile < 90
    (values, gradient), tiled = of_both(objective, mobile, tile, images, Targets(style=[style]))
    assert tiled[0] == pytest.approx(values, rel=1e-5)
    assert np.linalg.norm(tiled[1] - gradient) <= 1e-5 * np.linalg.norm(gradient)


class Mystery(L.Layer):
    """A layer of a user's own: it may see anything."""

    def call(self, x):
        return x


def scaled_by_the_mean(x):
    return L.Multiply()([x, L.GlobalAveragePooling2D(keepdims=True, name="everywhere")(x)])


OBSTACLES = {
    "everywhere": scaled_by_the_mean,
    "mystery": Mystery(name="mystery"),
    "by_groups": L.GroupNormalization(2, name="by_groups"),
    "over_rows": L.LayerNormalization(axis=[1, 2, 3], name="over_rows")
    if False
    else L.UnitNormalization(1, name="over_rows"),
    "larger": L.UpSampling2D(name="larger"),
    "own_function": L.Activation(lambda x: x - tf.reduce_mean(x), name="own_function"),
    "own_inside": L.Conv2D(4, 1, activation=lambda x: x - tf.reduce_mean(x), name="own_inside"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_layers_that_may_see_the_whole_image_are_named_where_tiles_are_asked_for(name):
    image = keras.Input((None, None, 3))
    x = L.Conv2D(4, 3, 2, "same", activation="relu", name="before")(image)
    x = L.Conv2D(4, 3, 1, "same", name="after")(OBSTACLES[name](x))
    backbone = from_keras(keras.Model(image, x, name="net"), ["before", "after"])
    before, after = backbone.layers
    assert (before.reach, before.obstacle, after.reach, after.obstacle) == (1, "", None, name)
    whole = Objective([Term(losses.GramLoss(), "after", target="style")])
    with pytest.raises(InputError, match=f"tile with after of net, whose layer {name} may see the whole image"):
        keras_style.ImageOptimizer(backbone, whole, tile=64)
    keras_style.ImageOptimizer(backbone, Objective([Term(losses.GramLoss(), "before", target="style")]), tile=64)
    picture = noise(20, 20, dtype=np.float32)
    assert keras_style.ImageOptimizer(backbone, whole).minimize(picture, style=picture, steps=1).image.shape == (
        20,
        20,
        3,
    )


# Runs


@pytest.fixture(scope="module")
def pictures():
    return noise(24, 20, dtype=np.float32), noise(21, 26, dtype=np.float32, seed=1)


def run(backbone, pictures, **options):
    options = {"size": 24, "steps": 2, "scales": 1, "verbose": 0, **options}
    return keras_style.transfer(*pictures, backbone=backbone, **options)


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(each, marks=[] if each == "gatys" else pytest.mark.integration)
        for each in keras_style.methods()
        if each != "painter"  # which takes no optimizer
    ],
)
def test_every_method_runs(method, small, pictures):
    result = run(small, pictures, method=method, optimizer="adam")
    assert result.array.shape == (24, 20, 3)
    assert np.isfinite(result.history["loss"]).all() and result.history["style"][0] != 0
    assert np.abs(result.array - pictures[0]).max() > 1e-3


def test_layers_are_all_for_style_and_the_deepest_for_content(small, pictures):
    settings = run(small, pictures).settings
    assert list(settings["style_layers"]) == ["a", "b", "c"]
    weights = list(settings["style_layers"].values())
    assert weights == sorted(weights, reverse=True) and weights[0] > weights[-1]
    assert settings["content_layers"] == {"c": 1.0}
    assert (settings["backbone"], settings["pooling"]) == ("small", None)
    chosen = run(small, pictures, style_layers=["b"], content_layers=["a"]).settings
    assert chosen["content_layers"] == {"a": 1.0} and list(chosen["style_layers"]) == ["b"]
    (histograms,) = (
        variant.histogram_layers for _, variant, _ in Stylizer(method="histogram", backbone=small)._blend.parts
    )
    assert list(histograms) == ["a", "c"]


@pytest.mark.parametrize("variant", ["paper", "reference"])
def test_variants_and_lbfgs(small, pictures, variant):
    result = run(small, pictures, variant=variant, optimizer="lbfgs", steps=3)
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_a_normalized_network_has_mean_activations_of_one(small, pictures):
    means = small.normalized(pictures).mean_activations(pictures)
    assert means == pytest.approx(dict.fromkeys("abc", 1.0), rel=1e-5)


def test_a_texture(small, pictures):
    result = keras_style.synthesize_texture(pictures[0], (20, 28), backbone=small, steps=2, scales=1, verbose=0)
    assert result.array.shape == (20, 28, 3)
    assert result.settings["style_layers"] == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_regions_are_those_of_the_features(small):
    """Halves at a multiple of the stride: the loss of each region is that of the features on its side."""
    image, style = noise(1, 16, 24, dtype=np.float32), noise(1, 12, 16, dtype=np.float32, seed=1)
    regions = [
        {name: np.where((np.arange(width) < cut) == left, 1.0, 0.0) * np.ones((height, 1)) for name, left in sides}
        for height, width, cut in ((16, 24, 8), (12, 16, 12))
        for sides in [(("left", True), ("right", False))]
    ]
    loss = losses.GramLoss()
    objective = Objective([Term(loss, "c", 1.0, "style")])
    bound = objective.bind(small, Targets(None, [style], None, regions[0], [regions[1]]))
    mine, other = (small(each, ["c"])["c"] for each in (image, style))
    expected = loss(other[:, :, :3], mine[:, :, :2]) * 8 / 24 + loss(other[:, :, 3:], mine[:, :, 2:]) * 16 / 24
    assert float(bound(image)["style"]) == pytest.approx(float(expected), rel=1e-5)


def test_masks_and_several_styles(small, pictures):
    content, style = ({"a": np.ones((len(each), 1)) * (np.arange(each.shape[1]) < 10)} for each in pictures)
    result = run(small, (pictures[0], [pictures[1]] * 2), content_masks=content, style_masks=[style, style])
    assert result.settings["regions"]


@pytest.mark.integration
def test_a_tile_is_the_same_picture(small, pictures):
    whole, tiled = (run(small, pictures, optimizer="adam", tile=tile).array for tile in (None, 20))
    np.testing.assert_allclose(tiled, whole, atol=1e-3)
    with pytest.raises(InputError, match="tile is 5; expected at least"):
        run(small, pictures, tile=5)


def test_pictures_that_are_too_small_for_a_layer_are_refused(pictures):
    image = keras.Input((None, None, 3))
    backbone = from_keras(keras.Model(image, L.Conv2D(4, 31, name="wide")(image), name="net"), ["wide"])
    with pytest.raises(InputError, match="net: nothing is left of 24 x 19 pixels at layer wide; expected a larger"):
        run(backbone, pictures, method="mmd_linear", tv_weight=0.0)


# Memory


def test_the_estimate_of_memory_grows_with_the_picture_and_knows_the_smallest_tile(small, mobile, monkeypatch, capsys):
    def work(side, backbone):
        names = [layer.name for layer in backbone.layers]
        return memory.Work(side, side, [(side, side)], backbone.computed(names), names[-1:], names[:1])

    for backbone in (small, mobile):
        amounts = [memory.estimate(work(side, backbone), None) for side in (64, 512, 2048)]
        assert 0 < amounts[0] < amounts[1] < amounts[2]
        assert memory.estimate(work(4096, backbone), 256) < memory.estimate(work(4096, backbone), None)
    # At least the features of every layer, in float32.
    kept = memory.estimate(work(2048, mobile), None) - memory.estimate(work(1024, mobile), None)
    assert kept > 4 * sum(layer.density for layer in mobile.layers) * (2048**2 - 1024**2)
    monkeypatch.setattr(memory, "available", lambda: 0.0)
    with pytest.raises(InputError, match=r"take an estimated .* even in tiles of 192"):
        Stylizer(backbone=small)(noise(40, 40), noise(40, 40))


def test_what_does_not_fit_and_cannot_be_tiled_is_refused(monkeypatch, pictures):
    image = keras.Input((None, None, 3))
    x = scaled_by_the_mean(L.Conv2D(4, 3, name="first")(image))
    backbone = from_keras(keras.Model(image, L.ReLU(name="last")(x)), ["first", "last"])
    monkeypatch.setattr(memory, "available", lambda: 0.0)
    monkeypatch.setattr(memory, "_LITTLE", 0.0)
    with pytest.raises(InputError, match=r"of memory, and 0\.0 GB are available; expected a smaller size"):
        run(backbone, pictures)


# Export


@pytest.mark.integration
def test_an_export_gives_the_picture_of_python(small, pictures, tmp_path):
    """The network is normalized: its features are scaled when the graph runs."""
    stylizer = Stylizer(backbone=small, variant="paper", optimizer="adam", size=24, steps=2)
    version = keras_style.export_saved_model(stylizer, tmp_path / "small", warmup=False)
    loaded = tf.saved_model.load(version)
    content, style = (tf.constant(each[None]) for each in pictures)
    got = loaded.signatures["serving_default"](content=content, style=style, steps=tf.constant(2))["image"][0]
    expected = stylizer(*pictures, verbose=0).array
    np.testing.assert_allclose(got, expected, atol=1e-4)


# Refusals


def test_pooling_is_refused(small, pictures):
    with pytest.raises(InputError, match="pooling is 'average' with the backbone small, which has its own"):
        run(small, pictures, pooling="average")
    with pytest.raises(InputError, match="pooling is 'max' with the backbone small"):
        keras_style.synthesize_texture(pictures[0], backbone=small, pooling="max")


def test_unknown_layers_are_refused(small, pictures):
    with pytest.raises(InputError, match="content_layers: unknown 'block4_conv2'; expected some of a, b, c"):
        run(small, pictures, content_layers=["block4_conv2"])
    with pytest.raises(InputError, match="small has no layer 'd'; expected some of image, a, b, c"):
        small(pictures[0][None], ["a", "d"])


def dense():
    image = keras.Input((None, None, 3))
    x = L.Conv2D(4, 3, name="maps")(image)
    resized = L.Resizing(8, 8, name="resized")(x)
    return keras.Model(image, L.Dense(2, name="numbers")(L.GlobalAveragePooling2D()(resized)), name="dense")


@pytest.mark.parametrize(
    ("make", "layers", "text"),
    [
        (lambda: "mobilenet", ["a"], "model is of type str; expected a keras.Model"),
        (lambda: keras.Sequential([L.Conv2D(2, 3)]), ["conv"], "has no graph of layers; expected a functional"),
        (lambda: keras.Sequential([keras.Input((32, 32, 3)), L.Conv2D(2, 3)]), ["a"], r"takes \(None, 32, 32, 3\)"),
        (lambda: keras.Sequential([keras.Input((None, None, 1)), L.Conv2D(2, 3)]), ["a"], "None, 1"),
        (dense, [], r"layers is \[\]; expected a list"),
        (dense, "maps", "layers is 'maps'; expected a list"),
        (dense, ["maps", "maps"], "expected each layer once"),
        (dense, {"image": "maps"}, "none called 'image'"),
        (dense, ["map"], "dense has no layer 'map'; expected some of .*maps, resized"),
        (dense, ["numbers"], r"layer numbers gives \(None, 2\); expected \(B, H, W, channels\)"),
        (dense, ["resized"], r"layer resized gives \(None, 8, 8, 4\)"),
        (
            lambda: keras.Sequential([keras.Input((None, None, 3)), L.UpSampling2D(name="up")]),
            ["up"],
            "layer up has 2048 x 2048 positions for 1024 x 1024 pixels",
        ),
        (
            lambda: keras.Sequential([keras.Input((None, None, 3)), L.MaxPooling2D((2, 1), name="flat")]),
            ["flat"],
            "layer flat has 512 x 1024 positions",
        ),
    ],
)
def test_what_is_no_network_of_feature_maps_is_refused(make, layers, text):
    with pytest.raises(InputError, match=text):
        from_keras(make(), layers)


def test_a_checkpoint_knows_the_weights(networks):
    model = networks["nested"]
    first = backbone_digest(from_keras(model, taps(model)))
    assert first == backbone_digest(from_keras(model, taps(model))) and first.startswith("nested ")
    changed = keras.models.clone_model(model)
    assert backbone_digest(from_keras(changed, taps(changed))) != first
