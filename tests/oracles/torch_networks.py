"""Networks of PyTorch in NumPy, float64: state dict and image -> answer.

Of pytorch-CycleGAN-and-pix2pix and fast_neural_style. Images and features are (C, H, W), one at a time. Names of
modules are those of the programs.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def random_state(shapes, seed=0):
    """Numbers for `{name: shape}` that keep activations of order one: kernels scaled by their fan-in."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        mean = 1.0 if len(shape) == 1 and name.endswith("weight") else 0.0  # the factor of a normalization
        scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) == 4 else 0.3
        state[name] = rng.normal(mean, scale, shape).astype(np.float32)
    return state


def resnet_shapes(blocks, filters, affine=False, resize=False, branch="conv_block", prefix="model."):
    """`{name: shape}` of ResnetGenerator's state dict, three channels."""
    layers = {"1": (filters, 3, 7), "4": (2 * filters, filters, 3), "7": (4 * filters, 2 * filters, 3)}
    for block in range(10, 10 + blocks):
        layers |= {f"{block}.{branch}.{place}": (4 * filters, 4 * filters, 3) for place in (1, 5)}
    end = 10 + blocks
    if resize:
        layers |= {f"{end + 2}": (2 * filters, 4 * filters, 3), f"{end + 7}": (filters, 2 * filters, 3)}
        last = end + 11
    else:
        layers |= {f"{end}": (4 * filters, 2 * filters, 3), f"{end + 3}": (2 * filters, filters, 3)}
        last = end + 7
    shapes = {}
    for place, (one, two, size) in layers.items():
        transposed = not resize and place in (f"{end}", f"{end + 3}")
        shapes |= _convolution(prefix + place, (one, two, size, size), transposed, affine)
    return shapes | _convolution(f"{prefix}{last}", (3, filters, 7, 7), False, False)


def unet_shapes(depth, filters, affine=False, prefix="model."):
    """`{name: shape}` of UnetGenerator's state dict, three channels, in its order: down, then up."""
    widths = [3, *(filters * 2 ** min(level, 3) for level in range(depth))]
    down, up = {}, {}
    path = prefix + "model."
    for level in range(depth):
        before, after = widths[level], widths[level + 1]
        join = 1 if level == depth - 1 else 2
        outermost, innermost = level == 0, level == depth - 1
        place = "0" if outermost else "1"
        down |= _convolution(path + place, (after, before, 4, 4), False, affine and not outermost and not innermost)
        place = "3" if outermost or innermost else "5"
        up = _convolution(path + place, (join * after, before, 4, 4), True, affine and not outermost) | up
        path += "1.model." if outermost else "3.model."
    return down | up


def transformer_shapes(blocks, filters, prefix=""):
    """`{name: shape}` of TransformerNet's state dict, three channels, in its order."""
    one, two, four = filters, 2 * filters, 4 * filters
    layers = [("conv1", "in1", one, 3, 9), ("conv2", "in2", two, one, 3), ("conv3", "in3", four, two, 3)]
    for block in range(1, blocks + 1):
        layers += [(f"res{block}.conv{each}", f"res{block}.in{each}", four, four, 3) for each in (1, 2)]
    layers += [("deconv1", "in4", two, four, 3), ("deconv2", "in5", one, two, 3), ("deconv3", None, 3, one, 9)]
    shapes = {}
    for path, norm, after, before, size in layers:
        for name, shape in ((f"{path}.conv2d", (after, before, size, size)), (norm, (after,))):
            if name:
                shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": (after,)}
    return shapes


def transformer_state(blocks, filters, seed=0):
    """Numbers for it whose answer fills the levels from 0 to 255, and goes beyond them here and there."""
    state = random_state(transformer_shapes(blocks, filters), seed)
    state["deconv3.conv2d.weight"] *= 250
    state["deconv3.conv2d.bias"] += 127
    return state


def _convolution(path, shape, transposed, affine):
    width = (shape[1 if transposed else 0],)
    shapes = {f"{path}.weight": shape, f"{path}.bias": width}
    if affine:
        parent, _, number = path.rpartition(".")
        norm = f"{parent}.{int(number) + 1}" if parent else str(int(number) + 1)
        shapes |= {f"{norm}.weight": width, f"{norm}.bias": width}
    return shapes


def resnet(state, image, blocks, resize=False, branch="conv_block", prefix="model."):
    x = _Network(state, prefix)
    y = relu(x.norm("2", x.conv("1", reflect(image, 3))))
    for place in (4, 7):
        y = relu(x.norm(f"{place + 1}", x.conv(f"{place}", y, stride=2, padding=1)))
    for block in range(10, 10 + blocks):
        z = relu(x.norm(f"{block}.{branch}.2", x.conv(f"{block}.{branch}.1", reflect(y, 1))))
        y = y + x.norm(f"{block}.{branch}.6", x.conv(f"{block}.{branch}.5", reflect(z, 1)))
    place = 10 + blocks
    for _ in range(2):
        if resize:
            y = x.conv(f"{place + 2}", reflect(double(y), 1))
            y, place = relu(x.norm(f"{place + 3}", y)), place + 5
        else:
            y = x.transposed(f"{place}", y, padding=1, output_padding=1)
            y, place = relu(x.norm(f"{place + 1}", y)), place + 3
    return np.tanh(x.conv(f"{place + 1}", reflect(y, 3)))


