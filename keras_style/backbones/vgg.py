"""The VGG networks, the usual backbones."""

import functools
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.backbones import weights, winograd
from keras_style.backbones.backbone import IMAGE, Backbone, Layer, up_to_deepest
from keras_style.checks import POOLINGS, PRECISIONS
from keras_style.internal.digests import array_digest
from keras_style.internal.tensorflow import tf

_CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR, 0-255: the mean that the VGG weights were trained with

# Channels in times channels out from which Winograd's convolution is worth the memory that goes through it: all
# convolutions of VGG but those of the first block.
_ENOUGH_CHANNELS = 64 * 128


@dataclass(frozen=True, eq=False)
class VGG(Backbone):
    """A VGG network up to its last convolution, as a function of images; features are those after the ReLU.

    On a processor, convolutions of many channels are Winograd's. Kernels, and what Winograd's convolution makes of
    them, are tensors that every `tf.function` captures that calls the network, but for a `prepared` network.

    Attributes:
        name: one that `keras_style.backbones.get` knows, or a name of your own.
        kernels: `{"blockN_convM": (kernel (3, 3, in, out), bias (out,))}`, shallow to deep, NumPy arrays.
        pooling: "max" (as VGG was trained) or "average" (Gatys et al. 2016, §2), 2 x 2, stride 2, rounding down.
        precision: "float32", or "mixed_bfloat16", as Keras calls it: convolutions in bfloat16, which halves what the
            network keeps for the gradient; features are given in the dtype of the images, and losses computed in it.
            For GPUs and processors with instructions for it (`avx512_bf16`, `amx_bf16`); without them it is slower.
        filters: transformed filters in the graph that the network is to be part of (`prepared`); None: each is computed
            when it is first needed, outside of all graphs.

    Example:
        >>> backbone = keras_style.backbones.get("vgg16_imagenet")
        >>> images = np.random.default_rng(0).random((1, 256, 256, 3), "float32")
        >>> backbone(images, ["block2_conv1"])["block2_conv1"].shape
        TensorShape([1, 128, 128, 128])

    Reference: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    """

    name: str
    kernels: weights.Kernels
    pooling: str = "max"
    precision: str = "float32"
    filters: Mapping[str, winograd.Filters] | None = field(default=None, repr=False)
    _made: dict[tuple[str, str, tf.DType], Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        checks.choice("pooling", self.pooling, POOLINGS)
        checks.choice("precision", self.precision, PRECISIONS)

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]
        return weights.layers({name: kernel.shape[-1] for name, (kernel, _) in self.kernels.items()})

    @property
    def arrays(self) -> Iterable[np.ndarray]:
        return (array for pair in self.kernels.values() for array in pair)

    def key(self) -> Hashable:
        return VGG, tuple(self.kernels), self._digest, self.pooling, self.precision

    @functools.cached_property
    def _digest(self) -> str:
        return array_digest(*self.arrays)

    def with_pooling(self, pooling: str) -> "VGG":
        return replace(self, pooling=pooling)

    def __call__(self, images: tf.Tensor, layers: Iterable[str]) -> dict[str, tf.Tensor]:
        wanted = set(layers)
        self.check_layers(wanted)
        features = {IMAGE: images} if IMAGE in wanted else {}
        x = tf.reverse(images, [-1]) * 255.0 - tf.constant(_CAFFE_MEAN, images.dtype)
        if self.precision == "mixed_bfloat16":
            x = tf.cast(x, tf.bfloat16)
        stride = 1
        for layer, (name, (_, bias)) in zip(self.layers, self.kernels.items(), strict=True):
            if len(features) == len(wanted):
                break
            if layer.stride != stride:
                stride = layer.stride
                x = _POOL[self.pooling](x, 2, 2, "VALID")
            x = tf.nn.relu(tf.nn.bias_add(self._convolve(x, name), tf.constant(bias, x.dtype)))
            if name in wanted:
                features[name] = tf.cast(x, images.dtype)
        return features

    def prepared(self, names: Iterable[str]) -> "VGG":
        """The network with filters for Winograd's convolution, float32, up to the deepest of the layers `names`.

        A graph that is to be saved carries kernels as they are, a quarter of that, and transforms them when it runs.
        """
        used = (layer.name for layer in up_to_deepest(self.layers, names) if self._by_winograd(layer.name))
        return replace(self, filters={name: winograd.prepare(self.kernels[name][0], tf.float32) for name in used})

    def _convolve(self, x: tf.Tensor, layer: str) -> tf.Tensor:
        if self._by_winograd(layer) and winograd.pays(x) is not False:
            return winograd.convolve(x, self._filters(layer, x.dtype))
        # Without AVX-512, oneDNN computes a constant's convolution in a graph by another algorithm than eagerly, and a
        # thread goes on with the one that it saw first: a step would not see the features that were taken of its
        # targets, nor the same ones in every run. Any other tensor has one algorithm; a step takes a twentieth longer.
        return tf.nn.conv2d(x, tf.identity(self._kernel(layer, x.dtype)), 1, "SAME")

    def _by_winograd(self, layer: str) -> bool:
        """Not on a GPU, where cuDNN chooses such algorithms by itself, and not in bfloat16, which is too coarse."""
        enough = np.prod(self.kernels[layer][0].shape[2:]) >= _ENOUGH_CHANNELS
        return bool(enough) and self.precision == "float32" and not tf.config.list_logical_devices("GPU")

    def _kernel(self, layer: str, dtype: tf.DType) -> tf.Tensor:
        if self.filters is not None:
            return tf.constant(self.kernels[layer][0], dtype)
        return self._once("kernel", layer, dtype, lambda: tf.constant(self.kernels[layer][0], dtype))

    def _filters(self, layer: str, dtype: tf.DType) -> winograd.Filters:
        if self.filters is not None:
            return self.filters[layer]
        return self._once("filters", layer, dtype, lambda: winograd.prepare(self.kernels[layer][0], dtype))

    def _once(self, kind: str, layer: str, dtype: tf.DType, make: Callable[[], Any]) -> Any:
        """Make a tensor of a layer outside of all graphs, which then share it."""
        if (kind, layer, dtype) not in self._made:
            with tf.init_scope():
                self._made[kind, layer, dtype] = make()
        return self._made[kind, layer, dtype]


_POOL: Mapping[str, Any] = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}


def get(
    name: str, *, file: str | os.PathLike[str] | None = None, pooling: str = "max", precision: str = "float32"
) -> VGG:
    """The backbone called `name`, with published weights or those of a local file.

    Args:
        name: "vgg16_imagenet" (in the package: block1_conv1 to block5_conv1, kernels rounded to float16),
            "vgg16_imagenet_full" or "vgg19_imagenet" (all convolutions, downloaded once to Keras's cache). "NAME=FILE"
            names a local file of one of these two.
        file: a local HDF5 file of the same network's weights.
        pooling: "max" or "average".
        precision: "float32" or "mixed_bfloat16"; see `VGG`.

    Raises:
        InputError: unknown name, pooling or precision.
        WeightsError: the weights cannot be had, are damaged or of another network.
    """
    name, _, given = name.partition("=")
    file = file or given or None
    return VGG(name, weights.load(name, file), pooling, precision) if file else _published(name, pooling, precision)


@functools.lru_cache(maxsize=2)
def _published(name: str, pooling: str, precision: str) -> VGG:
    return VGG(name, weights.load(name), pooling, precision)
