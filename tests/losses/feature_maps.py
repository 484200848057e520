"""Feature maps like those of a network, and distances between single ones."""

import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.losses import FeatureLoss


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size."""
    return np.random.default_rng(seed).normal(0.3, 2, (height, width, filters)).clip(0)


def distance(
    loss: FeatureLoss,
    image: np.ndarray,
    target: np.ndarray,
    image_mask: np.ndarray | None = None,
    target_mask: np.ndarray | None = None,
) -> float:
    """Distance of single feature maps (H, W, C), in their own dtype."""
    masks = (None if mask is None else tf.constant(mask[None]) for mask in (target_mask, image_mask))
    aim, current = map(loss.statistics, (tf.constant(target[None]), tf.constant(image[None])), masks)
    values = loss.distance(aim, current)
    assert values.shape == (1,)
    assert values.dtype == image.dtype
    return float(values[0])


def blended(loss: FeatureLoss, image: np.ndarray, styles: list[np.ndarray], shares: list[float]) -> float:
    """Distance of a feature map from the blend of several."""
    target = loss.blend([loss.statistics(tf.constant(style[None])) for style in styles], shares)
    return float(loss.distance(target, loss.statistics(tf.constant(image[None])))[0])


def distances_from(loss: FeatureLoss, style: np.ndarray, mask: np.ndarray | None = None):
    """A function of many feature maps (B, H, W, C), under one mask: their distances (B,) from one style."""
    target = loss.statistics(tf.constant(style[None]))
    of_all = None if mask is None else tf.constant(mask[None])
    return lambda images: loss.distance(target, loss.statistics(tf.constant(images), of_all)).numpy()


def gradient(loss: FeatureLoss, image: np.ndarray, style: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Gradient of the distance by the image's features."""
    variable = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        current = loss.statistics(variable, None if mask is None else tf.constant(mask[None]))
        value = loss.distance(loss.statistics(tf.constant(style[None])), current)
    return tape.gradient(value, variable).numpy()[0]
