"""The generator of one style: the network of Johnson et al. as the fast_neural_style program in PyTorch has it."""

from typing import Any

from keras_style import checks
from keras_style.internal.tensorflow import keras
from keras_style.models.image_network import ImageNetwork, instance_norm
from keras_style.models.transformation import MULTIPLE, transformation


@keras.saving.register_keras_serializable("keras_style")
class FastStyleGenerator(ImageNetwork):
    """Images to images of the same size in one style, by residual blocks at a quarter of the resolution.

    The geometry is that of `TransformerNet` of pytorch/examples, so its weights fit: reflection before every
    convolution, an affine instance normalization after all but the last, biases everywhere, no activation after a
    block's sum, enlargement by the nearest neighbor. The last convolution's answer is cut to [-1, 1]. Pictures of that
    program are in levels, 0 to 255; `load_torch_generator` folds the change of units into the first and the last
    convolution.

    Args:
        filters: of the first convolution; the blocks have four times as many.
        blocks: residual blocks.
        channels: of the images that go in and come out.
        seed: of the kernels' start, N(0, 0.02^2), and of the normalization's factors, N(1, 0.02^2); None takes Keras's
            global seed.
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
        >>> generator = keras_style.models.FastStyleGenerator(filters=8, seed=0)
        >>> painted = generator(images)

    Reference: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016; Ulyanov
    et al., "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016.
    """

    def __init__(
        self,
        filters: int = 32,
        blocks: int = 5,
        channels: int = 3,
        seed: int | None = None,
        name: str = "fast_style_generator",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        filters = checks.whole("filters", filters, 1, 10**5)
        blocks = checks.whole("blocks", blocks, 0, 1000)
        channels = checks.whole("channels", channels, 1, 10**5)
        policy = keras.dtype_policies.get(dtype)
        norm = instance_norm(True, seed, policy)
        contract, expand = [filters, 2 * filters, 4 * filters], [2 * filters, filters]

        def normalize(x: Any, label: str) -> Any:
            return x if label == f"expand_{len(expand)}" else norm(f"{label}_norm")(x)

        def layers(images: Any) -> Any:
            x = transformation(
                images, contract, blocks, expand, normalize, seed, policy, channels=channels, use_bias=True
            )
            # A cut, not tanh: the program learns levels and cuts what lies outside when it writes the picture.
            return keras.layers.Activation("hard_tanh", name="cut", dtype=policy.variable_dtype)(x)

        # The first convolution reflects four pixels, and a quarter of the size is reflected by one.
        super().__init__(channels, layers, multiple=MULTIPLE, minimum=8, name=name, dtype=policy, **kwargs)
        self.filters, self.blocks, self.seed = filters, blocks, seed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "blocks": self.blocks,
            "channels": self.channels,
            "seed": self.seed,
        }
