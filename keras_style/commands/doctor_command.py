"""The command doctor: machine, versions, weights and optional parts, in a form to paste into a bug report."""

import importlib.metadata
import json
import os
import platform
import re
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_style import api
from keras_style.backbones import weights
from keras_style.commands.options import AsJson
from keras_style.errors import StyleError
from keras_style.models.loading import presets
from keras_style.optimize.tiling import memory
from keras_style.version import __version__

Sections = dict[str, dict[str, str]]

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pillow", "h5py", "protobuf", "grpcio", "typer", "rich")
_FOR_DEVELOPERS = ("test", "docs", "benchmark")
_INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")  # that speed depends on
_VARIABLES = re.compile(r"KERAS_|TF_|XLA_|CUDA_VISIBLE|OMP_|ONEDNN_|DNNL_|RAY_")
_TRIAL_SIDE, _TRIAL_STEPS = 64, 3


def doctor(
    trial: Annotated[bool, typer.Option(help="Paint one small picture.")] = True, as_json: AsJson = False
) -> int:
    found: Sections = {
        "Versions": _versions(),
        "Machine": _machine(),
        "Weights": _weights(),
        "Optional parts": _optional_parts(),
        "Environment": _environment(),
    }
    if trial:
        found["Trial"] = _trial()
    wrong = [
        f"{name}: {value}"
        for section in found.values()
        for name, value in section.items()
        if value.startswith(("damaged", "failed", "not here, though"))
    ]
    if as_json:
        print(json.dumps({**found, "wrong": wrong}, indent=2))
    else:
        for title, lines in found.items():
            print(f"### {title}\n")
            print("\n".join(f"* {name}: {value}" for name, value in lines.items()) or "* none", end="\n\n")
        print("Wrong: " + "; ".join(wrong) if wrong else "Nothing was found to be wrong.")
    return 1 if wrong else 0


def _versions() -> dict[str, str]:
    installed = {name: _version(name) or "not here, though it is needed" for name in _PACKAGES}
    return {"keras_style": __version__, "Python": platform.python_version(), **installed}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> dict[str, str]:
    model, known = _processor()
    free = memory.available()
    return {
        "system": platform.platform(),
        "processor": f"{model}, {_usable_cores()} of {os.cpu_count()} cores",
        "instructions": ", ".join(known) or "not known",
        "memory left": f"{free / 2**30:.1f} GiB" if free else "not known",
        "GPUs": _gpus(),
    }


def _processor() -> tuple[str, list[str]]:
    """Its name, and those of the instructions that it has."""
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), []
    name = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", told, re.MULTILINE)
    has = flags[1].split() if flags else []
    return name[1] if name else platform.machine(), [each for each in _INSTRUCTIONS if each in has]


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _gpus() -> str:
    try:
        from keras_style.internal.tensorflow import tf

        devices = tf.config.list_physical_devices("GPU")
        names = [tf.config.experimental.get_device_details(each).get("device_name", "unnamed") for each in devices]
        return ", ".join(names) or "none that TensorFlow sees"
    except Exception as error:  # whatever is wrong with TensorFlow here
        return _failed(error)


def _weights() -> dict[str, str]:
    """Say of each network and preset whether its files are here and have their digests."""
    found = {}
    for name in weights.SOURCES:
        state = weights.state(name)
        if state == "not here":
            state += ", though it comes with the package" if name == weights.INSTALLED else "; downloaded when named"
        found[name] = state
    for name in presets.presets():
        try:
            presets.load(name)
            found[name] = "whole"
        except StyleError:
            found[name] = "damaged"
    return found


def _optional_parts() -> dict[str, str]:
    """List the versions of the packages of each extra, or which of them are missing."""
    needed: dict[str, list[str]] = {}
    try:
        lines = importlib.metadata.requires("keras-style") or []
    except importlib.metadata.PackageNotFoundError:
        return {"keras-style": "not installed: run from a folder"}
    for line in lines:
        found = re.match(r"""([\w.-]+).*;.*\bextra == ['"]([\w-]+)['"]""", line)
        if found and found[2] not in _FOR_DEVELOPERS and found[1] != "keras-style":
            needed.setdefault(found[2], []).append(found[1])
    parts = {}
    for extra, packages in sorted(needed.items()):
        missing = [each for each in packages if _version(each) is None]
        here = ", ".join(f"{each} {_version(each)}" for each in packages)
        parts[extra] = f"without {', '.join(missing)}" if missing else here
    return parts


def _environment() -> dict[str, str]:
    """The variables that change how TensorFlow and this package compute; a path is nobody's business."""
    given = {name: value for name, value in sorted(os.environ.items()) if _VARIABLES.match(name)}
    secret = re.compile("TOKEN|KEY|SECRET|PASSWORD")
    return {name: "set" if os.sep in value or secret.search(name) else value for name, value in given.items()}


def _trial() -> dict[str, str]:
    """Whether a picture can be painted, and how long a step takes here."""
    pictures = np.random.default_rng(0).random((2, _TRIAL_SIDE, _TRIAL_SIDE, 3), np.float32)
    name = f"{_TRIAL_STEPS} steps at {_TRIAL_SIDE} px"
    started = time.perf_counter()
    try:
        result = api.transfer(*pictures, size=_TRIAL_SIDE, scales=1, steps=_TRIAL_STEPS, verbose=0)
    except Exception as error:  # a bug report needs whatever it is
        return {name: _failed(error)}
    losses = result.history["loss"]
    return {name: f"{time.perf_counter() - started:.1f} s, loss {losses[0]:.4g} to {losses[-1]:.4g}"}


def _failed(error: Exception) -> str:
    text = f"failed: {type(error).__name__}: {' '.join(str(error).split())}"
    return text.replace(str(Path.home()), "~") if str(Path.home()) != os.sep else text
