"""What a request brings besides its message, and what the server has set for all."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_style.server.metrics import Metrics
from keras_style.server.session import Loaded


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        api: the method, as the metrics name it.
        metrics: where its time is counted; None: nowhere, in a warm-up.
        max_tensor_bytes: that an input may take when it is unpacked.
        as_content: answer with `tensor_content` instead of the field of the type.
        deadline: on the clock of `time.monotonic`; None: none.
    """

    api: str
    max_tensor_bytes: int
    metrics: Metrics | None = None
    as_content: bool = False
    deadline: float | None = None

    def run(
        self, loaded: Loaded, name: str, feeds: Mapping[str, np.ndarray], fetches: Iterable[str]
    ) -> list[np.ndarray]:
        """Run the graph until the deadline, and count the time."""
        started = time.perf_counter()
        arrays = loaded.run(feeds, list(fetches), self._timeout_ms())
        if self.metrics is not None:
            self.metrics.runtime_latency.add(1e6 * (time.perf_counter() - started), name, self.api, "TF1")
        return arrays

    def _timeout_ms(self) -> int:
        """For RunOptions, where 0 means forever."""
        return 0 if self.deadline is None else max(1, int(1000 * (self.deadline - time.monotonic())))
