"""CycleGAN: the training step against NumPy and PyTorch, saving, policies, strategies."""

import json

import numpy as np
import pytest
from gans import images, kernels, pairs, pointwise, tiny, values
from running import python

from keras_style import data
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator

A, B = images(2, 1), images(2, 2)


def sgd(rate):
    return {name: keras.optimizers.SGD(rate) for name in ("generator_optimizer", "discriminator_optimizer")}


def expected_losses(g, f, d_a, d_b, cycle=(10.0, 10.0), identity=0.5):
    """The parts of the generators' loss and their sum, in float64, where each network is a matrix."""
    a, b = A.astype(np.float64), B.astype(np.float64)
    parts = {
        "adversarial_a2b": np.mean((a @ g @ d_b - 1) ** 2),
        "adversarial_b2a": np.mean((b @ f @ d_a - 1) ** 2),
        "cycle_a": np.abs(a @ g @ f - a).mean(),
        "cycle_b": np.abs(b @ f @ g - b).mean(),
        "identity_a": np.abs(a @ f - a).mean(),
        "identity_b": np.abs(b @ g - b).mean(),
    }
    weights = [1, 1, *cycle, *np.multiply(cycle, identity)]
    return {"generator_loss": np.dot(weights, list(parts.values())), **parts}


def expected_discriminator(real, fake, d):
    return 0.5 * (np.mean((real @ d - 1) ** 2) + np.mean((fake @ d) ** 2))


def slope(function, matrix, step=1e-6):
    """Gradient by central differences."""
    matrix = matrix.astype(np.float64)
    gradient = np.zeros_like(matrix)
    for index in np.ndindex(matrix.shape):
        nudge = np.zeros_like(matrix)
        nudge[index] = step
        gradient[index] = (function(matrix + nudge) - function(matrix - nudge)) / (2 * step)
    return gradient


@pytest.mark.parametrize(("cycle", "identity"), [(10.0, 0.5), (3.0, 0.0), ((10.0, 0.0), 0.5), ([2.0, 7.0], 0.25)])
@pytest.mark.parametrize("jit", [False, True])
def test_a_step_has_the_published_losses_and_order(cycle, identity, jit):
    gan = tiny(pool_size=0)
    rate = 0.05  # so large that fakes made after the update would be others
    gan.compile(cycle_weight=cycle, identity_weight=identity, jit_compile=jit, **sgd(rate))
    g, f, d_a, d_b = (matrix.astype(np.float64) for matrix in kernels(gan))
    logs = gan.train_on_batch(A, B, return_dict=True)
    cycle = np.broadcast_to(cycle, 2)

    expected = expected_losses(g, f, d_a, d_b, cycle, identity)
    expected["discriminator_a"] = expected_discriminator(A, B @ f, d_a)
    expected["discriminator_b"] = expected_discriminator(B, A @ g, d_b)
    expected["loss"] = expected["generator_loss"]
    if not identity:
        expected["identity_a"] = expected["identity_b"] = 0.0  # not computed
    assert logs == pytest.approx(expected, rel=1e-5)

    after = [
        g - rate * slope(lambda m: expected_losses(m, f, d_a, d_b, cycle, identity)["generator_loss"], g),
        f - rate * slope(lambda m: expected_losses(g, m, d_a, d_b, cycle, identity)["generator_loss"], f),
        d_a - rate * slope(lambda m: expected_discriminator(A, B @ f, m), d_a),
        d_b - rate * slope(lambda m: expected_discriminator(B, A @ g, m), d_b),
    ]
    for matrix, wanted in zip(kernels(gan), after, strict=True):
        np.testing.assert_allclose(matrix, wanted, atol=2e-6)


def test_discriminators_see_the_pool_and_generators_do_not():
    gan = tiny(pool_size=1, seed=0)
    gan.compile(**sgd(0.01))
    returned = []
    for step in range(8):
        a, b = images(1, 10 + step), images(1, 50 + step)
        _, f, d_a, _ = kernels(gan)
        returned.append(b @ f)
        logs = gan.train_on_batch(a, b, return_dict=True)
        assert logs["adversarial_b2a"] == pytest.approx(np.mean((b @ f @ d_a - 1) ** 2), rel=1e-4)
        candidates = [expected_discriminator(a, fake, d_a) for fake in returned]
        assert np.min(np.abs(np.subtract(candidates, logs["discriminator_a"]))) < 1e-5
        fresh = abs(candidates[-1] - logs["discriminator_a"]) < 1e-5
        if not fresh:
            break
    assert not fresh  # at some step the pool gave an earlier one


