"""Regions that are found in pictures by themselves: places that are alike in features, colors and height."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.cluster import vq

from keras_style import images
from keras_style.backbones.backbone import Backbone
from keras_style.images import masks
from keras_style.images.masks import Regions

# All ours, by eye and by the overlap with masks painted by hand, on two pairs of photographs.
LONG_SIDE = 384  # pixels at which the network looks
COLOR, HEIGHT = 2.0, 1.0  # what colors and the height in the picture count beside features of length 1
LEAST = 0.02  # the smallest share that a region has of every picture
TRIES = 4  # starts of k-means, of which the best counts
EPSILON = 1e-3  # of the guided filter that brings borders to edges


def find_regions(
    backbone: Backbone, layer: str, pictures: Sequence[np.ndarray], count: int, seed: int = 0
) -> list[Regions]:
    """The same regions in all pictures, by k-means over the positions of all.

    A cluster that is next to nowhere in one of the pictures is given up, so there may be fewer regions than asked for.

    Args:
        backbone: the network that sees the pictures.
        layer: whose features count.
        pictures: each (H, W, 3) in [0, 1].
        count: how many regions.
        seed: of the starts.

    Returns:
        Of each picture `{region: weights (H, W)}`, which add up to one. Regions are called "1", "2" and so on, from
        the top of the first picture down.
    """
    from keras_style.images import smoothing
    from keras_style.internal.tensorflow import tf

    small = [images.fit(picture, min(LONG_SIDE, max(picture.shape[:2]))) for picture in pictures]
    seen = [_vectors(backbone(tf.constant(each[None]), [layer])[layer].numpy()[0], each) for each in small]
    flat = [each.reshape(-1, each.shape[-1]) for each in seen]
    centers = _centers(np.concatenate(flat), count, seed)
    while True:
        labels = [vq.vq(each, centers)[0] for each in flat]
        shares = np.min([np.bincount(each, minlength=len(centers)) / len(each) for each in labels], axis=0)
        if shares.min() >= LEAST or len(centers) == 1:
            break
        centers = np.delete(centers, shares.argmin(), axis=0)
    heights = [seen[0][..., -1].ravel()[labels[0] == number].mean() for number in range(len(centers))]
    order = np.argsort(heights)
    found: list[Regions] = []
    for picture, reduced, each, maps in zip(pictures, small, labels, seen, strict=True):
        places = (each.reshape(maps.shape[:2])[..., None] == order).astype(np.float32)
        planes = [masks.resize(places[..., number], *reduced.shape[:2]) for number in range(len(order))]
        with tf.device("CPU:0"):
            soft = smoothing.guided(np.stack(planes, axis=-1), reduced, epsilon=EPSILON).numpy().clip(1e-3, 1)
        whole = [masks.resize(soft[..., number], *picture.shape[:2]) for number in range(len(order))]
        total = np.sum(whole, axis=0)
        found.append({str(number): (part / total).astype(np.float32) for number, part in enumerate(whole, start=1)})
    return found


def _vectors(maps: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Features of length 1, colors and heights of the positions (H', W', C) of a layer."""
    height, width, _ = maps.shape
    lengths = np.linalg.norm(maps, axis=-1, keepdims=True)
    rows = np.broadcast_to(np.linspace(0, 1, height)[:, None, None], (height, width, 1))
    parts = [maps / np.maximum(lengths, 1e-9), COLOR * images.resize(picture, height, width), HEIGHT * rows]
    return np.concatenate(parts, axis=-1).astype(np.float64)


def _centers(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The centers of the best of a few runs of k-means."""
    runs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of clusters without a vector, which are given up later
        for number in range(TRIES):
            centers, labels = vq.kmeans2(vectors, count, iter=30, minit="++", rng=np.random.default_rng([seed, number]))
            runs.append((float(((vectors - centers[labels]) ** 2).sum()), centers))
    return min(runs, key=lambda run: run[0])[1]
