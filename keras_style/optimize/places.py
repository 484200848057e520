"""Where a term of an objective compares: the region of the image, and that of each target, at the term's layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_style.backbones.backbone import Backbone
from keras_style.checks import Weight
from keras_style.errors import InputError
from keras_style.images import masks
from keras_style.images.masks import Regions
from keras_style.optimize.targets import Targets


@dataclass(frozen=True, eq=False)
class Place:
    """One comparison of a term.

    Attributes:
        weight: of the comparison: the term's, times the region's share of the image.
        in_target: by the number of each target that is compared with, the weight (1, H', W') of its positions; None:
            all count.
        mask: (1, H', W'), the region in the image; None: everywhere.
        spread: (1, H', W'), by what each position's part of the loss is multiplied; None: nothing.
    """

    weight: float
    in_target: Mapping[int, np.ndarray | None] = field(default_factory=lambda: {0: None})
    mask: np.ndarray | None = None
    spread: np.ndarray | None = None


def places(backbone: Backbone, layer: str, target: str | None, weight: Weight, targets: Targets) -> list[Place]:
    """The comparisons of a term: with a style region by region, otherwise in one.

    Args:
        backbone, layer, target, weight: the term's.
        targets: the images that it compares with, and their regions.

    Raises:
        InputError: a region has nothing left at the layer or is in no style, or the weights are of other regions.
    """
    regions, edge = targets.content_regions, targets.edge
    if isinstance(weight, Mapping):
        masks.check_weights(f"the {target} weight", weight, regions)
        if target != "style":
            return [Place(1.0, spread=_spread(backbone, layer, weight, regions or {}))]
    elif target != "style":
        return [Place(weight)]
    elif regions is None:
        shapes = [backbone.shape(layer, *image.shape[1:3]) if edge else () for image in targets.style]
        return [Place(weight, {number: without_edge(shape, edge) for number, shape in enumerate(shapes)})]
    found = []
    assert regions is not None  # otherwise there were weights of none
    for region, inside in regions.items():
        own = weight[region] if isinstance(weight, Mapping) else weight
        if not own:
            continue
        in_target = {
            number: _at_layer(backbone, layer, region, "style", each[region])
            for number, each in enumerate(targets.style_regions)
            if region in each
        }
        if not in_target:
            raise InputError(f"region {region!r} is in no style; expected one that has it")
        mask = _at_layer(backbone, layer, region, "content", inside)
        cut = {number: _without_edge(each, edge) for number, each in in_target.items()}
        found.append(Place(own * float(mask.mean()), cut, _without_edge(mask, edge)))
    return found


def without_edge(shape: Sequence[int], edge: int) -> np.ndarray | None:
    """A mask (1, H', W') of a layer of H' x W' positions: those away from the border; None if all count."""
    if not edge:
        return None
    mask = np.zeros((1, *shape), np.float32)
    rows, columns = (min(edge, (side - 1) // 2) for side in mask.shape[1:])
    mask[:, rows : mask.shape[1] - rows, columns : mask.shape[2] - columns] = 1
    return mask


def _without_edge(mask: np.ndarray, edge: int) -> np.ndarray:
    """A region (1, H', W') without the border of its layer; the whole region where it is nowhere else."""
    inside = without_edge(mask.shape[1:], edge)
    return mask if inside is None or not (mask * inside).any() else mask * inside


def _spread(backbone: Backbone, layer: str, weights: Mapping[str, float], regions: Regions) -> np.ndarray:
    """The weight (1, H', W') of each position of a layer, where each region has its own."""
    return _carried(backbone, layer, np.sum([weights[region] * inside for region, inside in regions.items()], axis=0))


def _carried(backbone: Backbone, name: str, weights: np.ndarray) -> np.ndarray:
    layer, (height, width) = backbone.layer(name), weights.shape
    return masks.at_layer(weights, layer.stride, backbone.shape(name, height, width), layer.offset)[None]


def _at_layer(backbone: Backbone, name: str, region: str, of: str, weights: np.ndarray) -> np.ndarray:
    carried = _carried(backbone, name, weights)
    if not carried.any():
        raise InputError(
            f"region {region!r}: nothing of it is left in the {of} at {name}; expected a larger region or image"
        )
    return carried
