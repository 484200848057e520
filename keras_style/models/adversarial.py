"""Adversarial losses by name: what the scores of generated and of real images should be."""

from typing import Any, Protocol, Self, TypeAlias

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf


class Adversarial(Protocol):
    """Interface of an adversarial loss: two functions of a discriminator's scores, which may have any shape.

    A loss may also have `penalty(discriminator, real, fake, seed)`, a scalar computed from images (B, H, W, C) and a
    seed (2,) for `tf.random.stateless_uniform`; the model adds it to the discriminator's loss. A loss that is saved
    needs `get_config` and must be registered with Keras.
    """

    def generator(self, fake: tf.Tensor) -> tf.Tensor:
        """Loss of the generator, a scalar."""

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """Loss of the discriminator, a scalar; the model halves it, as the paper does."""


class _Saved:
    """Configuration methods that Keras needs to save an object."""

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable("keras_style")
class LeastSquares(_Saved):
    """Scores of 1 for real and 0 for generated images: squared distances, averaged.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9; CycleGAN, section 4.
    """

    def generator(self, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(fake - 1))

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(real - 1)) + tf.reduce_mean(tf.square(fake))


@keras.saving.register_keras_serializable("keras_style")
class JensenShannon(_Saved):
    """Scores are log odds of being real: cross-entropies; the generator maximizes log D, which does not saturate.

    Reference: Goodfellow et al., "Generative Adversarial Networks", NIPS 2014, section 3; CycleGAN, equation 1.
    """

    def generator(self, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-fake))

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


@keras.saving.register_keras_serializable("keras_style")
class Wasserstein(_Saved):
    """Scores without bounds, whose slope in the image is held at 1 by a gradient penalty (WGAN-GP).

    Args:
        penalty_weight: of mean (|gradient| - 1)^2, taken between real and generated images; 10 as in the paper.

    Reference: Gulrajani et al., "Improved Training of Wasserstein GANs", NIPS 2017, equation 3 and algorithm 1.
    """

    def __init__(self, penalty_weight: float = 10.0) -> None:
        self.penalty_weight = checks.number("penalty_weight", penalty_weight)

    def generator(self, fake: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(fake)

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def penalty(self, discriminator: Any, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [tf.shape(real)[0], 1, 1, 1]
        share = tf.cast(tf.random.stateless_uniform(shape, seed, alg="philox"), real.dtype)
        between = share * real + (1 - share) * fake
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(between)
            # The gradient of a sum of means is each image's own gradient.
            scores = discriminator(between, training=True)
            total = tf.reduce_sum(tf.reduce_mean(tf.cast(scores, "float32"), axis=[1, 2, 3]))
        gradient = tf.cast(tape.gradient(total, between), "float32")
        # A root has no slope at zero, where the gradient of a dead discriminator is.
        norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + 1e-12)
        return self.penalty_weight * tf.reduce_mean(tf.square(norm - 1))

    def get_config(self) -> dict[str, Any]:
        return {"penalty_weight": self.penalty_weight}


LOSSES: dict[str, type] = {"lsgan": LeastSquares, "vanilla": JensenShannon, "wasserstein": Wasserstein}

Given: TypeAlias = str | Adversarial


def get(given: Given) -> Adversarial:
    """The adversarial loss of a name, or the object itself if it is one.

    Raises:
        InputError: neither of the two.
    """
    if isinstance(given, str):
        return LOSSES[checks.choice("adversarial", given, tuple(LOSSES))]()
    if not all(callable(getattr(given, method, None)) for method in ("generator", "discriminator")):
        raise InputError(
            f"adversarial is {checks.shown(given)}; expected one of {', '.join(LOSSES)}, or an object with "
            "generator(fake) and discriminator(real, fake)"
        )
    return given
