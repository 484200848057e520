"""The same numbers by operations that run faster."""

from typing import Any


def fast_network(generator: Any) -> Any:
    return generator
