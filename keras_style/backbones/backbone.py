"""The interface of backbones, frozen networks that turn images into feature maps, and the records of their layers."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

IMAGE = "image"  # the layer that stands for the pixels themselves


@dataclass(frozen=True)
class Layer:
    """A layer whose feature maps losses can compare.

    Attributes:
        name: by which terms and arguments call it.
        channels: number of filters.
        stride: pixels from one position to the next; position p owns the `stride` pixels from p * stride + offset on.
        reach: how many pixels beyond its own, to each side, a position sees; None: unknown, or the whole image.
        offset: pixels by which convolutions without padding shift the positions.
        obstacle: the layer of the network because of which `reach` is None.
    """

    name: str
    channels: int
    stride: int
    reach: int | None
    offset: int = 0
    obstacle: str = ""

    @property
    def level(self) -> int:
        """The number of times that the image was halved."""
        return round(math.log2(self.stride))

    @property
    def density(self) -> float:
        """Numbers per pixel of the image."""
        return self.channels / self.stride**2


PIXELS = Layer(IMAGE, 3, 1, 0)


class Backbone:
    """A frozen network, as a function of images.

    `keras_style.backbones.get` gives the published ones, `keras_style.backbones.from_keras` makes one of a Keras model.

    Attributes:
        name: how errors and settings call it.
        layers: records of the layers that can be tapped, shallow to deep. "image" can be tapped too: the pixels.

    Example:
        >>> backbone = keras_style.backbones.get("vgg16_imagenet")
        >>> backbone.layers[2]
        Layer(name='block2_conv1', channels=128, stride=2, reach=4, offset=0, obstacle='')
        >>> images = np.random.default_rng(0).random((1, 256, 256, 3), "float32")
        >>> backbone(images, ["block1_conv1"])["block1_conv1"].shape
        TensorShape([1, 256, 256, 64])
    """

    name: str
    layers: tuple[Layer, ...]

    def __call__(self, images: "tf.Tensor", layers: Iterable[str]) -> dict[str, "tf.Tensor"]:
        """Feature maps of each named layer; the network ends at the deepest of them.

        Args:
            images: (B, H, W, 3), RGB in [0, 1], float32 or float64.
            layers: names of layers, or "image".

        Returns:
            `{layer: (B, *shape(layer, H, W), C)}` in the dtype of `images`.

        Raises:
            InputError: an unknown layer.
        """
        raise NotImplementedError

    def layer(self, name: str) -> Layer:
        """The record of the layer called `name`."""
        self.check_layers([name])
        return next(layer for layer in (PIXELS, *self.layers) if layer.name == name)

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise InputError unless this network has every one of the layers `names`."""
        known = [layer.name for layer in (PIXELS, *self.layers)]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                f"{self.name} has no layer {', '.join(map(repr, unknown))}; expected some of {', '.join(known)}"
            )

    def reach(self, names: Iterable[str]) -> int:
        """Largest number of pixels beyond its own, to each side, that a position of the layers `names` sees.

        Raises:
            InputError: one of them may see the whole image.
        """
        reaches = [0]
        for layer in map(self.layer, names):
            if layer.reach is None:
                raise InputError(
                    f"tile with {layer.name} of {self.name}, whose layer {layer.obstacle} may see the whole image; "
                    "expected tile=None"
                )
            reaches.append(layer.reach)
        return max(reaches)

    def shape(self, name: str, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of a layer for images of height x width pixels."""
        stride = self.layer(name).stride
        return height // stride, width // stride

    def computed(self, names: Iterable[str]) -> Sequence[Layer]:
        """All activations that the layers `names` take, for the estimate of memory."""
        return up_to_deepest(self.layers, names)

    def with_pooling(self, pooling: str) -> "Backbone":
        """The same network with another kind of pooling, "max" or "average".

        Raises:
            InputError: it has no such choice.
        """
        raise InputError(f"pooling is {pooling!r} with the backbone {self.name}, which has its own; expected None")

    def prepared(self, names: Iterable[str]) -> "Backbone":
        """The same network in the graph that it is to be part of, which then has its weights once."""
        return self

    def key(self) -> Hashable:
        """Return what a graph of this network depends on beside its `tensors`; by default it equals nothing.

        Then each picture has a graph of its own, since nobody knows whether the network has changed. One that never
        changes can give itself.
        """
        return object()

    @property
    def tensors(self) -> Any:
        """Numbers that differ from picture to picture, which a graph takes as inputs: tensors in any nesting."""
        return ()

    def with_tensors(self, tensors: Any) -> "Backbone":
        """The same network with other `tensors`."""
        return self

    def normalized(self, images: Iterable[np.ndarray]) -> "Backbone":
        """The same network rescaled so that the mean activation of every layer over `images` is one.

        Gatys et al. normalize every filter over ImageNet; a scale for each layer over a few images is ours: a filter
        that is silent on these images would get a scale without bound.

        Args:
            images: arrays (H, W, 3), RGB in [0, 1].

        Reference: Gatys et al. 2016, §2.
        """
        means = self.mean_activations(images)
        return Rescaled(self, {name: 1 / mean for name, mean in means.items() if mean > 0})

    def mean_activations(self, images: Iterable[np.ndarray]) -> dict[str, float]:
        """The mean of every layer over arrays (H, W, 3)."""
        from keras_style.internal.tensorflow import tf

        names = [layer.name for layer in self.layers]
        # One image's features at a time: they take a hundred times the memory of the image.
        of_each = [
            tf.nest.map_structure(tf.reduce_mean, self(tf.constant(image[None], tf.float32), names)) for image in images
        ]
        return {name: float(np.mean([means[name] for means in of_each])) for name in names}

    @property
    def arrays(self) -> Iterable[np.ndarray]:
        """All weights, by which a checkpoint knows the network."""
        raise NotImplementedError


class Rescaled(Backbone):
    """A backbone whose layers are multiplied by `scales`, numbers or scalar tensors; layers without one stay."""

    def __init__(self, backbone: Backbone, scales: Mapping[str, Any]):
        self.backbone, self.scales = backbone, scales
        self.name, self.layers = backbone.name, backbone.layers

    def shape(self, name: str, height: int, width: int) -> tuple[int, int]:
        return self.backbone.shape(name, height, width)

    def __call__(self, images: "tf.Tensor", layers: Iterable[str]) -> dict[str, "tf.Tensor"]:
        return self.scaled(self.backbone(images, layers))

    def key(self) -> Hashable:
        return Rescaled, self.backbone.key(), tuple(self.scales)

    @property
    def tensors(self) -> Any:
        from keras_style.internal.tensorflow import tf

        return self.backbone.tensors, {name: tf.cast(scale, tf.float64) for name, scale in self.scales.items()}

    def with_tensors(self, tensors: Any) -> "Rescaled":
        of_backbone, scales = tensors
        return Rescaled(self.backbone.with_tensors(of_backbone), scales)

    def scaled(self, features: Mapping[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
        """Features of the backbone, multiplied."""
        from keras_style.internal.tensorflow import tf

        return {
            name: maps * tf.cast(self.scales[name], maps.dtype) if name in self.scales else maps
            for name, maps in features.items()
        }


def up_to_deepest(layers: Sequence[Layer], names: Iterable[str]) -> Sequence[Layer]:
    """The part of a chain of layers that ends at the deepest of `names`."""
    positions = {layer.name: number for number, layer in enumerate(layers, start=1)}
    return layers[: max((positions.get(name, 0) for name in names), default=0)]
