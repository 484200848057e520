"""Regions: style compared region by region, from the objective to whole transfers with masks."""

import numpy as np
import pytest
from oracles import losses as oracle
from oracles import vgg
from running import FAST, at_start, eagerly

from keras_style import transfer
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import (
    ContentLoss,
    FeatureLoss,
    GaussianKLLoss,
    GramLoss,
    HistogramLoss,
    JensenShannonLoss,
    MMDLoss,
    MomentsLoss,
    SlicedWassersteinLoss,
    TotalVariationDistanceLoss,
)
from keras_style.optimize.objective import Objective, Term

LAYERS = ("image", "block1_conv1", "block2_conv1")
LOSSES = [
    GramLoss(),
    MMDLoss("linear"),
    MMDLoss("gaussian"),
    MomentsLoss(),
    HistogramLoss(),
    HistogramLoss(bins=64),
    SlicedWassersteinLoss(),
    GaussianKLLoss(),
    JensenShannonLoss(),
    TotalVariationDistanceLoss(),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.name}-{LOSSES.index(loss)}")


@pytest.fixture(scope="module")
def images():
    """An image and two styles of different sizes, float64."""
    random = np.random.default_rng(0)
    sizes = {"image": (20, 24), "style": (16, 22), "other style": (24, 18)}
    return {name: random.random((*size, 3)) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def maps(backbone, images):
    """Feature maps of each image by NumPy, with its pixels as the layer `image`."""
    deepest = list(backbone.kernels).index("block4_conv1") + 1
    kernels = dict(list(backbone.kernels.items())[:deepest])
    return {name: {"image": image, **vgg.forward(image, kernels, "max")} for name, image in images.items()}


def halves(height: int, width: int, left: float = 0.5) -> dict[str, np.ndarray]:
    """Left and right part, with a border on an even column."""
    inside = np.broadcast_to(np.arange(width) < 2 * round(left * width / 2), (height, width)).astype(np.float32)
    return {"left": inside, "right": 1 - inside}


def part(regions: dict[str, np.ndarray], region: str, features: np.ndarray) -> np.ndarray:
    """The vectors of features (H, W, C) inside a region, as (1, n, C)."""
    pooled = regions[region]
    while pooled.shape[0] > features.shape[0]:
        pooled = pooled[: len(pooled) // 2 * 2].reshape(-1, 2, pooled.shape[1] // 2, 2).mean(axis=(1, 3))
    assert set(np.unique(pooled)) <= {0, 1}
    return features[pooled == 1][None]


def between(loss: FeatureLoss, image: np.ndarray, style: np.ndarray) -> float:
    return float(loss.distance(loss.statistics(tf.constant(style[None])), loss.statistics(tf.constant(image[None])))[0])


def value(
    objective, backbone, images, styles=("style",), blend=None, content_regions=None, style_regions=(), edge=0
) -> float:
    styles = [images[name][None] for name in styles]
    losses = objective.bind(backbone, None, styles, blend, content_regions, style_regions, edge)
    return float(losses(tf.constant(images["image"][None]))["style"])


def of(loss: FeatureLoss, *layers: str, **changes) -> Objective:
    return Objective([Term(loss, layer, 2.0, "style", **changes) for layer in layers])


# The objective


@every_loss
@pytest.mark.parametrize("relative", [False, True])
def test_one_region_of_everything_is_no_region(loss, relative, backbone, images):
    objective = of(loss, *LAYERS, relative=relative)
    everything = [{"all": np.ones(images[name].shape[:2], np.float32)} for name in ("image", "style")]
    expected = value(objective, backbone, images)
    got = value(objective, backbone, images, content_regions=everything[0], style_regions=everything[1:])
    assert got == pytest.approx(expected, rel=1e-9)


@every_loss
def test_regions_are_the_losses_of_the_pixels_inside_weighted_by_share(loss, backbone, images, maps):
    of_image, of_style = halves(20, 24, 0.25), halves(16, 22, 0.6)
    expected = 0.0
    for layer in LAYERS:
        for region, share in (("left", 0.25), ("right", 0.75)):
            inside, inside_style = (
                part(regions, region, maps[name][layer]) for regions, name in ((of_image, "image"), (of_style, "style"))
            )
            expected += 2 * share * between(loss, inside, inside_style)
    got = value(of(loss, *LAYERS), backbone, images, content_regions=of_image, style_regions=[of_style])
    assert got == pytest.approx(expected, rel=1e-6)


@every_loss
def test_without_edges_it_is_the_loss_of_the_positions_inside(loss, backbone, images, maps):
    vectors = [[maps[name][layer][2:-2, 2:-2] for name in ("image", "style")] for layer in LAYERS]
    expected = sum(2 * between(loss, *(each.reshape(1, -1, each.shape[-1]) for each in pair)) for pair in vectors)
    assert value(of(loss, *LAYERS), backbone, images, edge=2) == pytest.approx(expected, rel=1e-6)


def test_of_a_map_that_is_all_edge_the_middle_stays(backbone, images, maps):
    image, style = (maps[name]["block4_conv1"] for name in ("image", "style"))
    assert (image.shape[:2], style.shape[:2]) == ((2, 3), (2, 2))  # only of three columns one is not at the border
    inside = image[:, 1:2], style
    expected = 2 * between(GramLoss(), *(each.reshape(1, -1, 512) for each in inside))
    assert value(of(GramLoss(), "block4_conv1"), backbone, images, edge=2) == pytest.approx(expected, rel=1e-6)


def test_gram_matrices_of_regions_are_those_written_out(backbone, images, maps):
    of_image, of_style = halves(20, 24, 0.5), halves(16, 22, 0.6)
    expected = 0.0
    for region in ("left", "right"):
        inside, inside_style = (
            part(regions, region, maps[name]["block2_conv1"])
            for regions, name in ((of_image, "image"), (of_style, "style"))
        )
        expected += 0.5 * oracle.mse_of_gram_over_positions(inside, inside_style)
    objective = Objective([Term(GramLoss("gatys_pytorch"), "block2_conv1", 1.0, "style")])
    got = value(objective, backbone, images, content_regions=of_image, style_regions=[of_style])
    assert got == pytest.approx(expected, rel=1e-9)


def test_soft_border_weighs_positions_in_gram_matrices(images):
    weights = np.random.default_rng(1).random((20, 24)).astype(np.float32)
    of_image = {"a": weights, "b": 1 - weights}
    of_style = halves(16, 22)
    of_style = {"a": of_style["left"], "b": of_style["right"]}
    expected = 0.0
    for region in ("a", "b"):
        rows, share = images["image"].reshape(-1, 3), of_image[region].ravel().astype(np.float64)
        gram = np.einsum("m,mi,mj->ij", share, rows, rows) / share.sum()
        inside = part(of_style, region, images["style"])
        difference = gram - oracle.gram(inside) / inside.shape[1]
        expected += share.mean() * (difference**2).mean()
    objective = Objective([Term(GramLoss("gatys_pytorch"), "image", 1.0, "style")])
    bound = objective.bind(_NoNetwork(), None, [images["style"][None]], None, of_image, [of_style])
    assert float(bound(tf.constant(images["image"][None]))["style"]) == pytest.approx(expected, rel=1e-6)


class _NoNetwork:
    """Pixels alone."""

    def check_layers(self, layers):
        assert set(layers) == {"image"}

    def poolings(self, layer):
        return 0

    def __call__(self, images, layers):
        return {"image": images}


@pytest.mark.parametrize("loss", [GramLoss("gatys_pytorch"), MomentsLoss(1e-12), MMDLoss("linear")])
def test_relative_terms_are_relative_to_each_regions_style(loss, backbone, images):
    of_image, of_style = halves(20, 24), halves(16, 22)
    expected = 0.0
    for region in ("left", "right"):
        inside, inside_style = (
            part(regions, region, images[name]) for regions, name in ((of_image, "image"), (of_style, "style"))
        )
        expected += 2 * 0.5 * between(loss, inside, inside_style) / between(loss, np.zeros((1, 1, 3)), inside_style)
    objective = of(loss, "image", relative=True)
    got = value(objective, backbone, images, content_regions=of_image, style_regions=[of_style])
    assert got == pytest.approx(expected, rel=1e-6)


@every_loss
def test_several_styles_blend_region_by_region(loss, backbone, images):
    of_image, regions = halves(20, 24), [halves(16, 22), halves(24, 18, 0.3)]
    both = ("style", "other style")
    objective = of(loss, "image")
    expected = 0.0
    for region in ("left", "right"):
        of_styles = [
            loss.statistics(tf.constant(part(each, region, images[name])[None]))
            for each, name in zip(regions, both, strict=True)
        ]
        inside = loss.statistics(tf.constant(part(of_image, region, images["image"])[None]))
        expected += 2 * 0.5 * float(loss.distance(loss.blend(of_styles, [0.25, 0.75]), inside)[0])
    got = value(objective, backbone, images, both, [0.25, 0.75], of_image, regions)
    assert got == pytest.approx(expected, rel=1e-6)
    alone = value(objective, backbone, images, ("style",), None, of_image, regions[:1])
    weightless = value(objective, backbone, images, both, [1.0, 0.0], of_image, regions)
    assert weightless == pytest.approx(alone, rel=1e-6)


def test_content_and_roughness_are_compared_everywhere(backbone, images):
    objective = Objective([Term(ContentLoss("sum"), "image", 1.0, "content")])
    of_image, of_style = halves(20, 24), halves(16, 22)
    losses = objective.bind(backbone, images["image"][None] + 1, [], None, of_image, [of_style])
    assert float(losses(tf.constant(images["image"][None]))["content"]) == pytest.approx(images["image"].size)


def test_region_that_poolings_leave_nothing_of_is_named(backbone, images):
    last = np.zeros((21, 24), np.float32)
    last[-1] = 1
    regions = {"rim": last, "rest": 1 - last}
    of_style = halves(16, 22)
    of_style = {"rim": of_style["left"], "rest": of_style["right"]}
    style = [images["style"][None]]
    with pytest.raises(InputError, match="region 'rim': nothing of it is left in the content at block2_conv1"):
        of(GramLoss(), "block2_conv1").bind(backbone, None, style, None, regions, [of_style])
    with pytest.raises(InputError, match="region 'rim': nothing of it is left in the style at block2_conv1"):
        of(GramLoss(), "block2_conv1").bind(backbone, None, [np.zeros((1, 21, 24, 3))], None, of_style, [regions])
    of(GramLoss(), "block1_conv1").bind(backbone, None, style, None, regions, [of_style])


def test_gradient_of_a_region_comes_from_its_own_style(images, backbone):
    of_image, of_style = halves(20, 24), halves(16, 22)
    image = tf.Variable(images["image"][None])

    def gradient(style: np.ndarray) -> np.ndarray:
        losses = of(GramLoss(), "image").bind(backbone, None, [style[None]], None, of_image, [of_style])
        with tf.GradientTape() as tape:
            total = losses(image)["style"]
        return tape.gradient(total, image).numpy()[0]

    other = images["style"].copy()
    other[:, -8:] *= 0.5  # in its right half
    change = np.abs(gradient(other) - gradient(images["style"])).max(axis=-1)
    assert (change[:, :12] == 0).all()
    assert (change[:, 12:] > 0).all()


# Whole transfers


@pytest.fixture(scope="module")
def two_colors():
    """A style that is red on the left and blue on the right, with grain."""
    style = np.zeros((32, 44, 3), np.float32)
    style[:, :22], style[:, 22:] = (0.8, 0.2, 0.1), (0.1, 0.2, 0.8)
    return (style + np.random.default_rng(0).uniform(-0.1, 0.1, style.shape)).clip(0, 1).astype(np.float32)


def masks(height: int, width: int) -> dict[str, np.ndarray]:
    left = np.broadcast_to(np.arange(width) < width // 2, (height, width))
    return {"one": left, "two": ~left}


STYLE_ONLY = {**FAST, "steps": 12, "style_layers": ["block1_conv1"], "tv_weight": 0.0, "content_weight": 0.0}


def test_each_region_takes_the_colors_of_its_own(two_colors):
    gray = np.full((48, 48, 3), 0.5, np.float32) + np.random.default_rng(1).uniform(-0.1, 0.1, (48, 48, 3)).astype("f4")
    of_image, of_style = masks(48, 48), masks(32, 44)
    swapped = {"one": of_style["two"], "two": of_style["one"]}
    for regions, first_is_red in ((of_style, True), (swapped, False)):
        picture = transfer(gray, two_colors, content_masks=of_image, style_masks=regions, **STYLE_ONLY).array
        redness = picture[..., 0] - picture[..., 2]
        left, right = redness[:, 4:20].mean(), redness[:, 28:44].mean()
        assert (left - right > 0.3) if first_is_red else (right - left > 0.3)


def test_without_masks_no_side_is_preferred(two_colors):
    gray = np.full((48, 48, 3), 0.5, np.float32) + np.random.default_rng(1).uniform(-0.1, 0.1, (48, 48, 3)).astype("f4")
    picture = transfer(gray, two_colors, **STYLE_ONLY).array
    redness = picture[..., 0] - picture[..., 2]
    assert abs(redness[:, 4:20].mean() - redness[:, 28:44].mean()) < 0.1


@eagerly()
def test_masks_that_cover_everything_give_the_picture_without(photograph, painting):
    covered = [np.ones(image.shape[:2], bool) for image in (photograph, painting)]
    options = {**FAST, "optimizer": "adam"}
    with_masks = transfer(
        photograph, painting, content_masks={"all": covered[0]}, style_masks={"all": covered[1]}, **options
    )
    np.testing.assert_allclose(with_masks.array, transfer(photograph, painting, **options).array, atol=1e-3)
    assert with_masks.settings["regions"] == {"all": 1.0}


@eagerly()
@pytest.mark.parametrize("method", ["mmd_gaussian", "histogram"])
def test_every_kind_of_method_takes_masks_over_two_scales(method, photograph, painting):
    options = {**FAST, "method": method, "steps": 2, "scales": [32, 48], "optimizer": "adam"}
    result = transfer(photograph, painting, content_masks=masks(40, 48), style_masks=masks(32, 44), **options)
    assert np.isfinite(result.history["loss"]).all()
    assert result.array.shape == (40, 48, 3)


def test_several_styles_have_masks_of_their_own(photograph, painting):
    both = [painting, np.ascontiguousarray(painting[:, ::-1])]
    regions = [masks(32, 44), {"one": masks(32, 44)["two"], "two": masks(32, 44)["one"]}]

    def style(given: list) -> float:
        return at_start(photograph, both, content_masks=masks(40, 48), style_masks=given).history["style"][0]

    alone = at_start(photograph, painting, content_masks=masks(40, 48), style_masks=regions[0])
    of_both = style(regions)
    assert of_both == pytest.approx(alone.history["style"][0], rel=0.1)  # mirrored, with its masks mirrored
    assert style(regions[::-1]) != pytest.approx(of_both, rel=1e-3)
    with pytest.raises(InputError, match="style_masks are not a list of 2; expected the masks of each style"):
        style(regions[:1])


@pytest.mark.parametrize("given", ["content_masks", "style_masks"])
def test_masks_of_one_side_alone_are_refused(photograph, painting, given):
    of = {"content_masks": masks(40, 48), "style_masks": masks(32, 44)}
    with pytest.raises(InputError, match=r"_masks without .*_masks; expected both, or none"):
        transfer(photograph, painting, **{given: of[given]}, **FAST)


def test_other_regions_in_the_style_are_refused(photograph, painting):
    other = {"one": masks(32, 44)["one"], "three": masks(32, 44)["two"]}
    with pytest.raises(InputError, match="expected the same regions in both"):
        transfer(photograph, painting, content_masks=masks(40, 48), style_masks=other, **FAST)


def test_masks_of_one_style_may_be_in_a_list_of_their_own(photograph, two_colors):
    given = {"content_masks": masks(*photograph.shape[:2])}
    of_style = masks(*two_colors.shape[:2])
    alone, listed = (at_start(photograph, two_colors, style_masks=each, **given) for each in (of_style, [of_style]))
    assert alone.history == listed.history
