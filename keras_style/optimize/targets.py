"""The targets of an objective: the images that it compares with, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from keras_style.images.masks import Regions
from keras_style.internal.tensorflow import tf


@dataclass(frozen=True, eq=False)
class Targets:
    """The images that an objective compares with.

    Attributes:
        content: (B, H, W, 3) in [0, 1]; needed by terms with the target "content".
        style: (1, H', W', 3) per style; sizes may differ.
        blend: weight of each style; equal by default.
        content_regions: `{region: weights (H, W)}` of the image, adding up to one at every pixel; one region by
            default.
        style_regions: the regions that each style has; each region is in one style or several, which are blended.
        edge: positions along the border of every layer that style terms leave out, on both sides:
            features there are as much of zero padding as of the picture.
    """

    content: np.ndarray | tf.Tensor | None = None
    style: Sequence[np.ndarray | tf.Tensor] = ()
    blend: Sequence[float] | None = None
    content_regions: Regions | None = None
    style_regions: Sequence[Regions] = ()
    edge: int = 0

    def astype(self, dtype: np.dtype) -> Self:
        """The targets with images of another dtype."""
        content = None if self.content is None else self.content.astype(dtype, copy=False)
        return replace(self, content=content, style=[image.astype(dtype, copy=False) for image in self.style])
