"""Where L-BFGS steps too short: what the scaling in keras_style/optimize/coordinates.py was measured by.

    python benchmarks/scaling.py [--size PIXELS] [--early STEPS] [--late STEPS] [--content-weight W]

Paints the pair that benchmarks/quality.py tunes on, and takes a late picture for the minimum. A coordinate of an early
one that is farther from there than its gradient says has too small a unit. Prints, for each color and frequency, the
root of distance over gradient (root mean squares, the median taken as 1), by which that unit is to be multiplied; and
the power of the contrast around a pixel that the same ratio goes with, beyond the power that is there. Factors of 1
and a power of 0 are those of a scaling that fits.
"""

import argparse

import numpy as np
import quality
import scipy.fft

from keras_style import ImageOptimizer, Objective, backbones, color, images, recipes
from keras_style.optimize import coordinates
from keras_style.optimize.coordinates import FREQUENCIES, Coordinates
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.iterate import Iterate
from keras_style.optimize.lbfgs import FIRST_MOVE, ONE_DRAW
from keras_style.runtime import tf

AROUND = 4  # pixels, deviation of the Gaussian within which distances and gradients are compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--early", type=int, default=20)
    parser.add_argument("--late", type=int, default=220)
    parser.add_argument("--content-weight", type=float, default=5.0)
    given = parser.parse_args()

    photograph, painting = (
        images.fit(images.load(quality.ROOT / "examples" / kind / name), given.size)
        for kind, name in zip(("content", "style"), quality.TUNING[0], strict=True)
    )
    weights = {"content_weight": given.content_weight, "style_weight": 100.0}
    objective = Objective(recipes.blend("gatys", "reference").with_numbers(weights).terms())
    backbone = backbones.get("vgg16_bsds500")
    start = color.match(photograph, painting)
    pictures = {}

    def keep(iterate: Iterate) -> None:
        print(f"\r{iterate.step} of {iterate.steps}", end="", flush=True)
        if iterate.step in (given.early, given.late):
            pictures[iterate.step] = iterate.image[None]

    ImageOptimizer(backbone, objective, "lbfgs").minimize(
        start, content=photograph, style=painting, steps=given.late, on_iterate=keep
    )
    print()
    there = Coordinates(start[None], FIRST_MOVE)
    early, late = (there.of(pictures[step]) for step in (given.early, given.late))
    evaluate = losses_and_gradient(
        objective.bind(backbone, photograph[None], [painting[None]]), start[None].shape, start.dtype
    )
    pixels, slopes = there.pixels(early)
    slope = there.gradient(evaluate(tf.constant(pixels, start.dtype), ONE_DRAW)[1].numpy(), slopes)
    height, width = start.shape[:2]
    distances, gradients = ((each / np.linalg.norm(each)).reshape(3, height, width) for each in (early - late, slope))

    frequency = np.hypot(*np.meshgrid(*(np.arange(side) / (2 * side) for side in (height, width)), indexing="ij"))
    nearest = np.digitize(frequency, np.sqrt(FREQUENCIES[1:] * FREQUENCIES[:-1]))
    factors = np.array(
        [
            [np.sqrt(_rms(distances[k, nearest == band]) / _rms(gradients[k, nearest == band])) for band in range(8)]
            for k in range(3)
        ]
    )
    print("factors of the units, a line for each color, by cycles per pixel", FREQUENCIES)
    print(np.array2string(factors / np.median(factors), precision=2, suppress_small=True))

    def around(planes: np.ndarray) -> np.ndarray:
        """Mean squares around every pixel, of the frequencies above those that colors of regions have."""
        waves = scipy.fft.idctn(planes * (frequency > 0.05), axes=(1, 2), norm="ortho")
        return coordinates._blurred(np.square(waves).sum(0)[None], frequency, AROUND)[0]

    ratio = np.log(np.maximum(around(distances), 1e-30) / np.maximum(around(gradients), 1e-30)) / 2
    contrast = np.log(coordinates._gains(start[None].astype(np.float64), frequency, 1.0)[0, ..., 0])
    power = np.polyfit(contrast.ravel(), ratio.ravel(), 1)[0] / 2
    print(f"power of the contrast, beyond {coordinates.CONTRAST_POWER}: {power:.2f}")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


if __name__ == "__main__":
    main()
