"""A Stylizer's whole optimization as a graph, from two images of any size to a picture: what TF Serving runs."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_style.backbones.backbone import IMAGE, Backbone, Rescaled
from keras_style.errors import InputError
from keras_style.export.exportable import check_stylizer
from keras_style.images import MIN_SIDE, color, smoothing
from keras_style.images.resize_graph import fitted_size, resize, scaled_alike
from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient import LossesAndGradient, as_written, losses_and_gradient
from keras_style.optimize.gradient_descent import adam_graph
from keras_style.optimize.image_optimizer import ImageOptimizer
from keras_style.optimize.lbfgs import lbfgs_graph
from keras_style.optimize.objective import Features, Objective
from keras_style.optimize.schedule import schedule
from keras_style.optimize.schedule_graph import Stages, require, stages
from keras_style.optimize.targets import Targets
from keras_style.painting.noise import around_gray
from keras_style.painting.run_backbone import load_backbone
from keras_style.painting.stylizer import Stylizer

_BATCH = (1, None, None, 3)
_PICTURE = tf.TensorShape([None, None, 3])


@dataclass(frozen=True, eq=False)
class StylizerGraph:
    """A Stylizer as a function of tensors, traced once for all sizes.

    Attributes:
        steps: how many steps the Stylizer takes.
        graph: the `tf.function` behind it.
    """

    steps: int
    graph: Any = field(repr=False)

    def __call__(self, content: tf.Tensor, style: tf.Tensor, steps: tf.Tensor | int) -> tf.Tensor:
        """The picture (h, w, 3) in [0, 1].

        Args:
            content: (H, W, 3), float32 RGB in [0, 1], at least 16 x 16.
            style: (H', W', 3), likewise.
            steps: int32 scalar, how many steps in all.

        Raises:
            tf.errors.InvalidArgumentError: sizes or steps that the Stylizer refuses too, in its words, or a loss that
                is not a finite number.
        """
        return self.graph(content, style, tf.cast(steps, tf.int32))


def stylizer_graph(stylizer: Stylizer) -> StylizerGraph:
    """The Stylizer as a graph that needs no Python when it runs: sizes, scales, losses, optimizer and finish.

    It computes what the Stylizer computes. The two differ by the rounding of sums, which grows from step to step.

    Raises:
        InputError: the Stylizer has what a graph cannot have: an image to start from, several styles, or a Keras
            optimizer other than a plain Adam.

    Example:
        >>> from keras_style.export.stylizer_graph import stylizer_graph
        >>> content, style = (keras_style.images.load(file) for file in ("photo.jpg", "painting.png"))
        >>> graph = stylizer_graph(keras_style.Stylizer(method="gatys", size=256, steps=100))
        >>> picture = graph(content, style, graph.steps)
    """
    variant = stylizer.numbers
    check_stylizer(stylizer)
    schedule(stylizer.size, stylizer.size, variant.scales, variant.steps, variant.passes)  # refuses what fits no size
    backbone = load_backbone(variant)
    objective = Objective(stylizer.blend.terms(), variant.balance)
    optimizer = ImageOptimizer(backbone, objective, variant.optimizer, bounded=variant.bounded)
    adam = None if optimizer.optimizer == "lbfgs" else _numbers_of_adam(optimizer.optimizer)
    image = tf.TensorSpec([None, None, 3], tf.float32)
    signature = [image, image, tf.TensorSpec([], tf.int32)]
    painter = _Painter(stylizer, optimizer, adam)
    return StylizerGraph(variant.steps, tf.function(painter.paint, signature, autograph=False))


def _numbers_of_adam(optimizer: keras.Optimizer) -> dict[str, float]:
    config = optimizer.get_config()
    if type(optimizer) is keras.optimizers.Adam and isinstance(config["learning_rate"], float):
        numbers = {name: config[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon")}
        if keras.optimizers.Adam(**numbers, name=config["name"]).get_config() == config:
            return numbers
    raise InputError(
        f"the optimizer is {type(optimizer).__name__} as configured; an export runs 'adam', 'lbfgs', or "
        "a keras.optimizers.Adam of which only a constant learning_rate, beta_1, beta_2 and epsilon are set"
    )


@dataclass(frozen=True, eq=False)
class _Painter:
    """The computation of `Stylizer` and `CoarseToFine` on tensors, in the same order.

    Attributes:
        stylizer: whose numbers are taken.
        optimizer: its network, objective and optimizer.
        adam: the numbers of Adam; None: L-BFGS.
    """

    stylizer: Stylizer
    optimizer: ImageOptimizer
    adam: Mapping[str, float] | None

    def paint(self, content: tf.Tensor, style: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        variant, size = self.stylizer.numbers, self.stylizer.size
        photograph = _checked_size(content, "content")
        photograph = resize(photograph, *fitted_size(*_size(photograph), size))
        painting = self._load_style(style)
        todo = stages(_size(photograph), _size(painting), size, variant.scales, steps, variant.passes)
        target, aim = self._in_color(photograph, painting)
        networks = self._networks(target, aim)

        image = self._start(todo, target, aim)
        for objective, first, end in self._passes(todo):
            image = self._over_stages(objective, first, end, todo, image, target, aim, networks)
        if variant.smooth:
            image = smoothing.smooth(image, photograph, smoothing.default_radius(size))
        if variant.refine:
            image = smoothing.refine(image, photograph, smoothing.default_radius(size))
        if self.stylizer.preserve_color == "luminance":
            image = color.restore_chroma(image, photograph)
        return image

    def _load_style(self, style: tf.Tensor) -> tf.Tensor:
        scale = self.stylizer.numbers.style_scale
        style = _checked_size(style, "style")
        height, width = fitted_size(*_size(style), max(1, round(self.stylizer.size * scale)))
        too_small = f"style: at style_scale {scale:g} it is {{}} x {{}} pixels; expected sides of at least {MIN_SIDE}"
        with tf.control_dependencies([require(tf.minimum(height, width) >= MIN_SIDE, too_small, width, height)]):
            return resize(style, height, width)

    def _in_color(self, content: tf.Tensor, style: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if self.stylizer.preserve_color == "luminance":
            return color.luminance_pair(content, style)
        if self.stylizer.preserve_color == "match":
            return content, color.match(style, content)
        return content, style

    def _networks(self, target: tf.Tensor, aim: tf.Tensor) -> tuple[Backbone, Features]:
        """The network for the image, and that for content and style."""
        layers = [term.layer for term in self.optimizer.objective.terms]
        backbone = self.optimizer.backbone.prepared(layers)
        features = _once(backbone, layers)
        if not self.stylizer.numbers.normalized_backbone:
            return backbone, features
        of_images = [features(image[None], layers) for image in (target, aim)]
        means = {layer: tf.add_n([tf.reduce_mean(each[layer]) for each in of_images]) / 2 for layer in layers}
        scales = {layer: tf.where(mean > 0, 1 / mean, 1.0) for layer, mean in means.items() if layer != IMAGE}
        scaled = Rescaled(backbone, scales)
        return scaled, lambda images, wanted: scaled.scaled(features(images, wanted))

    def _start(self, todo: Stages, target: tf.Tensor, aim: tf.Tensor) -> tf.Tensor:
        height, width = todo.size(tf.constant(0))
        init = self.stylizer.numbers.init
        if init != "noise":
            if init == "recolored":
                target = color.match(target, aim)
            return resize(aim if init == "style" else target, height, width)
        numbers, size = self.stylizer.numbers, self.stylizer.size
        most = around_gray(size**2, numbers.noise, self.stylizer.seed)
        return tf.reshape(tf.constant(most)[: height * width], [height, width, 3])

    def _passes(self, todo: Stages) -> Iterator[tuple[Objective, tf.Tensor, tf.Tensor]]:
        """Each objective with its first stage and the one after its last; for each of them there is a graph."""
        objectives = [self.optimizer.objective.in_pass(number + 1) for number in range(self.stylizer.numbers.passes)]
        for _, group in itertools.groupby(enumerate(objectives), lambda each: each[1].terms):
            numbers, same = zip(*group, strict=True)
            first = todo.scales + numbers[0] - 1 if numbers[0] else tf.constant(0)
            yield same[0], first, todo.scales + numbers[-1]

    def _over_stages(
        self,
        objective: Objective,
        first: tf.Tensor,
        end: tf.Tensor,
        todo: Stages,
        image: tf.Tensor,
        target: tf.Tensor,
        aim: tf.Tensor,
        networks: tuple[Backbone, Features],
    ) -> tf.Tensor:
        def stage(index: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            height, width = todo.size(index)
            content = resize(target, height, width)
            style = resize(aim, *scaled_alike(*_size(aim), tf.maximum(height, width), self.stylizer.size))
            start = resize(image, height, width)
            if self.optimizer.objective.needs_content:
                # Where a pass starts again there is no scale before, and this adds nothing.
                before = todo.size(tf.maximum(index - 1, 0))
                detailed = start + (content - resize(resize(target, *before), height, width))
                start = tf.where(index > 0, tf.clip_by_value(detailed, 0, 1), start)
            network, features = networks
            losses = objective.bind(network, Targets(self._extend(content)[None], [style[None]]), features)
            evaluate = _finite(losses_and_gradient(losses, _BATCH, tf.float32))
            start = tf.ensure_shape(self._extend(start)[None], _BATCH)
            minimum = self._minimize(evaluate, start, todo.steps[index])
            return index + 1, self._trim(minimum[0])

        return tf.while_loop(
            lambda index, _: index < end,
            stage,
            (first, image),
            shape_invariants=(tf.TensorShape([]), _PICTURE),
            parallel_iterations=1,
        )[1]

    def _minimize(self, evaluate: LossesAndGradient, start: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        if self.adam is None:
            end = lbfgs_graph(evaluate, start, steps, self.optimizer.units)
        else:
            end = adam_graph(self.adam, evaluate, start, steps, self.optimizer.bounded)
        return end if self.optimizer.bounded else tf.clip_by_value(end, 0, 1)

    def _extend(self, image: tf.Tensor) -> tf.Tensor:
        bleed = self.stylizer.numbers.bleed
        return tf.pad(image, [[bleed, bleed], [bleed, bleed], [0, 0]], "REFLECT")

    def _trim(self, image: tf.Tensor) -> tf.Tensor:
        bleed = self.stylizer.numbers.bleed
        return image[bleed:-bleed, bleed:-bleed] if bleed else image


def _once(backbone: Backbone, layers: Sequence[str]) -> Features:
    """The backbone as a function of the graph, which has its weights once however often it is called."""
    traced = as_written(lambda images: backbone(images, layers), [tf.TensorSpec(_BATCH, tf.float32)])

    def features(images: tf.Tensor, wanted: Iterable[str]) -> dict[str, tf.Tensor]:
        found = traced(images)
        return {layer: found[layer] for layer in wanted}

    return features


def _finite(evaluate: LossesAndGradient) -> LossesAndGradient:
    """`evaluate`, which stops the graph where a loss is not a finite number."""

    def checked(images: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values, gradient = evaluate(images, step)
        total = tf.debugging.check_numerics(tf.add_n(list(values.values())), "the loss is not finite")
        with tf.control_dependencies([total]):
            return values, tf.identity(gradient)

    return checked


def _checked_size(image: tf.Tensor, name: str) -> tf.Tensor:
    height, width = _size(image)
    message = f"{name} is {{}} x {{}} pixels (width x height); expected at least {MIN_SIDE} on each side"
    with tf.control_dependencies([require(tf.minimum(height, width) >= MIN_SIDE, message, width, height)]):
        return tf.identity(image)


def _size(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    height, width, _ = tf.unstack(tf.shape(image))
    return height, width
