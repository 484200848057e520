"""A learning rate that stays, and then falls in a straight line."""

import warnings
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.training import optimizers


class LinearDecay(keras.callbacks.Callback):
    """Keep the learning rate for `start` epochs, then lower it in equal steps toward zero, of every optimizer there is.

    In epoch e, counted from 1, it is the initial rate times 1 - max(0, e - start) / (epochs - start + 1), as in the
    published program: with 100 and 200, 0.990 of it in epoch 101 and 0.0099 in epoch 200. It depends on nothing
    else, so a training that goes on after a break has the rates of one that had none. One that goes on to more epochs
    has the rates of the longer training from there on; a warning says so if the epochs before had others.

    The epoch's rate is among its logs, as `learning_rate` (of several optimizers: of the first, by name).

    Args:
        start: epochs at the initial rate; 100 in the paper, section 7.1.
        epochs: of the whole training; None: those of `fit`.

    Raises:
        InputError: an argument that is no whole number, `start` after the end, or a rate with a schedule of its own.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.LinearDecay(start=100)])

    Reference: Zhu et al., CycleGAN, ICCV 2017, section 7.1; `get_scheduler` in `models/networks.py` of
    junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(self, start: int = 100, epochs: int | None = None) -> None:
        super().__init__()
        self.start = checks.whole("start", start, 0, 10**9)
        self.epochs = None if epochs is None else checks.whole("epochs", epochs, 1, 10**9)
        if self.epochs is not None and self.start > self.epochs:
            raise InputError(f"start is {self.start} with epochs={self.epochs}; expected at most {self.epochs}")

    def factor(self, epoch: int, epochs: int) -> float:
        """The share of the initial rate in an epoch, counted from 1, of so many."""
        return 1 - max(0, epoch - self.start) / (epochs - self.start + 1)

    # Before any `on_train_begin`, in which a callback may restore a rate that has fallen already.
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.rates: dict[str, float] = {}
        for name, optimizer in optimizers.of(model).items():
            rate = optimizers.initial_rate(optimizer)
            if rate is None:
                raise InputError(f"{name} has a learning rate schedule; expected a number, which LinearDecay lowers")
            self.rates[name] = rate

        self.begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs = self.epochs or self.params["epochs"]
        factors = [max(self.factor(number, epochs), 0.0) for number in range(1, epoch + 2)]
        if not self.begun:
            self._compare(factors)
        self.begun = True
        for name, optimizer in optimizers.of(self.model).items():
            optimizer.learning_rate = self.rates[name] * factors[-1]

    def _compare(self, factors: list[float]) -> None:
        """Warn if the epochs that a callback such as `Resume` has restored had other rates."""
        before = self.model.history.history.get("learning_rate", [])
        rate = next(iter(self.rates.values()))
        if len(before) == len(factors) - 1 and not np.allclose(before, np.multiply(rate, factors[:-1]), 1e-5, 0):
            warnings.warn(
                f"epochs 1 to {len(before)} had the learning rates of another schedule, {before[-1]:.3g} in the last; "
                f"from epoch {len(factors)} on they are those of this one, which begins with {rate * factors[-1]:.3g}",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            optimizer = next(iter(optimizers.of(self.model).values()))
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
