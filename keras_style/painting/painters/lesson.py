"""A lesson: a painter's row of numbers is optimized until its pictures look like the painting."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_style.backbones.backbone import Backbone
from keras_style.internal.recent import Recent
from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient import LossesAndGradient, as_written
from keras_style.optimize.objective import BoundObjective, Objective
from keras_style.optimize.targets import Targets

KEPT = 64  # photographs whose features are kept, ours: some 3 MB each


class Lesson:
    """The objective of a painting as a function of the row, over photographs that take turns.

    Args:
        network: what `painter_network` makes; it stays as it is.
        backbone: whose features are compared.
        objective: what is minimized: content is the photograph, style the painting.
        paintings: (H', W', 3) in [0, 1] each; of several, a blend is learned.
        blend: the weight of each.
        photographs: (H, W, 3) each, all of one size, of a multiple of four.
        seed: of their order.
    """

    def __init__(
        self,
        network: Any,
        backbone: Backbone,
        objective: Objective,
        paintings: Sequence[np.ndarray],
        blend: Sequence[float],
        photographs: Sequence[np.ndarray],
        seed: int,
    ) -> None:
        self.network, self.backbone, self.objective = network, backbone, objective
        self.paintings = [tf.constant(painting[None]) for painting in paintings]
        self.blend = blend
        self.photographs = photographs
        self.seed = seed
        self._bound: Recent[BoundObjective] = Recent(KEPT)
        self._features: dict[Any, Any] = {}
        self._weights = [(variable, variable.numpy()) for variable in network.weights]
        self._evaluate = self._graph(self.bound(0))

    def turn(self, step: int) -> int:
        """The photograph of a step, counted from 1: all of them in a random order, then again in another one."""
        count = len(self.photographs)
        round_, place = divmod(step - 1, count)
        return int(np.random.default_rng((self.seed, round_)).permutation(count)[place])

    def bound(self, number: int) -> BoundObjective:
        """The objective for a photograph."""

        def bind() -> BoundObjective:
            targets = Targets(self.photographs[number][None], self.paintings, self.blend)
            return self.objective.bind(self.backbone, targets, self._see)

        return self._bound.get(number, bind)

    def _see(self, image: tf.Tensor, layers: Any) -> dict[str, tf.Tensor]:
        """Features; those of the paintings are taken once."""
        number = next((number for number, each in enumerate(self.paintings) if each is image), None)
        if number is None:
            return self.backbone(image, layers)
        wanted = number, frozenset(layers)
        if wanted not in self._features:
            self._features[wanted] = self.backbone(image, layers)
        return self._features[wanted]

    def _graph(self, pattern: BoundObjective) -> Callable[..., Any]:
        network, weights = self.network, self._weights
        kinds = tf.nest.map_structure(tf.TensorSpec.from_tensor, pattern.tensors)
        pattern = pattern.with_tensors(kinds)  # which holds no targets
        shape = (1, *self.photographs[0].shape)

        def both(row: tf.Tensor, image: tf.Tensor, step: tf.Tensor, tensors: Any) -> Any:
            constants = [(variable, tf.constant(value)) for variable, value in weights]
            with keras.StatelessScope(constants), tf.GradientTape() as tape:
                tape.watch(row)
                values = pattern.with_tensors(tensors)(network([image, row], training=False), step)
                total = tf.add_n(list(values.values()))
            return values, tape.gradient(total, row)

        specs = [
            tf.TensorSpec((1, network.inputs[1].shape[1]), tf.float32),
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec([], tf.int64),
            kinds,
        ]
        return as_written(both, specs)

    @property
    def evaluate(self) -> LossesAndGradient:
        """From a row (1, N) and the number of the step to the losses by name, and their gradient."""

        def evaluate(row: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            number = self.turn(int(step))
            image = tf.constant(self.photographs[number][None])
            return self._evaluate(row, image, tf.cast(step, tf.int64), self.bound(number).tensors)

        return evaluate
