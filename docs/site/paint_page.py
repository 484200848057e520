"""The page that paints: the painter as ONNX, its styles with thumbnails, and the programs, beside the page."""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import keras_style
from keras_style import images

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "docs" / "site" / "paint"
RUNTIME = ROOT / "docs" / "site" / "node_modules" / "onnxruntime-web" / "dist"
EXAMPLE = ROOT / "examples" / "content" / "neuschwanstein_castle.jpg"
PRESET = "painters"

MODEL = "painter.onnx"
LIST = "styles.json"
# The engine: on processors, and where the browser offers a graphics card. A page loads one of them.
ENGINES = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
PAINTED, THUMBNAIL = 320, 160  # pixels of the long side, ours: strokes are finer in a picture that is reduced


def write_painter(painter: Any, photograph: Any, folder: Path) -> None:
    """Write a painter as ONNX, a thumbnail for each of its styles, and the list of them.

    Args:
        painter: a `Painter`.
        photograph: what the thumbnails show, as `Painter.paint` takes it.
        folder: a new one.
    """
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    (folder / "thumbnails").mkdir(parents=True)
    keras_style.export.export_onnx(painter, folder / MODEL)
    styles = []
    for number, (name, line) in enumerate(painter.styles.items()):
        file = f"thumbnails/{number}.jpg"  # a name may hold what an address may not
        painted = painter.paint(photograph, name, size=PAINTED).array
        images.save(images.fit(painted, THUMBNAIL), folder / file, quality=85)
        styles.append({"name": name, "title": name.replace("_", " "), "line": line, "thumbnail": file})
    (folder / LIST).write_text(json.dumps({"styles": styles}, indent=1))


def write_page(made: Path, programs: Path, runtime: Path, example: Path, target: Path) -> None:
    """Put all that the page loads into its folder, and the sizes of the large files into the list of styles.

    Args:
        made: what `write_painter` wrote.
        programs: scripts and style sheets.
        runtime: the distribution of onnxruntime-web.
        example: a photograph.
        target: the folder of the page.
    """
    shutil.rmtree(target / "thumbnails", ignore_errors=True)  # there may be fewer
    shutil.copytree(made, target, dirs_exist_ok=True)
    for file in programs.glob("*.*"):
        if file.suffix != ".html":
            shutil.copy(file, target)
    shutil.copy(example, target / f"example{example.suffix}")
    sizes = {MODEL: (target / MODEL).stat().st_size}
    for name, files in ENGINES.items():
        folder = target / name
        folder.mkdir(exist_ok=True)
        for file, called in zip(files, ("engine.mjs", "engine.wasm"), strict=True):
            shutil.copy(runtime / file, folder / called)
        sizes[f"{name}/engine.wasm"] = (folder / "engine.wasm").stat().st_size
    described = json.loads((made / LIST).read_text())
    described |= {"example": f"example{example.suffix}", "bytes": sizes}
    (target / LIST).write_text(json.dumps(described, indent=1))


def _digest() -> str:
    """Changes whenever what the build makes of the preset may change."""
    package = Path(keras_style.__file__).parent
    files = [
        *sorted(package.rglob("*.py")),
        *sorted((package / "preset_files" / PRESET).iterdir()),
        EXAMPLE,
        Path(__file__),
    ]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def _on_finish(app: Any, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    kept = ROOT / "build" / "paint"
    made = kept / _digest()
    if not made.is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        unfinished = kept / "unfinished"
        write_painter(keras_style.models.Painter.from_preset(PRESET), EXAMPLE, unfinished)
        unfinished.rename(made)
    write_page(made, PROGRAMS, RUNTIME, EXAMPLE, Path(app.outdir) / "paint")


def setup(app: Any) -> dict[str, bool]:
    app.connect("build-finished", _on_finish)
    return {"parallel_read_safe": True}
