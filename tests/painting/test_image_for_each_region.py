"""A painting or a texture for each region, weights by region, and mixtures of textures."""

import numpy as np
import pytest
from oracles import losses as oracle
from oracles import vgg
from running import FAST, at_start, command, eagerly, record_transfers

from keras_style import Stylizer, synthesize_texture, transfer
from keras_style.batch import work
from keras_style.errors import CheckpointError, InputError
from keras_style.export.exportable import check_stylizer
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import ContentLoss, GramLoss, TotalVariationLoss
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient

STANDING = {"steps": 1, "optimizer": keras.optimizers.SGD(0.0), "verbose": 0}
TEXTURE = {"method": "gatys", "style_layers": ["block1_conv1"], "steps": 6, "verbose": 0}


def of_color(color: tuple[float, float, float], height: int, width: int, seed: int = 0) -> np.ndarray:
    grain = np.random.default_rng(seed).uniform(-0.1, 0.1, (height, width, 3))
    return (np.array(color) + grain).clip(0, 1).astype(np.float32)


RED, BLUE = of_color((0.8, 0.2, 0.1), 40, 40), of_color((0.1, 0.2, 0.8), 32, 48, 1)


def halves(height: int, width: int) -> dict[str, np.ndarray]:
    left = np.broadcast_to(np.arange(width) < width // 2, (height, width))
    return {"left": left, "right": ~left}


def redness(picture: np.ndarray) -> tuple[float, float]:
    """Red less blue, left and right of the middle."""
    excess, middle = picture[..., 0] - picture[..., 2], picture.shape[1] // 2
    return float(excess[:, : middle - 2].mean()), float(excess[:, middle + 2 :].mean())


# The objective


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    sizes = {"image": (20, 24), "a": (16, 22), "b": (24, 18)}
    return {name: random.random((1, *size, 3)) for name, size in sizes.items()}


def value(term: Term, backbone, image: np.ndarray, targets: Targets) -> float:
    return float(Objective([term]).bind(backbone, targets)(tf.constant(image))[term.name])


@pytest.mark.parametrize("relative", [False, True])
def test_a_region_is_compared_with_the_style_that_has_it(backbone, images, relative):
    """The sum over regions of the loss of the vectors inside, with all of the region's own style, by NumPy."""
    maps = {name: vgg.forward(image[0], backbone.kernels, "max")["block1_conv1"] for name, image in images.items()}
    regions = {name: inside.astype(np.float32) for name, inside in halves(20, 24).items()}
    weights = {"left": 3.0, "right": 0.5}
    expected = 0.0
    for region, style in (("left", "b"), ("right", "a")):
        inside, whole = maps["image"][regions[region] == 1][None], maps[style].reshape(1, -1, 64)
        size = oracle.mse_of_gram_over_positions(np.zeros((1, 1, 64)), whole) if relative else 1.0
        expected += weights[region] * 0.5 * oracle.mse_of_gram_over_positions(inside, whole) / size
    own = [{"right": np.ones((16, 22), np.float32)}, {"left": np.ones((24, 18), np.float32)}]
    targets = Targets(None, [images["a"], images["b"]], [0.9, 0.1], regions, own)
    term = Term(GramLoss("gatys_pytorch"), "block1_conv1", weights, "style", relative)
    assert value(term, backbone, images["image"], targets) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("normalization", ["mean", "paper", "sum"])
@pytest.mark.parametrize("relative", [False, True])
def test_content_weights_by_region_are_factors_of_the_squared_differences(backbone, images, normalization, relative):
    image, content = images["image"], np.random.default_rng(5).random((1, 20, 24, 3))
    regions = {name: inside.astype(np.float32) for name, inside in halves(20, 24).items()}
    got, aim = (vgg.forward(each[0], backbone.kernels, "max")["block2_conv1"] for each in (image, content))
    factor = np.where(np.arange(12) < 6, 3.0, 0.5)[None, :, None]
    unit = {"mean": 1 / got.size, "paper": 0.5, "sum": 1.0}[normalization]
    expected = unit * (factor * (got - aim) ** 2).sum() / (unit * (aim**2).sum() if relative else 1)
    term = Term(ContentLoss(normalization), "block2_conv1", {"left": 3.0, "right": 0.5}, "content", relative)
    targets = Targets(content, [], None, regions)
    assert value(term, backbone, image, targets) == pytest.approx(expected, rel=1e-6)


def test_tiles_weigh_content_by_region_as_the_whole_does(backbone):
    images, content = np.random.default_rng(0).random((2, 1, 33, 38, 3))
    regions = {name: inside.astype(np.float32) for name, inside in halves(33, 38).items()}
    objective = Objective(
        [
            Term(ContentLoss(name), "block2_conv2", {"left": 0.0, "right": 2.0}, "content", relative, name)
            for name, relative in (("mean", True), ("sum", False))
        ]
    )
    targets = Targets(content, [], None, regions)
    whole = losses_and_gradient(objective.bind(backbone, targets), images.shape, images.dtype)
    tiles = tiled_losses_and_gradient(objective, backbone, 19, images.shape, images.dtype, targets)
    (expected, slope), (got, of_tiles) = (each(tf.constant(images), 1) for each in (whole, tiles))
    for name in ("mean", "sum"):
        assert float(got[name]) == pytest.approx(float(expected[name]), rel=1e-10)
    np.testing.assert_allclose(of_tiles, slope, atol=1e-10 * float(np.abs(slope).max()))
    assert (slope.numpy()[:, :, :8] == 0).all() and (slope.numpy()[:, :, 24:] != 0).any()


@pytest.mark.parametrize(
    ("loss", "target", "weight", "regions", "says"),
    [
        (GramLoss(), "style", {"left": 1.0}, halves(20, 24), "expected one of each of left, right"),
        (GramLoss(), "style", {"left": 1.0, "right": 1.0}, None, "expected a number, since there are no masks"),
        (GramLoss(), "style", {"left": 1.0, "right": -1.0}, None, "of right is -1.0; expected a number of at least 0"),
        (GramLoss(), "style", {}, None, "expected a number, or {region: number}"),
        (GramLoss(), "content", {"left": 1.0, "right": 1.0}, halves(20, 24), "no sum over positions"),
        (TotalVariationLoss(), None, {"left": 1.0, "right": 1.0}, halves(20, 24), "no sum over positions"),
        (GramLoss(), "style", 1.0, halves(20, 24), "region 'left' is in no style"),
    ],
)
def test_weights_that_fit_no_regions_are_refused(backbone, images, loss, target, weight, regions, says):
    inside = regions and {name: mask.astype(np.float32) for name, mask in regions.items()}
    targets = Targets(images["image"], [images["a"]], None, inside, [{}])
    with pytest.raises(InputError, match=says):
        value(Term(loss, "image", weight, target), backbone, images["image"], targets)


# Paintings


GRAY = of_color((0.5, 0.5, 0.5), 48, 48, 2)
STYLE_ONLY = {**FAST, "steps": 12, "style_layers": ["block1_conv1"], "tv_weight": 0.0, "content_weight": 0.0}


def test_each_region_takes_the_colors_of_its_own_painting():
    masks = {"content_masks": halves(48, 48)}
    for left, right, sign in ((RED, BLUE, 1), (BLUE, RED, -1)):
        found = redness(transfer(GRAY, {"right": right, "left": left}, **masks, **STYLE_ONLY).array)
        assert found[0] * sign > 0.3 and found[1] * sign < -0.3


@eagerly()
def test_what_no_mask_covers_can_have_a_painting_too():
    given = {"content_masks": {"left": halves(48, 48)["left"]}}
    result = transfer(GRAY, {"left": RED, "uncovered": BLUE}, **given, **{**STYLE_ONLY, "steps": 1})
    assert result.settings["regions"] == {"left": 0.5, "uncovered": 0.5}
    with pytest.raises(InputError, match="only content_masks has 'uncovered'"):
        transfer(GRAY, {"left": RED}, **given, **STYLE_ONLY)


def test_a_mask_says_which_part_of_a_painting_counts():
    both = np.concatenate([RED, of_color((0.1, 0.2, 0.8), 40, 40)], axis=1)
    options = {"content_masks": halves(48, 48), "init": "content", **STYLE_ONLY}
    picture = transfer(GRAY, {"left": both, "right": BLUE}, style_masks={"left": halves(40, 80)["left"]}, **options)
    assert redness(picture.array)[0] > 0.3


@pytest.mark.parametrize("init", ["style", "recolored"])
def test_a_start_from_the_style_is_composed_of_the_regions(init):
    found = redness(at_start(GRAY, {"left": RED, "right": BLUE}, content_masks=halves(48, 48), init=init).array)
    assert found[0] > 0.4 and found[1] < -0.4


def test_weights_by_region_change_their_region_alone():
    def style(weights) -> float:
        options = {"content_masks": halves(48, 48), "style_weight": weights}
        return at_start(GRAY, {"left": RED, "right": BLUE}, **options).history["style"][0]

    left, right, both, equal = (
        style(each)
        for each in ({"left": 2, "right": 0}, {"left": 0, "right": 3}, {"left": 2, "right": 3}, {"left": 1, "right": 1})
    )
    assert both == pytest.approx(left + right, rel=1e-5)
    assert equal == pytest.approx(style(1.0), rel=1e-6)
    assert equal == pytest.approx(left / 2 + right / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("style", "given", "says"),
    [
        ({"left": RED}, {}, r"style by region, without content_masks; expected masks of 'left'"),
        ({"left": RED, "sky": BLUE}, {"content_masks": halves(40, 48)}, "only style has 'sky'"),
        ({"left": RED, "right": BLUE}, {"content_masks": halves(40, 48), "style_blend": [1, 2]}, "nothing is blended"),
        ({"left": RED, "right": BLUE}, {"content_masks": halves(40, 48), "style_masks": {"sky": RED}}, "'left'"),
        ({"left": RED, "right": "no.png"}, {"content_masks": halves(40, 48)}, "style of 'right': no such file"),
        ({}, {}, "style is an empty mapping; expected at least one"),
        ({1: RED}, {}, "a region is called 1; expected a name"),
        (RED, {"style_weight": {"left": 1}}, "style_weight is given of left; expected a number, since there are no"),
        (RED, {"content_weight": {"left": "x"}}, "content_weight of left is 'x'; expected a number"),
    ],
)
def test_bad_regions_are_one_error(photograph, style, given, says):
    with pytest.raises(InputError, match=says):
        transfer(photograph, style, **given, **FAST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_weight", {"sky": 1, "land": 2}),
        ("style_weight", {"sky": 1}),
        ("merge_regions", {"lake": "sea"}),
        ("unmatched_regions", "whole"),
    ],
)
def test_an_export_and_a_batch_refuse_what_goes_with_masks(painting_file, name, value):
    stylizer = Stylizer(**{name: value})
    with pytest.raises(InputError, match=f"{name} is about regions, and an export takes no masks"):
        check_stylizer(stylizer)
    with pytest.raises(InputError, match=f"{name} is about regions, and a batch takes no masks"):
        work.bound(stylizer, "a2b", [painting_file])


