"""What the figures of the documentation rest on: the judge of quality, the count of operations, the page."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_style
from keras_style.optimize.targets import Targets

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_page_says_what_was_measured():
    import page

    assert page.PAGE.read_text() == page.page(page.BENCHMARKS), "run `make performance`"


def test_page_follows_the_figures_and_leaves_out_what_is_missing(tmp_path):
    import page

    assert page.page(tmp_path) == page.TITLE
    shutil.copy(page.BENCHMARKS / "step.json", tmp_path)
    report = json.loads((tmp_path / "step.json").read_text())
    report["sizes"]["512"]["torch_channels_last"]["keras_style_over_this"] = 0.123
    (tmp_path / "step.json").write_text(json.dumps(report))
    text = page.page(tmp_path)
    assert "| 0.12 |" in text and "## A step\n" in text and "Matting" not in text


def test_page_shows_time_to_quality_and_what_was_not_reached(tmp_path):
    import page
    import quality

    theirs = {
        "iteration": 300,
        "sum_as_low_at": 40,
        "seconds": 600.0,
        "content": 10.0,
        "style": 5.0,
        "style_distance": 0.02,
    }
    curve = [
        {"seconds": 20.0, "content": 4.0, "style": 30.0, "style_distance": 0.05},
        {"seconds": 40.0, "content": 12.0, "style": 2.0, "style_distance": 0.03},
        {"seconds": 50.0, "content": 9.0, "style": 4.0, "style_distance": 0.01},
    ]
    found = quality.summary(curve, theirs)
    assert found["seconds_to_both"] == 50 and found["seconds_to_total"] == 40
    assert found["both_over_peer"] == pytest.approx(50 / 600, abs=1e-4)
    never = quality.summary(curve[:1], theirs)
    assert never["seconds_to_both"] is None and never["total_over_peer"] is None
    sides = {"peer": theirs, "content_weight": 35.0, "its_losses": found, "default": never}
    pairs = {"red_panda-vangogh_night_cafe-512": {"tuned_on": False, "peers": {"pystiche": sides}}}
    (tmp_path / "quality.json").write_text(
        json.dumps({"size": 512, "weights": "vgg16", "processor": "a processor", "pairs": pairs})
    )
    text = page.page(tmp_path)
    assert "red_panda, vangogh_night_cafe | pystiche 1.0.1: 300 iterations, 600 s | 40 | 35 | 50 s: 0.083 of" in text
    path = [(10, 9, 9), (20, 4, 2), (30, 2, 5), (1000, 1, 1)]
    path = [dict(zip(("iteration", "content", "style"), point, strict=True)) for point in path]
    stood = {**path[2], "seconds_per_iteration": 0.5, "seconds": 15, "sum_as_low_at": 20}
    assert quality.reached(path, 300, 0.5) == stood
    assert quality.reached(path[:2], 300, 0.5)["sum_as_low_at"] == 20
    assert quality.reached(path, 1000, 0.5)["seconds"] == 500 and quality.reached(path, None, 0.5) == {}
    sides["its_losses"] = never
    sides["later"] = {"peer": {**theirs, "iteration": 1000, "seconds": 2000.0}, "its_losses": found}
    (tmp_path / "quality.json").write_text(
        json.dumps({"size": 512, "weights": "vgg16", "processor": "a processor", "pairs": pairs})
    )
    text = page.page(tmp_path)
    assert "300 iterations, 600 s | 40 | 35 | not reached | not reached |" in text
    assert "1000 iterations, 2000 s | 40 | 35 | 50 s" in text


def test_one_pair_of_the_race_has_a_content_weight_of_its_own():
    import quality

    its_own = quality.numbers_of("neuschwanstein_castle-vangogh_the_harvest-512", "neural_style")
    assert its_own["content_weight"] == 9 and its_own["style_weight"] == 100
    stems = [f"{Path(photograph).stem}-{Path(painting).stem}-512" for photograph, painting in quality.JUDGEMENT]
    weights = [quality.numbers_of(stem, "neural_style")["content_weight"] for stem in stems]
    assert weights == [35, 9, 35, 35]
    assert {quality.numbers_of(stem, "pystiche")["content_weight"] for stem in stems} == {30}


COUNTED = """
import json, sys, step
from torch.utils.flop_counter import FlopCounterMode
evaluate = step.torch_step(int(sys.argv[1]), channels_last=False)
with FlopCounterMode(display=False) as counter:
    evaluate()
