"""The objective: a weighted sum of losses on layers, its gradient, and what it refuses."""

import numpy as np
import pytest
from oracles import gradients, vgg
from oracles import losses as oracle

from keras_style import backbones
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import ContentLoss, GramLoss, MMDLoss, SlicedWassersteinLoss, TotalVariationLoss
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.targets import Targets
from keras_style.painting import methods

CONTENT_LAYER, STYLE_LAYERS = "block2_conv2", ("block1_conv1", "block3_conv1")
TERMS = [
    Term(ContentLoss("paper"), CONTENT_LAYER, 1e-3, "content"),
    *(Term(GramLoss("paper"), layer, 0.5, "style") for layer in STYLE_LAYERS),
    Term(TotalVariationLoss(), "image", 7.0, name="total_variation"),
]
STEP = 1e-8  # of differences: small, because a ReLU that switches within it would show


@pytest.fixture(scope="module")
def images():
    """An image, a content and two styles of different sizes, float64."""
    random = np.random.default_rng(0)
    return {
        "image": random.random((20, 18, 3)),
        "content": random.random((20, 18, 3)),
        "style": random.random((17, 22, 3)),
        "other style": random.random((24, 16, 3)),
    }


@pytest.fixture(scope="module")
def average():
    return backbones.get("vgg16_imagenet", pooling="average")


def values(objective: Objective, backbone, images, styles=("style",), blend=None) -> dict[str, float]:
    """The terms at "image", in float64."""
    losses = objective.bind(backbone, Targets(images["content"][None], [images[name][None] for name in styles], blend))
    return {name: float(value) for name, value in losses(tf.constant(images["image"][None])).items()}


def style_only(**changes) -> Objective:
    return Objective([Term(GramLoss(), layer, 0.5, "style", **changes) for layer in STYLE_LAYERS])


# Value


def test_value_is_the_sum_written_out(backbone, images):
    maps = {name: vgg.forward(image, backbone.kernels, "max") for name, image in images.items()}
    expected = {
        "content": 1e-3 * oracle.content(maps["image"][CONTENT_LAYER], maps["content"][CONTENT_LAYER]),
        "style": sum(
            0.5 * oracle.mse_of_gram_over_positions(maps["image"][layer], maps["style"][layer]) / 4
            for layer in STYLE_LAYERS
        ),
        "total_variation": 7 * oracle.total_variation(images["image"], 2),
    }
    assert values(Objective(TERMS), backbone, images) == pytest.approx(expected, rel=1e-9)


def test_several_styles_blend_their_gram_matrices(backbone, images):
    layer = STYLE_LAYERS[1]
    maps = {name: vgg.forward(image, backbone.kernels, "max")[layer] for name, image in images.items()}
    grams = {name: oracle.gram(features) / np.prod(features.shape[:2]) for name, features in maps.items()}
    target = 0.2 * grams["style"] + 0.8 * grams["other style"]
    objective = Objective([Term(GramLoss("gatys_pytorch"), layer, 3.0, "style")])
    value = values(objective, backbone, images, ("style", "other style"), [0.2, 0.8])
    assert value == pytest.approx({"style": 3 * ((grams["image"] - target) ** 2).mean()}, rel=1e-9)


def test_styles_weigh_the_same_by_default(backbone, images):
    both = ("style", "other style")
    default = values(style_only(), backbone, images, both)
    assert default == pytest.approx(values(style_only(), backbone, images, both, [0.5, 0.5]), rel=1e-12)
    assert default != pytest.approx(values(style_only(), backbone, images, both, [0.4, 0.6]), rel=1e-6)


def test_style_that_weighs_nothing_does_not_count(backbone, images):
    blended = values(style_only(), backbone, images, ("style", "other style"), [1.0, 0.0])
    assert blended == pytest.approx(values(style_only(), backbone, images), rel=1e-9)