def test_one_step_equals_pytorch():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _compare_with_pytorch(torch)
    finally:
        torch.set_num_threads(threads)


def _compare_with_pytorch(torch):
    nn = torch.nn
    filters, rate, side = 4, 0.1, 32

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            half = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            self.body = nn.Sequential(*half(), nn.ReLU(), *half())

        def forward(self, x):
            return x + self.body(x)

    def generator():
        f = filters
        return nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(3, f, 7), nn.InstanceNorm2d(f), nn.ReLU()),
            *(nn.Conv2d(f, 2 * f, 3, 2, 1), nn.InstanceNorm2d(2 * f), nn.ReLU()),
            *(nn.Conv2d(2 * f, 4 * f, 3, 2, 1), nn.InstanceNorm2d(4 * f), nn.ReLU()),
            Block(4 * f),
            *(nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(2 * f), nn.ReLU()),
            *(nn.ConvTranspose2d(2 * f, f, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(f), nn.ReLU()),
            *(nn.ReflectionPad2d(3), nn.Conv2d(f, 3, 7), nn.Tanh()),
        )

    def discriminator():
        f = filters
        return nn.Sequential(
            *(nn.Conv2d(3, f, 4, 2, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(f, 2 * f, 4, 2, 1), nn.InstanceNorm2d(2 * f), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(2 * f, 4 * f, 4, 2, 1), nn.InstanceNorm2d(4 * f), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(4 * f, 8 * f, 4, 1, 1), nn.InstanceNorm2d(8 * f), nn.LeakyReLU(0.2)),
            nn.Conv2d(8 * f, 1, 4, 1, 1),
        )

    gan = CycleGAN(
        [ResNetGenerator(blocks=1, filters=filters, seed=seed) for seed in (1, 2)], filters, pool_size=0, seed=3
    )
    gan.compile(**sgd(rate))
    theirs = [generator(), generator(), discriminator(), discriminator()]
    ours = [gan.generator_a2b, gan.generator_b2a, gan.discriminator_a, gan.discriminator_b]

    def in_torch_layout(value):
        return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value  # of Conv2DTranspose, too

    for network, weights in zip(theirs, ours, strict=True):
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), values(weights.weights), strict=True):
                parameter.copy_(torch.from_numpy(in_torch_layout(value).copy()))
    g, f, d_a, d_b = theirs
    real_a, real_b = images(1, 5, side), images(1, 6, side)
    a, b = (torch.from_numpy(each.transpose(0, 3, 1, 2).copy()) for each in (real_a, real_b))
    mse = lambda scores, target: nn.functional.mse_loss(scores, torch.full_like(scores, target))
    l1 = nn.functional.l1_loss
    generators = torch.optim.SGD([*g.parameters(), *f.parameters()], rate)
    discriminators = torch.optim.SGD([*d_a.parameters(), *d_b.parameters()], rate)

    fake_b, fake_a = g(a), f(b)
    expected = {
        "adversarial_a2b": mse(d_b(fake_b), 1.0),
        "adversarial_b2a": mse(d_a(fake_a), 1.0),
        "cycle_a": l1(f(fake_b), a),
        "cycle_b": l1(g(fake_a), b),
        "identity_a": l1(f(a), a),
        "identity_b": l1(g(b), b),
    }
    total = sum(weight * loss for weight, loss in zip([1, 1, 10, 10, 5, 5], expected.values(), strict=True))
    generators.zero_grad()
    total.backward()
    generators.step()
    discriminators.zero_grad()
    for side_name, network, real, fake in (("a", d_a, a, fake_a), ("b", d_b, b, fake_b)):
        loss = 0.5 * (mse(network(real), 1.0) + mse(network(fake.detach()), 0.0))
        loss.backward()
        expected[f"discriminator_{side_name}"] = loss
    discriminators.step()
    expected["generator_loss"] = expected["loss"] = total

    before = [values(network.weights) for network in ours]
    logs = gan.train_on_batch(real_a, real_b, return_dict=True)
    assert logs == pytest.approx({name: float(loss) for name, loss in expected.items()}, rel=1e-4)
    for network, weights, old in zip(theirs, ours, before, strict=True):
        moved = 0.0
        for parameter, value, start in zip(network.parameters(), values(weights.weights), old, strict=True):
            np.testing.assert_allclose(in_torch_layout(value), parameter.detach().numpy(), atol=2e-5)
            moved = max(moved, np.abs(value - start).max())
        assert moved > 1e-3


