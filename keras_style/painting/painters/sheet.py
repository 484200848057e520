"""A contact sheet: one photograph in every style of a painter, each with its name."""

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_style import images
from keras_style.images import ImageLike

if TYPE_CHECKING:
    from keras_style.painting.painters.painter import Painter

_LINE = 18  # pixels for a name


def contact_sheet(painter: "Painter", photo: ImageLike, size: int = 256, columns: int = 6) -> np.ndarray:
    """The photograph, and it in every style.

    Args:
        painter: whose styles.
        photo: the photograph.
        size: long side of each picture in pixels.
        columns: pictures in a row.

    Returns:
        float32 (H, W, 3) in [0, 1].
    """
    picture = images.fit(images.load(photo, name="photo"), size)
    height, width, _ = picture.shape
    pictures = {"photograph": picture, **{name: painter.paint(picture, name).array for name in painter.styles}}
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + _LINE)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=_LINE - 6)
    for number, (name, painted) in enumerate(pictures.items()):
        row, column = divmod(number, columns)
        corner = (column * width, row * (height + _LINE))
        sheet.paste(images.to_pil(painted), corner)
        draw.text((corner[0] + 4, corner[1] + height + 1), name, fill="black", font=font)
    return images.load(sheet)
