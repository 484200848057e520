"""Which methods can be tiled: those whose losses say so, by what README says too."""

import re
from pathlib import Path

import pytest

import keras_style
from keras_style.errors import InputError
from keras_style.painting.stylizer import tileable_methods

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "large_pictures.md"
NOT = {"mmd_gaussian", "jensen_shannon", "total_variation"}


def test_methods_are_asked():
    assert set(tileable_methods()) == set(keras_style.methods()) - NOT - {"painter"}  # whose picture is no variable


def test_the_guide_lists_them():
    (sentence,) = re.findall(r"The methods ([^.]*?) can be tiled", GUIDE.read_text())
    assert set(re.findall(r"`(\w+)`", sentence)) == set(tileable_methods())


@pytest.mark.parametrize("method", sorted(NOT))
def test_the_others_are_refused_with_the_list(method, photograph, painting):
    text = r"needs all positions at once; .* a method that can be tiled: gatys, histogram"
    with pytest.raises(InputError, match=text):
        keras_style.transfer(photograph, painting, method=method, size=48, tile=192, verbose=0)