def test_both_through_a_network_at_once_gives_what_each_gives_alone():
    gan = CycleGAN(ResNetGenerator(blocks=1, filters=4, seed=1), 4, pool_size=0)
    a, b = (tf.constant(images(1, seed, 16)) for seed in (1, 2))
    at_once = gan._each(gan.generator_a2b, a, b, training=True)
    gan._one_by_one = False
    for together, alone in zip(at_once, gan._each(gan.generator_a2b, a, b, training=True), strict=True):
        np.testing.assert_allclose(together, alone, atol=1e-5)


def test_networks_with_batch_normalization_see_one_batch_at_a_time():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    assert not tiny(generator=model)._one_by_one
    assert tiny()._one_by_one


@pytest.mark.parametrize("adversarial", ["vanilla", "wasserstein"])
def test_other_losses_train(adversarial):
    gan = tiny()
    gan.compile(adversarial=adversarial, **sgd(0.01))
    before = kernels(gan)
    history = gan.fit(pairs(), epochs=1, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    assert all(np.any(old != new) for old, new in zip(before, kernels(gan), strict=True))


def test_a_loss_of_ones_own():
    class Hinge:
        def generator(self, fake):
            return -tf.reduce_mean(fake)

        def discriminator(self, real, fake):
            return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))

    gan = tiny(pool_size=0)
    gan.compile(adversarial=Hinge(), **sgd(0.01))
    _, f, d_a, _ = kernels(gan)
    logs = gan.train_on_batch(A, B, return_dict=True)
    expected = 0.5 * (np.maximum(1 - A @ d_a, 0).mean() + np.maximum(1 + B @ f @ d_a, 0).mean())
    assert logs["discriminator_a"] == pytest.approx(expected, rel=1e-5)


def test_defaults_are_those_of_the_program_in_pytorch():
    gan = tiny()
    gan.compile()
    assert (gan.cycle_weight, gan.identity_weight, type(gan.adversarial).__name__) == (10, 0.5, "LeastSquares")
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        config = optimizer.get_config()
        assert type(optimizer) is keras.optimizers.Adam
        assert [config[name] for name in ("beta_1", "beta_2", "epsilon")] == [0.5, 0.999, 1e-8]
        assert config["learning_rate"] == pytest.approx(2e-4)
    assert gan.generator_optimizer is not gan.discriminator_optimizer


def test_named_networks():
    gan = CycleGAN("unet_128", filters=2, discriminator="pixel", seed=5)
    assert isinstance(gan.generator_a2b, UNetGenerator) and gan.generator_a2b.size == 128
    assert isinstance(gan.discriminator_a, PatchDiscriminator) and gan.discriminator_a.depth == 0
    networks = [gan.generator_a2b, gan.generator_b2a, gan.discriminator_a, gan.discriminator_b]
    assert [each.filters for each in networks] == [2, 2, 2, 2]
    again = CycleGAN("unet_128", filters=2, discriminator="pixel", seed=5)
    other = CycleGAN("unet_128", filters=2, discriminator="pixel", seed=6)
    first = lambda network: values(network.weights)[0]
    np.testing.assert_array_equal(first(gan.generator_b2a), first(again.generator_b2a))
    apart = CycleGAN("unet_128", filters=2, discriminator="pixel", discriminator_filters=3, channels=1)
    networks = [apart.generator_b2a, apart.discriminator_b]
    assert [(each.filters, each.channels) for each in networks] == [(2, 1), (3, 1)]
    starts = [first(each.generator_a2b) for each in (gan, other)] + [first(gan.generator_b2a)]
    assert not any(np.array_equal(x, y) for x, y in [(starts[0], starts[1]), (starts[0], starts[2])])


def test_a_model_as_generator_is_cloned():
    model = pointwise(3, 1)
    gan = tiny(generator=model)
    assert gan.generator_a2b is model
    assert gan.generator_b2a is not model
    gan.generator_b2a.weights[0].assign(tf.zeros((1, 1, 3, 3)))
    assert np.any(values(model.weights)[0])


