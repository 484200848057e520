"""The versions of one model: those wanted, those served, and the thread that loads and unloads to make the two equal.

A new version is served before an old one is unloaded, and that waits for the old one's last request. Reference:
aspired_versions_manager.cc, availability_preserving_policy.cc, loader_harness.cc.
"""

import enum
import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from keras_style.server import status
from keras_style.server.loaded_version import LoadedVersion
from keras_style.server.status import StatusError

log = logging.getLogger("keras_style.serving")

_CANCEL_SECONDS = 5.0  # ours; for operations that run to notice


class State(enum.IntEnum):
    """ModelVersionStatus.State of get_model_status.proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class Report:
    """The state of a version.

    Attributes:
        state: where it is in its life.
        error: why it ended, if it failed.
        event: counts upwards over the reports on all models.
    """

    state: State
    error: StatusError | None
    event: int


@dataclass
class _Version:
    number: int
    path: Path
    wanted: bool = True
    tried: bool = False
    loaded: LoadedVersion | None = None  # while requests may use it
    uses: int = 0


class Versions:
    """The versions of one model, and the thread that serves them, which lives while there are any.

    Args:
        name: the model's name.
        load: opens and warms up the version in a directory.
        retries: further attempts to load a version that fails.
        retry_seconds: seconds between two attempts.
        changed: notified whenever a state changes; shared by all models.
    """

    _events = 0  # reports on all models, counted under their shared condition

    def __init__(
        self,
        name: str,
        load: Callable[[Path], LoadedVersion],
        retries: int,
        retry_seconds: float,
        changed: threading.Condition,
    ) -> None:
        self.name = name
        self._load_from = load
        self._retries = retries
        self._retry_seconds = retry_seconds
        self._changed = changed
        self._held: dict[int, _Version] = {}
        self._reports: dict[int, Report] = {}
        self._next_wanted: Mapping[int, Path] | None = None
        self._closing = False
        self._cancelling = False
        self._thread: threading.Thread | None = None

    @classmethod
    def events(cls, changed: threading.Condition) -> int:
        """The number of reports so far, on all models."""
        with changed:
            return cls._events

    def want(self, wanted: Mapping[int, Path]) -> None:
        """Serve these versions from now on, and no others."""
        with self._changed:
            if not self._closing:
                self._next_wanted = dict(wanted)
                if wanted and self._thread is None:
                    self._thread = threading.Thread(target=self._work, name=f"versions of {self.name}", daemon=True)
                    self._thread.start()
                self._changed.notify_all()

    def close(self) -> None:
        """Unload everything; `join` waits for it."""
        with self._changed:
            self._closing = True
            self._next_wanted = {}
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        if thread := self._thread:
            thread.join(seconds)

    def cancel(self) -> None:
        """Unload without waiting for requests, which end with an error."""
        with self._changed:
            self._cancelling = True
            self._changed.notify_all()
        self.join(_CANCEL_SECONDS)

    def reports(self) -> dict[int, Report]:
        """Reports on every version that was ever seen, the highest first."""
        with self._changed:
            return dict(sorted(self._reports.items(), reverse=True))

    def acquire(self, number: int | None) -> tuple[int, LoadedVersion]:
        """Hold a version that is served, the highest by default, in memory until it is released.

        Raises:
            KeyError: it is not served.
        """
        with self._changed:
            served = {version.number: version.loaded for version in self._held.values() if version.loaded}
            if number is None:
                number = max(served, default=-1)
            loaded = served[number]
            self._held[number].uses += 1
            return number, loaded

    def release(self, number: int) -> None:
        with self._changed:
            version = self._held.get(number)
            if version is None:  # it was cancelled
                return
            version.uses -= 1
            if not version.uses and version.loaded is None:
                self._changed.notify_all()

    # The thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._take_up)
                action = self._action()
                if action is None:  # nothing is held: the model is gone
                    self._thread = None
                    return
            action()

    def _take_up(self) -> bool:
        """Take over what is wanted now; returns whether there is something to do."""
        for version in [v for v in self._held.values() if not v.wanted and v.loaded is None]:
            del self._held[version.number]
            if not version.tried:
                self._report(version.number, State.END)
        wanted, self._next_wanted = self._next_wanted, None
        if wanted is not None:
            for version in self._held.values():
                version.wanted = version.number in wanted
            for number, path in wanted.items():
                if number not in self._held:
                    self._held[number] = _Version(number, path)
                    self._report(number, State.START)
            return self._take_up()
        return self._action() is not None or not self._held

    def _action(self) -> Callable[[], None] | None:
        """The next step, or None; AvailabilityPreservingPolicy::GetNextAction."""
        wanted = [version for version in self._held.values() if version.wanted]
        leaving = [version for version in self._held.values() if not version.wanted and version.loaded]
        if leaving and (not wanted or any(version.loaded for version in wanted) or len(leaving) > 1):
            lowest = min(leaving, key=lambda version: version.number)
            return lambda: self._unload(lowest)
        new = [version for version in wanted if not version.tried]
        if new:
            highest = max(new, key=lambda version: version.number)
            return lambda: self._load(highest)
        return None

    def _load(self, version: _Version) -> None:
        version.tried = True
        self._report(version.number, State.LOADING)
        started = time.perf_counter()
        for attempt in range(1, self._retries + 2):
            try:
                loaded = self._load_from(version.path)
                break
            except Exception as error:
                problem = status.of(error)
            log.error("%s version %d cannot be loaded: %s", self.name, version.number, " ".join(str(problem).split()))
            if attempt > self._retries or self._is_unwanted_after(version, self._retry_seconds):
                with self._changed:
                    version.wanted = not self._was_unwanted(version)  # if it comes back, it is a new version
                    self._report(version.number, State.END, problem)
                return
        with self._changed:
            if not self._was_unwanted(version):
                version.loaded = loaded
                self._report(version.number, State.AVAILABLE)
                seconds = time.perf_counter() - started
                log.info("%s version %d is available after %.1f s", self.name, version.number, seconds)
                return
        loaded.close()
        cancelled = StatusError(grpc.StatusCode.CANCELLED, "Loading of servable cancelled")
        self._report(version.number, State.END, cancelled)

    def _was_unwanted(self, version: _Version) -> bool:
        return self._next_wanted is not None and version.number not in self._next_wanted

    def _is_unwanted_after(self, version: _Version, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._was_unwanted(version), seconds)

    def _unload(self, version: _Version) -> None:
        self._report(version.number, State.UNLOADING)
        with self._changed:
            loaded, version.loaded = version.loaded, None
            self._changed.wait_for(lambda: not version.uses or self._cancelling)
        assert loaded is not None
        loaded.close()
        del loaded
        if not self._closing:
            gc.collect()  # a graph refers to itself, and holds the weights
        log.info("%s version %d is unloaded", self.name, version.number)
        self._report(version.number, State.END)

    def _report(self, number: int, state: State, error: StatusError | None = None) -> None:
        with self._changed:
            Versions._events += 1
            self._reports[number] = Report(state, error, Versions._events)
            self._changed.notify_all()
