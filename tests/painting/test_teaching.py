"""Teaching a painter: the loss falls, other photographs gain, runs repeat and go on, and what is wrong is said."""

import numpy as np
import pytest
from small_painters import filled, textured

import keras_style
from keras_style import Objective, Term, images, losses
from keras_style.errors import CheckpointError, InputError, MissingFileError
from keras_style.internal.tensorflow import tf
from keras_style.models import Painter
from keras_style.painting.painters import lesson, school

QUICK = {"size": 64, "verbose": 0}


@pytest.fixture(scope="module")
def painting():
    return textured(1, 80, 100)


@pytest.fixture(scope="module")
def photo():
    return textured(2)


@pytest.fixture(scope="module")
def shallow():
    """An objective that needs two blocks of the network only."""
    gram = losses.GramLoss()
    return Objective(
        [
            Term(gram, "block1_conv1", 1.0, "style", relative=True),
            Term(gram, "block2_conv1", 1.0, "style", relative=True),
            Term(losses.ContentLoss(), "block1_conv1", 0.1, "content", relative=True),
        ]
    )


def taught(photo, painting, **options):
    painter = filled()
    return painter, painter.teach(painting, "new", photo, **{**QUICK, **options})


# What comes of it


def test_the_pictures_come_to_look_like_the_painting(photo, painting, shallow, backbone):
    """By Gram matrices in NumPy, on a photograph that was not taught on."""
    painter, result = taught(photo, painting, method=shallow, steps=40)

    def apart(picture):
        total = 0.0
        for layer in ("block1_conv1", "block2_conv1"):
            grams = []
            for each in (picture, painting):
                vectors = np.float64(backbone(each[None], [layer])[layer][0]).reshape(
                    -1, 64 if "1_" in layer[:7] else 128
                )
                grams.append(vectors.T @ vectors / len(vectors))
            total += ((grams[0] - grams[1]) ** 2).sum() / (grams[1] ** 2).sum()
        return total

    other = textured(3)
    before = min(apart(painter.paint(other, name).array) for name in ("one", "two", "three"))
    assert apart(painter.paint(other, "new").array) < 0.5 * before
    assert result.history["style"][-1] < 0.5 * result.history["style"][0]
    assert result.settings["steps"] == result.steps == 40 and result.array.shape == (48, 64, 3)
    assert painter.card("new")["taught"]["photographs"] == 1


def test_nothing_but_a_row_is_added(photo, painting, shallow):
    before = filled()
    painter, _ = taught(photo, painting, method=shallow, steps=2)
    assert painter.base == before.base and list(painter.styles) == ["one", "two", "three", "new"]
    np.testing.assert_array_equal(painter.table.rows.numpy()[:3], before.table.rows.numpy())
    assert painter.table.sketches.numpy()[3].any()


