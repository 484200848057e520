"""Networks of one style, as files of fast_neural_style have them."""

import numpy as np
import pytest
from picture_files import pixels
from running import command
from session import Served

import keras_style
from keras_style import images
from keras_style.errors import WeightsError
from keras_style.models.fast_style_generator import FastStyleGenerator
from keras_style.models.loading import from_torch
from keras_style.models.loading.open_generator import open_generator
from keras_style.models.translation import translate
from tests.oracles import torch_networks

BLOCKS, FILTERS = 2, 2


def state_of(blocks=BLOCKS, filters=FILTERS, seed=0):
    return torch_networks.transformer_state(blocks, filters, seed)


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Open what `torch.load` would have given, without PyTorch."""

    def load(content):
        monkeypatch.setattr(from_torch, "_read_torch", lambda path: content)
        (tmp_path / "mosaic.pth").write_bytes(bytes(10**5))  # tensors have no more bytes than a file
        return open_generator(tmp_path / "mosaic.pth")

    return load


def picture(height, width):
    return pixels(height, width).astype(np.float32) / 255


def painted(state, array, blocks=BLOCKS):
    """The oracle's answer to a picture (H, W, 3) in [0, 1]."""
    levels = array.astype(np.float64).transpose(2, 0, 1) * 255
    return torch_networks.transformer(state, levels, blocks).transpose(1, 2, 0) / 255


def same(one, two):
    return all(np.array_equal(*pair) for pair in zip(one.get_weights(), two.get_weights(), strict=True))


class TestAnswer:
    """Against NumPy, in the program's layout and units."""

    @pytest.mark.parametrize("size", [(16, 24), (28, 20)])
    @pytest.mark.parametrize(("blocks", "filters"), [(2, 2), (0, 3)])
    def test_levels_are_those_of_the_program(self, load, size, blocks, filters):
        state, array = state_of(blocks, filters), picture(*size)
        generator = load(state)
        assert (type(generator), generator.blocks, generator.filters) == (FastStyleGenerator, blocks, filters)
        expected = painted(state, array, blocks)
        assert (expected == 0).any() and (expected == 1).any() and ((expected > 0) & (expected < 1)).mean() > 0.2
        np.testing.assert_allclose(translate(generator, array), expected, rtol=0, atol=2e-5)

    def test_other_sizes_are_extended_by_reflection(self, load):
        state, array = state_of(), picture(17, 22)
        expected = painted(state, np.pad(array, ((0, 3), (0, 2), (0, 0)), mode="reflect"))[:17, :22]
        np.testing.assert_allclose(translate(load(state), array), expected, rtol=0, atol=2e-5)


class TestNames:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
            lambda state: {"state_dict": state, "epoch": 2},
            lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
            lambda state: dict(reversed(state.items())),
            lambda state: {name: tensor.astype("float64") for name, tensor in state.items()},
        ],
        ids=["parallel", "checkpoint", "both", "another order", "float64"],
    )
    def test_wrappings(self, load, wrap):
        assert same(load(wrap(state_of())), load(state_of()))

    def test_half_precision_does_not_overflow(self, load):
        state = {name: tensor.astype("float16") for name, tensor in state_of().items()}
        state["conv1.conv2d.weight"] *= 500  # 127.5 times as much is more than float16 holds
        again = {name: tensor.astype("float32") for name, tensor in state.items()}
        assert same(load(state), load(again))

    def test_statistics_of_old_versions_are_ignored(self, load):
        state = {}
        for name, tensor in state_of().items():
            state[name] = tensor
            path, _, kind = name.rpartition(".")
            if kind == "bias" and path.rpartition(".")[2].startswith("in"):
                state |= {f"{path}.running_mean": tensor + 1, f"{path}.running_var": tensor + 2}
                state[f"{path}.num_batches_tracked"] = np.array(7)
        assert len(state) > 1.4 * len(state_of())
        assert same(load(state), load(state_of()))

    def test_one_of_several(self, load, tmp_path):
        both = {"mosaic": state_of(seed=1), "candy": state_of(seed=2)}
        with pytest.raises(WeightsError, match="several generators, mosaic, candy; expected `key`"):
            load(both)
        generator = from_torch.load_torch_generator(tmp_path / "mosaic.pth", key="candy")
        assert same(generator, load(both["candy"]))

    def test_safetensors(self, load, tmp_path):
        numpy = pytest.importorskip("safetensors.numpy")
        state = state_of(blocks=11)
        numpy.save_file(state, tmp_path / "mosaic.safetensors")
        assert same(open_generator(tmp_path / "mosaic.safetensors"), load(state))


