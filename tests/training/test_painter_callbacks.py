"""What is measured and shown while a painter is trained: figures against closed forms, files, the best kept."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from small_painters import filled, textured

import keras_style
from keras_style import Objective, Term, losses
from keras_style.training import PainterEvaluation, PainterSamples
from keras_style.training.painter_evaluation import best, edges


class Fixed:
    """In place of a painter: its pictures are a function of the photograph."""

    def __init__(self, paintings, paint):
        self.paintings, self._paint = paintings, paint

    def paint(self, photo, style):
        return type("Result", (), {"array": np.float32(self._paint(photo))})


def measured(paint, painting=None, photo=None):
    evaluation = PainterEvaluation([textured(2) if photo is None else photo], image_size=96)
    evaluation.set_model(Fixed({"one": textured(1) if painting is None else painting}, paint))
    evaluation.on_train_begin()
    return evaluation.measure()


def test_the_painting_itself_has_no_gap_and_a_darker_one_a_larger():
    aim = textured(1)
    gaps = [
        measured(lambda photo, share=share: share * aim[:, : photo.shape[1]], aim)["style_gap"]
        for share in (1.0, 0.8, 0.4, 0.0)
    ]
    assert gaps[0] < 1e-6 and gaps == sorted(gaps)
    assert 0.3 < gaps[-1] < 3  # not exactly 1, as features of black are not zero


def test_edges():
    photo = textured(2)
    assert edges(photo, photo) == pytest.approx(1)
    assert edges(photo, 0.2 + photo / 3) == pytest.approx(1)
    assert edges(photo, np.full_like(photo, 0.5)) == 0
    assert abs(edges(photo, textured(5))) < 0.3


def test_flicker_is_that_of_the_noise_where_a_picture_is_the_photograph():
    """Root mean square of 2 levels of noise; nothing is clipped in a gray photograph."""
    photo = 0.3 + 0.4 * textured(2)
    assert measured(lambda each: each, photo=photo)["flicker"] == pytest.approx(2, rel=0.05)
    assert measured(lambda each: np.full_like(each, 0.5), photo=photo)["flicker"] == 0


def test_a_training_is_measured_shown_and_its_best_painter_kept(tmp_path):
    painter = filled(["one"])
    gram = Objective([Term(losses.GramLoss(), "block1_conv1", 1.0, "style", relative=True)])
    painter.compile(gram, {"one": textured(1)}, stability_weight=0)
    data = keras_style.data.photographs(np.stack([textured(3, 64, 64)]), image_size=64, batch_size=1)
    evaluation = PainterEvaluation([textured(2)], tmp_path / "best", every=2, image_size=64)
    samples = PainterSamples(tmp_path / "samples", [textured(2), textured(3)], every=2, image_size=48)
    history = painter.fit(data, epochs=3, callbacks=[evaluation, samples], verbose=0).history
    assert [math.isnan(gap) for gap in history["style_gap"]] == [True, False, False]
    index, gap = best(history)
    about = json.loads((tmp_path / "best" / "best.json").read_text())
    assert about["epoch"] == index + 1 and about["style_gap"] == gap
    assert (tmp_path / "best" / "painter.keras").is_file()
    assert sorted(each.name for each in (tmp_path / "samples").iterdir()) == ["epoch_0002.png", "epoch_0003.png"]
    with Image.open(tmp_path / "samples" / "epoch_0003.png") as sheet:
        assert sheet.width == 2 * 48 and sheet.height > 2 * 36
