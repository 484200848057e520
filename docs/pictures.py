"""Make the pictures of the documentation, with the defaults of this package.

    make pictures
    make pictures SHEETS="methods textures"

Finished pictures are kept as checkpoints in outputs/pictures, so the command goes on where it was stopped.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import keras_style
from keras_style import images
from keras_style.painting.methods.gatys import STYLE_LAYERS
from keras_style.painting.painters.sheet import contact_sheet

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "outputs" / "pictures"
IMAGES = ROOT / "docs" / "images"
EXAMPLES = ROOT / "examples"
CONTENT = EXAMPLES / "content" / "neuschwanstein_castle.jpg"
STYLE = EXAMPLES / "style" / "vangogh_cafe_terrace_at_night.png"
PHOTOS = EXAMPLES / "photo"
METHODS = [name for name in keras_style.methods() if name != "painter"]  # those that optimize a picture
KERNELS = ("mmd_linear", "mmd_poly", "mmd_gaussian", "moments")
SIZE = 256
GAP, LABEL = 6, 20  # pixels between pictures, and above each for its label


def main() -> None:
    chosen = sys.argv[1:] or list(SHEETS)
    unknown = [name for name in chosen if name not in SHEETS]
    if unknown:
        sys.exit(f"no sheets {', '.join(unknown)}; there are {', '.join(SHEETS)}")
    WORK.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    for name in chosen:
        SHEETS[name]()


def demo() -> None:
    paint("demo", size=512).save(IMAGES / "demo.jpg", quality=90)


def alpha_beta() -> None:
    sheet(
        "alpha_beta.jpg",
        {
            f"content / style = {ratio:g}": paint(f"ratio-{ratio:g}", content_weight=ratio)
            for ratio in (10, 1, 0.1, 0.01)
        },
    )


def layers() -> None:
    sheet(
        "layers.jpg",
        {
            f"style up to {STYLE_LAYERS[count - 1]}": paint(f"layers-{count}", style_layers=list(STYLE_LAYERS[:count]))
            for count in range(1, len(STYLE_LAYERS) + 1)
        },
    )


def content_layers() -> None:
    sheet(
        "content_layers.jpg",
        {f"content at {layer}": paint(layer, content_layers=[layer]) for layer in ("block2_conv2", "block4_conv2")},
    )


def inits() -> None:
    starts: dict[str, dict[str, Any]] = {
        "content": {"init": "content"},
        "recolored": {"init": "recolored"},
        "style": {"init": "style"},
        "noise, seed 0": {"init": "noise"},
        "noise, seed 1": {"init": "noise", "seed": 1},
    }
    sheet(
        "inits.jpg",
        {f"init: {name}": paint(name.replace(", ", "-").replace(" ", ""), **start) for name, start in starts.items()},
    )


def gamma() -> None:
    """How much style, for each of the methods of Li et al."""
    sheet(
        "gamma.jpg",
        {
            f"{method}, style {weight:g}": paint(f"gamma-{method}-{weight:g}", method=method, style_weight=weight)
            for method in KERNELS
            for weight in (0.1, 0.3, 1, 5)
        },
        columns=4,
    )


def single_layers() -> None:
    """Style on one layer alone."""
    sheet(
        "single_layers.jpg",
        {
            f"{method}, {layer}": paint(f"single-{method}-{layer}", method=method, style_layers=[layer])
            for method in ("mmd_linear", "moments")
            for layer in STYLE_LAYERS
        },
        columns=len(STYLE_LAYERS),
    )


def fusions() -> None:
    """Two methods at once, as in the program of Li et al., beside each alone."""
    pairs = (("moments", "mmd_poly"), ("mmd_linear", "mmd_gaussian"))
    sheet(
        "fusions.jpg",
        {
            " + ".join(names): paint(f"fusion-{'-'.join(names)}", method=dict.fromkeys(names, 1.0))
            for pair in pairs
            for names in ((pair[0],), pair, (pair[1],))
        },
        columns=3,
    )


def color() -> None:
    sheet(
        "color.jpg",
        {
            "painting's colors": paint("ratio-1", content_weight=1),
            "preserve_color='luminance'": paint("luminance", preserve_color="luminance"),
            "preserve_color='match'": paint("match", preserve_color="match"),
        },
    )


def methods() -> None:
    """The same photograph and painting by every method."""
    painted = {name: paint(f"method-{name}", method=name) for name in METHODS}
    sheet("methods.jpg", painted, columns=3)


def details() -> None:
    """At 512 px, where brush strokes can be told apart: the same corner of every method's picture."""
    corner = (150, 40, 406, 240)
    painted = {name: paint(f"method-{name}-512", method=name, size=512).crop(corner) for name in METHODS}
    sheet("details.jpg", painted, columns=3)


