"""A painter as a graph for pictures of any size, with its weights as constants and the style as an input."""

from typing import Any

from keras_style.export.generator_graph import reflected
from keras_style.export.graph_checks import refuse_unless
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.painter_network import MINIMUM
from keras_style.models.transformation import MULTIPLE


def painter_call(painter: Any, one_by_one: bool) -> Any:
    """`Painter.paint` as a graph.

    Args:
        painter: a `Painter`.
        one_by_one: pictures go through the network one after the other, each normalized by the operation that Python
            takes for a single picture; False: all together, for formats that know no loops.

    Returns:
        A `tf.function` from float32 (B, H, W, 3) in [0, 1], style weights (B, S) that add up to 1, and the strength, a
        scalar, to pictures like the first; any B, H and W.
    """
    weights = [(variable, variable.numpy()) for variable in painter.network.weights]
    rows = painter.table.rows.numpy()

    def brushed(images: Any, row: Any) -> Any:
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in weights]):
            return tf.cast(painter.network([images, row], training=False), tf.float32)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float32),
            tf.TensorSpec((None, len(rows)), tf.float32),
            tf.TensorSpec((), tf.float32),
        ],
    )
    def paint(images: Any, style_weights: Any, strength: Any) -> Any:
        height, width = (tf.shape(images)[axis] for axis in (1, 2))
        extended = images
        for axis, side in ((1, height), (2, width)):
            extended = tf.gather(extended, reflected(side, MULTIPLE, MINIMUM), axis=axis)
        row = tf.matmul(style_weights, tf.constant(rows))
        if one_by_one:
            answer = tf.map_fn(
                lambda pair: brushed(pair[0][None], pair[1][None])[0],
                (extended, row),
                fn_output_signature=tf.TensorSpec((None, None, 3), tf.float32),
                parallel_iterations=1,
            )
        else:
            answer = brushed(extended, row)
        answer = answer[:, :height, :width]
        mixed = tf.clip_by_value(images + strength * (answer - images), 0, 1)
        return tf.ensure_shape(mixed, (None, None, None, 3))

    return paint


def checked_weights(style_weights: Any, count: Any, styles: int) -> Any:
    """Weights (B, S) that add up to 1, of weights (S,) or (B, S) for B images."""
    rank = tf.rank(style_weights)
    shape = tf.shape(style_weights)
    came = ["style_weights: shape ", _listed(shape)]
    expected = f"; expected ({styles},) or (number of images, {styles})"
    fits = (rank >= 1) & (rank <= 2) & (shape[-1] == styles)
    style_weights = refuse_unless(fits, [*came, expected], style_weights)
    given = tf.reshape(style_weights, (-1, styles))
    rows = tf.shape(given)[0]
    given = refuse_unless((rows == 1) | (rows == count), [*came, f"{expected}, and the images are ", count], given)
    total = tf.reduce_sum(given, axis=1, keepdims=True)
    positive = tf.reduce_all(given >= 0) & tf.reduce_all(total > 0) & tf.reduce_all(tf.math.is_finite(given))
    given = refuse_unless(
        positive, ["style_weights: ", _listed(given), "; expected numbers of at least 0, one above 0"], given
    )
    return tf.broadcast_to(given / total, (count, styles))


def _listed(values: Any) -> Any:
    flat = tf.reshape(values, [-1])
    texts = flat if flat.dtype == tf.string else tf.strings.as_string(flat, shortest=flat.dtype.is_floating)
    return tf.strings.reduce_join(texts, separator=", ")


def checked_strength(strength: Any) -> Any:
    """A strength from 0 to 1."""
    strength = tf.ensure_shape(strength, ())
    return refuse_unless((strength >= 0) & (strength <= 1), ["strength: ", strength, "; expected 0 to 1"], strength)


def weights_of_names(style: Any, count: Any, names: list[str]) -> Any:
    """Weights (B, S) of names, a string scalar or (B,), for B images."""
    given = tf.reshape(style, [-1])
    sizes = tf.shape(given)[0]
    refusal = ["style: ", sizes, " names for ", count, " images; expected one, or one for each"]
    given = refuse_unless((sizes == 1) | (sizes == count), refusal, given)
    same = tf.equal(given[:, None], tf.constant(names))
    known = tf.reduce_all(tf.reduce_any(same, axis=1))
    same = refuse_unless(known, ["style: ", _listed(given), f"; expected some of {', '.join(names)}"], same)
    return tf.broadcast_to(tf.cast(same, tf.float32), (count, len(names)))
