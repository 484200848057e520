"""A store of values that were made lately, for the next call that needs the same."""

import ctypes
import gc
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

# The C library of Linux keeps what was freed, in pieces, unless it is asked to give it back.
_give_back = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


class Recent(Generic[Value]):
    """The last `size` values by key; the one that was not needed for longest goes first.

    Args:
        size: how many values are kept.
    """

    def __init__(self, size: int):
        self.size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, for as many callers at a time as there are; `make` makes it."""
        value = self.take(key, make)
        self.give(key, value)
        return value

    def take(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key` for this caller alone, until it is given back; `make` makes it."""
        with self._lock:
            if key in self._values:
                return self._values.pop(key)
        return make()

    def give(self, key: Hashable, value: Value) -> None:
        """Keep the value of `key`."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            full = len(self._values) > self.size
            if full:
                self._values.popitem(last=False)
        if full:
            _collect()

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()
        _collect()


def _collect() -> None:
    gc.collect()  # a graph of TensorFlow is part of a circle, which Python may leave for minutes
    if _give_back is not None:
        _give_back(0)
