"""Base class of generators and discriminators: it refuses sizes that do not fit and initializes kernels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.layers import InstanceNormalization
from keras_style.models.loading import keras_file

# For each layer that has an order of axes: the default may be another, by keras.json or by a call.
CHANNELS_LAST = {"data_format": "channels_last"}


class ImageNetwork(keras.Model):
    """A model of images (B, H, W, C) that is built at once and knows which H and W it takes.

    Args:
        channels: C of the images that go in.
        layers: a function from a symbolic tensor of images to the symbolic output; it is called once.
        multiple: H and W must be multiples of it.
        minimum: the smallest H and W, in pixels.
        kwargs: of `keras.Model`.

    Call arguments: `images` (B, H, W, C).

    Raises:
        InputError: the images have another rank or size. A size that is known only when the graph runs raises
            `tf.errors.InvalidArgumentError` there.
    """

    # The layers are a model inside: were this a functional model, `keras.models.clone_model` would lose its class.
    def __init__(
        self, channels: int, layers: Callable[[Any], Any], multiple: int = 1, minimum: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        images = keras.Input((None, None, channels), dtype=self.variable_dtype, name="images")
        self.network = keras.Model(images, layers(images), name="network")
        self.channels = channels
        self._multiple, self._minimum = multiple, minimum
        self.build((None, None, None, channels))

    @property
    def multiple(self) -> int:
        """Number of pixels that H and W must be multiples of."""
        return self._multiple

    @property
    def minimum(self) -> int:
        """The smallest H and W, in pixels."""
        return self._minimum

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.network(images, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape: tuple[int | None, ...] = self.network.compute_output_shape(input_shape)
        return shape

    # Not in `call`: Keras would wrap the one line of an error into a report of its own.
    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        shape = tuple(getattr(images, "shape", ()))
        if len(shape) != 4:
            raise InputError(f"{self.name}: images of shape {shape}; expected (B, H, W, {self.channels})")
        sides = [side for side in shape[1:3] if side is not None]
        if any(side < self.minimum or side % self.multiple for side in sides):
            raise InputError(f"{self.name}: images of height and width {shape[1:3]}; expected {self._sizes}")
        if len(sides) < 2 and tf.is_tensor(images):
            images = self._checked_when_run(images)
        return super().__call__(images, *args, **kwargs)

    @property
    def _sizes(self) -> str:
        return (
            f"multiples of {self.multiple} from {self.minimum} on" if self.multiple > 1 else f"{self.minimum} or more"
        )

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        keras_file.check_path(filepath, **kwargs)
        super().save(filepath, *args, **kwargs)

    def _checked_when_run(self, images: tf.Tensor) -> tf.Tensor:
        sides = tf.shape(images)[1:3]
        fits = tf.reduce_all((sides >= self.minimum) & (sides % self.multiple == 0))
        came = f"{self.name}: expected height and width to be {self._sizes}; came images of shape"
        with tf.control_dependencies([tf.debugging.Assert(fits, [came, tf.shape(images)])]):
            return tf.identity(images)


def normal(seed: int | None, mean: float = 0.0) -> Callable[[], keras.initializers.Initializer]:
    """A function that gives each variable its own initializer N(mean, 0.02^2), all of them fixed by one seed.

    Kernels have a mean of 0, the factors of instance normalization of 1: `weights_init` in `models/architectures.lua`
    of junyanz/CycleGAN @40b4498.
    """
    if seed is None:  # then `keras.utils.set_random_seed` decides
        return lambda: keras.initializers.RandomNormal(mean, 0.02)
    numbers = np.random.default_rng((seed, 1) if mean else seed)
    return lambda: keras.initializers.RandomNormal(mean, 0.02, seed=int(numbers.integers(2**31)))


def instance_norm(affine: bool, seed: int | None, policy: Any) -> Callable[..., InstanceNormalization]:
    """A function that makes instance normalizations, by their names, with offsets and factors if `affine`."""
    factor = normal(seed, 1.0)
    return lambda name: InstanceNormalization(
        center=affine, scale=affine, gamma_initializer=factor() if affine else "ones", name=name, dtype=policy
    )
