"""Generators trained with PyTorch: state dicts of pytorch-CycleGAN-and-pix2pix and fast_neural_style -> Keras."""

import importlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_style.errors import MissingFileError, WeightsError
from keras_style.internal import claims
from keras_style.internal.paths import user_path
from keras_style.layers import InstanceNormalization
from keras_style.models.fast_style_generator import FastStyleGenerator
from keras_style.models.loading import fast_style_names
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator

Tensors = dict[str, np.ndarray]
Generator: TypeAlias = ResNetGenerator | UNetGenerator | FastStyleGenerator

_KINDS = "generator of the kinds ResNet, U-Net or fast_neural_style"
_STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}  # instance normalization does not use them


def load_torch_generator(path: str | os.PathLike[str], key: str | None = None) -> Generator:
    """Load a generator that was trained with PyTorch.

    Reads the state dict of `ResnetGenerator` and `UnetGenerator` of pytorch-CycleGAN-and-pix2pix and of programs
    derived from it, whatever they call their modules: width, blocks, affine normalization and the kind of upsampling
    are seen from order and shapes. The file may hold more than the generator.

    Reads `TransformerNet` of fast_neural_style in pytorch/examples, too (mosaic, candy, rain_princess, udnie), by the
    names of its modules, with any width and number of blocks.

    What a file does not tell is taken as in the original: padding by reflection, and with resize-convolution bilinear
    enlargement without `align_corners`. Dropout has no place in a state dict and none here.

    Args:
        path: `.pth`, `.pt` or `.model`, read by PyTorch with `weights_only=True`, which runs no code of the file and
            takes files of its old versions, too; or `.safetensors`.
        key: which generator, where the file holds several, such as "netG_A".

    Returns:
        A `ResNetGenerator`, `UNetGenerator` or `FastStyleGenerator` with these weights. In the first two, a convolution
        without bias gets zeros. The third has the change of units, from levels to [-1, 1], in its first and its last
        convolution.

    Raises:
        MissingFileError: there is no such file.
        WeightsError: the package that reads it is not installed; the file cannot be read; it holds no generator of
            these kinds, or several and no `key`. The message names the keys that do not fit.

    Example:
        >>> generator = keras_style.models.load_torch_generator("latest_net_G.pth")

    Reference: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017;
    Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016.
    """
    path = user_path(path)
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    tensors = _read(path)
    found = [each for each in _generators(tensors) if key is None or key in each.prefix.split(".")]
    if len(found) == 1:
        return found[0].build()
    if found:
        names = ", ".join(each.prefix for each in found)
        raise WeightsError(f"{path}: holds several generators, {names}; expected `key` to name one of them")
    if key is not None:
        raise WeightsError(f"{path}: holds no {_KINDS} under the key {key!r}")
    prefix = fast_style_names.place(tensors) or ""
    try:
        generator = _parse(_below(tensors, prefix), prefix)
    except WeightsError as error:
        raise WeightsError(f"{path}: holds no {_KINDS}: {error}") from None
    return generator.build()


# From a file to arrays


def _read(path: Path) -> Tensors:
    """Every tensor of the file under its whole path, in the order of the network."""
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    try:
        held = dict(_flat(content, ""))
        # One number can be repeated to a tensor of any size.
        claims.check("its tensors", sum(each.nbytes for each in held.values()), path.stat().st_size)
        tensors = {name: _array(each) for name, each in held.items()}
    except Exception as error:  # mappings within themselves, tensors that are sparse or on another device
        raise WeightsError(f"{path}: not tensors that can be read: {' '.join(str(error).split())[:300]}") from None
    if not tensors:
        raise WeightsError(f"{path}: holds no tensors; expected a state dict")
    broken = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if broken:
        raise WeightsError(f"{path}: NaN or infinite numbers in {_listed(broken)}")
    return tensors


