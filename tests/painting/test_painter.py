"""A painter: what it knows, how it paints, and its files."""

import json

import numpy as np
import pytest
from small_painters import SMALL, filled

import keras_style
from keras_style import images
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal.tensorflow import keras
from keras_style.models import Painter
from keras_style.models.loading import presets
from keras_style.painting.painters import brush, painter_source, sketches, style_file


@pytest.fixture(scope="module")
def painter():
    return filled()


@pytest.fixture(scope="module")
def preset():
    return Painter.from_preset("painters")


# What it knows


def test_it_knows_its_styles(painter):
    assert painter.styles == {"one": "the first", "two": "the second", "three": "the third"}
    assert painter.card("two") == {"line": "the second", "painter": "nobody"}
    with pytest.raises(InputError, match="style is 'four'; expected one of one, two, three"):
        painter.card("four")
    with pytest.raises(InputError, match="has not been taught any"):
        Painter(**SMALL).row("one")


def test_a_blend_of_rows_is_their_weighted_mean(painter):
    rows = painter.table.rows.numpy()
    np.testing.assert_allclose(painter.row(["three", "one"], [1, 3]), 0.75 * rows[0] + 0.25 * rows[2], atol=1e-6)
    np.testing.assert_allclose(painter.row(["one", "two", "three"]), rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(painter.style_weights(["two", "two"]), [0, 1, 0])
    with pytest.raises(InputError, match="style_blend"):
        painter.row(["one", "two"], [1])
    with pytest.raises(InputError, match=r"style is \[\]; expected a name"):
        painter.row([])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"filters": (4, 4)}, "filters is .4, 4.; expected 3 numbers"),
        ({"blocks": -1}, "blocks is -1"),
        ({"styles": ["a", "a"]}, "'a', which is taken"),
        ({"styles": ["a/b"]}, "name is 'a/b'; expected 1 to 64 letters"),
        ({"styles": {"a": {"line": 3}}}, "card of a: line is 3; expected one line of text"),
        ({"styles": {"a": {"x": object()}}}, "card of a: .*expected JSON values"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(InputError, match=said):
        Painter(**{**SMALL, **arguments})


def test_styles_come_and_go():
    painter = filled()
    rows = painter.table.rows.numpy()
    painter.add_style("four", rows[0] + 1, {"line": "x", "year": 1888})
    painter.forget("two")
    assert list(painter.styles) == ["one", "three", "four"] and painter.card("four")["year"] == 1888
    np.testing.assert_array_equal(painter.table.rows.numpy(), [rows[0], rows[2], rows[0] + 1])
    with pytest.raises(InputError, match="'one', which is taken"):
        painter.add_style("one", rows[0])
    with pytest.raises(InputError, match=r"row has shape \(3,\)"):
        painter.add_style("five", rows[0][:3])
    assert [variable.shape[0] for variable in painter.table.weights] == [3, 3]


# Painting


def test_a_picture_is_what_the_network_answers(painter, photograph):
    """40 x 48: multiples of four."""
    row = painter.row("two")
    expected = painter([photograph[None], np.array([[0, 1, 0]], np.float32)])[0]
    result = painter.paint(photograph, "two")
    np.testing.assert_allclose(result.array, expected, atol=2e-5)
    np.testing.assert_allclose(painter.network([photograph[None], row[None]])[0], expected, atol=1e-6)
    assert result.settings["style"] == {"two": 1.0} and result.history == {"loss": []}
    assert expected.numpy().std() > 0.05


def test_a_batch_has_a_style_for_each_image(painter, photograph):
    weights = np.eye(3, dtype=np.float32)
    together = painter([np.stack([photograph] * 3), weights]).numpy()
    for number, name in enumerate(painter.styles):
        np.testing.assert_allclose(together[number], painter.paint(photograph, name).array, atol=1e-4)


@pytest.mark.parametrize("size", [(37, 50), (64, 41), (18, 23)])
def test_any_size_keeps_it(painter, size):
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    result = painter.paint(picture, "one").array
    assert result.shape == picture.shape and result.dtype == np.float32 and 0 <= result.min() <= result.max() <= 1
    # The top left corner does not see what is added at the bottom and on the right, but for the statistics.
    row = painter.row("one")[None]
    padded = np.pad(picture, ((0, -size[0] % 4), (0, -size[1] % 4), (0, 0)), "reflect")[None]
    np.testing.assert_allclose(result, painter.network([padded, row])[0, : size[0], : size[1]], atol=2e-5)


def test_large_pictures_go_through_in_strips(painter, monkeypatch):
    picture = np.random.default_rng(0).random((90, 54, 3), np.float32) * np.linspace(1, 0.2, 90)[:, None, None]
    whole = painter.paint(picture, ["one", "two"]).array
    monkeypatch.setattr(brush, "AT_ONCE", 100)
    monkeypatch.setattr(brush, "STRIP", 56 * 20)
    np.testing.assert_allclose(painter.paint(picture, ["one", "two"]).array, whole, atol=5e-5)


def test_strength_goes_from_the_photograph_to_the_style(painter, photograph):
    style = painter.paint(photograph, "one").array
    np.testing.assert_array_equal(painter.paint(photograph, "one", strength=0).array, photograph)
    for strength in (0.25, 0.5, 1.0):
        mixed = painter.paint(photograph, "one", strength=strength).array
        np.testing.assert_allclose(mixed, (1 - strength) * photograph + strength * style, atol=1e-6)


def test_strokes_are_those_of_a_smaller_or_larger_copy(painter, photograph):
    row = painter.row("one")
    for stroke in (0.5, 2.0):
        sides = [round(side / stroke) for side in photograph.shape[:2]]
        copy = brush.brushed(painter.network, images.resize(photograph, *sides), row)
        expected = images.resize(copy, *photograph.shape[:2])
        np.testing.assert_allclose(painter.paint(photograph, "one", stroke=stroke).array, expected, atol=1e-6)


def test_colors_of_the_photograph(painter, photograph):
    luma = np.array([0.299, 0.587, 0.114])
    painted = painter.paint(photograph, "one").array
    kept = painter.paint(photograph, "one", preserve_color="luminance").array
    inside = (kept > 0).all(-1) & (kept < 1).all(-1)  # where nothing was clipped
    difference = (kept - photograph)[inside]
    np.testing.assert_allclose(difference, np.repeat(difference[:, :1], 3, 1), atol=1e-5)
    np.testing.assert_allclose((kept @ luma)[inside], (painted @ luma)[inside], atol=1e-5)
    matched = painter.paint(photograph, "one", preserve_color="match").array
    assert np.abs(matched.mean((0, 1)) - photograph.mean((0, 1))).max() < 0.05


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"style": "four"}, "style is 'four'"),
        ({"style": 3}, "style is 3; expected a name"),
        ({"strength": 1.5}, "strength is 1.5; expected a number from 0 to 1"),
        ({"stroke": 9}, "stroke is 9; expected a number from 0.25 to 4"),
        ({"size": 3}, "size is 3"),
        ({"preserve_color": "hue"}, "preserve_color is 'hue'; expected one of luminance, match"),
        ({"style_blend": [0]}, "expected a weight above 0"),
    ],
)
def test_bad_requests(painter, photograph, arguments, said):
    with pytest.raises(InputError, match=said):
        painter.paint(photograph, **{"style": "one", **arguments})


