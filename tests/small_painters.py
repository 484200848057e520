"""Small painters and pictures to teach them with."""

import numpy as np

from keras_style.models import Painter

SMALL = {"filters": (4, 4, 4), "blocks": 1, "expand": (4, 4)}
STYLES = {"one": "the first", "two": {"line": "the second", "painter": "nobody"}, "three": "the third"}


def filled(styles=None, seed=0, **sizes) -> Painter:
    """A small painter whose every number matters."""
    painter = Painter(STYLES if styles is None else styles, **{**SMALL, **sizes})
    random = np.random.default_rng(seed)
    for variable in painter.weights:
        variable.assign(random.normal(0, 0.4, variable.shape))
    return painter


def textured(seed: int, height: int = 72, width: int = 96) -> np.ndarray:
    """Waves of two colors, with grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = 0.5 + 0.5 * np.sin((0.3 + 0.2 * seed) * x + 2 * np.sin(0.1 * y + seed))[..., None]
    colors = random.random((2, 3))
    return (
        (wave * colors[0] + (1 - wave) * colors[1] + random.uniform(-0.1, 0.1, (height, width, 3)))
        .clip(0, 1)
        .astype("f")
    )