def changed(name, tensor=None):
    state = state_of()
    state.pop(name, None)
    return state if tensor is None else {**state, name: np.asarray(tensor, np.float32)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed("in1.weight"), r"missing keys: in1\.weight"),
        (changed("deconv3.conv2d.bias"), r"missing keys: deconv3\.conv2d\.bias"),
        (changed("res1.conv2.conv2d.weight"), r"missing keys: res1\.conv2\.conv2d\.weight"),
        ({f"module.{name}": each for name, each in changed("in4.bias").items()}, r"missing keys: in4\.bias"),
        (changed("conv4.conv2d.weight", np.ones((2, 2, 3, 3))), r"unexpected keys: conv4\.conv2d\.weight"),
        (changed("res1.scale", [1]), r"unexpected keys: res1\.scale"),
        (changed("conv1.conv2d.weight", np.ones((2, 3, 7, 7))), r"conv1.*\(2, 3, 7, 7\), expected \(2, 3, 9, 9\)"),
        (changed("conv1.conv2d.weight", 1), r"conv1\.conv2d\.weight has shape \(\), expected \(1, 1, 9, 9\)"),
        (changed("conv1.conv2d.weight", np.ones((0, 3, 9, 9))), r"conv1\.conv2d\.weight has shape \(0, 3, 9, 9\), exp"),
        (changed("deconv1.conv2d.bias", np.ones(5)), r"deconv1\.conv2d's bias has shape \(5,\), expected \(4,\)"),
        (changed("res2.in2.weight", np.ones(2)), r"res2\.conv2.*'s normalization has shape \(2,\), expected \(8,\)"),
        (changed("in2.bias", np.full(4, np.nan)), r"NaN or infinite numbers in in2\.bias"),
        ({"conv1.conv2d.weight": np.ones((2, 3, 9, 9))}, r"1 convolutions.*or names such as deconv1\.conv2d\.weight"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_what_does_not_fit_is_one_line_that_names_it(load, state, message):
    with pytest.raises(WeightsError, match=rf"mosaic\.pth: .*{message}") as error:
        load(state)
    assert "\n" not in str(error.value)


def test_saved_and_opened_again(load, tmp_path):
    generator, array = load(state_of()), picture(16, 20)
    generator.save(tmp_path / "mosaic.keras")
    again = open_generator(tmp_path / "mosaic.keras")
    assert type(again) is FastStyleGenerator and again.get_config() == generator.get_config()
    np.testing.assert_array_equal(translate(again, array), translate(generator, array))


def test_strips_of_a_file(load):
    """A picture that is darker to the bottom: strips' own statistics are far from the whole picture's."""
    generator = load(state_of())
    array = picture(50, 21) * np.linspace(1, 0.2, 50, dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(translate(generator, array, tile=16), translate(generator, array), rtol=0, atol=2e-5)


def test_exported(load, tmp_path):
    generator, array = load(state_of()), picture(17, 22)
    version = keras_style.export_saved_model(generator, tmp_path / "mosaic")
    expected = translate(generator, array)
    answer = Served(version)("serving_default", image=array[None])["image"][0]
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(translate(open_generator(version), array), expected, rtol=0, atol=1e-5)


class TestWithPyTorch:
    """The program's network in PyTorch, and the files that it writes."""

    @pytest.fixture
    def network(self):
        torch = pytest.importorskip("torch")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # more of them wait for TensorFlow's, at full load
        network = _transformer(torch, BLOCKS, FILTERS)
        state = {name: torch.from_numpy(tensor) for name, tensor in state_of().items()}
        assert list(network.state_dict()) == list(state)
        network.load_state_dict(state)
        yield network
        torch.set_num_threads(threads)

    @pytest.mark.parametrize("suffix", ["pth", "model"])
    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
    def test_files(self, network, suffix, zipped, tmp_path):
        torch = pytest.importorskip("torch")
        path, array = tmp_path / f"mosaic.{suffix}", picture(28, 36)
        state = network.state_dict()
        state |= {"in1.running_mean": torch.ones(FILTERS), "in1.running_var": torch.ones(FILTERS)}
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        with torch.inference_mode():
            answer = network(torch.from_numpy(array.transpose(2, 0, 1)[None] * 255))
        expected = answer[0].numpy().transpose(1, 2, 0).clip(0, 255) / 255
        result = keras_style.transfer(array, model=path, size=36)
        np.testing.assert_allclose(result.array, expected, rtol=0, atol=2e-5)

    def test_on_the_command_line(self, network, tmp_path, capsys):
        torch = pytest.importorskip("torch")
        torch.save(network.state_dict(), tmp_path / "mosaic.model")
        images.save(picture(17, 22), tmp_path / "photo.png")
        line = (tmp_path / "photo.png", "--model", tmp_path / "mosaic.model", "-o", tmp_path / "out.png")
        assert command(capsys, "translate", *line)[::2] == (0, "")
        expected = translate(open_generator(tmp_path / "mosaic.model"), picture(17, 22))
        assert np.abs(images.load(tmp_path / "out.png") - expected).max() <= 0.5 / 255 + 1e-5


def _transformer(torch, blocks, filters):
    """TransformerNet, without its limits on 32 filters and five blocks."""
    nn = torch.nn

    class Convolution(nn.Module):
        def __init__(self, before, after, size, stride=1):
            super().__init__()
            self.reflection_pad = nn.ReflectionPad2d(size // 2)
            self.conv2d = nn.Conv2d(before, after, size, stride)

        def forward(self, x):
            return self.conv2d(self.reflection_pad(x))

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv1, self.in1 = Convolution(width, width, 3), nn.InstanceNorm2d(width, affine=True)
            self.conv2, self.in2 = Convolution(width, width, 3), nn.InstanceNorm2d(width, affine=True)

        def forward(self, x):
            return x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            one, two, four = filters, 2 * filters, 4 * filters
            self.conv1, self.in1 = Convolution(3, one, 9), nn.InstanceNorm2d(one, affine=True)
            self.conv2, self.in2 = Convolution(one, two, 3, 2), nn.InstanceNorm2d(two, affine=True)
            self.conv3, self.in3 = Convolution(two, four, 3, 2), nn.InstanceNorm2d(four, affine=True)
            for block in range(1, blocks + 1):
                self.add_module(f"res{block}", Block(four))
            self.deconv1, self.in4 = Convolution(four, two, 3), nn.InstanceNorm2d(two, affine=True)
            self.deconv2, self.in5 = Convolution(two, one, 3), nn.InstanceNorm2d(one, affine=True)
            self.deconv3 = Convolution(one, 3, 9)

        def forward(self, x):
            for number in (1, 2, 3):
                x = torch.relu(getattr(self, f"in{number}")(getattr(self, f"conv{number}")(x)))
            for block in range(1, blocks + 1):
                x = getattr(self, f"res{block}")(x)
            for number in (1, 2):
                x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
                x = torch.relu(getattr(self, f"in{number + 3}")(getattr(self, f"deconv{number}")(x)))
            return self.deconv3(x)

    return Transformer()
