"""Text files that TensorFlow Serving takes."""

import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from keras_style.errors import InputError, MissingFileError


def read(path: str | os.PathLike[str], message: Message) -> Any:
    """Read a text file into a message, and return the message.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not text of that message; the error names the line.
    """
    kind = message.DESCRIPTOR.name
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        raise MissingFileError(f"no such file: {path}; expected the text of a {kind}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as the text of a {kind}: {error}") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise InputError(f"{path} is not the text of a {kind}: {error}") from None
