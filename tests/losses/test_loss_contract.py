"""The contract that every loss of the package keeps, whatever it computes; formulas are tested file by file."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from oracles import gradients

from keras_style import losses
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import (
    ContentLoss,
    FeatureLoss,
    GaussianKLLoss,
    GaussianRenyiLoss,
    GramLoss,
    HistogramLoss,
    JensenShannonLoss,
    MattingLaplacianLoss,
    MMDLoss,
    MomentsLoss,
    SlicedWassersteinLoss,
    TotalVariationDistanceLoss,
    TotalVariationLoss,
)


@dataclass(frozen=True)
class Case:
    """A loss, and which of the promises it makes.

    Attributes:
        loss: with each of the ways in which its class computes.
        adds_up: what adds up over parts of an image.
        from_itself: the largest distance of features from themselves; None: it compares with nothing.
        sees_positions: whether it matters where features are; such losses compare images of one size.
        pairs: whether it meets random pairs, so that one draw may be negative.
        samples: whether a mask repeats vectors, so that equal weights below one leave fewer of them.
        slope: whether the gradient is the slope of the value, and nothing is held constant that changes.
        magnitude: "zeros": the distance from features of zero; "one"; None: tested with its formula.
        blends: whether several targets can be one.
        smallest: pixels of the smallest side.
        picture: whether features are pixels in [0, 1].
    """

    loss: FeatureLoss
    adds_up: str | None = None
    from_itself: float | None = 1e-9
    sees_positions: bool = False
    pairs: bool = False
    samples: bool = False
    slope: bool = True
    magnitude: str | None = "zeros"
    blends: bool = True
    smallest: int = 1
    picture: bool = False

    def __str__(self) -> str:
        told_apart_by = ("normalization", "exponent", "bins", "kernel", "degree", "offset", "power")
        config = self.loss.get_config()
        return "-".join([type(self.loss).__name__, *(str(config[key]) for key in told_apart_by if key in config)])


PIXELS: dict[str, Any] = {"sees_positions": True, "blends": False}
CASES = [
    *(Case(ContentLoss(name), "distance", **PIXELS) for name in ("mean", "paper", "sum")),
    *(Case(TotalVariationLoss(power), "statistics", None, magnitude=None, smallest=2, **PIXELS) for power in (2, 1)),
    *(
        # The ridge on the slopes of the map from a photograph to itself.
        Case(MattingLaplacianLoss(normalization=name), None, 1e-5, magnitude="one", smallest=3, picture=True, **PIXELS)
        for name in ("sum", "mean")
    ),
    Case(GramLoss("johnson"), "statistics"),
    Case(MomentsLoss(), "statistics"),
    Case(MMDLoss("linear"), "statistics"),
    Case(MMDLoss("poly"), "statistics"),
    Case(MMDLoss("poly", offset=2.0), "statistics"),
    Case(MMDLoss("poly", degree=3), pairs=True, samples=True, magnitude=None),
    Case(MMDLoss("gaussian"), pairs=True, samples=True, slope=False, magnitude="one"),
    Case(GaussianKLLoss(), "statistics", magnitude="one"),
    Case(GaussianRenyiLoss(0.3), "statistics", magnitude="one"),
    Case(HistogramLoss(), samples=True),
    Case(HistogramLoss(bins=64), "histogram", samples=True, slope=False, magnitude=None),
    Case(SlicedWassersteinLoss(4, power=2), "projections", samples=True, magnitude=None),
    Case(SlicedWassersteinLoss(4, power=1), "projections", samples=True, magnitude=None),
    Case(JensenShannonLoss(), magnitude="one"),
    Case(TotalVariationDistanceLoss(), magnitude="one"),
]

# Of each class, another value than the default of every argument.
OTHER_SETTINGS: dict[type[FeatureLoss], dict[str, Any]] = {
    ContentLoss: {"normalization": "sum"},
    GaussianKLLoss: {"epsilon": 0.2},
    GaussianRenyiLoss: {"alpha": 0.3, "epsilon": 0.2},
    GramLoss: {"normalization": "johnson"},
    HistogramLoss: {"bins": 17},
    JensenShannonLoss: {"bins": 17},
    MMDLoss: {
        "kernel": "gaussian",
        "degree": 3,
        "offset": 0.5,
        "seed": 4,
        "bandwidth": 2.0,
        "normalization": "sum",
    },
    MattingLaplacianLoss: {
        "image": np.random.default_rng(7).random((6, 5, 3), np.float32),
        "epsilon": 1e-6,
        "radius": 2,
        "normalization": "mean",
    },
    MomentsLoss: {"epsilon": 0.25, "normalization": "sum"},
    SlicedWassersteinLoss: {"projections": 3, "power": 1, "seed": 4},
    TotalVariationDistanceLoss: {"bins": 17},
    TotalVariationLoss: {"exponent": 1.5, "normalization": "sum"},
}
FUNCTIONS = {"affine_residual", "match_histograms"}
CLASSES = set(losses.__all__) - {"FeatureLoss"} - FUNCTIONS


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


every = each(CASES)
comparing = each([case for case in CASES if case.from_itself is not None])
of_distributions = each([case for case in CASES if not case.sees_positions])


def features(case: Case, number: int = 1, height: int = 4, width: int = 5, seed: int = 0) -> np.ndarray:
    """Like activations, with many zeros; or a picture."""
    random = np.random.default_rng(seed)
    size = (number, height, width, 3)
    return random.random(size) if case.picture else random.normal(0.3, 2, size).clip(0)


def distances(
    loss: FeatureLoss,
    targets: np.ndarray,
    images: np.ndarray,
    target_mask: np.ndarray | None = None,
    image_mask: np.ndarray | None = None,
) -> np.ndarray:
    """Distances (B,) of images from one target or one each, in their own dtype."""
    values = loss.distance(*map(loss.statistics, map(tf.constant, (targets, images)), (target_mask, image_mask)))
    assert values.shape == images.shape[:1]
    assert values.dtype == images.dtype
    return values.numpy()


def with_gradients(
    loss: FeatureLoss, targets: np.ndarray, images: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (B,) and the gradient of their sum; a mask weighs both sides."""
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        values = loss.distance(loss.statistics(tf.constant(targets), mask), loss.statistics(variable, mask))
    return values.numpy(), tape.gradient(values, variable).numpy()


