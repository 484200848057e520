"""The network behind a run: loaded, named, and known by its digest."""

from keras_style.backbones import weights
from keras_style.backbones.backbone import Backbone, Layer
from keras_style.internal.digests import array_digest
from keras_style.painting.methods.method import Variant


def load_backbone(variant: Variant) -> Backbone:
    """The backbone of a variant as it was published, or as it was passed in."""
    from keras_style import backbones

    if isinstance(variant.backbone, str):
        return backbones.get(variant.backbone, pooling=variant.pooling)
    return variant.backbone


def pooling_of(variant: Variant) -> str | None:
    """The pooling that is used; None: the backbone has no choice of it."""
    return variant.pooling if isinstance(variant.backbone, str) else getattr(variant.backbone, "pooling", None)


def layer_records(backbone: str | Backbone) -> tuple[Layer, ...]:
    """The layers of a backbone, or of the published one of that name."""
    if isinstance(backbone, str):
        return weights.source(backbone.partition("=")[0]).records
    return backbone.layers


def backbone_digest(backbone: str | Backbone) -> str:
    """The name of published weights; the digest of any others."""
    if isinstance(backbone, str):
        name, _, file = backbone.partition("=")
        arrays = [array for pair in weights.load(name, file).values() for array in pair] if file else []
    else:
        name, arrays = backbone.name, list(backbone.arrays)
        precision = getattr(backbone, "precision", "float32")
        name += f" {precision}" if precision != "float32" else ""
    return f"{name} {array_digest(*arrays)}" if arrays else name
