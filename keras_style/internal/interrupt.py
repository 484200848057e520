"""The first Ctrl-C as a request to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def first_signal(ask: Callable[[], None], *numbers: signal.Signals) -> Iterator[None]:
    """Call `ask` at the first of each signal, in place of what it usually does; the second acts as usual.

    Only in the main thread, which receives signals; in others nothing changes.

    Args:
        ask: called in the main thread, between two instructions of Python; it should only take note.
        numbers: the signals; SIGINT, that is Ctrl-C, if there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: signal.getsignal(number) for number in numbers or (signal.SIGINT,)}

    def act(number: int, frame: FrameType | None) -> None:
        ask()
        signal.signal(number, usual[signal.Signals(number)])

    try:
        for number in usual:
            signal.signal(number, act)
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