def test_every_loss_is_here():
    assert {type(case.loss).__name__ for case in CASES} == CLASSES
    assert {kind.__name__ for kind in OTHER_SETTINGS} == CLASSES


# Values


@comparing
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distance_from_itself_is_zero_and_from_another_is_not(case, dtype):
    awkward = [features(case, 2)]
    if not case.picture:
        awkward += [awkward[0][:1] - 1e3, 1e-6 * awkward[0][:1]]
    images = np.concatenate(awkward).astype(dtype)
    np.testing.assert_allclose(distances(case.loss, images, images), 0, atol=case.from_itself)
    others = features(case, 2, seed=1).astype(dtype)
    assert case.pairs or (distances(case.loss, others, images[:2]) > 0.01).all()


@comparing
def test_features_of_few_positions_are_at_no_distance_from_themselves(case):
    small = features(case, 3, case.smallest, case.smallest).astype(np.float32)
    np.testing.assert_allclose(distances(case.loss, small, small), 0, atol=case.from_itself)


@every
def test_call_is_the_mean_over_the_batch_in_the_dtype_of_the_loss(case):
    images, targets = features(case, 3), features(case, 3, seed=1)
    expected = distances(case.loss, targets, images)
    assert len(set(expected)) == 3
    in_double = type(case.loss).from_config({**case.loss.get_config(), "dtype": "float64"})
    for loss, dtype, rounding in ((in_double, tf.float64, 1e-12), (case.loss, tf.float32, 1e-5)):
        value = loss(tf.cast(targets, dtype), tf.cast(images, dtype))
        assert value.dtype == dtype
        assert float(value) == pytest.approx(expected.mean(), rel=rounding)


@every
@pytest.mark.parametrize("masked", [False, True], ids=["all positions", "masked"])
def test_every_sample_of_a_batch_counts_by_itself(case, masked):
    images, targets = features(case, 2), features(case, 2, seed=1)
    mask = np.random.default_rng(2).uniform(0.2, 1, (1, 4, 5)) if masked else None
    first, second, towards_first = (
        with_gradients(case.loss, targets[[aim]], images[[image]], mask) for aim, image in ((0, 0), (1, 1), (0, 1))
    )
    for aims, expected in ((targets, (first, second)), (targets[:1], (first, towards_first))):
        found = with_gradients(case.loss, aims, images, mask)
        for got, one, other, near in zip(found, *expected, (1e-11, 1e-9), strict=True):
            np.testing.assert_allclose(got, np.concatenate([one, other]), rtol=near, atol=1e-12)


