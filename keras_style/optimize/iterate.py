"""The state of an optimization that a callback sees after each step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Iterate:
    """The optimization after one step.

    Attributes:
        step: number of this step, from 1, over all scales.
        steps: how many there will be, over all scales.
        losses: weighted value of each term, as this step met it: `{"content": ..., "style": ...}`.
        scale: long side of the image at this scale, in pixels.
    """

    step: int
    steps: int
    losses: dict[str, float]
    read_image: Callable[[], np.ndarray] = field(repr=False)
    read_state: Callable[[], Sequence[np.ndarray]] = field(repr=False)
    scale: int = 0

    @property
    def loss(self) -> float:
        """Sum of the losses."""
        return sum(self.losses.values())

    @property
    def image(self) -> np.ndarray:
        """The current image, (H, W, 3) in [0, 1]; copied from the device only when asked for.

        An `ImageOptimizer` with `bounded=False` gives pixels as they are, which may be beyond.
        """
        return self.read_image()


OnIterate = Callable[[Iterate], object]
"""Called after every step; returning True, and nothing else, ends the optimization there."""
