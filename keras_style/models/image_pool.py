"""The image pool: discriminators see generated images of earlier steps, too."""

from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf

Shape = tuple[int | None, ...]

_OUTSIDE = tf.float32.max  # in the place of pixels beyond an image that is smaller than others


@keras.saving.register_keras_serializable("keras_style")
class ImagePool(keras.layers.Layer):
    """Some of the images that went in before, in place of some of those that come in.

    Until the pool is full, every image is stored and returned. Then each image is, with probability 1/2, stored in the
    place of one drawn uniformly, which is returned; otherwise it is returned itself. A batch is taken image by image.

    All state is in two variables, the stored images and how many have come in so far. The random numbers are a function
    of the seed and of that count, so whoever restores the variables goes on exactly. Under a `tf.distribute` strategy
    there is one pool, which takes the images of all replicas in their order.

    Args:
        size: how many images are stored; 50 in the paper, section 4. 0: images go through as they are.
        seed: of the draws.

    Call arguments: `images` (B, H, W, C). The first call fixes H, W and C. In a graph that does not know its size, a
    single image may be smaller, and so may then be the one that is returned.

    Returns:
        Images of the same shape in float32, through which no gradient goes.

    Raises:
        InputError: a size or seed that is no whole number, images whose H, W and C are not known beforehand, or not
            those of the stored ones.

    Example:
        >>> images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
        >>> pool = keras_style.models.ImagePool(50, seed=0)
        >>> scores = keras_style.models.PatchDiscriminator(seed=0)(pool(images))

    Reference: Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR
    2017, section 2.3; the rule: `util/image_pool.py` of junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(self, size: int = 50, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = checks.whole("size", size, 0, 10**6)
        self.seed = checks.whole("seed", seed, 0, 2**32 - 1)
        self.autocast = False  # stored images keep the digits that they come with
        self.built = not self.size

    def build(self, input_shape: Shape) -> None:
        shape = tuple(input_shape)[1:]
        if len(shape) != 3 or None in shape:
            raise InputError(
                f"{self.name}: images of shape {tuple(input_shape)}; expected (B, H, W, C) with H, W and C known: "
                "crop them to one size, or take size=0"
            )
        # Not cast under a mixed precision either, be it this layer's, its model's or everyone's.
        state = {"trainable": False, "initializer": "zeros", "aggregation": "only_first_replica", "autocast": False}
        self.stored = self.add_weight(shape=(self.size, *shape), dtype="float32", name="stored", **state)
        self.seen = self.add_weight(shape=(), dtype="int64", name="seen", **state)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.stop_gradient(tf.cast(images, "float32"))
        if not self.size:
            return images
        if images.shape[0] == 1 and images.shape[1:3].as_list() == [None, None]:
            return self._exchange_smaller(images)
        if images.shape[1:] != self.stored.shape[1:]:
            raise InputError(
                f"{self.name}: images of shape {tuple(images.shape)[1:]}; it holds images of shape "
                f"{tuple(self.stored.shape)[1:]}, and the size cannot change"
            )
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return self._exchange(images)
        # Each replica adds its images to zeros, at its own place: a gathering that needs nothing but a sum.
        own, count = tf.shape(images)[0], replica.num_replicas_in_sync
        mine = tf.one_hot(replica.replica_id_in_sync_group, count)[:, None, None, None, None]
        gathered = replica.all_reduce(tf.distribute.ReduceOp.SUM, mine * images[None])
        everyone = self._exchange(tf.reshape(gathered, tf.concat([[count * own], tf.shape(images)[1:]], axis=0)))
        begin = replica.replica_id_in_sync_group * own
        return tf.ensure_shape(everyone[begin : begin + own], images.shape)

    def _exchange(self, images: tf.Tensor) -> tf.Tensor:
        """One after the other, as the rule says, without a loop: `last` finds whom an image meets in its place."""
        stored, seen = self.stored.value, tf.identity(self.seen.value)
        order = tf.range(tf.shape(images)[0])
        place, enters, full = self.draw(seen, tf.shape(images)[0])

        def last(candidates: tf.Tensor) -> tf.Tensor:
            return tf.reduce_max(tf.where(candidates, order[None], -1), axis=1)

        def image(source: tf.Tensor) -> tf.Tensor:
            came = tf.gather(images, tf.maximum(source, 0))
            return tf.where(source[:, None, None, None] >= 0, came, tf.gather(stored, place))

        rivals = enters[None] & (place[None] == place[:, None])
        met = image(last(rivals & (order[None] < order[:, None])))  # what is in the place before this image
        left = image(last(rivals))  # and what is there in the end: whoever writes it, writes the same
        returned = tf.where((enters & full)[:, None, None, None], met, images)
        self.stored.value.scatter_update(tf.IndexedSlices(left, place))
        self.seen.value.assign(seen + tf.cast(tf.shape(images)[0], "int64"))
        return returned

    def _exchange_smaller(self, images: tf.Tensor) -> tf.Tensor:
        free = self.stored.shape[1:3] - tf.shape(images)[1:3]
        padding = [[0, 0], [0, free[0]], [0, free[1]], [0, 0]]
        returned = self._exchange(tf.pad(images, padding, constant_values=_OUTSIDE))
        inside = tf.cast(returned[0, :, :, 0] < _OUTSIDE, "int32")
        return returned[:, : tf.reduce_sum(inside[:, 0]), : tf.reduce_sum(inside[0])]

    def draw(self, seen: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draw for each of the next `count` images its place, whether it enters, and whether the pool is full by then.

        Args:
            seen: number of images that came in before, int64.
            count: number of images that come in together.
        """
        number = seen + tf.range(tf.cast(count, "int64"))
        full = number >= self.size
        # One number decides both: below `size` it is a place; the other half of the range says no. The algorithm is
        # named because the default depends on the device.
        seed = tf.stack([tf.constant(self.seed, "int64"), seen])
        drawn = tf.random.stateless_uniform([count], seed, 0, 2 * self.size, "int32", alg="philox")
        place = tf.where(full, drawn % self.size, tf.cast(tf.minimum(number, self.size - 1), "int32"))
        return place, ~full | (drawn < self.size), full

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "seed": self.seed}
