"""Layers that generators need and Keras does not have, or not as fast: normalization, reflection, enlargement."""

from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf

Padding = tuple[tuple[int, int], tuple[int, int]]
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("keras_style")
class InstanceNormalization(keras.layers.Layer):
    """Zero mean and unit variance for every channel of every image, over its height and width.

    y = (x - mean) / sqrt(variance + epsilon), with the biased variance, in training as in inference: there are no
    running statistics. Under a float16 or bfloat16 policy it is computed in float32, whose variance does not overflow.

    `keras.layers.GroupNormalization(groups=-1)` computes the same, and forgets the -1 once it is built.

    Args:
        epsilon: added to the variance, in squared units of the input; 1e-5 as in PyTorch's InstanceNorm2d.
        center: learn an offset for every channel, zero at the start.
        scale: learn a factor for every channel. CycleGAN's program in PyTorch has neither of the two, that of the
            paper, in Torch, has both (`util/InstanceNormalization.lua` of junyanz/CycleGAN @40b4498).
        gamma_initializer: the factors' start, for `keras.initializers.get`.

    Call arguments: `inputs` (B, H, W, C); any H and W, known or not.

    Returns:
        A tensor of the shape of `inputs`, in the layer's compute dtype.

    Raises:
        InputError: an epsilon that is not above 0, a switch that is not a bool, or inputs other than (B, H, W, C).

    Example:
        >>> features = np.random.default_rng(0).random((1, 32, 32, 64), "float32")
        >>> normalized = keras_style.layers.InstanceNormalization()(features)

    Reference: Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016, equation 4.
    """

    def __init__(
        self,
        epsilon: float = 1e-5,
        center: bool = False,
        scale: bool = False,
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = checks.number("epsilon", epsilon, low=1e-12)
        self.center = checks.truth("center", center)
        self.scale = checks.truth("scale", scale)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.autocast = False  # float32 inputs are not to lose digits on their way in

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise InputError(f"{self.name}: inputs of shape {input_shape}; expected (B, H, W, C) with a known C")
        channels = (input_shape[-1],)
        start = self.gamma_initializer
        self.gamma = self.add_weight(shape=channels, initializer=start, name="gamma") if self.scale else None
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta") if self.center else None

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(inputs, "float64" if self.compute_dtype == "float64" else "float32")
        images = inputs.shape[0]
        if wide.dtype == tf.float32 and images is not None and 1 <= images <= _ONE_BY_ONE:
            gamma, beta = (None if each is None else tf.cast(each, wide.dtype) for each in (self.gamma, self.beta))
            parts = [_normalized_image(part, gamma, beta, self.epsilon) for part in tf.split(wide, images)]
            return tf.cast(tf.concat(parts, axis=0) if images > 1 else parts[0], self.compute_dtype)
        centered = wide - tf.reduce_mean(wide, axis=[1, 2], keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=[1, 2], keepdims=True)
        return self.scaled(centered, variance)

    def scaled(self, centered: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """The answer to inputs less their mean, and the variance that they have."""
        gamma, beta = (None if each is None else tf.cast(each, centered.dtype) for each in (self.gamma, self.beta))
        factor = tf.math.rsqrt(variance + self.epsilon)
        outputs = centered * (factor if gamma is None else factor * gamma)
        return tf.cast(outputs if beta is None else outputs + beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }


_ONE_BY_ONE = 4  # images, ours: a larger batch is normalized at once, to keep the graph small


def _normalized_image(image: tf.Tensor, gamma: tf.Tensor | None, beta: tf.Tensor | None, epsilon: float) -> tf.Tensor:
    """One image (1, H, W, C) by TensorFlow's fused batch normalization, which is the same for a batch of one.

    With its gradient it takes half the time of the sums written out. `tf.nn.fused_batch_norm` would change epsilon.
    """
    channels, nothing = image.shape[-1], tf.zeros([0])  # statistics of earlier batches, of which there are none
    return tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=tf.ones([channels]) if gamma is None else gamma,
        offset=tf.zeros([channels]) if beta is None else beta,
        mean=nothing,
        variance=nothing,
        epsilon=epsilon,
        is_training=True,
    )[0]


@keras.saving.register_keras_serializable("keras_style")
class ConditionalInstanceNormalization(keras.layers.Layer):
    """Instance normalization whose factors and offsets come from outside: they are the style.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta for every channel of every image. Gamma and beta are the
    numbers `start` to `start` + C and `start` + C to `start` + 2 C of a row, in which all the normalizations of a
    network have their places.

    Args:
        start: where in the row the numbers of this layer begin.
        epsilon: added to the variance, in squared units of the input.

    Call arguments: `inputs`: images (B, H, W, C), any H and W, known or not; and rows (B or 1, N), a row for each image
        or one for all.

    Returns:
        A tensor of the shape of the images, in the layer's compute dtype.

    Raises:
        InputError: a start that is no whole number, an epsilon that is not above 0, or other inputs.

    Example:
        >>> random = np.random.default_rng(0)
        >>> features, row = random.random((1, 32, 32, 8), "float32"), random.random((1, 16), "float32")
        >>> styled = keras_style.layers.ConditionalInstanceNormalization()([features, row])

    Reference: Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017, equation 5.
    """

    def __init__(self, start: int = 0, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = checks.whole("start", start, 0, 10**9)
        self.epsilon = checks.number("epsilon", epsilon, low=1e-12)
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        images, rows = input_shape
        if len(images) != 4 or images[-1] is None or len(rows) != 2 or (rows[1] or 0) < self.start + 2 * images[-1]:
            raise InputError(
                f"{self.name}: inputs of shapes {tuple(images)} and {tuple(rows)}; expected (B, H, W, C) with a known "
                f"C, and rows of at least {self.start} + 2 C numbers"
            )

    def call(self, inputs: Any) -> tf.Tensor:
        images, rows = inputs
        wide = tf.cast(images, "float64" if self.compute_dtype == "float64" else "float32")
        count = images.shape[0]
        if wide.dtype == tf.float32 and count is not None and 1 <= count <= _ONE_BY_ONE:
            parts = []
            for number, part in enumerate(tf.split(wide, count)):
                row = rows[number : number + 1] if rows.shape[0] != 1 else rows
                gamma, beta = (tf.reshape(each, [-1]) for each in self.numbers(row, wide))
                parts.append(_normalized_image(part, gamma, beta, self.epsilon))
            return tf.cast(tf.concat(parts, axis=0) if count > 1 else parts[0], self.compute_dtype)
        centered = wide - tf.reduce_mean(wide, axis=[1, 2], keepdims=True)
        return self.scaled(centered, tf.reduce_mean(tf.square(centered), axis=[1, 2], keepdims=True), rows)

    def numbers(self, rows: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gamma and beta, each (B or 1, C), for images (B, H, W, C) in their dtype."""
        middle, end = self.start + images.shape[-1], self.start + 2 * images.shape[-1]
        return tf.cast(rows[:, self.start : middle], images.dtype), tf.cast(rows[:, middle:end], images.dtype)

    def scaled(self, centered: tf.Tensor, variance: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The answer to images less their mean, the variance that they have, and rows."""
        gamma, beta = (each[:, None, None] for each in self.numbers(rows, centered))
        return tf.cast(centered * (tf.math.rsqrt(variance + self.epsilon) * gamma) + beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("keras_style")
class ReflectionPadding2D(keras.layers.Layer):
    """Extend images by their mirror image; the edge itself is not repeated: d c b | a b c d | c b a.

    Args:
        padding: pixels, as in `keras.layers.ZeroPadding2D`: one number for all sides, (height, width), or
            ((top, bottom), (left, right)).

    Call arguments: `inputs` (B, H, W, C); any H and W above the padding, known or not.

    Returns:
        A tensor (B, top + H + bottom, left + W + right, C).

    Raises:
        InputError: padding of another form, or as wide as the images or wider. Where the size is known only when the
            graph runs, TensorFlow raises `tf.errors.InvalidArgumentError` then.

    Example:
        >>> features = np.random.default_rng(0).random((1, 32, 32, 64), "float32")
        >>> keras_style.layers.ReflectionPadding2D(3)(features).shape
        TensorShape([1, 38, 38, 64])
    """

    def __init__(self, padding: int | tuple[Any, Any] = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs(padding)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        self.compute_output_shape(tuple(inputs.shape))  # refuses what is too small
        return tf.pad(inputs, ((0, 0), *self.padding, (0, 0)), mode="REFLECT")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4:
            raise InputError(f"{self.name}: inputs of shape {input_shape}; expected (B, H, W, C)")
        batch, height, width, channels = input_shape
        return batch, self._padded("height", height, 0), self._padded("width", width, 1), channels

    def _padded(self, name: str, size: int | None, axis: int) -> int | None:
        before, after = self.padding[axis]
        if size is None:
            return None
        if size <= max(before, after):
            raise InputError(
                f"{self.name}: a {name} of {size} cannot be reflected by {max(before, after)} pixels; "
                f"expected at least {max(before, after) + 1}"
            )
        return before + size + after

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


def _pairs(padding: Any) -> Padding:
    """((top, bottom), (left, right)) from any of the accepted forms."""
    sides = padding if isinstance(padding, list | tuple) else (padding, padding)
    pairs = [side if isinstance(side, list | tuple) else (side, side) for side in sides]
    if [len(pair) for pair in pairs] != [2, 2]:
        raise InputError(
            f"padding is {checks.shown(padding)}; expected a number, (height, width) or ((top, bottom), (left, right))"
        )
    (top, bottom), (left, right) = [[checks.whole("padding", side, 0, 10**6) for side in pair] for pair in pairs]
    return (top, bottom), (left, right)


# Of Keras's name: by names of classes its files tell the weights of layers apart.
@keras.saving.register_keras_serializable("keras_style")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that computes neighbouring columns as if they were filters.

    A processor works on 8 or 16 filters at a time; of a convolution to RGB, most of that is lost. With four columns at
    once, by the kernel in four positions side by side, it takes half the time, to the same bits.

    Args:
        filters, kernel_size: of `keras.layers.Conv2D`.
        columns: computed at once.
        kwargs: of `keras.layers.Conv2D`, but for strides, dilation, groups, padding and the order of axes.

    Call arguments: `inputs` (B, H, W, C); W of the answer a multiple of `columns`.

    Returns:
        A tensor (B, H - kernel height + 1, W - kernel width + 1, filters).

    Raises:
        InputError: columns that are not a whole number from 1 on, or an answer of another width. Where that is known
            only when the graph runs, `tf.errors.InvalidArgumentError` then.

    Example:
        >>> features = np.random.default_rng(0).random((1, 38, 38, 64), "float32")
        >>> keras_style.layers.Conv2D(3, 7, columns=4)(features).shape
        TensorShape([1, 32, 32, 3])
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], columns: int = 1, **kwargs: Any) -> None:
        if fixed := _OF_OTHER_CONVOLUTIONS.intersection(kwargs):
            raise InputError(f"arguments {', '.join(sorted(fixed))}; expected keras.layers.Conv2D for these")
        super().__init__(filters, kernel_size, data_format="channels_last", **kwargs)
        self.columns = checks.whole("columns", columns, 1, 1000)

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        shape = self.compute_output_shape(tuple(inputs.shape))
        width = shape[2]
        complaint = f"{self.name}: expected an answer whose width is a multiple of columns={self.columns}; its width is"
        if width is None:
            width = tf.shape(inputs)[2] - self.kernel_size[1] + 1
            with tf.control_dependencies([tf.debugging.Assert(width % self.columns == 0, [complaint, width])]):
                inputs = tf.identity(inputs)
        elif width % self.columns:
            raise InputError(f"{complaint} {width}")
        free = self.columns - 1
        positions = [tf.pad(kernel, [(0, 0), (at, free - at), (0, 0), (0, 0)]) for at in range(self.columns)]
        together = tf.nn.conv2d(inputs, tf.concat(positions, axis=-1), [1, 1, self.columns, 1], "VALID")
        sides = tf.shape(together)
        return tf.ensure_shape(tf.reshape(together, [sides[0], sides[1], width, self.filters]), shape)

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if key not in _OF_OTHER_CONVOLUTIONS}
        return {**config, "columns": self.columns}


_OF_OTHER_CONVOLUTIONS = {"strides", "padding", "data_format", "dilation_rate", "groups"}


@keras.saving.register_keras_serializable("keras_style")
class CutStart2D(keras.layers.Layer):
    """Leave out the first row and the first column.

    Like `keras.layers.Cropping2D(((1, 0), (1, 0)))`, whose gradient takes four times as long.

    Call arguments: `inputs` (B, H, W, C); any H and W from 2 on, known or not.

    Returns:
        A tensor (B, H - 1, W - 1, C).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.slice(inputs, [0, 1, 1, 0], [-1, -1, -1, -1])
        return tf.ensure_shape(outputs, self.compute_output_shape(tuple(inputs.shape)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        return batch, None if height is None else height - 1, None if width is None else width - 1, channels


@keras.saving.register_keras_serializable("keras_style")
class BilinearUpSampling2D(keras.layers.Layer):
    """Enlarge by bilinear interpolation: with a convolution after it, upsampling that leaves no checkerboard.

    Pixels are squares and their centers are interpolated, as in PyTorch with `align_corners=False`.
    `keras.layers.UpSampling2D(interpolation="bilinear")` computes the same, and fails where H or W is not known.

    Args:
        size: how many times as high and wide.

    Call arguments: `inputs` (B, H, W, C); any H and W, known or not.

    Returns:
        A tensor (B, size * H, size * W, C).

    Raises:
        InputError: a size that is not a whole number from 1 on, or inputs other than (B, H, W, C).

    Example:
        >>> features = np.random.default_rng(0).random((1, 32, 32, 64), "float32")
        >>> keras_style.layers.BilinearUpSampling2D(2)(features).shape
        TensorShape([1, 64, 64, 64])

    Reference: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = checks.whole("size", size, 1, 1000)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = self.compute_output_shape(tuple(inputs.shape))
        height_and_width = self.size * tf.shape(inputs)[1:3] if None in shape[1:3] else shape[1:3]
        resized = tf.image.resize(inputs, height_and_width, "bilinear")  # always float32
        return tf.cast(tf.ensure_shape(resized, shape), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4:
            raise InputError(f"{self.name}: inputs of shape {input_shape}; expected (B, H, W, C)")
        batch, height, width, channels = input_shape
        larger = [None if side is None else self.size * side for side in (height, width)]
        return batch, larger[0], larger[1], channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
