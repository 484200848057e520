"""The gradient as one graph: the same bits every time, whatever the graph's size."""

import numpy as np
import pytest

from keras_style import Objective, Term, backbones, losses
from keras_style.internal.tensorflow import tf
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets


@pytest.mark.integration
def test_a_large_graph_gives_the_same_bits_again_and_again():
    random = np.random.default_rng(0)
    image = random.random((1, 768, 768, 3), np.float32)  # large enough for TensorFlow to save memory by reordering sums
    objective = Objective(
        [
            Term(losses.GramLoss(), "block1_conv1", target="style"),
            Term(losses.GramLoss(), "block1_conv2", target="style"),
            Term(losses.TotalVariationLoss(), "image", 1e3),
        ]
    )
    bound = objective.bind(backbones.get("vgg16_imagenet"), Targets(style=[image[:, :64, :64]]))
    eager = losses_and_gradient(bound, image.shape, image.dtype)
    within = tf.function(eager, autograph=False)
    _, first = eager(tf.constant(image), 1)
    for evaluate in [eager, within] * 4:
        values, gradient = evaluate(tf.constant(image), 1)
        np.testing.assert_array_equal(gradient, first)
    assert list(values) == ["style", "total_variation_loss"]
    assert np.abs(first).max() > 0
