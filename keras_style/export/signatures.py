"""Signatures of an exported model: float tensors, 8-bit tensors and encoded image files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_style.export.decoding import decode, size_of, to_float
from keras_style.export.graph_checks import refuse_unless
from keras_style.export.limits import LEAST_PIXELS, Limits
from keras_style.export.painter_call import checked_strength, checked_weights, weights_of_names
from keras_style.internal.tensorflow import tf

DEFAULT, BYTES, UINT8 = "serving_default", "serving_bytes", "serving_uint8"
Size = tuple[int, int]
Pixels = Callable[[Any, Any], Any]  # from height and width to a number, int64


@dataclass(frozen=True)
class Encoding:
    """Format of the encoded images in a response.

    Args:
        format: "png" or "jpeg" (without chroma subsampling).
        quality: 1 to 100, of JPEG.
    """

    format: str = "png"
    quality: int = 95

    def encode(self, image: Any) -> Any:
        """Encode float32 (H, W, 3) in [0, 1] as a file."""
        pixels = to_uint8(image)
        if self.format == "png":
            return tf.io.encode_png(pixels)
        return tf.io.encode_jpeg(pixels, format="rgb", quality=self.quality, chroma_downsampling=False)


def to_uint8(image: Any) -> Any:
    """Round each value to the nearest of the 256 levels, as `images.to_pil` does."""
    return tf.cast(tf.floor(image * 255 + 0.5), tf.uint8)


def generator_endpoints(
    translate: Callable[[Any], Any], limits: Limits, encoding: Encoding, size: Size | None, pixels: Pixels
) -> dict[str, Any]:
    """Signatures `image` -> `image` and `image_bytes` -> `image_bytes`.

    Args:
        translate: float32 (B, H, W, 3) in [0, 1] to the same.
        limits: limits of a request.
        encoding: format of the responses to encoded images.
        size: height and width of all tensors; encoded images are resized to it. None takes any, and encoded images of
            different sizes in one request are answered in theirs, one after the other.
        pixels: from height and width of a picture to the pixels that are computed for it.

    Returns:
        A `tf.function` for each name of a signature.
    """
    height, width = size or (None, None)
    shape = (None, height, width, 3)

    def tensors(image: Any) -> Any:
        image = _checked_tensor(image, "image", shape, limits.max_pixels, pixels)
        return translate(_to_float(image, "image"))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    def floats(image: Any) -> dict[str, Any]:
        return {"image": tensors(image)}

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8, name="image")])
    def eight_bits(image: Any) -> dict[str, Any]:
        return {"image": to_uint8(tensors(image))}

    def one_by_one(image_bytes: Any) -> Any:
        image_bytes = _checked_sum(image_bytes, "image_bytes", limits, pixels)
        return _each(lambda data: encoding.encode(translate(decode(data, "image_bytes", limits)[None])[0]), image_bytes)

    def at_once(image_bytes: Any) -> Any:
        fitted = tf.TensorSpec((height, width, 3), tf.float32)
        images = _each(lambda data: _resized(decode(data, "image_bytes", limits), size), image_bytes, fitted)
        return _each(encoding.encode, translate(images))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def files(image_bytes: Any) -> dict[str, Any]:
        least = pixels(*size) if size else LEAST_PIXELS
        image_bytes = _checked_files(image_bytes, "image_bytes", limits.max_pixels, least)
        return {"image_bytes": one_by_one(image_bytes) if size is None else at_once(image_bytes)}

    return {DEFAULT: floats, BYTES: files, UINT8: eight_bits}


def pair_endpoints(
    stylize: Callable[[Any, Any, Any], Any], steps: int, limits: Limits, encoding: Encoding, painted: int
) -> dict[str, Any]:
    """Signatures `content`, `style` -> `image` and the same of encoded images, each with an optional `steps`.

    Examples are computed one after the other. The images of a float or 8-bit batch have one size, and so have the
    results; encoded ones may have different sizes.

    Args:
        stylize: content (H, W, 3) and style (H', W', 3), float32 in [0, 1], and an int32 scalar, to float32 (h, w, 3)
            in [0, 1].
        steps: what stands in for a `steps` that is not sent.
        limits: limits of a request.
        encoding: format of the responses to encoded images.
        painted: pixels of a painted picture, at most.

    Returns:
        A `tf.function` for each name of a signature.
    """
    together = max(limits.max_pixels, painted)
    default = tf.constant(steps, tf.int32)
    of_steps = tf.TensorSpec((), tf.int32, name="steps")

    def images_of(name: str, dtype: Any) -> Any:
        return tf.TensorSpec((None, None, None, 3), dtype, name=name)

    def tensors(content: Any, style: Any, steps: Any) -> Any:
        content = _checked_tensor(content, "content", (None, None, None, 3), limits.max_pixels, _as_given)
        content = _checked_count(content, "content", together, painted)
        style = _checked_tensor(style, "style", (None, None, None, 3), limits.max_pixels, _as_given)
        content = _as_many(content, style, "content", "style")
        steps = _checked_steps(steps, max(limits.max_steps, int(default)))
        pairs = (_to_float(content, "content"), _to_float(style, "style"))
        result = tf.TensorSpec((None, None, 3), tf.float32)
        return _each(lambda pair: stylize(pair[0], pair[1], steps), pairs, result)

    @tf.function(
        autograph=False, input_signature=[images_of("content", tf.float32), images_of("style", tf.float32), of_steps]
    )
    def floats(content: Any, style: Any, steps: Any = default) -> dict[str, Any]:
        return {"image": tensors(content, style, steps)}

    @tf.function(
        autograph=False, input_signature=[images_of("content", tf.uint8), images_of("style", tf.uint8), of_steps]
    )
    def eight_bits(content: Any, style: Any, steps: Any = default) -> dict[str, Any]:
        return {"image": to_uint8(tensors(content, style, steps))}

    strings = [tf.TensorSpec((None,), tf.string, name=name) for name in ("content_bytes", "style_bytes")]

    @tf.function(autograph=False, input_signature=[*strings, of_steps])
    def files(content_bytes: Any, style_bytes: Any, steps: Any = default) -> dict[str, Any]:
        content_bytes = _checked_files(content_bytes, "content_bytes", together, max(painted, LEAST_PIXELS))
        content_bytes = _as_many(content_bytes, style_bytes, "content_bytes", "style_bytes")
        content_bytes = _checked_sum(content_bytes, "content_bytes", limits, _as_given)
        style_bytes = _checked_sum(style_bytes, "style_bytes", limits, _as_given)
        steps = _checked_steps(steps, max(limits.max_steps, int(default)))

        def one(pair: Any) -> Any:
            content, style = decode(pair[0], "content_bytes", limits), decode(pair[1], "style_bytes", limits)
            return encoding.encode(stylize(content, style, steps))

        return {"image_bytes": _each(one, (content_bytes, style_bytes))}

    return {DEFAULT: floats, BYTES: files, UINT8: eight_bits}


def painter_endpoints(
    paint: Callable[[Any, Any, Any], Any],
    names: list[str],
    limits: Limits,
    encoding: Encoding,
    size: Size | None,
    pixels: Pixels,
) -> dict[str, Any]:
    """Signatures `image`, `style_weights`, `strength` -> `image`, and of encoded images with the name of a `style`.

    Args:
        paint: what `painter_call` makes.
        names: of the styles in their order.
        limits, encoding, size, pixels: of `generator_endpoints`.

    Returns:
        A `tf.function` for each name of a signature.
    """
    height, width = size or (None, None)
    shape = (None, height, width, 3)
    full = tf.constant(1.0)
    of_weights = tf.TensorSpec(None, tf.float32, name="style_weights")
    of_strength = tf.TensorSpec((), tf.float32, name="strength")

    def tensors(image: Any, style_weights: Any, strength: Any) -> Any:
        image = _checked_tensor(image, "image", shape, limits.max_pixels, pixels)
        weights = checked_weights(style_weights, tf.shape(image)[0], len(names))
        return paint(_to_float(image, "image"), weights, checked_strength(strength))

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32, name="image"), of_weights, of_strength]
    )
    def floats(image: Any, style_weights: Any, strength: Any = full) -> dict[str, Any]:
        return {"image": tensors(image, style_weights, strength)}

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8, name="image"), of_weights, of_strength]
    )
    def eight_bits(image: Any, style_weights: Any, strength: Any = full) -> dict[str, Any]:
        return {"image": to_uint8(tensors(image, style_weights, strength))}

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None,), tf.string, name="image_bytes"),
            tf.TensorSpec(None, tf.string, name="style"),
            of_strength,
        ],
    )
    def files(image_bytes: Any, style: Any, strength: Any = full) -> dict[str, Any]:
        least = pixels(*size) if size else LEAST_PIXELS
        image_bytes = _checked_files(image_bytes, "image_bytes", limits.max_pixels, least)
        if size is None:
            image_bytes = _checked_sum(image_bytes, "image_bytes", limits, pixels)
        weights = weights_of_names(style, tf.size(image_bytes), names)
        strength = checked_strength(strength)

        def one(pair: Any) -> Any:
            image = decode(pair[0], "image_bytes", limits)
            image = image if size is None else _resized(image, size)
            return encoding.encode(paint(image[None], pair[1][None], strength)[0])

        return {"image_bytes": _each(one, (image_bytes, weights))}

    return {DEFAULT: floats, BYTES: files, UINT8: eight_bits}


def describe(signature: Any) -> dict[str, Mapping[str, Any]]:
    """Inputs and outputs of a signature as JSON values."""

    def plain(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {"dtype": spec.dtype.name, "shape": None if spec.shape.rank is None else spec.shape.as_list()}
            for name, spec in specs.items()
        }

    concrete = signature.get_concrete_function()
    inputs = {spec.name: spec for spec in concrete.structured_input_signature[0]}
    return {"inputs": plain(inputs), "outputs": plain(concrete.structured_outputs)}


def _each(function: Callable[[Any], Any], elements: Any, result: Any = tf.string) -> Any:
    # One at a time: a request's memory is that of its largest image, and each fills all cores anyway.
    return tf.map_fn(function, elements, fn_output_signature=result, parallel_iterations=1)


def _as_given(height: Any, width: Any) -> Any:
    return height * width


def _checked_tensor(images: Any, name: str, shape: tuple[int | None, ...], most: int, pixels: Pixels) -> Any:
    """Images of which `pixels` computes at most `most` in all."""
    # TensorFlow Serving does not compare what comes with the signature.
    images = tf.ensure_shape(images, shape)
    sides = tf.shape(images, out_type=tf.int64)
    count, height, width = sides[0], sides[1], sides[2]
    came = [f"{name}: ", count, " images of ", width, " x ", height, " pixels; expected "]
    images = refuse_unless(tf.reduce_all(sides > 0), [*came, "at least 1 of each"], images)
    computed = pixels(height, width)
    refusal = [*came, f"at most {most} in all, where each takes as many as ", computed]
    return refuse_unless(count * computed <= most, refusal, images)


def _checked_count(images: Any, name: str, most: int, least: Any) -> Any:
    """As many images as are allowed if each takes `least` pixels."""
    count = tf.shape(images, out_type=tf.int64)[0]
    allowed = tf.maximum(most // tf.cast(least, tf.int64), 1)
    return refuse_unless(count <= allowed, [f"{name}: ", count, " images; expected at most ", allowed], images)


def _to_float(images: Any, name: str) -> Any:
    if images.dtype == tf.uint8:
        return to_float(images)
    least, most = tf.reduce_min(images), tf.reduce_max(images)
    refusal = [f"{name}: values from ", least, " to ", most, "; expected [0, 1]"]
    return refuse_unless((least >= 0) & (most <= 1), refusal, images)


def _checked_files(data: Any, name: str, most: int, least: Any) -> Any:
    data = tf.ensure_shape(data, (None,))
    data = refuse_unless(tf.size(data) > 0, [f"{name}: 0 images; expected at least 1"], data)
    return _checked_count(data, name, most, least)


def _checked_sum(data: Any, name: str, limits: Limits, pixels: Pixels) -> Any:
    """Files that are not too large together, by their headers."""
    count, length = tf.size(data), tf.reduce_sum(tf.strings.length(data))
    refusal = [f"{name}: ", count, " images of ", length, f" bytes in all; expected at most {limits.max_bytes}"]
    data = refuse_unless(length <= limits.max_bytes, refusal, data)
    computed = tf.reduce_sum(
        _each(lambda each: pixels(*tf.unstack(size_of(each, name, limits), num=2)), data, tf.TensorSpec((), tf.int64))
    )
    refusal = [f"{name}: ", count, " images take ", computed, f" pixels; expected at most {limits.max_pixels} in all"]
    return refuse_unless(computed <= limits.max_pixels, refusal, data)


def _as_many(first: Any, second: Any, name: str, other: str) -> Any:
    counts = [tf.shape(tensor)[0] for tensor in (first, second)]
    refusal = [f"{name}: ", counts[0], f" images, {other}: ", counts[1], "; expected as many"]
    return refuse_unless(counts[0] == counts[1], refusal, first)


def _checked_steps(steps: Any, most: int) -> Any:
    steps = tf.ensure_shape(steps, ())
    return refuse_unless((steps >= 1) & (steps <= most), ["steps: ", steps, f"; expected 1 to {most}"], steps)


def _resized(image: Any, size: Size | None) -> Any:
    # A Lanczos window as wide as the reduction asks for, as `keras_style.images.resize`; it overshoots at edges.
    return tf.clip_by_value(tf.image.resize(image, size, "lanczos3", antialias=True), 0, 1)
