"""The image optimizer: Adam against NumPy, L-BFGS on any scale, callbacks, divergence and resuming."""

import numpy as np
import pytest
from running import FAST

import keras_style
from keras_style import Stylizer
from keras_style.errors import DivergenceError, InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import (
    ContentLoss,
    FeatureLoss,
    GramLoss,
    MMDLoss,
    SlicedWassersteinLoss,
    TotalVariationLoss,
)
from keras_style.optimize.coordinates import FLAT_UNITS, UNITS
from keras_style.optimize.image_optimizer import ImageOptimizer
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.targets import Targets

SIZE = 16
BOTH = pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).random((SIZE, SIZE, 3), np.float32)


@pytest.fixture(scope="module")
def content(photograph):
    return photograph[:SIZE, 20 : 20 + SIZE]


def of_pixels(scale: float = 1.0) -> Objective:
    """scale * sum (x - content)^2 over the pixels, which needs no network."""
    return Objective([Term(ContentLoss("sum"), "image", scale, "content")])


def of_features(content_weight: float = 1.0) -> Objective:
    return Objective(
        [
            Term(ContentLoss(), "block2_conv1", content_weight, "content", relative=True),
            Term(GramLoss(), "block1_conv1", 1.0, "style", relative=True),
            Term(TotalVariationLoss(), "image", 1.0, name="total_variation"),
        ]
    )


class Recorder:
    """A callback that keeps what it saw, and stops at some step."""

    def __init__(self, stop_at: int = 0, answer: object = True):
        self.stop_at, self.answer = stop_at, answer
        self.steps, self.losses, self.images, self.states = [], [], [], []

    def __call__(self, iterate):
        self.steps.append((iterate.step, iterate.steps))
        self.losses.append(iterate.losses)
        self.images.append(iterate.image.copy())
        self.states.append(iterate.read_state())
        return self.answer if iterate.step == self.stop_at else None


class FailingLoss(FeatureLoss):
    """sum x^2, times infinity less infinity once the graph has run some times."""

    def __init__(self, sound_steps: int):
        super().__init__(name="failing")
        self.left = tf.Variable(sound_steps)

    def statistics(self, features, mask=None):
        return {"sum": tf.reduce_sum(tf.square(features), axis=[1, 2, 3])}

    def distance(self, target, current):
        left = self.left.assign_sub(1)
        return current["sum"] * tf.where(left < 0, tf.constant(np.nan, current["sum"].dtype), 1)


class RootLoss(FeatureLoss):
    """sum sqrt(x): finite at 0, but not its gradient."""

    def statistics(self, features, mask=None):
        return {"sum": tf.reduce_sum(tf.sqrt(features), axis=[1, 2, 3])}

    def distance(self, target, current):
        return current["sum"]


# Adam


def adam(start, content, steps, rate=0.02, beta_1=0.9, beta_2=0.99, epsilon=1e-7):
    """Images after each step of Adam (Kingma & Ba 2015, algorithm 1 as reordered at the end of its section 2)."""
    image, images = start.astype(np.float64), []
    mean, square = np.zeros_like(image), np.zeros_like(image)
    for step in range(1, steps + 1):
        gradient = 2 * (image - content)
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        rate_now = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        image = np.clip(image - rate_now * mean / (np.sqrt(square) + epsilon), 0, 1)
        images.append(image)
    return images


def test_adam_takes_the_steps_of_the_paper_and_clips(backbone, noise, content):
    start = noise.astype(np.float64)
    target = content.astype(np.float64)
    start[:4], target[:4] = 0.99, 1.0  # the first step would lead beyond 1
    target[4] = start[4] + 1e-7  # gradients as small as epsilon
    expected = adam(start, target, steps=6)
    assert (expected[0][:4] == 1).all()
    recorder = Recorder()
    ImageOptimizer(backbone, of_pixels()).minimize(start, content=target, steps=6, on_iterate=recorder)
    np.testing.assert_allclose(recorder.images, expected, atol=1e-6)


