"""Distances between two collections of images: kernel and Fréchet distance of their features (KID and FID).

The features are those of the installed VGG16, not of the Inception network that published tables use. So the numbers
tell better from worse among runs of this package, and mean nothing beside a number from elsewhere.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from keras_style import checks
from keras_style.backbones.backbone import Backbone
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf


class PooledFeatures:
    """A vector for each image: the mean activation of every filter of a layer, scaled to the length sqrt(filters).

    The length is ours. Activations of VGG differ by an order of magnitude from image to image, and by two from layer to
    layer; cubed by the kernel, a few images would decide alone. Told apart were 74 satellite pictures and 74 reliefs of
    64 pixels: by block4_conv3 their KID is 7.6 standard deviations of what halves of one collection give, without the
    common length 4.0; by block5_conv3 it is 3.5 and 0.7.

    Args:
        backbone: the network.
        layer: its layer, after the ReLU.

    Example:
        >>> from keras_style.training.distribution_metrics import PooledFeatures
        >>> features = PooledFeatures(keras_style.backbones.get("vgg16_imagenet"), "block4_conv3")
        >>> one, other = np.random.default_rng(0).random((2, 4, 64, 64, 3), "float32")
        >>> keras_style.training.kid(features(one), features(other))
    """

    def __init__(self, backbone: Backbone, layer: str) -> None:
        backbone.check_layers([layer])

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
        def pooled(images: tf.Tensor) -> tf.Tensor:
            # Weights are constants here, for which oneDNN has one algorithm; for others a thread of TensorFlow goes on
            # with the one that it saw first, and translations have shown it several.
            features = backbone.prepared([layer])(images, [layer])[layer]
            return tf.reduce_mean(features, axis=[1, 2])

        self._pooled = pooled

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Features of images (H, W, 3), uint8 or floating point in [0, 1], of any sizes.

        Returns:
            float64 (number of images, filters).
        """

        def features(image: np.ndarray) -> np.ndarray:
            scaled = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
            return self._pooled(scaled[None]).numpy()[0]  # one at a time: they differ in size

        vectors = np.stack([features(image) for image in images]).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors * np.sqrt(vectors.shape[1]) / np.where(lengths > 0, lengths, 1)


def kid(x: np.ndarray, y: np.ndarray, *, subset_size: int | None = None, subsets: int = 100, seed: int = 0) -> float:
    """Kernel distance: an unbiased estimate of the squared MMD, with the kernel (x·y / d + 1)^3.

    Its expectation does not depend on how many images there are, and is zero for two samples of one distribution; so
    single values can be negative.

    Args:
        x: features (n, d), n at least 2.
        y: features (m, d), m at least 2.
        subset_size: rows that are drawn from either side, without replacement; the result is the mean over `subsets`
            such draws. None: all rows, once, which has the least variance and needs n m numbers of memory.
        subsets: how many draws.
        seed: of the draws.

    Raises:
        InputError: features or arguments are something else than expected.

    Reference: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4; the estimator: Gretton et al., "A Kernel
    Two-Sample Test", JMLR 2012, equation 3.
    """
    x, y = _checked(x, y)
    if subset_size is None:
        return _unbiased_mmd(x, y)
    size = checks.whole("subset_size", subset_size, 2, min(len(x), len(y)))
    random = np.random.default_rng(checks.whole("seed", seed, 0, 2**32 - 1))
    draws = range(checks.whole("subsets", subsets, 1, 10**6))
    return float(np.mean([_unbiased_mmd(*(random.permutation(each)[:size] for each in (x, y))) for _ in draws]))


def _unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u @ v.T / u.shape[1] + 1) ** 3

    def between_different(u: np.ndarray) -> float:
        values = kernel(u, u)
        return (values.sum() - values.trace()) / (len(u) * (len(u) - 1))

    return float(between_different(x) + between_different(y) - 2 * kernel(x, y).mean())


def fid(x: np.ndarray, y: np.ndarray) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features; squared, as is usual.

    |mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), with covariances over n - 1. It is biased: with few images
    it is too large, so compare only values from equally many. Fewer images than filters are no trouble for the
    computation itself, which takes no root of a matrix: with C = A'A, the trace of the root is the sum of the singular
    values of A_x A_y'.

    Args:
        x: features (n, d), n at least 2.
        y: features (m, d), m at least 2.

    Raises:
        InputError: features are something else than expected.

    Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NIPS
    2017, equation 6.
    """
    x, y = _checked(x, y)
    difference = x.mean(axis=0) - y.mean(axis=0)
    roots = [(each - each.mean(axis=0)) / np.sqrt(len(each) - 1) for each in (x, y)]
    traces = sum(np.square(root).sum() for root in roots)
    short = [scipy.linalg.qr(root, mode="r")[0][: root.shape[1]] for root in roots]  # at most (d, d), the same A'A
    overlap = scipy.linalg.svdvals(short[0] @ short[1].T).sum()
    return max(0.0, float(difference @ difference + traces - 2 * overlap))  # rounding can go below zero


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < 2 or not x.shape[1]:
        raise InputError(f"features of shapes {x.shape} and {y.shape}; expected (n, d) and (m, d), n and m at least 2")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("features: NaN or infinite values; expected finite ones")
    return x, y
