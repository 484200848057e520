"""Which pictures a command reads, and what it calls those that it writes."""

from pathlib import Path

from keras_style import images
from keras_style.checks import PICTURES
from keras_style.errors import InputError, MissingFileError
from keras_style.internal import directories


def sources(given: list[Path]) -> list[Path]:
    """The pictures that were named, and those of the folders that were, in the order of their names.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: a folder holds no picture.
    """
    return [file for each in given for file in _within(each)]


def targets(sources: list[Path], output: Path, single: bool) -> list[Path]:
    """Where each picture goes: the file itself, or a PNG of its name in a directory.

    Args:
        sources: the pictures that are read.
        output: what was asked for.
        single: whether `output` may be a file.

    Raises:
        MissingFileError, InputError: it cannot be written, or two pictures would get one name.
    """
    if single and output.suffix and not output.is_dir():
        images.check_writable(output)
        return [output]
    if not output.is_dir() and (output.exists() or output.suffix.lower() in PICTURES):
        raise InputError(f"output is {output}; expected a directory for {len(sources)} pictures")
    directories.check(output, "output")
    targets = [output / f"{source.stem}.png" for source in sources]
    twice = {target.name for target in targets if targets.count(target) > 1}
    if twice:
        raise InputError(f"several pictures would be written to {', '.join(sorted(twice))}; expected different names")
    return targets


def _within(given: Path) -> list[Path]:
    if given.is_dir():
        found = sorted(file for file in given.iterdir() if file.suffix.lower() in PICTURES and file.name[0] != ".")
        if not found:
            raise InputError(f"{given} holds no picture; expected files that end in {', '.join(PICTURES)}")
        return found
    if not given.is_file():
        raise MissingFileError(f"no such file or folder: {given}")
    return [given]
