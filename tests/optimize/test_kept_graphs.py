"""Graphs are kept from picture to picture: none is traced twice, none is taken for another, and none stays for ever."""

import gc

import numpy as np
import pytest

import keras_style
from keras_style import Term, losses
from keras_style.internal.recent import Recent
from keras_style.internal.tensorflow import keras
from keras_style.optimize import gradient
from keras_style.optimize.tiling import tiled_losses, tiled_network

SHALLOW = {"content_layers": ["block1_conv2"], "style_layers": ["block1_conv1", "block2_conv1"]}
LEFT = np.broadcast_to(np.arange(48) < 24, (40, 48)).astype(np.float32)
TOP = np.broadcast_to((np.arange(32) < 16)[:, None], (32, 44)).astype(np.float32)


@pytest.fixture
def paint(photograph, painting):
    """A transfer of a few steps, given what is other than usual."""

    def transfer(**given):
        usual = {"content": photograph, "style": painting, "size": 48, "scales": 1, "steps": 3, "verbose": 0}
        return keras_style.transfer(**{**usual, **SHALLOW, **given}).array

    return transfer


@pytest.fixture
def traces(monkeypatch):
    """The graphs that are traced, one entry for each."""
    made = []
    real = gradient.as_written

    def counted(function, signature):
        made.append(function)
        return real(function, signature)

    for module in (gradient, tiled_losses, tiled_network):
        monkeypatch.setattr(module, "as_written", counted)
    gradient.GRAPHS.clear()
    return made


every_kind = pytest.mark.parametrize(
    "method", ["gatys", pytest.param("sliced_wasserstein", marks=pytest.mark.integration)]
)
DIFFERENT_TARGETS = (
    {},
    {"content": np.full((40, 48, 3), 0.3, np.float32)},
    {"content_weight": 3.0, "style_weight": 7.0, "tv_weight": 0.5},
    {"style_layers": {"block1_conv1": 0.9, "block2_conv1": 0.1}},
    {"init": "noise", "seed": 3},
    {"preserve_color": "luminance"},
    {"steps": 2},
)


@every_kind
def test_pictures_of_one_size_and_method_share_a_graph(paint, traces, method):
    """Whichever of them it was traced for."""
    pictures = [paint(method=method, **given) for given in DIFFERENT_TARGETS]
    assert len(traces) == 1
    gradient.GRAPHS.clear()
    others = [paint(method=method, **given) for given in reversed(DIFFERENT_TARGETS)]
    assert len(traces) == 2
    for picture, other in zip(pictures, reversed(others), strict=True):
        assert (picture == other).all()
    assert not any((picture == pictures[0]).all() for picture in pictures[1:])


DIFFERENT_GRAPHS = (
    {},
    {"size": 46},
    {"method": "moments"},
    {"style_layers": ["block1_conv2", "block2_conv1"]},
    {"pooling": "average"},
    {"content_masks": {"a": LEFT, "b": 1 - LEFT}, "style_masks": {"a": TOP, "b": 1 - TOP}},
    {"variant": "reference", "backbone": "vgg16_imagenet", "optimizer": "adam"},  # another normalization
    {"method": "histogram"},  # a loss more, and the balance
)


@pytest.mark.integration
def test_what_a_graph_depends_on_makes_another(paint, traces):
    pictures = [paint(**given) for given in DIFFERENT_GRAPHS]
    assert len(traces) == len(DIFFERENT_GRAPHS)
    for picture, given in zip(pictures, DIFFERENT_GRAPHS, strict=True):
        assert (paint(**given) == picture).all()
    assert len(traces) == len(DIFFERENT_GRAPHS)


@pytest.mark.integration
def test_a_scale_of_a_network_is_an_input(paint, traces):
    """Gatys's own variant scales the network by the pictures."""
    dark = {"content": np.random.default_rng(0).random((40, 48, 3), np.float32) * 0.2}
    own = {"variant": "paper", "backbone": "vgg16_imagenet"}
    alone = paint(**own, **dark)
    gradient.GRAPHS.clear()
    paint(**own)
    traces.clear()
    assert (paint(**own, **dark) == alone).all()
    assert not traces


@pytest.mark.integration
@every_kind
def test_tiles_share_their_graphs(paint, traces, method):
    given = {"method": method, "tile": 40, "steps": 2}
    other = {"content": np.random.default_rng(0).random((40, 48, 3), np.float32), "style_weight": 2.0}
    alone = paint(**given, **other)
    gradient.GRAPHS.clear()
    traces.clear()
    paint(**given)
    before = len(traces)
    assert before == 2  # the network, and a step
    assert (paint(**given, **other) == alone).all()
    assert len(traces) == before


def test_losses_of_ones_own_do_not_share(photograph, painting, backbone):
    """Nobody sees from outside what such a loss computes, and it may change."""

    class Scaled(losses.GramLoss):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def distance(self, target, current):
            return self.factor * super().distance(target, current)

    loss = Scaled(1.0)
    optimizer = keras_style.ImageOptimizer(
        backbone, keras_style.Objective([Term(loss, "block1_conv1", target="style")]), "adam"
    )
    values = []
    for factor in (1.0, 3.0):
        loss.factor = factor
        values.append(optimizer.minimize(photograph, style=painting, steps=1).history["loss"][0])
    assert values[1] == pytest.approx(3 * values[0], rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", keras.optimizers.SGD(0.5, momentum=0.9)], ids=["adam", "sgd"])
def test_an_optimizer_begins_anew(paint, optimizer):
    first = paint(optimizer=optimizer)
    assert (paint(optimizer=optimizer) == first).all()


@pytest.mark.integration
def test_a_graph_that_is_not_kept_is_gone(paint, monkeypatch):
    """So that pictures of any number of sizes take the memory of a few."""

    def graphs():
        gc.collect()
        return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())

    monkeypatch.setattr(gradient, "GRAPHS", Recent(1))
    counts = []
    for size in (40, 44, 48, 52):
        paint(size=size)
        counts.append(graphs())
    assert counts[1] == counts[3]


def test_recent_values():
    made = []

    def get(key):
        return recent.get(key, lambda: made.append(key) or key.upper())

    recent = Recent(2)
    assert [get(key) for key in "abaca"] == ["A", "B", "A", "C", "A"]  # "b" was not needed for longest, and goes
    assert made == ["a", "b", "c"]
    assert get("b") == "B"
    assert made == ["a", "b", "c", "b"]
    recent.clear()
    assert get("b") == "B"
    assert made == ["a", "b", "c", "b", "b"]


def test_a_value_that_is_taken_is_nobody_elses():
    recent = Recent(2)
    first = recent.take("a", object)
    second = recent.take("a", object)
    assert first is not second
    recent.give("a", first)
    assert recent.take("a", object) is first
