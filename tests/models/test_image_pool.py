"""The image pool: the published rule, image by image, against a list in Python."""

import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.image_pool import ImagePool


def published(stored: list, size: int, image, swap: bool, place: int):
    """`util/image_pool.py` of the published program, with its random numbers given: what it returns."""
    if len(stored) < size:
        stored.append(image)
        return image
    if swap:
        old, stored[place] = stored[place], image
        return old
    return image


def numbered(first: int, count: int) -> np.ndarray:
    """Images that say which they are."""
    return np.arange(first, first + count, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 3, 1), np.float32)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("batch", [1, 7])
def test_it_does_what_the_published_pool_does(batch, jit):
    size, seed = 5, 3
    pool = ImagePool(size, seed)
    pool.build((None, 2, 3, 1))
    pool.built = True
    run = tf.function(pool, jit_compile=jit, autograph=False)
    stored: list[int] = []
    collisions = 0
    for first in range(0, 120, batch):
        places, _, _ = (np.asarray(each) for each in pool.draw(tf.constant(first, "int64"), batch))
        # One number below 2 * size decides: the lower half is a place to swap with.
        numbers = tf.random.stateless_uniform([batch], [seed, first], 0, 2 * size, "int32", alg="philox").numpy()
        expected = []
        for offset, number in enumerate(numbers):
            expected.append(published(stored, size, first + offset, number < size, number % size))
        collisions += len({*places}) < batch
        np.testing.assert_array_equal(run(tf.constant(numbered(first, batch)))[:, 0, 0, 0], expected)
        np.testing.assert_array_equal(np.asarray(pool.stored)[: len(stored), 1, 2, 0], stored)
    assert int(pool.seen) == first + batch
    assert batch == 1 or collisions > 5  # several images of a batch met in one place


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_under_everyones_mixed_precision_images_keep_their_digits(policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        pool = ImagePool(2, seed=0)
        images = numbered(0, 2) + np.float32(1 / 3)
        pool(images)
        returned = np.concatenate([pool(images) for _ in range(8)])
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert returned.dtype == np.float32
    assert set(np.unique(returned)) == set(np.unique(images))


def test_half_of_the_images_are_swapped_with_places_drawn_uniformly():
    place, enters, full = ImagePool(4, seed=1).draw(tf.constant(100, "int64"), 20000)
    assert np.all(full)
    assert np.mean(enters) == pytest.approx(0.5, abs=0.02)
    shares = np.bincount(np.asarray(place)[np.asarray(enters)], minlength=4) / np.sum(enters)
    np.testing.assert_allclose(shares, 0.25, atol=0.02)


def test_draws_differ_from_batch_to_batch_and_from_seed_to_seed():
    drawn = {
        (seed, seen): tuple(np.asarray(ImagePool(50, seed).draw(tf.constant(seen, "int64"), 20)[0]))
        for seed in (0, 1)
        for seen in (50, 51)
    }
    assert len(set(drawn.values())) == 4


def test_a_pool_of_no_images_changes_nothing_and_has_no_state():
    pool = ImagePool(0)
    np.testing.assert_array_equal(pool(numbered(0, 3)), numbered(0, 3))
    assert not pool.variables


def test_no_gradient_goes_through_and_float16_images_come_out_as_float32():
    images = tf.Variable(numbered(0, 2).astype(np.float16))
    with tf.GradientTape() as tape:
        returned = ImagePool(3)(images)
    assert returned.dtype == tf.float32
    assert tape.gradient(returned, images) is None


def test_restored_variables_go_on_as_before():
    one, other = ImagePool(3, seed=8), ImagePool(3, seed=8)
    one(numbered(0, 6)), other(numbered(50, 1))
    for variable, saved in zip(other.variables, [np.asarray(each) for each in one.variables], strict=True):
        variable.assign(saved)
    for first in range(10, 40, 3):
        np.testing.assert_array_equal(one(numbered(first, 3)), other(numbered(first, 3)))


def test_it_survives_serialization():
    pool = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ImagePool(7, seed=2, name="pool")))
    assert (pool.size, pool.seed, pool.name) == (7, 2, "pool")


@pytest.mark.parametrize("arguments", [{"size": -1}, {"size": 2.5}, {"seed": -1}, {"seed": True}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        ImagePool(**arguments)


def test_another_image_size_is_refused():
    pool = ImagePool(3, name="pool_a")
    pool(numbered(0, 1))
    with pytest.raises(InputError, match=r"pool_a: images of shape \(4, 4, 1\); it holds images of shape \(2, 3, 1\)"):
        pool(np.zeros((1, 4, 4, 1), np.float32))


def test_an_unknown_image_size_is_refused():
    with pytest.raises(InputError, match=r"expected \(B, H, W, C\) with H, W and C known"):
        ImagePool(3).build((None, None, None, 3))


def test_smaller_images_come_back_in_their_own_sizes():
    """The pool of single pixels, with the same draws, says which."""
    pool, oracle = ImagePool(2, seed=3), ImagePool(2, seed=3)
    pool.build((None, 6, 8, 3))
    pool.built = True
    exchange = tf.function(pool, input_signature=[tf.TensorSpec((1, None, None, 3))])
    random = np.random.default_rng(0)
    came = [random.uniform(-1, 1, (1, *random.integers(1, [7, 9]), 3)).astype(np.float32) for _ in range(20)]
    numbers = [int(oracle(np.full((1, 1, 1, 1), number, np.float32))[0, 0, 0, 0]) for number in range(20)]
    assert numbers != list(range(20))
    for image, number in zip(came, numbers, strict=True):
        np.testing.assert_array_equal(exchange(image), came[number])