@eagerly()
def test_swapped_paintings_are_another_run(tmp_path):
    given = {"content_masks": halves(48, 48), "checkpoint": tmp_path / "saved", **FAST, "steps": 1}
    transfer(GRAY, {"left": RED, "right": BLUE}, **given)
    with pytest.raises(CheckpointError, match="style"):
        transfer(GRAY, {"left": BLUE, "right": RED}, **given)


def test_paintings_are_named_by_region_on_the_command_line(tmp_path, monkeypatch, capsys):
    calls = record_transfers(monkeypatch)
    line = ["transfer", "a.png", "sky=b.png", "land=c=d.png", "-o", tmp_path / "out.png"]
    assert command(capsys, *line, "--style-weight", "sky=2,land=0.5", "--content-weight", "3")[0] == 0
    _, style, options = calls[0]
    assert {region: str(file) for region, file in style.items()} == {"sky": "b.png", "land": "c=d.png"}
    assert options == {"style_weight": {"sky": 2.0, "land": 0.5}, "content_weight": 3.0}


# Textures


@pytest.mark.parametrize("tileable", [False, True])
def test_an_index_map_says_where_which_texture_goes(tileable):
    masks, textures = halves(40, 48), {"left": RED, "right": BLUE}
    result = synthesize_texture(textures, (40, 48), canvas_masks=masks, tileable=tileable, **TEXTURE)
    found = redness(result.array)
    assert found[0] > 0.5 and found[1] < -0.5
    assert result.settings["regions"] == {"left": 0.5, "right": 0.5}


