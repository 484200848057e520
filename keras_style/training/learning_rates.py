"""Learning rates that change from epoch to epoch."""

import math
import warnings
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.training import optimizers


class Decay(keras.callbacks.Callback):
    """Gives every optimizer of a model, in each epoch, a share of the learning rate with which it began.

    A share depends on the epoch and on the history alone, which `Resume` restores, so a training that goes on after a
    break has the rates of one that had none. One that goes on to more epochs has the rates of the longer training from
    there on; a warning says so if the epochs before had others.

    The epoch's rate is among its logs, as `learning_rate` (of several optimizers: of the first, by name).

    Args:
        epochs: of the whole training; None: those of `fit`.

    Raises:
        InputError: an argument that is no whole number, or, in `fit`, a rate with a schedule of its own.
    """

    def __init__(self, epochs: int | None = None) -> None:
        super().__init__()
        self.epochs = None if epochs is None else checks.whole("epochs", epochs, 1, 10**9)

    def factor(self, epoch: int, epochs: int) -> float:
        """The share in an epoch, counted from 1, of so many."""
        raise NotImplementedError

    def factors(self, count: int, epochs: int) -> list[float]:
        """The shares in the first `count` epochs."""
        return [self.factor(number, epochs) for number in range(1, count + 1)]

    # Before any `on_train_begin`, in which a callback may restore a rate that has fallen already.
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.rates: dict[str, float] = {}
        for name, optimizer in optimizers.of(model).items():
            rate = optimizers.initial_rate(optimizer)
            if rate is None:
                raise InputError(
                    f"{name} has a learning rate schedule; expected a number, which {type(self).__name__} lowers"
                )
            self.rates[name] = rate
        self.begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs = self.epochs or self.params["epochs"]
        factors = self.factors(epoch + 1, epochs)
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


class LinearDecay(Decay):
    """Keep the learning rate for `start` epochs, then lower it in equal steps toward zero.

    In epoch e, counted from 1, it is the initial rate times 1 - max(0, e - 1 - start) / (epochs - start), as in the
    paper's program, which lowers it after an epoch: with 100 and 200, 0.99 of it in epoch 102 and 0.01 in epoch 200.
    The program in PyTorch is two epochs ahead, and begins the last one with a rate of zero.

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

    Reference: Zhu et al., CycleGAN, ICCV 2017, section 7.1; the end of `train.lua` and `UpdateLearningRate` in
    `models/cycle_gan_model.lua` of junyanz/CycleGAN @40b4498.
    """

    def __init__(self, start: int = 100, epochs: int | None = None) -> None:
        super().__init__(epochs)
        self.start = checks.whole("start", start, 0, 10**9)
        if self.epochs is not None and self.start > self.epochs:
            raise InputError(f"start is {self.start} with epochs={self.epochs}; expected at most {self.epochs}")

    def factor(self, epoch: int, epochs: int) -> float:
        return max(0.0, 1 - max(0, epoch - 1 - self.start) / max(1, epochs - self.start))


class StepDecay(Decay):
    """Multiply the learning rate by `by` after every `every` epochs.

    Args:
        every: epochs at one rate; 50 in the published program.
        by: 0.1 there.

    Raises:
        InputError: an argument that is not as above, or a rate with a schedule of its own.

    Reference: "step" in `get_scheduler`, `models/networks.py`, and `lr_decay_iters`, `options/train_options.py` of
    junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(self, every: int = 50, by: float = 0.1) -> None:
        super().__init__()
        self.every = checks.whole("every", every, 1, 10**9)
        self.by = checks.number("by", by, low=0, high=1)

    def factor(self, epoch: int, epochs: int) -> float:
        return self.by ** ((epoch - 1) // self.every)


class CosineDecay(Decay):
    """Lower the learning rate along half a cosine, from the whole of it in the first epoch toward zero.

    In epoch e, counted from 1, it is the initial rate times (1 + cos(pi (e - 1) / epochs)) / 2. The published program
    reaches zero after half of its epochs, and rises again.

    Args:
        epochs: of the whole training; None: those of `fit`.

    Raises:
        InputError: an argument that is no whole number, or a rate with a schedule of its own.

    Reference: "cosine" in `get_scheduler`, `models/networks.py` of junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def factor(self, epoch: int, epochs: int) -> float:
        return (1 + math.cos(math.pi * min(1, (epoch - 1) / epochs))) / 2


class PlateauDecay(Decay):
    """Multiply the learning rate by `by` where a loss has not fallen for more than `patience` epochs.

    A loss has fallen if it is below the least one so far by `threshold` of that. Epochs without a number do not count.

    Args:
        monitor: a name in the history, such as "generator_loss", "kid_a2b".
        patience: 5 in the published program.
        by: 0.2 there.
        threshold: 0.01 there. It compares a constant, so that its rate falls every six epochs; the loss is our choice.

    Raises:
        InputError: an argument that is not as above, a history without the loss, or a rate with a schedule of its own.

    Reference: "plateau" in `get_scheduler`, `models/networks.py`, and `metric` in `models/base_model.py` of
    junyanz/pytorch-CycleGAN-and-pix2pix; `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        monitor: str = "generator_loss",
        patience: int = 5,
        by: float = 0.2,
        threshold: float = 0.01,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = checks.whole("patience", patience, 0, 10**9)
        self.by = checks.number("by", by, low=0, high=1)
        self.threshold = checks.number("threshold", threshold, low=0, high=1)

    def factors(self, count: int, epochs: int) -> list[float]:
        history = self.model.history.history
        if history and self.monitor not in history:
            raise InputError(f"monitor is {checks.shown(self.monitor)}; expected one of {', '.join(history)}")
        least, waited, shares = math.inf, 0, [1.0]
        for loss in history.get(self.monitor, [])[: count - 1]:
            fallen = loss < least * (1 - self.threshold)
            least, waited = (loss, 0) if fallen else (least, waited + (not math.isnan(loss)))
            falls = waited > self.patience
            shares.append(shares[-1] * (self.by if falls else 1))
            waited *= not falls
        return shares + shares[-1:] * (count - len(shares))
