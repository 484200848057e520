"""One picture over several scales: sizes, margins, what is carried over, and resuming."""

import dataclasses

import numpy as np
import pytest
from running import eagerly

from keras_style.images import resize
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import ContentLoss, FeatureLoss, GramLoss, TotalVariationLoss
from keras_style.optimize.checkpoint import State
from keras_style.optimize.coarse_to_fine import CoarseToFine
from keras_style.optimize.image_optimizer import ImageOptimizer
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.schedule import Stage
from keras_style.optimize.targets import Targets


@pytest.fixture(autouse=True)
def without_graphs():
    """A few small steps of many objectives: tracing a graph of each would take longer."""
    with eagerly():
        yield


STAGES = (Stage(20, 24, 3), Stage(40, 48, 4))


class SpyLoss(ContentLoss):
    """Notes the sizes that are compared."""

    def __init__(self):
        super().__init__("sum", name="spy")
        self.sizes = []

    def statistics(self, features, mask=None):
        self.sizes.append(tuple(features.shape[1:3]))
        return super().statistics(features)


def run_of(
    backbone, photograph, painting, *, terms=None, optimizer="adam", stages=STAGES, init=None, bleed=0, **regions
):
    terms = terms or [
        Term(ContentLoss(), "block1_conv2", 1.0, "content", relative=True),
        Term(GramLoss(), "block1_conv1", 1.0, "style", relative=True),
    ]
    if init is None:
        init = resize(photograph, stages[0].height, stages[0].width)
    made = ImageOptimizer(backbone, Objective(terms), optimizer)
    return CoarseToFine(made, stages, Targets(photograph[None], [painting[None]], **regions), init, bleed)


def unmoving():
    """An optimizer that leaves the image as it is."""
    return keras.optimizers.SGD(0.0)


def pixels(loss: FeatureLoss | None = None) -> list[Term]:
    return [Term(loss or ContentLoss("sum"), "image", 1.0, "content")]


# Scales


def test_result_has_the_size_of_the_last_scale_and_every_step_is_recorded(backbone, photograph, painting):
    seen = []
    result = run_of(backbone, photograph, painting).run(
        lambda iterate: seen.append((iterate.step, iterate.steps, iterate.scale, iterate.image.shape))
    )
    coarse, fine = (20, 24, 3), (40, 48, 3)
    assert seen == [*((step, 7, 24, coarse) for step in (1, 2, 3)), *((step, 7, 48, fine) for step in (4, 5, 6, 7))]
    assert result.image.shape == fine
    assert not result.stopped
    assert {name: len(values) for name, values in result.history.items()} == {"loss": 7, "content": 7, "style": 7}


def test_content_and_styles_are_scaled_alike(backbone, photograph, painting):
    content, style = SpyLoss(), SpyLoss()
    style.distance = lambda target, current: current["features"][:, 0, 0, 0]
    terms = [Term(content, "image", 1.0, "content"), Term(style, "image", 1.0, "style")]
    run_of(backbone, photograph, painting, terms=terms).run(lambda iterate: None)
    assert content.sizes == [(20, 24)] * 4 + [(40, 48)] * 5  # of the target, and of the image at each step
    assert style.sizes == [(16, 22), *[(20, 24)] * 3, (32, 44), *[(40, 48)] * 4]


def test_one_scale_is_the_image_optimizer_alone(backbone, photograph, painting):
    stages = (Stage(40, 48, 4),)
    run = run_of(backbone, photograph, painting, stages=stages)
    alone = run.optimizer.minimize(photograph, content=photograph, style=painting, steps=4)
    result = run.run(lambda iterate: None)
    assert (result.image == alone.image).all()
    assert result.history == alone.history


def test_detail_of_the_content_is_restored_between_scales(backbone, photograph, painting):
    result = run_of(backbone, photograph, painting, terms=pixels(), optimizer=unmoving()).run(lambda iterate: None)
    np.testing.assert_allclose(result.image, photograph, atol=1e-6)
    blurred = resize(resize(photograph, 20, 24), 40, 48)
    assert np.abs(blurred - photograph).max() > 0.1  # what would be left without it


def test_an_objective_without_content_gets_no_detail_of_it(backbone, photograph, painting):
    gray = np.full((20, 24, 3), 0.5, np.float32)
    style_only = [Term(GramLoss(), "block1_conv1", 1.0, "style")]
    run = run_of(backbone, photograph, painting, terms=style_only, optimizer=unmoving(), init=gray)
    np.testing.assert_allclose(run.run(lambda iterate: None).image, 0.5, atol=1e-6)