print(json.dumps({str(operation): count for operation, count in counter.get_flop_counts()["Global"].items()}))
"""


def test_counted_operations_are_those_that_pytorch_carries_out():
    pytest.importorskip("torch")
    import flops
    import step

    size = 64
    # In a process of its own: PyTorch's counter loads Triton, which crashes in a process that has TensorFlow.
    command = [sys.executable, "-c", COUNTED, str(size)]
    counts = json.loads(subprocess.run(command, cwd=BENCHMARKS, check=True, capture_output=True, text=True).stdout)
    convolutions = counts["aten.convolution"] + counts["aten.convolution_backward"]
    # Of a product of features with themselves PyTorch takes the gradient twice, once for each factor.
    products = counts["aten.mm"] * 2 / 3
    assert flops.of_step(size, size, step.STYLE[-1], step.STYLE) == convolutions + products


def test_winograd_is_counted_as_it_is_computed():
    import flops

    from keras_style.backbones import winograd
    from keras_style.internal.tensorflow import tf

    filters = winograd.prepare(np.zeros((3, 3, 128, 64)), tf.float32)

    @tf.function
    def products(x):
        winograd._convolve(x, filters.at_points, *winograd._places(x))
        made = [each for each in tf.compat.v1.get_default_graph().get_operations() if "MatMul" in each.type]
        return [2 * tf.size(each.outputs[0]) * tf.shape(each.inputs[0])[-1] for each in made]

    counted = products(tf.zeros([1, 22, 17, 128]))
    assert len(counted) == 5 and flops.as_computed(22, 17, 128, 64) == sum(counted)


def test_judge_sees_the_losses_that_a_peer_minimizes(monkeypatch, backbone):
    """The same by keras_style's terms as the race has them up to the content's weight, on the same preprocessing."""
    pytest.importorskip("torch")
    import peer_losses
    import quality

    random = np.random.default_rng(0)
    photograph, painting, picture = (np.round(random.random((height, 40, 3)) * 255) / 255 for height in (48, 36, 48))
    for name, definition in peer_losses.DEFINITIONS.items():
        same = peer_losses.Definition(255, (103.939, 116.779, 123.68), *_weights(definition))
        monkeypatch.setitem(peer_losses.DEFINITIONS, name, same)
        seen = peer_losses.Judge(name, photograph, painting)(picture)

        raced = {**quality.OBJECTIVES[name], "content_weight": definition.content_weight, "style_layers": None}
        stylizer = keras_style.Stylizer(backbone=backbone, **raced)
        terms = keras_style.Objective(stylizer.blend.terms())
        images = [image[None].astype(np.float64) for image in (photograph, painting, picture)]
        losses = terms.bind(backbone, Targets(images[0], [images[1]]))(images[2])
        assert seen["content"] == pytest.approx(float(losses["content"]), rel=1e-6)
        assert seen["style"] == pytest.approx(float(losses["style"]), rel=1e-6)


def _weights(definition):
    return definition.content_weight, definition.style_weight


def test_judge_sees_no_difference_between_a_picture_and_itself():
    pytest.importorskip("torch")
    import peer_losses

    photograph = np.round(np.random.default_rng(1).random((40, 40, 3)) * 255) / 255
    assert peer_losses.Judge("neural_style", photograph, photograph)(photograph + 1e-4) == {"content": 0, "style": 0}
