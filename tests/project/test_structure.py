"""The plan of the package: where modules are, what they may import, and that every name that is told resolves."""

import ast
import graphlib
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import keras_style

PACKAGE = Path(keras_style.__file__).parent
ROOT = PACKAGE.parent
DOCUMENTS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("[gpn]*/*.md")),
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
]

# Rooms from the lowest floor to the highest. A module imports from its own room and from floors below.
FLOORS = (
    {"errors", "version"},
    {"checks"},
    {"internal"},
    {"backbones", "images", "layers", "losses"},
    {"data", "models", "optimize", "serving"},
    {"painting", "server"},
    {"batch", "export", "training"},
    {"api"},
    {"app"},
    {"__init__", "commands"},
    {"__main__"},
)


def modules() -> dict[str, Path]:
    """`{dotted name: file}` of the package and all that is in it."""

    def name(file: Path) -> str:
        parts = file.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    return {name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


MODULES = modules()
TREES = {name: ast.parse(file.read_text()) for name, file in MODULES.items()}


def imported(name: str) -> set[str]:
    """Modules of the package that a module imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            # Of a package either a module in it, or a name that it defines.
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= members & MODULES.keys() or {str(node.module)}
    return found & MODULES.keys() - {name}


IMPORTS = {name: imported(name) for name in MODULES}


# Packages that list public names, of whatever floor, and import none of them before it is used.
NAMES_ALONE = {name for name in MODULES if "keras_style.internal.lazy_names" in IMPORTS[name]}


def room(name: str) -> str:
    """The folder or file at the package's root that a module belongs to."""
    return [*name.split("."), "__init__"][1]


# Files


def test_modules_have_different_names():
    counts = Counter(file.stem for file in MODULES.values() if file.stem not in ("__init__", "__main__"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_few_modules_are_at_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_file_is_long():
    lines = {name: len(file.read_text().splitlines()) for name, file in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_the_first_line_says_what_a_module_is_for():
    """An empty `__init__.py` needs none."""
    bare = [name for name, tree in TREES.items() if tree.body and not (ast.get_docstring(tree) or "").strip()]
    assert bare == []


# Imports


def test_there_is_no_circle():
    try:
        list(graphlib.TopologicalSorter(IMPORTS).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_room_is_on_one_floor():
    placed = [name for floor in FLOORS for name in floor]
    assert sorted(placed) == sorted({room(name) for name in MODULES})


def test_nothing_imports_what_is_above_it_or_beside_it():
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    wrong = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        if name not in NAMES_ALONE
        for other in others
        if room(other) != room(name) and floor[room(other)] >= floor[room(name)]
    ]
    assert wrong == []


# Names


def packages() -> list[str]:
    """Packages that say what is public."""
    return [
        name
        for name, file in MODULES.items()
        if file.name == "__init__.py" and hasattr(importlib.import_module(name), "__all__")
    ]


@pytest.mark.parametrize("name", packages())
def test_what_a_package_lists_is_what_it_has(name):
    package = importlib.import_module(name)
    listed = package.__all__
    assert len(listed) == len(set(listed))
    for each in listed:
        assert getattr(package, each) is not None
    assert {each for each in listed if each not in dir(package)} == set()
    if "__getattr__" in vars(package):  # its names are loaded when they are used
        assert {each for each in dir(package) if not each.startswith("__")} == set(listed) - {"__version__"}
        types = next(
            node for node in TREES[name].body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        known = {
            alias.asname or alias.name
            for node in ast.walk(types)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert known == set(listed) - {"__version__"}  # to type checkers, too


def told() -> Iterator[tuple[str, str]]:
    """Every `keras_style.name` in the documents and in docstrings, and where it is."""
    texts = [(file.name, file.read_text()) for file in DOCUMENTS]
    for name, tree in TREES.items():
        texts += [
            (name, ast.get_docstring(node) or "")
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    for place, text in texts:
        for found in re.findall(r"(?<![\w/.-])keras_style(?:\.[A-Za-z_]\w*)+(?![\w/])", text):
            if not found.endswith((".json", ".py", ".png")):
                yield place, found


def resolves(name: str) -> bool:
    """Whether a name is reached from `import keras_style` alone, whatever else this process has imported."""
    value = keras_style
    for part in name.split(".")[1:]:
        if isinstance(value, ModuleType) and hasattr(value, "__path__") and part not in (*value.__all__, "__version__"):
            return value is keras_style and part == "errors"  # which everything loads
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


def test_every_documented_name_resolves():
    """Docstrings may also send readers to a module."""
    names = list(told())
    assert len(names) > 50
    lost = [(place, name) for place, name in names if not resolves(name)]
    assert [(place, name) for place, name in lost if place not in MODULES or name not in MODULES] == []


def test_public_names_are_those_of_the_packages():
    """`dir(keras_style)` is what is public; its packages are there without another import."""
    rooms = {each.name for each in pkgutil.iter_modules([str(PACKAGE)]) if each.ispkg}
    private = {"app", "commands", "internal", "optimize", "painting"}
    assert rooms - private <= set(dir(keras_style))
    assert private.isdisjoint(dir(keras_style))