def test_what_was_painted_at_the_coarse_scale_is_kept(backbone, photograph, painting):
    gray = np.full((20, 24, 3), 0.5, np.float32)
    result = run_of(backbone, photograph, painting, terms=pixels(), optimizer=unmoving(), init=gray)
    detail = photograph - resize(resize(photograph, 20, 24), 40, 48)
    np.testing.assert_allclose(result.run(lambda iterate: None).image, np.clip(0.5 + detail, 0, 1), atol=1e-6)


def test_start_of_the_coarsest_scale_is_not_touched(backbone, photograph, painting):
    init = np.random.default_rng(0).random((20, 24, 3), np.float32)
    run = run_of(backbone, photograph, painting, terms=pixels(), optimizer=unmoving(), stages=STAGES[:1], init=init)
    assert (run.run(lambda iterate: None).image == init).all()


# Margins


def test_margin_is_optimized_and_trimmed(backbone, photograph, painting):
    spy = SpyLoss()
    shapes = []
    run = run_of(backbone, photograph, painting, terms=pixels(spy), bleed=5)
    result = run.run(lambda iterate: shapes.append(iterate.image.shape))
    assert spy.sizes == [(30, 34)] * 4 + [(50, 58)] * 5
    assert shapes == [(20, 24, 3)] * 3 + [(40, 48, 3)] * 4
    assert result.image.shape == (40, 48, 3)


def test_margin_does_not_move_the_picture(backbone, photograph, painting):
    run = run_of(backbone, photograph, painting, terms=pixels(), optimizer=unmoving(), bleed=5)
    images = []
    result = run.run(lambda iterate: images.append(iterate.image.copy()))
    np.testing.assert_allclose(images[0], resize(photograph, 20, 24), atol=1e-6)
    np.testing.assert_allclose(result.image, photograph, atol=1e-6)


def test_margin_is_a_reflection(backbone, photograph, painting):
    states = []
    run = run_of(backbone, photograph, painting, terms=pixels(), optimizer=unmoving(), stages=STAGES[:1], bleed=3)
    run.run(lambda iterate: None, save=states.append, save_every=1)
    with_margin = states[0].image
    assert with_margin.shape == (26, 30, 3)
    assert (with_margin[:3] == with_margin[6:3:-1]).all()
    assert (with_margin[:, -3:] == with_margin[:, -5:-8:-1]).all()


# Passes


TWO_PASSES = (Stage(20, 24, 2), Stage(40, 48, 2), Stage(40, 48, 3, in_pass=2))


def later_terms() -> list[Term]:
    return [*pixels(), Term(TotalVariationLoss(), "image", 2.0, name="rough", from_pass=2)]


def test_term_of_a_later_pass_counts_nothing_before(backbone, photograph, painting):
    seen = []
    run = run_of(backbone, photograph, painting, terms=later_terms(), stages=TWO_PASSES)
    history = run.run(lambda iterate: seen.append((iterate.step, iterate.scale, dict(iterate.losses)))).history
    assert [len(values) for values in history.values()] == [7, 7, 7]
    assert history["rough"][:4] == [0] * 4 and min(history["rough"][4:]) > 0
    sums = [content + rough for content, rough in zip(history["content"], history["rough"], strict=True)]
    assert history["loss"] == pytest.approx(sums, rel=1e-6)
    assert [(step, scale) for step, scale, _ in seen] == [(1, 24), (2, 24), *((step, 48) for step in range(3, 8))]


def test_pass_at_full_size_goes_on_from_the_picture_as_it_is(backbone, photograph, painting):
    gray = np.full((20, 24, 3), 0.5, np.float32)
    images = []
    run = run_of(
        backbone, photograph, painting, terms=later_terms(), stages=TWO_PASSES, optimizer=unmoving(), init=gray
    )
    run.run(lambda iterate: images.append(iterate.image.copy()))
    assert (images[4] == images[3]).all()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_run_of_two_passes_resumed_from_any_state_ends_in_the_same_bits(backbone, photograph, painting, optimizer):
    states = []
    run = run_of(backbone, photograph, painting, terms=later_terms(), stages=TWO_PASSES, optimizer=optimizer, bleed=2)
    whole = run.run(lambda iterate: None, save=states.append, save_every=1)
    for state in states:
        resumed = run.run(lambda iterate: None, state)
        assert (resumed.image == whole.image).all()
        assert resumed.history == whole.history


