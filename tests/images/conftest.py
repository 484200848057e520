"""Pictures and masks of 20 x 28 pixels."""

import numpy as np
import pytest
from image_checks import HEIGHT, WIDTH
from mask_checks import BLACK, RED, TEAL


@pytest.fixture
def rgb():
    """8-bit noise: every orientation, channel order and rounding shows in it."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def smooth():
    """8-bit gradients: they survive lossy formats."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([40 + 8 * y, 30 + 6 * x, 200 - 3 * y - 2 * x], axis=-1).astype(np.uint8)


@pytest.fixture
def left():
    """A region of hard borders, 10 of 28 columns."""
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:, :10] = True
    return inside


@pytest.fixture
def painted():
    """Three flat colors, none of whose borders is symmetric."""
    colors = np.full((HEIGHT, WIDTH, 3), BLACK, np.uint8)
    colors[:7, :] = RED
    colors[12:, 5:16] = TEAL
    return colors
