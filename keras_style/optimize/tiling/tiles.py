"""The geometry of tiles: windows that the network sees one at a time, and the positions that each of them owns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from keras_style.errors import InputError

Array = TypeVar("Array")


@dataclass(frozen=True)
class Span:
    """A window along one side of an image, in pixels.

    Attributes:
        start, stop: what the network sees.
        own_start, own_stop: what belongs to this window and to no other one, from the image's first pixel on.
    """

    start: int
    stop: int
    own_start: int
    own_stop: int

    @property
    def length(self) -> int:
        """Pixels that the network sees."""
        return self.stop - self.start

    def at_layer(self, stride: int, count: int, margin: int = 0) -> tuple[int, int, int]:
        """Start of the window in a layer, and the positions that it owns there.

        A position belongs to the window that its first pixel belongs to. The last window owns all that are left.

        Args:
            stride: pixels from one position of the layer to the next.
            count: positions of the window in the layer.
            margin: positions after the own ones that are seen too, where the image has them.
        """
        start = self.start // stride
        last = start + count if self.own_stop == self.stop else self.own_stop // stride + margin
        return start, self.own_start // stride, min(last, start + count)


@dataclass(frozen=True)
class Tile:
    """A window over both sides of an image."""

    rows: Span
    columns: Span

    def seen(self, images: Array) -> Array:
        """The pixels of images (B, H, W, ...) that the network sees."""
        return images[:, self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]  # type: ignore[index]


@dataclass(frozen=True)
class Tiling:
    """The cutting of images into windows.

    All windows of an image have one size, so that one graph computes them. They start at multiples of `stride`, and
    their length differs from the image's by a multiple of it: layers with strides see the same pixels as in the whole
    image, and padding that depends on the size is the same. A window owns only what lies at least `reach` inside of
    its artificial edges: the zeros with which convolutions pad there are not seen.

    Attributes:
        pixels: windows have at most as many pixels as a square of this side.
        reach: how far a position of any layer sees beyond its own pixels.
        stride: pixels, a multiple of the stride of every layer.

    Raises:
        InputError: windows of that size have nothing of their own.
    """

    pixels: int
    reach: int
    stride: int

    def __post_init__(self) -> None:
        if self.pixels < self.smallest:
            raise InputError(
                f"tile is {self.pixels}; expected at least {self.smallest} pixels: the deepest layer sees {self.reach} "
                "beyond its own to each side"
            )

    @property
    def _margin(self) -> int:
        return _margin(self.reach, self.stride)

    @property
    def smallest(self) -> int:
        """The smallest `pixels` for this reach and stride."""
        return smallest_window(self.reach, self.stride)

    def __call__(self, height: int, width: int) -> Iterator[Tile]:
        """The tiles of an image of height x width pixels, row by row."""
        rows, columns = self.spans(height, width)
        return (Tile(row, column) for row in rows for column in columns)

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the windows of an image, in pixels."""
        rows, columns = self.spans(height, width)
        return rows[0].stop, columns[0].stop

    def spans(self, height: int, width: int) -> tuple[Sequence[Span], Sequence[Span]]:
        """The windows of an image along both sides, in the shape of which the network sees the fewest pixels in all.

        Where windows overlap, pixels are computed twice: two halves of a picture have less of that than four quarters.
        """
        cuts = ((rows, self._spans(width, self.pixels**2 // rows[0].stop)) for rows in self._ways(height))
        return min(
            ((rows, columns) for rows, columns in cuts if columns),
            key=lambda cut: (len(cut[0]) * cut[0][0].stop * len(cut[1]) * cut[1][0].stop, len(cut[0])),
        )

    def _ways(self, side: int) -> Iterator[Sequence[Span]]:
        """A side in one window, in two, and so on."""
        spans: Sequence[Span] = [Span(0, side, 0, side)]
        while spans:
            yield spans
            spans = self._spans(side, spans[0].stop - 1)

    def _spans(self, side: int, longest: int) -> Sequence[Span]:
        """The fewest windows of one length, of at most `longest`, that own a side together; as short as that allows.

        None if windows of that length would have nothing of their own.
        """
        if side <= longest:
            return [Span(0, side, 0, side)]
        if longest < self.smallest:
            return []
        stride, margin = self.stride, self._margin
        rest = side % stride  # the last window ends where the image does, and starts at a multiple

        def rounded(length: int, up: bool) -> int:
            return rest + (-(-(length - rest) // stride) if up else (length - rest) // stride) * stride

        lost = rest + 2 * margin  # of each window, to its neighbors
        longest = rounded(longest, up=False)
        number = 1 + -(-(side - longest) // (longest - lost))
        length = rounded(-(-(side + (number - 1) * lost) // number), up=True)
        starts = [min(index * (length - lost), side - length) for index in range(number)]
        cuts = [0, *(start + margin for start in starts[1:]), side]
        return [Span(start, start + length, *own) for start, own in zip(starts, pairwise(cuts), strict=True)]


def smallest_window(reach: int, stride: int) -> int:
    """The smallest window of a `Tiling` with anything of its own, whatever the image's size, in pixels."""
    return 2 * _margin(reach, stride) + 2 * stride - 1


def _margin(reach: int, stride: int) -> int:
    return -(-reach // stride) * stride
