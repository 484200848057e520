"""A generator that sees a picture strip by strip, with the instance statistics of the whole picture.

Layers behind an instance normalization cannot be computed before its mean and variance over the whole picture are
known. So the network runs in stages, each of which ends at the input of a normalization and goes over all strips. The
maps of the lowest resolution are kept from stage to stage; layers before and behind them are computed again for each
stage that needs them.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.layers import (
    BilinearUpSampling2D,
    ConditionalInstanceNormalization,
    CutStart2D,
    InstanceNormalization,
    ReflectionPadding2D,
)

_NORMALIZATIONS = (InstanceNormalization, ConditionalInstanceNormalization)
_ROW_BY_ROW = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Dropout,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    *_NORMALIZATIONS,
)
_PADDING = {ReflectionPadding2D: "REFLECT", keras.layers.ZeroPadding2D: "CONSTANT"}
_OTHERS = (BilinearUpSampling2D, CutStart2D, keras.layers.InputLayer, keras.layers.UpSampling2D)


class _Step(NamedTuple):
    """Rows of a layer's inputs from which rows of its output are computed.

    Attributes:
        first, last: the rows of the input that are used, from `first` up to `last`.
        above, below: rows of padding beyond them, where the picture ends.
        cut: rows at the start of the output that were not asked for.
    """

    first: int
    last: int
    above: int = 0
    below: int = 0
    cut: int = 0


class Strips:
    """A generator for pictures that are larger than memory.

    Args:
        generator: a `ResNetGenerator`, a `FastStyleGenerator`, or another model that has only layers of the same kinds.
        rows: number of rows of the picture that are computed at a time.
        style: (1, N), what a painter's network takes beside the picture; None for other models.

    Raises:
        InputError: the generator has layers of other kinds.

    Example:
        >>> from keras_style.models.strips import Strips
        >>> generator = keras_style.models.open_generator("satellite_to_relief")
        >>> Strips(generator, rows=256)(keras_style.images.load("satellite.png"))
    """

    def __init__(self, generator: Any, rows: int, style: np.ndarray | None = None) -> None:
        network = getattr(generator, "network", generator)
        self.rows = rows
        self.style = style
        layers = list(network.layers)  # each after those that it sees
        beside = {layer for layer in layers if _is_input(layer) and len(layer.batch_shape) == 2}
        self.layers = [layer for layer in layers if layer not in beside]
        if sum(map(_is_input, self.layers)) != 1 or len(beside) != (style is not None):
            raise InputError(f"tile with the generator {generator.name}, which is no graph of layers; {_EXPECTED}")
        for layer in self.layers:
            _check(generator, layer)
        made = {id(layer.output): layer for layer in layers}
        self.inputs = {
            layer: []
            if _is_input(layer)
            else [made[id(each)] for each in tf.nest.flatten(layer.input) if made[id(each)] not in beside]
            for layer in self.layers
        }
        (self.answer,) = (made[id(each)] for each in network.outputs)
        self.measured = {self.inputs[each][0] for each in self.layers if isinstance(each, _NORMALIZATIONS)}
        if any(map(_is_input, self.measured)):
            raise InputError(f"tile with the generator {generator.name}, which normalizes the picture; {_EXPECTED}")

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The generator's answer (H, W, C) to a picture (H, W, C) of a size that it takes, in its units.

        Raises:
            InputError: the picture is too small for the layers.
        """
        (start,) = (layer for layer in self.layers if _is_input(layer))
        shapes = {start: (1, *picture.shape)}
        for layer in self.layers:
            if layer is not start:
                seen = [shapes[each] for each in self.inputs[layer]]
                several = len(seen) > 1 or isinstance(layer, ConditionalInstanceNormalization)
                shapes[layer] = layer.compute_output_shape(seen if several else seen[0])

        lowest = min((shapes[layer][1] for layer in self.measured), default=0)
        keeping = {
            layer
            for layer in self.layers
            if shapes[layer][1] == lowest and (layer in self.measured or isinstance(layer, keras.layers.Add))
        }
        targets = [each for each in self.layers if each in self.measured or each in keeping or each is self.answer]
        stages = [(target, *self._between(target, {start, *keeping})) for target in targets]

        maps = {start: picture}
        moments: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
        for number, (target, members, sources) in enumerate(stages):
            keep = target in keeping or target is self.answer
            measure = target in self.measured
            run = _Stage(members, sources, self.inputs, shapes, moments, measure, self.style)
            step = max(1, self.rows * shapes[target][1] // shapes[start][1])
            rows, of_rows = run(maps, step, keep)
            if keep:
                maps[target] = rows
            if target in self.measured:  # rows are equally long: the whole varies as they do, and as their means do
                means, variances = of_rows
                mean = means.mean(0, dtype=np.float64)
                variance = variances.mean(0, dtype=np.float64) + means.var(0, dtype=np.float64)
                moments[target] = mean, variance
            used_later = {source for _, _, later in stages[number + 1 :] for source in later}
            maps = {layer: kept for layer, kept in maps.items() if layer in used_later or layer is self.answer}
        return maps[self.answer]

    def _between(self, target: Any, known: set[Any]) -> tuple[list[Any], list[Any]]:
        """The layers from what is known to `target`, and what they start from; each in the network's order."""
        members, sources, left = {target}, set(), list(self.inputs[target])
        while left:
            layer = left.pop()
            if layer in known:
                sources.add(layer)
            elif layer not in members:
                members.add(layer)
                left += self.inputs[layer]
        return [each for each in self.layers if each in members], [each for each in self.layers if each in sources]


class _Stage:
    """A part of the network, as a graph for each place that a strip can have: at an edge of the picture, or inside.

    Args:
        members: the layers, the last of which is wanted.
        sources: layers whose rows are known.
        inputs: of each layer.
        shapes: (1, H, W, C) of what each layer answers.
        moments: mean and variance (C,) of each layer that an instance normalization sees.
        measure: take the mean and the variance of each row, too.
        style: (1, N), of a painter's network.
    """

    def __init__(
        self,
        members: Sequence[Any],
        sources: Sequence[Any],
        inputs: dict[Any, list[Any]],
        shapes: dict[Any, tuple[int, ...]],
        moments: dict[Any, tuple[np.ndarray, np.ndarray]],
        measure: bool,
        style: np.ndarray | None,
    ) -> None:
        self.members, self.sources, self.inputs, self.shapes = members, sources, inputs, shapes
        self.moments, self.measure, self.style = moments, measure, style
        self.weights = [(variable, variable.numpy()) for layer in members for variable in layer.weights]
        self.graphs: dict[Any, Callable] = {}

    def __call__(self, maps: dict[Any, np.ndarray], step: int, keep: bool) -> tuple[Any, list[np.ndarray]]:
        """Rows (H, W, C) of the last member, if they are to be kept; mean and variance (H, C) of each, if measured."""
        _, height, width, channels = self.shapes[self.members[-1]]
        rows, moments = None, []
        for top in range(0, height, step):
            bottom = min(top + step, height)
            spans, steps = self._plan(top, bottom)
            if steps not in self.graphs:
                self.graphs[steps] = tf.function(functools.partial(self._computed, steps=steps), autograph=False)
            windows = [tf.constant(maps[each][None, slice(*spans[each])]) for each in self.sources]
            answer, of_rows = self.graphs[steps](windows)
            if keep:
                if rows is None:
                    rows = np.empty((height, width, channels), answer.dtype.as_numpy_dtype)
                rows[top:bottom] = answer[0].numpy()
            moments.append([each[0].numpy() for each in of_rows])
        return rows, [np.concatenate(each) for each in zip(*moments, strict=True)]

    def _plan(self, top: int, bottom: int) -> tuple[dict[Any, tuple[int, int]], Any]:
        """Plan rows of the last layer: the rows of every layer, and the step that computes them from its inputs."""
        spans = {self.members[-1]: (top, bottom)}
        steps = {}
        for layer in reversed(self.members):
            for source in self.inputs[layer]:
                steps[layer] = step = _step(layer, *spans[layer], self.shapes[source][1])
                first, last = spans.get(source, step[:2])
                spans[source] = min(first, step.first), max(last, step.last)
        relative = []  # to the rows that there are: the same for all strips inside of the picture
        for layer in self.members:
            step, (first, last) = steps[layer], spans[layer]
            starts = tuple(step.first - spans[source][0] for source in self.inputs[layer])
            relative.append((starts, step.last - step.first, step._replace(first=0, last=0), last - first))
        return spans, tuple(relative)

    def _computed(self, windows: Sequence[tf.Tensor], steps: Any) -> tuple[tf.Tensor, Any]:
        known = dict(zip(self.sources, windows, strict=True))
        # As constants, oneDNN lays the weights out for its fastest convolution.
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in self.weights]):
            for layer, (starts, seen, step, rows) in zip(self.members, steps, strict=True):
                window = [
                    known[source][:, start : start + seen]
                    for source, start in zip(self.inputs[layer], starts, strict=True)
                ]
                answer = self._rows(layer, window if len(window) > 1 else window[0], step)
                known[layer] = answer[:, step.cut : step.cut + rows]
        found = known[self.members[-1]]
        return found, tf.nn.moments(_wide(found), [2]) if self.measure else ()

    def _rows(self, layer: Any, window: Any, step: _Step) -> tf.Tensor:
        if isinstance(layer, _NORMALIZATIONS):
            wide = _wide(window)
            mean, variance = (tf.constant(each, wide.dtype) for each in self.moments[self.inputs[layer][0]])
            if isinstance(layer, InstanceNormalization):
                return layer.scaled(wide - mean, variance)
            return layer.scaled(wide - mean, variance, tf.constant(self.style))
        if type(layer) in _PADDING:
            _, sides = layer.padding
            return tf.pad(window, [(0, 0), (step.above, step.below), sides, (0, 0)], _PADDING[type(layer)])
        if isinstance(layer, CutStart2D):
            return window[:, :, 1:]
        return layer(window, training=False) if isinstance(layer, keras.layers.Dropout) else layer(window)


