"""Standard error: the lines of this package, and those that native code logs while it is loaded."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator

from keras_style.internal import environment


def say(text: str) -> None:
    """Print a line on standard error; nowhere if the process has none, or its terminal was closed."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def without_logs() -> Iterator[None]:
    """Leave out what this thread's native code logs, unless what is done fails or the user asked for it.

    TensorFlow and Ray log some lines before their own log levels take effect, so no setting silences them. What other
    threads write meanwhile, and processes that they start, passes.
    """
    if environment.chatter_wanted:
        yield
        return
    try:
        terminal = os.dup(2)
    except OSError:  # closed: the next file that is opened would get the number, and the logs
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        yield
        return
    reading, writing = os.pipe()
    logs: list[bytes] = []
    reader = threading.Thread(target=_pass_on, args=(reading, terminal, _logged_by_us(), logs), daemon=True)
    _flush()
    os.dup2(writing, 2)
    os.close(writing)
    reader.start()
    failed = True
    try:
        yield
        failed = False
    finally:
        _flush()
        os.dup2(terminal, 2)
        reader.join(timeout=1)  # a process that was started meanwhile keeps the pipe; it is read as long as that runs
        if failed:
            os.write(2, b"".join(logs))


def _logged_by_us() -> re.Pattern[bytes]:
    """The lines that native code logs in this thread: of Abseil, TensorFlow and Ray."""
    ours, process = threading.get_native_id(), os.getpid()
    return re.compile(
        rb"WARNING: All log messages before absl::InitializeLog"
        rb"|[IWE]\d{4} [\d:.]+ +%d \S+:\d+\] "
        rb"|[\d-]+ [\d:.]+: [IWE] (tensorflow|external|xla)/\S+:\d+\] "
        rb"|To enable the following instructions: "  # the second line of one of them
        rb"|\[[\d-]+ [\d:,]+ [IWE] %d \d+\] " % (ours, process)
    )


def _pass_on(reading: int, terminal: int, logged: re.Pattern[bytes], logs: list[bytes]) -> None:
    """Write what comes by the pipe to the terminal, and keep the lines that are logs."""
    while chunk := os.read(reading, 1 << 16):
        for line in chunk.splitlines(keepends=True):
            if logged.match(line):
                logs.append(line)
                continue
            with contextlib.suppress(OSError):  # nobody reads standard error; whoever writes must not wait
                os.write(terminal, line)
    os.close(reading)
    os.close(terminal)


def _flush() -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):  # there is none, or it is closed
        sys.stderr.flush()