@every
def test_eager_and_graph_of_unknown_size_agree(case):
    def both(target: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = case.loss(target, image)
        return value, tape.gradient(value, image)

    graph = tf.function(both, [tf.TensorSpec([None, None, None, 3], tf.float32)] * 2, autograph=False)
    targets = [features(case, seed=1)] + ([] if case.sees_positions else [features(case, 1, 7, 6, seed=1)])
    image = tf.constant(features(case), tf.float32)
    for target in targets:
        (value, slope), (expected, expected_slope) = (
            each(tf.constant(target, tf.float32), image) for each in (graph, both)
        )
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-4, atol=1e-6 * np.abs(expected_slope).max())


@each([case for case in CASES if not case.sees_positions and not case.pairs])
def test_positions_do_not_matter(case):
    """Random pairs keep this in expectation only, which `test_mmd.py` compares with sums over all pairs."""
    image, target = features(case), features(case, 1, 6, 7, seed=1)
    moved = [np.random.default_rng(3).permutation(f.reshape(-1, 3)).reshape(f.shape) for f in (target, image)]
    np.testing.assert_allclose(distances(case.loss, *moved), distances(case.loss, target, image), rtol=1e-11)


# Gradients


@each([case for case in CASES if case.slope])
@pytest.mark.parametrize("masked", [False, True], ids=["all positions", "masked"])
def test_gradient_is_that_of_central_differences(case, masked):
    """Without equal values, where a sorted order or a histogram has a kink, and within a range that stays."""
    random = np.random.default_rng(4)
    image, target = (random.uniform(0.1, 0.9, (1, 4, 3, 3)) * (1 if case.picture else 4) for _ in range(2))
    target[0, 0, 0], target[0, 0, 1] = target.min() / 2, min(1, target.max()) if case.picture else target.max() + 1
    mask = random.uniform(0.6, 1, (1, 4, 3)) if masked else None
    expected = gradients.gradient(
        lambda points: distances(case.loss, target, points, mask, mask), image[0], h=1e-4 if case.picture else 1e-6
    )
    _, got = with_gradients(case.loss, target, image, mask)
    np.testing.assert_allclose(got[0], expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-4


FLAT = {
    "dead": np.zeros((4, 4, 3)),
    "constant": np.full((4, 4, 3), 2.5),
    "large": np.full((4, 4, 3), 1234.567),
    "one dead filter": np.random.default_rng(5).normal(0.3, 2, (4, 4, 3)).clip(0) * [0.0, 1.0, 1.0],
    "spread": np.random.default_rng(6).normal(0.3, 2, (4, 4, 3)).clip(0),
    "subnormal": np.full((4, 4, 3), 1e-40),
}
FLAT["one dead filter"][0, 0], FLAT["spread"][0, 0] = (0, 1, 2), (3, 1, 2)  # of which a single position is taken


@every
def test_value_and_gradient_are_finite_on_flat_features(case):
    scale = 1e-4 if case.picture else 1
    maps = scale * np.stack(list(FLAT.values())).astype(np.float32)
    sides = [maps, maps[:, : case.smallest, : case.smallest]]
    for target in sides:
        for image in sides:
            if case.sees_positions and target.shape != image.shape:
                continue
            one, other = (index.ravel() for index in np.meshgrid(*[range(len(FLAT))] * 2))
            values, slopes = with_gradients(case.loss, target[one], image[other])
            assert np.isfinite(values).all() and np.isfinite(slopes).all()
            if case.picture or case.from_itself is None:
                continue
            if target.shape == image.shape:
                np.testing.assert_allclose(values[one == other], 0, atol=1e-6)
            told_apart = (one != other) & (one < 5) & (other < 5)
            assert case.pairs or (values[told_apart] > 0).all()


# Masks


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mask_of_ones_is_no_mask(case, dtype):
    images, targets = features(case, 2).astype(dtype), features(case, 2, seed=1).astype(dtype)
    ones = np.ones((1, 4, 5), np.float32)
    rounding = 1e-5 if dtype == np.float32 else 1e-12
    expected = distances(case.loss, targets, images)
    np.testing.assert_allclose(distances(case.loss, targets, images, ones, ones), expected, rtol=rounding)


@every
def test_mask_of_zeros_and_ones_leaves_what_is_inside(case):
    images, targets = features(case, 1, 7, 8), features(case, 1, 7, 8, seed=1)
    if case.sees_positions:
        insides = [np.zeros((7, 8), bool) for _ in range(2)]
        for inside in insides:
            inside[1:5, 2:7] = True
        ahead = case.loss.looks_ahead
        target, image = (each[:, 1 : 5 + ahead, 2 : 7 + ahead] for each in (targets, images))
    else:
        insides = [np.random.default_rng(seed).random((7, 8)) < 0.5 for seed in (5, 6)]
        target, image = (each[:, inside] for each, inside in zip((targets, images), insides, strict=True))
        target, image = target[:, None], image[:, None]
    expected = distances(case.loss, target, image)
    masks = [inside[None].astype(np.float64) for inside in insides]
    np.testing.assert_allclose(distances(case.loss, targets, images, *masks), expected, rtol=1e-10)
    seen = insides[1].copy()
    seen[1:, :] |= insides[1][:-1, :] if case.loss.looks_ahead else False
    seen[:, 1:] |= insides[1][:, :-1] if case.loss.looks_ahead else False
    outside = images + 100 * ~seen[..., None] * (0 if case.picture else 1)
    np.testing.assert_allclose(distances(case.loss, targets, outside, *masks), expected, rtol=1e-10)

    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        value = case.loss.distance(
            case.loss.statistics(tf.constant(targets), masks[0]), case.loss.statistics(variable, masks[1])
        )
    gradient = tape.gradient(value, variable).numpy()[0]
    assert np.abs(gradient[~seen]).max() == 0
    assert np.abs(gradient[insides[1]]).max() > 0


@of_distributions
def test_weight_of_a_half_counts_a_vector_half(case):
    image, target = features(case), features(case, seed=1)
    doubled = np.concatenate([np.repeat(target[:, :2], 2, axis=2).reshape(1, 4, 5, 3), target[:, 2:]], axis=1)
    mask = np.ones((1, 6, 5))
    mask[:, :4] = 0.5
    expected = distances(case.loss, target, image)
    np.testing.assert_allclose(distances(case.loss, doubled, image, mask), expected, rtol=1e-10)
    if not case.samples:
        halves = np.full((1, 4, 5), 0.5)
        np.testing.assert_allclose(distances(case.loss, target, image, halves, halves), expected, rtol=1e-10)


@every
def test_a_region_of_one_position_is_finite(case):
    mask = np.zeros((1, 4, 5), np.float32)
    mask[0, 2, 3] = 0.3
    images, targets = features(case).astype(np.float32), features(case, seed=1).astype(np.float32)
    for array in with_gradients(case.loss, targets, images, mask):
        assert np.isfinite(array).all()


# Parts


@every
@pytest.mark.parametrize("mask", ["none", "hard"])
def test_what_adds_up_over_parts_gives_the_distance_of_the_whole(case, mask):
    loss = case.loss.by_parts()
    assert loss.adds_up == case.adds_up
    image, target = features(case, 2, 7, 6), features(case, 1, 7, 6, seed=1)
    inside = np.ones((1, 7, 6)) if mask == "none" else np.random.default_rng(8).integers(0, 2, (1, 7, 6)) * 1.0
    inside[:, :, -1] = 1
    parts = [slice(0, 3), slice(3, 7)]

    def summed(whole: np.ndarray) -> dict[str, tf.Tensor]:
        rows = [slice(part.start, min(7, part.stop + loss.looks_ahead)) for part in parts]
        pieces = [loss.statistics(tf.constant(whole[:, part]), inside[:, part]) for part in rows]
        return tf.nest.map_structure(tf.add, *pieces)

    def counted(whole: np.ndarray) -> tuple[dict[str, tf.Tensor], list]:
        pieces = [(tf.constant(whole[:, part]), tf.constant(inside[:, part])) for part in parts]
        extent = tf.maximum(*(loss.extent(*piece) for piece in pieces))
        return loss.whole(
            tf.nest.map_structure(tf.add, *(loss.counts(*each, extent) for each in pieces)), extent
        ), pieces

    expected = distances(case.loss, target, image, inside, inside)
    if case.adds_up == "statistics":
        got = loss.distance(summed(target), summed(image))
    elif case.adds_up == "distance":
        shares = [
            loss.share(tf.constant(inside[:, part].sum()), int(inside.sum()))
            * distances(loss, target[:, part], image[:, part], inside[:, part], inside[:, part])
            for part in parts
        ]
        got = tf.add_n(shares)
    elif case.adds_up == "histogram":
        (aim, _), (current, pieces) = counted(target), counted(image)
        got = tf.add_n([loss.distance_of_part(aim, current, *piece) for piece in pieces])
    elif case.adds_up == "projections":
        of_image, of_target = (
            tf.concat([take(tf.constant(whole[:, part])) for part in parts], axis=1)
            for take, whole in ((loss.projected, image), (loss.of_target, target))
        )
        aim, current = loss.statistics(of_target, inside), loss.statistics(of_image, inside)
        along = [
            loss.distance(loss.along(number, aim), {"projections": current["projections"][..., number : number + 1]})
            for number in range(4)
        ]
        got = tf.add_n(along) / 4
    else:
        return
    np.testing.assert_allclose(got, expected, rtol=1e-9)


# Magnitude and blends


@each([case for case in CASES if case.magnitude])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_magnitude_is_the_distance_from_features_of_zero_or_one(case, dtype):
    targets = features(case, 2, seed=1).astype(dtype)
    magnitude = case.loss.magnitude(case.loss.statistics(tf.constant(targets)))
    assert magnitude.dtype == dtype
    if case.magnitude == "one":
        np.testing.assert_array_equal(magnitude, [1, 1])
    else:
        expected = distances(case.loss, targets, np.zeros_like(targets))
        np.testing.assert_allclose(magnitude, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


@each([case for case in CASES if case.blends])
def test_blend_of_one_and_of_one_beside_another_that_weighs_nothing_is_that_one(case):
    loss, image, target = case.loss, features(case, 2), features(case, seed=1)
    styles = [loss.statistics(tf.constant(style)) for style in (target, 100 + features(case, 1, 6, 7, seed=2))]
    current, expected = loss.statistics(tf.constant(image)), distances(loss, target, image)
    for blended in (loss.blend(styles[:1], [1.0]), loss.blend(styles, [1.0, 0.0])):
        np.testing.assert_allclose(loss.distance(blended, current), expected, rtol=1e-10)


# As Keras losses


@pytest.mark.parametrize("kind", OTHER_SETTINGS, ids=lambda kind: kind.__name__)
def test_serialization_keeps_every_setting(kind):
    settings, arguments = OTHER_SETTINGS[kind], inspect.signature(kind).parameters
    assert set(settings) == set(arguments) - {"name", "kwargs"}
    assert all(settings[name] is not arguments[name].default for name in settings)
    assert keras.saving.get_registered_name(kind) == f"keras_style>{kind.__name__}"
    loss = kind(**settings, name="mine", reduction="sum")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is kind
    assert restored.get_config() == loss.get_config()
    assert (restored.name, restored.reduction) == ("mine", "sum")
    for name, value in settings.items():
        np.testing.assert_array_equal(getattr(restored, name), value)
        assert np.asarray(getattr(restored, name)).dtype == np.asarray(value).dtype
    target, image = np.random.default_rng(0).random((2, 1, 6, 5, 3), np.float32)
    assert float(restored(target, image)) == float(loss(target, image)) != 0


@pytest.mark.parametrize("kind", OTHER_SETTINGS, ids=lambda kind: kind.__name__)
def test_losses_that_compute_alike_have_one_key_and_others_another(kind):
    required = {name: value for name, value in OTHER_SETTINGS[kind].items() if name == "image"}
    usual = kind(**required)
    assert required or usual.key() == kind().key()
    for name, value in OTHER_SETTINGS[kind].items():
        other = kind(**{**required, name: value})
        assert other.key() != kind(**({} if name == "image" else required)).key()
        assert other.by_parts().key() != other.key() or other.by_parts() is other
        if other.by_parts() is not other:
            assert other.by_parts().key() != usual.by_parts().key()


def test_a_loss_of_another_package_equals_nothing():
    """It may have changed, and its configuration need not tell."""

    class Own(GramLoss):
        pass

    own = Own()
    assert own.key() != own.key()
