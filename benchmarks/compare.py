"""Side by side with the PyPI package `neural-style`: same weights, same pictures, one after the other on this machine.

    make compare

A peer picture takes minutes; finished ones are kept in outputs/compare and not made again. Writes the sheet
docs/images/compare.jpg and the figures benchmarks/compare.json.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

import peers
from evaluator import contours, style_distance
from PIL import Image, ImageDraw, ImageFont

import keras_style
from keras_style import images

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PAIRS = (
    ("neuschwanstein_castle.jpg", "vangogh_cafe_terrace_at_night.png"),
    ("astronaut.png", "vangogh_church_at_auvers.webp"),
    ("red_panda.jpg", "vangogh_the_harvest.webp"),
    ("great_wall_landscape.jpg", "vangogh_night_cafe.png"),
    ("neuschwanstein_castle.jpg", "vangogh_the_harvest.webp"),
    ("great_wall_landscape.jpg", "vangogh_church_at_auvers.webp"),
)
ITERATIONS = 300


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--peer", type=Path, required=True, help="bin directory of an environment with neural-style")
    arguments.add_argument("--size", type=int, default=320, help="long side in pixels")
    given = arguments.parse_args()
    work = ROOT / "outputs" / "compare"
    work.mkdir(parents=True, exist_ok=True)
    model = work / "vgg16_imagenet.pth"
    if not model.exists():
        peers.convert(given.peer, model)
    rows = []
    for content, style in PAIRS:
        row = _pair(EXAMPLES / "content" / content, EXAMPLES / "style" / style, given.size, given.peer, model, work)
        print(json.dumps(row), flush=True)
        rows.append(row)
    _sheet(rows, given.size, work).save(ROOT / "docs" / "images" / "compare.jpg", quality=88, subsampling=0)
    figures = {"size": given.size, "iterations": ITERATIONS, "pairs": rows}
    (ROOT / "benchmarks" / "compare.json").write_text(json.dumps(figures, indent=2) + "\n")


def _pair(content: Path, style: Path, size: int, peer: Path, model: Path, work: Path) -> dict:
    stem = f"{content.stem}-{style.stem}-{size}"
    theirs, ours, kept = work / f"{stem}-peer.png", work / f"{stem}.png", work / f"{stem}-peer-seconds.txt"
    # Both get the same files: the photograph at its final size, the painting at the same long side.
    photograph, painting = (images.fit(images.load(path), size) for path in (content, style))
    inputs = [images.save(image, work / f"{stem}-{name}.png") for name, image in (("c", photograph), ("s", painting))]

    command = [peer / "neural-style", "-content_image", inputs[0], "-style_image", inputs[1], "-output_image", theirs]
    command += ["-image_size", size, "-num_iterations", ITERATIONS, "-model_file", model, "-disable_check"]
    command += ["-gpu", "c", "-backend", "mkl", "-tv_weight", 0, "-init", "image", "-print_iter", 0, "-save_iter", 0]
    if not kept.exists():
        kept.write_text(str(_timed(command)))
    seconds = _timed(["keras-style", "transfer", *inputs, "--size", size, "--output", ours])

    row = {"content": content.name, "style": style.name}
    for name, path, took in (("neural_style", theirs, float(kept.read_text())), ("keras_style", ours, seconds)):
        picture = images.load(path)
        row[name] = {
            "picture": path.name,
            "seconds": round(took, 1),
            "style_distance": round(style_distance(picture, painting), 4),
            "contours": round(contours(images.resize(picture, *photograph.shape[:2]), photograph), 3),
        }
    row["photograph"] = {"style_distance": round(style_distance(photograph, painting), 4)}
    row["inputs"] = [path.name for path in inputs]
    return row


def _timed(command: list) -> float:
    started = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _sheet(rows: list[dict], width: int, work: Path) -> Image.Image:
    font = ImageFont.load_default(14)
    strips = []
    for row in rows:
        peer, own = row["neural_style"], row["keras_style"]
        cells = [
            (row["inputs"][0], "photograph"),
            (row["inputs"][1], "painting"),
            (peer["picture"], f"neural-style, {ITERATIONS} iterations: {peer['seconds']:.0f} s"),
            (own["picture"], f"keras_style, defaults: {own['seconds']:.0f} s"),
        ]
        pictures = [Image.open(work / name).convert("RGB") for name, _ in cells]
        height = pictures[0].height
        pictures[1].thumbnail((width, height))
        strip = Image.new("RGB", (4 * width + 24, height + 22), "white")
        draw = ImageDraw.Draw(strip)
        for column, (picture, (_, label)) in enumerate(zip(pictures, cells, strict=True)):
            strip.paste(picture, (column * (width + 8), 20))
            draw.text((column * (width + 8) + 2, 2), label, "black", font=font)
        strips.append(strip)
    sheet = Image.new("RGB", (strips[0].width, sum(strip.height + 6 for strip in strips)), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + 6
    return sheet


if __name__ == "__main__":
    print(f"keras_style {keras_style.__version__}")
    main()
