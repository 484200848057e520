import sys

import numpy as np
import pytest

from keras_style.errors import MissingFileError, WeightsError
from keras_style.models.loading import from_torch
from keras_style.models.loading.from_torch import load_torch_generator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator
from tests.oracles import torch_networks


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load what `torch.load` would have given, without PyTorch."""

    def load(content, **options):
        monkeypatch.setattr(from_torch, "_read_torch", lambda path: content)
        (tmp_path / "net.pth").touch()
        return load_torch_generator(tmp_path / "net.pth", **options)

    return load


def resnet_state(blocks=1, filters=2, seed=0, **options):
    return torch_networks.random_state(torch_networks.resnet_shapes(blocks, filters, **options), seed)


def unet_state(depth=7, filters=1, **options):
    return torch_networks.random_state(torch_networks.unet_shapes(depth, filters, **options))


def same(one, two):
    return all(np.array_equal(*pair) for pair in zip(one.get_weights(), two.get_weights(), strict=True))


class TestInference:
    """Of hyperparameters from shapes. That the numbers land where they belong, test_generators.py shows."""

    @pytest.mark.parametrize(("blocks", "filters"), [(0, 5), (9, 1)])
    def test_resnet(self, load, blocks, filters):
        generator = load(resnet_state(blocks, filters))
        assert type(generator) is ResNetGenerator
        assert (generator.blocks, generator.filters, generator.upsampling) == (blocks, filters, "transposed")
        assert not generator.affine

    def test_affine_and_resize(self, load):
        generator = load(resnet_state(2, affine=True, resize=True))
        assert (generator.affine, generator.upsampling) == (True, "resize")

    @pytest.mark.parametrize(("depth", "size"), [(7, 128), (8, 256)])
    def test_unet(self, load, depth, size):
        generator = load(unet_state(depth, 3, affine=True))
        assert type(generator) is UNetGenerator
        assert (generator.size, generator.filters, generator.affine) == (size, 3, True)


class TestTolerance:
    @pytest.mark.parametrize(
        ("branch", "prefix"),
        [("conv_block", ""), ("conv", "model."), ("block", "module.model."), ("main", "netG."), ("net.layers", "")],
    )
    def test_names_of_modules(self, load, branch, prefix):
        assert same(load(resnet_state(branch=branch, prefix=prefix)), load(resnet_state()))

    def test_named_stages(self, load):
        names = {"1": "stem.pad_conv", "4": "one.conv", "7": "two.conv", "10.conv_block.1": "body.0.first",
                 "10.conv_block.5": "body.0.second", "11": "up_a.conv", "14": "up_b.conv", "18": "head"}  # fmt: skip
        state = resnet_state()
        renamed = {}
        for name, tensor in state.items():
            path, _, parameter = name.removeprefix("model.").rpartition(".")
            renamed[f"{names[path]}.{parameter}"] = tensor
        assert same(load(renamed), load(state))

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: {"state_dict": state, "epoch": 3},
            lambda state: {"params": state},
            lambda state: {"netG_A": {f"module.{name}": tensor for name, tensor in state.items()}},
            lambda state: {f"netG_A.module.{name}": tensor for name, tensor in state.items()},
            lambda state: {"netG": state, "netD": {"model.0.weight": np.ones((4, 3, 4, 4))}},
            lambda state: {"netG": state, "optimizer": {"state": {0: {"exp_avg": np.ones((2, 3, 7, 7))}}}},
        ],
    )
    @pytest.mark.parametrize("state", [resnet_state(), unet_state()], ids=["resnet", "unet"])
    def test_wrappings(self, load, wrap, state):
        assert same(load(wrap(state)), load(state))

    def test_one_of_several(self, load):
        both = {"netG_A": resnet_state(seed=1), "netG_B": resnet_state(seed=2)}
        with pytest.raises(WeightsError, match=r"several generators, netG_A, netG_B; expected `key`"):
            load(both)
        assert same(load(both, key="netG_B"), load(both["netG_B"]))
        assert not same(load(both, key="netG_A"), load(both["netG_B"]))
        with pytest.raises(WeightsError, match="under the key 'netG'"):
            load(both, key="netG")

    def test_statistics_of_old_versions_are_ignored(self, load):
        state = {}
        for name, tensor in resnet_state().items():
            state[name] = tensor
            if name.endswith("bias") and not name.startswith("model.18"):
                parent, _, number = name.removesuffix(".bias").rpartition(".")
                norm = f"{parent}.{int(number) + 1}"
                state |= {f"{norm}.running_mean": tensor, f"{norm}.running_var": tensor}
                state |= {f"{norm}.num_batches_tracked": np.array(3)}
        assert same(load(state), load(resnet_state()))

    def test_a_convolution_without_bias_gets_zeros(self, load):
        state = resnet_state(affine=True)
        bare = {name: tensor for name, tensor in state.items() if name not in ("model.1.bias", "model.11.bias")}
        generator = load(bare)
        zeros = [layer.name for layer in generator.network.layers if hasattr(layer, "bias") and not np.any(layer.bias)]
        assert zeros == ["first", "up_1"]

    @pytest.mark.parametrize("dtype", ["float16", "float64"])
    def test_other_floats(self, load, dtype):
        state = {name: tensor.astype(dtype) for name, tensor in resnet_state().items()}
        assert same(load(state), load({name: tensor.astype("float32") for name, tensor in state.items()}))


def changed(state, **changes):
    state = dict(state)
    for name, shape in changes.items():
        name = name.replace("__", ".")
        state.pop(name, None)
        if shape is not None:
            state[name] = np.ones(shape, np.float32)
    return state


class TestRefusal:
    """Each names the key."""

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            (changed(resnet_state(), model__extra=(3,)), r"model\.extra"),
            (changed(resnet_state(), model__4__filt=(3,)), r"unexpected keys: model\.4\.filt"),
            (changed(resnet_state(), model__4__weight_orig=(4, 2, 3, 3)), r"model\.4\.weight_orig"),
            (changed(resnet_state(), model__7__weight=None), r"model\.7\.bias"),
            (changed(resnet_state(), model__18__weight=None, model__18__bias=None), "7 convolutions"),
            (resnet_state() | changed({}, model__4__weight=(4, 3, 3, 3)), r"model\.4\.weight has shape \(4, 3, 3, 3\)"),
            (
                resnet_state() | changed({}, model__18__weight=(1, 2, 7, 7)),
                r"model\.18\.weight .*expected \(3, 2, 7, 7",
            ),
            (resnet_state() | changed({}, model__4__bias=(5,)), r"model\.4's bias has shape \(5,\), expected \(4,\)"),
            (resnet_state() | changed({}, model__11__bias=(8,)), r"model\.11's bias has shape \(8,\), expected \(4,\)"),
            (changed(resnet_state(affine=True), model__5__weight=None, model__5__bias=None), r"model\.4 has no normal"),
            (resnet_state() | changed({}, model__19__weight=(3,), model__19__bias=(3,)), r"model\.18 has a normaliz"),
            (unet_state() | changed({}, model__model__3__weight=(1, 3, 4, 4)), r"model\.model\.3\.weight has shape"),
            ({"fc.weight": np.ones((3, 4), np.float32)}, r"unexpected keys: fc\.weight"),
            ({"epoch": 3}, "holds no tensors"),
            ([1, 2], "holds no tensors"),
        ],
    )
    def test_what_does_not_fit(self, load, state, message):
        with pytest.raises(WeightsError, match=message) as error:
            load(state)
        assert "\n" not in str(error.value)

    def test_numbers_that_are_none(self, load):
        state = resnet_state()
        state["model.4.weight"][0, 0, 0, 0] = np.nan
        with pytest.raises(WeightsError, match=r"NaN or infinite numbers in model\.4\.weight"):
            load(state)

    def test_the_inside_of_a_unet_is_not_a_generator(self, load):
        state = changed(unet_state(8), model__model__0__extra=(1,))
        with pytest.raises(WeightsError, match=r"model\.model\.0\.extra"):
            load(state)

    def test_batch_normalization(self, load):
        state = {}
        for name, tensor in resnet_state(affine=True).items():
            if tensor.ndim == 1 and f"{name.removesuffix('.bias')}.weight" in state and name != "model.18.bias":
                path = name.removesuffix(".bias")
                if state[f"{path}.weight"].ndim == 4:
                    continue  # use_bias is False with batch normalization
                state |= {f"{path}.running_mean": tensor, f"{path}.running_var": tensor}
            state[name] = tensor
        with pytest.raises(WeightsError, match=r"batch normalization, .*model\.2"):
            load(state)

    def test_zero_padding(self, load):
        state = {name.replace("conv_block.1", "conv_block.0"): tensor for name, tensor in resnet_state().items()}
        with pytest.raises(WeightsError, match=r"model\.10\.conv_block\.0 .*expected a reflection"):
            load(state)

    def test_enlargement_without_reflection(self, load):
        # As PyTorch-GAN's: nearest neighbor, then a convolution that pads with zeros.
        places = {"model.13": "model.12", "model.18": "model.16", "model.22": "model.20"}
        state = {}
        for name, tensor in resnet_state(resize=True).items():
            path, _, parameter = name.rpartition(".")
            state[f"{places.get(path, path)}.{parameter}"] = tensor
        with pytest.raises(WeightsError, match=r"model\.12 and model\.16 are not five modules apart"):
            load(state)


class TestFiles:
    def test_none(self, tmp_path):
        with pytest.raises(MissingFileError, match=r"no such file: .*nowhere\.pth"):
            load_torch_generator(tmp_path / "nowhere.pth")

    @pytest.mark.parametrize(("suffix", "module"), [("pth", "torch"), ("safetensors", "safetensors.numpy")])
    def test_without_its_package(self, suffix, module, tmp_path, monkeypatch):
        (tmp_path / f"net.{suffix}").touch()
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(WeightsError, match=r"pip install 'keras-style\[torch\]'"):
            load_torch_generator(tmp_path / f"net.{suffix}")

    def test_safetensors(self, tmp_path, load):
        numpy = pytest.importorskip("safetensors.numpy")
        for state in (resnet_state(3), unet_state()):
            numpy.save_file(state, tmp_path / "net.safetensors")
            assert same(load_torch_generator(tmp_path / "net.safetensors"), load(state))

    def test_safetensors_in_another_order(self, load, tmp_path, monkeypatch):
        # The format keeps its own: "model.10" comes before "model.4" there.
        state = resnet_state(3)
        scrambled = dict(sorted(state.items()))
        assert list(scrambled) != list(state)
        monkeypatch.setitem(sys.modules, "safetensors.numpy", type("Fake", (), {"load_file": lambda path: scrambled}))
        (tmp_path / "net.safetensors").touch()
        assert same(load_torch_generator(tmp_path / "net.safetensors"), load(state))


def test_one_number_that_claims_to_be_a_large_tensor(load):
    state = {**resnet_state(), "more": np.broadcast_to(np.float32(0), (10**6, 10**6))}
    with pytest.raises(WeightsError, match=r"its tensors would take 4,000,0.* bytes, of a file of 0"):
        load(state)


def test_a_mapping_within_itself(load):
    state = resnet_state()
    state["again"] = state
    with pytest.raises(WeightsError, match="recursion"):
        load(state)


def test_a_tensor_that_has_no_numbers(load):
    class Sparse:
        nbytes = 4

        def detach(self):
            raise TypeError("can't convert Sparse layout tensor to numpy.\nUse Tensor.to_dense()")

    with pytest.raises(WeightsError, match=r"not tensors that can be read: can't convert .* numpy\. Use"):
        load({"a": Sparse()})


class TestWithPyTorch:
    """The same networks in PyTorch: the state dicts of the tests above are real ones, and the answers are PyTorch's."""

    @pytest.fixture(autouse=True)
    def torch(self):
        torch = pytest.importorskip("torch")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # more of them wait for TensorFlow's, at full load
        yield torch
        torch.set_num_threads(threads)

    @pytest.mark.parametrize("size", [(16, 24), (12, 20)])
    @pytest.mark.parametrize("affine", [False, True])
    @pytest.mark.parametrize("resize", [False, True])
    def test_resnet(self, torch, size, affine, resize, tmp_path):
        network = _resnet(torch.nn, 2, 4, affine, resize)
        self.compare(torch, network, resnet_state(2, 4, affine=affine, resize=resize), size, tmp_path)

    @pytest.mark.parametrize(("depth", "size"), [(7, (128, 384)), (8, (256, 256))])
    @pytest.mark.parametrize("affine", [False, True])
    def test_unet(self, torch, depth, size, affine, tmp_path):
        network = _unet(torch, depth, 2, affine)
        self.compare(torch, network, unet_state(depth, 2, affine=affine), size, tmp_path)

    def compare(self, torch, network, state, size, tmp_path):
        assert list(network.state_dict()) == list(state)
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in state.items()})
        torch.save(network.state_dict(), tmp_path / "latest_net_G.pth")
        images = np.random.default_rng(1).uniform(-1, 1, (2, *size, 3)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy().transpose(0, 2, 3, 1)
        assert np.ptp(expected) > 0.5
        generator = load_torch_generator(tmp_path / "latest_net_G.pth")
        np.testing.assert_allclose(generator(images), expected, atol=1e-4)

    def test_half_precision_files(self, torch, tmp_path):
        state = {name: torch.from_numpy(tensor).bfloat16() for name, tensor in resnet_state().items()}
        torch.save(state, tmp_path / "half.pth")
        kernel = load_torch_generator(tmp_path / "half.pth").network.get_layer("down_1").kernel
        expected = state["model.4.weight"].float().numpy().transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(kernel, expected)

    def test_a_file_that_would_run_code(self, torch, tmp_path):
        torch.save(torch.nn.Conv2d(3, 3, 3), tmp_path / "whole.pth")  # the module, not its state dict
        with pytest.raises(WeightsError, match="without running code") as error:
            load_torch_generator(tmp_path / "whole.pth")
        assert "\n" not in str(error.value)

    def test_a_damaged_file(self, tmp_path):
        (tmp_path / "net.pth").write_bytes(b"not a file of PyTorch")
        with pytest.raises(WeightsError, match=r"net\.pth: not a state dict"):
            load_torch_generator(tmp_path / "net.pth")


def _resnet(nn, blocks, filters, affine, resize):
    def norm(width):
        return nn.InstanceNorm2d(width, affine=affine)

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv_block = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width), nn.ReLU(),
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width),
            )  # fmt: skip

        def forward(self, x):
            return x + self.conv_block(x)

    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, filters, 7), norm(filters), nn.ReLU()]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), norm(2 * width), nn.ReLU()]
    layers += [Block(4 * filters) for _ in range(blocks)]
    for width in (2 * filters, filters):
        if resize:
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.ReflectionPad2d(1),
                nn.Conv2d(2 * width, width, 3),
            ]
        else:
            layers += [nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1)]
        layers += [norm(width), nn.ReLU()]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(filters, 3, 7), nn.Tanh()]
    return _named(nn, nn.Sequential(*layers))


def _unet(torch, depth, filters, affine):
    nn = torch.nn
    widths = [3, *(filters * 2 ** min(level, 3) for level in range(depth))]

    class Level(nn.Module):
        def __init__(self, level):
            super().__init__()
            before, after = widths[level], widths[level + 1]
            innermost = level == depth - 1
            down = nn.Conv2d(before, after, 4, stride=2, padding=1)
            up = nn.ConvTranspose2d(after * (1 if innermost else 2), before, 4, stride=2, padding=1)
            self.outermost = level == 0
            if self.outermost:
                layers = [down, Level(1), nn.ReLU(), up, nn.Tanh()]
            else:
                layers = [nn.LeakyReLU(0.2), down]
                if not innermost:
                    layers += [nn.InstanceNorm2d(after, affine=affine), Level(level + 1)]
                layers += [nn.ReLU(), up, nn.InstanceNorm2d(before, affine=affine)]
            self.model = nn.Sequential(*layers)

        def forward(self, x):
            return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)

    return _named(nn, Level(0))


def _named(nn, network):
    """The network as the attribute `model`, which is where it is in the original."""

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network

        def forward(self, x):
            return self.model(x)

    return Named()
