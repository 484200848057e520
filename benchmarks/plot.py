"""Curves as a picture, by Pillow: both axes logarithmic, one panel beside the other."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

Curve = Sequence[tuple[float, float]]

COLORS = ("#b03a2e", "#1f618d", "#7d8a2e")
WIDTH, HEIGHT = 380, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 40, 34


def grid(rows: Sequence[Mapping[str, Mapping[str, Curve]]], unit: str) -> Image.Image:
    """Rows of panels, `{title: {name: ((x, y), ...)}}`; the names of a row's first panel are its legend.

    Points that are not above 0 have no place on such axes and are left out.
    """
    sheet = Image.new("RGB", (WIDTH * max(map(len, rows)), HEIGHT * len(rows)), "white")
    for row, panels in enumerate(rows):
        for column, (title, curves) in enumerate(panels.items()):
            sheet.paste(panel(title, curves, unit, legend=column == 0), (column * WIDTH, row * HEIGHT))
    return sheet


def panel(title: str, curves: Mapping[str, Curve], unit: str, legend: bool) -> Image.Image:
    """One pair of axes with its curves."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    draw.text((LEFT, 4), title, "black", font=font)
    visible = {name: [(x, y) for x, y in curve if x > 0 and y > 0] for name, curve in curves.items()}
    points = [point for curve in visible.values() for point in curve]
    across, up = (_axis([point[index] for point in points]) for index in (0, 1))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + across(x) * (right - LEFT), bottom - up(y) * (bottom - TOP)

    for value in _ticks([x for x, _ in points]):
        x = LEFT + across(value) * (right - LEFT)
        draw.line([(x, TOP), (x, bottom)], "#dddddd")
        draw.text((x, bottom + 4), f"{value:g}", "black", font=font, anchor="ma")
    for value in _ticks([y for _, y in points]):
        y = bottom - up(value) * (bottom - TOP)
        draw.line([(LEFT, y), (right, y)], "#dddddd")
        draw.text((LEFT - 5, y), f"{value:g}", "black", font=font, anchor="rm")
    draw.rectangle([LEFT, TOP, right, bottom], outline="black")
    draw.text((right, HEIGHT - 2), unit, "black", font=font, anchor="rd")
    offset = LEFT
    for (name, curve), color in zip(visible.items(), COLORS, strict=False):
        placed = [place(*point) for point in curve]
        draw.line(placed, color, width=2)
        for x, y in placed:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=color)
        if legend:
            draw.text((offset, 20), name, color, font=font)
            offset += draw.textlength(name, font=font) + 14
    return image


def _axis(values: Sequence[float]):
    """From a value to its place between 0 and 1."""
    low, high = math.log(min(values)), math.log(max(values))
    margin = 0.04 * (high - low) or 0.5
    return lambda value: (math.log(value) - low + margin) / (high - low + 2 * margin)


def _ticks(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_ones = [tick for power in powers for digit in (1, 2, 5) if low <= (tick := digit * 10.0**power) <= high]
    return round_ones if len(round_ones) > 1 else [float(f"{value:.2g}") for value in (low, high)]
