"""How many requests run at once, how many wait, and that no more are taken."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from keras_style.serving.embedded.status import StatusError


class Gate:
    """Lets `running` requests through at a time, in the order of their arrival, while at most `waiting` wait."""

    def __init__(self, running: int, waiting: int) -> None:
        self._free = threading.Semaphore(running)
        self._lock = threading.Lock()
        self._inside = 0
        self._most = running + waiting
        self._said = f"{running} requests are running and {waiting} are waiting; no more are taken"

    def is_empty(self) -> bool:
        with self._lock:
            return not self._inside

    @contextmanager
    def admitted(self, deadline: float | None) -> Iterator[None]:
        """Inside, the request may run.

        Args:
            deadline: on the clock of `time.monotonic`; None: none.

        Raises:
            StatusError: RESOURCE_EXHAUSTED at once where too many wait, DEADLINE_EXCEEDED when the time is up.
        """
        with self._lock:
            if self._inside >= self._most:
                raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, self._said)
            self._inside += 1
        try:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._free.acquire(timeout=timeout):
                raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline came while the request waited")
            try:
                yield
            finally:
                self._free.release()
        finally:
            with self._lock:
                self._inside -= 1
