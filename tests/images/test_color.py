"""Color preservation against scikit-image's YIQ, SciPy's matrix square root and closed forms."""

import numpy as np
import pytest
import scipy.linalg
from skimage.color import rgb2yiq, yiq2rgb

from keras_style.errors import InputError
from keras_style.images import color
from keras_style.internal.tensorflow import tf

RIDGE = 1e-5


def picture(seed: int, height: int = 20, width: int = 24) -> np.ndarray:
    """Correlated channels around the middle of the range, so that nothing needs clipping."""
    random = np.random.default_rng(seed)
    mixing = random.uniform(-1, 1, (3, 3))
    return np.clip(0.5 + 0.05 * random.standard_normal((height, width, 3)) @ mixing, 0.3, 0.7)


def covariance(image: np.ndarray) -> np.ndarray:
    return np.cov(image.reshape(-1, 3), rowvar=False, bias=True)


def mapping(style: np.ndarray, content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = color.matching_map(style, content)
    return a.numpy(), b.numpy()


@pytest.fixture
def content():
    return picture(1)


@pytest.fixture
def style():
    return picture(2, 18, 30)


# luminance


def test_luminance_is_the_y_of_yiq(content):
    expected = rgb2yiq(content)[..., :1]
    np.testing.assert_allclose(color.luminance(content), expected, atol=1e-12)


def test_luminance_of_white_is_one():
    np.testing.assert_allclose(color.luminance(np.ones((2, 3, 3))), np.ones((2, 3, 1)), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_result_has_the_dtype_of_its_image(content, style, dtype):
    content, style = content.astype(dtype), style.astype(dtype)
    results = [
        color.luminance(content),
        *color.luminance_pair(content, style),
        color.restore_chroma(content, content),
        color.match(style, content),
    ]
    assert [result.dtype.as_numpy_dtype for result in results] == [dtype] * 5


def test_in_a_graph_of_any_size_they_are_the_same(content, style):
    def run(content, style):
        gray = color.luminance_pair(content, style)
        return (*gray, color.match(style, content), color.restore_chroma(gray[0], content))

    any_size = tf.TensorSpec([None, None, 3], tf.float64)
    graph = tf.function(run, autograph=False, input_signature=[any_size] * 2)
    for result, expected in zip(graph(content, style), run(content, style), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-12)


def test_matching_map_is_float64_for_float32_images(content, style):
    a, b = mapping(style.astype(np.float32), content.astype(np.float32))
    assert (a.dtype, b.dtype) == (np.float64, np.float64)


# luminance-only transfer


def test_luminance_pair_matches_mean_and_deviation(content, style):
    content_gray, style_gray = (gray.numpy() for gray in color.luminance_pair(content, style))
    assert style_gray.shape == style.shape
    assert style_gray.mean() == pytest.approx(content_gray.mean(), abs=1e-12)
    assert style_gray.std() == pytest.approx(content_gray.std(), abs=1e-12)


def test_luminance_pair_is_the_papers_formula(content, style):
    content_gray, style_gray = (gray.numpy() for gray in color.luminance_pair(content, style))
    y_content, y_style = rgb2yiq(content)[..., 0], rgb2yiq(style)[..., 0]
    expected = y_content.std() / y_style.std() * (y_style - y_style.mean()) + y_content.mean()
    for channel in range(3):
        np.testing.assert_allclose(content_gray[..., channel], y_content, atol=1e-12)
        np.testing.assert_allclose(style_gray[..., channel], expected, atol=1e-12)


def test_luminance_pair_clips():
    content = np.zeros((4, 4, 3))
    content[0] = 1.0
    style = np.full((8, 8, 3), 0.5)
    style[0, 0] = 1.0  # one outlier, many deviations away
    style_gray = color.luminance_pair(content, style)[1].numpy()
    assert (style_gray.min(), style_gray.max()) == (pytest.approx(0.196, abs=1e-3), 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_style_becomes_the_contents_mean(content, dtype):
    flat = np.full((17, 19, 3), [0.1, 0.3, 0.7], dtype)
    _, style_gray = color.luminance_pair(content.astype(dtype), flat)
    np.testing.assert_allclose(style_gray, rgb2yiq(content)[..., 0].mean(), atol=1e-6)


# restore_chroma


def test_restore_chroma_is_y_of_one_and_iq_of_the_other(content):
    stylized = picture(3)
    yiq = rgb2yiq(content)
    yiq[..., 0] = rgb2yiq(stylized)[..., 0]
    np.testing.assert_allclose(color.restore_chroma(stylized, content), yiq2rgb(yiq), atol=1e-7)


def test_restore_chroma_clips():
    stylized = np.ones((2, 2, 3))
    content = np.broadcast_to(np.array([0.9, 0.2, 0.4]), (2, 2, 3))
    restored = color.restore_chroma(stylized, content).numpy()
    assert restored.max() == 1.0
    y = 0.299 * 0.9 + 0.587 * 0.2 + 0.114 * 0.4
    np.testing.assert_allclose(restored[0, 0], [1.0, 0.2 + 1 - y, 0.4 + 1 - y], atol=1e-12)


def test_restore_chroma_refuses_other_sizes(content, style):
    with pytest.raises(InputError, match=r"\(18, 30, 3\).*\(20, 24, 3\).*equal"):
        color.restore_chroma(style, content)


# color matching


def test_matching_map_is_scipys(content, style):
    a, b = mapping(style, content)
    root_content = scipy.linalg.sqrtm(covariance(content) + RIDGE * np.eye(3))
    root_style = scipy.linalg.sqrtm(covariance(style) + RIDGE * np.eye(3))
    expected = root_content @ scipy.linalg.inv(root_style)
    np.testing.assert_allclose(a, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(b, content.mean((0, 1)) - expected @ style.mean((0, 1)), rtol=1e-8, atol=1e-10)


def test_mapped_style_has_the_contents_moments(content, style):
    a, b = mapping(style, content)
    mapped = style @ a.T + b
    np.testing.assert_allclose(mapped.mean((0, 1)), content.mean((0, 1)), atol=1e-12)
    # Exact in ridged covariances: A (S + r) A' = C + r.
    np.testing.assert_allclose(
        covariance(mapped) + RIDGE * a @ a.T, covariance(content) + RIDGE * np.eye(3), atol=1e-12
    )


def test_matching_an_image_to_itself_changes_nothing(content):
    a, b = mapping(content, content)
    np.testing.assert_allclose(a, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(b, 0, atol=1e-9)


def test_match_is_the_map_clipped(style):
    content = np.random.default_rng(4).integers(0, 2, (16, 16, 3)).astype(np.float64)  # more spread than [0, 1] holds
    a, b = mapping(style, content)
    mapped = np.einsum("ij,hwj->hwi", a, style) + b
    assert mapped.min() < 0 and mapped.max() > 1
    np.testing.assert_allclose(color.match(style, content), np.clip(mapped, 0, 1), atol=1e-12)


def test_float32_match_agrees_with_float64(content, style):
    single = color.match(style.astype(np.float32), content.astype(np.float32))
    np.testing.assert_allclose(single, color.match(style, content), atol=2e-5)


def test_gray_style_takes_a_gray_contents_contrast(content):
    gray_style = np.repeat(picture(5)[..., :1], 3, axis=-1)
    gray_content = np.repeat(content[..., :1], 3, axis=-1)
    a, _ = mapping(gray_style, gray_content)
    # Along (1, 1, 1) the variance is three times a channel's; across it both sides hold the ridge alone.
    variance_c, variance_s = (3 * image[..., 0].var() + RIDGE for image in (gray_content, gray_style))
    gray_axis = np.full((3, 3), 1 / 3)
    expected = np.eye(3) + (np.sqrt(variance_c / variance_s) - 1) * gray_axis
    np.testing.assert_allclose(a, expected, atol=1e-7)
    matched = color.match(gray_style, content).numpy()
    assert np.isfinite(matched).all()
    np.testing.assert_allclose(matched.mean((0, 1)), content.mean((0, 1)), atol=1e-3)


def test_constant_style_becomes_the_contents_mean_color(content):
    flat = np.full((16, 16, 3), [0.2, 0.4, 0.6])
    matched = color.match(flat, content)
    np.testing.assert_allclose(matched, np.broadcast_to(content.mean((0, 1)), flat.shape), atol=1e-9)
