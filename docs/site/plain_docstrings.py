"""Docstrings are plain text with names in backticks: what reStructuredText would take for markup is text."""

import re
from typing import Any

_QUOTED = re.compile(r"(`+[^`]+`+)")


def _escaped(line: str) -> str:
    parts = _QUOTED.split(line)
    return "".join(part if part.startswith("`") else re.sub(r"([*|_\\])", r"\\\1", part) for part in parts)


def _table(rows: list[str], indent: str) -> list[str]:
    """A Markdown table as a list-table."""
    cells = [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in rows]
    lines = [f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for row in [cells[0], *cells[2:]]:
        for number, cell in enumerate(row):
            lines.append(f"{indent}   {'* -' if number == 0 else '  -'} {_escaped(cell)}")
    return [*lines, ""]


def rewritten(lines: list[str]) -> list[str]:
    """The docstring as reStructuredText that napoleon reads; examples stay as they are."""
    result: list[str] = []
    table: list[str] = []
    in_example = in_reference = False
    for line in [*lines, ""]:
        bare = line.strip()
        in_reference = bool(bare) and (in_reference or line.startswith("Reference: "))
        if in_reference:
            line = bare  # its further lines are indented, which would be a definition
        if bare.startswith(("| ", "|---")):
            table.append(line)
            continue
        if table:
            result += _table(table, table[0][: len(table[0]) - len(table[0].lstrip())])
            table = []
        if re.fullmatch(r"\s*\w[\w ]*:", line):
            in_example = bare == "Example:"
        elif bare and not line.startswith(" "):
            in_example = False
        result.append(line if in_example else _escaped(line))
    return result[:-1]


def _on_docstring(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    lines[:] = rewritten(lines)


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _on_docstring, priority=400)  # before napoleon
    return {"parallel_read_safe": True}
