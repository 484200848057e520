"""The first Ctrl-C, SIGTERM or SIGHUP as a request to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# Slurm and Docker end a process by the first; a terminal that is closed, also at the other end of SSH, by the second.
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


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
def termination_as_interrupt(end: Callable[[int], object]) -> Iterator[None]:
    """Let the first SIGTERM, or SIGHUP, do what Ctrl-C does, so that it keeps as much; the second acts as usual.

    Only in the main thread, and only where the signal would end the process: a handler of others stays in place, and
    nohup, which ignores SIGHUP, is obeyed.

    Args:
        end: called at the end with the signal's number if one came, with the handlers as they were.
    """
    in_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in _ENDING if in_main and signal.getsignal(number) is signal.SIG_DFL]
    came: list[int] = []

    def act(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # ignored, as in the background jobs of a shell
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    for number in numbers:
        signal.signal(number, act)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        if came:
            end(came[0])
