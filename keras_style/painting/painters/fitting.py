"""What a step of `Painter.fit` computes: the losses of a batch in one style, and their gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_style.backbones.backbone import Backbone
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import Statistics
from keras_style.models.transformation import MULTIPLE
from keras_style.optimize.gradient import as_written
from keras_style.optimize.objective import BoundObjective, Objective, Wanted, of_whole
from keras_style.optimize.targets import Targets

STABILITY = "stability"  # the name of its loss
SHIFT = 3  # pixels by which a picture moves at most, each way; ours, as the next two
NOISE = 2 / 255  # standard deviation of the noise
BORDER = 8  # pixels next to the border that are not compared: they see where the picture ends


class Fitting:
    """The objective of several paintings as a function of a painter's weights.

    A step is for one style: all of them take turns in a random order, then again in another one. Content is the batch
    of photographs, style the painting. For stability, the photographs are cut twice, up to three pixels apart, the
    second time with noise: both pictures should be the same where they show the same.

    Args:
        network: what `painter_network` makes.
        rows: (S, N), the variable of the styles.
        objective: what is minimized.
        backbone: whose features are compared.
        paintings: (H', W', 3) in [0, 1], one for each style.
        shape: (B, H, W, 3) of the batches, H and W multiples of four; B may be None.
        stability_weight: of the mean squared difference of the two pictures.
        seed: of the order of styles, of shifts and noise.
        scaled: from a loss to that whose gradient is taken, as `scale_loss` of an optimizer.

    Attributes:
        names: of the losses.
        seen: their means over an epoch, and that of their sum, "loss".
    """

    def __init__(
        self,
        network: Any,
        rows: keras.Variable,
        objective: Objective,
        backbone: Backbone,
        paintings: Sequence[np.ndarray],
        shape: Sequence[Any],
        stability_weight: float,
        seed: int,
        scaled: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        self.network, self.rows, self.objective, self.backbone = network, rows, objective, backbone
        self.variables = [*network.trainable_variables, rows]
        self.stability_weight, self.seed, self.scaled = stability_weight, seed, scaled
        self.shape = tuple(shape)
        self.names = (*objective.names, *([STABILITY] if stability_weight else ()))
        self.seen = {name: keras.metrics.Mean(name, "float32") for name in ("loss", *self.names)}
        wanted = [(term.loss, term.layer, None) for term in objective.terms if term.target == "style"]
        self.aims = [of_whole(backbone)(painting[None], wanted) for painting in paintings]
        specs = [tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int64)]
        self._losses = as_written(self._values, [tf.TensorSpec((None, *shape[1:]), tf.float32), *specs])
        self._gradients = as_written(self._values_and_gradients, [tf.TensorSpec(shape, tf.float32), *specs])

    def turn(self, step: tf.Tensor) -> tf.Tensor:
        """The style of a step, counted from 0."""
        count = len(self.aims)
        seed = tf.cast(tf.stack([tf.constant(self.seed, tf.int64), step // count]), tf.uint32)
        place = tf.cast(step % count, tf.uint32)
        return tf.cast(tf.random.experimental.index_shuffle(place, seed, tf.constant(count - 1, tf.uint32)), tf.int32)

    def losses(self, photographs: tf.Tensor, style: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Losses by name of a batch (B, H, W, 3), painted in a style by its number; shifts and noise are the step's."""
        return dict(self._losses(photographs, style, step))

    def gradients(self, photographs: tf.Tensor, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Losses by name in the style of the step, and the gradients of their sum for each of the `variables`."""
        return self._gradients(photographs, self.turn(step), step)

    def _values_and_gradients(self, photographs: tf.Tensor, style: tf.Tensor, step: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            values = [variable.value for variable in self.variables]
            tape.watch(values)
            losses = self._values(photographs, style, step)
            total = self.scaled(tf.add_n(list(losses.values())))
        return losses, tape.gradient(total, values, unconnected_gradients="zero")

    def _values(self, photographs: tf.Tensor, style: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        # Not by a gather, whose gradient would be sparse.
        row = tf.matmul(tf.one_hot([style], len(self.aims)), tf.convert_to_tensor(self.rows))
        if not self.stability_weight:
            pictures = self._painted(photographs, row)
            return self._bound(photographs, style)(pictures, step)
        still, moved, shift = self._twice(photographs, step)
        pictures, others = tf.split(self._painted(tf.concat([still, moved], 0), row), 2)
        losses = self._bound(still, style)(pictures, step)
        return {**losses, STABILITY: self.stability_weight * _apart(pictures, others, shift)}

    def _painted(self, photographs: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.network([photographs, row], training=True), tf.float32)

    def _bound(self, photographs: tf.Tensor, style: tf.Tensor) -> BoundObjective:
        aims, painting = self._aims(style), np.zeros((1, 1, 1, 3), np.float32)
        see = of_whole(self.backbone)

        def statistics(image: Any, wanted: Sequence[Wanted]) -> list[Statistics]:
            return aims if image is painting else see(image, wanted)

        summands = self.objective.summands(self.backbone, statistics, Targets(photographs, [painting]))
        return BoundObjective(self.backbone, summands, self.objective.balance)

    def _aims(self, style: tf.Tensor) -> list[Statistics]:
        """The statistics of the painting of a style."""
        flat = [tf.nest.flatten(each) for each in self.aims]
        # Statistics that are as many as the pixels of the painting differ in shape.
        chosen = tf.switch_case(style, [lambda own=own: [tf.identity(each) for each in own] for own in flat])
        found: list[Statistics] = tf.nest.pack_sequence_as(self.aims[0], tf.nest.flatten(chosen))
        return found

    def _twice(self, photographs: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The photographs less four pixels at each side, the same shifted and with noise, and the shift (2,)."""
        draws = tf.stack([tf.constant(self.seed, tf.int64), step])
        shift = tf.random.stateless_uniform([2], draws, -SHIFT, SHIFT + 1, tf.int32)
        height, width = (side - 2 * MULTIPLE for side in photographs.shape[1:3])
        still, moved = (
            _cut(photographs, tf.constant([MULTIPLE, MULTIPLE]) + offset, height, width)
            for offset in (tf.zeros_like(shift), shift)
        )
        noise = NOISE * tf.random.stateless_normal(tf.shape(moved), draws + 1)
        return still, tf.clip_by_value(moved + noise, 0.0, 1.0), shift


def _apart(pictures: tf.Tensor, others: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two pictures where they show the same: the second is seen `shift` pixels farther."""
    margin = SHIFT + BORDER
    height, width = (side - 2 * margin for side in pictures.shape[1:3])
    corner = tf.constant([margin, margin])
    same = [_cut(each, at, height, width) for each, at in ((pictures, corner), (others, corner - shift))]
    return tf.reduce_mean(tf.math.squared_difference(*same))


def _cut(images: tf.Tensor, corner: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """A part of images; not by a Python slice, whose gradient is slow."""
    part = tf.slice(images, tf.concat([[0], corner, [0]], 0), [-1, height, width, -1])
    return tf.ensure_shape(part, [images.shape[0], height, width, images.shape[3]])
