"""Masks at other sizes: resized, pooled to layers, and matched between content and style."""

import fractions
import subprocess
import sys

import numpy as np
import pytest
from mask_checks import load, shares

from keras_style.errors import InputError
from keras_style.images import masks

# Sizes


SIZES = [(20, 28), (10, 14), (7, 10), (40, 56), (33, 46), (19, 27), (200, 280)]


@pytest.mark.parametrize("size", SIZES)
def test_shares_of_the_image_stay(painted, size):
    expected = shares(load(painted))
    assert shares(load(painted, *size)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_any_labels_stay_a_partition(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(16, 60, 2)
    labels = rng.integers(0, 6, (height, width))
    scale = rng.uniform(0.3, 3)
    regions = load(labels, max(1, round(height * scale)), max(1, round(width * scale)))
    assert shares(regions) == pytest.approx({str(label): (labels == label).mean() for label in range(6)}, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_any_soft_masks_stay_a_partition(seed):
    rng = np.random.default_rng(seed)
    levels = rng.dirichlet([0.3, 0.3, 0.3], (31, 44)).transpose(2, 0, 1)
    for size in [(31, 44), (13, 18), (62, 88), (50, 71)]:
        regions = load({"a": levels[0], "b": levels[1]}, *size)
        expected = dict(zip(("a", "b", "uncovered"), levels.mean(axis=(1, 2)), strict=True))
        assert shares(regions) == pytest.approx(expected, abs=1e-6)


def overlaps(count: int, size: int) -> np.ndarray:
    """How much of each of `size` equal parts every one of `count` pixels is, in fractions."""
    rows = []
    for part in range(size):
        low, high = fractions.Fraction(part * count, size), fractions.Fraction((part + 1) * count, size)
        rows.append([max(0, min(high, pixel + 1) - max(low, pixel)) / (high - low) for pixel in range(count)])
    return np.array(rows, float)


@pytest.mark.parametrize("size", [(5, 7), (16, 9), (31, 40), (17, 60), (1, 1)])
def test_resize_is_the_mean_over_the_area(size):
    mask = np.random.default_rng(0).random((17, 23))
    expected = overlaps(17, size[0]) @ mask @ overlaps(23, size[1]).T
    resized = masks.resize(mask, *size)
    assert (resized.shape, resized.dtype) == (size, np.float32)
    np.testing.assert_allclose(resized, expected, atol=1e-7)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
@pytest.mark.parametrize("size", [(17, 23), (6, 11), (40, 29)])
def test_resize_leaves_zeros_and_ones(dtype, size):
    for value in (0, 1):
        assert (masks.resize(np.full((17, 23), value, dtype), *size) == value).all()


def test_resize_returns_a_new_array():
    mask = np.ones((4, 5), np.float32)
    assert not np.shares_memory(masks.resize(mask, 4, 5), mask)


# Layers


@pytest.mark.parametrize("size", [(16, 16), (20, 28), (37, 51)])
@pytest.mark.parametrize("poolings", [0, 1, 2, 4])
def test_at_layer_is_the_mean_of_squares(size, poolings):
    mask = np.random.default_rng(0).random(size).astype(np.float32)
    side = 2**poolings
    height, width = size[0] // side, size[1] // side
    pooled = masks.at_layer(mask, side, (height, width))
    assert (pooled.shape, pooled.dtype) == ((height, width), np.float32)
    for y, x in np.ndindex(height, width):
        square = mask[y * side : (y + 1) * side, x * side : (x + 1) * side]
        assert pooled[y, x] == pytest.approx(square.mean(), abs=1e-6)


def test_at_layer_stays_a_partition(painted):
    for poolings in range(5):
        side = 2**poolings
        pooled = [masks.at_layer(mask, side, (37 // side, 51 // side)) for mask in load(painted, 37, 51).values()]
        np.testing.assert_allclose(np.sum(pooled, axis=0), 1, atol=1e-6)


def test_at_layer_keeps_float64():
    assert masks.at_layer(np.ones((4, 4)), 2, (2, 2)).dtype == np.float64


# Both sides


def test_same_regions_match(painted, left):
    masks.match(load(painted), load(painted[::-1, ::-1].repeat(2, axis=0).repeat(2, axis=1), 40, 56))
    masks.match(load({"sky": left}), load({"sky": ~left}))


@pytest.mark.parametrize(
    ("content", "style", "expected"),
    [
        ("ab", "a", "only content_masks has 'b'; expected the same regions in both"),
        ("a", "acb", "only style_masks has 'b', 'c'; expected the same regions in both"),
        ("ab", "bc", "only content_masks has 'a'; only style_masks has 'c'; expected the same regions in both"),
        (["a", "uncovered"], "a", "only content_masks has 'uncovered' ('uncovered' is what no mask covers); expected"),
        (["a", "uncovered"], ["b", "uncovered"], "content_masks has 'a'; only style_masks has 'b'; expected"),
    ],
)
def test_region_of_one_side_is_refused(content, style, expected):
    with pytest.raises(InputError) as caught:
        masks.match(dict.fromkeys(content), dict.fromkeys(style))
    assert str(caught.value).startswith("content_masks, style_masks: only ") and expected in str(caught.value)


def test_sides_have_names():
    with pytest.raises(InputError, match=r"^content_masks, style_masks 2: only style_masks 2 has 'a'; expected"):
        masks.match({}, {"a": np.ones(1)}, style_name="style_masks 2")


def test_masks_do_not_load_tensorflow():
    script = "import sys, keras_style.images.masks; print({'tensorflow', 'keras', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
