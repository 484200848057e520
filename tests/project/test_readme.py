"""Every block of the README runs as it stands, in an empty folder that holds the pictures it names."""

from pathlib import Path

import pytest
from documented import Block, World, blocks

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "README.md"
BLOCKS = blocks(README)


def case(block: Block):
    """A cluster of Ray starts once in a process, and the tests of `batch` start one."""
    return pytest.param(block, id=str(block), marks=[pytest.mark.slow] if "keras-style batch" in block.text else [])


@pytest.mark.parametrize("block", [case(each) for each in BLOCKS])
def test_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    {"python": world.python, "sh": world.shell}[block.language](block.text)


def test_blocks_are_found() -> None:
    """An indented block, or one without a language, would not be run."""
    languages = [each.language for each in BLOCKS]
    assert {*languages} == {"python", "sh"}
    assert min(languages.count("python"), languages.count("sh")) >= 3
    prose = README.read_text()
    for each in BLOCKS:
        prose = prose.replace(each.text, "")
    assert "\n    " not in prose
