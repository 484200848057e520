"""The first Ctrl-C, or SIGTERM, as a request to stop."""

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


@contextlib.contextmanager
def termination_as_interrupt(end: Callable[[], None]) -> Iterator[None]:
    """Let the first SIGTERM do what Ctrl-C does, so that it keeps as much; the second acts as usual.

    Only in the main thread, and only where SIGTERM would end the process: a handler of others stays in place.

    Args:
        end: called at the end if SIGTERM came, with the handlers as they were.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    came = False

    def act(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # ignored, as in the background jobs of a shell
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, act)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if came:
            end()


def terminate() -> None:
    """End the process as SIGTERM ends it."""
    signal.raise_signal(signal.SIGTERM)
