"""What is true of all regions, and small masks."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_style.errors import InputError
from keras_style.images import masks

HEIGHT, WIDTH = 20, 28
RED, BLACK, TEAL = (255, 0, 0), (0, 0, 0), (1, 128, 200)


def load(spec, height: int = HEIGHT, width: int = WIDTH) -> dict[str, np.ndarray]:
    """What `masks.load` returns, after checking what is true of all of it."""
    regions = masks.load(spec, height, width)
    assert list(regions) == sorted(regions, key=lambda region: (region == masks.UNCOVERED, region))
    for weights in regions.values():
        assert (weights.shape, weights.dtype) == ((height, width), np.float32)
        assert weights.min() >= 0 and weights.max() <= 1 and weights.any()
    np.testing.assert_allclose(np.sum(list(regions.values()), axis=0), 1, atol=1e-6)
    return regions


def refusal(spec, *expected: str, size=(HEIGHT, WIDTH), error: type[Exception] = InputError) -> str:
    """The one-line message with which `spec` is refused, after checking that it names what is expected."""
    with pytest.raises(error) as caught:
        masks.load(spec, *size, name="style_masks")
    message = str(caught.value)
    assert message.startswith("style_masks") and "\n" not in message
    for text in expected:
        assert text in message
    return message


def shares(regions: dict[str, np.ndarray]) -> dict[str, float]:
    return {region: float(weights.mean(dtype=np.float64)) for region, weights in regions.items()}


def gray(values: np.ndarray, mode: str = "L") -> Image.Image:
    image = Image.fromarray((values * 255).astype(np.uint8))
    return image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file
