"""The PatchGAN discriminator: real or painted, judged patch by patch."""

from typing import Any

from keras_style import checks
from keras_style.internal.tensorflow import keras
from keras_style.models.image_network import CHANNELS_LAST, ImageNetwork, instance_norm, normal


@keras.saving.register_keras_serializable("keras_style")
class PatchDiscriminator(ImageNetwork):
    """A score for each of many overlapping patches of an image: above all, whether its texture is that of the domain.

    The geometry is that of the published PyTorch program: with three layers a score sees 70 x 70 pixels, and an image
    of 256 x 256 pixels has 30 x 30 scores.

    Args:
        filters: of the first convolution; they double with each of the next three.
        layers: convolutions of stride 2; a score sees 16, 34, 70, 142, 286 pixels with 1, 2, 3, 4, 5 of them. 0 gives
            three convolutions of a single pixel, the "PixelGAN" of pix2pix: a score for each color.
        channels: of the images.
        affine: instance normalization learns an offset, 0 at the start, and a factor, N(1, 0.02^2), for each channel,
            as the paper's program in Torch does; the one in PyTorch does not.
        seed: of the kernels' start, N(0, 0.02^2); None takes Keras's global seed.
        name: of the model.
        dtype: a Keras dtype policy or its name; None takes the global one. Under a mixed policy the output is float32.

    Call arguments: `images` (B, H, W, channels) in [-1, 1], H and W at least 3 * 2^layers.

    Returns:
        Scores (B, H / 2^layers - 2, W / 2^layers - 2, 1), halves rounded down, or (B, H, W, 1) with 0 layers. They have
        no bounds: the loss decides what they mean.

    Raises:
        InputError: an argument or the size of the images is not as above. Where the size is known only when the graph
            runs, `tf.errors.InvalidArgumentError` then.

    Example:
        >>> images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
        >>> scores = keras_style.models.PatchDiscriminator(seed=0)(images)

    Reference: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, sections
    3.2.2 and 6.1.2.
    """

    def __init__(
        self,
        filters: int = 64,
        layers: int = 3,
        channels: int = 3,
        affine: bool = False,
        seed: int | None = None,
        name: str = "patch_discriminator",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        filters = checks.whole("filters", filters, 1, 10**5)
        layers = checks.whole("layers", layers, 0, 10)
        channels = checks.whole("channels", channels, 1, 10**5)
        affine = checks.truth("affine", affine)
        policy = keras.dtype_policies.get(dtype)
        kernel, norm = normal(seed), instance_norm(affine, seed, policy)
        size, padding = (4, 1) if layers else (1, 0)

        def convolve(x: Any, filters: int, strides: int, label: str) -> Any:
            if padding:  # "same" pads a stride of 1 and odd sizes differently
                x = keras.layers.ZeroPadding2D(padding, name=f"{label}_pad", dtype=policy, **CHANNELS_LAST)(x)
            return keras.layers.Conv2D(
                filters, size, strides, kernel_initializer=kernel(), name=label, dtype=policy, **CHANNELS_LAST
            )(x)

        def activate(x: Any, label: str) -> Any:
            return keras.layers.LeakyReLU(0.2, name=f"{label}_relu", dtype=policy)(x)

        def network(images: Any) -> Any:
            strides = [2] * layers + [1] if layers else [1, 1]  # of the convolutions before the scores
            x = images
            for number, stride in enumerate(strides, start=1):
                label = f"conv_{number}"
                x = convolve(x, filters * 2 ** min(number - 1, 3), stride, label)
                if number > 1:
                    x = norm(f"{label}_norm")(x)
                x = activate(x, label)
            x = convolve(x, 1, 1, "scores")
            return keras.layers.Activation("linear", name="output", dtype=policy.variable_dtype)(x)

        minimum = 3 * 2**layers if layers else 1
        super().__init__(channels, network, minimum=minimum, name=name, dtype=policy, **kwargs)
        self.depth, self.filters, self.affine, self.seed = layers, filters, affine, seed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "layers": self.depth,
            "channels": self.channels,
            "affine": self.affine,
            "seed": self.seed,
        }
