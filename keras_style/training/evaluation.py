"""Evaluation of translated held-out images every few epochs: KID and FID, and the best generators so far."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import backbones, checks, images
from keras_style.errors import InputError
from keras_style.internal import atomic_files, directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras
from keras_style.training import held_out
from keras_style.training.distribution_metrics import PooledFeatures, fid, kid
from keras_style.training.held_out import Pictures
from keras_style.training.pixel_metrics import WINDOW, mean_absolute_error, ssim
from keras_style.training.snapshots import write_networks

METRICS = ("kid_a2b", "fid_a2b", "kid_b2a", "fid_b2a")
PAIRED = ("mae_a2b", "ssim_a2b", "mae_b2a", "ssim_b2a")
PROTOCOL = """
All test images of A are translated to B and compared with all real test images of B, and the other way around; no image
is cropped, flipped or trained on. Features: the mean activation of each filter of one layer of VGG16, scaled to the
length sqrt(filters). KID: unbiased squared MMD with the kernel (x.y / d + 1)^3, all images at once, not multiplied by
anything. FID: Frechet distance of Gaussians, covariances over n - 1; too large where images are few. Published tables
use Inception features, and some of them real training images: compare these numbers among runs of keras_style on the
same test images, network and layer, and with nothing else. `untranslated` compares the real images of A with those of
B, which is what generators that do nothing would get. Of test images that are pairs, each translation is compared with
its other half: the mean absolute difference of values in [0, 1], and SSIM (11 x 11 Gaussian window, deviation 1.5).
"""


class Evaluation(keras.callbacks.Callback):
    """Translate test images in both directions, measure KID and FID, and keep the generators with the least mean KID.

    Protocol: all test images of A are translated and compared with all real test images of B, and the other way around,
    by features of the installed VGG16, not of Inception: compare the numbers among runs of this package only. The rest
    is in `PROTOCOL`, which is written to `protocol.json` beside the best generators.

    The logs of an epoch get `kid_a2b`, `fid_a2b`, `kid_b2a` and `fid_b2a`, NaN in epochs without evaluation, so that
    history, CSV and TensorBoard have them. Put it before the callbacks that write logs.

    With `paired=True` also `mae_a2b`, `ssim_a2b`, `mae_b2a` and `ssim_b2a`, which compare each translation with the
    true picture. They do not decide which generators are the best.

    The best so far is taken from the history of the training, which `Resume` restores: a training that goes on after a
    break keeps the better of what came before it and after.

    Args:
        test_a: images of domain A, as `keras_style.data.unpaired` takes them, or a list of arrays; at least 2.
        test_b: images of domain B, likewise.
        directory: where the best generators are kept, as `generator_a2b.keras` and `generator_b2a.keras`, with their
            epoch and KID in `best.json`; made if it does not exist, with its parents. None: they are not kept.
        every: epochs between two evaluations; the last epoch is always evaluated.
        image_size: pixels; test images become squares of this side, as in the original's test. None: they keep their
            sizes. Not used for lists of arrays.
        backbone: a name that `keras_style.backbones.get` takes.
        layer: of the backbone.
        batch_size: images that go through a generator together.
        paired: the images of test_a and test_b show the same, in one order and of the same sizes.

    Raises:
        MissingFileError, InputError: an argument is something else than expected.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> evaluation = keras_style.training.Evaluation("testA", "testB", "run/best", image_size=256)
        >>> history = gan.fit(data, epochs=200, callbacks=[evaluation]).history
        >>> history["kid_a2b"]

    Reference: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; Heusel et al., NIPS 2017.
    """

    def __init__(
        self,
        test_a: Pictures,
        test_b: Pictures,
        directory: str | Path | None = None,
        every: int = 5,
        image_size: int | None = None,
        backbone: str = "vgg16_imagenet",
        layer: str = "block4_conv3",
        batch_size: int = 1,
        paired: bool = False,
    ) -> None:
        super().__init__()
        self.every = checks.whole("every", every, 1, 10**9)
        self.batch_size = checks.whole("batch_size", batch_size, 1, 10**6)
        self.directory = None if directory is None else user_path(directory)
        network = backbones.get(backbone)
        self.features = PooledFeatures(network, layer)
        self.protocol = {"protocol": " ".join(PROTOCOL.split()), "backbone": network.name, "layer": layer}
        self.pictures = {
            "a": held_out.read("test_a", test_a, image_size),
            "b": held_out.read("test_b", test_b, image_size),
        }
        for side, pictures in self.pictures.items():
            if len(pictures) < 2:
                raise InputError(f"test_{side}: {len(pictures)} image; expected at least 2, whose spread is compared")
        self.paired = checks.truth("paired", paired)
        if self.paired:
            _check_pairs(*self.pictures.values())
        self.metrics = METRICS + PAIRED if self.paired else METRICS
        self.real: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.directory:
            directories.make(self.directory)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            logs |= dict.fromkeys(self.metrics, math.nan)
            return
        logs |= self.measure()
        if self.directory and mean_kid(logs) < best(self.model.history.history)[1]:
            self._keep(epoch, logs)

    def measure(self) -> dict[str, float]:
        """KID and FID of the model as it is, by the names in `METRICS`, and of pairs by those in `PAIRED`, too."""
        if not self.real:
            self.real = {side: self.features(pictures) for side, pictures in self.pictures.items()}
            self._write_protocol()
        measured = {}
        for source, target in ("ab", "ba"):
            direction = f"{source}2{target}"
            translated = self.model.translate(self.pictures[source], direction, batch_size=self.batch_size)
            features = self.features(translated)
            measured[f"kid_{direction}"] = kid(features, self.real[target])
            measured[f"fid_{direction}"] = fid(features, self.real[target])
            if self.paired:
                truth = [images.load(picture) for picture in self.pictures[target]]
                measured[f"mae_{direction}"] = mean_absolute_error(translated, truth)
                measured[f"ssim_{direction}"] = ssim(translated, truth)
        return {name: measured[name] for name in self.metrics}

    def _keep(self, epoch: int, logs: dict[str, float]) -> None:
        assert self.directory
        write_networks(self.directory, self.model)
        about = {"epoch": epoch + 1, "mean_kid": mean_kid(logs), **{name: float(logs[name]) for name in self.metrics}}
        atomic_files.write_bytes(self.directory / "best.json", json.dumps(about, indent=2).encode())

    def _write_protocol(self) -> None:
        if not self.directory:
            return
        a, b = self.real["a"], self.real["b"]
        about = {
            **self.protocol,
            "test_images": {"a": len(a), "b": len(b)},
            "untranslated": {"kid": kid(a, b), "fid": fid(a, b)},
        }
        atomic_files.write_bytes(self.directory / "protocol.json", json.dumps(about, indent=2).encode())


def _check_pairs(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    if len(a) != len(b):
        raise InputError(f"test_a has {len(a)} images and test_b {len(b)}; expected pairs")
    for index, (one, other) in enumerate(zip(a, b, strict=True)):
        if one.shape != other.shape or min(one.shape[:2]) < WINDOW:
            raise InputError(
                f"images {index} of test_a and test_b are of shape {one.shape} and {other.shape}; expected pairs of "
                f"one size, of at least {WINDOW} pixels"
            )


def mean_kid(logs: dict[str, Any]) -> float:
    """Mean over both directions."""
    return (logs["kid_a2b"] + logs["kid_b2a"]) / 2


def best(history: dict[str, list[float]]) -> tuple[int | None, float]:
    """Index of the entry of a history with the least mean KID, the first of equals, and this KID; None and infinity."""
    pairs = zip(history.get("kid_a2b", ()), history.get("kid_b2a", ()), strict=True)
    means = [(a + b) / 2 for a, b in pairs]
    index = min((i for i, mean in enumerate(means) if not math.isnan(mean)), key=means.__getitem__, default=None)
    return index, math.inf if index is None else means[index]
