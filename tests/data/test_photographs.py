"""Photographs in batches: values, aspects, orders, and that any step can be taken up again."""

import numpy as np
import pytest
from PIL import Image

from keras_style.data.photograph_batches import photographs
from keras_style.errors import InputError, MissingFileError

SIZE = 16


def plain(levels):
    """An array of images, each of a single level."""
    return np.stack([np.full((SIZE, SIZE, 3), level, np.uint8) for level in levels])


def levels_of(data):
    return [(batch.numpy()[:, 0, 0, 0] * 255).round().astype(int).tolist() for batch in data]


def test_batches_are_full_and_each_photograph_comes_before_any_comes_again():
    data = photographs(plain(range(0, 70, 10)), image_size=SIZE, batch_size=2, seed=3)
    assert len(data) == data.steps_per_epoch == 4
    assert data.element_spec.shape == (2, SIZE, SIZE, 3)
    levels = [level for _ in range(7) for batch in levels_of(data) for level in batch]
    for lap in range(8):
        assert sorted(levels[7 * lap : 7 * lap + 7]) == list(range(0, 70, 10))
    assert levels[:7] != levels[7:14]


def test_values_are_those_of_the_photograph_from_0_to_1():
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    data = photographs(picture[None], image_size=SIZE, load_size=SIZE, batch_size=1, flip=False)
    np.testing.assert_array_equal(next(iter(data))[0], np.float32(picture) / np.float32(255))


def test_the_aspect_stays():
    """A disc in a wide picture stays round, and gets as small as the short side does."""
    y, x = np.mgrid[0:128, 0:192]
    disc = np.where((y - 64) ** 2 + (x - 96) ** 2 < 30**2, 255, 0).astype(np.uint8)[..., None].repeat(3, -1)
    data = photographs(disc[None], image_size=64, load_size=64, batch_size=8, seed=1)
    masks = next(iter(data)).numpy()[..., 0] > 0.5
    whole = [mask for mask in masks if not mask[:, [0, -1]].any()]
    assert whole
    for mask in whole:
        for axis in (0, 1):
            assert abs(np.count_nonzero(mask.any(axis)) - 30) <= 1


@pytest.mark.parametrize("position", [1, 3, 6])
def test_any_position_gives_what_was_to_come(position):
    noise = np.random.default_rng(0).integers(0, 256, (5, 24, 20, 3), dtype=np.uint8)

    def fresh():
        return photographs(noise, image_size=SIZE, batch_size=2, seed=1)

    whole = [batch.numpy() for data in [fresh()] for _ in range(3) for batch in data]
    data = fresh()
    data.position = position
    rest = [batch.numpy() for _ in range(3 - position // 3) for batch in data]
    np.testing.assert_array_equal(whole[position:], rest)


def test_settings_tell_seeds_and_photographs_apart():
    one, same, seed = (photographs(plain([1, 2]), image_size=SIZE, seed=seed) for seed in (0, 0, 1))
    other = photographs(plain([1, 3]), image_size=SIZE)
    assert one.settings == same.settings
    assert (
        one.settings != seed.settings and one.settings["contents_photographs"] != other.settings["contents_photographs"]
    )


def test_one_photograph_fills_a_batch():
    assert next(iter(photographs(plain([7]), image_size=SIZE))).shape == (4, SIZE, SIZE, 3)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"image_size": 18}, ["image_size is 18", "multiple of 4"]),
        ({"batch_size": 0}, ["batch_size is 0"]),
        ({"load_size": 8}, ["load_size is 8"]),
        ({"on_error": "stop"}, ["on_error", "stop"]),
        ({"flip": 1.5}, ["flip"]),
    ],
)
def test_arguments(arguments, parts):
    with pytest.raises(InputError) as caught:
        photographs(plain([1]), **{"image_size": SIZE, **arguments})
    assert all(part in str(caught.value) for part in parts)


def test_photographs_that_are_not_there_or_cannot_be_read(tmp_path):
    with pytest.raises(MissingFileError, match="photographs: no such folder"):
        photographs(tmp_path / "nowhere")
    Image.fromarray(plain([5])[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="1 of 2 images are skipped"):
        data = photographs(tmp_path, image_size=SIZE, on_error="skip", batch_size=1)
    assert levels_of(data) == [[5]]
