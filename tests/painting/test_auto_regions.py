"""Regions that are found in photograph and style by themselves."""

import numpy as np
import pytest
from running import FAST, at_start

from keras_style import Stylizer, transfer
from keras_style.errors import InputError
from keras_style.export.exportable import check_stylizer
from keras_style.painting.auto_regions import find_regions


def scene(height: int, width: int, horizon: float, seed: int, third: bool = False) -> np.ndarray:
    """A smooth blue sky over rough brown land; with a red square if a third kind of place is wanted."""
    random = np.random.default_rng(seed)
    sky = np.arange(height)[:, None, None] < horizon * height
    land = np.array([0.5, 0.35, 0.15]) + random.uniform(-0.2, 0.2, (height, width, 1))
    picture = np.where(sky, np.array([0.45, 0.65, 0.95]), land)
    if third:
        picture[-height // 2 :, : width // 2] = (0.95, 0.05, 0.05)
    return np.broadcast_to(picture, (height, width, 3)).clip(0, 1).astype(np.float32)


def test_the_same_two_regions_are_found_on_both_sides(backbone):
    pictures = [scene(64, 80, 0.4, 0), scene(72, 56, 0.6, 1)]
    found = find_regions(backbone, "block2_conv2", pictures, 2)
    for picture, regions, horizon in zip(pictures, found, (0.4, 0.6), strict=True):
        assert list(regions) == ["1", "2"]  # from the top down
        np.testing.assert_allclose(regions["1"] + regions["2"], 1, atol=1e-5)
        assert regions["1"].shape == picture.shape[:2] and regions["1"].dtype == np.float32
        truth = np.arange(len(picture))[:, None] < np.full(picture.shape[1], horizon * len(picture))
        inside = regions["1"] > 0.5
        assert (inside & truth).sum() / (inside | truth).sum() > 0.85


def test_what_only_one_picture_has_is_no_region(backbone):
    pictures = [scene(64, 80, 0.4, 0, third=True), scene(72, 56, 0.6, 1)]
    found = find_regions(backbone, "block2_conv2", pictures, 3)
    assert [list(regions) for regions in found] == [["1", "2"], ["1", "2"]]
    both = find_regions(backbone, "block2_conv2", [pictures[0], pictures[0][:, ::-1]], 3)
    assert [list(regions) for regions in both] == [["1", "2", "3"]] * 2
    np.testing.assert_allclose(both[0]["1"], both[1]["1"][:, ::-1], atol=0.2)


def test_a_picture_of_one_color_is_one_region(backbone):
    (regions,) = find_regions(backbone, "block2_conv2", [np.full((32, 32, 3), 0.5, np.float32)], 2)
    assert all(np.isfinite(weights).all() for weights in regions.values())
    np.testing.assert_allclose(np.sum(list(regions.values()), axis=0), 1, atol=1e-5)


def test_a_transfer_by_found_regions_is_one_by_their_masks(backbone):
    photo, painting = scene(40, 48, 0.4, 0), scene(36, 44, 0.6, 1)
    options = {"auto_regions": 2, "content_layers": ["block2_conv1"], "style_weight": {"1": 2.0, "2": 0.5}}
    result = at_start(photo, painting, **options)
    assert result.settings["regions"].keys() == {"1", "2"}
    assert result.settings["regions"]["1"] == pytest.approx(0.4, abs=0.08)
    again = at_start(photo, painting, **options)
    assert result.history == again.history
    plain = at_start(photo, painting)
    assert result.history["style"] != plain.history["style"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"auto_regions": 1}, "auto_regions is 1; expected a whole number from 2 to 16"),
        (
            {"auto_regions": 2, "content_masks": {"a": np.ones((40, 48))}, "style_masks": {"a": np.ones((32, 44))}},
            "with",
        ),
        ({"auto_regions": 2, "merge_regions": {"1": "2"}}, "merge_regions or unmatched_regions without content_masks"),
    ],
)
def test_what_does_not_go_together_is_refused(photograph, painting, given, says):
    with pytest.raises(InputError, match=says):
        transfer(photograph, painting, **given, **FAST)


def test_an_export_refuses_it():
    with pytest.raises(InputError, match="auto_regions is about regions, and an export takes no masks"):
        check_stylizer(Stylizer(auto_regions=3))