def test_batch_is_averaged(backbone, images):
    losses = Objective(TERMS).bind(backbone, Targets(images["content"][None], [images["style"][None]]))
    one, other = images["image"][None], images["content"][None]
    together = losses(tf.constant(np.concatenate([one, other])))
    for name, value in together.items():
        assert float(value) == pytest.approx((losses(tf.constant(one))[name] + losses(tf.constant(other))[name]) / 2)


# Relative terms


def test_relative_terms_do_not_depend_on_the_scale_of_the_network(backbone, images):
    terms = [
        Term(ContentLoss(), CONTENT_LAYER, 1.0, "content", relative=True),
        *(Term(GramLoss(), layer, 1.0, "style", relative=True) for layer in STYLE_LAYERS),
    ]
    rescaled = backbone.normalized([images["content"]])
    expected = values(Objective(terms), backbone, images)
    assert values(Objective(terms), rescaled, images) == pytest.approx(expected, rel=1e-5)
    assert (
        values(Objective(TERMS), rescaled, images)["style"] < 0.1 * values(Objective(TERMS), backbone, images)["style"]
    )


def test_relative_term_is_one_for_features_of_zero(images):
    objective = Objective([Term(ContentLoss("sum"), "image", 2.5, "content", relative=True)])
    losses = objective.bind(backbones.get("vgg16_imagenet"), Targets(images["content"][None]))
    assert float(losses(tf.zeros([1, 20, 18, 3], tf.float64))["content"]) == pytest.approx(2.5, rel=1e-12)


def test_relative_term_of_a_black_target_keeps_its_weight(backbone):
    objective = Objective([Term(ContentLoss("mean"), "image", 2.0, "content", relative=True)])
    losses = objective.bind(backbone, Targets(np.zeros((1, 16, 16, 3))))
    assert float(losses(tf.fill([1, 16, 16, 3], tf.constant(0.5, tf.float64)))["content"]) == pytest.approx(0.5)


# Gradient


def test_gradient_is_that_of_central_differences(average, images):
    terms = [
        Term(ContentLoss(), CONTENT_LAYER, 1.0, "content", relative=True),
        Term(ContentLoss("paper"), "block2_conv1", 1e-3, "content"),
        *(Term(GramLoss(), layer, 1.0, "style", relative=True) for layer in STYLE_LAYERS),
        Term(GramLoss(), "block2_conv1", 1e-6, "style"),
        Term(TotalVariationLoss(), "image", 1.0),
    ]
    styles = [images["style"][None], images["other style"][None]]
    losses = Objective(terms).bind(average, Targets(images["content"][None], styles, [0.3, 0.7]))

    @tf.function(input_signature=[tf.TensorSpec([20, 18, 3], tf.float64)])
    def total(image):
        return tf.add_n(list(losses(image[None]).values()))

    image = tf.Variable(images["image"])
    with tf.GradientTape() as tape:
        value = total(image)
    gradient = tape.gradient(value, image).numpy()

    random = np.random.default_rng(1)
    directions = [random.normal(size=image.shape) for _ in range(4)]
    for pixel in [(0, 0, 0), (19, 17, 2), (7, 11, 1), (12, 3, 0)]:
        directions.append(np.zeros(image.shape))
        directions[-1][pixel] = 1
    slopes = gradients.along(gradients.one_by_one(total), images["image"], np.stack(directions), h=STEP)
    for direction, expected in zip(directions, slopes, strict=True):
        rounding = 1e-7 * float(value)  # what is left of it in a difference over so small a step
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-5, abs=rounding)


def test_gradient_with_max_pooling_is_that_of_central_differences(backbone, images):
    losses = Objective(TERMS).bind(backbone, Targets(images["content"][None], [images["style"][None]]))
    image = tf.Variable(images["image"][None])
    with tf.GradientTape() as tape:
        value = tf.add_n(list(losses(image).values()))
    direction = np.random.default_rng(1).normal(size=images["image"].shape)
    summed = gradients.one_by_one(lambda point: sum(map(float, losses(tf.constant(point[None])).values())))
    [expected] = gradients.along(summed, images["image"], direction[None], h=STEP)
    assert np.vdot(tape.gradient(value, image), direction) == pytest.approx(expected, rel=1e-5)


