"""Content and style loss as each peer defines them, in float64 PyTorch: the judge of who reached what.

Shares no code with keras_style but the reading of the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from keras_style.backbones import weights

CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True)
class Definition:
    """What a peer means by its losses.

    Attributes:
        scale: by which values in [0, 1] are multiplied.
        mean: BGR, subtracted afterwards.
        content_weight: times the mean squared error at `CONTENT`.
        style_weight: times the mean squared error of Gram matrices over their N H W, summed over `STYLE`.
    """

    scale: float
    mean: tuple[float, float, float]
    content_weight: float
    style_weight: float


# neural-style: -content_weight, -style_weight and preprocess(); its Gram matrix is divided by N H W.
# pystiche: 1000/N^2 of the Gram matrix over H W is 1000 of the one over N H W; CaffePreprocessing.
DEFINITIONS = {
    "neural_style": Definition(256, (103.939, 116.779, 123.68), 5, 100),
    "pystiche": Definition(255, (255 * 0.408, 255 * 0.458, 255 * 0.485), 1, 1000),
}


class Judge:
    """Losses of pictures against one photograph and one painting.

    Args:
        peer: a key of `DEFINITIONS`.
        photograph: (H, W, 3) in [0, 1].
        painting: (H', W', 3) in [0, 1].
    """

    def __init__(self, peer: str, photograph: np.ndarray, painting: np.ndarray):
        self.definition = DEFINITIONS[peer]
        self.kernels = {
            name.replace("block", "relu").replace("conv", ""): (
                torch.from_numpy(kernel.transpose(3, 2, 0, 1).astype(np.float64)),
                torch.from_numpy(bias.astype(np.float64)),
            )
            for name, (kernel, bias) in weights.load("vgg16_imagenet").items()
        }
        self.content = self._features(photograph)[CONTENT]
        self.grams = {layer: _gram(maps) for layer, maps in self._features(painting).items() if layer in STYLE}

    def __call__(self, picture: np.ndarray) -> Mapping[str, float]:
        """`{"content": ..., "style": ...}`, weighted, of a picture as a file holds it: in 8 bits."""
        features = self._features(np.round(np.clip(picture, 0, 1) * 255) / 255)
        content = torch.mean((features[CONTENT] - self.content) ** 2)
        style = sum(torch.mean((_gram(features[layer]) - self.grams[layer]) ** 2) for layer in STYLE)
        return {
            "content": self.definition.content_weight * float(content),
            "style": self.definition.style_weight * float(style),
        }

    @torch.no_grad()
    def _features(self, picture: np.ndarray) -> dict[str, torch.Tensor]:
        bgr = torch.from_numpy(np.asarray(picture, np.float64)).flip(-1) * self.definition.scale
        x = (bgr - torch.tensor(self.definition.mean, dtype=torch.float64)).permute(2, 0, 1)[None]
        features, block = {}, "1"
        for name, (kernel, bias) in self.kernels.items():
            if name[4] != block:
                block = name[4]
                x = torch.nn.functional.max_pool2d(x, 2)
            x = torch.relu(torch.nn.functional.conv2d(x, kernel, bias, padding=1))
            if name in (*STYLE, CONTENT):
                features[name] = x
            if name == STYLE[-1]:
                break
        return features


def _gram(features: torch.Tensor) -> torch.Tensor:
    vectors = features[0].flatten(1)
    return vectors @ vectors.T / vectors.numel()