def test_adam_reports_the_loss_that_each_step_met(backbone, noise, content):
    recorder = Recorder()
    result = ImageOptimizer(backbone, of_pixels()).minimize(noise, content=content, steps=4, on_iterate=recorder)
    met = [noise, *recorder.images[:-1]]
    expected = [((image.astype(np.float64) - content) ** 2).sum() for image in met]
    assert result.history["content"] == pytest.approx(expected, rel=1e-5)
    assert (result.image == recorder.images[-1]).all()


def test_image_is_of_the_size_and_kind_of_the_start(backbone, noise, content):
    for dtype in (np.float32, np.float64):
        result = ImageOptimizer(backbone, of_pixels()).minimize(noise.astype(dtype), content=content, steps=1)
        assert (result.image.shape, result.image.dtype) == (noise.shape, dtype)


@BOTH
def test_start_is_left_as_it_was(backbone, noise, content, optimizer):
    start = noise.copy()
    ImageOptimizer(backbone, of_pixels(), optimizer).minimize(start, content=content, steps=2)
    assert (start == noise).all()


# Keras optimizers


def test_any_keras_optimizer_works(backbone, noise, content):
    sgd = keras.optimizers.SGD(0.05, momentum=0.9)
    image, velocity = noise.astype(np.float64), 0.0
    for _ in range(5):
        velocity = 0.9 * velocity - 0.05 * 2 * (image - content)
        image = np.clip(image + velocity, 0, 1)
    result = ImageOptimizer(backbone, of_pixels(), sgd).minimize(noise, content=content, steps=5)
    np.testing.assert_allclose(result.image, image, atol=1e-5)


def test_optimizer_of_the_caller_is_left_as_it_was(backbone, noise, content):
    mine = keras.optimizers.Adam(0.05)
    optimizer = ImageOptimizer(backbone, of_pixels(), mine)
    first = optimizer.minimize(noise, content=content, steps=3)
    assert not mine.built
    assert int(mine.iterations) == 0
    assert (optimizer.minimize(noise, content=content, steps=3).image == first.image).all()


def test_learning_rate_schedule_advances(backbone, noise, content):
    decaying = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.25, 1, 0.5))
    image = noise.astype(np.float64)
    for step in range(4):
        image = image - 0.25 * 0.5**step * 2 * (image - content)
    result = ImageOptimizer(backbone, of_pixels(), decaying).minimize(noise, content=content, steps=4)
    np.testing.assert_allclose(result.image, image, atol=1e-5)


# L-BFGS


def test_lbfgs_descends_and_stays_within_bounds(backbone, noise, content, painting):
    recorder = Recorder()
    optimizer = ImageOptimizer(backbone, of_features(), "lbfgs")
    result = optimizer.minimize(noise, content=content, style=painting, steps=8, on_iterate=recorder)
    assert recorder.steps == [(step, 8) for step in range(1, 9)]
    assert (np.diff(result.history["loss"]) < 0).all()
    assert result.history["loss"][-1] < 0.5 * result.history["loss"][0]
    images = np.array(recorder.images)
    assert 0 <= images.min() < 0.01 and 0.99 < images.max() <= 1
    assert (result.image == images[-1]).all()


def test_lbfgs_stops_at_bounds_that_the_target_lies_beyond(backbone, noise):
    beyond = np.where(noise > 0.5, 1.5, -0.5).astype(np.float32)
    result = ImageOptimizer(backbone, of_pixels(), "lbfgs").minimize(noise, content=beyond, steps=10)
    np.testing.assert_allclose(result.image, noise > 0.5, atol=0.5 / 255)


def test_lbfgs_reports_the_loss_of_the_image_it_reached(backbone, noise, content, painting):
    recorder = Recorder()
    optimizer = ImageOptimizer(backbone, of_features(), "lbfgs")
    optimizer.minimize(noise, content=content, style=painting, steps=4, on_iterate=recorder)
    losses = of_features().bind(backbone, Targets(content[None], [painting[None]]))
    for image, reported in zip(recorder.images, recorder.losses, strict=True):
        expected = {name: float(value) for name, value in losses(tf.constant(image[None])).items()}
        assert reported == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scale", [2.0**40, 2.0**-40])  # powers of two, which round nothing