def test_gradient_of_all_smooth_methods_together_is_that_of_central_differences(average):
    """The others hold a map, a range or a bandwidth constant in their gradient: see the tests of their losses."""
    image, content, style = np.random.default_rng(0).random((3, 32, 32, 3))
    smooth = ("photo", "mmd_linear", "mmd_poly", "moments", "gaussian_kl", "gaussian_renyi")
    shallow = {"content_layers": {CONTENT_LAYER: 1.0}, "style_layers": dict.fromkeys(STYLE_LAYERS, 1.0)}
    terms = methods.blend(dict.fromkeys(smooth, 1), "default").with_numbers(shallow).terms()
    losses = Objective(terms).bind(average, Targets(content[None], [style[None]]))

    @tf.function(input_signature=[tf.TensorSpec([32, 32, 3], tf.float64)], autograph=False)
    def value_and_gradient(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.add_n(list(losses(image[None]).values()))
        return value, tape.gradient(value, image)

    value, gradient = value_and_gradient(tf.constant(image))
    random = np.random.default_rng(1)
    directions = random.normal(size=(2, *image.shape))
    slopes = gradients.along(
        gradients.one_by_one(lambda point: value_and_gradient(point)[0]), image, directions, h=STEP
    )
    for direction, expected in zip(directions, slopes, strict=True):
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-4, abs=1e-7 * float(value))