def _read_torch(path: Path) -> Any:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise WeightsError(
            f"{path}: reading it takes PyTorch, which is not installed: pip install 'keras-style[torch]', "
            "or convert the file to .safetensors"
        ) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises almost anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path}: not a state dict that PyTorch can read without running code: {reason}") from None


def _read_safetensors(path: Path) -> Any:
    try:
        safetensors = importlib.import_module("safetensors.numpy")
    except ImportError:
        raise WeightsError(
            f"{path}: reading it takes the package safetensors, which is not installed: "
            "pip install 'keras-style[torch]'"
        ) from None
    try:
        content = safetensors.load_file(path)
    except Exception as error:  # its reader has an error class of its own, and NumPy others
        raise WeightsError(f"{path}: not a safetensors file that can be read: {error}") from None
    # Unlike a state dict, it is not in the order of the network; numbers in the names are.
    return {name: content[name] for name in sorted(content, key=_natural)}


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _flat(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(content, np.ndarray) or hasattr(content, "detach"):
        yield prefix, content


def _array(tensor: Any) -> np.ndarray:
    if isinstance(tensor, np.ndarray):
        return tensor
    tensor = tensor.detach()
    array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array


# From arrays to a network


@dataclass
class _Convolution:
    """A convolution and, where they are learned, the factor and offset of the normalization after it."""

    path: str
    weight: np.ndarray
    bias: np.ndarray | None
    factor: np.ndarray | None = None
    offset: np.ndarray | None = None


@dataclass
class _Generator:
    """A network whose every tensor has its place."""

    prefix: str
    network: type[Generator]
    config: dict[str, Any]
    convolutions: list[_Convolution]

    def build(self) -> Generator:
        generator = self.network(**self.config)
        layers: list[Any] = generator.network.layers
        kernels = [layer for layer in layers if hasattr(layer, "kernel")]
        for layer, convolution in zip(kernels, self.convolutions, strict=True):
            # PyTorch: (out, in, h, w), transposed (in, out, h, w). Keras: (h, w, in, out), transposed (h, w, out, in).
            layer.kernel.assign(convolution.weight.transpose(2, 3, 1, 0))
            layer.bias.assign(np.zeros(layer.bias.shape) if convolution.bias is None else convolution.bias)
        norms: list[Any] = [layer for layer in layers if isinstance(layer, InstanceNormalization) and layer.scale]
        affine = [convolution for convolution in self.convolutions if convolution.factor is not None]
        for norm, convolution in zip(norms, affine, strict=True):
            norm.gamma.assign(convolution.factor)
            norm.beta.assign(convolution.offset)
        return generator


def _generators(tensors: Tensors, prefix: str = "") -> Iterator[_Generator]:
    """The generators in this part of the file: all of it, or some of its named parts."""
    part = _below(tensors, prefix)
    try:
        yield _parse(part, prefix)
    except WeightsError:
        # A numbered part is a piece of a network: the inside of a U-Net looks like a smaller one.
        children = dict.fromkeys(name.partition(".")[0] for name in part if "." in name)
        for child in children:
            if not child.isdecimal():
                yield from _generators(tensors, f"{prefix}.{child}" if prefix else child)


def _below(tensors: Tensors, prefix: str) -> Tensors:
    start = f"{prefix}." if prefix else ""
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def _parse(tensors: Tensors, prefix: str) -> _Generator:
    """Hyperparameters from order and shapes, and a check that nothing is missing or left over.

    Raises:
        WeightsError: naming the keys that do not fit.
    """
    if fast_style_names.place(tensors) == "":
        return _fast_style(tensors, prefix)
    convolutions = _convolutions(tensors)
    count, first = len(convolutions), convolutions[0]
    filters, channels, size, _ = first.weight.shape
    affine = sum(convolution.factor is not None for convolution in convolutions) > count // 2  # it is on all or none
    config: dict[str, Any] = {"filters": filters, "channels": channels, "affine": affine}
    network: type[Generator]
    if size == 7 and count >= 6 and count % 2 == 0:
        network, blocks = ResNetGenerator, count // 2 - 3
        resize = convolutions[-3].weight.shape[:2] == (2 * filters, 4 * filters)
        config |= {"blocks": blocks, "upsampling": "resize" if resize else "transposed"}
        shapes = _resnet_shapes(blocks, filters, channels, resize)
        transposed = range(0) if resize else range(count - 3, count - 1)
        bare = {count - 1}
        wrong = _zero_padded(convolutions, resize)
    elif size == 4 and count in (14, 16):
        network, depth = UNetGenerator, count // 2
        config["size"] = 2**depth
        shapes = _unet_shapes(depth, filters, channels)
        transposed = range(depth, count)
        bare = {0, depth - 1, count - 1}
        wrong = []
    else:
        raise WeightsError(
            f"{count} convolutions, and {first.path}.weight has shape {first.weight.shape}; expected an even number "
            "with 7 x 7 pixels in the first, or 14 or 16 with 4 x 4 pixels, or names such as deconv1.conv2d.weight"
        )
    wrong += _complaints(convolutions, shapes, transposed, bare if affine else set(range(count)))
    if wrong:
        raise WeightsError(_listed(wrong))
    return _Generator(prefix, network, config, convolutions)


def _fast_style(tensors: Tensors, prefix: str) -> _Generator:
    """The network of one style, by its names, in units of [-1, 1].

    Raises:
        WeightsError: naming the keys that do not fit.
    """
    left = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[2] not in _STATISTICS}
    convolutions: list[_Convolution] = []
    missing: list[str] = []
    for path, norm in fast_style_names.layers(left):
        names = [f"{each}.{kind}" for each in (path, norm) if each for kind in ("weight", "bias")]
        missing += [name for name in names if name not in left]
        if not missing:
            weight, *vectors = (left.pop(name).astype(np.float64) for name in names)
            convolutions.append(_Convolution(path, weight, *vectors))
    if missing:
        raise WeightsError(f"missing keys: {_listed(missing)}")
    if left:
        raise WeightsError(f"unexpected keys: {_listed(list(left))}")
    count, first, last = len(convolutions), convolutions[0], convolutions[-1]
    filters, channels = (max(1, side) for side in (*first.weight.shape, 1, 1)[:2])
    shapes = fast_style_names.shapes(filters, channels, count)
    if wrong := _complaints(convolutions, shapes, range(0), {count - 1}):
        raise WeightsError(_listed(wrong))
    # Levels are LEVELS (x + 1). Reflection before the convolution leaves that as it is.
    levels = fast_style_names.LEVELS
    first.weight, first.bias = levels * first.weight, np.asarray(first.bias) + levels * first.weight.sum((1, 2, 3))
    last.weight, last.bias = last.weight / levels, np.asarray(last.bias) / levels - 1
    config = {"filters": filters, "blocks": (count - 6) // 2, "channels": channels}
    return _Generator(prefix, FastStyleGenerator, config, convolutions)


def _complaints(
    convolutions: list[_Convolution], shapes: list[tuple[int, ...]], transposed: range, bare: set[int]
) -> list[str]:
    """List what does not fit: shapes, and normalizations, expected after all but the `bare` convolutions."""
    wrong = []
    for index, (convolution, shape) in enumerate(zip(convolutions, shapes, strict=True)):
        path, width = convolution.path, shape[1 if index in transposed else 0]
        if convolution.weight.shape != shape:
            wrong.append(f"{path}.weight has shape {convolution.weight.shape}, expected {shape}")
        vectors = {
            "bias": convolution.bias,
            "normalization": convolution.factor,
            "normalization's bias": convolution.offset,
        }
        wrong += [
            f"{path}'s {name} has shape {vector.shape}, expected {(width,)}"
            for name, vector in vectors.items()
            if vector is not None and vector.shape != (width,)
        ]
        if (convolution.factor is not None) != (index not in bare):
            wrong.append(
                f"{path} has {'no' if convolution.factor is None else 'a'} normalization with weights after it"
            )
    return wrong


def _convolutions(tensors: Tensors) -> list[_Convolution]:
    """The convolutions in order, each with the learned parameters of the normalization after it."""
    modules: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        path, _, parameter = name.rpartition(".")
        modules.setdefault(path, {})[parameter] = tensor
    convolutions: list[_Convolution] = []
    strange, averaged = [], []
    for path, module in modules.items():
        learned = {name: tensor for name, tensor in module.items() if name not in _STATISTICS}
        weight, bias = learned.get("weight"), learned.get("bias")
        if weight is not None and weight.ndim == 4 and module.keys() <= {"weight", "bias"}:
            convolutions.append(_Convolution(path, weight, bias))
        elif not learned and convolutions:
            pass  # statistics alone: instance normalization of old versions of PyTorch, which kept some
        elif learned.keys() == {"weight", "bias"} and convolutions and convolutions[-1].factor is None:
            convolutions[-1].factor, convolutions[-1].offset = weight, bias
            averaged += [path] if "running_var" in module else []
        else:
            unknown = module.keys() - {"weight", "bias"} - _STATISTICS or module.keys()
            strange += [f"{path}.{name}" if path else name for name in module if name in unknown]
    if strange or not convolutions:
        raise WeightsError(f"unexpected keys: {_listed(strange)}" if strange else "there are no convolutions")
    if averaged and any(convolution.bias is None for convolution in convolutions[:-1]):
        # The original leaves out these biases exactly where it normalizes by batches.
        raise WeightsError(f"batch normalization, expected instance normalization: {_listed(averaged)}")
    return convolutions


def _resnet_shapes(blocks: int, filters: int, channels: int, resize: bool) -> list[tuple[int, ...]]:
    one, two, four = filters, 2 * filters, 4 * filters
    up = [(two, four, 3, 3), (one, two, 3, 3)] if resize else [(four, two, 3, 3), (two, one, 3, 3)]
    down = [(one, channels, 7, 7), (two, one, 3, 3), (four, two, 3, 3)]
    return [*down, *[(four, four, 3, 3)] * (2 * blocks), *up, (channels, one, 7, 7)]


def _unet_shapes(depth: int, filters: int, channels: int) -> list[tuple[int, ...]]:
    widths = [channels, *(filters * 2 ** min(level, 3) for level in range(depth))]
    down = [(after, before, 4, 4) for before, after in itertools.pairwise(widths)]
    # On the way up every level but the lowest also gets the features of the way down.
    up = [(after * (1 if level == depth - 1 else 2), before, 4, 4) for level, (after, before, *_) in enumerate(down)]
    return [*down, *reversed(up)]


def _zero_padded(convolutions: list[_Convolution], resize: bool) -> list[str]:
    """Modules whose numbers show that a convolution has no reflection before it."""
    wrong = []
    for convolution in (convolutions[0], *convolutions[3:-3]):
        if convolution.path.rpartition(".")[2] == "0":
            wrong.append(f"{convolution.path} is the first module of its branch, expected a reflection before it")
    if resize:
        # Convolution, normalization, ReLU, enlargement, reflection, convolution.
        (one, _, first), (two, _, second) = (convolution.path.rpartition(".") for convolution in convolutions[-3:-1])
        if one != two or not first.isdecimal() or not second.isdecimal() or int(second) - int(first) != 5:
            wrong.append(
                f"{convolutions[-3].path} and {convolutions[-2].path} are not five modules apart, expected an "
                "enlargement and a reflection before each"
            )
    return wrong


def _listed(items: list[str]) -> str:
    """The first of many complaints."""
    more = f"; and {len(items) - 5} more" if len(items) > 5 else ""
    return "; ".join(items[:5]) + more
