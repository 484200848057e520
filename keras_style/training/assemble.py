"""Makes the objects of a training of a CycleGAN from its configuration."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_style import data
from keras_style.checks import DIRECTIONS
from keras_style.data import collections
from keras_style.data.preparation import Preparation
from keras_style.errors import InputError
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.loading.open_generator import open_generator
from keras_style.models.training_step import adam
from keras_style.training import config, held_out, optimizers
from keras_style.training.csv_log import CSVLog
from keras_style.training.evaluation import Evaluation
from keras_style.training.learning_rates import CosineDecay, Decay, LinearDecay, PlateauDecay, StepDecay
from keras_style.training.resume import Resume
from keras_style.training.samples import Samples
from keras_style.training.snapshots import Snapshots
from keras_style.training.tensorboard_log import TensorBoardLog

if TYPE_CHECKING:
    from keras_style.data.unpaired_batches import Unpaired

# What the names in each section of a configuration are arguments of.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "data": data.unpaired,
    "model": CycleGAN,
    "loss": CycleGAN.compile,
    "evaluation": Evaluation,
    "samples": Samples,
}


def images(given: config.Config) -> "Unpaired":
    """The training images."""
    options = _arguments(given, "data") | given_of(seed=given.training.seed, channels=given.model.channels)
    return data.unpaired(given.data.train_a, given.data.train_b, **options)


def contents(given: config.Config | config.PainterConfig) -> dict[str, str]:
    """Digests of all images, by the names of their folders in the configuration."""
    return {
        f"data.{name}": collections.contents(collections.items_of(name, place))
        for name, place in config.folders(given.data).items()
    }


def model(given: config.Config) -> CycleGAN:
    """The networks, compiled."""
    training = given.training
    options = _arguments(given, "model")
    if given.model.start is not None:
        if given.model.generator is not None:
            raise InputError(f"model.start with model.generator={given.model.generator!r}; expected one of the two")
        options["generator"] = _trained(given.model.start)
    gan = CycleGAN(**options, **given_of(seed=training.seed, dtype=training.precision))
    rates = given_of(learning_rate=training.learning_rate, beta_1=training.beta_1)
    gan.compile(
        **_arguments(given, "loss"),
        generator_optimizer=adam(**rates),
        discriminator_optimizer=adam(**rates),
        **given_of(jit_compile=training.jit_compile),
    )
    return gan


def _trained(source: str) -> list[keras.Model]:
    """Both generators of a run or of a preset."""
    # A file holds one generator, which is no pair; an exported one cannot be trained.
    generators = [] if user_path(source).is_file() else [open_generator(source, direction) for direction in DIRECTIONS]
    if not generators or not all(generator.trainable_variables for generator in generators):
        raise InputError(f"model.start is {source!r}; expected a preset or the directory of a run, with two generators")
    return generators


def shown_as(settings: Mapping[str, Any]) -> Preparation:
    """The preparation of test pictures: in the scale of the training's, and whole, as in the published program."""
    preprocess, size, channels = settings["preprocess"], settings["image_size"], settings["channels"]
    if preprocess == "resize_and_crop":
        return Preparation(preprocess, size, size, False, channels)
    if preprocess.startswith("scale_width"):
        return Preparation("scale_width", settings["load_size"], settings["load_size"], False, channels)
    return replace(held_out.AS_THEY_ARE, channels=channels)


