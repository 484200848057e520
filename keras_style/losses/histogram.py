"""Histogram loss: the distance of each filter's activations from themselves, remapped onto the style's distribution."""

from collections.abc import Sequence
from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import COUNT, FeatureLoss, Statistics, vectors, weights
from keras_style.losses.sampling import mixture, quantiles, samples


@keras.saving.register_keras_serializable("keras_style")
class HistogramLoss(FeatureLoss):
    """Mean over filters and positions of (x - R(x))^2, R the monotone map of x's distribution onto the target's.

    R is matched for every filter by itself and held constant in the gradient, 2 (x - R(x)). Without bins this is the
    squared Wasserstein distance between the two distributions on the line: with as many positions on both sides
    mean (sort x - sort y)^2; with other numbers the target's quantiles are interpolated.

    Equal values have one aim, so that the gradient does not depend on the order of positions: without bins it is the
    mean of the values that they are matched with; with bins it is that mean for the smallest value, such as the zeros
    after a ReLU, and the value of the map for all others.

    Args:
        bins: None: exact, by sorting; or the number of equal bins between the smallest and largest value of each
            filter, which is much faster: both distributions are taken as uniform within a bin, and the aims are exact
            up to some widths of a bin. Where values are equal the loss is smaller than the exact one, since they have
            one aim. The program of one of the authors takes 256 (NeuralTextureSynthesis @cd2f509, main.py).

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: bins are not a whole number from 2 to 65536.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.HistogramLoss(bins=256)
        >>> loss(style, image)

    Reference: Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram
        Losses", 2017, §4.3.
    """

    def __init__(self, bins: int | None = None, name: str = "histogram_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = None if bins is None else checks.whole("bins", bins, 2, 65536)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        rows = samples(features, mask)
        return {"vectors": rows, **(_sorted(rows) if self.bins is None else _histogram(rows, self.bins))}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        if self.bins is None:
            return _sorted_distance(target["sorted"], current["sorted"])
        aim = tf.stop_gradient(remapped(target, current["below"], current["cell"], current["at"], self.bins))
        return tf.reduce_mean(tf.math.squared_difference(current["vectors"], aim), axis=[1, 2])

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return tf.reduce_mean(tf.square(target["vectors"]), axis=[1, 2])

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The statistics of the styles' vectors, mixed in proportion to their weights."""
        mixed = mixture([target["vectors"] for target in targets], weights)
        return self.statistics(mixed[:, :, None, :])

    def by_parts(self) -> FeatureLoss:
        return self if self.bins is None else HistogramByParts(self.bins, self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}


class HistogramByParts(FeatureLoss):
    """`HistogramLoss` with bins, in three rounds over the parts: range, counts, and then each position by itself.

    Value and gradient are the same up to rounding, with two exceptions. A mask with weights between 0 and 1 weighs the
    positions here, and repeats some of them there. Several styles have their counts mixed here, each uniform within its
    bins, which moves an aim by no more than a bin of the mixture and one of a style; there their vectors are mixed.

    Args:
        bins: as for `HistogramLoss`.
    """

    adds_up = "histogram"

    def __init__(self, bins: int, name: str = "histogram_by_parts", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = bins

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}

    def extent(self, features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Largest -x and largest x of each filter, (2, B, 1, C); the maximum over the parts is that of the whole."""
        rows, counts = vectors(features), weights(features, mask)[:, :, None] > 0
        both = tf.where(counts, tf.stack([-rows, rows]), tf.constant(float("-inf"), rows.dtype))
        return tf.reduce_max(both, axis=2, keepdims=True)

    def counts(self, features: tf.Tensor, mask: tf.Tensor | None, extent: tf.Tensor) -> Statistics:
        """Positions in each bin (B, C, bins + 1), their squares (B,) and their number (B,), in float64."""
        rows, shares = vectors(features), weights(features, mask)
        low, high = -extent[0], extent[1]
        cell, _ = binned(tf.clip_by_value(rows, low, high), low, high, self.bins)
        number, filters = tf.shape(rows)[0], rows.shape[-1]
        size = number * filters * (self.bins + 1)
        each = tf.reshape(tf.repeat(shares[:, :, None], filters, axis=2), [-1])
        found = tf.math.bincount(tf.reshape(cell, [-1]), each, minlength=size, maxlength=size)
        sums = {
            "counts": tf.reshape(found, [number, filters, self.bins + 1]),
            "squares": tf.reduce_sum(shares * tf.reduce_mean(tf.square(rows), axis=2), axis=1),
            COUNT: tf.reduce_sum(shares, axis=1),
        }
        # float32 counts the positions of a part, but not those of an image of 4096 x 4096 pixels.
        return {key: tf.cast(value, tf.float64) for key, value in sums.items()}

    def whole(self, counts: Statistics, extent: tf.Tensor) -> Statistics:
        """The statistics of the whole: range, share below each edge, and mean square."""
        number, dtype = counts[COUNT], extent.dtype
        below = tf.cumsum(counts["counts"], axis=-1) / number[:, None, None]
        return {
            "low": -extent[0],
            "high": extent[1],
            "below": tf.cast(tf.pad(below, [[0, 0], [0, 0], [1, 0]]), dtype),
            "square": tf.cast(counts["squares"] / number, dtype),
            COUNT: tf.cast(number, dtype),
        }

    def distance_of_part(
        self, target: Statistics, current: Statistics, features: tf.Tensor, mask: tf.Tensor | None
    ) -> tf.Tensor:
        """Contribution of a part to the distance (B,) between a target and the whole, given the statistics of both."""
        rows = vectors(features)
        low, high = current["low"], current["high"]
        cell, at = binned(tf.clip_by_value(tf.stop_gradient(rows), low, high), low, high, self.bins)
        aim = tf.stop_gradient(remapped(target, current["below"], cell, at, self.bins))
        squares = tf.reduce_mean(tf.math.squared_difference(rows, aim), axis=2)
        return tf.reduce_sum(weights(features, mask) * squares, axis=1) / current[COUNT]

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return target["square"]

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The distributions of the styles, mixed in proportion to their weights."""
        used = [(target, share) for target, share in zip(targets, weights, strict=True) if share]
        low = tf.reduce_min(tf.stack([target["low"] for target, _ in used]), axis=0)
        high = tf.reduce_max(tf.stack([target["high"] for target, _ in used]), axis=0)
        at = tf.linspace(tf.zeros([], low.dtype), 1, self.bins + 1)[:, None]
        edges = low * (1 - at) + high * at
        below = tf.add_n([share * self._share_below(target, edges) for target, share in used])
        return {
            "low": low,
            "high": high,
            "below": tf.pad(below, [[0, 0], [0, 0], [1, 0]]),
            "square": tf.add_n([share * target["square"] for target, share in used]),
            COUNT: tf.ones_like(targets[0][COUNT]),
        }

    def _share_below(self, target: Statistics, values: tf.Tensor) -> tf.Tensor:
        """The target's share (B, C, n) up to values (B, n, C)."""
        low, high = target["low"], target["high"]
        within = tf.clip_by_value(values, low, high)
        at = tf.transpose((within - low) * tf.math.divide_no_nan(tf.cast(self.bins, low.dtype), high - low), [0, 2, 1])
        bin_ = tf.clip_by_value(tf.cast(at, tf.int32), 0, self.bins - 1)
        lower, upper = (tf.gather(target["below"], bin_ + 1 + more, batch_dims=2) for more in (0, 1))
        inside = lower + (at - tf.cast(bin_, at.dtype)) * (upper - lower)
        values = tf.transpose(values, [0, 2, 1])
        low, high = tf.transpose(low, [0, 2, 1]), tf.transpose(high, [0, 2, 1])
        return tf.where(values < low, tf.zeros_like(inside), tf.where(values >= high, tf.ones_like(inside), inside))


def match_histograms(features: tf.Tensor, target: tf.Tensor, bins: int | None = None) -> tf.Tensor:
    """R(x): features remapped so that every filter has the target's distribution; of a picture, every color channel.

    R is that of `HistogramLoss`: monotone, and with one aim for equal values.

    Args:
        features: (B, H, W, C) or (H, W, C), floating point.
        target: (B or 1, H', W', C) or (H', W', C), of the same dtype.
        bins: of `HistogramLoss`; None: exact.

    Returns:
        A tensor of the shape and dtype of `features`.

    Raises:
        InputError: the shapes do not fit, or bins are not a whole number from 2 to 65536.

    Example:
        >>> photo, painting = (keras_style.images.load(file) for file in ("photo.jpg", "painting.png"))
        >>> recolored = keras_style.losses.match_histograms(photo, painting).numpy()

    Reference: Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram
        Losses", 2017, §4.3; Gonzalez & Woods, "Digital Image Processing": histogram specification.
    """
    x, y = tf.convert_to_tensor(features), tf.convert_to_tensor(target)
    if x.shape.rank not in (3, 4) or y.shape.rank != x.shape.rank or y.shape[-1] != x.shape[-1]:
        raise InputError(f"features have shape {x.shape} and target {y.shape}; expected (B, H, W, C) or (H, W, C) both")
    if x.shape.rank == 3:
        return match_histograms(x[None], y[None], bins)[0]
    loss = HistogramLoss(bins)
    aim, own = loss.statistics(y), loss.statistics(x)
    if bins is not None:
        found = remapped(aim, own["below"], own["cell"], own["at"], bins)
    else:
        rows = tf.transpose(own["vectors"], [0, 2, 1])
        order = tf.argsort(rows, stable=True)
        goals = tf.broadcast_to(quantiles(aim["sorted"], tf.shape(rows)[-1]), tf.shape(rows))
        goals = _mean_over_ties(goals, own["sorted"])
        found = tf.transpose(tf.gather(goals, tf.argsort(order), batch_dims=2), [0, 2, 1])
    return tf.reshape(found, tf.shape(x))


# Exact, by sorting


def _sorted(rows: tf.Tensor) -> Statistics:
    """Each filter's values in ascending order, (B, C, n)."""
    return {"sorted": tf.sort(tf.transpose(rows, [0, 2, 1]))}


def _sorted_distance(target: tf.Tensor, current: tf.Tensor) -> tf.Tensor:
    aim = tf.broadcast_to(quantiles(target, tf.shape(current)[-1]), tf.shape(current))
    value = tf.reduce_mean(tf.math.squared_difference(current, aim), axis=[1, 2])
    shared = tf.stop_gradient(_mean_over_ties(aim, current))
    descended = tf.reduce_mean(tf.math.squared_difference(current, shared), axis=[1, 2])
    return descended + tf.stop_gradient(value - descended)


def _mean_over_ties(aim: tf.Tensor, ordered: tf.Tensor) -> tf.Tensor:
    """`aim`, averaged over the positions where the sorted values are equal."""
    first = tf.concat([tf.ones_like(ordered[..., :1], tf.bool), ordered[..., 1:] != ordered[..., :-1]], axis=-1)
    group = tf.reshape(tf.cumsum(tf.cast(tf.reshape(first, [-1]), tf.int32)) - 1, tf.shape(ordered))
    means = tf.math.segment_mean(tf.reshape(aim, [-1]), tf.reshape(group, [-1]))
    return tf.gather(means, group)


# By bins. The smallest value has a bin to itself, of no width: of a filter after a ReLU it is the zeros.


def _histogram(rows: tf.Tensor, bins: int) -> Statistics:
    """Range (B, 1, C), bin of each value and position within it (B, n, C), and the share below each edge."""
    rows = tf.stop_gradient(rows)
    low, high = tf.reduce_min(rows, axis=1, keepdims=True), tf.reduce_max(rows, axis=1, keepdims=True)
    batch, number, filters = tf.shape(rows)[0], tf.shape(rows)[1], rows.shape[-1]
    cell, at = binned(rows, low, high, bins)
    size = batch * filters * (bins + 1)
    counts = tf.math.bincount(tf.reshape(cell, [-1]), minlength=size, maxlength=size)
    below = tf.cumsum(tf.reshape(counts, [batch, filters, bins + 1]), axis=-1) / number
    edges = tf.pad(tf.cast(below, rows.dtype), [[0, 0], [0, 0], [1, 0]])
    return {"low": low, "high": high, "cell": cell, "at": at, "below": edges}


def binned(rows: tf.Tensor, low: tf.Tensor, high: tf.Tensor, bins: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The bin of each value, numbered over all samples and filters, and the position within it; (B, n, C) both."""
    batch, filters = tf.shape(rows)[0], rows.shape[-1]
    at = (rows - low) * tf.math.divide_no_nan(tf.cast(bins, rows.dtype), high - low)
    inside = tf.minimum(tf.cast(at, tf.int32), bins - 1)
    line = tf.range(batch * filters) * (bins + 1)  # every filter of every sample has its own bins
    cell = inside + tf.cast(rows > low, tf.int32) + tf.reshape(line, [batch, 1, filters])
    return cell, at - tf.cast(inside, rows.dtype)


def remapped(target: Statistics, below: tf.Tensor, cell: tf.Tensor, at: tf.Tensor, bins: int) -> tf.Tensor:
    """Map each value of the image to the target's quantile of the same rank; linear within a bin.

    Args:
        target: the target's statistics.
        below: the image's share below each edge, (B, C, bins + 2).
        cell, at: bins of the values and positions within them, from `binned`.
        bins: their number.
    """
    left = _quantile(target, below[..., :-1], bins, side="right")
    right = _quantile(target, below[..., 1:], bins, side="left")
    smallest = _mean_up_to(target, below[..., 1:2], right[..., :1], bins)
    left = tf.concat([smallest, left[..., 1:]], axis=-1)
    right = tf.concat([smallest, right[..., 1:]], axis=-1)
    table = tf.reshape(tf.stack([left, right - left], axis=-1), [-1, 2])
    found = tf.gather(table, cell)
    return found[..., 0] + at * found[..., 1]


def _quantile(target: Statistics, shares: tf.Tensor, bins: int, side: str) -> tf.Tensor:
    """The target's quantiles (B, C, any) at `shares`; at the gap of an empty bin its upper ("right") or lower end."""
    below = tf.broadcast_to(target["below"], tf.concat([tf.shape(shares)[:2], [bins + 2]], axis=0))
    edge = tf.clip_by_value(tf.searchsorted(below, shares, side=side), 1, bins + 1)
    low, high = tf.gather(below, edge - 1, batch_dims=2), tf.gather(below, edge, batch_dims=2)
    at = tf.cast(edge - 2, shares.dtype) + tf.clip_by_value(tf.math.divide_no_nan(shares - low, high - low), 0, 1)
    least, most = tf.transpose(target["low"], [0, 2, 1]), tf.transpose(target["high"], [0, 2, 1])
    return least + tf.maximum(at, 0) * (most - least) / bins


def _mean_up_to(target: Statistics, share: tf.Tensor, quantile: tf.Tensor, bins: int) -> tf.Tensor:
    """Mean (B, C, 1) of the target's quantiles from 0 to `share`, where the quantile is `quantile`."""
    below = target["below"]
    least, most = tf.transpose(target["low"], [0, 2, 1]), tf.transpose(target["high"], [0, 2, 1])
    edges = tf.concat([[0], tf.range(bins + 1)], axis=0)
    ends = least + tf.cast(edges, below.dtype) * (most - least) / bins
    # A quantile below `quantile` counts up to it only: the integral of a clipped, piecewise linear function.
    middles = (ends[..., 1:] + ends[..., :-1]) / 2
    taken = tf.clip_by_value(share - below[..., :-1], 0, below[..., 1:] - below[..., :-1])
    whole = below[..., 1:] <= share
    partly = tf.where(whole, middles, (ends[..., :-1] + quantile) / 2)
    return tf.math.divide_no_nan(tf.reduce_sum(taken * partly, axis=-1, keepdims=True), share)