def test_lbfgs_does_not_depend_on_the_scale_of_the_objective(backbone, noise, scale):
    terms = [Term(ContentLoss("sum"), "image", 1.0, "content"), Term(TotalVariationLoss(), "image", 2000.0)]
    scaled = [Term(term.loss, term.layer, scale * term.weight, term.target) for term in terms]
    target = noise[::-1].copy()
    recorders = Recorder(), Recorder()
    for summands, recorder in zip((terms, scaled), recorders, strict=True):
        optimizer = ImageOptimizer(backbone, Objective(summands), "lbfgs")
        optimizer.minimize(noise, content=target, steps=12, on_iterate=recorder)
    assert len(recorders[0].images) == len(recorders[1].images) == 12
    np.testing.assert_array_equal(recorders[1].images, recorders[0].images)


def test_lbfgs_from_the_minimum_stays_there(backbone, noise):
    noise = np.clip(noise, 0.01, 0.99)  # nearer to the ends of the range, pixels are moved
    result = ImageOptimizer(backbone, of_pixels(), "lbfgs").minimize(noise, content=noise, steps=5)
    np.testing.assert_allclose(result.image, noise, rtol=0, atol=1e-4)
    assert not result.stopped


# Callbacks


@BOTH
def test_callback_sees_steps_losses_and_images(backbone, noise, content, painting, optimizer):
    recorder = Recorder()
    result = ImageOptimizer(backbone, of_features(), optimizer).minimize(
        noise, content=content, style=painting, steps=3, on_iterate=recorder
    )
    assert recorder.steps == [(1, 3), (2, 3), (3, 3)]
    assert [image.shape for image in recorder.images] == [noise.shape] * 3
    assert (recorder.images[0] != recorder.images[1]).any()
    assert list(result.history) == ["loss", "content", "style", "total_variation"]
    for name in ("content", "style", "total_variation"):
        assert result.history[name] == [losses[name] for losses in recorder.losses]
    assert result.history["loss"] == [pytest.approx(sum(losses.values())) for losses in recorder.losses]
    assert not result.stopped


@BOTH
def test_true_from_the_callback_stops(backbone, noise, content, optimizer):
    recorder = Recorder(stop_at=2)
    objective = Objective([*of_pixels().terms, Term(TotalVariationLoss(), "image", 100.0)])
    result = ImageOptimizer(backbone, objective, optimizer).minimize(
        noise, content=content, steps=6, on_iterate=recorder
    )
    assert recorder.steps == [(1, 6), (2, 6)]
    assert result.stopped
    assert len(result.history["loss"]) == 2
    assert (result.image == recorder.images[-1]).all()


@BOTH
def test_no_other_answer_stops(backbone, noise, content, optimizer):
    recorder = Recorder(stop_at=1, answer="true")
    objective = Objective([*of_pixels().terms, Term(TotalVariationLoss(), "image", 100.0)])
    result = ImageOptimizer(backbone, objective, optimizer).minimize(
        noise, content=content, steps=3, on_iterate=recorder
    )
    assert len(recorder.steps) == 3
    assert not result.stopped


@BOTH
def test_error_of_a_callback_is_passed_on(backbone, noise, content, optimizer):
    def fail(iterate):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        ImageOptimizer(backbone, of_pixels(), optimizer).minimize(noise, content=content, steps=3, on_iterate=fail)


# Divergence


def test_loss_that_is_not_finite_is_named_with_its_step(backbone, noise):
    objective = Objective([Term(FailingLoss(sound_steps=3), "image")])
    recorder = Recorder()
    with pytest.raises(DivergenceError, match="not finite at step 4: failing nan"):
        ImageOptimizer(backbone, objective).minimize(noise, steps=9, on_iterate=recorder)
    assert len(recorder.steps) == 3


def test_lbfgs_names_its_iteration_where_the_loss_is_not_finite(backbone, noise):
    objective = Objective([Term(FailingLoss(sound_steps=3), "image")])
    with pytest.raises(DivergenceError, match=r"not finite after 1 iterations of L-BFGS: .*failing"):
        ImageOptimizer(backbone, objective, "lbfgs").minimize(noise, steps=9)


