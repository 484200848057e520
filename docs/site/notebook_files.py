"""Notebooks: texts for their figures, and a ZIP of all with the pictures that they read, to take home."""

import zipfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from docutils import nodes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PICTURES = ("LICENSES.md", "content/neuschwanstein_castle.jpg", "style", "texture", "photo", "satellite")


def pack(notebooks: Path, target: Path) -> None:
    """Write all notebooks and their pictures, in folders as in the repository; the same bytes for the same files."""
    content: dict[str, bytes] = {}
    for source in sorted(notebooks.glob("*.py")):
        notebook = jupytext.read(source)
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"  # jupytext draws them at random
        content[f"{source.stem}.ipynb"] = nbformat.writes(notebook).encode()
    for each in PICTURES:
        path = EXAMPLES / each
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            content[f"examples/{file.relative_to(EXAMPLES)}"] = file.read_bytes()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(f"keras_style_notebooks/{name}"), data)


def _name_figures(app: Any, tree: nodes.document) -> None:
    """Tell those who cannot see a figure what it belongs to; the text of its cell is above it."""
    for output in tree.findall(lambda node: isinstance(node, nodes.container) and "cell_output" in node["classes"]):
        for image in output.findall(nodes.image):
            section = image.parent
            while not isinstance(section, nodes.section | nodes.document):
                section = section.parent
            image["alt"] = f"Figure: {next(section.findall(nodes.title)).astext()}"


def _on_start(app: Any) -> None:
    folder = Path(app.srcdir) / "notebooks"
    pack(folder, folder / "keras_style_notebooks.zip")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", _on_start)
    app.connect("doctree-read", _name_figures)
    return {"parallel_read_safe": True}
