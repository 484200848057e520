"""Makes the objects of a training of a painter from its configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras_style import data
from keras_style.data.photograph_batches import Photographs
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.painting.painters.painter import Painter
from keras_style.painting.painters.trained import LEARNING_RATE
from keras_style.training import config
from keras_style.training.assemble import arguments, decay, default_of, given_of, with_defaults
from keras_style.training.csv_log import CSVLog
from keras_style.training.painter_evaluation import PainterEvaluation
from keras_style.training.painter_samples import PainterSamples
from keras_style.training.resume import Resume
from keras_style.training.tensorboard_log import TensorBoardLog

# What the names in each section of a configuration are arguments of.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "data": data.photographs,
    "model": Painter,
    "loss": Painter.compile,
    "evaluation": PainterEvaluation,
    "samples": PainterSamples,
}


def images(given: config.PainterConfig) -> Photographs:
    """The photographs to train on."""
    options = arguments(given, "data", data.photographs) | given_of(seed=given.training.seed)
    return data.photographs(given.data.photographs, **options)


def model(given: config.PainterConfig) -> Painter:
    """The painter, compiled."""
    options = arguments(given, "model", Painter)
    if given.model.start is None:
        painter = Painter(**options, seed=given.training.seed or 0)
    elif options:
        raise InputError(f"model.start with {', '.join(f'model.{name}' for name in options)}; expected one of the two")
    else:
        painter = Painter.from_preset(given.model.start)
        painter.seed = given.training.seed or 0
    painter.compile(
        paintings=given.paintings,
        optimizer=keras.optimizers.Adam(given.training.learning_rate or LEARNING_RATE),
        **arguments(given, "loss", Painter.compile),
    )
    return painter


def callbacks(given: config.PainterConfig, directory: Path, settings: Mapping[str, Any]) -> list[Any]:
    """All but those that show progress and take interrupts; `Resume` is the last.

    Nothing is written before the training begins.
    """
    tensorboard = TensorBoardLog(directory / "tensorboard") if given.logs.tensorboard else None
    chosen: list[Any] = [decay(given.training)]
    if given.data.test is not None and given.evaluation.every != 0:
        options = {"image_size": settings["image_size"], **arguments(given, "evaluation", PainterEvaluation)}
        chosen.append(PainterEvaluation(given.data.test, directory / "best", **options))
    if given.samples.every != 0:
        options = {"image_size": settings["image_size"], **arguments(given, "samples", PainterSamples)}
        shown = given.data.test or given.data.photographs
        chosen.append(PainterSamples(directory / "samples", shown, tensorboard=tensorboard, **options))
    chosen += [CSVLog(directory / "log.csv"), *([tensorboard] if tensorboard else [])]
    return [*chosen, Resume(directory / "backup", **given_of(every=given.training.save_every))]


def resolved(given: config.PainterConfig, prepared: Photographs, painter: Painter) -> dict[str, dict[str, Any]]:
    """The configuration with every default filled in, as plain values."""
    plain = with_defaults(given, FUNCTIONS)
    plain["data"]["load_size"] = prepared.settings["load_size"]
    for section in ("evaluation", "samples"):
        plain[section]["image_size"] = getattr(given, section).image_size or prepared.settings["image_size"]
    if given.model.start is not None:
        plain["model"] |= {"filters": None, "blocks": None, "expand": None}
    chosen = decay(given.training)
    plain["training"] |= {
        "schedule": given.training.schedule or "linear",
        "decay_start": getattr(chosen, "start", None),
        "decay_every": getattr(chosen, "every", None),
        "learning_rate": given.training.learning_rate or LEARNING_RATE,
        "seed": painter.seed,
        "save_every": default_of(Resume, "every", given.training.save_every),
    }
    return plain
