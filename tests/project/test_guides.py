"""Every Python and shell block of the guides, the gallery and the home page runs as it stands."""

from pathlib import Path

import pytest
from documented import Block, World, blocks

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
# Pages for operators and clusters show parts of programs and machines that are not here.
PARTS = {"batch", "distributed", "embedded_server", "export", "gpu", "serving", "tensorflow_addons"}
GUIDES = [path for path in sorted((DOCS / "guides").glob("*.md")) if path.stem not in PARTS]
PAGES = [DOCS / "index.md", DOCS / "gallery.md", *GUIDES]
BLOCKS = [
    pytest.param(page, block, id=f"{page.stem}-{block}")
    for page in PAGES
    for block in blocks(page)
    if block.language in ("python", "sh")
]


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_block_runs(page: Path, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    (tmp_path / "examples").symlink_to(DOCS.parent / "examples")  # the gallery is painted in a clone
    for each in blocks(page):
        if each.language == "yaml":
            (tmp_path / each.text.split(maxsplit=2)[1]).write_text(each.text)  # "# NAME" comes first
    {"python": world.python, "sh": world.shell}[block.language](block.text)


def test_every_guide_has_blocks() -> None:
    assert {page.stem for page in GUIDES} == {each.values[0].stem for each in BLOCKS} - {"index", "gallery"}
