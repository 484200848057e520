"""The optimizers of a model: one, or several in attributes of their own."""

from keras_style.internal.tensorflow import keras
from keras_style.models.training_step import rate_of


def of(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    """Optimizers by the name of the attribute that holds them, in alphabetical order."""
    found = {name: value for name, value in vars(model).items() if isinstance(value, keras.optimizers.Optimizer)}
    return dict(sorted(found.items()))


def initial_rate(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The learning rate that an optimizer was given, whatever has become of it since; None if it follows a schedule.

    It is kept at the optimizer, for a second `fit`; `CycleGAN` keeps it in its file, too.
    """
    if not hasattr(optimizer, "initial_learning_rate"):
        optimizer.initial_learning_rate = rate_of(optimizer)
    return optimizer.initial_learning_rate
