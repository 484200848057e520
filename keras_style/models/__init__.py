"""Networks and models: generators, discriminators, CycleGAN."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.models.cyclegan import CycleGAN
    from keras_style.models.fast_style_generator import FastStyleGenerator
    from keras_style.models.image_pool import ImagePool
    from keras_style.models.loading.from_torch import load_torch_generator
    from keras_style.models.loading.keras2 import load_legacy
    from keras_style.models.loading.open_generator import open_generator
    from keras_style.models.patch_discriminator import PatchDiscriminator
    from keras_style.models.resnet_generator import ResNetGenerator
    from keras_style.models.translation import translate
    from keras_style.models.unet_generator import UNetGenerator
    from keras_style.painting.painters.importing import load_painter
    from keras_style.painting.painters.painter import Painter

__all__ = [
    "CycleGAN",
    "FastStyleGenerator",
    "ImagePool",
    "Painter",
    "PatchDiscriminator",
    "ResNetGenerator",
    "UNetGenerator",
    "load_legacy",
    "load_painter",
    "load_torch_generator",
    "open_generator",
    "translate",
]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "CycleGAN": "keras_style.models.cyclegan",
        "FastStyleGenerator": "keras_style.models.fast_style_generator",
        "ImagePool": "keras_style.models.image_pool",
        "Painter": "keras_style.painting.painters.painter",
        "PatchDiscriminator": "keras_style.models.patch_discriminator",
        "ResNetGenerator": "keras_style.models.resnet_generator",
        "UNetGenerator": "keras_style.models.unet_generator",
        "load_legacy": "keras_style.models.loading.keras2",
        "load_painter": "keras_style.painting.painters.importing",
        "load_torch_generator": "keras_style.models.loading.from_torch",
        "open_generator": "keras_style.models.loading.open_generator",
        "translate": "keras_style.models.translation",
    },
)