def photo() -> None:
    """By day as at dusk, region by region: Gram matrices alone, and under the matting Laplacian."""
    for name, day, dusk in (("berlin", "berlin_day", "berlin_dusk"), ("mountain", "mountain_day", "mountain_sunset")):
        pair: dict[str, Any] = {
            "content": PHOTOS / f"{day}.jpg",
            "style": PHOTOS / f"{dusk}.jpg",
            "content_masks": PHOTOS / f"{day}_sky.png",
            "style_masks": PHOTOS / f"{dusk}_sky.png",
            "size": 384,
        }
        by_gatys, by_photo = (paint(f"{name}-{method}", method=method, **pair) for method in ("gatys", "photo"))
        with Image.open(pair["content"]) as content, Image.open(pair["style"]) as style:
            style.thumbnail(by_photo.size)
            sheet(
                f"photo_{name}.jpg",
                {"photograph": content.resize(by_photo.size), "style": style, "gatys": by_gatys, "photo": by_photo},
                columns=2,
            )


def localized() -> None:
    """Each region from a painting of its own: sky and ground apart, and the other way round."""
    day, sky = PHOTOS / "mountain_day.jpg", {"sky": PHOTOS / "mountain_day_sky.png"}
    paintings = [EXAMPLES / "style" / name for name in ("vangogh_the_harvest.webp", "vangogh_night_cafe.png")]
    painted = {}
    for number, (above, below) in enumerate((paintings, paintings[::-1])):
        label = f"sky: {above.stem.removeprefix('vangogh_')}, ground: {below.stem.removeprefix('vangogh_')}"
        painted[label] = paint(
            f"localized-{number}", content=day, style={"sky": above, "uncovered": below}, content_masks=sky, size=384
        )
    with Image.open(day) as photograph:
        first = next(iter(painted.values()))
        sheet("localized.jpg", {"photograph": photograph.resize(first.size), **painted}, columns=3)


def textures() -> None:
    """Canvases of twice the exemplar's side, by Gram matrices alone and with histograms: those of `make textures`."""
    side = 128
    pictures = {}
    checkpoints = WORK.parent / "textures"
    checkpoints.mkdir(exist_ok=True)
    for name in ("brick", "strokes"):
        with Image.open(EXAMPLES / "texture" / f"{name}.png") as exemplar:
            exemplar = exemplar.convert("RGB")
        pictures[name] = exemplar
        for method in ("gatys", "histogram"):
            pictures[f"{name}, {method}"] = keras_style.synthesize_texture(
                exemplar, size=2 * side, method=method, checkpoint=checkpoints / f"{name}-{method}"
            ).image
    sheet("textures.jpg", pictures, columns=3)


def painters() -> None:
    """Two photographs in every style of the preset."""
    painter = keras_style.models.Painter.from_preset("painters")
    for photo in (CONTENT, CONTENT.with_name("astronaut.png")):
        whole = images.to_pil(contact_sheet(painter, photo, size=256, columns=6))
        whole.save(IMAGES / f"painters_{photo.stem}.jpg", quality=80)


def satellite() -> None:
    """The shipped CycleGAN on a part of the world between those that it was trained on."""
    pair = {}
    for name in ("iberia", "iberia_relief"):
        with Image.open(EXAMPLES / "satellite" / f"{name}.png") as picture:
            pair[name] = picture.convert("RGB")
    gan = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
    there, back = (
        images.to_pil(gan.translate(picture, direction))
        for picture, direction in zip(pair.values(), ("a2b", "b2a"), strict=True)
    )
    photograph, relief = pair.values()
    rows = {
        "satellite": photograph,
        "a2b": there,
        "shaded relief": relief,
        "shaded relief ": relief,
        "b2a": back,
        "satellite ": photograph,
    }
    sheet("satellite.jpg", {name: picture.resize((336, 264)) for name, picture in rows.items()}, columns=3)


def paint(name: str, **parameters: Any) -> Image.Image:
    result = keras_style.transfer(
        checkpoint=WORK / name,
        checkpoint_every=1000,
        **{"content": CONTENT, "style": STYLE, "size": SIZE, **parameters},
    )
    print(f"{name}: {result.array.shape[1]} x {result.array.shape[0]}", flush=True)
    return result.image


def sheet(file: str, pictures: Mapping[str, Image.Image], columns: int | None = None) -> None:
    """Pictures in rows, each under its label."""
    columns = columns or len(pictures)
    width = max(picture.width for picture in pictures.values()) + GAP
    height = max(picture.height for picture in pictures.values()) + LABEL
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * width - GAP, rows * height), "white")
    draw = ImageDraw.Draw(whole)
    for index, (label, picture) in enumerate(pictures.items()):
        x, y = index % columns * width, index // columns * height
        draw.text((x + 2, y + 2), label, "black", font=ImageFont.load_default(13))
        whole.paste(picture, (x, y + LABEL))
    whole.save(IMAGES / file, quality=88)


SHEETS = {
    make.__name__: make
    for make in (
        *(demo, alpha_beta, layers, content_layers, inits, color, methods, details, gamma, single_layers, fusions),
        *(photo, localized, textures, painters, satellite),
    )
}


if __name__ == "__main__":
    main()
