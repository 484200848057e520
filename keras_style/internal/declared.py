"""Parameters declared as the fields of a dataclass: default, explanation and check of each in one line."""

from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[str, Any], Any]  # from a name and a value to the value, or InputError


def parameter(default: Any, text: str, check: Check | None = None) -> Any:
    """A field of a dataclass.

    Args:
        default: the value where none is given.
        text: the explanation, as in a docstring.
        check: what a value must pass; None passes where it is the default.
    """
    return field(default=default, metadata={"text": text, "check": check})


def check_all(instance: Any) -> None:
    """Replace the value of every field by the checked value.

    Raises:
        InputError: a value is not what was expected.
    """
    for each in fields(instance):
        check = each.metadata.get("check")
        if check and not (each.default is None and getattr(instance, each.name) is None):
            object.__setattr__(instance, each.name, check(each.name, getattr(instance, each.name)))


def texts(declared: type) -> dict[str, str]:
    """The explanations of a dataclass's fields, by name."""
    return {each.name: each.metadata["text"] for each in fields(declared) if each.metadata}


def checks_of(declared: type) -> dict[str, Check]:
    """The checks of a dataclass's fields, by name."""
    return {each.name: each.metadata["check"] for each in fields(declared) if each.metadata.get("check")}
