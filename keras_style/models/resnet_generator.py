"""CycleGAN's generator: two strided convolutions, residual blocks, two upsamplings."""

import functools
from typing import Any

from keras_style import checks
from keras_style.internal.tensorflow import keras
from keras_style.layers import BilinearUpSampling2D, Conv2D, CutStart2D, ReflectionPadding2D
from keras_style.models.image_network import CHANNELS_LAST, ImageNetwork, instance_norm, normal

UPSAMPLINGS = ("transposed", "resize")


@keras.saving.register_keras_serializable("keras_style")
class ResNetGenerator(ImageNetwork):
    """Images to images of the same size, by residual blocks at a quarter of the resolution.

    The geometry is that of the published PyTorch program, so its weights fit: reflection at the first and last
    convolution and in the blocks, zeros at the strided ones, no activation after a block's sum, biases everywhere.

    Args:
        blocks: residual blocks; 9 for images of 256 pixels and more, 6 below (paper, section 7.2).
        filters: of the first convolution; the blocks have four times as many.
        channels: of the images that go in and come out.
        upsampling: "transposed", a transposed convolution as in the paper, or "resize", bilinear enlargement,
            reflection by one pixel and a convolution, which leaves no checkerboard.
        affine: instance normalization learns an offset, 0 at the start, and a factor, N(1, 0.02^2), for each channel,
            as the paper's program in Torch does; the one in PyTorch does not.
        seed: of the kernels' start, N(0, 0.02^2), and of the factors'; None takes Keras's global seed.
        name: of the model.
        dtype: a Keras dtype policy or its name; None takes the global one. Under a mixed policy the output is float32.

    Call arguments: `images` (B, H, W, channels) in [-1, 1], H and W multiples of 4 and at least 8.

    Returns:
        Images of the same shape in [-1, 1].

    Raises:
        InputError: an argument or the size of the images is not as above. Where the size is known only when the graph
            runs, `tf.errors.InvalidArgumentError` then.

    Example:
        >>> images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
        >>> generator = keras_style.models.ResNetGenerator(blocks=6, seed=0)
        >>> painted = generator(images)

    Reference: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
    section 7.2; Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016.
    """

    def __init__(
        self,
        blocks: int = 9,
        filters: int = 64,
        channels: int = 3,
        upsampling: str = "transposed",
        affine: bool = False,
        seed: int | None = None,
        name: str = "resnet_generator",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        blocks = checks.whole("blocks", blocks, 0, 1000)
        filters = checks.whole("filters", filters, 1, 10**5)
        channels = checks.whole("channels", channels, 1, 10**5)
        upsampling = checks.choice("upsampling", upsampling, UPSAMPLINGS)
        affine = checks.truth("affine", affine)
        policy = keras.dtype_policies.get(dtype)
        kernel, norm = normal(seed), instance_norm(affine, seed, policy)

        def convolve(x: Any, filters: int, size: int, label: str, **others: Any) -> Any:
            kind = Conv2D if "columns" in others else functools.partial(keras.layers.Conv2D, **CHANNELS_LAST)
            return kind(filters, size, kernel_initializer=kernel(), name=label, dtype=policy, **others)(x)

        def reflect(x: Any, padding: int, label: str) -> Any:
            return ReflectionPadding2D(padding, name=f"{label}_pad", dtype=policy)(x)

        def normalize(x: Any, label: str, relu: bool = True) -> Any:
            x = norm(f"{label}_norm")(x)
            return keras.layers.ReLU(name=f"{label}_relu", dtype=policy)(x) if relu else x

        def upsample(x: Any, filters: int, label: str) -> Any:
            if upsampling == "resize":
                x = BilinearUpSampling2D(2, name=f"{label}_resize", dtype=policy)(x)
                return convolve(reflect(x, 1, label), filters, 3, label)
            layer = keras.layers.Conv2DTranspose(
                filters, 3, 2, kernel_initializer=kernel(), name=label, dtype=policy, **CHANNELS_LAST
            )
            # PyTorch's padding=1, output_padding=1 cuts the start; Keras's "same" would cut the end.
            return CutStart2D(name=f"{label}_crop", dtype=policy)(layer(x))

        def layers(images: Any) -> Any:
            x = normalize(convolve(reflect(images, 3, "first"), filters, 7, "first"), "first")
            for step in (1, 2):
                label = f"down_{step}"
                x = keras.layers.ZeroPadding2D(1, name=f"{label}_pad", dtype=policy, **CHANNELS_LAST)(x)
                x = normalize(convolve(x, filters * 2**step, 3, label, strides=2), label)
            for block in range(1, blocks + 1):
                one, two = f"block_{block}_1", f"block_{block}_2"
                y = normalize(convolve(reflect(x, 1, one), filters * 4, 3, one), one)
                y = normalize(convolve(reflect(y, 1, two), filters * 4, 3, two), two, relu=False)
                x = keras.layers.Add(name=f"block_{block}_add", dtype=policy)([x, y])
            for step in (1, 2):
                label = f"up_{step}"
                x = normalize(upsample(x, filters * 2 ** (2 - step), label), label)
            # Widths are multiples of 4.
            x = convolve(reflect(x, 3, "last"), channels, 7, "last", columns=4 if channels <= 4 else 1)
            return keras.layers.Activation("tanh", name="tanh", dtype=policy.variable_dtype)(x)

        # Two convolutions halve the size, and a quarter of it is reflected by one pixel.
        super().__init__(channels, layers, multiple=4, minimum=8, name=name, dtype=policy, **kwargs)
        self.blocks, self.filters = blocks, filters
        self.upsampling, self.affine, self.seed = upsampling, affine, seed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "filters": self.filters,
            "channels": self.channels,
            "upsampling": self.upsampling,
            "affine": self.affine,
            "seed": self.seed,
        }
