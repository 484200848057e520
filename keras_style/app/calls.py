"""A call as text: as it is written in Python, and as it is typed on the command line."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

_POSITIONAL = {"transfer": "transfer", "synthesize_texture": "texture"}  # {function: command}


def python_call(function: str, pictures: Sequence[Any], options: Mapping[str, Any], output: str) -> str:
    """The call in Python, with its import.

    Args:
        function: `transfer` or `synthesize_texture`.
        pictures: the positional arguments: names of files, or lists of them.
        options: the keyword arguments that were given.
        output: name of the file.
    """
    arguments = [repr(each) for each in pictures] + [f"{name}={value!r}" for name, value in options.items()]
    return f"import keras_style\n\nkeras_style.{function}({', '.join(arguments)}).save({output!r})"


def command_line(function: str, pictures: Sequence[Any], options: Mapping[str, Any], output: str) -> str:
    """The same as a command."""
    words = ["keras-style", _POSITIONAL[function]]
    for each in pictures:
        words += map(str, each) if isinstance(each, list | tuple) else [str(each)]
    words += ["--output", output]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", _text(value)]
    return shlex.join(words)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={each}" for key, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