def test_the_same_seed_gives_the_same_bits(photo, painting, shallow):
    photos = [photo, textured(5), textured(6, 100, 80)]
    rows = [taught(photos, painting, method=shallow, steps=5, seed=seed)[0].row("new").tobytes() for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_the_gradient_is_that_of_differences(photo, painting, shallow, backbone):
    painter = filled()
    course = lesson.Lesson(painter.network, backbone, shallow, [painting], [1.0], [school.cut(photo)], 0)
    row = painter.row("two").astype(np.float64)
    _, gradient = course.evaluate(tf.constant(row[None], tf.float32), 1)
    direction = gradient[0].numpy() / np.linalg.norm(gradient)

    def loss(at):
        return float(sum(course.evaluate(tf.constant(at[None], tf.float32), 1)[0].values()))

    step = 5e-3
    slope = (loss(row + step * direction) - loss(row - step * direction)) / (2 * step)
    assert slope == pytest.approx(float(gradient[0].numpy() @ direction), rel=0.03)


def test_photographs_take_turns(backbone, shallow, painting):
    photos = school.squares([textured(seed) for seed in range(5)], 64, 0)
    course = lesson.Lesson(filled().network, backbone, shallow, [painting], [1.0], photos, 3)
    turns = [course.turn(step) for step in range(1, 11)]
    assert sorted(turns[:5]) == sorted(turns[5:]) == [0, 1, 2, 3, 4] and turns[:5] != turns[5:]
    assert {each.shape for each in photos} == {(48, 48, 3)}


def test_several_paintings(photo, painting, shallow):
    painter = filled()
    results = painter.teach([painting, photo], ["a", "b"], textured(4), method=shallow, steps=2, **QUICK)
    assert len(results) == 2 and list(painter.styles)[-2:] == ["a", "b"]
    alone = filled()
    alone.teach(painting, "a", textured(4), method=shallow, steps=2, **QUICK)
    np.testing.assert_array_equal(painter.row("a"), alone.row("a"))


@pytest.mark.parametrize("method", ["moments", {"gatys": 1, "sliced_wasserstein": 1}])
def test_any_method_teaches(method, photo, painting):
    _, result = taught(photo, painting, method=method, steps=2)
    assert set(result.history) >= {"loss", "content", "style", "total_variation"}
    assert np.isfinite(result.history["loss"]).all()


def test_a_painter_without_styles_begins_with_plain_normalizations(photo, painting, shallow):
    painter = Painter(filters=(4, 4, 4), blocks=1, expand=(4, 4), seed=0)
    result = painter.teach(painting, "first", photo, method=shallow, steps=10, **QUICK)
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_the_photographs_of_the_package_are_taken(painting, shallow):
    assert len(school.squares(None, 64, 0)) >= 12
    files = {each.name for each in school.PHOTOGRAPHS.glob("*.webp")}
    listed = (school.PHOTOGRAPHS / "LICENSES.md").read_text()
    assert files and all(f"| {name} |" in listed for name in files)


def test_it_ends_where_nothing_is_gained(photo, painting, monkeypatch):
    flat = Objective([Term(losses.TotalVariationLoss(), "image", 1e-20)])
    _, result = taught(photo, painting, method=flat, steps=200)
    assert 20 < result.steps < 100 and not result.stopped


def test_of_several_photographs_whole_rounds_are_compared():
    """A photograph that is harder than the others does not end a lesson in which every round is better."""
    course = object.__new__(school.Course)
    course.photographs = [None] * 4
    losses = [float(harder) - 0.001 * turn for turn in range(40) for harder in (1, 5, 2, 9)]
    assert not any(course.nothing_gained(losses[:steps]) for steps in range(len(losses) + 1))
    same = [1.0, 5.0, 2.0, 9.0] * 8
    assert course.nothing_gained([*losses, *same]) and not course.nothing_gained([*losses, *same[:-1]])


# While it runs


def test_callbacks_see_pictures_and_end_the_lesson(photo, painting, shallow):
    seen = []

    def watch(iterate):
        seen.append((iterate.step, iterate.steps, iterate.image.shape))
        return iterate.step == 3

    painter, result = taught(photo, painting, method=shallow, steps=9, callbacks=[watch])
    assert seen == [(step, 9, (48, 64, 3)) for step in (1, 2, 3)]
    assert result.stopped and result.steps == 3 and "new" in painter.styles


def test_an_error_adds_nothing(photo, painting, shallow):
    def fail(iterate):
        raise KeyboardInterrupt

    painter = filled()
    with pytest.raises(KeyboardInterrupt):
        painter.teach(painting, "new", photo, method=shallow, steps=9, callbacks=[fail], **QUICK)
    assert list(painter.styles) == ["one", "two", "three"]


def test_a_stopped_lesson_goes_on_to_the_same_bits(photo, painting, shallow, tmp_path):
    whole, _ = taught(photo, painting, method=shallow, steps=8)
    options = {"method": shallow, "steps": 8, "checkpoint": tmp_path / "lesson"}
    taught(photo, painting, callbacks=[lambda iterate: iterate.step == 3], **options)
    resumed, result = taught(photo, painting, **options)
    np.testing.assert_array_equal(resumed.row("new"), whole.row("new"))
    assert len(result.history["loss"]) == 8
    again, _ = taught(photo, painting, **options)
    np.testing.assert_array_equal(again.row("new"), whole.row("new"))
    with pytest.raises(CheckpointError, match="seed was 0, now 1"):
        taught(photo, painting, seed=1, **options)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (
            {"painting": np.zeros((40, 90, 3), np.float32)},
            InputError,
            "painting: it is 90 x 40 pixels; expected at least 64",
        ),
        ({"painting": np.full((90, 90, 3), 0.3)}, InputError, "painting: it is of one color throughout"),
        ({"painting": "none.png"}, MissingFileError, "no such file"),
        ({"name": "one"}, InputError, "name is 'one', which is taken"),
        ({"name": "a/b"}, InputError, "name is 'a/b'"),
        ({"name": ["a", "b"]}, InputError, "name is"),
        ({"photographs": []}, InputError, "photographs is an empty list"),
        ({"photographs": np.full((90, 90, 3), 0.3)}, InputError, "photographs: it is of one color"),
        ({"method": "gram"}, InputError, "method is 'gram'; expected one of"),
        ({"steps": 0}, InputError, "steps is 0"),
        ({"size": 32}, InputError, "size is 32; expected a whole number from 64"),
        ({"seed": -1}, InputError, "seed is -1"),
    ],
)
def test_bad_lessons(photo, painting, arguments, error, said):
    painter = filled()
    with pytest.raises(error, match=said):
        painter.teach(**{"painting": painting, "name": "new", "photographs": photo, **QUICK, **arguments})
    assert list(painter.styles) == ["one", "two", "three"]