@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.integration)])
def test_mixed_precision(policy):
    gan = tiny(
        generator=[pointwise(3, seed, dtype=policy) for seed in (1, 2)],
        discriminator=[pointwise(1, seed, dtype=policy) for seed in (3, 4)],
        dtype=policy,
    )
    gan.compile(**sgd(0.01))
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
        if policy == "mixed_float16":
            optimizer.dynamic_scale.assign(256.0)  # 2^15 at the start can overflow, which skips the step
    exact = tiny(pool_size=0)
    exact.compile(**sgd(0.01))
    before = kernels(gan)
    logs, exact_logs = (each.train_on_batch(A, B, return_dict=True) for each in (gan, exact))
    assert logs == pytest.approx(exact_logs, rel=0.02)
    for old, new, wanted in zip(before, kernels(gan), kernels(exact), strict=True):
        assert np.any(new != old)
        np.testing.assert_allclose(new - old, wanted - old, atol=2e-3)


def test_validation_and_steps_per_execution():
    gan = tiny()
    gan.compile(steps_per_execution=2, **sgd(0.0))
    history = gan.fit(pairs(5), epochs=2, validation_data=pairs(2), verbose=0).history
    assert int(gan.pool_a.seen) == 10  # validation leaves the pool alone
    g, f, _, d_b = kernels(gan)
    a, b = images(2, 1), images(2, 2)
    assert history["val_cycle_a"][-1] == pytest.approx(np.abs(a @ g @ f - a).mean(), rel=1e-5)
    assert history["val_discriminator_b"][-1] == pytest.approx(
        np.mean([expected_discriminator(b[[i]], a[[i]] @ g, d_b) for i in range(2)]), rel=1e-5
    )
    all_b = images(5, 2)
    assert history["identity_b"][-1] == pytest.approx(np.abs(all_b @ g - all_b).mean(), rel=1e-5)  # mean over the epoch


@pytest.mark.integration
def test_validation_sees_the_same_images_every_time_and_training_does_not_notice():
    pictures = images(3, 1, 16) / 2 + 0.5, images(2, 2, 16) / 2 + 0.5
    source = data.unpaired(*pictures, image_size=16, load_size=20, seed=0)
    gan, other = tiny(), tiny()
    for each in (gan, other):
        each.compile(**sgd(0.0))
    history = gan.fit(source, epochs=3, validation_data=source, verbose=0).history
    alone = other.fit(source, epochs=3, verbose=0).history
    assert len({*history["val_cycle_a"]}) == 1
    assert len({*history["cycle_a"]}) == 3  # other crops in every epoch
    assert {name: losses for name, losses in history.items() if not name.startswith("val_")} == alone


@pytest.mark.integration
def test_saved_and_loaded_it_goes_on_as_before(tmp_path):
    def made():
        gan = tiny(discriminator="pixel_affine", filters=2, discriminator_filters=3)
        gan.compile(adversarial="wasserstein", cycle_weight=(7, 3), identity_weight=0.25)
        gan.fit(pairs(5, side=8), epochs=1, verbose=0)
        return gan

    gan = made()
    gan.generator_optimizer.learning_rate = 1e-4
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    assert again.get_config()["image_size"] == (8, 8)
    assert (again.cycle_weight, again.identity_weight) == ((7, 3), 0.25)
    assert type(again.adversarial).__name__ == "Wasserstein"
    for _ in range(2):
        for one, other in zip(
            [*gan.variables, *gan.generator_optimizer.variables, *gan.discriminator_optimizer.variables],
            [*again.variables, *again.generator_optimizer.variables, *again.discriminator_optimizer.variables],
            strict=True,
        ):
            np.testing.assert_array_equal(*values([one, other]))
        for each in (gan, again):
            each.fit(pairs(5, side=8), epochs=1, verbose=0)


