"""Names in state dicts of fast_neural_style (pytorch/examples), and what its network is made of."""

import re
from collections.abc import Iterable

LEVELS = 127.5  # levels, 0 to 255, for each unit of [-1, 1]

_ENLARGEMENT = re.compile(r"(?:(.+)\.)?deconv[123]\.conv2d\.(?:weight|bias)")  # a name that other networks do not have
_BLOCK = re.compile(r"res([1-9][0-9]{0,2})\..+")


def place(names: Iterable[str]) -> str | None:
    """The prefix, such as "module", under which a file has such a network; None: it has none."""
    found = (_ENLARGEMENT.fullmatch(name) for name in names)
    return next((match[1] or "" for match in found if match), None)


def layers(names: Iterable[str]) -> list[tuple[str, str | None]]:
    """Paths of the convolutions in the network's order, each with that of the normalization after it."""
    blocks = max((int(match[1]) for match in map(_BLOCK.fullmatch, names) if match), default=0)
    return [
        *((f"conv{number}.conv2d", f"in{number}") for number in (1, 2, 3)),
        *(
            (f"res{block}.conv{number}.conv2d", f"res{block}.in{number}")
            for block in range(1, blocks + 1)
            for number in (1, 2)
        ),
        ("deconv1.conv2d", "in4"),
        ("deconv2.conv2d", "in5"),
        ("deconv3.conv2d", None),
    ]


def shapes(filters: int, channels: int, count: int) -> list[tuple[int, ...]]:
    """Shapes (out, in, height, width) of `count` kernels."""
    one, two, four = filters, 2 * filters, 4 * filters
    return [
        (one, channels, 9, 9),
        (two, one, 3, 3),
        (four, two, 3, 3),
        *[(four, four, 3, 3)] * (count - 6),
        (two, four, 3, 3),
        (one, two, 3, 3),
        (channels, one, 9, 9),
    ]
