"""A training in a directory of its own, which the same command resumes."""

import json
import math
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from keras_style import checks
from keras_style.checks import Verbosity
from keras_style.errors import CheckpointError, InputError
from keras_style.internal import atomic_files, directories, parsing, saved_state
from keras_style.internal.interrupt import termination_as_interrupt
from keras_style.internal.paths import user_path
from keras_style.training import config

if TYPE_CHECKING:
    from keras_style.models.cyclegan import CycleGAN
    from keras_style.painting.painters.painter import Painter

CONFIG = "config.yaml"

# What was in the folders, so that they may be moved, or named by another path.
CONTENTS = "data.json"

# These affect neither weights nor measurements, and may change from one run to the next.
_FREE = ("samples", "logs", "training.jit_compile", "training.save_every", "training.snapshot_every", "data.origin")


@dataclass(frozen=True)
class TrainingResult:
    """The result of `train`.

    Attributes:
        directory: directory of the run.
        model: the trained CycleGAN, or the painter.
        history: losses and measurements by name, a value per finished epoch.
        epoch: number of finished epochs.
        epochs: number of epochs that were asked for.
        stopped: whether Ctrl-C ended the run; the same call resumes it.
        best: epoch, from 1 on, and mean KID of the generators in `best/`, of a painter its style gap; None without
            evaluation.
        seconds: duration of this run.
    """

    directory: Path
    model: "CycleGAN | Painter"
    history: Mapping[str, list[float]]
    epoch: int
    epochs: int
    stopped: bool
    best: tuple[int, float] | None
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        last = {name: values[-1] for name, values in self.history.items() if values and not math.isnan(values[-1])}
        figure = "style_gap" if "style_gap" in self.history else "mean_kid"
        best = {"epoch": self.best[0], figure: self.best[1]} if self.best else None
        return {
            "directory": str(self.directory),
            "epoch": self.epoch,
            "epochs": self.epochs,
            "stopped": self.stopped,
            "best": best,
            "last": last,
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        if self.stopped:
            return (
                f"{self.directory}: stopped after {self.epoch} of {self.epochs} epochs; everything is saved, and the "
                "same command goes on from here"
            )
        figure = "style gap" if "style_gap" in self.history else "KID"
        best = f", the best by {figure} ({self.best[1]:.4g}) after epoch {self.best[0]}" if self.best else ""
        return f"{self.directory}: {self.epochs} epochs in {self.seconds:.0f} s{best}"


def train(
    configuration: str | Path | Mapping[str, Any],
    *,
    directory: str | Path | None = None,
    overrides: Sequence[str] = (),
    verbose: Verbosity = "auto",
) -> TrainingResult:
    """Train a CycleGAN or a painter as a configuration says, or resume its training.

    The directory of the run contains

        config.yaml               the configuration with every default filled in
        data.json                 digests of the images, by which they are known again in another place
        log.csv                   a row per epoch: losses, learning rate, KID and FID
        tensorboard/              the same, and the pictures
        samples/                  grids A | A2B | A2B2A | B | B2A | B2A2B
        best/                     the generators with the least mean KID, and the protocol of the measurements
        snapshots/                the generators of every so many epochs, with `training.snapshot_every`
        generator_a2b.keras, generator_b2a.keras    the generators at the end
        backup/                   the state from which a stopped or killed training goes on

    A configuration with `paintings` trains a painter. Then samples are photographs in all styles, figures those of
    `PainterEvaluation`, and `painter.keras` is the painter at the end, in `best/` that with the least style gap.

    The same call resumes where the last one ended, and ends in the same weights as one without a stop. The folders may
    have moved, and there may be more epochs, also after the last one: from there on, learning rates are those of the
    longer training, and a warning says so if the earlier ones were others. Any other change of the configuration is
    refused, unless it affects neither weights nor measurements.

    Args:
        configuration: a YAML file (configs/cyclegan/ and configs/painter/ have some), or a mapping of the same form;
            see `keras_style.training.config`.
        directory: directory of the run; made with its parents if it does not exist. None: `runs/NAME` in the current
            directory, where NAME is that of the file.
        overrides: other values, each "section.name=value"; they win over the configuration.
        verbose: 0: print nothing; 1: a progress bar, or a line per epoch where no bar can be shown; "auto": a bar if it
            can be shown.

    Raises:
        MissingFileError: the configuration or a folder of images does not exist.
        InputError: something in the configuration is not what was expected, or the directory holds something else.
        CheckpointError: the directory holds the training of another configuration.

    Example:
        >>> folders = {"train_a": "trainA", "train_b": "trainB", "test_a": "testA", "test_b": "testB"}
        >>> result = keras_style.training.train({"data": folders}, directory="runs/horses")
        >>> result.model.translate("photo.jpg")
    """
    began = time.perf_counter()
    given = config.load(configuration, overrides)
    checks.verbosity("verbose", verbose)
    place = _place(configuration, directory)
    config.check_folders(given)

    from keras_style.training import assemble as assemble_cyclegan
    from keras_style.training import assemble_painter, evaluation, painter_evaluation
    from keras_style.training.resume import Resume
    from keras_style.training.snapshots import write_networks
    from keras_style.training.stop_at_interrupt import StopAtInterrupt, Stopped
    from keras_style.training.training_progress import TrainingProgress

    painter = isinstance(given, config.PainterConfig)
    assemble: Any = assemble_painter if painter else assemble_cyclegan
    data = assemble.images(given)
    model = assemble.model(given)
    full = assemble.resolved(given, data, model)
    contents = assemble_cyclegan.contents(given)
    _compare(place, full, contents, given.model_dump())
    callbacks = assemble.callbacks(given, place, data.settings)
    resume = callbacks[-1]
    assert isinstance(resume, Resume)
    _claim(place, full, contents)
    progress = TrainingProgress(resume, data.steps_per_epoch, verbose)
    interrupt = StopAtInterrupt(resume, data.steps_per_epoch)
    stopped = False
    with termination_as_interrupt(signal.raise_signal), interrupt, progress:
        try:
            model.fit(data, epochs=given.training.epochs, callbacks=[*callbacks, progress, interrupt], verbose=0)
        except Stopped:
            stopped = True
    if not stopped:
        write_networks(place, model)
    history = model.history
    index, value = (painter_evaluation if painter else evaluation).best(history.history)
    return TrainingResult(
        directory=place,
        model=model,
        history=history.history,
        epoch=len(history.epoch),
        epochs=given.training.epochs,
        stopped=stopped,
        best=None if index is None else (history.epoch[index] + 1, value),
        seconds=time.perf_counter() - began,
    )


def _place(configuration: str | Path | Mapping[str, Any], directory: str | Path | None) -> Path:
    if directory is None:
        if isinstance(configuration, Mapping):
            raise InputError("directory is None with a mapping as configuration; expected a path")
        return Path("runs", Path(configuration).stem)
    place = user_path(directory)
    directories.check(place)
    return place


def _compare(
    place: Path, full: Mapping[str, Any], contents: Mapping[str, str], given: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise unless the directory is new, empty, or that of this very training, or of its first epochs."""
    now, file = _flat(full), place / CONFIG
    try:
        before = _flat(parsing.read_yaml(file))
        if (place / CONTENTS).exists():  # which older runs lack
            file = place / CONTENTS
            before |= parsing.from_json(file.read_bytes())
            now |= contents
        # An older run lacks names that are new, whose defaults are what it had.
        before = {name: now[name] for name, value in _flat(given).items() if value is None} | before
        longer = before["training.epochs"] < now["training.epochs"]
    except FileNotFoundError:
        if place.is_dir() and any(place.iterdir()):
            raise InputError(
                f"directory: {place} holds files, but no {CONFIG} of a training; expected a new or an empty directory"
            ) from None
        return
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file} cannot be read ({' '.join(str(error).split())})") from None
    # Where half of the epochs were to have the full rate, it is half of another number now.
    free = {*_FREE, *(("training.epochs", "training.decay_start") if longer else ())}
    fixed = [
        {name: value for name, value in each.items() if not {name, name.partition(".")[0]} & free}
        for each in (before, now)
    ]
    if different := saved_state.differences(*fixed):
        raise CheckpointError(
            f"{place} holds a training with another configuration: {'; '.join(different)}. "
            "Use the same one, or another directory"
        )


def _claim(place: Path, full: Mapping[str, Any], contents: Mapping[str, str]) -> None:
    directories.make(place)
    try:
        text = yaml.safe_dump(dict(full), sort_keys=False, allow_unicode=True)
        atomic_files.write_bytes(place / CONFIG, text.encode())
        atomic_files.write_bytes(place / CONTENTS, json.dumps(contents, indent=2).encode())
    except OSError as error:
        raise InputError(f"directory: {place} cannot be written ({error.strerror or error})") from None


def _flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, names in sections.items() for name, value in names.items()}
