"""A training that was killed goes on, and ends in the same bits."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.errors import CheckpointError, DivergenceError, InputError
from keras_style.internal import directories, saved_state
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras, tf
from keras_style.training import optimizers

FILE = "state.npz"

# How a training is run, and what things are called, does not decide what comes out.
_IRRELEVANT = ("module", "registered_name", "name", "jit_compile", "run_eagerly", "steps_per_execution")

# What older states did not note, and cannot be compared with.
_NEW = ("data.contents_a", "data.contents_b", "data.channels", "model.channels")


class Resume(keras.callbacks.Callback):
    """Save the whole state of a training again and again, and take it up when the same training starts again.

    The state is: weights, optimizers, everything else that the model holds in variables (pools, random counters), epoch
    and step, the place in the data, the running means of the losses, and the history. The file is replaced as a whole
    or not at all. So a training killed at any moment and started again by the same command ends in the weights of one
    that nothing happened to, bit for bit, provided that a step is deterministic and the data have a `position`, as
    those of `keras_style.data.unpaired`; other data must give each epoch the same batches whatever came before it:
    arrays and a `keras.utils.PyDataset` with `shuffle=False`, a generator that begins again after each epoch.

    The state of a finished training stays: started again it returns at once, and with more `epochs` it goes on. What
    was trained with another model, other settings or other data is refused. What callbacks of Keras remember is not
    part of the state: `EarlyStopping` and `ReduceLROnPlateau` begin to count anew.

    It works with any Keras model that is built before `fit`.

    Args:
        directory: holds the state, in one file; made if it does not exist, with its parents.
        every: "epoch", or a number of steps, after which the state is saved besides; only for data with a `position`.
        data: what `fit` is given. None: what the model says, as `CycleGAN` does.

    Raises:
        InputError: an argument is something else than expected, or the model is not built, with all of its layers.
        CheckpointError: the state cannot be read or written, or is that of another training, or of more epochs.
        DivergenceError: there is a weight that is not finite; the state before is kept.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.Resume("run/backup", every=1000)])
    """

    def __init__(self, directory: str | Path, every: int | str = "epoch", data: Any = None) -> None:
        super().__init__()
        self.path = user_path(directory) / FILE
        self.every = None if every == "epoch" else checks.whole("every", every, 1, 10**12)
        self.given_data = data

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        fed = getattr(self.model, "fed", None)
        self.data = self.given_data if self.given_data is not None or fed is None else fed()
        for layer in self.model._flatten_layers():
            if not layer.built:
                raise InputError(
                    f"{layer.name} is not built; expected all layers to be, so that the state can be restored: before "
                    "fit, call the model on images; a CycleGAN takes image_size"
                )
        if self.every and not hasattr(self.data, "position"):
            raise InputError(
                f"every is {self.every} with data of type {type(self.data).__name__}; expected every='epoch', or data "
                "whose position can be set, as keras_style.data.unpaired gives"
            )
        for optimizer in optimizers.of(self.model).values():
            if not optimizer.built:
                optimizer.build(self.model.trainable_variables)
        directories.make(self.path.parent, "directory", CheckpointError)
        self.identity = _identity(self.model, self.data)
        self.epoch: int | None = None  # the one that comes next, or is under way; none has begun
        self.step = 0
        self.means: list[np.ndarray] = []
        self.earlier: list[int] = []
        self.model._initial_epoch = None
        if self.path.exists():
            self._restore()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._complete_history()
        if self.epoch is None:
            self.epoch = epoch
        elif self.step == 0 and epoch > self.restored:
            self.save()  # here the callbacks have done what they do at the end of the epoch before
        if self.means:
            for variable, value in zip(_means(self.model), self.means, strict=False):
                variable.assign(value)
            self.means = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before, length = self.step, getattr(self.data, "steps_per_epoch", math.inf)
        self.step = min(self.step + self.model.steps_per_execution, length)
        if self.every and self.step < length and self.step // self.every > before // self.every:
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.step >= getattr(self.data, "steps_per_epoch", 0):  # otherwise a callback stopped it halfway
            self.epoch, self.step = epoch + 1, 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._complete_history()
        if self.epoch is not None and (self.epoch, self.step) != (self.restored, 0):
            self.save()

    restored = 0  # the epoch with which this run began

    def save(self) -> None:
        history = self.model.history
        about = {
            "identity": self.identity,
            "epoch": self.epoch,
            "step": self.step,
            "history": history.history,
            "epochs": history.epoch,
        }
        arrays = {f"variable_{index}": _array(each) for index, each in enumerate(_variables(self.model))}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise DivergenceError(
                f"weights are not finite after step {self.step} of epoch {(self.epoch or 0) + 1}; {self.path.parent} "
                "keeps the state before. Try a smaller learning rate, or float32"
            )
        if self.step:
            arrays |= {f"mean_{index}": _array(each) for index, each in enumerate(_means(self.model))}
        saved_state.write(self.path, about, arrays)

    def _restore(self) -> None:
        with saved_state.reading(self.path, "the state of a training") as (about, file):
            values, means = (
                [file[f"{kind}_{index}"] for index in range(sum(name.startswith(kind) for name in file.files))]
                for kind in ("variable", "mean")
            )
            saved = about["identity"]
            self.epoch, self.step, self.means = about["epoch"], about["step"], means
            history, self.earlier = about["history"], about["epochs"]
        noted = {name: value for name, value in self.identity.items() if name not in _NEW or name in saved}
        if different := saved_state.differences(saved, noted):
            raise CheckpointError(
                f"{self.path.parent} holds the state of another training: {'; '.join(different[:3])}. "
                "Use the same settings, or another directory"
            )
        if self.epoch > self.params["epochs"]:
            raise CheckpointError(
                f"{self.path.parent} holds {self.epoch} epochs of this training; expected epochs={self.epoch} or more, "
                f"not {self.params['epochs']}"
            )
        variables = _variables(self.model)
        if [value.shape for value in values] != [tuple(each.shape) for each in variables]:
            raise CheckpointError(f"{self.path} lacks a part of the state of a training; delete it to start again")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.restored = self.model._initial_epoch = self.epoch
        self.model.history.history = history
        if hasattr(self.data, "position"):
            self.data.position = self.epoch * self.data.steps_per_epoch + self.step

    def _complete_history(self) -> None:
        """Put the epochs of earlier runs before those of this one; in `on_train_begin`, Keras would drop them."""
        self.model.history.epoch[:0] = self.earlier
        self.earlier = []


def _variables(model: keras.Model) -> list[Any]:
    """All that decides how a training goes on, each variable once; not the running means."""
    everything = [*model.variables, *(each for one in optimizers.of(model).values() for each in one.variables)]
    means = {id(each) for each in _means(model)}
    return list({id(each): each for each in everything if id(each) not in means}.values())


def _means(model: keras.Model) -> list[Any]:
    return [each for metric in model.metrics for each in metric.variables]


def _array(variable: Any) -> np.ndarray:
    value = tf.convert_to_tensor(variable.value).numpy()
    return value if value.dtype.isbuiltin else value.astype(np.float32)  # NumPy's file format knows no bfloat16


def _identity(model: keras.Model, data: Any) -> dict[str, Any]:
    """Values by name that must be equal for a state to fit."""
    try:
        config = {name: value for name, value in model.get_config().items() if not isinstance(value, dict)}
    except NotImplementedError:  # of a subclass of keras.Model that cannot be saved; its variables still tell it apart
        config = {}
    training = _flat("training", model.get_compile_config())
    rates = {f"training.{name}": optimizers.initial_rate(one) for name, one in optimizers.of(model).items()}
    for name in training:
        owner = ".".join(name.split(".")[:2])
        if name.endswith(".learning_rate") and rates.get(owner) is not None:
            training[name] = rates[owner]  # and not what a schedule has made of it
    shapes = [(tuple(each.shape), str(each.dtype)) for each in _variables(model)]
    named = _flat("data", getattr(data, "settings", {}))
    plain = {
        "model": type(model).__name__,
        **{name: value for name, value in _flat("model", config).items() if "initial_learning_rates" not in name},
        "variables": str(shapes),
        **{name: value for name, value in training.items() if "initial_learning_rates" not in name},
        **named,
    }
    return json.loads(json.dumps(plain))


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Numbers and words below `value` by their path."""
    if isinstance(value, Mapping):
        parts = [_flat(f"{prefix}.{name}", each) for name, each in value.items() if name not in _IRRELEVANT]
        return {name: each for part in parts for name, each in part.items()}
    if isinstance(value, list | tuple):
        plain = all(isinstance(each, int | float) for each in value)
        return {prefix: list(value)} if plain else {}
    return {prefix: value} if isinstance(value, str | int | float | None) else {}
