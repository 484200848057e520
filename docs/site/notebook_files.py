"""The notebooks to take home: a ZIP with .ipynb files and the pictures that they read."""

import zipfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ("content/neuschwanstein_castle.jpg", "style", "texture", "photo", "satellite")


def pack(notebooks: Path, target: Path) -> None:
    """Write all notebooks and their pictures, in folders as in the repository."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(notebooks.glob("*.py")):
            notebook = jupytext.read(source)
            archive.writestr(f"keras_style_notebooks/{source.stem}.ipynb", nbformat.writes(notebook))
        for each in PICTURES:
            path = ROOT / "examples" / each
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                archive.write(file, f"keras_style_notebooks/examples/{file.relative_to(ROOT / 'examples')}")
        archive.write(ROOT / "examples" / "LICENSES.md", "keras_style_notebooks/examples/LICENSES.md")


def _on_finish(app: Any, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        pack(Path(app.srcdir) / "notebooks", Path(app.outdir) / "_static" / "keras_style_notebooks.zip")


def setup(app: Any) -> dict[str, bool]:
    app.connect("build-finished", _on_finish)
    return {"parallel_read_safe": True}
