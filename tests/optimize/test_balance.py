"""Balance by gradient: what reaches the feature maps of each term has a length of its own choosing."""

import numpy as np
import pytest

from keras_style import Stylizer
from keras_style.backbones import Backbone, Layer
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import ContentLoss, GramLoss, HistogramLoss, TotalVariationLoss
from keras_style.optimize.image_optimizer import ImageOptimizer
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.targets import Targets


class Linear(Backbone):
    """A stand-in for a network: each layer a matrix on the colors, so that gradients can be carried back by hand."""

    def __init__(self, **matrices: np.ndarray):
        self.name = "linear"
        self.matrices = matrices
        self.layers = tuple(Layer(name, matrix.shape[1], 1, 0) for name, matrix in matrices.items())

    def __call__(self, images, layers):
        return {layer: images if layer == "image" else tf.matmul(images, self.matrices[layer]) for layer in set(layers)}


@pytest.fixture(scope="module")
def network():
    random = np.random.default_rng(0)
    return Linear(first=random.normal(size=(3, 5)), second=random.normal(size=(3, 4)))


@pytest.fixture(scope="module")
def images():
    return dict(zip(("image", "content", "style"), np.random.default_rng(1).random((3, 8, 9, 3)), strict=True))


def gradient(objective: Objective, network, images, image: np.ndarray | None = None, **regions) -> np.ndarray:
    losses = objective.bind(network, Targets(images["content"][None], [images["style"][None]], **regions))
    variable = tf.Variable((images["image"] if image is None else image)[None])
    with tf.GradientTape() as tape:
        total = tf.add_n(list(losses(variable).values()))
    return tape.gradient(total, variable).numpy()[0]


def pulled(raw: np.ndarray, features: np.ndarray, weight: float) -> np.ndarray:
    return raw * weight / (np.sqrt((raw**2).sum()) * np.sqrt((features**2).mean()))


TERMS = [
    Term(ContentLoss("sum"), "first", 3.0, "content"),
    Term(ContentLoss("sum"), "second", 0.5, "content"),
    Term(ContentLoss("mean"), "image", 7.0, "content"),
]


def test_every_term_pulls_by_its_weight_over_the_rms_of_its_features(network, images):
    expected = np.zeros((8, 9, 3))
    for layer, matrix, weight in (
        ("first", network.matrices["first"], 3.0),
        ("second", network.matrices["second"], 0.5),
        ("image", np.eye(3), 7.0),
    ):
        features, target = images["image"] @ matrix, images["content"] @ matrix
        step = pulled(2 * (features - target), features, weight)
        assert np.sqrt((step**2).sum()) == pytest.approx(weight / np.sqrt((features**2).mean())), layer
        expected += step @ matrix.T
    got = gradient(Objective(TERMS, balance="gradient"), network, images)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_units_of_a_loss_do_not_count(network, images):
    expected = gradient(Objective(TERMS, balance="gradient"), network, images)
    pairs = zip(("paper", "mean", "sum"), TERMS, strict=True)
    other = [Term(ContentLoss(name), term.layer, term.weight, "content") for name, term in pairs]
    np.testing.assert_allclose(gradient(Objective(other, "gradient"), network, images), expected, rtol=1e-9)


def test_relative_terms_pull_as_others_do(network, images):
    relative = [Term(term.loss, term.layer, term.weight, "content", relative=True) for term in TERMS]
    expected = gradient(Objective(TERMS, "gradient"), network, images)
    np.testing.assert_allclose(gradient(Objective(relative, "gradient"), network, images), expected, rtol=1e-9)


def test_values_are_those_without_balance(network, images):
    bound = [
        Objective(TERMS, balance).bind(network, Targets(images["content"][None]))(tf.constant(images["image"][None]))
        for balance in (None, "gradient")
    ]
    assert {name: float(value) for name, value in bound[0].items()} == {
        name: float(value) for name, value in bound[1].items()
    }


def test_gradient_of_zero_stays_zero(network, images):
    got = gradient(Objective(TERMS, "gradient"), network, images, image=images["content"])
    assert (got == 0).all()


def test_features_of_zero_have_no_say(network, images):
    black = gradient(Objective(TERMS[:1], "gradient"), network, images, image=np.zeros((8, 9, 3)))
    assert (black == 0).all()


def test_terms_of_one_layer_are_balanced_apart(network, images):
    style = [Term(GramLoss(), "first", 2.0, "style"), Term(HistogramLoss(), "first", 1.0, "style")]
    apart = [gradient(Objective([term], "gradient"), network, images) for term in style]
    together = gradient(Objective(style, "gradient"), network, images)
    np.testing.assert_allclose(together, apart[0] + apart[1], rtol=1e-9, atol=1e-12)
    features = images["image"] @ network.matrices["first"]
    shortest = np.linalg.lstsq(network.matrices["first"], apart[0].reshape(-1, 3).T, rcond=None)[0]
    length = 2.0 / np.sqrt((features**2).mean())
    assert np.linalg.norm(shortest) <= length * (1 + 1e-9)  # the shortest of all that lead to these pixels


