"""JSON and YAML of anybody's making, as plain values: whatever is wrong with it is a ValueError of one line."""

import json
from pathlib import Path
from typing import Any

import yaml

MAX_YAML = 2**16  # bytes; ours: ten times the longest of configs/, and one second of PyYAML
_MAX_DEPTH = 20  # ours: sections, names and lists of numbers are three


def from_json(text: str | bytes) -> Any:
    """The value that is written in JSON; bytes are UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds a number that is too long.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def from_yaml(text: str | bytes) -> Any:
    """The value that is written in YAML; bytes are UTF-8 or UTF-16.

    An anchor makes a value of any size out of a few bytes, so that none is taken; nor is a name that is given twice.

    Raises:
        ValueError: it is not YAML, is too long or nested too deeply, or holds an alias or a value that is none.
    """
    if len(text) > MAX_YAML:
        raise ValueError(f"it has more than {MAX_YAML:,} bytes")
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, OverflowError, ValueError, LookupError) as error:  # "0b", "2001-99-99"
        raise ValueError(" ".join(str(error).split())[:300]) from None


def read_yaml(path: str | Path) -> Any:
    """The value in a YAML file; of a file that never ends, no more is read than is taken.

    Raises:
        OSError: it cannot be read.
        ValueError: as `from_yaml`.
    """
    with open(path, "rb") as file:
        return from_yaml(file.read(MAX_YAML + 1))


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without aliases, deep nesting and repeated names."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds an alias (*name); expected the value itself")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {_MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            repeated = next(key for index, key in enumerate(keys) if key in keys[:index])
            raise yaml.YAMLError(f"{repeated} is given twice")
        return mapping