_EXPECTED = "expected tile=None, or a ResNetGenerator or FastStyleGenerator"


def _check(generator: Any, layer: Any) -> None:
    if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
        fits = layer.padding == "valid" and layer.dilation_rate == (1, 1) and layer.data_format == "channels_last"
        fits = fits and getattr(layer, "output_padding", None) is None
    elif isinstance(layer, keras.layers.UpSampling2D):
        fits = layer.interpolation == "nearest" and layer.data_format == "channels_last"
    else:
        fits = isinstance(layer, (*_ROW_BY_ROW, *_OTHERS)) or type(layer) in _PADDING
    if not fits:
        kind = type(layer).__name__
        raise InputError(
            f"tile with the generator {generator.name}, whose layer {layer.name} ({kind}) is not one that can be "
            f"computed in strips; {_EXPECTED}"
        )


def _is_input(layer: Any) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def _wide(rows: tf.Tensor) -> tf.Tensor:
    """Rows in the dtype in which `InstanceNormalization` takes mean and variance: at least float32."""
    return rows if rows.dtype == tf.float64 else tf.cast(rows, tf.float32)


def _step(layer: Any, top: int, bottom: int, height: int) -> _Step:
    """Step that computes rows from `top` to `bottom` of a layer from an input of `height` rows."""
    if type(layer) in _PADDING:
        (before, _), _ = layer.padding
        above, below = max(0, before - top), max(0, bottom - before - height)
        first, last = max(0, min(top - before, height - 1)), min(height, max(bottom - before, 1))
        if isinstance(layer, ReflectionPadding2D):  # the rows that are mirrored have to be there
            first, last = min(first, height - 1 - below), max(last, above + 1)
        return _Step(first, last, above, below, cut=top - (first + before - above))
    if isinstance(layer, keras.layers.Conv2DTranspose):  # adds up: before Conv2D, of which Keras might derive it
        size, stride = layer.kernel_size[0], layer.strides[0]
        first = max(0, -(-(top - size + 1) // stride))
        return _Step(first, min(height, (bottom - 1) // stride + 1), cut=top - stride * first)
    if isinstance(layer, keras.layers.Conv2D):
        size, stride = layer.kernel_size[0], layer.strides[0]
        return _Step(stride * top, stride * (bottom - 1) + size)
    if isinstance(layer, CutStart2D):
        return _Step(top + 1, bottom + 1)
    if isinstance(layer, BilinearUpSampling2D):
        first, last = max(0, top // layer.size - 1), min(height, (bottom - 1) // layer.size + 2)
        return _Step(first, last, cut=top - layer.size * first)
    if isinstance(layer, keras.layers.UpSampling2D):
        size = layer.size[0]
        return _Step(top // size, (bottom - 1) // size + 1, cut=top - size * (top // size))
    return _Step(top, bottom)