def test_pixels_that_are_not_finite_after_the_last_step_are_an_error(backbone):
    objective = Objective([Term(RootLoss(), "image")])
    with pytest.raises(DivergenceError, match="pixels are not finite after the last step"):
        ImageOptimizer(backbone, objective).minimize(np.zeros((4, 4, 3), np.float32), steps=1)


# Pixels without bounds


@pytest.mark.parametrize("optimizer", ["lbfgs", {"class_name": "SGD", "config": {"learning_rate": 0.25}}])
def test_unbounded_pixels_are_clipped_in_the_end_only(backbone, noise, optimizer):
    target = np.full_like(noise, 1.3)
    recorder = Recorder()
    options = {"content": target, "steps": 30, "on_iterate": recorder}
    result = ImageOptimizer(backbone, of_pixels(), optimizer, bounded=False).minimize(noise, **options)
    np.testing.assert_allclose(recorder.images[-1], target, atol=1e-3)
    assert (result.image == 1).all()
    bounded = ImageOptimizer(backbone, of_pixels(), optimizer).minimize(noise, **options)
    assert recorder.images[-1].max() <= 1 and bounded.image.max() <= 1


# Resuming


@pytest.mark.parametrize(
    "make",
    [lambda: "adam", lambda: keras.optimizers.SGD(0.05, momentum=0.9), lambda: "lbfgs"],
    ids=["adam", "sgd", "lbfgs"],
)
def test_resumed_run_ends_in_the_same_bits(backbone, noise, content, painting, make):
    recorder = Recorder()
    optimizer = ImageOptimizer(backbone, of_features(), make())
    images = {"content": content, "style": painting}
    whole = optimizer.minimize(noise, **images, steps=6, on_iterate=recorder)
    later = Recorder()
    resumed = ImageOptimizer(backbone, of_features(), make()).minimize(
        recorder.images[2], **images, steps=6, on_iterate=later, resume=(3, recorder.states[2])
    )
    assert later.steps == [(4, 6), (5, 6), (6, 6)]
    assert (resumed.image == whole.image).all()
    assert resumed.history["loss"] == whole.history["loss"][3:]


def test_state_is_not_changed_by_later_steps(backbone, noise, content):
    recorder = Recorder()
    ImageOptimizer(backbone, of_pixels()).minimize(noise, content=content, steps=3, on_iterate=recorder)
    assert [int(state[0]) for state in recorder.states] == [1, 2, 3]


def test_same_start_ends_in_the_same_bits(backbone, noise, content, painting):
    def run(optimizer):
        return ImageOptimizer(backbone, of_features(), optimizer).minimize(
            noise, content=content, style=painting, steps=3
        )

    for optimizer in ("adam", "lbfgs"):
        assert (run(optimizer).image == run(optimizer).image).all()


# Graph


@BOTH
def test_objective_is_traced_once(backbone, noise, content, optimizer):
    class CountingLoss(ContentLoss):
        calls = 0

        def distance(self, target, current):
            CountingLoss.calls += 1
            return super().distance(target, current)

    objective = Objective([Term(CountingLoss(), "image", 1.0, "content"), Term(TotalVariationLoss(), "image")])
    result = ImageOptimizer(backbone, objective, optimizer).minimize(noise, content=content, steps=5)
    assert len(result.history["loss"]) == 5
    assert CountingLoss.calls == 1


# Random losses


class StepLoss(ContentLoss):
    """The step that it is drawn for."""

    def redrawn(self, step):
        other = StepLoss()
        other.step = step
        return other

    def distance(self, target, current):
        return tf.cast(self.step, current["features"].dtype) + 0 * tf.reduce_sum(current["features"], axis=[1, 2, 3])


def test_adam_draws_anew_at_every_step_also_after_a_resumption(backbone, noise):
    optimizer = ImageOptimizer(backbone, Objective([Term(StepLoss(), "image", name="step")]))
    recorder = Recorder()
    assert optimizer.minimize(noise, steps=4, on_iterate=recorder).history["step"] == [1, 2, 3, 4]
    resumed = optimizer.minimize(recorder.images[1], steps=4, resume=(2, recorder.states[1]))
    assert resumed.history["step"] == [3, 4]


