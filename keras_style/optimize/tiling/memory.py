"""Estimates of the memory that a picture takes, the memory available, and the tile size that fits.

The estimates are of peak resident memory, in bytes, beside the processor. Their constants were fitted to peaks of runs
at 512 to 2048 pixels, taken as `benchmarks/tiling.py --parts memory` takes them; nothing here imports TensorFlow, so
that what cannot fit is refused at once.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keras_style.backbones.backbone import PIXELS, Layer
from keras_style.errors import InputError

_RUNTIME = 1.05e9  # TensorFlow once it is loaded and has traced graphs, and the network's transformed filters
_GRAPH = 0.2e9  # per traced graph, an upper bound; tiling traces two
_PIXEL = 12.0  # an RGB pixel in float32
_PICTURES = (
    8  # of the picture's size: the photograph as read and as extended, the start, the gradient, copies on the way
)
# Memory of a step in units of all activations: the forward pass, and the largest gradients and tiles beside it.
_STEP = 2.5
_FORWARD = 1.0  # the forward pass alone, for the statistics of a style
_BINNED = 16  # bytes for each value whose histogram is matched: its bin, its place in it, its aim, on the way to these
_BINNED_STYLE = 12  # of a style's value, which is kept with its bin and its place unless there are tiles
_PROJECTION = 4  # bytes for each coordinate along a direction, of the picture and of the styles
_SORTED = 40  # bytes for each coordinate that is sorted, beside itself: its rank, its aim, on the way to these
# Pictures in float32 that an optimizer keeps. Adam: itself, two averages and a copy of each while they change.
# L-BFGS: 2 x 10 vectors of history and some 18 others, float64.
_OPTIMIZER = {"adam": 6, "lbfgs": 2 * (20 + 18)}
_LITTLE = 0.3e9  # of a picture itself; ours: the error of the estimate of the rest is as large
# An address space holds what is mapped too, but never touched: stacks and arenas of the threads.
_MAPPED = 2.5e9

TILES = (2048, 1536, 1024, 768, 512, 384, 256, 192)  # of which the largest that fits is taken


@dataclass(frozen=True)
class Work:
    """The computation of a run at its largest scale.

    Attributes:
        height, width: of the picture with its margin, in pixels.
        styles: (height, width) of each style.
        network: all activations that are computed.
        content_layers: where the content's features are kept if the picture goes by tiles.
        histogram_layers: where histograms are matched.
        optimizer: "lbfgs"; any other counts as Adam.
        regions: of a mask.
        projections: number of directions along which a layer's vectors are sorted, by layer.
    """

    height: int
    width: int
    styles: Sequence[tuple[int, int]]
    network: Sequence[Layer]
    content_layers: Sequence[str] = ()
    histogram_layers: Sequence[str] = ()
    optimizer: str = "adam"
    regions: int = 0
    projections: Mapping[str, int] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        return self.height * self.width


def estimate(work: Work, tile: int | None) -> float:
    """Peak resident memory of a process that does nothing else, in bytes.

    Args:
        work: what is computed.
        tile: the network sees as many pixels at a time as a square of this side has; None: the whole picture.
    """
    of_styles = sum(height * width for height, width in work.styles)
    pictures = _PICTURES + _OPTIMIZER.get(work.optimizer, _OPTIMIZER["adam"]) + work.regions / 3
    standing = work.pixels * _PIXEL * pictures + of_styles * _PIXEL
    layers = {layer.name: layer for layer in (PIXELS, *work.network)}
    activations = 4 * sum(layer.density for layer in work.network)  # bytes per pixel
    binned = sum(layers[name].density for name in work.histogram_layers)  # values per pixel
    step = _STEP * activations + _BINNED * binned
    # Coordinates for each pixel, and those that are sorted at once: of a layer, and by tiles along one direction.
    coordinates = {name: count / layers[name].stride ** 2 for name, count in work.projections.items()}
    standing += _PROJECTION * sum(coordinates.values()) * (work.pixels + of_styles)
    along_one = [1 / layers[name].stride ** 2 for name in coordinates]
    at_once = max(along_one if tile else coordinates.values(), default=0.0)
    sorting = _SORTED * at_once * (work.pixels + of_styles)
    if tile is None:
        largest = max((height * width for height, width in work.styles), default=0)
        standing += _BINNED_STYLE * binned * of_styles
        standing += 4 * of_styles * sum(layers[name].density for name in coordinates)
        forward = max(activations * work.pixels + sorting, _FORWARD * activations * largest)
        return _RUNTIME + _GRAPH + standing + max(step * work.pixels, forward)
    kept = 4 * sum(layers[name].density for name in work.content_layers)
    standing += _PROJECTION * sum(coordinates.values()) * of_styles  # a copy, while they are gathered
    window = min(tile**2, work.pixels)
    return _RUNTIME + 2 * _GRAPH + standing + kept * work.pixels + step * window + sorting


def plan(work: Work, free: float | None, smallest: float = 0) -> tuple[int | None, str]:
    """The side of the tiles, in pixels, None for the whole picture; and the estimate in a line.

    Args:
        work: what is computed.
        free: memory for the process in bytes; None: not known.
        smallest: pixels that tiles have to have at least; infinity: there can be none.

    Raises:
        InputError: not even the smallest tiles fit. Where the picture itself takes little, a warning instead.
    """
    picture = f"{work.width} x {work.height} pixels"
    whole = estimate(work, None)
    if free is None or whole <= free:
        there = "an unknown amount is" if free is None else f"{_text(free)} are"
        return None, f"{picture} take an estimated {_text(whole)} of memory; {there} available"
    there = f"{_text(free)} are available"
    if whole - _RUNTIME - _GRAPH <= _LITTLE:
        line = f"{picture} take an estimated {_text(whole)} of memory, nearly all of it TensorFlow itself; {there}"
        warnings.warn(line, RuntimeWarning, stacklevel=2)
        return None, line
    needed, in_tiles = whole, ""
    for tile in TILES:
        if tile < smallest:
            break
        needed, in_tiles = estimate(work, tile), f" even in tiles of {tile}"
        if needed <= free:
            return tile, (
                f"{picture} take an estimated {_text(whole)} of memory, and {_text(needed)} in tiles of {tile}; {there}"
            )
    smaller = " or optimizer='adam', which keeps less," if work.optimizer == "lbfgs" else ""
    raise InputError(
        f"{picture} take an estimated {_text(needed)} of memory{in_tiles}, and {there}; expected a smaller size,"
        f"{smaller} or a tile in pixels, with which nothing is checked"
    )


def _text(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def available() -> float | None:
    """Bytes that this process may still come to hold, with what it holds already; None where the system does not say.

    The least of what the machine has left, what its control groups leave, and the limits of its address space and data.
    """
    mine = _kilobytes("/proc/self/status", "VmRSS")
    limits = [amount + mine for amount in (*_left_in_machine(), *_left_in_groups())]
    if os.name == "posix":
        import resource

        for kind, beside in ((resource.RLIMIT_AS, _MAPPED), (resource.RLIMIT_DATA, 0.0)):
            limit, _ = resource.getrlimit(kind)
            if limit != resource.RLIM_INFINITY:
                limits.append(max(0.0, limit - beside))
    return min(limits, default=None)


def _left_in_machine() -> list[float]:
    amount = _kilobytes("/proc/meminfo", "MemAvailable")
    return [amount] if amount else []


def _left_in_groups(root: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> list[float]:
    """Bytes left in each control group of this process and in their parents, for both versions of control groups."""
    found = []
    for line in _lines(mine):
        _, controllers, path = line.split(":", 2)
        names = ("memory.max", "memory.current", "inactive_file")
        top = root
        if "memory" in controllers.split(","):
            names, top = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), root / "memory"
        elif controllers:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            limit, used = (next(iter(_lines(folder / name)), "") for name in names[:2])
            if limit.isdigit() and used.isdigit() and int(limit) < 1 << 60:  # without a limit: "max", or nearly 2^63
                pairs = (line.split() for line in _lines(folder / "memory.stat"))
                cache = sum(int(pair[1]) for pair in pairs if pair[0] == names[2])  # given back when it is wanted
                found.append(max(0.0, float(int(limit) - int(used) + cache)))
            if folder == top:
                break
    return found


def _kilobytes(path: str, name: str) -> float:
    """A line `name: number kB` of a file of the system, in bytes; 0 where there is none."""
    return next((float(line.split()[1]) * 1024 for line in _lines(Path(path)) if line.startswith(f"{name}:")), 0.0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