@eagerly()
def test_one_exemplar_can_hold_all_textures():
    both = np.concatenate([BLUE[:, :40], RED[:32]], axis=1)
    index = np.where(halves(40, 48)["left"], 7, 9).astype(np.uint8)
    result = synthesize_texture(both, (40, 48), canvas_masks=index, exemplar_masks=halves_of(both, 9, 7), **TEXTURE)
    assert redness(result.array)[0] > 0.5 > -0.5 > redness(result.array)[1]


def halves_of(image: np.ndarray, left: int, right: int) -> np.ndarray:
    return np.where(halves(*image.shape[:2])["left"], left, right).astype(np.uint8)


@eagerly()
def test_soft_masks_pass_from_one_texture_into_the_other():
    right = np.tile(np.linspace(0, 1, 48), (40, 1))
    start = synthesize_texture(
        {"a": RED, "b": BLUE}, (40, 48), canvas_masks={"a": 1 - right, "b": right}, **{**TEXTURE, **STANDING}
    ).array
    reds = (start[..., 0] > start[..., 2]).mean(axis=0)
    assert np.corrcoef(reds, right[0])[0, 1] < -0.9 and reds[:8].mean() > 0.8 and reds[-8:].mean() < 0.2


@eagerly()
def test_a_mixture_has_its_weights(backbone):
    """At the start the pixels are of each exemplar in its share; the aim is the weighted mean of their statistics."""
    given = {**TEXTURE, **STANDING, "method": "mmd_linear", "tileable": True, "style_blend": [3, 1]}
    result = synthesize_texture([RED, BLUE], (40, 48), **given)
    assert (result.array[..., 0] > result.array[..., 2]).mean() == pytest.approx(0.75, abs=0.03)
    first = {"block1_conv1": backbone.kernels["block1_conv1"]}
    red, blue = (vgg.forward(each, first, "max")["block1_conv1"][2:-2, 2:-2].mean(axis=(0, 1)) for each in (RED, BLUE))
    aim = 0.75 * red + 0.25 * blue
    continued = np.pad(result.array, ((32, 32), (32, 32), (0, 0)), "wrap")
    canvas = vgg.forward(continued, first, "max")["block1_conv1"][2:-2, 2:-2].mean(axis=(0, 1))
    assert result.history["loss"][0] == pytest.approx(((canvas - aim) ** 2).sum() / (aim**2).sum(), rel=1e-3)
    assert result.settings["style_blend"] == [0.75, 0.25]


