"""The Args of a docstring: read from it, and added to it from where they are declared."""

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Documented = TypeVar("Documented", bound=Callable[..., Any])

_WIDTH = 120
_HEADING = "\nArgs:\n"


def arguments(function: Callable[..., Any]) -> dict[str, str]:
    """The explanations under "Args:" in a docstring, by the names of the arguments."""
    section = inspect.cleandoc(function.__doc__ or "").partition(_HEADING)[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


def explained(texts: Mapping[str, str]) -> Callable[[Documented], Documented]:
    """Decorator that completes the Args of a docstring.

    Arguments that the docstring explains keep their text; all of them come in the order of the signature.

    Args:
        texts: explanations by name; those of other arguments are ignored.
    """

    def complete(function: Documented) -> Documented:
        if function.__doc__:  # python -OO has none
            known = {**texts, **arguments(function)}
            before, heading, rest = inspect.cleandoc(function.__doc__).partition(_HEADING)
            _, blank, after = rest.partition("\n\n")
            entries = [_entry(name, known[name]) for name in inspect.signature(function).parameters if name in known]
            section = "\n".join(entries)
            function.__doc__ = f"{before}{heading}{section}{blank}{after}"
        return function

    return complete


def _entry(name: str, text: str) -> str:
    return textwrap.fill(
        f"{name}: {text}",
        _WIDTH - 4,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_on_hyphens=False,
        break_long_words=False,
    )
