"""Evaluation of a painter on photographs that it is not trained on, by figures that no lesson optimizes."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import backbones, checks, images
from keras_style.backbones.backbone import Backbone
from keras_style.internal import atomic_files, directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import MomentsLoss
from keras_style.models.loading import keras_file
from keras_style.painting.painters.fitting import BORDER, NOISE, SHIFT
from keras_style.painting.painters.names import FILE
from keras_style.training import held_out
from keras_style.training.held_out import Pictures

METRICS = ("style_gap", "edges", "flicker")
# Neither these layers nor this loss are those of the default lesson.
LAYERS = ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2")


class PainterEvaluation(keras.callbacks.Callback):
    """Paint test photographs in all styles, measure the pictures, and keep the painter with the least style gap.

    The logs of an epoch get three figures, means over styles and photographs, NaN in epochs without evaluation.
    `style_gap` compares mean and deviation of each filter, of layers that the default lesson does not use, with those
    of the painting: 0 is the same, 1 is as far as black. `edges` is the correlation of gradient lengths of picture and
    photograph: 1 keeps every contour. `flicker` is the root of the mean squared difference, in levels of 255,
    between the picture and that of the photograph shifted by 1, 2 and 3 pixels with noise of 2 levels, shifted back.

    Args:
        photographs: as `keras_style.data.photographs` takes them, or a list of arrays.
        directory: where the best painter is kept, as `painter.keras`, with its epoch and figures in `best.json`. None:
            it is not kept.
        every: epochs between two evaluations; the last epoch is always evaluated.
        image_size: long side in pixels.
        count: photographs; of a larger collection, some at equal distances.
        backbone: a name that `keras_style.backbones.get` takes, or a `Backbone`.
        layers: of the backbone.

    Raises:
        MissingFileError, InputError: an argument is something else than expected.

    Example:
        >>> painter = keras_style.models.Painter.from_preset("painters")
        >>> painter.compile(paintings={"mine": "painting.png"})
        >>> evaluation = keras_style.training.PainterEvaluation("photographs", "run/best")
        >>> painter.fit(keras_style.data.photographs("photos"), epochs=2, callbacks=[evaluation]).history["style_gap"]
    """

    def __init__(
        self,
        photographs: Pictures,
        directory: str | Path | None = None,
        every: int = 1,
        image_size: int = 256,
        count: int = 8,
        backbone: str | Backbone = "vgg16_imagenet",
        layers: tuple[str, ...] | list[str] = LAYERS,
    ) -> None:
        super().__init__()
        self.every = checks.whole("every", every, 1, 10**9)
        size = checks.whole("image_size", image_size, 64, 2**14)
        self.directory = None if directory is None else user_path(directory)
        self.network = backbones.get(backbone) if isinstance(backbone, str) else backbone
        self.layers = tuple(layers)
        self.network.check_layers(self.layers)
        found = held_out.read("photographs", photographs, limit=checks.whole("count", count, 1, 10**6))
        self.photographs = [images.fit(images.load(each), size) for each in found]
        self.size = size

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.directory:
            directories.make(self.directory)
        self.aims = {
            name: self._statistics(images.fit(images.load(each), min(2 * self.size, max(images.load(each).shape))))
            for name, each in self.model.paintings.items()
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            logs |= dict.fromkeys(METRICS, math.nan)
            return
        logs |= self.measure()
        if self.directory and logs["style_gap"] < best(self.model.history.history)[1]:
            keras_file.write(self.directory / FILE, self.model)
            about = {"epoch": epoch + 1, **{name: float(logs[name]) for name in METRICS}}
            atomic_files.write_bytes(self.directory / "best.json", json.dumps(about, indent=2).encode())

    def measure(self) -> dict[str, float]:
        """The figures of the painter as it is, by the names in `METRICS`."""
        rows = []
        for style, aim in self.aims.items():
            for number, photo in enumerate(self.photographs):
                picture = self.model.paint(photo, style).array
                random = np.random.default_rng(number)
                rows.append((self._gap(aim, picture), edges(photo, picture), self._flicker(photo, style, random)))
        return dict(zip(METRICS, (float(each) for each in np.mean(rows, axis=0)), strict=True))

    def _statistics(self, picture: np.ndarray) -> list[Any]:
        maps = self.network(tf.constant(picture[None]), self.layers)
        return [MomentsLoss().statistics(maps[layer]) for layer in self.layers]

    def _gap(self, aim: list[Any], picture: np.ndarray) -> float:
        loss, pairs = MomentsLoss(), zip(aim, self._statistics(picture), strict=True)
        return float(np.mean([loss.distance(one, other) / loss.magnitude(one) for one, other in pairs]))

    def _flicker(self, photo: np.ndarray, style: str, random: np.random.Generator) -> float:
        width = photo.shape[1] - SHIFT
        frames = []
        for shift in range(SHIFT + 1):
            frame = photo[:, shift : shift + width]
            noise = random.normal(0, NOISE, frame.shape).astype(np.float32) if shift else np.float32(0)
            frames.append(self.model.paint((frame + noise).clip(0, 1), style).array)
        inner = slice(BORDER, -BORDER)
        still = frames[0]
        differences = [
            still[inner, shift:][:, inner] - frame[inner, : width - shift][:, inner]
            for shift, frame in enumerate(frames)
            if shift
        ]
        return 255 * float(np.sqrt(np.mean([np.mean(np.square(each)) for each in differences])))


def edges(photo: np.ndarray, picture: np.ndarray) -> float:
    """Correlation of the lengths of the gradients of two pictures (H, W, 3) in gray."""
    one, other = (np.hypot(*np.gradient(each.mean(-1, dtype=np.float64))).ravel() for each in (photo, picture))
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(math.sqrt((one @ one) * (other @ other)), 1e-12))


def best(history: dict[str, list[float]]) -> tuple[int | None, float]:
    """Index of the entry of a history with the least style gap, the first of equals, and the gap; None and infinity."""
    gaps = history.get("style_gap", [])
    index = min((i for i, gap in enumerate(gaps) if not math.isnan(gap)), key=gaps.__getitem__, default=None)
    return index, math.inf if index is None else gaps[index]