def test_same_bits(painter, photograph):
    np.testing.assert_array_equal(painter.paint(photograph, "one").array, painter.paint(photograph, "one").array)


# Files


def test_a_keras_file_has_everything(painter, photograph, tmp_path):
    painter.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(tmp_path / "mine.keras")
    assert loaded.styles == painter.styles and loaded.card("two") == painter.card("two")
    assert loaded.base == painter.base
    np.testing.assert_array_equal(loaded.paint(photograph, "two").array, painter.paint(photograph, "two").array)
    transferred = keras_style.transfer(photograph, "two", model=tmp_path / "mine.keras", size=48)
    np.testing.assert_array_equal(transferred.array, painter.paint(photograph, "two", size=48).array)
    with pytest.raises(InputError, match=r"ends in \.keras"):
        painter.save(tmp_path / "mine.h5")


def test_a_style_in_a_file_of_its_own(painter, tmp_path):
    file = painter.save_style("two", tmp_path / "two.style")
    other = Painter(**SMALL)
    for mine, its in zip(other.network.weights, painter.network.weights, strict=True):
        mine.assign(its)
    assert other.load_style(file) == "two" and other.load_style(file, "again") == "again"
    np.testing.assert_array_equal(other.row("two"), painter.row("two"))
    assert other.card("again") == painter.card("two")
    assert file.stat().st_size < 4000
    assert file.read_bytes() == painter.save_style("two", tmp_path / "same.style").read_bytes()
    with pytest.raises(InputError, match="'two', which is taken"):
        other.load_style(file)


