"""Training all weights of a painter: the loss falls, the base changes, runs repeat and go on, mistakes are said."""

import warnings

import numpy as np
import pytest
from small_painters import SMALL, filled, textured

import keras_style
from keras_style import Objective, Term, losses
from keras_style.errors import CheckpointError, InputError, WeightsError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models import Painter
from keras_style.painting.painters import fitting
from keras_style.training import Resume

SIDE = 64


@pytest.fixture(scope="module")
def shallow():
    """An objective that needs the first layer of the network only."""
    return Objective(
        [
            Term(losses.GramLoss(), "block1_conv1", 1.0, "style", relative=True),
            Term(losses.ContentLoss(), "block1_conv1", 0.1, "content", relative=True),
        ]
    )


@pytest.fixture(scope="module")
def paintings():
    """Of different sizes."""
    return {"one": textured(1, 80, 100), "new": textured(4, 72, 96)}


def photographs(batch=2, count=4):
    pictures = np.stack([textured(seed, SIDE, SIDE) for seed in range(5, 5 + count)])
    return keras_style.data.photographs(pictures, image_size=SIDE, batch_size=batch, seed=2)


def small(paintings, method, **options):
    """A small painter, compiled; of its three styles, two have no painting."""
    painter = filled(seed=3)
    for variable in painter.network.weights:
        variable.assign(0.5 * variable)
    painter.compile(method, paintings, **options)
    return painter


