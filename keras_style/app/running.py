"""A run in a thread of its own, that is looked at while it goes on, and can be stopped."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.painting.result import TransferResult

EVERY = 0.7  # seconds between two looks


@dataclass(frozen=True)
class Look:
    """The run at one moment.

    Attributes:
        step, steps: how far it is.
        scale: long side of the picture at this scale, in pixels.
        seconds_left: at the pace of this scale; later scales are slower.
        image: (H, W, 3) in [0, 1].
    """

    step: int
    steps: int
    scale: int
    seconds_left: float
    image: np.ndarray


class Running:
    """A run that has begun.

    Args:
        work: the run, which gets the callback that it must call after every step.
    """

    def __init__(self, work: Callable[[OnIterate], TransferResult]) -> None:
        self._work = work
        self._stop, self._news = threading.Event(), threading.Condition()
        self._look: Look | None = None
        self._result: TransferResult | None = None
        self._error: BaseException | None = None
        self._looked_at, self._scale, self._scale_began, self._first = 0.0, 0, 0.0, 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the run after its next step; its picture is kept as far as it has come."""
        self._stop.set()

    def looks(self) -> Iterator[Look]:
        """The run as it goes on, until its end; who ends the iteration before stops the run.

        Raises:
            StyleError: as the run does.
        """
        seen = None
        try:
            while self._thread.is_alive():
                with self._news:
                    self._news.wait(EVERY)
                if self._look is not seen and self._look is not None:
                    seen = self._look
                    yield seen
        finally:
            self.stop()
            self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def result(self) -> TransferResult:
        """The picture that the run made, after its end."""
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._after_step)
        except BaseException as error:  # it is raised where somebody waits for it
            self._error = error
        with self._news:
            self._news.notify_all()

    def _after_step(self, iterate: Iterate) -> bool:
        now = time.monotonic()
        if iterate.scale != self._scale:
            self._scale, self._scale_began, self._first = iterate.scale, now, iterate.step
        if now - self._looked_at >= EVERY:
            taken = iterate.step - self._first
            pace = (now - self._scale_began) / taken if taken else 0.0
            left = pace * (iterate.steps - iterate.step)
            self._look = Look(iterate.step, iterate.steps, iterate.scale, left, iterate.image)
            self._looked_at = now
            with self._news:
                self._news.notify_all()
        return self._stop.is_set()