def unet(state, image, depth, prefix="model."):
    return _unet_level(_Network(state, prefix), image, depth, 0, "model.")


def _unet_level(x, y, depth, level, path):
    if level == 0:
        y = x.conv(f"{path}0", y, stride=2, padding=1)
        y = _unet_level(x, y, depth, 1, f"{path}1.model.")
        return np.tanh(x.transposed(f"{path}3", relu(y), padding=1))
    z = x.conv(f"{path}1", leaky(y), stride=2, padding=1)
    if level == depth - 1:
        z = x.norm(f"{path}4", x.transposed(f"{path}3", relu(z), padding=1))
    else:
        z = _unet_level(x, x.norm(f"{path}2", z), depth, level + 1, f"{path}3.model.")
        z = x.norm(f"{path}6", x.transposed(f"{path}5", relu(z), padding=1))
    return np.concatenate([y, z])


def transformer(state, image, blocks):
    """TransformerNet in levels, from 0 to 255; what lies outside is cut, as where the program writes the picture."""
    x = _Network(state, "")

    def stage(path, norm, y, size=3, stride=1):
        return x.norm(norm, x.conv(f"{path}.conv2d", reflect(y, size // 2), stride=stride))

    y = relu(stage("conv1", "in1", image, size=9))
    for number in (2, 3):
        y = relu(stage(f"conv{number}", f"in{number}", y, stride=2))
    for block in range(1, blocks + 1):
        z = relu(stage(f"res{block}.conv1", f"res{block}.in1", y))
        y = y + stage(f"res{block}.conv2", f"res{block}.in2", z)
    for number in (1, 2):
        y = relu(stage(f"deconv{number}", f"in{number + 3}", y.repeat(2, axis=1).repeat(2, axis=2)))
    return x.conv("deconv3.conv2d", reflect(y, 4)).clip(0, 255)


def discriminator(kernels, image):
    """NLayerDiscriminator from its list of (weight, bias), without affine normalization."""
    y = image
    for index, (weight, bias) in enumerate(kernels):
        last = index == len(kernels) - 1
        y = convolve(y, weight, bias, stride=1 if index >= len(kernels) - 2 else 2, padding=1)
        y = y if last else leaky(normalize(y) if index else y)
    return y


class _Network:
    """Modules by the name that the state dict gives them."""

    def __init__(self, state, prefix):
        self.state = {name: np.asarray(value, np.float64) for name, value in state.items()}
        self.prefix = prefix

    def conv(self, name, x, **options):
        name = self.prefix + name
        return convolve(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **options)

    def transposed(self, name, x, **options):
        name = self.prefix + name
        return convolve_transposed(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **options)

    def norm(self, name, x):
        name = self.prefix + name
        y = normalize(x)
        if f"{name}.weight" in self.state:
            y = y * self.state[f"{name}.weight"][:, None, None] + self.state[f"{name}.bias"][:, None, None]
        return y


def convolve(x, weight, bias, stride=1, padding=0):
    """torch.nn.Conv2d; weight (out, in, k, k)."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(x, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(weight, windows, axes=((1, 2, 3), (0, 3, 4))) + bias[:, None, None]


def convolve_transposed(x, weight, bias, padding, output_padding=0, stride=2):
    """torch.nn.ConvTranspose2d; weight (in, out, k, k): every pixel adds its multiple of the kernel."""
    _, height, width = x.shape
    size = weight.shape[2]
    full = np.zeros((weight.shape[1], *(stride * (side - 1) + size + output_padding for side in (height, width))))
    for row in range(size):
        for column in range(size):
            part = np.tensordot(weight[:, :, row, column], x, axes=((0,), (0,)))
            full[:, row : row + stride * height : stride, column : column + stride * width : stride][
                :, :height, :width
            ] += part
    end = -padding or None
    return full[:, padding:end, padding:end] + bias[:, None, None]


def normalize(x):
    """torch.nn.InstanceNorm2d."""
    return (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)


def double(x):
    """torch.nn.Upsample(scale_factor=2, mode="bilinear"): weights 3/4 and 1/4, edges repeated."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
        x = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1).reshape(-1, *x.shape[1:])
        x = np.moveaxis(x, 0, axis)
    return x


def reflect(x, padding):
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding)), mode="reflect")


def relu(x):
    return np.maximum(x, 0)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)
