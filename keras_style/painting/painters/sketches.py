"""Sketches: a few numbers for the style of a picture, whose distances are those of Gram matrices, about.

For random vectors u and v, the mean over positions of (u f)(v f) is u' G v, with G the Gram matrix of features f; over
u and v its square has the mean ||G||^2. So the distance of two lists of such numbers estimates the distance of two Gram
matrices, by a thousandth of the numbers (Johnson & Lindenstrauss). Painters keep a sketch for each of their styles, and
find in no time which of them, blended, are nearest to a painting.
"""

import functools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from keras_style import backbones
from keras_style.internal.tensorflow import tf
from keras_style.painting.methods.painter_lesson import LESSON

LAYERS = tuple(LESSON.style_layers)
PAIRS = 96  # of vectors for each layer, ours: distances to a tenth
_UNITS = (1e5, 1e7, 5e7, 3e7)  # of the layers, about their mean over pictures, so that half precision holds them
SIZE = len(LAYERS) * PAIRS
_SEED = 26  # a sketch is compared with those in files: it never changes


def sketch(picture: np.ndarray) -> np.ndarray:
    """The sketch (SIZE,) of a picture (H, W, 3) in [0, 1], float32."""
    features = backbones.get("vgg16_imagenet")(tf.constant(picture[None]), LAYERS)
    parts = []
    for layer, unit, (u, v) in zip(LAYERS, _UNITS, _vectors(), strict=True):
        vectors = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
        parts.append(tf.reduce_mean(tf.matmul(vectors, u) * tf.matmul(vectors, v), axis=0) / unit)
    return tf.concat(parts, axis=0).numpy()


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distance of sketches (..., SIZE) from one that is the unit, the mean over the layers: 1 is as far as black."""
    squares = np.square(one - other).reshape(*one.shape[:-1], len(LAYERS), PAIRS).sum(-1)
    unit = np.square(other).reshape(len(LAYERS), PAIRS).sum(-1)
    return (squares / np.maximum(unit, 1e-12)).mean(-1)


def nearest_blend(known: np.ndarray, wanted: np.ndarray, most: int) -> np.ndarray:
    """Weights (S,) of at most `most` of the sketches (S, SIZE), which add up to 1, nearest to the one wanted (SIZE,).

    Sketches of zeros, which were not taken, get no weight.
    """
    unit = np.sqrt(np.square(wanted).reshape(len(LAYERS), PAIRS).sum(-1))
    scale = 1 / np.repeat(np.maximum(unit, 1e-6), PAIRS)
    usable = np.flatnonzero(np.abs(known).sum(1))
    while True:
        # A row of large numbers makes the weights add up to 1.
        together = np.concatenate([(known[usable] * scale).T, np.full((1, len(usable)), 100.0)])
        weights, _ = nnls(together, np.append(wanted * scale, 100.0))
        if np.count_nonzero(weights) <= most:
            break
        usable = usable[np.argsort(weights)[::-1][: max(most, np.count_nonzero(weights) - 1)]]
    result = np.zeros(len(known))
    result[usable] = weights / weights.sum()
    return result


@functools.cache
def _vectors() -> Sequence[tuple[tf.Tensor, tf.Tensor]]:
    random = np.random.default_rng(_SEED)
    channels = [layer.channels for layer in backbones.get("vgg16_imagenet").layers if layer.name in LAYERS]
    return [tuple(tf.constant(random.normal(size=(each, PAIRS)), tf.float32) for _ in "uv") for each in channels]
