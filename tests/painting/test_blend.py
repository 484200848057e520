"""Several methods in one objective: shares, overrides, passes."""

import numpy as np
import pytest
from running import FAST, eagerly, first_losses

from keras_style import Stylizer, transfer
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.losses import (
    ContentLoss,
    GaussianKLLoss,
    GaussianRenyiLoss,
    GramLoss,
    HistogramLoss,
    JensenShannonLoss,
    MMDLoss,
    MomentsLoss,
    SlicedWassersteinLoss,
    TotalVariationDistanceLoss,
)
from keras_style.optimize.image_optimizer import ImageOptimizer
from keras_style.optimize.objective import Objective, Term
from keras_style.painting import methods

PHOTO = {**FAST, "method": "photo", "size": 32, "steps": 4}
FLOATS = ("content_weight", "style_weight", "tv_weight", "photorealism_weight")


def parts(stylizer: Stylizer) -> dict[str, tuple]:
    """`{method: (numbers, share)}`."""
    return {recipe.name: (variant, share) for recipe, variant, share in stylizer.blend.parts}


def weights(blend: methods.Blend) -> dict[tuple[str, str, str], float]:
    """`{(loss, layer, target): weight}` of the terms that count."""
    summed: dict[tuple[str, str, str], float] = {}
    for term in blend.terms():
        if term.weight:
            key = term.loss.name, term.layer, term.target
            summed[key] = summed.get(key, 0) + term.weight
    return summed


# Shares


def test_shares_are_factors_of_each_methods_terms():
    both = weights(methods.blend({"gatys": 1, "moments": 0.5}, "default"))
    gatys, moments = (weights(methods.blend(name, "default")) for name in ("gatys", "moments"))
    expected = {key: 2 / 3 * gatys.get(key, 0) + 1 / 3 * moments.get(key, 0) for key in {*gatys, *moments}}
    assert both == pytest.approx(expected)
    assert both["content_loss", "block4_conv2", "content"] == pytest.approx(0.5)  # what both have keeps its weight


@eagerly()
def test_blend_is_the_objective_written_out(photograph, painting, backbone):
    layers, photograph = FAST["style_layers"], np.ascontiguousarray(photograph[:, :40])
    painting = np.ascontiguousarray(painting[:32, :32])
    shares = {GramLoss("paper"): 2 / 3, MomentsLoss(): 1 / 3}
    terms = [Term(ContentLoss(), FAST["content_layers"][0], 0.7, "content", relative=True)]
    terms += [
        Term(loss, layer, 3.0 * share * weight, "style", relative=True)
        for loss, share in shares.items()
        for layer, weight in zip(layers, (0.25, 0.75), strict=True)
    ]
    alone = ImageOptimizer(backbone, Objective(terms), "adam").minimize(
        photograph, content=photograph, style=painting, steps=3
    )
    options = {**FAST, "content_weight": 0.7, "style_weight": 3.0, "tv_weight": 0.0, "optimizer": "adam"}
    options["style_layers"] = dict(zip(layers, (0.25, 0.75), strict=True))
    del options["verbose"]
    blended = Stylizer(method={"gatys": 1, "moments": 0.5}, **{**options, "size": 40})
    object.__setattr__(blended, "_blend", blended.blend.with_numbers({"bleed": 0, "style_scale": 0.8}))
    result = blended(photograph, painting, verbose=0)
    for name, values in alone.history.items():
        assert result.history[name] == pytest.approx(values, rel=1e-4)
    np.testing.assert_allclose(result.array, alone.image, atol=1e-3)


@eagerly()
def test_one_method_with_a_share_is_that_method(photograph, painting):
    options = {**FAST, "optimizer": "adam"}
    alone = transfer(photograph, painting, **options)
    for method in ({"gatys": 0.01}, {"gatys": 2, "moments": 0}):
        blended = transfer(photograph, painting, **options, method=method)
        assert (blended.array == alone.array).all()
        assert blended.history == alone.history
        assert blended.settings == {**alone.settings, "method": method}


def test_only_the_proportions_of_shares_count():
    assert weights(methods.blend({"gatys": 1, "moments": 3}, "default")) == pytest.approx(
        weights(methods.blend({"gatys": 0.25, "moments": 0.75}, "default"))
    )


def test_values_of_a_blend_are_the_mean_of_its_methods(photograph, painting):
    both = first_losses(photograph, painting, method={"gatys": 3, "mmd_linear": 1})
    gatys, linear = (first_losses(photograph, painting, method=name) for name in ("gatys", "mmd_linear"))
    for name in ("loss", "content", "style", "total_variation"):
        assert both[name] == pytest.approx(0.75 * gatys[name] + 0.25 * linear[name], rel=1e-4)


# Numbers