def callbacks(given: config.Config, directory: Path, settings: Mapping[str, Any]) -> list[keras.callbacks.Callback]:
    """All but those that show progress and take interrupts; `Resume` is the last.

    Nothing is written before the training begins.

    Args:
        given: the configuration.
        directory: of the run.
        settings: of the training images.
    """
    training, tests = given.training, (given.data.test_a, given.data.test_b)
    if (tests[0] is None) != (tests[1] is None):
        raise InputError(f"data.test_a is {tests[0]!r} and data.test_b is {tests[1]!r}; expected both, or neither")
    tensorboard = TensorBoardLog(directory / "tensorboard") if given.logs.tensorboard else None
    chosen: list[Any] = [decay(training)]
    shown: list[Any] = [given.data.train_a, given.data.train_b]
    if tests[0] is not None and tests[1] is not None:
        # Read once, for both callbacks.
        how = shown_as(settings)
        shown = [
            held_out.read(f"data.test_{side}", place, preparation=how) for side, place in zip("ab", tests, strict=True)
        ]
        if given.evaluation.every != 0:
            chosen.append(Evaluation(shown[0], shown[1], directory / "best", **_arguments(given, "evaluation")))
    if given.samples.every != 0:
        size = settings["image_size"] if settings["preprocess"] == "resize_and_crop" else None
        options = {"image_size": size, "tensorboard": tensorboard, **_arguments(given, "samples")}
        chosen.append(Samples(directory / "samples", shown[0], shown[1], **options))
    if training.snapshot_every is not None:
        chosen.append(Snapshots(directory / "snapshots", training.snapshot_every))
    chosen += [CSVLog(directory / "log.csv"), *([tensorboard] if tensorboard else [])]
    return [*chosen, Resume(directory / "backup", **given_of(every=training.save_every))]


def decay(training: config.Training | config.PainterTraining) -> Decay:
    """The learning rates; linear, they fall after half of the epochs unless said otherwise (paper, section 7.1)."""
    schedule = training.schedule or "linear"
    for name, other in (("decay_start", "linear"), ("decay_every", "step")):
        if (value := getattr(training, name)) is not None and schedule != other:
            raise InputError(f"training.{name} is {value} with schedule={schedule!r}; expected schedule={other!r}")
    if schedule == "linear":
        start = training.epochs // 2 if training.decay_start is None else training.decay_start
        return LinearDecay(start, training.epochs)
    if schedule == "step":
        return StepDecay(**given_of(every=training.decay_every))
    return CosineDecay(training.epochs) if schedule == "cosine" else PlateauDecay()


def resolved(given: config.Config, prepared: "Unpaired", gan: CycleGAN) -> dict[str, dict[str, Any]]:
    """The configuration with every default filled in, as plain values."""
    plain = with_defaults(given, FUNCTIONS)
    if plain["data"]["preprocess"].endswith("_and_crop"):
        plain["data"]["load_size"] = prepared.settings["load_size"]
    if given.model.start is not None:
        plain["model"]["generator"] = None
    rates = [optimizers.initial_rate(each) for each in optimizers.of(gan).values()]
    chosen = decay(given.training)
    plain["training"] |= {
        "schedule": given.training.schedule or "linear",
        "decay_start": getattr(chosen, "start", None),
        "decay_every": getattr(chosen, "every", None),
        "beta_1": default_of(adam, "beta_1", given.training.beta_1),
        # float32 has seven digits.
        "learning_rate": None if rates[0] is None else float(f"{rates[0]:.7g}"),
        "precision": gan.dtype_policy.name,
        "seed": gan.seed,
        "jit_compile": default_of(CycleGAN.compile, "jit_compile", given.training.jit_compile),
        "save_every": default_of(Resume, "every", given.training.save_every),
    }
    return plain


def with_defaults(
    given: config.Config | config.PainterConfig, functions: Mapping[str, Callable[..., Any]]
) -> dict[str, dict[str, Any]]:
    """The configuration as plain values, with the defaults of the function of each section."""
    plain: dict[str, dict[str, Any]] = given.model_dump()
    for section, function in functions.items():
        parameters = inspect.signature(function).parameters
        for name, value in plain[section].items():
            if value is None and name in parameters:
                default = parameters[name].default
                plain[section][name] = list(default) if isinstance(default, tuple) else default
    return plain


def default_of(function: Callable[..., Any], name: str, value: Any) -> Any:
    return inspect.signature(function).parameters[name].default if value is None else value


def _arguments(given: config.Config, section: str) -> dict[str, Any]:
    return arguments(given, section, FUNCTIONS[section])


def arguments(
    given: config.Config | config.PainterConfig, section: str, function: Callable[..., Any]
) -> dict[str, Any]:
    """Arguments of a section's function that the configuration sets."""
    parameters = inspect.signature(function).parameters
    return given_of(**{name: value for name, value in getattr(given, section) if name in parameters})


def given_of(**arguments: Any) -> dict[str, Any]:
    """The values that were given; the others keep the defaults of the function."""
    return {name: value for name, value in arguments.items() if value is not None}
