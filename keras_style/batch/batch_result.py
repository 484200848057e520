"""The result of a batch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_style.batch.report import DONE, DONE_BEFORE, FAILED, WAITING, Row


@dataclass(frozen=True)
class BatchResult:
    """The status of the pictures of a batch.

    Attributes:
        rows: one per picture, in the order of their names, as in the report.
        output: folder of the outputs.
        report: file of the report.
        seconds: duration of the batch.
        stopped: whether an interrupt ended it early; the same call resumes it.
        left_out: number of files that were not taken, since they are no pictures by their suffix.
    """

    rows: Sequence[Row] = field(repr=False)
    output: str
    report: str
    seconds: float
    stopped: bool = False
    left_out: int = 0

    @property
    def failed(self) -> list[Row]:
        """The rows of the pictures that failed."""
        return [row for row in self.rows if row.status == FAILED]

    def summary(self) -> dict[str, Any]:
        """All but the rows, ready for JSON."""
        counts = Counter(row.status for row in self.rows)
        return {
            "output": self.output,
            "report": self.report,
            **{status.replace(" ", "_"): counts[status] for status in (DONE, DONE_BEFORE, FAILED, WAITING)},
            "left_out": self.left_out,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
        }

    def __str__(self) -> str:
        counts = Counter(row.status for row in self.rows)
        told = [f"{counts[status]} {status}" for status in (DONE, DONE_BEFORE, FAILED, WAITING) if counts[status]]
        told += [f"{self.left_out} left out"] if self.left_out else []
        return f"{self.output}: {', '.join(told)}, {self.seconds:.1f} s{', interrupted' if self.stopped else ''}"
