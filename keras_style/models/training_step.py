"""Parts of a training step that do not depend on the model: pairs of images, optimizers, distances, descent."""

import itertools
import types
from contextlib import nullcontext
from typing import Any, TypeAlias

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf

Optimizer: TypeAlias = str | keras.optimizers.Optimizer
Images: TypeAlias = tf.Tensor

LOSSES = (
    "generator_loss",  # the sum that both generators follow, with its weights; below, each part without them
    *("adversarial_a2b", "adversarial_b2a", "cycle_a", "cycle_b", "identity_a", "identity_b"),
    *("discriminator_a", "discriminator_b"),
)


class Optimizers:
    """The optimizers of generators and discriminators as one, which is what callbacks of Keras know of a model.

    Its learning rate is the generators'. Who sets it sets both, and the ratio of the two stays.
    """

    built = True

    def __init__(self, generator: keras.optimizers.Optimizer, discriminator: keras.optimizers.Optimizer) -> None:
        if generator is discriminator:
            raise InputError(f"{generator.name} is the optimizer of both; expected two, as each counts its own steps")
        self._both = (generator, discriminator)
        self._ratio = 1.0

    @property
    def iterations(self) -> Any:
        return self._both[0].iterations

    @property
    def variables(self) -> list[Any]:
        return [variable for each in self._both for variable in each.variables]

    def finalize(self, *variables: list[keras.Variable]) -> None:
        """End a `fit` as Keras does: where an optimizer averages weights (`use_ema`), they take the averages."""
        for each, own in zip(self._both, variables, strict=True):
            each.finalize_variable_values(own)

    @property
    def follow_schedules(self) -> bool:
        """Whether a rate is a function of the step, which nobody can set."""
        return any(rate_of(each) is None for each in self._both)

    @property
    def learning_rate(self) -> Any:
        return self._both[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        before, others = (float(keras.ops.convert_to_numpy(each.learning_rate)) for each in self._both)
        self._ratio = others / before if before else self._ratio
        for each, share in zip(self._both, (1.0, self._ratio), strict=True):
            each.learning_rate = rate * share


def rate_of(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The learning rate; None if it follows a schedule."""
    rate = getattr(optimizer, "inner_optimizer", optimizer).get_config()["learning_rate"]
    return rate if isinstance(rate, float) else None


def adam(learning_rate: float = 2e-4, beta_1: float = 0.5) -> keras.optimizers.Adam:
    """The optimizer of the published program: 2e-4 as in the paper, section 7.1; `beta1` in `options/train_options.py`
    of junyanz/pytorch-CycleGAN-and-pix2pix; the others are PyTorch's.
    """
    return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=0.999, epsilon=1e-8)


def optimizer_of(given: Optimizer | None, variables: list[keras.Variable], policy: str) -> keras.optimizers.Optimizer:
    """The optimizer, built for these variables; None: `adam()`."""
    for variable in variables:
        if variable.dtype in ("float16", "bfloat16"):
            raise InputError(
                f"weights are {variable.dtype}, too coarse for the steps of a training; expected float32, or "
                f"the dtype 'mixed_{variable.dtype}', which is as fast"
            )
    optimizer = adam() if given is None else keras.optimizers.get(given)
    if policy == "mixed_float16" and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)  # an optimizer that is not is left out when weights are loaded
    optimizer.built = True
    return optimizer


def looked_into(x: Any) -> tuple[Any, Any]:
    """Find the images of A, or their spec, in the data of a `fit`, if need be in the first batch.

    Returns:
        What has their shape (B, H, W, C), and the data, with the batch that was looked at.
    """
    if isinstance(x, keras.utils.PyDataset):
        return _first(x[0]), x
    if isinstance(x, types.GeneratorType):
        begin = list(itertools.islice(x, 1))
        return _first(*begin), (batch for batch in itertools.chain(begin, x))
    return _first(getattr(x, "element_spec", x)), x


def largest_of(shape: tuple[int | None, ...], x: Any, jit_compile: bool) -> tuple[int, int] | None:
    """Height and width that no image of the data exceeds, if they say so."""
    if len(shape) != 4:
        return None
    _, height, width, _ = shape
    if height is not None and width is not None:
        return height, width
    if (largest := getattr(x, "largest", None)) and jit_compile:
        raise InputError("images differ in size, with jit_compile=True; expected jit_compile=False")
    return largest


def _first(batch: Any = None) -> Any:
    return batch[0] if isinstance(batch, tuple | list) else batch


def descend(
    optimizer: keras.optimizers.Optimizer, tape: tf.GradientTape, loss: tf.Tensor, variables: list[keras.Variable]
) -> None:
    """Take a step of the optimizer along the gradient of the loss."""
    apply_gradients(optimizer, tape.gradient(loss, [variable.value for variable in variables]), variables)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: list[tf.Tensor], variables: list[keras.Variable]
) -> None:
    """Take a step of the optimizer along gradients that are known."""
    with nullcontext() if tf.distribute.has_strategy() else OneReplica(tf.distribute.get_strategy(), 0):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))


class OneReplica(tf.distribute.ReplicaContext):
    """Where nothing is distributed: the sum over the only replica is what it has.

    TensorFlow makes it by a call of `tf.custom_gradient`, which it registers for ever, and with it the step's graph.
    """

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        return value


def pair_of(data: Any) -> tuple[Images, Images]:
    """Images of A and of B, given as a tuple or, by `stacked`, as one tensor."""
    if tf.is_tensor(data) and data.shape.rank == 5:
        return tuple(tf.unstack(data, axis=1))
    images = data[0] if isinstance(data, tuple) and isinstance(data[0], list | tuple) else data
    if not isinstance(images, list | tuple) or len(images) < 2:
        raise InputError("batches hold one tensor; expected pairs (images of A, images of B)")
    return images[0], images[1]


def pair_of_weights(given: Any) -> tuple[float, float]:
    """The weights of both cycles, of one number or two."""
    both = given if isinstance(given, list | tuple) else (given, given)
    if len(both) != 2:
        raise InputError(f"cycle_weight is {checks.shown(given)}; expected a number, or two of them")
    first, second = (checks.number("cycle_weight", each) for each in both)
    return first, second


def many_machines(strategy: tf.distribute.Strategy) -> bool:
    """Whether there are more replicas than devices of this machine."""
    replicas = strategy.num_replicas_in_sync
    return replicas > 1 and replicas > len(strategy.extended.worker_devices)


def stacked(data: Any) -> Any:
    """Each pair as one tensor, for several machines, where `fit` of Keras 3.15 fails for more than one tensor."""
    spec = getattr(data, "element_spec", None)
    if not isinstance(spec, tuple) or len(spec) != 2 or spec[0].shape != spec[1].shape:
        raise InputError(
            f"data over several machines are {spec or type(data).__name__}; expected a tf.data.Dataset of pairs "
            "(images of A, images of B) of one shape"
        )
    shared = data.map(lambda a, b: tf.stack([a, b], axis=1))
    shared.pairs, shared.cardinality = data, data.cardinality
    return shared


def wide(values: tf.Tensor) -> tf.Tensor:
    """Values in float32, in which losses are taken whatever the networks compute in."""
    return tf.cast(values, "float32")


def distance(x: Images, y: Images) -> tf.Tensor:
    """Mean absolute difference."""
    return tf.reduce_mean(tf.abs(wide(x) - wide(y)))
