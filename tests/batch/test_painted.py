"""A batch by a painter: the work that is sent to workers."""

import pickle

import numpy as np
import pytest
from small_painters import filled

from keras_style.batch.work import bound
from keras_style.errors import InputError


@pytest.mark.parametrize("kind", ["file", "preset"])
def test_the_work_paints_as_the_painter_does(kind, photograph, tmp_path):
    painter = filled()
    if kind == "file":
        painter.save(tmp_path / "mine.keras")
        model = tmp_path / "mine.keras"
    else:
        model = painter.save_preset(tmp_path / "mine", "three styles")
    work = bound(model, "a2b", ["one", "two"], {"style_blend": [1, 3], "strength": 0.5, "size": None})
    paint = pickle.loads(pickle.dumps(work)).open()
    expected = painter.paint(photograph, ["one", "two"], style_blend=[1, 3], strength=0.5).array
    np.testing.assert_array_equal(paint(photograph), expected)
    assert work.settings["style"] == ["one", "two"] and len(work.settings["model"]) == 64


def test_what_is_wrong_is_said_first(tmp_path):
    painter = filled()
    painter.save(tmp_path / "mine.keras")
    for style, options, said in (
        (["four"], {}, "style is 'four'"),
        ([], {}, "style is"),
        (["one"], {"strength": 3}, "strength is 3"),
        (["one"], {"style_blend": [1, 2]}, "style_blend"),
    ):
        with pytest.raises(InputError, match=said):
            bound(tmp_path / "mine.keras", "a2b", style, options)
    with pytest.raises(InputError, match="strength without a painter"):
        bound("satellite_to_relief", "a2b", [], {"strength": 0.5})