def test_prediction_and_translation_use_the_generators():
    gan = tiny()
    g, f, _, _ = kernels(gan)
    gan.compile()
    np.testing.assert_allclose(gan.predict(A, verbose=0), A @ g, atol=1e-6)
    picture = images(1, 7, 16)[0] / 2 + 0.5
    for direction, matrix in (("a2b", g), ("b2a", f)):
        expected = ((picture * 2 - 1) @ matrix / 2 + 0.5).clip(0, 1)
        np.testing.assert_allclose(gan.translate(picture, direction), expected, atol=1e-6)
    with pytest.raises(InputError, match="direction is 'a2c'; expected one of a2b, b2a"):
        gan.translate(picture, "a2c")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "resnet_7"}, "generator is 'resnet_7'; expected one of resnet_9"),
        ({"generator": 9}, "generator is 9; expected one of"),
        ({"generator": ["resnet_9", "resnet_9"]}, "expected one of .* a Keras model or two of them"),
        ({"discriminator": "patch"}, "discriminator is 'patch'; expected one of patch_70"),
        ({"filters": 0}, "filters is 0"),
        ({"discriminator_filters": 0}, "discriminator_filters is 0"),
        ({"channels": 0}, "channels is 0"),
        ({"pool_size": -1}, "size is -1"),
        ({"image_size": (4, 4, 3)}, "image_size is"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        tiny(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adversarial": "hinge"}, "adversarial is 'hinge'"),
        ({"cycle_weight": -1}, "cycle_weight is -1"),
        ({"cycle_weight": [1, 2, 3]}, r"cycle_weight is \[1, 2, 3\]; expected a number, or two"),
        ({"identity_weight": "much"}, "identity_weight is 'much'"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        tiny().compile(**options)


def test_another_image_size_than_the_pools_is_refused():
    gan = tiny(image_size=4)
    gan.compile()
    with pytest.raises(InputError, match=r"images are 8 x 8 pixels .* hold images of 4 x 4"):
        gan.fit(pairs(side=8), verbose=0)


MIRRORED = """
import json, sys
import keras_style  # before TensorFlow, for its environment
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_style import data
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
sys.path.insert(0, "tests")
from gans import images, kernels, pairs, tiny, values

def trained(**pool):
    gan = tiny(seed=1, **pool)
    optimizers = {name: keras.optimizers.SGD(0.02) for name in ("generator_optimizer", "discriminator_optimizer")}
    gan.compile(**optimizers)
    pictures = images(6, 1, 16) / 2 + 0.5, images(5, 2, 16) / 2 + 0.5
    source = data.unpaired(*pictures, image_size=16, load_size=20, batch_size=2, seed=0)
    more = {"validation_data": source} if gan.pool_a.size else {}
    history = gan.fit(source, epochs=2, verbose=0, **more).history
    return [each.tolist() for each in kernels(gan)], history, sum(map(int, values(gan.pool_a.variables[1:])))

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for pool in ({"pool_size": 0}, {"pool_size": 3}):
    single = trained(**pool)
    with strategy.scope():
        print(json.dumps([single, trained(**pool)]))
with strategy.scope():
    gan = tiny()
    gan.compile()
try:
    gan.fit(pairs(3, 3))
except InputError as error:
    print(error)
"""


@pytest.mark.integration
def test_two_replicas_equal_one():
    """With its pool, too: there is one pool for all replicas."""
    run = python(MIRRORED)
    assert run.returncode == 0, run.stderr
    *trainings, refusal = run.stdout.splitlines()
    assert len(trainings) == 2
    for line in trainings:
        (kernels_1, history_1, seen_1), (kernels_2, history_2, seen_2) = json.loads(line)
        for one, two in zip(kernels_1, kernels_2, strict=True):
            np.testing.assert_allclose(two, one, atol=1e-6)
        assert seen_1 == seen_2
        for name, losses in history_1.items():
            assert history_2[name] == pytest.approx(losses, rel=1e-5)
    assert seen_1 == 12
    assert "batches hold 3 images for 2 replicas" in refusal


REPEATED = """
import hashlib
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator
import sys
sys.path.insert(0, "tests")
from gans import pairs, tiny, values

gan = tiny(
    generator=[ResNetGenerator(blocks=0, filters=4, seed=seed) for seed in (1, 2)],
    discriminator=[PatchDiscriminator(4, layers=1, seed=seed) for seed in (3, 4)],
)
gan.compile()
gan.fit(pairs(10, side=32), epochs=2, verbose=0)
print(hashlib.sha256(b"".join(each.tobytes() for each in values(gan.variables))).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_train_to_the_same_bits():
    runs = [python(REPEATED) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
