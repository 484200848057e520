"""The image optimizer: pixels are the variable, a GradientTape gives their gradient."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.backbones.backbone import Backbone
from keras_style.checks import OPTIMIZERS
from keras_style.errors import DivergenceError, InputError
from keras_style.images.masks import Regions
from keras_style.internal import environment
from keras_style.internal.tensorflow import keras
from keras_style.optimize.coordinates import FLAT_UNITS, UNITS, Units
from keras_style.optimize.gradient import LossesAndGradient, objective_and_gradient
from keras_style.optimize.gradient_descent import descend
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.lbfgs import lbfgs
from keras_style.optimize.objective import Objective
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling import tiled_losses
from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient

History = dict[str, list[float]]

LEARNING_RATE = 0.02  # for pixels in [0, 1]; with beta_2 .99 as in crowsonkb/style-transfer-pytorch
BETA_2 = 0.99


@dataclass(frozen=True)
class Minimum:
    """Result of an optimization.

    Attributes:
        image: (H, W, 3) in [0, 1].
        history: `{"loss": [...], name of each term: [...]}`, a value for each step.
        stopped: whether a callback ended it early.
    """

    image: np.ndarray
    history: History
    stopped: bool


class ImageOptimizer:
    """Minimizes an objective over the pixels of one image.

    Args:
        backbone: the network that gives the feature maps.
        objective: what to minimize.
        optimizer: "adam", "lbfgs" (over `coordinates` of pictures in [0, 1]), any Keras optimizer, or one as
            `keras.optimizers.serialize` gives it.
        wrap: pixels by which the network sees the image continued over its edges, as if it were repeated: for a picture
            that tiles.
        tile: the network sees as many pixels at a time as a square of this side has, with the same loss and gradient
            up to rounding; None: the whole image.
        bounded: keep pixels in [0, 1] at every step; False: pixels themselves are the variable, and only the result is
            clipped, as in published programs.

    Raises:
        InputError: an unknown optimizer, a content term in a picture that wraps, an objective that cannot be computed
            tile by tile, or L-BFGS for a balanced objective, whose value is not what is descended, or for random
            pairs, which it would always meet again.

    Example:
        >>> photo, painting = (keras_style.images.load(file) for file in ("photo.jpg", "painting.png"))
        >>> gram = keras_style.losses.GramLoss()
        >>> objective = keras_style.Objective([keras_style.Term(gram, layer="block3_conv1", target="style")])
        >>> backbone = keras_style.backbones.get("vgg16_imagenet")
        >>> optimizer = keras_style.ImageOptimizer(backbone, objective, optimizer="adam")
        >>> picture = optimizer.minimize(photo, content=photo, style=painting, steps=100).image

    Reference: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, §2.3.
    """

    def __init__(
        self,
        backbone: Backbone,
        objective: Objective,
        optimizer: "str | Mapping[str, Any] | keras.Optimizer" = "adam",
        wrap: int = 0,
        tile: int | None = None,
        bounded: bool = True,
    ):
        if isinstance(optimizer, Mapping):
            optimizer = keras.optimizers.get(dict(optimizer))
        if not isinstance(optimizer, keras.Optimizer):
            checks.choice("optimizer (if not a Keras optimizer)", optimizer, OPTIMIZERS)
        if wrap and objective.needs_content:
            raise InputError(
                f"wrap={wrap} with a content term, whose photograph does not wrap; expected style terms only"
            )
        if optimizer == "lbfgs" and objective.balance:
            raise InputError(f"balance={objective.balance!r} with L-BFGS; expected 'adam' or a Keras optimizer")
        random = [type(term.loss).__name__ for term in objective.terms if term.loss.needs_new_draws]
        if optimizer == "lbfgs" and random:
            raise InputError(f"L-BFGS with {random[0]} over pairs drawn anew at every step; expected 'adam'")
        self.backbone = backbone
        self.objective = objective
        self.bounded = bounded
        # The other units were measured with losses on a network, and fit no others.
        self.units: Units = None if not bounded else FLAT_UNITS if objective.bends_pixels else UNITS
        self.wrap = wrap
        if tile is not None:
            if wrap:
                raise InputError(f"tile={tile} with wrap={wrap}; expected one of them")
            tiled_losses.check(objective)
            tiled_losses.tiling(objective, backbone, checks.whole("tile", tile, 1, 10**9))
        self.tile = tile
        if optimizer == "adam":
            optimizer = keras.optimizers.Adam(LEARNING_RATE, beta_2=BETA_2)
        self.optimizer = optimizer

    def in_pass(self, number: int) -> "ImageOptimizer":
        """The optimizer of the terms that take part in pass `number`, in the units of all terms."""
        of_pass = copy.copy(self)
        of_pass.objective = self.objective.in_pass(number)
        return of_pass

    def minimize(
        self,
        init: np.ndarray,
        *,
        content: np.ndarray | None = None,
        style: np.ndarray | Sequence[np.ndarray] | None = None,
        style_blend: Sequence[float] | None = None,
        content_regions: Regions | None = None,
        style_regions: Sequence[Regions] = (),
        steps: int = 100,
        on_iterate: OnIterate | None = None,
        resume: tuple[int, Sequence[np.ndarray]] | None = None,
    ) -> Minimum:
        """Minimize the objective from `init`.

        Args:
            init: (H, W, 3), RGB in [0, 1], where to start; its dtype, float32 or float64, is computed in.
            content: (H, W, 3), the size of `init`; needed by content terms.
            style: (H', W', 3), or several; needed by style terms.
            style_blend: weight of each style; equal by default.
            content_regions: `{region: weights (H, W)}` of the image; style terms then compare region by region.
            style_regions: the same regions in each style.
            steps: how many steps.
            on_iterate: called with an `Iterate` after each step; returns True to stop.
            resume: steps already done and `Iterate.read_state()` after them, with `init` the image as it was then.

        Raises:
            DivergenceError: a loss or pixel is not a finite number.
            InputError: no array to start from, a target that the objective needs is missing, or an unknown layer.
        """
        styles = [] if style is None else [style] if isinstance(style, np.ndarray) else style
        targets = Targets(
            None if content is None else content[None],
            [image[None] for image in styles],
            style_blend,
            content_regions,
            style_regions,
        )
        del content, style, styles
        return self.approach(init, targets, steps, on_iterate, resume)

    def approach(
        self,
        init: np.ndarray,
        targets: Targets,
        steps: int,
        on_iterate: OnIterate | None = None,
        resume: tuple[int, Sequence[np.ndarray]] | None = None,
    ) -> Minimum:
        """Minimize the objective with these targets from `init`; otherwise as `minimize`."""
        environment.check_process()
        checks.whole("steps", steps, 1, 10**9)
        if not isinstance(init, np.ndarray) or init.ndim != 3 or init.dtype not in (np.float32, np.float64):
            came = f"shape {np.shape(init)} and type {getattr(init, 'dtype', type(init).__name__)}"
            raise InputError(f"init has {came}; expected an array (H, W, 3), float32 or float64")
        if self.wrap and targets.content_regions:
            continued = {name: np.pad(each, self.wrap, "wrap") for name, each in targets.content_regions.items()}
            targets = replace(targets, content_regions=continued)
        evaluate = self._evaluation((1, *init.shape), init.dtype, targets.astype(init.dtype))
        del targets  # images as large as `init`; what steps need of them, `evaluate` has
        history: History = {name: [] for name in ("loss", *self.objective.names)}
        stopped = False

        def record(iterate: Iterate) -> bool:
            nonlocal stopped
            _check_finite(iterate)
            history["loss"].append(iterate.loss)
            for name, value in iterate.losses.items():
                history[name].append(value)
            single = replace(iterate, read_image=lambda: iterate.read_image()[0], scale=max(init.shape))
            stopped = on_iterate is not None and on_iterate(single) is True
            return stopped

        if self.optimizer == "lbfgs":
            image = lbfgs(evaluate, init[None], steps, record, self.units, resume)
        else:
            image = descend(self.optimizer, evaluate, init[None], steps, record, resume, self.bounded)
        if not np.isfinite(image).all():
            raise DivergenceError("pixels are not finite after the last step; try a smaller step size")
        return Minimum(image[0] if self.bounded else np.clip(image[0], 0, 1), history, stopped)

    def _evaluation(self, shape: tuple[int, ...], dtype: np.dtype, targets: Targets) -> LossesAndGradient:
        """The objective and its gradient, tile by tile if the image or a style is larger than a tile."""
        sides = [side for image in (shape, *(style.shape for style in targets.style)) for side in image[1:3]]
        if self.tile is not None and max(sides) > self.tile:
            return tiled_losses_and_gradient(self.objective, self.backbone, self.tile, shape, dtype, targets)
        losses = replace(self.objective.bind(self.backbone, targets), margin=self.wrap)
        return objective_and_gradient(losses, shape, dtype)


def _check_finite(iterate: Iterate) -> None:
    if not np.isfinite(iterate.loss):
        values = ", ".join(f"{name} {value:g}" for name, value in iterate.losses.items())
        raise DivergenceError(f"the loss is not finite at step {iterate.step}: {values}; try a smaller step size")
