"""Checks of arguments. A failure is one line that names what came and what was expected.

Nothing here imports TensorFlow.
"""

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from keras_style.errors import InputError

Layers = Sequence[str] | Mapping[str, float]
Weight = float | Mapping[str, float]  # of everything, or of each region
Balance = str | Mapping[str, float]  # one of BALANCES, or the longest gradient of each term
Verbosity = Literal["auto"] | int  # 0: print nothing; 1: a live bar, or lines where none can be shown; "auto": the bar

# The words that arguments accept.
OPTIMIZERS = ("adam", "lbfgs")
POOLINGS = ("max", "average")
PRECISIONS = ("float32", "mixed_bfloat16")
PRESERVE_COLOR = ("luminance", "match")
UNMATCHED = ("nearest", "whole")
INITS = ("content", "recolored", "style", "noise")
BALANCES = ("gradient",)
DIRECTIONS = ("a2b", "b2a")
# Suffixes of the pictures in folders.
PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int, if it is a whole number from `low` to `high`; otherwise InputError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
        raise InputError(f"{name} is {shown(value)}; expected a whole number from {low} to {high}")
    return int(value)


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """`value` as a float, if it is a finite number from `low` to `high`; otherwise InputError."""
    try:
        fits = not isinstance(value, bool | str) and math.isfinite(value) and low <= value <= high
    except (TypeError, OverflowError):
        fits = False
    if not fits:
        expected = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
        raise InputError(f"{name} is {shown(value)}; expected a number {expected}")
    return float(value)


def weight(name: str, value: Any) -> Weight:
    """`value`, if it is a number of at least 0, or a mapping from regions to such; otherwise InputError."""
    if isinstance(value, Mapping):
        if not value or not all(isinstance(region, str) for region in value):
            raise InputError(f"{name} is {shown(value)}; expected a number, or {{region: number}}")
        return {region: number(f"{name} of {region}", each) for region, each in value.items()}
    return number(name, value)


def balance(name: str, value: Any) -> Balance:
    """`value`, if it is one of `BALANCES`, or a mapping from terms to numbers above 0; otherwise InputError."""
    if isinstance(value, Mapping) and value:
        return {term: number(f"{name} of {term}", each, low=1e-30) for term, each in value.items()}
    if isinstance(value, Mapping):
        raise InputError(f"{name} is {{}}; expected {{term: threshold}}")
    return choice(name, value, BALANCES)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """`value`, if it is one of `choices`; otherwise InputError."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} is {shown(value)}; expected one of {', '.join(choices)}")
    return value


def truth(name: str, value: Any) -> bool:
    """`value`, if it is True or False; otherwise InputError."""
    if not isinstance(value, bool):
        raise InputError(f"{name} is {shown(value)}; expected True or False")
    return value


def sides(name: str, value: Any) -> tuple[int, int] | None:
    """(height, width) in pixels, of one side or of both; None for None; otherwise InputError."""
    if value is None:
        return None
    both = value if isinstance(value, list | tuple) else (value, value)
    if len(both) != 2:
        raise InputError(f"{name} is {shown(value)}; expected a side in pixels, or (height, width)")
    height, width = (whole(name, side, 1, 2**15) for side in both)
    return height, width


def names(name: str, value: Any) -> dict[str, str]:
    """`value` as a dict, if it maps names to names; otherwise InputError."""
    if (
        isinstance(value, Mapping)
        and value
        and all(isinstance(each, str) and each for each in (*value, *value.values()))
    ):
        return dict(value)
    raise InputError(f"{name} is {shown(value)}; expected {{name: name}}")


def scales(name: str, value: Any) -> int | list[int]:
    """A count of scales, or a list of long sides, as ints; otherwise InputError."""
    if isinstance(value, list | tuple):
        return [whole(f"{name}: a long side", side, 1, 10**9) for side in value]
    return whole(name, value, 1, 1000)


def verbosity(name: str, value: Any) -> Verbosity:
    """`value`, if it is "auto", 0 or 1; otherwise InputError."""
    if value not in ("auto", 0, 1):
        raise InputError(f"{name} is {shown(value)}; expected 'auto', 0 or 1")
    return value


def callables(name: str, value: Any) -> list[Callable[..., Any]]:
    """`value` as a list, if it is a sequence of functions; otherwise InputError."""
    if not isinstance(value, list | tuple) or not all(callable(each) for each in value):
        raise InputError(f"{name} is {shown(value)}; expected a list of functions")
    return list(value)


def layer_weights(
    name: str, layers: Layers, known: Sequence[str], weigh: Callable[[Sequence[str]], Mapping[str, float]]
) -> Mapping[str, float]:
    """`{layer: weight}` from a list, whose weights `weigh` decides, or from such a mapping.

    Raises:
        InputError: neither of the two, no layer, an unknown or repeated layer, or a negative weight.
    """
    if not isinstance(layers, list | tuple | Mapping) or not layers:
        raise InputError(f"{name} is {shown(layers)}; expected a list of layers or {{layer: weight}}")
    unknown = [layer for layer in layers if layer not in known]
    if unknown:
        raise InputError(f"{name}: unknown {listed(map(shown, unknown))}; expected some of {', '.join(known)}")
    if len(set(layers)) != len(layers):
        raise InputError(f"{name} is {shown(list(layers))}; expected each layer once")
    weights = layers if isinstance(layers, Mapping) else weigh(layers)
    return {layer: number(f"{name}: weight of {layer}", weight) for layer, weight in weights.items()}


def shares(name: str, given: Sequence[float] | None, count: int) -> list[float]:
    """`count` weights that add up to 1; equal ones if none are given.

    Raises:
        InputError: another count, a negative weight, or nothing but zeros.
    """
    if given is None:
        return [1 / count] * count
    if not isinstance(given, list | tuple | np.ndarray) or len(given) != count:
        weights = "weight" if count == 1 else "weights"
        raise InputError(f"{name} is {shown(given)}; expected {count} {weights}, one per style")
    values = [number(name, value) for value in given]
    total = sum(values)
    if not total:
        raise InputError(f"{name} is {shown(list(given))}; expected a weight above 0")
    return [value / total for value in values]


def shown(value: Any) -> str:
    """`value` as an error shows it: as Python writes it, in 80 characters at most, however large it is."""
    try:
        text = str(value) if isinstance(value, float) else _BRIEF.repr(value)
    except Exception:  # of an integer with too many digits, or of the caller's own class
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names as an error lists them: the first dozen, with `between` between two of them."""
    names = list(names)
    return between.join(names[:12]) + (f"{between}and {len(names) - 12:,} more" if len(names) > 12 else "")


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 4
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = _BRIEF.maxset = 12
_BRIEF.maxstring = _BRIEF.maxother = 100