def test_every_sample_of_a_batch_is_balanced_by_itself(network, images):
    losses = Objective(TERMS, "gradient").bind(network, Targets(images["content"][None]))
    batch = tf.Variable(np.stack([images["image"], images["style"]]))
    with tf.GradientTape() as tape:
        total = tf.add_n(list(losses(batch).values()))
    expected = [gradient(Objective(TERMS, "gradient"), network, images, images[name]) for name in ("image", "style")]
    np.testing.assert_allclose(tape.gradient(total, batch), expected, rtol=1e-9, atol=1e-12)


def test_regions_pull_by_their_share_of_the_image(network, images):
    left = np.broadcast_to(np.arange(9) < 3, (8, 9)).astype(np.float32)
    regions = {"left": left, "right": 1 - left}
    term = Term(GramLoss(), "image", 6.0, "style")
    got = gradient(Objective([term], "gradient"), network, images, content_regions=regions, style_regions=[regions])
    rms = np.sqrt((images["image"] ** 2).mean())
    assert np.linalg.norm(got[:, :3]) == pytest.approx(6.0 / 3 / rms, rel=1e-6)
    assert np.linalg.norm(got[:, 3:]) == pytest.approx(6.0 * 2 / 3 / rms, rel=1e-6)


def test_black_pixels_without_roughness_are_finite(network, images):
    terms = [*TERMS, Term(TotalVariationLoss(), "image", 1.0)]
    assert np.isfinite(gradient(Objective(terms, "gradient"), network, images, np.zeros((8, 9, 3)))).all()


def test_passes_keep_the_balance(network, images):
    assert Objective(TERMS, "gradient").in_pass(1).balance == "gradient"


# What it is not for


def test_lbfgs_is_refused(backbone):
    with pytest.raises(InputError, match="balance='gradient' with L-BFGS; expected 'adam' or a Keras optimizer"):
        ImageOptimizer(backbone, Objective(TERMS, "gradient"), "lbfgs")
    with pytest.raises(InputError, match="balance with the optimizer 'lbfgs'; expected 'adam' or a Keras optimizer"):
        Stylizer(balance="gradient", optimizer="lbfgs")


def test_stylizer_takes_adam_with_balance():
    stylizer = Stylizer(balance="gradient")
    assert (stylizer.numbers.optimizer, stylizer.numbers.balance) == ("adam", "gradient")


@pytest.mark.parametrize("balance", ["value", "", True, 1])
def test_unknown_balance_is_named(balance):
    with pytest.raises(InputError, match=f"balance is {balance!r}; expected one of gradient"):
        Objective(TERMS, balance)
    with pytest.raises(InputError, match=f"balance is {balance!r}; expected one of gradient"):
        Stylizer(balance=balance)


# Clipping


def test_gradients_longer_than_their_threshold_are_shortened_and_others_stay(network, images):
    features, target = (images[name] @ network.matrices["first"] for name in ("image", "content"))
    raw = 3.0 * 2 * (features - target)
    length = np.sqrt((raw**2).sum())
    term = TERMS[0]
    for threshold, expected in ((length / 4, raw / 4), (2 * length, raw)):
        got = gradient(Objective([term], {"content": threshold}), network, images)
        np.testing.assert_allclose(got, expected @ network.matrices["first"].T, rtol=1e-9)


def test_each_term_of_a_name_is_clipped_by_itself_and_other_names_are_not(network, images):
    style = Term(GramLoss(), "second", 50.0, "style")
    got = gradient(Objective([*TERMS, style], {"content": 1e-3}), network, images)
    parts = [gradient(Objective([term], {"content": 1e-3}), network, images) for term in TERMS]
    free = gradient(Objective([style]), network, images)
    np.testing.assert_allclose(got, free + sum(parts), rtol=1e-9, atol=1e-12)
    assert np.linalg.norm(parts[2]) == pytest.approx(1e-3) and np.linalg.norm(free) > 0.01


def test_a_gradient_of_zero_can_be_clipped(network, images):
    assert (gradient(Objective(TERMS, {"content": 1.0}), network, images, image=images["content"]) == 0).all()


def test_clipping_is_asked_for_by_name(network, images):
    objective = Objective([*TERMS, Term(TotalVariationLoss(), "image", 0.0)], {"content": 1, "total_variation_loss": 2})
    assert objective.in_pass(1).balance == {"content": 1.0}
    stylizer = Stylizer(balance={"content": 100, "style": 1})
    assert (stylizer.numbers.optimizer, stylizer.numbers.balance) == ("adam", {"content": 100.0, "style": 1.0})
    keys = [Objective(TERMS, balance).bind(network, Targets(images["content"][None])).key() for balance in BALANCED]
    assert len(set(keys)) == len(BALANCED)


BALANCED = [None, "gradient", {"content": 1.0}, {"content": 2.0}]


@pytest.mark.parametrize(
    ("balance", "says"),
    [
        ({"sky": 1.0}, "balance is {'sky': 1.0}; expected some of content"),
        ({"content": 0}, "balance of content is 0; expected a number of at least"),
        ({}, "expected {term: threshold}"),
    ],
)
def test_bad_thresholds_are_named(balance, says):
    with pytest.raises(InputError, match=says):
        Objective(TERMS, balance)
