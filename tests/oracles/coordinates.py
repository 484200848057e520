"""Coordinates of L-BFGS in NumPy and SciPy: cosines in opponent colors, bent into [0, 1] by cases."""

import numpy as np
import scipy.fft

FREQUENCIES = [0.014, 0.028, 0.057, 0.1, 0.15, 0.21, 0.3, 0.45]
COLORS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
MARGIN, LEAST = 0.02, 1 / 256


class Coordinates:
    """The coordinates of pictures (B, H, W, 3); `units` (3, frequencies)."""

    def __init__(self, shape: tuple[int, ...], move: float, units: np.ndarray):
        batch, height, width, colors = shape
        self.shape = (batch, colors, height, width)
        down, across = (np.arange(side) / (2 * side) for side in (height, width))
        frequency = np.log(np.maximum(np.hypot(down[:, None], across), FREQUENCIES[0]))
        of_waves = np.stack([np.interp(frequency, np.log(FREQUENCIES), each) for each in units])
        self.units = move * np.sqrt(np.prod(shape)) * of_waves

    def of(self, image: np.ndarray) -> np.ndarray:
        pixels = np.clip(image.astype(np.float64), LEAST, 1 - LEAST)
        end = np.minimum(pixels, 1 - pixels)
        over = np.where(end < MARGIN, MARGIN * np.log(MARGIN / end), 0)
        values = np.where(over > 0, np.where(pixels < 0.5, MARGIN - over, 1 - MARGIN + over), pixels)
        return (self.waves(values) / self.units).ravel()

    def pixels(self, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (B, H, W, 3) and their slopes, likewise."""
        planes = scipy.fft.idctn(self.units * coordinates.reshape(self.shape), axes=(2, 3), norm="ortho")
        values = np.moveaxis(planes, 1, -1) @ COLORS
        near = np.abs(values - 0.5) > 0.5 - MARGIN
        slope = np.where(near, np.exp((0.5 - MARGIN - np.abs(values - 0.5)) / MARGIN), 1)
        bent = np.where(values < 0.5, MARGIN * slope, 1 - MARGIN * slope)
        return np.where(near, bent, values), slope

    def gradient(self, gradient: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        return (self.units * self.waves(gradient * slopes)).ravel()

    def waves(self, values: np.ndarray) -> np.ndarray:
        return scipy.fft.dctn(np.moveaxis(values @ COLORS.T, -1, 1), axes=(2, 3), norm="ortho")


class Pixels:
    """The pixels of pictures (B, H, W, 3) in units of `move` times the root of their number."""

    def __init__(self, shape: tuple[int, ...], move: float):
        self.shape, self.unit = shape, move * np.sqrt(np.prod(shape))

    def of(self, image: np.ndarray) -> np.ndarray:
        return image.astype(np.float64).ravel() / self.unit

    def pixels(self, point: np.ndarray) -> tuple[np.ndarray, float]:
        return self.unit * point.reshape(self.shape), self.unit

    def gradient(self, gradient: np.ndarray, slopes: float) -> np.ndarray:
        return (gradient * slopes).ravel()
