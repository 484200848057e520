"""What is done every few seconds while the server runs."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("keras_style.serving")


class Poller:
    """Calls a function again and again, from a thread of its own; an error is logged and does not end it."""

    def __init__(self, function: Callable[[], None], seconds: float) -> None:
        self._function = function
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"every {seconds:g} s", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._function()
            except Exception as error:
                log.error("%s", " ".join(str(error).split()))

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