def fitted(painter, epochs=1, data=None, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        history = painter.fit(photographs() if data is None else data, epochs=epochs, verbose=0, **options)
    forgotten = [str(each.message) for each in said if "forgotten" in str(each.message)]
    assert len(forgotten) == 1 and "2 styles whose painting is not given" in forgotten[0]
    return history


def values(painter):
    return [each.numpy() for each in painter.variables]


# What comes of it


def test_losses_fall_and_all_weights_move(paintings, shallow):
    painter = small(paintings, shallow, stability_weight=1.0, optimizer=keras.optimizers.Adam(0.02))
    before, rows = [each.numpy() for each in painter.network.weights], painter.row("one")
    history = fitted(painter, epochs=15).history
    assert set(history) == {"loss", "style", "content", "stability"}
    np.testing.assert_allclose(
        history["loss"], np.sum([history[name] for name in ("style", "content", "stability")], axis=0), rtol=1e-4
    )
    assert np.mean(history["loss"][-3:]) < 0.7 * np.mean(history["loss"][:3])
    assert all(np.abs(old - new.numpy()).max() > 1e-3 for old, new in zip(before, painter.network.weights, strict=True))
    assert list(painter.styles) == ["one", "new"] and np.abs(rows - painter.row("one")).max() > 1e-3
    assert painter.card("new")["trained"]["steps"] == 30 and painter.table.sketches.numpy().any(1).all()


def test_rows_belong_to_the_weights(paintings, shallow, tmp_path):
    """A file saved before the training is refused afterwards, and one saved after it opens."""
    painter = small(paintings, shallow)
    painter.save_style("one", tmp_path / "before.style")
    base = painter.base
    fitted(painter)
    assert painter.base != base
    with pytest.raises(WeightsError, match="a row fits no others"):
        painter.load_style(tmp_path / "before.style", "other")
    painter.save_style("one", tmp_path / "after.style")
    assert painter.load_style(tmp_path / "after.style", "other") == "other"
    np.testing.assert_array_equal(painter.row("one"), painter.row("other"))


def test_a_saved_painter_paints_the_same(paintings, shallow, tmp_path):
    painter = small(paintings, shallow)
    fitted(painter)
    painter.save(tmp_path / "painter.keras")
    again = keras.models.load_model(tmp_path / "painter.keras")
    photo = textured(9)
    np.testing.assert_array_equal(painter.paint(photo, "new").array, again.paint(photo, "new").array)
    with pytest.raises(InputError, match="not compiled"):
        again.fit(photographs())
    assert painter.optimizer.built  # which the file does not hold


def test_what_was_taught_is_trained_without_being_named_again(shallow):
    painter = Painter(**SMALL, seed=0)
    painter.teach(textured(1), "mine", textured(2), method=shallow, steps=2, size=64, verbose=0)
    painter.compile(shallow)
    before = painter.row("mine")
    painter.fit(photographs(), verbose=0)
    assert np.isfinite(painter.row("mine")).all() and np.abs(painter.row("mine") - before).max() > 0


def test_any_method_on_paintings_of_different_sizes(paintings):
    """Statistics of this one are as many as the pixels."""
    painter = small(paintings, "sliced_wasserstein", stability_weight=0)
    history = fitted(painter, data=photographs(1, 2)).history
    assert np.isfinite(history["loss"]).all() and "stability" not in history


# The step


def of_step(shape, weight, shallow, count=1):
    painter = filled([str(number) for number in range(count)])
    return fitting.Fitting(
        painter.network,
        painter.table.rows,
        shallow,
        keras_style.backbones.get("vgg16_imagenet"),
        [textured(number) for number in range(count)],
        shape,
        weight,
        1,
        lambda loss: loss,
    )


def test_style_and_content_are_those_of_the_losses_themselves(shallow, backbone):
    """Of the picture that the painter paints, with each loss as Keras calls it."""
    step = of_step((2, SIDE, SIDE, 3), 0, shallow, count=2)
    batch = np.stack([textured(7, SIDE, SIDE), textured(8, SIDE, SIDE)])
    found = step.losses(tf.constant(batch), tf.constant(1), tf.constant(0, tf.int64))
    style, content = [], []
    gram, same = losses.GramLoss(), losses.ContentLoss()
    for photo in batch:
        picture = step.network([photo[None], step.rows.numpy()[1:2]])
        painted, seen, aim = (
            backbone(each, ["block1_conv1"])["block1_conv1"] for each in (picture, photo[None], textured(1)[None])
        )
        style.append(gram(aim, painted) / gram(aim, tf.zeros_like(aim)))
        content.append(0.1 * same(seen, painted) / same(seen, tf.zeros_like(seen)))
    np.testing.assert_allclose(found["style"], np.mean(style), rtol=2e-3)
    np.testing.assert_allclose(found["content"], np.mean(content), rtol=2e-3)


def test_gradients_are_those_of_finite_differences(shallow):
    step = of_step((1, SIDE, SIDE, 3), 5.0, shallow)
    batch, at = tf.constant(textured(7, SIDE, SIDE)[None]), tf.constant(3, tf.int64)
    random = np.random.default_rng(0)
    _, gradients = step.gradients(batch, at)
    directions = [random.normal(size=each.shape).astype("f") for each in step.variables]
    slope = sum(float(np.sum(each * way)) for each, way in zip(gradients, directions, strict=True))
    start, sums = [each.numpy() for each in step.variables], []
    for sign in (1, -1):
        for variable, value, way in zip(step.variables, start, directions, strict=True):
            variable.assign(value + sign * 2e-4 * way)
        sums.append(float(sum(each.numpy() for each in step.losses(batch, tf.constant(0), at).values())))
    assert abs((sums[0] - sums[1]) / 4e-4 - slope) < 0.05 * abs(slope) + 1e-3


def test_the_second_cut_shows_the_same_scene(shallow, monkeypatch):
    """Without noise, a network that leaves the picture as it is has no instability, whatever the shift."""
    monkeypatch.setattr(fitting, "NOISE", 0.0)
    step = of_step((1, SIDE, SIDE, 3), 1.0, shallow)
    batch = tf.constant(textured(7, SIDE, SIDE)[None])
    shifts = set()
    for number in range(12):
        still, moved, shift = step._twice(batch, tf.constant(number, tf.int64))
        shifts.add(tuple(shift.numpy()))
        assert float(fitting._apart(still, moved, shift)) == 0
        assert float(fitting._apart(still, moved, shift + 1)) > 1e-4
    assert len(shifts) > 6 and max(max(map(abs, shift)) for shift in shifts) <= fitting.SHIFT


def test_every_style_has_its_turn(shallow):
    step = of_step((1, SIDE, SIDE, 3), 0, shallow, count=3)
    turns = [int(step.turn(tf.constant(number, tf.int64))) for number in range(30)]
    assert all(sorted(turns[first : first + 3]) == [0, 1, 2] for first in range(0, 30, 3))
    assert len({tuple(turns[first : first + 3]) for first in range(0, 30, 3)}) > 1


# Runs


def test_a_run_that_was_stopped_ends_in_the_same_bits(paintings, shallow, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:
                raise KeyboardInterrupt

    whole = small(paintings, shallow)
    fitted(whole, epochs=3)
    stopped = small(paintings, shallow)
    with pytest.raises(KeyboardInterrupt):
        fitted(stopped, epochs=3, callbacks=[Resume(tmp_path, every=1), Stop()])
    again = small(paintings, shallow)
    fitted(again, epochs=3, callbacks=[Resume(tmp_path, every=1)])
    for one, other in zip(values(whole), values(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.base == again.base

    others = small({**paintings, "one": textured(8)}, shallow)
    with pytest.raises(CheckpointError, match="another training"):
        fitted(others, epochs=3, callbacks=[Resume(tmp_path, every=1)])


def test_evaluation_is_the_mean_over_styles_and_changes_nothing(paintings, shallow):
    painter = small(paintings, shallow, stability_weight=0)
    data = photographs()
    with pytest.raises(InputError, match="evaluate before fit"):
        painter.evaluate(data)
    fitted(painter, data=data)
    before, batch = values(painter), next(iter(photographs(4)))
    found = painter.evaluate(batch, verbose=0, return_dict=True, batch_size=4)
    each = [
        sum(map(float, painter.fitting.losses(batch, tf.constant(number), tf.constant(0, tf.int64)).values()))
        for number in range(2)
    ]
    np.testing.assert_allclose(found["loss"], np.mean(each), rtol=1e-5)
    for one, other in zip(before, values(painter), strict=True):
        np.testing.assert_array_equal(one, other)


# Mistakes


def test_mistakes(paintings, shallow):
    with pytest.raises(InputError, match="not compiled"):
        filled().fit(photographs())
    painter = filled()
    with pytest.raises(InputError, match=r"expected \{name: painting\}"):
        painter.compile(shallow, [textured(1)])
    with pytest.raises(InputError, match="of one color"):
        painter.compile(shallow, {"flat": np.full((80, 80, 3), 0.5)})
    with pytest.raises(InputError, match="stability_weight"):
        painter.compile(shallow, paintings, stability_weight=-1)
    with pytest.raises(InputError, match="target is 'style'"):
        painter.compile(Objective([Term(losses.ContentLoss(), "block1_conv1", 1.0, "content")]), paintings)
    assert list(painter.styles) == ["one", "two", "three"]
    painter.compile(shallow)
    with pytest.raises(InputError, match="no painting is known of the 3 styles"):
        painter.fit(photographs())
    painter.compile(shallow, paintings)
    for shape in ((2, 32, 64, 3), (2, 66, 64, 3), (2, 64, 64, 1)):
        with pytest.raises(InputError, match="multiples of 4, at least 64"):
            painter.fit(np.zeros(shape, np.float32))
    assert len(painter.styles) == 4  # nothing is forgotten before all is well