@pytest.mark.parametrize("method", [name for name in methods.METHODS if name != "photo"])
def test_every_method_descends_along_its_gradient(backbone, photograph, painting, method):
    content, style = (np.ascontiguousarray(each[:32, :32])[None] for each in (photograph, painting))
    shallow = {"content_layers": {"block2_conv1": 1.0}, "style_layers": dict.fromkeys(STYLE_LAYERS, 1.0)}
    blend = methods.blend(method, "default")
    if blend.variant.histogram_layers:
        shallow["histogram_layers"] = {"block1_conv1": 1.0}
    losses = Objective(blend.with_numbers(shallow).terms()).bind(backbone, Targets(content, [style]))

    @tf.function(autograph=False)
    def value_and_gradient(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.add_n(list(losses(image, 1).values()))
        return value, tape.gradient(value, image)

    start = tf.constant(0.5 * content + 0.25)
    value, gradient = value_and_gradient(start)
    assert np.isfinite(gradient).all()
    step = 1e-3 / tf.reduce_max(tf.abs(gradient))  # of values of 2, 1e-4 is lost in the rounding of float32
    assert value_and_gradient(start - step * gradient)[0] < value


# Random losses


@pytest.mark.parametrize("loss", [MMDLoss("gaussian"), SlicedWassersteinLoss(4)], ids=lambda loss: loss.name)
def test_random_losses_draw_by_the_step(backbone, images, loss):
    bound = Objective([Term(loss, "block1_conv1", 2.0, "style")]).bind(backbone, Targets(None, [images["style"][None]]))
    image = tf.constant(images["image"][None])
    values = [float(bound(image, step)["style"]) for step in (0, 1, 2, 1)]
    assert len(set(values)) == 3
    assert values[1] == values[3]
    assert float(bound(image)["style"]) == values[0]
    maps = [backbone(tf.constant(images[name][None]), ["block1_conv1"])["block1_conv1"] for name in ("style", "image")]
    drawn = loss.redrawn(2)
    expected = 2 * float(drawn.distance(*(drawn.statistics(features) for features in maps))[0])
    assert values[2] == pytest.approx(expected, rel=1e-9)


# Passes


def test_terms_take_part_from_their_pass_on():
    terms = [Term(GramLoss(), "image", 1.0, "style"), Term(TotalVariationLoss(), "image", 1.0, from_pass=2)]
    objective = Objective([*terms, Term(ContentLoss(), "image", 1.0, "content", from_pass=3)])
    assert [objective.in_pass(number).names for number in (1, 2, 3, 4)] == [
        ("style",),
        ("style", "total_variation_loss"),
        objective.names,
        objective.names,
    ]


def test_pass_without_any_term_is_refused():
    objective = Objective([Term(TotalVariationLoss(), "image", 1.0, from_pass=2)])
    with pytest.raises(InputError, match="needs a term with a weight above 0"):
        objective.in_pass(1)


def test_terms_of_an_earlier_pass_are_what_they_were(backbone, images):
    later = [*TERMS[:3], Term(TotalVariationLoss(), "image", 7.0, name="total_variation", from_pass=2)]
    first = values(Objective(later).in_pass(1), backbone, images)
    whole = values(Objective(TERMS), backbone, images)
    assert first == {name: value for name, value in whole.items() if name != "total_variation"}
    assert values(Objective(later).in_pass(2), backbone, images) == whole


# Terms


def test_names_are_those_of_targets_and_losses(backbone, images):
    terms = [
        Term(GramLoss(), "block1_conv1", target="style"),
        Term(ContentLoss(), "block1_conv2", target="content"),
        Term(GramLoss(), "block1_conv2", target="style"),
        Term(TotalVariationLoss(), "image"),
        Term(TotalVariationLoss(1), "image", name="edges"),
    ]
    objective = Objective(terms)
    assert objective.names == ("style", "content", "total_variation_loss", "edges")
    assert tuple(values(objective, backbone, images)) == objective.names


def test_terms_of_one_name_are_added(backbone, images):
    apart = Objective([Term(GramLoss(), layer, 0.5, "style", name=layer) for layer in STYLE_LAYERS])
    summed = values(style_only(), backbone, images)
    assert summed == pytest.approx({"style": sum(values(apart, backbone, images).values())}, rel=1e-12)


def test_term_of_weight_zero_is_left_out(backbone, images):
    objective = Objective([*TERMS[:1], Term(GramLoss(), "no such layer", 0.0, "style")])
    assert objective.names == ("content",)
    assert list(values(objective, backbone, images, styles=())) == ["content"]


@pytest.mark.parametrize("weight", [-1e-9, float("nan"), float("inf"), "3", None])
def test_bad_weight_is_named(weight):
    with pytest.raises(InputError, match=f"weight of gram_loss on block1_conv1 is {weight!r}; expected a number"):
        Term(GramLoss(), "block1_conv1", weight, "style")


def test_bad_target_is_named():
    with pytest.raises(InputError, match="target is 'painting'; expected one of 'content', 'style', None"):
        Term(GramLoss(), "block1_conv1", target="painting")


@pytest.mark.parametrize("terms", [[], [Term(GramLoss(), "block1_conv1", 0.0, "style")]])
def test_objective_without_a_weight_above_zero_is_refused(terms):
    with pytest.raises(InputError, match=f"needs a term with a weight above 0; got {len(terms)} of weight 0"):
        Objective(terms)


def test_missing_style_is_named(backbone, images):
    with pytest.raises(InputError, match="compares with the style image; none was given"):
        Objective(TERMS).bind(backbone, Targets(images["content"][None]))


def test_missing_content_is_named(backbone, images):
    with pytest.raises(InputError, match="compares with the content image; none was given"):
        Objective(TERMS).bind(backbone, Targets(None, [images["style"][None]]))


def test_images_that_no_term_compares_with_are_not_needed(backbone):
    losses = Objective([Term(TotalVariationLoss(), "image")]).bind(backbone, Targets())
    assert float(losses(tf.ones([1, 4, 4, 3]))["total_variation_loss"]) == 0


def test_unknown_layer_is_named(backbone, images):
    with pytest.raises(InputError, match="has no layer 'block9_conv1'"):
        Objective([Term(GramLoss(), "block9_conv1", 1.0, "style")]).bind(
            backbone, Targets(None, [images["style"][None]])
        )


def test_another_number_of_shares_than_styles_is_refused(backbone, images):
    styles = [images["style"][None], images["other style"][None]]
    with pytest.raises(InputError, match="blend"):
        style_only().bind(backbone, Targets(None, styles, [1.0]))
