"""What a training step leaves behind, and the optimizers of Keras in it."""

import gc
import weakref

import numpy as np
import pytest
from gans import images, tiny, values

from keras_style.internal.tensorflow import keras, tf
from keras_style.models import training_step
from keras_style.models.adversarial import LeastSquares


def trained(scaled=False, adversarial="lsgan", **options):
    def optimizer():
        adam = keras.optimizers.AdamW(0.01, beta_1=0.5, **options)
        return keras.optimizers.LossScaleOptimizer(adam, initial_scale=2.0) if scaled else adam

    gan = tiny(image_size=4)
    gan.compile(adversarial, generator_optimizer=optimizer(), discriminator_optimizer=optimizer())
    gan.fit(images(4, 1), images(4, 2), batch_size=1, verbose=0)
    return gan


@pytest.mark.parametrize("scaled", [False, True])
def test_the_graph_of_a_step_goes_with_its_cyclegan(scaled):
    graphs = []

    class Watched(LeastSquares):
        def generator(self, fake):
            graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
            return super().generator(fake)

    gan = trained(scaled, Watched())
    assert graphs and all(graph() is not None for graph in graphs)
    del gan
    gc.collect()
    assert not any(graph() is not None for graph in graphs)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.1}, {"clipnorm": 0.01}, {"use_ema": True}, {"gradient_accumulation_steps": 2}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_a_step_ends_in_the_bits_of_keras_alone(monkeypatch, options, scaled):
    ours = values(trained(scaled, **options).variables)
    monkeypatch.setattr(training_step, "OneReplica", tf.distribute.ReplicaContext)
    for value, wanted in zip(ours, values(trained(scaled, **options).variables), strict=True):
        np.testing.assert_array_equal(value, wanted)
