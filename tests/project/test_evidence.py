"""What the defaults promise, measured by code that shares nothing with the package. Minutes; `make test-slow`."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import losses, vgg
from picture_files import read

import keras_style
from keras_style import images
from keras_style.backbones import weights

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")


@pytest.mark.parametrize(
    ("content", "style"),
    [("red_panda.jpg", "vangogh_church_at_auvers.webp"), ("great_wall_landscape.jpg", "vangogh_night_cafe.png")],
)
def test_the_style_loss_falls_fivefold_and_the_content_stays(content: str, style: str):
    photograph = images.fit(images.load(EXAMPLES / "content" / content), 160)
    painting = images.fit(images.load(EXAMPLES / "style" / style), 160)
    picture = keras_style.transfer(photograph, painting, size=160, verbose=0).array
    kernels = weights.load("vgg16_imagenet")

    def features(image: np.ndarray) -> dict[str, np.ndarray]:
        return vgg.forward(image, kernels, "max")

    target = features(painting)

    def style_losses(image: dict[str, np.ndarray]) -> np.ndarray:
        return np.array([losses.mse_of_gram_over_positions(image[layer], target[layer]) for layer in STYLE_LAYERS])

    before, after = features(photograph), features(picture)
    fall = style_losses(before) / style_losses(after)
    assert np.median(fall) > 5
    assert fall[:3].min() > 5
    kept = np.corrcoef(before["block4_conv2"].ravel(), after["block4_conv2"].ravel())[0, 1]
    assert kept > 0.8


def test_a_default_transfer_of_512_pixels_peaks_below_two_and_a_half_gigabytes(tmp_path: Path):
    content, style = EXAMPLES / "content" / "astronaut.png", EXAMPLES / "style" / "vangogh_night_cafe.png"
    command = ["-m", "keras_style", "transfer", content, style, "-o", tmp_path / "out.png", "--steps", 12]
    subprocess.run([sys.executable, *map(str, command)], check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20 < 2.5


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_two_processes_with_one_seed_give_the_same_bits_at_512_pixels(optimizer: str, tmp_path: Path):
    content, style = EXAMPLES / "content" / "astronaut.png", EXAMPLES / "style" / "vangogh_night_cafe.png"
    pictures = [tmp_path / "one.png", tmp_path / "two.png"]
    for picture in pictures:
        command = [
            "-m",
            "keras_style",
            "transfer",
            content,
            style,
            "-o",
            picture,
            "--steps",
            9,
            "--optimizer",
            optimizer,
        ]
        subprocess.run([sys.executable, *map(str, command)], check=True)
    one, two = (read(picture) for picture in pictures)
    np.testing.assert_array_equal(one, two)
