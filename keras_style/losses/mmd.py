"""Maximum mean discrepancy: the distance between the mean embeddings of two feature distributions."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

from keras_style import checks
from keras_style.internal.tensorflow import keras, tf
from keras_style.internal.with_gradient import with_gradient
from keras_style.losses.feature_loss import (
    COUNT,
    NORMALIZATIONS,
    FeatureLoss,
    Statistics,
    count,
    products,
    vectors,
    weights,
)
from keras_style.losses.sampling import mixture, samples

KERNELS = ("linear", "poly", "gaussian")

Kernel = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable("keras_style")
class MMDLoss(FeatureLoss):
    """Squared maximum mean discrepancy E k(x, x') + E k(y, y') - 2 E k(x, y) between the vectors of image and target.

    | kernel | k(x, y) | computed as |
    |---|---|---|
    | "linear" | x'y | squared distance of the means, exactly |
    | "poly" | (x'y + offset)^degree | degree 1 and 2 exactly: Gram matrices and means; above, over random pairs |
    | "gaussian" | exp(-|x - y|^2 / (2 sigma^2)) | over random pairs |

    With offset 0 and degree 2 this is ||G/M - A/M'||^2, Gatys's loss up to a factor. The kernel matrix of all pairs of
    positions is never formed. "Over random pairs" means that the M vectors are put in a random order, in which each is
    paired with the next, in time linear in M apart from sorting M numbers. The mean over draws is the unbiased estimate
    from all pairs of different positions; a single draw may be negative. From a target with more positions M of them
    are drawn; one with fewer is repeated.

    The 2 sigma^2 of the Gaussian kernel is `bandwidth` times the mean of |x - y|^2 over the pairs of a draw, held
    constant in the gradient, as in the authors' program.

    Args:
        kernel: a name from the table.
        degree: degree of the polynomial.
        offset: offset of the polynomial, not negative.
        bandwidth: of the Gaussian kernel, above 0; 1 over the program's `--mmd-gaussian-multi`.
        normalization: "mean": as above; "sum": times the number of the image's positions.
        seed: seed of the orders; an optimizer draws a new order at every step, which L-BFGS cannot: it refuses random
            pairs.

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: an argument is not what was expected.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.MMDLoss(kernel="gaussian")
        >>> loss(style, image)

    Reference: Li et al., "Demystifying Neural Style Transfer", IJCAI 2017; Gretton et al., "A Kernel Two-Sample Test",
        JMLR 2012, §6 (the linear-time estimate).
    """

    def __init__(
        self,
        kernel: str = "poly",
        degree: int = 2,
        offset: float = 0.0,
        seed: int = 0,
        bandwidth: float = 1.0,
        normalization: str = "mean",
        name: str = "mmd_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.kernel = checks.choice("kernel", kernel, KERNELS)
        self.degree = checks.whole("degree", degree, 1, 10)
        self.offset = checks.number("offset", offset)
        self.seed = checks.whole("seed", seed, 0, 2**31 - 1)
        self.bandwidth = checks.number("bandwidth", bandwidth, low=1e-6)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)
        self._draw: tf.Tensor | int = 0

    @property
    def exact(self) -> bool:
        """Whether sums over positions suffice, so that no pairs are drawn."""
        return self.kernel == "linear" or (self.kernel == "poly" and self.degree <= 2)

    @property
    def adds_up(self) -> str | None:  # type: ignore[override]
        return "statistics" if self.exact else None

    @property
    def needs_new_draws(self) -> bool:
        return not self.exact  # what always meets the same other position is pushed away from just that one

    def redrawn(self, step: tf.Tensor | int) -> Self:
        other = copy.copy(self)
        other._draw = step
        return other

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        if not self.exact:
            return {"vectors": samples(features, mask)}
        rows = vectors(features)
        shares = None if mask is None else weights(features, mask)
        sums = {COUNT: count(features, mask)}
        if self.kernel == "poly" and self.degree == 2:
            sums["gram"] = products(rows, shares)
            if not self.offset:
                return sums
        return {**sums, "sum": tf.reduce_sum(rows if shares is None else rows * shares[:, :, None], axis=1)}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        return self._normalized(self._mean(target, current), current)

    def _normalized(self, mean: tf.Tensor, of: Statistics) -> tf.Tensor:
        if self.normalization == "mean":
            return mean
        return mean * (of[COUNT] if self.exact else tf.cast(tf.shape(of["vectors"])[1], mean.dtype))

    def _mean(self, target: Statistics, current: Statistics) -> tf.Tensor:
        if not self.exact:
            return self._over_pairs(current["vectors"], target["vectors"])
        squares = {
            key: tf.reduce_sum(
                tf.math.squared_difference(_per_position(current, key), _per_position(target, key)),
                axis=list(range(1, current[key].shape.rank)),
            )
            for key in ("gram", "sum")
            if key in current
        }
        if "gram" not in squares:
            return squares["sum"]
        # (x'y + c)^2 = (x'y)^2 + 2 c x'y + c^2, and what is constant cancels.
        return squares["gram"] + (2 * self.offset * squares["sum"] if "sum" in squares else 0)

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Distance (B,) of the target from all-zero features; for random pairs a value that draws do not change."""
        if self.exact:
            return super().magnitude(target)
        if self.kernel == "gaussian":
            return self._normalized(tf.ones_like(target["vectors"][:, 0, 0]), target)
        square = tf.reduce_mean(tf.reduce_sum(tf.square(target["vectors"]), axis=2), axis=1)
        return self._normalized((square + self.offset) ** self.degree, target)

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        if self.exact:
            return super().blend(targets, weights)
        return {"vectors": mixture([target["vectors"] for target in targets], weights)}

    def get_config(self) -> dict[str, Any]:
        own = ("kernel", "degree", "offset", "seed", "bandwidth", "normalization")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def _over_pairs(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        number, others = tf.shape(x)[1], tf.shape(y)[1]
        seed = [self.seed, tf.cast(self._draw, tf.int64)]
        x = _shuffled(x, _order(number, seed))
        # The same order if both have as many positions, so that equal features are at no distance. Otherwise as many
        # vectors as the image has: some of them, or all again from the start.
        y = tf.gather(y, tf.gather(_order(others, seed), tf.range(number) % others), axis=1)
        y = tf.broadcast_to(y, tf.shape(x))
        x_far, y_far = tf.roll(x, -1, axis=1), tf.roll(y, -1, axis=1)
        pairs = ((x, x_far, 1.0), (y, y_far, 1.0), (x, y_far, -1.0), (x_far, y, -1.0))
        if self.kernel == "poly":
            values = [sign * (tf.reduce_sum(a * b, axis=2) + self.offset) ** self.degree for a, b, sign in pairs]
        else:
            distances = [tf.reduce_sum(tf.math.squared_difference(a, b), axis=2) for a, b, _ in pairs]
            bandwidth = tf.stop_gradient(tf.add_n(distances) / 4)
            bandwidth = self.bandwidth * tf.reduce_mean(bandwidth, axis=1, keepdims=True)
            values = [
                sign * tf.exp(-tf.math.divide_no_nan(distance, bandwidth))
                for distance, (_, _, sign) in zip(distances, pairs, strict=True)
            ]
        return tf.reduce_mean(tf.add_n(values), axis=1)


def _order(number: tf.Tensor, seed: list[Any]) -> tf.Tensor:
    """The numbers below `number` in a random order."""
    return tf.argsort(tf.random.stateless_uniform([number], seed, dtype=tf.float64), stable=True)


@with_gradient
def _shuffled(values: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """Permute the positions of values (B, M, C); the gradient is permuted back, without scatter-adds."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.gather(upstream, tf.math.invert_permutation(order), axis=1), None

    return tf.gather(values, order, axis=1), gradient


def _per_position(statistics: Statistics, key: str) -> tf.Tensor:
    number = statistics[COUNT]
    return statistics[key] / tf.reshape(number, [-1] + [1] * (statistics[key].shape.rank - 1))
