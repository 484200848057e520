"""Make the pictures of the documentation: the survey's figures for Gatys' method, with the defaults of this package.

    make pictures

Finished pictures are kept as checkpoints in outputs/pictures, so the command goes on where it was stopped.
"""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import keras_style
from keras_style.recipes.gatys import STYLE_LAYERS

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "outputs" / "pictures"
IMAGES = ROOT / "docs" / "images"
CONTENT = ROOT / "examples" / "content" / "neuschwanstein_castle.jpg"
STYLE = ROOT / "examples" / "style" / "vangogh_cafe_terrace_at_night.png"
SIZE = 256


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    demo = paint("demo", size=512)
    demo.save(IMAGES / "demo.jpg", quality=90)
    row(
        "alpha_beta.jpg",
        {
            f"content / style = {ratio:g}": paint(f"ratio-{ratio:g}", content_weight=ratio)
            for ratio in (10, 1, 0.1, 0.01)
        },
    )
    row(
        "layers.jpg",
        {
            f"style up to {STYLE_LAYERS[count - 1]}": paint(f"layers-{count}", style_layers=list(STYLE_LAYERS[:count]))
            for count in range(1, len(STYLE_LAYERS) + 1)
        },
    )
    row(
        "content_layers.jpg",
        {f"content at {layer}": paint(layer, content_layers=[layer]) for layer in ("block2_conv2", "block4_conv2")},
    )
    starts: dict[str, dict[str, Any]] = {
        "content": {"init": "content"},
        "style": {"init": "style"},
        "noise, seed 0": {"init": "noise"},
        "noise, seed 1": {"init": "noise", "seed": 1},
    }
    row(
        "inits.jpg",
        {f"init: {name}": paint(name.replace(", ", "-").replace(" ", ""), **start) for name, start in starts.items()},
    )
    row(
        "color.jpg",
        {
            "painting's colors": paint("ratio-1", content_weight=1),
            "preserve_color='luminance'": paint("luminance", preserve_color="luminance"),
            "preserve_color='match'": paint("match", preserve_color="match"),
        },
    )


def paint(name: str, **parameters: Any) -> Image.Image:
    result = keras_style.transfer(
        CONTENT, STYLE, checkpoint=WORK / name, checkpoint_every=1000, **{"size": SIZE, **parameters}
    )
    print(f"{name}: {result.array.shape[1]} x {result.array.shape[0]}", flush=True)
    return result.image


def row(file: str, pictures: dict[str, Image.Image]) -> None:
    """Pictures side by side, each under its label."""
    font = ImageFont.load_default(13)
    width, height = next(iter(pictures.values())).size
    sheet = Image.new("RGB", (len(pictures) * (width + 6) - 6, height + 20), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (label, picture) in enumerate(pictures.items()):
        sheet.paste(picture, (index * (width + 6), 20))
        draw.text((index * (width + 6) + 2, 2), label, "black", font=font)
    sheet.save(IMAGES / file, quality=88)


if __name__ == "__main__":
    main()
