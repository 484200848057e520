"""The report of a batch: the status of each picture."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

FILE = "report.csv"

DONE, DONE_BEFORE, FAILED, WAITING = "done", "done before", "failed", "waiting"


@dataclass
class Row:
    """One picture.

    Attributes:
        input: its name, relative to the folder of the pictures.
        output: the file made of it, relative to the output folder.
        status: "done", "done before" (by an earlier run), "failed", or "waiting" (this run was stopped before).
        error: why it failed, in one line.
        seconds: time from reading to writing; None where this run made nothing.
    """

    input: str
    output: str
    status: str = WAITING
    error: str = ""
    seconds: float | None = None


def encoded(rows: Iterable[Row]) -> bytes:
    """The rows as CSV with a header, in UTF-8; a file name that is not UTF-8 keeps its bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
