"""Content loss against eq. 1 of Gatys et al. 2016."""

import numpy as np
import pytest
from feature_maps import distance, random_features
from oracles import losses as oracle

from keras_style.errors import InputError
from keras_style.losses import ContentLoss

IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)


@pytest.mark.parametrize(("normalization", "multiple"), [("paper", 1), ("sum", 2), ("mean", 2 / IMAGE.size)])
def test_content_loss_is_the_published_one(normalization, multiple):
    wanted = multiple * oracle.content(IMAGE, STYLE)
    assert distance(ContentLoss(normalization), IMAGE, STYLE) == pytest.approx(wanted, rel=1e-12)
    single = ContentLoss(normalization)(STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert float(single) == pytest.approx(wanted, rel=1e-5)


def test_content_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"\(1, 9, 8, 6\).*\(1, 5, 7, 6\)"):
        distance(ContentLoss(), IMAGE, LARGER_STYLE)


def test_unknown_normalization_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"normalization is 'rms'; expected .*mean, paper, sum"):
        ContentLoss("rms")
