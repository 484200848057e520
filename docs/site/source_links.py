"""Links from a page to a file of the repository that is no page: they lead to the repository, if the file exists."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
_LINK = re.compile(r"(?<!!)(\[[^\]\[]*\])\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def rewritten(text: str, folder: Path, docs: Path, lost: list[str]) -> str:
    """The text, whose relative links out of `docs` are addresses in the repository.

    Args:
        text: Markdown.
        folder: that of the page.
        docs: the source folder of the site.
        lost: gets the links to what does not exist.
    """

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        file = Path(os.path.normpath(folder / target))
        if file.is_relative_to(docs) or not file.is_relative_to(ROOT):
            return found[0]
        if not file.exists():
            lost.append(target)
        kind = "tree" if file.is_dir() else "blob"
        return f"{label}({SOURCE}/{kind}/main/{file.relative_to(ROOT).as_posix()}{anchor})"

    return _LINK.sub(link, text)


def _on_read(app: Any, name: str, source: list[str]) -> None:
    from sphinx.util import logging

    lost: list[str] = []
    docs = Path(app.srcdir)
    source[0] = rewritten(source[0], (docs / name).parent, docs, lost)
    for target in lost:
        logging.getLogger(__name__).warning("no such file in the repository: %s", target, location=name)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _on_read)
    return {"parallel_read_safe": True}
