"""How tests run transfers: small ones, through a shallow part of the network, in this process or another."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_style import api
from keras_style.commands import main
from keras_style.internal.tensorflow import keras
from keras_style.optimize import gradient
from keras_style.painting.result import TransferResult

# Two blocks of the network instead of five: a fifth of the time.
FAST: dict[str, Any] = {
    "size": 48,
    "steps": 3,
    "content_layers": ["block2_conv1"],
    "style_layers": ["block1_conv1", "block2_conv1"],
    "verbose": 0,
}


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Compute steps eagerly: the same bits as in a graph, whose tracing takes longer than a few small steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient, "as_written", lambda function, signature: function)
        yield


@eagerly()
def at_start(*images: Any, **options: Any) -> TransferResult:
    """A transfer whose only step leaves the picture as it is: where it starts, and its losses there."""
    return api.transfer(*images, **{**FAST, "steps": 1, "optimizer": keras.optimizers.SGD(0.0), **options})


def first_losses(*images: Any, **options: Any) -> dict[str, float]:
    """Each term's value where the run starts: at the style, so that the content term counts."""
    result = at_start(*images, **{"init": "style", **options})
    return {name: values[0] for name, values in result.history.items()}


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """`options` as they are typed on the command line."""

    def text(value: Any) -> str:
        if isinstance(value, Mapping):
            return ",".join(f"{key}={weight}" for key, weight in value.items())
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", text(value))]


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Status, standard output and standard error of `keras-style`, run in this process."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["keras-style", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.main()
    out, err = capsys.readouterr()
    return ended.value.code or 0, out, err


def record_transfers(
    monkeypatch: pytest.MonkeyPatch, *, stopped: bool = False
) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Make the command line call a stand-in for `transfer`; returns the list to which it adds what it is given."""
    calls = []

    @functools.wraps(api.transfer)  # the command line reads its signature
    def stand_in(content: Any, style: Any, *, callbacks: Any, **options: Any) -> TransferResult:
        calls.append((content, style, options))
        noise = np.random.default_rng(0).random((16, 24, 3), np.float32)
        return TransferResult(noise, {"loss": [2.0, 1.0]}, {"steps": 5}, 0.25, stopped)

    monkeypatch.setattr(api, "transfer", stand_in)
    return calls


def fresh_environment(**changes: str) -> dict[str, str]:
    """The environment as it was before this process imported keras_style."""
    ours = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **changes}


def python(script: str, *arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a script in another process, with these changes to a fresh environment."""
    line = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(line, env=fresh_environment(**changes), capture_output=True, text=True, timeout=600)


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))
