"""Pages that the package itself writes: the API by its public names, and the card of each preset."""

import importlib
import inspect
import shutil
from pathlib import Path
from typing import Any

import keras_style

PACKAGES = {
    "keras_style": "Painting: `transfer`, and what it is made of",
    "keras_style.losses": "Losses: distances between feature maps, each a `keras.losses.Loss`",
    "keras_style.backbones": "Backbones: frozen networks that give feature maps",
    "keras_style.images": "Images: files, sizes and numbers",
    "keras_style.models": "Models: CycleGAN, its networks, and files of others",
    "keras_style.data": "Data: folders of images as batches",
    "keras_style.training": "Training: callbacks, measurements and the training command",
    "keras_style.layers": "Layers: what generators need and Keras lacks",
    "keras_style.batch": "Batch: folders of pictures through Ray Data",
    "keras_style.export": "Export: SavedModel, ONNX and LiteRT files",
    "keras_style.serving": "Serving: clients of TensorFlow Serving",
    "keras_style.server": "Server: the embedded server for development",
    "keras_style.errors": "Errors: everything that the package raises by itself",
}


def public_names(package: str) -> list[str]:
    """The public names of a package, without its subpackages; of a module, what it defines."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", None) == package and inspect.isclass(value)
    ]
    return [name for name in names if name[0] != "_" and not inspect.ismodule(getattr(module, name))]


def _directive(package: str, name: str) -> str:
    value = getattr(importlib.import_module(package), name)
    if not inspect.isclass(value):
        return f".. auto{'function' if inspect.isroutine(value) else 'data'}:: {package}.{name}\n"
    if issubclass(value, Exception):
        return f".. autoexception:: {package}.{name}\n   :show-inheritance:\n"
    again = package != "keras_style" and hasattr(keras_style, name)  # described on the first page
    return f".. autoclass:: {package}.{name}\n   :members:\n" + ("   :no-index:\n" if again else "")


def api_page(package: str) -> str:
    """The page of a package, in Markdown."""
    names = public_names(package)
    classes = [name for name in names if inspect.isclass(getattr(importlib.import_module(package), name))]
    ordered = [name for name in names if name not in classes] + classes
    title, _, line = PACKAGES[package].partition(": ")
    directives = "\n".join(_directive(package, name) for name in ordered)
    return f"# {title}\n\n`{package}`: {line}.\n\n```{{eval-rst}}\n{directives}```\n"


def _write(path: Path, text: str) -> None:
    """Write where the text is another: a page that was not touched is not read again."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write(app: Any) -> None:
    """Write all generated pages into the source folder."""
    api, cards = Path(app.srcdir) / "api", Path(app.srcdir) / "model_cards"
    listed = "\n".join(package.rpartition(".")[2] for package in PACKAGES)
    intro = "Every public name, from its docstring. What is not here is not public, and may change at any time."
    _write(api / "index.md", f"# API\n\n{intro}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n")
    for package in PACKAGES:
        _write(api / f"{package.rpartition('.')[2]}.md", api_page(package))

    presets = keras_style.presets()
    intro = (
        "The trained models that come with the package: what they were trained on, what they are for, how they were "
        "measured, and the license of their weights. `keras-style presets NAME` prints the same."
    )
    listed = "\n".join(presets)
    _write(cards / "index.md", f"# Model cards\n\n{intro}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n")
    for name in presets:
        card = Path(keras_style.__file__).parent / "preset_files" / name / "README.md"
        _write(cards / f"{name}.md", card.read_text(encoding="utf-8"))
        for thumbnail in card.parent.glob("*.webp"):
            shutil.copy2(thumbnail, cards)


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
