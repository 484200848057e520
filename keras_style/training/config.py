"""The configuration of a training: a YAML file, checked before anything else happens.

A name that is left out, or null, means the default of the function that takes the value; no default is repeated here.
"""

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.internal import parsing, yaml_options
from keras_style.internal.paths import user_path


def _number(value: Any) -> Any:
    """2e-4 is text in YAML 1.1, and a number to everybody else."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Number = Annotated[float, BeforeValidator(_number)]


class Section(BaseModel):
    """Names and types of options; numbers are numbers, not text or truth values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(Section):
    """Folders, glob patterns; paths are relative to the current directory. The rest: `keras_style.data.unpaired`.

    `origin` tells where the folders come from, for the message when one is missing.
    """

    train_a: str
    train_b: str
    test_a: str | None = None
    test_b: str | None = None
    origin: str | None = None
    image_size: int | None = None
    load_size: int | None = None
    batch_size: int | None = None
    preprocess: str | None = None
    flip: bool | None = None
    shuffle: str | None = None
    on_error: str | None = None


class Model(Section):
    """`keras_style.models.CycleGAN`; channels: of the data, too.

    start: a preset or the directory of a run, with whose generators the training begins, in place of `generator`; the
    discriminators start from random weights, with `filters`.
    """

    generator: str | None = None
    filters: int | None = None
    discriminator: str | None = None
    discriminator_filters: int | None = None
    channels: int | None = None
    pool_size: int | None = None
    start: str | None = None


class Loss(Section):
    """`CycleGAN.compile`."""

    adversarial: str | None = None
    cycle_weight: Number | list[Number] | None = None
    identity_weight: Number | None = None


class Training(Section):
    """Length, rates and numerics.

    epochs: 200 in the paper, section 7.1. schedule: of the learning rates, in `keras_style.training.learning_rates`;
    linear by default. decay_start: of "linear", epochs at the full learning rate; half of them by default, as in the
    paper. decay_every: of "step", epochs at one rate. learning_rate, beta_1: those of all optimizers, which are Adam.
    precision: a Keras dtype policy. seed: that of weights, pools and data. save_every: steps between two saves of the
    state, or "epoch", as `Resume` takes them. snapshot_every: epochs between two snapshots of the generators; none by
    default.
    """

    epochs: Annotated[int, Field(ge=1)] = 200
    schedule: Literal["linear", "step", "cosine", "plateau"] | None = None
    decay_start: Annotated[int, Field(ge=0)] | None = None
    decay_every: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[Number, Field(gt=0)] | None = None
    beta_1: Annotated[Number, Field(ge=0, lt=1)] | None = None
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] | None = None
    jit_compile: bool | Literal["auto"] | None = None
    seed: int | None = None
    save_every: int | Literal["epoch"] | None = None
    snapshot_every: Annotated[int, Field(ge=1)] | None = None


class Evaluation(Section):
    """`keras_style.training.Evaluation`, if there are test images; every: 0 turns it off."""

    every: Annotated[int, Field(ge=0)] | None = None
    backbone: str | None = None
    layer: str | None = None
    batch_size: int | None = None
    paired: bool | None = None


class Samples(Section):
    """`keras_style.training.Samples`, of the test images, or without any of the training images; every: 0: none."""

    every: Annotated[int, Field(ge=0)] | None = None
    count: int | None = None
    early: list[int] | None = None


class Logs(Section):
    """Logs that are written besides `log.csv`."""

    tensorboard: bool = True


class Config(Section):
    """A whole training of a CycleGAN."""

    data: Data
    model: Model = Model()
    loss: Loss = Loss()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    samples: Samples = Samples()
    logs: Logs = Logs()


class PainterData(Section):
    """A folder, or a glob pattern, of photographs; the rest: `keras_style.data.photographs`, and `origin` as above.

    test: photographs that are not trained on, to be measured and looked at.
    """

    photographs: str
    test: str | None = None
    origin: str | None = None
    image_size: int | None = None
    load_size: int | None = None
    batch_size: int | None = None
    flip: bool | None = None
    on_error: str | None = None


class PainterModel(Section):
    """`keras_style.models.Painter`; start: a preset with whose weights the training begins, in place of the others."""

    start: str | None = None
    filters: list[int] | None = None
    blocks: int | None = None
    expand: list[int] | None = None


class PainterLoss(Section):
    """`Painter.compile`."""

    method: str | dict[str, Number] | None = None
    stability_weight: Number | None = None