@pytest.mark.parametrize("name", FLOATS)
def test_weight_of_a_blend_is_the_mean_of_its_methods(name):
    blend = methods.blend({"gatys": 1, "photo": 3}, "default")
    gatys, photo = (getattr(methods.get(method).variants["default"], name) for method in ("gatys", "photo"))
    assert getattr(blend.variant, name) == pytest.approx(0.25 * gatys + 0.75 * photo)


def test_most_steps_and_passes_and_the_pickier_optimizer_win():
    variant = methods.blend({"gatys": 1, "photo": 1, "mmd_gaussian": 1}, "default").variant
    photo = methods.get("photo").variants["default"]
    assert (variant.steps, variant.passes) == (photo.steps, 2)
    assert variant.optimizer == "adam"
    assert methods.blend({"gatys": 1, "moments": 1}, "default").variant.optimizer == "lbfgs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scales", 2),
        ("steps", 7),
        ("optimizer", "adam"),
        ("content_weight", 0.3),
        ("style_weight", 4.0),
        ("tv_weight", 0.25),
        ("photorealism_weight", 5.0),
        ("balance", "gradient"),
        ("smooth", True),
        ("refine", True),
        ("balance", {"style": 2.0}),
        ("style_scale", 0.5),
        ("init", "noise"),
        ("backbone", "vgg19_imagenet"),
        ("pooling", "average"),
    ],
)
def test_override_reaches_every_part_and_the_run(name, value):
    stylizer = Stylizer(method={"gatys": 1, "photo": 2, "mmd_gaussian": 1}, **{name: value})
    assert [getattr(variant, name) for variant, _ in parts(stylizer).values()] == [value] * 3
    assert getattr(stylizer.numbers, name) == pytest.approx(value) if name in FLOATS else value


def test_layers_reach_every_part():
    layers = {"content_layers": ["block1_conv2"], "style_layers": {"block1_conv1": 2.0, "block2_conv1": 1.0}}
    for variant, _ in parts(Stylizer(method={"gatys": 1, "moments": 2}, **layers)).values():
        assert variant.content_layers == {"block1_conv2": 1.0}
        assert variant.style_layers == layers["style_layers"]


def test_a_list_of_style_layers_is_weighted_by_each_method(backbone):
    stylizer = Stylizer(method={"gatys": 1, "moments": 1}, style_layers=["block1_conv1", "block3_conv1"])
    for name, (variant, _) in parts(stylizer).items():
        layers = [layer for layer in backbone.layers if layer.name in ("block1_conv1", "block3_conv1")]
        expected = methods.get(name).variants["default"].layer_weights(layers)
        assert variant.style_layers == expected


def test_settings_name_the_layers_of_each_method():
    one = Stylizer(method={"gatys": 1, "moments": 1}).blend.mapping("style_layers")
    assert set(one) == {"gatys", "moments"}
    expected = methods.get("moments").variants["default"].style_layers
    assert Stylizer(method={"moments": 1}).blend.mapping("style_layers") == expected


# Settings of the style loss


@pytest.mark.parametrize(
    ("method", "given", "loss"),
    [
        ("mmd_poly", {"degree": 3, "offset": 0.5}, MMDLoss("poly", degree=3, offset=0.5)),
        ("mmd_gaussian", {"bandwidth": 2.5}, MMDLoss("gaussian", bandwidth=2.5)),
        ("moments", {"epsilon": 0.5}, MomentsLoss(0.5)),
        ("histogram", {"bins": 64.0}, HistogramLoss(64)),
        ("jensen_shannon", {"bins": 20}, JensenShannonLoss(20)),
        ("total_variation", {"bins": 20}, TotalVariationDistanceLoss(20)),
        ("sliced_wasserstein", {"projections": 5, "power": 1}, SlicedWassersteinLoss(5, 1)),
        ("gaussian_kl", {"epsilon": 0.5}, GaussianKLLoss(0.5)),
        ("gaussian_renyi", {"alpha": 0.25}, GaussianRenyiLoss(0.25)),
    ],
)
def test_settings_reach_the_style_loss_and_the_record(method, given, loss):
    stylizer = Stylizer(method=method, style_loss=given)
    assert loss.key() in [term.loss.key() for term in stylizer.blend.terms()]
    before = Stylizer(method=method).blend.mapping("style_loss")
    assert stylizer._settings([], [1.0], None)["style_loss"] == {**before, **given} != before