# Regions


class SpyOfMasks(GramLoss):
    """Notes the masks that it gets, in a graph when it runs."""

    def __init__(self):
        super().__init__()
        self.masks = {}

    def note(self, mask):
        self.masks.setdefault(tuple(mask.shape[1:]), set()).add(mask.numpy().tobytes())

    def statistics(self, features, mask=None):
        tf.py_function(self.note, [mask], [])
        return super().statistics(features, mask)


def test_regions_are_scaled_and_extended_with_what_they_belong_to(backbone, photograph, painting):
    spy = SpyOfMasks()
    left = np.broadcast_to(np.arange(48) < 24, (40, 48)).astype(np.float32)
    top = np.broadcast_to((np.arange(32) < 16)[:, None], (32, 44)).astype(np.float32)
    run_of(
        backbone,
        photograph,
        painting,
        terms=[Term(spy, "image", 1.0, "style")],
        bleed=4,
        content_regions={"a": left, "b": 1 - left},
        style_regions=[{"a": top, "b": 1 - top}],
    ).run(lambda iterate: None)

    def regions(height, width, axis):
        first = (np.indices((height, width))[axis] < (height, width)[axis] // 2).astype(np.float32)
        return {first.tobytes(), (1 - first).tobytes()}

    of_styles = {size: regions(*size, axis=0) for size in [(16, 22), (32, 44)]}
    assert spy.masks == of_styles | {size: regions(*size, axis=1) for size in [(28, 32), (48, 56)]}


# Saving and resuming


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_state_is_saved_as_often_as_promised(backbone, photograph, painting, optimizer):
    states = []
    run = run_of(backbone, photograph, painting, optimizer=optimizer)
    run.run(lambda iterate: None, save=states.append, save_every=2)
    assert [(state.stage, state.step) for state in states] == [(0, 2), (1, 0), (1, 2), (1, 4), (2, 0)]
    assert [len(state.history["loss"]) for state in states] == [2, 3, 5, 7, 7]


def test_stopped_run_is_saved_and_says_so(backbone, photograph, painting):
    states = []
    result = run_of(backbone, photograph, painting).run(
        lambda iterate: iterate.step == 5, save=states.append, save_every=100
    )
    assert result.stopped
    assert [(state.stage, state.step) for state in states] == [(1, 0), (1, 2)]
    assert (result.image == states[-1].image).all()
    assert len(result.history["loss"]) == 5
    assert result.history == states[-1].history


@pytest.mark.parametrize(("optimizer", "bleed"), [("adam", 0), ("adam", 3), ("lbfgs", 3)])
def test_run_resumed_from_any_state_ends_in_the_same_bits(backbone, photograph, painting, optimizer, bleed):
    states = []
    run = run_of(backbone, photograph, painting, optimizer=optimizer, bleed=bleed)
    whole = run.run(lambda iterate: None, save=states.append, save_every=2)
    assert len(states) == 5
    for state in states:
        steps = []
        resumed = run.run(lambda iterate, steps=steps: steps.append(iterate.step), state)
        assert steps == list(range(len(state.history["loss"]) + 1, 8))
        assert (resumed.image == whole.image).all()
        assert resumed.history == whole.history


def test_states_saved_after_resuming_are_those_of_the_whole_run(backbone, photograph, painting):
    of_whole, of_resumed = [], []
    run = run_of(backbone, photograph, painting)
    run.run(lambda iterate: None, save=of_whole.append, save_every=1)
    run.run(lambda iterate: None, of_whole[1], save=of_resumed.append, save_every=1)
    for state, wanted in zip(of_resumed, of_whole[2:], strict=True):
        assert (state.stage, state.step, state.history) == (wanted.stage, wanted.step, wanted.history)
        assert (state.image == wanted.image).all()


def test_finished_state_is_the_result(backbone, photograph, painting):
    run = run_of(backbone, photograph, painting)
    state = State(2, 0, photograph, history={"loss": [1.0]})
    result = run.run(lambda iterate: pytest.fail("nothing is left to do"), state)
    assert (result.image == photograph).all()
    assert result.history == {"loss": [1.0]}


def test_history_of_the_state_is_left_as_it_was(backbone, photograph, painting):
    states = []
    run = run_of(backbone, photograph, painting)
    run.run(lambda iterate: None, save=states.append)
    before = dataclasses.replace(states[0], history={name: list(v) for name, v in states[0].history.items()})
    run.run(lambda iterate: None, states[0])
    assert states[0].history == before.history
