"""Two pictures, 8 bits."""

import numpy as np
import pytest
from image_checks import HEIGHT, WIDTH


@pytest.fixture
def rgb():
    """8-bit noise: every orientation, channel order and rounding shows in it."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def smooth():
    """8-bit gradients: they survive lossy formats."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([40 + 8 * y, 30 + 6 * x, 200 - 3 * y - 2 * x], axis=-1).astype(np.uint8)