class PainterTraining(Section):
    """Length and rates, as in `Training`."""

    epochs: Annotated[int, Field(ge=1)] = 2
    schedule: Literal["linear", "step", "cosine"] | None = None
    decay_start: Annotated[int, Field(ge=0)] | None = None
    decay_every: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[Number, Field(gt=0)] | None = None
    seed: int | None = None
    save_every: int | Literal["epoch"] | None = None


class PainterEvaluation(Section):
    """`keras_style.training.PainterEvaluation`, if there are test photographs; every: 0 turns it off."""

    every: Annotated[int, Field(ge=0)] | None = None
    image_size: int | None = None
    count: int | None = None
    backbone: str | None = None
    layers: list[str] | None = None


class PainterSamples(Section):
    """`keras_style.training.PainterSamples`, of the test photographs, or without any of the others; every: 0: none."""

    every: Annotated[int, Field(ge=0)] | None = None
    image_size: int | None = None
    count: int | None = None


class PainterConfig(Section):
    """A whole training of a painter; paintings: the file of each style, by its name."""

    data: PainterData
    paintings: dict[str, str]
    model: PainterModel = PainterModel()
    loss: PainterLoss = PainterLoss()
    training: PainterTraining = PainterTraining()
    evaluation: PainterEvaluation = PainterEvaluation()
    samples: PainterSamples = PainterSamples()
    logs: Logs = Logs()


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Config | PainterConfig:
    """The configuration in a YAML file, or in a mapping of the same form: with `paintings`, that of a painter.

    Args:
        source: path of the file, or sections by name.
        overrides: "section.name=value", the value as in YAML; they win.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, names are unknown or values unfit; one line names them all.
    """
    given: Mapping[str, Any]
    if isinstance(source, Mapping):
        given, where = source, "config"
    elif isinstance(source, str | os.PathLike):
        given, where = yaml_options.read(source), f"config: {source}"
    else:
        raise InputError(f"config is of type {type(source).__name__}; expected a path or a mapping")
    # A section without content is null to YAML.
    sections = {name: {} if value is None else value for name, value in given.items()}
    for override in overrides:
        sections = _overridden(sections, override)
    kind: type[Config] | type[PainterConfig] = PainterConfig if "paintings" in sections else Config
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        raise InputError(f"{where}: {_one_line(error, kind)}") from None


def _overridden(sections: Mapping[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        raise InputError(
            f"override is {checks.shown(override)}; expected SECTION.NAME=VALUE, such as training.epochs=20"
        )
    try:
        value = parsing.from_yaml(text)
    except ValueError as error:
        raise InputError(
            f"override is {checks.shown(override)}; expected a value that is valid YAML: {error}"
        ) from None
    before = sections.get(section, {})
    return {**sections, section: {**before, name: value} if isinstance(before, Mapping) else before}


def _one_line(error: ValidationError, kind: type[Section]) -> str:
    said: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path[:2])  # below that, pydantic names the alternatives of a type
        if problem["type"] == "extra_forbidden":
            section: Any = kind.model_fields[path[0]].annotation if len(path) > 1 else kind
            said[name] = f"unknown {checks.shown(name)}; expected some of {', '.join(section.model_fields)}"
        elif problem["type"] == "missing":
            said[name] = f"{name} is missing"
        elif problem["type"] in ("model_type", "model_attributes_type"):
            said[name] = f"{name} is {checks.shown(problem['input'])}; expected names and values"
        elif name in said:
            said[name] += f", or {_lower(problem['msg'])}"
        else:
            value = problem["input"]
            said[name] = f"{name} is {checks.shown(value)}: {_lower(problem['msg'])}"
    return checks.listed(said.values(), "; ")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def check_folders(given: Config | PainterConfig) -> None:
    """Raise MissingFileError unless everything that is named exists; cheap, and before TensorFlow is loaded."""
    places = {f"data.{name}": place for name, place in folders(given.data).items()}
    if isinstance(given, PainterConfig):
        places |= {f"paintings.{name}": place for name, place in given.paintings.items()}
    for name, place in places.items():
        if user_path(place).exists() or glob.glob(os.fspath(user_path(place)), recursive=True):
            continue
        origin = f"; it comes from: {given.data.origin}" if given.data.origin else ""
        kind = "folder" if name.startswith("data.") else "file"
        raise MissingFileError(
            f"{name}: no such {kind}: {place} (paths are relative to the current directory, {os.getcwd()}){origin}"
        )


def folders(given: Data | PainterData) -> dict[str, str]:
    """The collections of images that are named, by their names."""
    names = ("train_a", "train_b", "test_a", "test_b", "photographs", "test")
    found = {name: getattr(given, name, None) for name in names}
    return {name: place for name, place in found.items() if place is not None}