@eagerly()
def test_the_border_of_a_region_is_not_matched_either(backbone):
    """One region of everything is no region, with the edge that is left out."""
    whole = {"all": np.ones((40, 48), bool)}
    given = {**TEXTURE, **STANDING, "init": of_color((0.4, 0.4, 0.4), 40, 48)}
    plain = synthesize_texture(RED, (40, 48), **given).history["loss"]
    masked = synthesize_texture({"all": RED}, (40, 48), canvas_masks=whole, **given).history["loss"]
    assert masked == pytest.approx(plain, rel=1e-5)


@eagerly()
def test_a_texture_starts_where_it_is_told():
    start = of_color((0.4, 0.4, 0.4), 40, 48)
    given = {**TEXTURE, **STANDING}
    assert (synthesize_texture(RED, (40, 48), init=start, **given).array == start).all()
    noise = synthesize_texture(RED, (40, 48), init="noise", **given).array
    assert abs(redness(noise)[0]) < 0.1
    with pytest.raises(InputError, match="init is 48 x 40 pixels; expected the proportions of the result, 48 x 48"):
        synthesize_texture(RED, 48, init=start, **given)
    with pytest.raises(InputError, match="expected an image, or one of noise"):
        synthesize_texture(RED, 48, init="content", **given)


@eagerly()
def test_a_texture_can_be_balanced():
    result = synthesize_texture(RED, 24, balance="gradient", **TEXTURE)
    assert (result.settings["balance"], result.settings["optimizer"]) == ("gradient", "adam")
    with pytest.raises(InputError, match="balance with the optimizer 'lbfgs'"):
        synthesize_texture(RED, 24, balance="gradient", optimizer="lbfgs", **TEXTURE)


@pytest.mark.parametrize(
    ("exemplar", "given", "says"),
    [
        ({"a": RED, "b": BLUE}, {}, "exemplar by region, without canvas_masks; expected masks of 'a', 'b'"),
        (RED, {"canvas_masks": halves(40, 40)}, "canvas_masks without exemplar_masks; expected both, or none"),
        ({"a": RED}, {"canvas_masks": halves(40, 40)}, "only canvas_masks has 'left', 'right'; only exemplar has 'a'"),
        ([RED, BLUE], {"style_blend": [1]}, r"style_blend is \[1\]; expected 2 weights"),
        ([RED, "no.png"], {}, "exemplar 2: no such file"),
    ],
)
def test_bad_textures_are_one_error(exemplar, given, says):
    with pytest.raises(InputError, match=says):
        synthesize_texture(exemplar, (40, 40), **given, **TEXTURE)