def test_lbfgs_refuses_pairs_drawn_at_random(backbone):
    for loss in (MMDLoss("gaussian"), MMDLoss("poly", degree=3)):
        objective = Objective([Term(loss, "block1_conv1", target="style")])
        with pytest.raises(InputError, match=r"L-BFGS with MMDLoss over pairs drawn anew .*; expected 'adam'"):
            ImageOptimizer(backbone, objective, "lbfgs")
        ImageOptimizer(backbone, objective, "adam")
    ImageOptimizer(backbone, Objective([Term(MMDLoss(), "block1_conv1", target="style")]), "lbfgs")


def test_lbfgs_keeps_one_draw(backbone, noise, content):
    objective = Objective([*of_pixels().terms, Term(StepLoss(), "image", name="step")])
    history = ImageOptimizer(backbone, objective, "lbfgs").minimize(noise, content=content, steps=2).history
    assert set(history["step"]) == {1}


@pytest.mark.parametrize("loss", [SlicedWassersteinLoss(4), MMDLoss("gaussian")], ids=lambda loss: loss.name)
def test_random_losses_are_the_same_bits_again_and_resumed(backbone, noise, painting, loss):
    optimizer = ImageOptimizer(backbone, Objective([Term(loss, "block1_conv1", 1.0, "style", relative=True)]))
    recorder = Recorder()
    whole = optimizer.minimize(noise, style=painting, steps=5, on_iterate=recorder)
    again = optimizer.minimize(noise, style=painting, steps=5)
    resumed = optimizer.minimize(recorder.images[1], style=painting, steps=5, resume=(2, recorder.states[1]))
    assert (again.image == whole.image).all() and (resumed.image == whole.image).all()
    assert resumed.history["loss"] == whole.history["loss"][2:]


# Wrap


def first_loss(backbone, image, style, layer: str, wrap: int) -> float:
    objective = Objective([Term(GramLoss(), layer, 1.0, "style", relative=True)])
    optimizer = ImageOptimizer(backbone, objective, keras.optimizers.SGD(0.0), wrap)
    return optimizer.minimize(image, style=style, steps=1).history["loss"][0]


@pytest.mark.integration
@pytest.mark.parametrize("shift", [(5, 0), (3, 13)])
def test_wrapped_losses_do_not_see_where_an_image_is_cut(backbone, noise, painting, shift):
    image = (noise * np.linspace(0.2, 1, SIZE)[:, None, None]).astype(np.float64)  # an edge where it is cut
    shifted = np.roll(image, shift, (0, 1))
    one, other = (first_loss(backbone, each, painting, "image", SIZE) for each in (image, shifted))
    assert one == pytest.approx(other, rel=1e-12)  # whole periods are seen
    near, far = (
        [first_loss(backbone, each, painting, "block1_conv1", wrap) for each in (image, shifted)]
        for wrap in (SIZE, 6 * SIZE)
    )
    assert far[0] == pytest.approx(far[1], rel=0.1)  # but for the zeros that the network pads with
    assert abs(far[0] - far[1]) < 0.5 * abs(near[0] - near[1])


def test_wrapped_loss_is_that_of_the_continued_image(backbone, noise, painting):
    wide = np.pad(noise, ((5, 5), (5, 5), (0, 0)), "wrap")
    expected = first_loss(backbone, wide, painting, "block2_conv1", 0)
    assert first_loss(backbone, noise, painting, "block2_conv1", 5) == pytest.approx(expected, rel=1e-5)
    far = np.pad(noise, ((40, 40), (40, 40), (0, 0)), "wrap")
    expected = first_loss(backbone, far, painting, "block2_conv1", 0)
    assert first_loss(backbone, noise, painting, "block2_conv1", 40) == pytest.approx(expected, rel=1e-5)