def test_settings_reach_the_methods_of_a_blend_that_have_them():
    blend = Stylizer(method={"mmd_linear": 1, "mmd_gaussian": 1}, style_loss={"bandwidth": 3}).blend
    assert blend.mapping("style_loss") == {"mmd_linear": {}, "mmd_gaussian": {"bandwidth": 3}}


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("mmd_poly", {"degre": 3}, "style_loss: unknown 'degre'; expected some of degree, offset"),
        ("gatys", {"bins": 3}, "style_loss: unknown 'bins'; gatys has no settings"),
        ("gatys", {"normalization": 1}, "style_loss: unknown 'normalization'; gatys has no settings"),
        ("mmd_poly", {"degree": 2.5}, "degree is 2.5; expected a whole number from 1 to 10"),
        ("mmd_poly", {"degree": "3"}, "style_loss: degree is '3'; expected a number of at least 0"),
        ("mmd_poly", 3, "style_loss is 3; expected {setting: number}"),
    ],
)
def test_bad_setting_is_named_with_what_is_expected(method, given, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Stylizer(method=method, style_loss=given)


# Passes


@eagerly()
def test_photorealism_joins_in_the_last_pass(photograph, painting):
    result = transfer(photograph, painting, **PHOTO)
    assert {len(values) for values in result.history.values()} == {4}
    assert result.history["photorealism"][:2] == [0, 0]
    assert min(result.history["photorealism"][2:]) > 0


@eagerly()
@pytest.mark.parametrize(("method", "optimizer"), [("photo", "lbfgs"), ({"photo": 1, "moments": 1}, "adam")])
def test_terms_of_all_passes_add_up_to_the_loss(photograph, painting, method, optimizer):
    options = {**PHOTO, "method": method, "scales": [24, 32], "steps": 6, "optimizer": optimizer}
    history = transfer(photograph, painting, **options).history
    assert {len(values) for values in history.values()} == {6}
    terms = np.sum([values for name, values in history.items() if name != "loss"], axis=0)
    np.testing.assert_allclose(history["loss"], terms, rtol=1e-6)
    assert history["photorealism"][:4] == [0] * 4


@eagerly()
def test_second_pass_starts_from_the_first_at_full_size(photograph, painting):
    seen = []
    options = {**PHOTO, "scales": [24, 32], "steps": 6, "optimizer": keras.optimizers.SGD(0.0)}
    result = transfer(
        photograph, painting, callbacks=[lambda i: seen.append((i.step, i.steps, i.scale, i.image.copy()))], **options
    )
    assert [(step, steps, scale) for step, steps, scale, _ in seen] == [
        *((step, 6, 24) for step in (1, 2)),
        *((step, 6, 32) for step in (3, 4, 5, 6)),
    ]
    assert (seen[3][3] == seen[5][3]).all()
    assert result.settings["scales"] == [24, 32]


@eagerly()
def test_photo_run_resumed_in_its_second_pass_ends_in_the_same_bits(photograph, painting, tmp_path):
    options = {**PHOTO, "optimizer": "adam"}
    whole = transfer(photograph, painting, **options)
    folder = tmp_path / "saved"
    stopped = transfer(
        photograph, painting, **options, checkpoint=folder, callbacks=[lambda iterate: iterate.step == 3]
    )
    assert stopped.stopped
    resumed = transfer(photograph, painting, **options, checkpoint=folder)
    assert (resumed.array == whole.array).all()
    assert resumed.history == whole.history


@eagerly()
def test_photo_without_photorealism_is_two_passes_of_gatys(photograph, painting):
    history = transfer(photograph, painting, **PHOTO, photorealism_weight=0).history
    assert "photorealism" not in history
    assert len(history["loss"]) == 4


# Bad arguments


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({}, "method is {}; expected one of gatys"),
        ({"gatys": 0}, "expected a share above 0"),
        ({"gatys": -1}, "share of gatys is -1; expected a number of at least 0"),
        ({"gatys": "1"}, "share of gatys is '1'; expected a number"),
        ({"gatys": float("nan")}, "share of gatys is nan; expected a number"),
        ({"gattys": 1}, "method is 'gattys'; expected one of gatys"),
        (["gatys", "moments"], "expected one of gatys"),
        (None, "method is None; expected one of gatys"),
    ],
)
def test_bad_method_is_named(method, message):
    with pytest.raises(InputError) as caught:
        Stylizer(method=method)
    assert message in str(caught.value)


def test_variant_has_to_be_one_of_every_method():
    with pytest.raises(InputError, match="variant of moments is 'paper'; expected one of default"):
        Stylizer(method={"gatys": 1, "moments": 1}, variant="paper")


# Small styles


@eagerly()
def test_style_smaller_than_what_a_filter_sees_works(photograph):
    style = np.random.default_rng(0).random((16, 16, 3), np.float32)
    method = {"histogram": 1, "gaussian_kl": 1}
    result = transfer(photograph[:40, :40], style, method=method, size=16, steps=1, optimizer="adam", verbose=0)
    assert np.isfinite(result.history["loss"]).all()
    assert np.isfinite(result.array).all()
