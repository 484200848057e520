"""Counters and histograms under the names of TensorFlow Serving, and their text for Prometheus.

Reference: servables/tensorflow/util.cc and saved_model_warmup_util.cc for names, labels and buckets;
util/prometheus_exporter.cc for the text.
"""

import bisect
import re
import threading
from collections.abc import Sequence

Labels = tuple[str, ...]


class Counter:
    """A count per combination of labels."""

    kind = "counter"

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self.name = name
        self.labels = labels
        self._lock = threading.Lock()
        self._counts: dict[Labels, int] = {}

    def add(self, count: int, *values: str) -> None:
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + count

    def first(self) -> int:
        """The count of the labels that came first, which is what HandleReloadConfigRequest reports."""
        with self._lock:
            return next(iter(self._counts.values()), 0)

    def lines(self) -> list[str]:
        with self._lock:
            counts = list(self._counts.items())
        return [f"{_prometheus(self.name)}{{{_joined(self.labels, values)}}} {count}" for values, count in counts]


class Histogram:
    """Values in exponential buckets, per combination of labels; a bucket's limit belongs to the next bucket."""

    kind = "histogram"

    def __init__(self, name: str, labels: Sequence[str], scale: float, growth: float, buckets: int) -> None:
        self.name = name
        self.labels = labels
        self._limits = [scale]
        while len(self._limits) < buckets:
            self._limits.append(self._limits[-1] * growth)
        self._lock = threading.Lock()
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, value: float, *values: str) -> None:
        with self._lock:
            counts = self._counts.setdefault(values, [0] * (len(self._limits) + 1))
            counts[bisect.bisect_right(self._limits, value)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + value

    def first(self) -> int:
        """Zero: HandleReloadConfigRequest reads histograms as whole numbers."""
        return 0

    def lines(self) -> list[str]:
        with self._lock:
            everything = [(values, list(counts), self._sums[values]) for values, counts in self._counts.items()]
        lines = []
        for values, counts, total in everything:
            name, labels = _prometheus(self.name), _joined(self.labels, values)
            below = 0
            for limit, count in zip([f"{limit:g}" for limit in self._limits] + ["+Inf"], counts, strict=True):
                below += count
                lines.append(f'{name}_bucket{{{labels},le="{limit}"}} {below}')
            lines += [f"{name}_sum{{{labels}}} {total:g}", f"{name}_count{{{labels}}} {below}"]
        return lines


class Metrics:
    """All counters and histograms of the server."""

    def __init__(self) -> None:
        exponential = (10, 1.8, 33)  # microseconds: up to some 20 minutes
        self.request_count = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
        self.request_latency = Histogram(
            "/tensorflow/serving/request_latency", ("model_name", "API", "entrypoint"), *exponential
        )
        self.runtime_latency = Histogram(
            "/tensorflow/serving/runtime_latency", ("model_name", "API", "runtime"), *exponential
        )
        self.warmup_latency = Histogram(
            "/tensorflow/serving/model_warmup_latency", ("model_path", "status"), *exponential
        )
        self.warmup_records = Counter("/tensorflow/serving/model_warmup_records_read", ("model_path", "status"))

    def all(self) -> list[Counter | Histogram]:
        return sorted(vars(self).values(), key=lambda metric: metric.name)

    def first_values(self, names: Sequence[str]) -> dict[str, int]:
        """The value of each metric that is named; 0 for unknown names."""
        known = {metric.name: metric for metric in self.all()}
        return {name: known[name].first() if name in known else 0 for name in names}

    def text(self) -> str:
        """All metrics in Prometheus's text format."""
        lines = []
        for metric in self.all():
            found = metric.lines()
            lines += [f"# TYPE {_prometheus(metric.name)} {metric.kind}", *found] if found else []
        return "".join(f"{line}\n" for line in lines)


def _prometheus(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", ":", name)


def _joined(labels: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