# Regions that count as others, and regions of one side


THREE = np.concatenate([RED, of_color((0.1, 0.8, 0.2), 40, 40, 3), of_color((0.1, 0.2, 0.8), 40, 40, 4)], axis=1)
BANDS = {name: np.arange(120)[None] // 40 == band for band, name in enumerate(("fire", "grass", "lake"))}
BANDS = {name: np.broadcast_to(band, (40, 120)) for name, band in BANDS.items()}


@eagerly()
def test_merged_regions_count_as_one():
    photo = {"fire": halves(48, 48)["left"], "sea": halves(48, 48)["right"]}
    given = {"content_masks": photo, "style_masks": BANDS, "merge_regions": {"lake": "sea", "grass": "sea"}}
    result = at_start(GRAY, THREE, **given)
    assert result.settings["regions"] == {"fire": 0.5, "sea": 0.5}
    sea = {"fire": BANDS["fire"], "sea": ~BANDS["fire"]}
    assert result.history == at_start(GRAY, THREE, content_masks=photo, style_masks=sea).history
    with pytest.raises(InputError, match="merge_regions: there is no region 'ocean'; expected some of 'fire', 'grass'"):
        at_start(GRAY, THREE, **{**given, "merge_regions": {"ocean": "sea"}})


@eagerly()
def test_a_region_that_the_style_lacks_can_be_painted_like_another():
    blueish = np.where(halves(48, 48)["left"][..., None], GRAY, GRAY * np.array([0.4, 0.5, 1.5])).astype(np.float32)
    masks = {"content_masks": {"fire": halves(48, 48)["left"], "water": halves(48, 48)["right"]}, "style_masks": BANDS}
    with pytest.raises(InputError, match="only content_masks has 'water'; only style_masks has 'grass', 'lake'"):
        at_start(blueish, THREE, **masks)
    nearest, whole = (at_start(blueish, THREE, unmatched_regions=each, **masks) for each in ("nearest", "whole"))
    named = {**masks["content_masks"], "lake": masks["content_masks"]["water"]}
    del named["water"]
    two = {"fire": BANDS["fire"], "lake": BANDS["lake"], "grass": BANDS["grass"]}
    given = {"content_masks": named, "style_masks": two, "unmatched_regions": "whole"}  # grass is left out
    assert nearest.history == at_start(blueish, THREE, **given).history
    assert whole.history["style"] != nearest.history["style"]


@eagerly()
def test_a_region_without_a_painting_takes_the_nearest():
    photo = {"left": halves(48, 48)["left"], "right": halves(48, 48)["right"]}
    blueish = np.where(photo["left"][..., None], GRAY, GRAY * np.array([0.4, 0.5, 1.5])).astype(np.float32)
    given = {"content_masks": photo, "init": "content"}
    nearest = at_start(blueish, {"left": RED, "lake": BLUE}, unmatched_regions="nearest", **given)
    assert nearest.history == at_start(blueish, {"left": RED, "right": BLUE}, **given).history


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"merge_regions": {"a": "b"}}, "without content_masks; expected masks"),
        ({"merge_regions": {"a": 1}}, r"merge_regions is {'a': 1}; expected {name: name}"),
        ({"unmatched_regions": "drop"}, "unmatched_regions is 'drop'; expected one of nearest, whole"),
    ],
)
def test_rules_for_regions_that_are_none_are_refused(photograph, painting, given, says):
    with pytest.raises(InputError, match=says):
        transfer(photograph, painting, **given, **FAST)


def test_rules_for_regions_arrive_from_the_command_line(tmp_path, monkeypatch, capsys):
    calls = record_transfers(monkeypatch)
    line = ["transfer", "a.png", "b.png", "-o", tmp_path / "out.png", "--merge-regions", "lake=sea,#ff0000=fire"]
    assert command(capsys, *line, "--unmatched-regions", "whole", "--balance", "content=100,style=1")[0] == 0
    assert calls[0][2] == {
        "merge_regions": {"lake": "sea", "#ff0000": "fire"},
        "unmatched_regions": "whole",
        "balance": {"content": 100.0, "style": 1.0},
    }
