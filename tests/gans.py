"""CycleGANs so small that a step takes a moment, and what they are trained on."""

from typing import Any

import numpy as np

from keras_style.internal.tensorflow import keras, tf
from keras_style.models.cyclegan import CycleGAN


def pointwise(filters: int, seed: int, **options: Any) -> keras.Model:
    """A single 1 x 1 convolution without offset: a matrix for every pixel."""
    images = keras.Input((None, None, 3))
    kernel = keras.initializers.RandomNormal(0, 0.5, seed=seed)
    layer = keras.layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=kernel, **options)
    return keras.Model(images, layer(images))


def tiny(**options: Any) -> CycleGAN:
    """A CycleGAN of single matrices."""
    return CycleGAN(
        **{
            "generator": (pointwise(3, 1), pointwise(3, 2)),
            "discriminator": (pointwise(1, 3), pointwise(1, 4)),
            "pool_size": 3,
            **options,
        }
    )


def images(count: int, seed: int, side: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


def pairs(count: int = 4, batch: int = 1, side: int = 4) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices((images(count, 1, side), images(count, 2, side)))
    return data.batch(batch, drop_remainder=True)


def values(variables: Any) -> list[np.ndarray]:
    return [np.array(tf.convert_to_tensor(each.value)) for each in variables]


def kernels(gan: CycleGAN) -> list[np.ndarray]:
    """Of G, F, D_A and D_B of a tiny one, as matrices."""
    networks = (gan.generator_a2b, gan.generator_b2a, gan.discriminator_a, gan.discriminator_b)
    return [values(network.weights)[0][0, 0] for network in networks]
