"""Gaussian losses: style as a normal distribution of feature vectors, compared by their information divergence."""

from collections.abc import Callable
from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.internal.with_gradient import with_gradient
from keras_style.losses.feature_loss import COUNT, FeatureLoss, Statistics, products, vectors, weights

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]


class GaussianLoss(FeatureLoss):
    """A divergence between the normal distributions fitted to two sets of feature vectors, in nats per filter.

    P is the image's, Q the style's. Both covariances get the same ridge: epsilon times the mean square of all features
    of both. The ridge keeps the divergence finite where there are fewer positions than filters or filters that never
    fire; the divergence between equal features stays 0, and it does not depend on the unit of the features. A blend of
    styles is the normal distribution fitted to their mixture. Factorizations are in float64; their cost grows with N^3:
    some 40 ms per step on two cores for N = 512.

    Subclasses implement `divergence`.

    Args:
        epsilon: size of the ridge. At least 1e-4: the rounding of float32 statistics reaches 1e-5 at N = 512.
    """

    adds_up = "statistics"

    def __init__(self, epsilon: float, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.epsilon = checks.number("epsilon", epsilon, low=1e-4)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        rows, shares = vectors(features), weights(features, mask)
        number = tf.reduce_sum(shares, axis=1)
        total = tf.matmul(shares[:, None], rows)
        # Summed around the mean, which float32 does well, then moved to zero. The result is the same for any center,
        # so no gradient goes through it.
        center = tf.stop_gradient(total / number[:, None, None])
        around = products(rows - center, None if mask is None else shares)
        moved = tf.matmul(center, total - number[:, None, None] * center / 2, transpose_a=True)
        return {"sum": total[:, 0], "products": around + moved + tf.linalg.matrix_transpose(moved), COUNT: number}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        mean, covariance, energy = _fit(current)
        style_mean, style_covariance, style_energy = _fit(target)
        scale = (energy + style_energy) / 2
        ridge = self.epsilon * tf.where(scale > 0, scale, tf.ones_like(scale))
        style_covariance = tf.broadcast_to(style_covariance, tf.shape(covariance))  # one style, several images
        value = self.divergence(covariance, style_covariance, ridge, mean - style_mean)
        return tf.cast(value / covariance.shape[-1], current["sum"].dtype)

    def divergence(self, image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        """Divergence (B,) of the image's distribution from the style's.

        Args:
            image, style: covariances (B, N, N) in float64.
            ridge: (B,), added to both diagonals.
            shift: the image's mean minus the style's, (B, N).
        """
        raise NotImplementedError

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Ones (B,): a divergence has no unit, and its value from features of zero depends on epsilon alone."""
        return tf.ones_like(target[COUNT])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("keras_style")
class GaussianKLLoss(GaussianLoss):
    """Kullback-Leibler divergence KL(P || Q) of the image's normal distribution P from the style's, Q, over N filters.

    With means m and covariances S: (tr(Q^-1 P) - N + d' Q^-1 d + ln det Q - ln det P) / (2 N), where P and Q stand for
    S + ridge and d = m_P - m_Q. In this direction the image pays most for what the style never does.

    The ridge is epsilon times the mean square of all features of both; see `GaussianLoss`.

    Args:
        epsilon: size of the ridge, at least 1e-4. 1e-2 is ours: with less, what deep layers gain in directions that the
            style lacks, and at 256 px block 5 of VGG lacks half of them, outweighs everything else.

    Call arguments: `y_true` (B or 1, H', W', N), `y_pred` (B, H, W, N): features of the style and of the image.

    Raises:
        InputError: an epsilon below 1e-4.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.GaussianKLLoss()
        >>> loss(style, image)

    Reference: Kullback & Leibler, "On Information and Sufficiency", Annals of Mathematical Statistics 1951.
    """

    def __init__(self, epsilon: float = 1e-2, name: str = "gaussian_kl_loss", **kwargs: Any) -> None:
        super().__init__(epsilon, name, **kwargs)

    def divergence(self, image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        inputs = image, style, ridge, shift
        return _kullback_leibler(*inputs) + _kullback_leibler_of_style(*inputs)


@keras.saving.register_keras_serializable("keras_style")
class GaussianRenyiLoss(GaussianLoss):
    """Rényi divergence D_alpha(P || Q) of the image's normal distribution P from the style's, Q, over N filters.

    With M = (1 - alpha) P + alpha Q and d = m_P - m_Q:
    (alpha/2 d' M^-1 d + (ln det M - (1 - alpha) ln det P - alpha ln det Q) / (2 (1 - alpha))) / N, where P and Q stand
    for the covariances with their ridge. 1/2 is twice the Bhattacharyya distance, and symmetric; towards 1 it becomes
    KL(P || Q), which is `GaussianKLLoss`. It is milder than that where the two hardly overlap: M is never as flat as Q.

    The ridge is epsilon times the mean square of all features of both; see `GaussianLoss`.

    Args:
        alpha: the order, above 0 and below 1. Above 1 the divergence of two normal distributions may be infinite.
        epsilon: size of the ridge, at least 1e-4. 1e-2 is ours: with less, what deep layers gain in directions that the
            style lacks, and at 256 px block 5 of VGG lacks half of them, outweighs everything else.

    Call arguments: `y_true` (B or 1, H', W', N), `y_pred` (B, H, W, N): features of the style and of the image.

    Raises:
        InputError: an alpha of 0, of 1 or outside, or an epsilon below 1e-4.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.GaussianRenyiLoss(alpha=0.5)
        >>> loss(style, image)

    Reference: van Erven & Harremoës, "Rényi Divergence and Kullback-Leibler Divergence", IEEE Transactions on
    Information Theory 2014; the closed form is in Gil et al., "Rényi divergence measures for commonly used univariate
    continuous distributions", Information Sciences 2013.
    """

    def __init__(
        self, alpha: float = 0.5, epsilon: float = 1e-2, name: str = "gaussian_renyi_loss", **kwargs: Any
    ) -> None:
        super().__init__(epsilon, name, **kwargs)
        self.alpha = checks.number("alpha", alpha)
        if not 0 < self.alpha < 1:
            raise InputError(
                f"alpha is {checks.shown(alpha)}; expected a number above 0 and below 1; for 1 take "
                "GaussianKLLoss, its limit"
            )

    def divergence(self, image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        inputs = tf.constant(self.alpha, image.dtype), image, style, ridge, shift
        return _renyi(*inputs) + _renyi_of_style(*inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


# The gradients are written out: through tf.linalg.cholesky a step takes twice as long at N = 512.


@with_gradient
def _kullback_leibler(
    image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    root, style_root = _cholesky(image, ridge), _cholesky(style, ridge)
    precision = _inverse(style_root)
    pull = tf.linalg.matvec(precision, shift)
    excess = tf.reduce_sum(precision * (image - style), axis=[1, 2])  # tr(Q^-1 P) - N, and exactly 0 for P = Q
    value = (excess + _dot(pull, shift) + _log_det(style_root) - _log_det(root)) / 2

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        of_image = (precision - _inverse(root)) / 2
        seen = tf.matmul(precision, image + _diagonal(ridge, image))
        trace = (tf.linalg.trace(precision) - tf.reduce_sum(seen * precision, axis=[1, 2]) - _dot(pull, pull)) / 2
        of_ridge = tf.linalg.trace(of_image) + trace  # of the style's part only the trace is needed
        return upstream[:, None, None] * of_image, None, upstream * of_ridge, upstream[:, None] * pull

    return value, gradient


@with_gradient
def _kullback_leibler_of_style(
    image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    """Zeros, with the gradient of `_kullback_leibler` for the style: computed only where the style is trained."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        precision = _inverse(_cholesky(style, ridge))
        seen = tf.matmul(precision, image + _diagonal(ridge, image))
        of_style = (precision - tf.matmul(seen, precision) - _outer(tf.linalg.matvec(precision, shift))) / 2
        return None, upstream[:, None, None] * of_style, None, None

    return tf.zeros_like(ridge), gradient


@with_gradient
def _renyi(
    alpha: tf.Tensor, image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    root, style_root = _cholesky(image, ridge), _cholesky(style, ridge)
    mixed_root = _cholesky((1 - alpha) * image + alpha * style, ridge)
    pull = tf.linalg.cholesky_solve(mixed_root, shift[..., None])[..., 0]
    volume = _log_det(mixed_root) - (1 - alpha) * _log_det(root) - alpha * _log_det(style_root)
    value = alpha / 2 * _dot(pull, shift) + volume / (2 * (1 - alpha))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        mixed, outer = _inverse(mixed_root), alpha / 2 * _outer(pull)
        of_image = (mixed - _inverse(root)) / 2 - (1 - alpha) * outer
        factor = alpha / (2 * (1 - alpha))
        trace = factor * (tf.linalg.trace(mixed) - _trace_of_inverse(style_root)) - alpha * tf.linalg.trace(outer)
        of_ridge = tf.linalg.trace(of_image) + trace  # of the style's part only the trace is needed
        of_shift = alpha * upstream[:, None] * pull
        return None, upstream[:, None, None] * of_image, None, upstream * of_ridge, of_shift

    return value, gradient


@with_gradient
def _renyi_of_style(
    alpha: tf.Tensor, image: tf.Tensor, style: tf.Tensor, ridge: tf.Tensor, shift: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    """Zeros, with the gradient of `_renyi` for the style: computed only where the style is trained."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        mixed = _inverse(_cholesky((1 - alpha) * image + alpha * style, ridge))
        difference = mixed - _inverse(_cholesky(style, ridge))
        of_style = alpha / 2 * (difference / (1 - alpha) - alpha * _outer(tf.linalg.matvec(mixed, shift)))
        return None, None, upstream[:, None, None] * of_style, None, None

    return tf.zeros_like(ridge), gradient


def _fit(statistics: Statistics) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean (B, N), covariance (B, N, N) and mean square (B,) of features, in float64."""
    number = tf.cast(statistics[COUNT], tf.float64)
    mean = tf.cast(statistics["sum"], tf.float64) / number[:, None]
    products = tf.cast(statistics["products"], tf.float64) / number[:, None, None]
    return mean, products - _outer(mean), tf.linalg.trace(products) / mean.shape[-1]


def _cholesky(covariance: tf.Tensor, ridge: tf.Tensor) -> tf.Tensor:
    return tf.linalg.cholesky(covariance + _diagonal(ridge, covariance))


def _diagonal(ridge: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return ridge[:, None, None] * tf.eye(tf.shape(like)[-1], dtype=like.dtype)


def _log_det(root: tf.Tensor) -> tf.Tensor:
    return 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(root)), axis=-1)


def _inverse(root: tf.Tensor) -> tf.Tensor:
    return tf.linalg.cholesky_solve(root, _identity(root))


def _trace_of_inverse(root: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(tf.linalg.triangular_solve(root, _identity(root))), axis=[1, 2])


def _identity(like: tf.Tensor) -> tf.Tensor:
    return tf.eye(tf.shape(like)[-1], batch_shape=[tf.shape(like)[0]], dtype=like.dtype)


def _outer(vector: tf.Tensor) -> tf.Tensor:
    return vector[:, :, None] * vector[:, None, :]


def _dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left * right, axis=-1)
