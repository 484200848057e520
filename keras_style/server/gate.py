"""Admission of requests: a bounded number runs, a bounded number waits, and any more are refused."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from keras_style.server.status import StatusError


class Gate:
    """Gives `running + waiting` requests a place, and `running` of them a turn.

    A request takes its place before it is read, so that a refused one takes no memory. It takes its turn after it was
    read, so that a client on a slow line keeps nobody waiting.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self._turns = running
        self._places = running + waiting
        self._said = f"{running} requests are running and {waiting} are waiting; no more are taken"

    def is_empty(self) -> bool:
        with self._changed:
            return not self._taken

    def look_again(self) -> None:
        """Tell those that wait that a client may be gone."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; within it the request may be read.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, at once, when all places are taken.
        """
        with self._changed:
            if self._taken >= self._places:
                raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, self._said)
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1

    @contextmanager
    def turn(self, deadline: float | None, is_wanted: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Wait for a turn and hold it; within it the request may run.

        Args:
            deadline: on the clock of `time.monotonic`; None: none.
            is_wanted: whether the client still waits; asked again after `look_again`.

        Raises:
            StatusError: DEADLINE_EXCEEDED, when the time is up; CANCELLED, when the client is gone.
        """
        with self._changed:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._changed.wait_for(lambda: self._turns or not is_wanted(), timeout):
                raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline came while the request waited")
            if not is_wanted():
                raise StatusError(grpc.StatusCode.CANCELLED, "The client is gone")
            self._turns -= 1
        try:
            yield
        finally:
            with self._changed:
                self._turns += 1
                self._changed.notify_all()