def test_roughness_is_smoothed_across_the_edge_where_it_is_wrapped(backbone):
    ramp = np.broadcast_to(np.linspace(0, 1, SIZE)[None, :, None], (SIZE, SIZE, 3)).astype(np.float32)
    objective = Objective([Term(TotalVariationLoss(), "image", 1.0)])

    def seam(wrap: int) -> float:
        image = ImageOptimizer(backbone, objective, "lbfgs", wrap).minimize(ramp, steps=30).image
        assert image.shape == ramp.shape
        return float(np.abs(image[:, 0] - image[:, -1]).mean() / np.abs(np.diff(image, axis=1)).mean())

    assert seam(0) > 10
    assert seam(1) < 2


def test_in_pass_keeps_optimizer_and_wrap(backbone):
    optimizer = ImageOptimizer(backbone, of_features(content_weight=0.0), "lbfgs", wrap=3).in_pass(1)
    assert (optimizer.optimizer, optimizer.wrap, optimizer.backbone) == ("lbfgs", 3, backbone)


# Styles


def test_several_styles_of_different_sizes_are_blended(backbone, noise, content, painting):
    def run(styles, blend):
        optimizer = ImageOptimizer(backbone, of_features())
        return optimizer.minimize(noise, content=content, style=styles, style_blend=blend, steps=3).image

    other = np.ascontiguousarray(painting[:20, ::-1, ::-1])
    only_first = run([painting, other], [1.0, 0.0])
    np.testing.assert_allclose(only_first, run(painting, None), atol=1e-4)
    assert np.abs(run([painting, other], [0.5, 0.5]) - only_first).max() > 1e-3


# Bad arguments


@pytest.mark.parametrize("optimizer", ["sgd", None, 3])
def test_unknown_optimizer_is_named_with_those_there_are(backbone, optimizer):
    with pytest.raises(InputError, match=f"is {optimizer!r}; expected one of adam, lbfgs"):
        ImageOptimizer(backbone, of_pixels(), optimizer)


def test_missing_content_is_named(backbone, noise):
    with pytest.raises(InputError, match="compares with the content image; none was given"):
        ImageOptimizer(backbone, of_pixels()).minimize(noise, steps=1)


def test_content_of_another_size_is_named(backbone, noise, photograph):
    with pytest.raises(InputError, match=r"\(1, 40, 48, 3\).*\(1, 16, 16, 3\)"):
        ImageOptimizer(backbone, of_pixels()).minimize(noise, content=photograph, steps=1)


def test_content_does_not_wrap_and_regions_do(backbone, noise, painting):
    with pytest.raises(InputError, match="wrap=4 with a content term"):
        ImageOptimizer(backbone, of_features(), wrap=4)
    style_only = Objective([Term(GramLoss(), "block1_conv1", target="style")])
    whole = {"all": np.ones(noise.shape[:2], np.float32)}
    regions = {"content_regions": whole, "style_regions": [{"all": np.ones(painting.shape[:2], np.float32)}]}
    plain, masked = (
        ImageOptimizer(backbone, style_only, keras.optimizers.SGD(0.0), wrap=4).minimize(
            noise, style=painting, steps=1, **given
        )
        for given in ({}, regions)
    )
    assert masked.history["style"] == pytest.approx(plain.history["style"], rel=1e-5)


@pytest.mark.integration
def test_lbfgs_takes_flat_units_under_a_matting_laplacian(backbone, photograph, painting, monkeypatch):
    """In those that were measured for losses on a network, colors drift over the picture, and the loss stays higher."""
    assert ImageOptimizer(backbone, Objective(Stylizer(method="gatys").blend.terms())).units is UNITS
    photo = ImageOptimizer(backbone, Objective(Stylizer(method="photo").blend.terms()))
    assert photo.in_pass(1).units is FLAT_UNITS and photo.in_pass(2).units is FLAT_UNITS  # one leads to the other

    def end() -> float:
        options = {**FAST, "method": "photo", "scales": 1, "steps": 40, "optimizer": "lbfgs"}
        return keras_style.transfer(photograph, painting, **options).history["loss"][-1]

    flat = end()
    monkeypatch.setattr("keras_style.optimize.image_optimizer.FLAT_UNITS", UNITS)
    assert flat < 0.9 * end()
