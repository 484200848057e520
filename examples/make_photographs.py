"""Make the photographs on which painters are taught, those that come with the package: `make photographs`.

They are small copies of photographs in Debian's package gcompris-qt-data that are in the public domain or CC0. Beside
them, LICENSES.md lists author, license and source of each.
"""

import argparse
import io
from pathlib import Path

import gcompris
from PIL import Image

OUTPUT = Path(__file__).parents[1] / "keras_style/photographs"
SIDE, QUALITY = 384, 80
# Land, water, sky, buildings, animals; of the archives of the package, by name.
CHOSEN = {
    "explore_monuments": (
        "machuPicchu goldenTemple montStMichel schwerinPalace chateaudeChambord rocamadour canyondeChelly"
    ),
    "explore_world_animals": "lemur scarlet_macaw bison jaguar",
    "explore_farm_animals": "horse owl",
    "erase": "kingfisher crab",
    "categorization": "windmill11",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deb", type=Path, help="the package; apt-get downloads it if there is none")
    lines = ["# The photographs to teach on", "", "| file | author | license | source |", "|---|---|---|---|"]
    OUTPUT.mkdir(exist_ok=True)
    with gcompris.open_package(parser.parse_args().deb) as folder:
        for archive, names in CHOSEN.items():
            content = gcompris.files(folder / f"{archive}.rcc")
            readmes = [text.decode("utf-8", "replace") for path, text in content.items() if path.endswith("/README")]
            known = {name: origin for text in readmes for name, origin in gcompris.origins(text).items()}
            for name in names.split():
                origin = known[f"{name}.webp"]
                if not gcompris.FREE.search(origin.license):
                    raise SystemExit(f"{name}: {origin.license}; expected the public domain or CC0")
                data = next(data for path, data in content.items() if path.endswith(f"/{name}.webp"))
                picture = Image.open(io.BytesIO(data)).convert("RGB")
                picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                file = OUTPUT / f"{name.lower()}.webp"
                picture.save(file, quality=QUALITY, method=6)
                lines.append(f"| {file.name} | {origin.author} | {origin.license} | {origin.source} |")
    lines += ["", "Small copies of photographs in Debian's package gcompris-qt-data, made by `make photographs`."]
    (OUTPUT / "LICENSES.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