def test_lists_have_a_name_for_each(photo, painting):
    with pytest.raises(InputError, match=r"2 paintings and the name .*; expected a name for each"):
        filled().teach([painting, photo], ["a"], photo)
    with pytest.raises(InputError, match="checkpoint with a list of paintings"):
        filled().teach([painting, photo], ["a", "b"], photo, checkpoint="x")


# As a method of transfer


def test_the_method_paints_at_full_size(photo, painting):
    options = {"method": "painter", "steps": 2, "size": 96, "verbose": 0}
    result = keras_style.transfer(photo, painting, **options)
    assert result.array.shape == photo.shape and result.steps == 2
    assert result.settings["method"] == "painter" and result.settings["strength"] == 1.0
    mixed = keras_style.transfer(photo, painting, strength=0.5, **options)
    np.testing.assert_allclose(mixed.array, (result.array + photo) / 2, atol=1e-6)
    large = keras_style.Stylizer(method="painter", steps=1, size=120)(photo, [painting, textured(7)], verbose=0)
    assert large.array.shape == (*images.fitted_size(72, 96, 120), 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init": "noise"}, 'init with the method "painter"'),
        ({"optimizer": "lbfgs", "tile": 64}, "optimizer, tile with the method"),
        ({"content_masks": "mask.png"}, 'masks with the method "painter"'),
        ({"method": "gatys", "strength": 0.5}, "strength with the method 'gatys'"),
        ({"method": {"painter": 1, "gatys": 1}}, "expected 'painter' alone"),
        ({"strength": 2}, "strength is 2"),
        ({"variant": "paper"}, "variant of painter is 'paper'"),
    ],
)
def test_options_that_make_no_sense(options, said, photo, painting):
    with pytest.raises(InputError, match=said):
        keras_style.transfer(photo, painting, **{"method": "painter", "verbose": 0, **options})


def test_styles_by_name(photo, painting, tmp_path):
    painter = filled()
    file = painter.save_style("two", tmp_path / "two.style")
    painter.forget("two")
    by_file = keras_style.transfer(photo, str(file), model=painter, size=96)
    np.testing.assert_array_equal(by_file.array, filled().paint(photo, "two", size=96).array)
    both = keras_style.transfer(photo, ["one", file], model=painter, size=96, style_blend=[1, 3], stroke=2)
    np.testing.assert_array_equal(both.array, filled().paint(photo, ["one", "two"], 96, [1, 3], stroke=2).array)
    for given, said in (
        ({"style": None}, "style is None; expected a style of the painter: one, three"),
        ({"style": "painting.png"}, 'a painting is taught by method="painter"'),
        ({"style": "one", "steps": 3}, "model with steps; a painter paints in one pass"),
        ({"style": "one", "strength": 7}, "strength is 7"),
    ):
        with pytest.raises(InputError, match=said):
            keras_style.transfer(photo, model=painter, **given)
