"""What a painter knows when a lesson begins."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Knowledge:
    """A painter's weights and styles.

    Attributes:
        network: what `painter_network` makes.
        rows: (S, N), of its styles.
        sketches: (S, M), of their pictures; zeros where none was taken.
        base: digest of the network's weights.
    """

    network: Any
    rows: np.ndarray
    sketches: np.ndarray
    base: str