def test_a_style_belongs_to_its_weights(painter, tmp_path):
    file = painter.save_style("two", tmp_path / "two.style")
    with pytest.raises(WeightsError, match="the style two belongs to a painter with the weights"):
        filled(seed=1).load_style(file)


def test_files_that_are_none(painter, tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        painter.load_style(tmp_path / "none.style")
    broken = tmp_path / "broken.style"
    good = painter.save_style("one", tmp_path / "one.style").read_bytes()
    for data in (b"", b"text", good[: len(good) // 2], json.dumps({"name": "x"}).encode()):
        broken.write_bytes(data)
        with pytest.raises(WeightsError, match="cannot be read as a style"):
            painter.load_style(broken)
    with pytest.raises(InputError, match="cannot be written"):
        painter.save_style("one", tmp_path / "nowhere" / "one.style")
    style = style_file.Style(
        "n", {}, painter.base, np.full(painter.table.numbers, np.nan, np.float32), np.zeros(sketches.SIZE)
    )
    broken.write_bytes(style_file.encoded(style))
    with pytest.raises(WeightsError, match="finite numbers"):
        painter.load_style(broken)


def test_a_preset_of_ones_own(painter, tmp_path):
    painter.save_preset(tmp_path / "mine", "three styles", "# mine")
    loaded = Painter.from_preset(tmp_path / "mine")
    assert loaded.styles == painter.styles and loaded.base == painter.base
    with pytest.raises(InputError, match="holds a preset already"):
        painter.save_preset(tmp_path / "mine", "again")
    (tmp_path / "mine/painter.keras").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged, or another file"):
        Painter.from_preset(tmp_path / "mine")
    with pytest.raises(InputError, match="expected a painter"):
        Painter.from_preset("satellite_to_relief")


# The preset


def test_the_directory_of_a_run_is_opened(painter, photograph, tmp_path):
    assert not painter_source.is_painter(tmp_path)
    painter.save(tmp_path / "painter.keras")
    assert painter_source.is_painter(tmp_path)
    painted = keras_style.transfer(photograph, "two", model=tmp_path, size=48)
    np.testing.assert_array_equal(painted.array, painter.paint(photograph, "two", size=48).array)


def test_the_preset_of_the_package(preset, photograph):
    assert len(preset.styles) >= 26 and all(preset.styles.values())
    assert all(preset.card(name)["license"] for name in preset.styles)
    known = [preset.card(name) for name in preset.styles if "painting" in preset.card(name)]
    assert len(known) >= 16
    assert all(card[key] for card in known for key in ("painter", "painting", "year", "source", "license", "taught"))
    assert {f"{name}.webp" for name in preset.styles} <= {file.name for file in presets.locate("painters").iterdir()}
    assert preset.table.numbers == 990
    assert preset.table.sketches.numpy().any(1).all()
    different = {preset.paint(photograph, name).array.tobytes() for name in list(preset.styles)[:5]}
    assert len(different) == 5
    assert "painters" in keras_style.presets()


def test_a_sketch_has_as_many_numbers_as_a_painter_keeps(painter):
    assert painter.table.sketches.shape[1] == len(sketches.sketch(np.ones((64, 64, 3), np.float32)))


def test_distances_of_sketches_are_those_of_gram_matrices(backbone, photograph, painting):
    """Within what random projections promise: a fifth, for 96 pairs of vectors and four layers."""

    def grams(picture):
        maps = backbone(picture[None], sketches.LAYERS)
        vectors = [np.float64(maps[layer]).reshape(-1, maps[layer].shape[-1]) for layer in sketches.LAYERS]
        return [each.T @ each / len(each) for each in vectors]

    pictures = [photograph, painting, 1 - painting]
    for one in pictures:
        for other in pictures[1:]:
            exact = np.mean(
                [((a - b) ** 2).sum() / (b**2).sum() for a, b in zip(grams(one), grams(other), strict=True)]
            )
            about = sketches.apart(sketches.sketch(one), sketches.sketch(other))
            assert about == pytest.approx(exact, rel=0.35, abs=1e-9)


def test_the_nearest_blend_is_found():
    random = np.random.default_rng(0)
    known = random.random((6, sketches.SIZE))
    known[3] = 0  # not taken
    weights = np.array([0, 0.7, 0, 0, 0.3, 0])
    np.testing.assert_allclose(sketches.nearest_blend(known, weights @ known, 3), weights, atol=1e-6)
    found = sketches.nearest_blend(known, known.mean(0), 2)
    assert np.count_nonzero(found) <= 2 and found.sum() == pytest.approx(1) and found[3] == 0
