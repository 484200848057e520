"""The U-Net generator: down to a single pixel and up again, every level joined to its mirror."""

from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.image_network import CHANNELS_LAST, ImageNetwork, instance_norm, normal

SIZES = (128, 256)


@keras.saving.register_keras_serializable("keras_style")
class UNetGenerator(ImageNetwork):
    """Images to images of the same size, by halving them `log2(size)` times and joining every level on the way up.

    The geometry is that of `unet_128` and `unet_256` of the published PyTorch program, so its weights fit. Dropout,
    which CycleGAN does not use, is left out.

    Args:
        size: 128 or 256: height and width are halved seven or eight times.
        filters: of the first convolution; they double three times.
        channels: of the images that go in and come out.
        affine: instance normalization learns an offset, 0 at the start, and a factor, N(1, 0.02^2), for each channel,
            as the paper's program in Torch does; the one in PyTorch does not.
        seed: of the kernels' start, N(0, 0.02^2); None takes Keras's global seed.
        name: of the model.
        dtype: a Keras dtype policy or its name; None takes the global one. Under a mixed policy the output is float32.

    Call arguments: `images` (B, H, W, channels) in [-1, 1], H and W multiples of `size`.

    Returns:
        Images of the same shape in [-1, 1].

    Raises:
        InputError: an argument or the size of the images is not as above. Where the size is known only when the graph
            runs, `tf.errors.InvalidArgumentError` then.

    Example:
        >>> images = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype("float32")
        >>> generator = keras_style.models.UNetGenerator(size=128, seed=0)
        >>> painted = generator(images)

    Reference: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section
    6.1.1.
    """

    def __init__(
        self,
        size: int = 256,
        filters: int = 64,
        channels: int = 3,
        affine: bool = False,
        seed: int | None = None,
        name: str = "unet_generator",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if size not in SIZES:
            raise InputError(f"size is {checks.shown(size)}; expected one of {', '.join(map(str, SIZES))}")
        filters = checks.whole("filters", filters, 1, 10**5)
        channels = checks.whole("channels", channels, 1, 10**5)
        affine = checks.truth("affine", affine)
        policy = keras.dtype_policies.get(dtype)
        kernel, norm = normal(seed), instance_norm(affine, seed, policy)
        depth = int(size).bit_length() - 1
        width = {level: filters * 2 ** min(level - 1, 3) for level in range(1, depth + 1)}

        # Size 4, stride 2 and "same" put one zero on every side of an even image, as PyTorch's padding=1 does.
        def down(x: Any, filters: int, label: str) -> Any:
            return keras.layers.Conv2D(
                filters, 4, 2, padding="same", kernel_initializer=kernel(), name=label, dtype=policy, **CHANNELS_LAST
            )(x)

        def up(x: Any, filters: int, label: str) -> Any:
            x = keras.layers.ReLU(name=f"{label}_relu", dtype=policy)(x)
            return keras.layers.Conv2DTranspose(
                filters, 4, 2, padding="same", kernel_initializer=kernel(), name=label, dtype=policy, **CHANNELS_LAST
            )(x)

        def layers(images: Any) -> Any:
            levels = {1: down(images, width[1], "down_1")}
            for level in range(2, depth + 1):
                label = f"down_{level}"
                x = keras.layers.LeakyReLU(0.2, name=f"{label}_relu", dtype=policy)(levels[level - 1])
                x = down(x, width[level], label)
                levels[level] = norm(f"{label}_norm")(x) if level < depth else x  # one pixel has no variance
            x = levels[depth]
            for level in range(depth, 1, -1):
                label = f"up_{level}"
                x = norm(f"{label}_norm")(up(x, width[level - 1], label))
                x = keras.layers.Concatenate(name=f"{label}_join", dtype=policy)([levels[level - 1], x])
            return keras.layers.Activation("tanh", name="tanh", dtype=policy.variable_dtype)(up(x, channels, "up_1"))

        super().__init__(channels, layers, multiple=int(size), minimum=int(size), name=name, dtype=policy, **kwargs)
        self.size, self.filters, self.affine, self.seed = int(size), filters, affine, seed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "filters": self.filters,
            "channels": self.channels,
            "affine": self.affine,
            "seed": self.seed,
        }
