"""The convolutions of VGG, tap by tap."""

from collections.abc import Mapping

import numpy as np

CAFFE_MEAN = {"red": 123.68, "green": 116.779, "blue": 103.939}  # of ImageNet's training images, 0-255


def forward(
    image: np.ndarray, kernels: Mapping[str, tuple[np.ndarray, np.ndarray]], pooling: str
) -> dict[str, np.ndarray]:
    """`{layer: (height, width, filters)}` after the ReLU of every convolution.

    Args:
        image: (height, width, 3), RGB in [0, 1].
        kernels: `{"blockN_convM": (kernel (3, 3, in, out), bias (out,))}`, shallow to deep.
        pooling: "max" or "average".
    """
    x = caffe(image)
    features: dict[str, np.ndarray] = {}
    for name, (kernel, bias) in kernels.items():
        if name.endswith("_conv1") and name != "block1_conv1":
            x = pool(x, pooling)
        x = np.maximum(convolve(x, kernel) + bias, 0)
        features[name] = x
    return features


def caffe(image: np.ndarray) -> np.ndarray:
    """BGR, 0-255, less the mean."""
    red, green, blue = np.moveaxis(255 * image.astype(np.float64), -1, 0)
    return np.stack([blue - CAFFE_MEAN["blue"], green - CAFFE_MEAN["green"], red - CAFFE_MEAN["red"]], axis=-1)


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3 x 3, stride 1, with a border of zeros."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    taps = [padded[i : i + height, j : j + width] @ kernel[i, j].astype(np.float64) for i in range(3) for j in range(3)]
    return np.sum(taps, axis=0)


def pool(x: np.ndarray, pooling: str) -> np.ndarray:
    """2 x 2, stride 2; a last odd row or column is dropped."""
    height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    corners = [x[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return np.max(corners, axis=0) if pooling == "max" else np.mean(corners, axis=0)
