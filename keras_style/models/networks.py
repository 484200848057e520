"""Generators and discriminators by name, and two of a kind."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.image_network import ImageNetwork
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator


def _by_name(**named: Callable[..., keras.Model]) -> dict[str, Callable[..., keras.Model]]:
    """Those, and each with an affine instance normalization."""
    return named | {f"{name}_affine": functools.partial(make, affine=True) for name, make in named.items()}


GENERATORS = _by_name(
    resnet_9=functools.partial(ResNetGenerator, blocks=9),
    resnet_6=functools.partial(ResNetGenerator, blocks=6),
    resnet_9_resize=functools.partial(ResNetGenerator, blocks=9, upsampling="resize"),
    resnet_6_resize=functools.partial(ResNetGenerator, blocks=6, upsampling="resize"),
    unet_256=functools.partial(UNetGenerator, size=256),
    unet_128=functools.partial(UNetGenerator, size=128),
)
DISCRIMINATORS = _by_name(
    patch_70=functools.partial(PatchDiscriminator, layers=3),
    patch_34=functools.partial(PatchDiscriminator, layers=2),
    patch_16=functools.partial(PatchDiscriminator, layers=1),
    pixel=functools.partial(PatchDiscriminator, layers=0),
)

Network: TypeAlias = str | keras.Model | Sequence[keras.Model]


def channels(generator: keras.Model) -> int:
    """Number of channels of a generator's output."""
    return generator.channels if isinstance(generator, ImageNetwork) else generator.output_shape[-1]


def pair(
    role: str,
    given: Any,
    named: dict[str, Callable[..., keras.Model]],
    names: tuple[str, str],
    seeds: list[int],
    options: dict[str, Any],
) -> tuple[keras.Model, keras.Model]:
    """Two networks of one kind: by name, as a model and its clone, or as they are.

    Args:
        role: how an error calls them.
        given: one of the names, a Keras model, or two of them.
        named: what makes a network of each name.
        names, seeds: of the two, where they are made.
        options: of both.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(given, str):
        make = named[checks.choice(role, given, tuple(named))]
        first, second = (make(name=name, seed=seed, **options) for name, seed in zip(names, seeds, strict=True))
        return first, second
    if isinstance(given, keras.Model):
        given = (given, keras.models.clone_model(given))
    if not isinstance(given, list | tuple) or len(given) != 2 or not all(isinstance(one, keras.Model) for one in given):
        raise InputError(
            f"{role} is {checks.shown(given)}; expected one of {', '.join(named)}, a Keras model or two of them"
        )
    return given[0], given[1]
