"""Photographs for training: one collection -> batches for the `fit` of a painter."""

from keras_style import checks, images
from keras_style.data.batches import Batches
from keras_style.data.collections import Collection, items_of
from keras_style.data.preparation import Preparation, load_size_of, readable
from keras_style.errors import InputError

BATCH = 4  # Johnson et al., "Perceptual Losses for Real-Time Style Transfer", 2016, §4.1


def photographs(
    source: Collection,
    *,
    image_size: int = 256,
    load_size: int | None = None,
    batch_size: int = BATCH,
    flip: bool = True,
    seed: int = 0,
    on_error: str = "raise",
) -> "Photographs":
    """Batches from a collection of photographs, as `Painter.fit` takes them.

    They come in random orders, all of them before any comes again; each is resized by its short side, so that its
    aspect stays, cropped at random and flipped at random, each time anew. Files are read as `keras_style.data.unpaired`
    reads them.

    Args:
        source: a folder (all images in it and below), a glob pattern, a list of files, an array (N, height, width, 3),
            uint8 or floating point in [0, 1], or a `tf.data.Dataset` of single images. A single image is enough.
        image_size: side of the square crops in pixels, a multiple of 4.
        load_size: pixels of the short side before the crop (bicubic, antialiased); None: 286/256 of `image_size`.
        batch_size: images in a step; all batches are full.
        flip: mirror every second image, at random.
        seed: same seed, same images: same batches.
        on_error: "raise": an image that cannot be read ends the training when its turn comes; "skip": all are read once
            now, and those that cannot be read are left out, with one warning that names them.

    Returns:
        A `Photographs`: a `tf.data.Dataset` of so many steps that every image comes once, each a float32 tensor
        (batch_size, image_size, image_size, 3) in [0, 1].

    Raises:
        MissingFileError: a folder or file does not exist.
        InputError: an argument is something else than expected, or the collection holds no image.

    Example:
        >>> data = keras_style.data.photographs("photos", image_size=256)
        >>> batch = next(iter(data))
    """
    checks.choice("on_error", on_error, ("raise", "skip"))
    image_size = checks.whole("image_size", image_size, images.MIN_SIDE, 2**14)
    if image_size % 4:
        raise InputError(f"image_size is {image_size}; expected a multiple of 4, as painters halve pictures twice")
    load_size = load_size_of(load_size, image_size)
    preparation = Preparation("scale_and_crop", image_size, load_size, checks.truth("flip", flip))
    batch_size = checks.whole("batch_size", batch_size, 1, 2**16)
    seed = checks.whole("seed", seed, 0, 2**32 - 1)
    items = items_of("photographs", source)
    if on_error == "skip":
        items = readable("photographs", items, preparation)
    return Photographs({"photographs": items}, preparation, 0, [True], batch_size, {}, seed)


class Photographs(Batches):
    """Dataset that `photographs` returns: its next iteration begins at the step `position`.

    Attributes:
        position: number of the step, counted from the start of the training over all epochs, at which the next
            iteration begins. An iteration goes to the end of its epoch and moves the position there when it starts.
        steps_per_epoch: number of images / batch_size, rounded up; also `len(data)`.
        settings: what decides the batches, as plain values, wherever the images lie, as in `Unpaired`.
        failure: the error of the image that could not be read, if one ended an iteration.
        largest: height and width of the images.

    Example:
        >>> data = keras_style.data.photographs("photos")
        >>> data.position = 3 * data.steps_per_epoch + 1  # the fourth epoch, from its second step on
        >>> batch = next(iter(data))
    """
