"""What the documentation shows, taken out of it, and a small world in which it runs as it stands.

The text is never changed: pictures are small because those in the folder are, and sizes, steps and networks because the
functions behind the examples are wrapped.
"""

import ast
import asyncio
import contextlib
import doctest
import functools
import inspect
import io
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import FAST

import keras_style
from keras_style.commands import main

SIDE, STEPS = 48, 2

PICTURES = {
    "photo.jpg": 0,
    "painting.png": 1,
    "night.png": 2,
    "day.png": 3,
    "day.jpg": 4,
    "dusk.jpg": 5,
    "gravel.png": 6,
    "satellite.png": 7,
    **{f"{folder}/{name}.jpg": 8 for folder in ("trainA", "trainB", "testA", "testB") for name in ("one", "two")},
    **{f"photographs/{name}.jpg": 9 for name in ("harbor", "meadow")},
    **{f"photos/{name}.jpg": 10 for name in ("harbor", "meadow")},
}
MASKS = ("day_sky.png", "dusk_sky.png")


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file."""

    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.language}-{self.line}"


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a Markdown file, each with the number of its first line."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [Block(each[1], each[2], text[: each.start(2)].count("\n") + 1) for each in found]


def docstring_examples(package: Path) -> dict[str, str]:
    """The `Example:` sections of all public docstrings of a package: `{module.name: text}`."""
    found: dict[str, str] = {}

    def visit(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
                section = re.search(r"^Example:\n((?:    .*\n?|\n)+)", ast.get_docstring(child) or "", re.MULTILINE)
                if section:
                    found[f"{name}.{child.name}"] = inspect.cleandoc(section[1])
                visit(child, f"{name}.{child.name}")

    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        visit(ast.parse(path.read_text(encoding="utf-8")), name)
    return found


def fill(folder: Path) -> None:
    """Put the pictures that the documentation names into a folder."""
    y, x = np.mgrid[0:36, 0:SIDE].astype(np.float32)
    for name, seed in PICTURES.items():
        random = np.random.default_rng(seed)
        waves = [np.sin(x / random.uniform(2, 9) + y / random.uniform(2, 9)) for _ in range(3)]
        picture = 0.5 + 0.4 * np.stack(waves, axis=-1) + random.uniform(-0.1, 0.1, (36, SIDE, 3))
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray((picture * 255).astype(np.uint8)).save(folder / name)
    for name in MASKS:
        Image.fromarray(np.where(y < 18, 255, 0).astype(np.uint8)).save(folder / name)


# A small world


class World:
    """A folder with the named pictures, in which what takes sizes and steps takes small ones.

    Args:
        folder: becomes the current directory.
        patch: undoes everything.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        fill(folder)
        patch.chdir(folder)
        self.folder, self.patch = folder, patch
        self.address = ""  # of the server that was started last, which all clients ask
        self._make_small()

    def _make_small(self) -> None:
        from keras_style import data, models, training
        from keras_style.models import networks
        from keras_style.painting import texture, with_generator
        from keras_style.painting.painters import school
        from keras_style.painting.stylizer import Stylizer
        from keras_style.serving.endpoint import Endpoint

        def stylizer(call: Any, self: Any) -> None:
            smaller = {"size": min(self.size, SIDE), "steps": STEPS}
            if self.method != "painter":  # which has one scale
                smaller["scales"] = 1
            if self.backbone is None or isinstance(self.backbone, str):  # others have layers of their own
                smaller |= {name: getattr(self, name) or FAST[name] for name in ("content_layers", "style_layers")}
            for name, value in smaller.items():
                object.__setattr__(self, name, value)
            call(self)

        def synthesize(call: Any, exemplar: Any, size: Any = None, **options: Any) -> Any:
            smaller = {**options, "style_layers": FAST["style_layers"], "steps": STEPS, "scales": 1}
            return call(exemplar, size and (32, SIDE), **smaller)

        def teach(call: Any, *arguments: Any, **options: Any) -> Any:
            given = inspect.signature(call).bind(*arguments, **options)
            given.arguments |= {"steps": STEPS, "size": 64}  # which the command line gives by position
            return call(*given.args, **given.kwargs)

        def fit(call: Any, self: Any, *arguments: Any, **options: Any) -> Any:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".* are forgotten")  # which the documents say
                return call(self, *arguments, **{**options, "epochs": 1, "verbose": 0})

        def server(call: Any, self: Any, *arguments: Any, **options: Any) -> None:
            call(self, *arguments, **{**options, "port": 0, "warmup": False})

        def start(call: Any, self: Any) -> Any:
            world.address = call(self).address
            return self

        world = self
        self._wrap(Stylizer, "__post_init__", stylizer)
        self._wrap(keras_style, "synthesize_texture", synthesize)
        self.patch.setattr(texture, "synthesize_texture", keras_style.synthesize_texture)
        self._wrap(with_generator, "transfer", lambda call, content, model, size: call(content, model, min(size, SIDE)))
        self._wrap(keras_style.ImageOptimizer, "minimize", _with(steps=STEPS))
        self._wrap(models.Painter, "teach", teach)
        self._wrap(models.Painter, "compile", _with(stability_weight=0))
        self._wrap(models.Painter, "fit", fit)
        self.patch.setattr(school, "LEAST", 16)
        self._wrap(models.CycleGAN, "compile", _with(run_eagerly=True))  # one step is not worth a trace
        self._wrap(models.CycleGAN, "fit", _with(epochs=1, verbose=0))
        for named, make, smaller in (
            (networks.GENERATORS, models.ResNetGenerator, {"filters": 2, "blocks": 1}),
            (networks.DISCRIMINATORS, models.PatchDiscriminator, {"filters": 2}),
        ):
            for name in named:
                self.patch.setitem(named, name, functools.partial(_with(**smaller), make))
        self._wrap(data, "unpaired", _with(image_size=32))
        self._wrap(data, "photographs", _with(image_size=64, batch_size=1))
        self._wrap(training.Evaluation, "__init__", _with(image_size=32))
        self._wrap(training.Samples, "__init__", _with(image_size=32))
        self._wrap(training.PainterEvaluation, "__init__", _with(image_size=64, count=1))
        self._wrap(training.PainterSamples, "__init__", _with(image_size=32, count=1))
        self._wrap(keras_style.server.Server, "__init__", server)
        self._wrap(keras_style.server.Server, "start", start)
        self._wrap(
            Endpoint,
            "__init__",
            lambda call, self, server, *names, **options: call(self, world.address, *names, **options),
        )

    def _wrap(self, place: Any, name: str, change: Callable[..., Any]) -> None:
        """Let `change(call, ...)` take the place of the function `call`."""
        call = getattr(place, name)
        changed: Callable[..., Any]
        if inspect.isclass(place):
            changed = lambda self, *arguments, **options: change(call, self, *arguments, **options)
        else:
            changed = lambda *arguments, **options: change(call, *arguments, **options)
        self.patch.setattr(place, name, functools.wraps(call)(changed))  # the command line reads the signature

    def python(self, text: str, file: str = "<block>") -> None:
        """Run a block of Python."""
        exec(compile(text, file, "exec"), {"__name__": "__main__"})

    def session(self, text: str) -> None:
        """Run a docstring's example, with keras_style and NumPy imported; compare what it shows, where it says so."""
        names = {"__name__": "__main__", "keras_style": keras_style, "np": np}
        check = doctest.OutputChecker()
        for example in doctest.DocTestParser().get_examples(text):
            code = compile(example.source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            with contextlib.redirect_stdout(io.StringIO()) as shown:
                waited = eval(code, names)
                if inspect.iscoroutine(waited):
                    asyncio.run(waited)
            if example.want:
                options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                assert check.check_output(example.want, shown.getvalue(), options), (
                    f"{example.source}gives {shown.getvalue()!r}; the docstring says {example.want!r}"
                )

    def shell(self, text: str) -> None:
        """Run command lines of `keras-style`, one after the other; one that ends in & serves until all are done."""
        with contextlib.ExitStack() as running:
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["keras-style", "serve"] and words[-1] == "&":
                    running.enter_context(keras_style.server.Server(*words[2:-1]))
                elif words:
                    assert words[0] == "keras-style", f"{line!r} is no command of keras-style"
                    self.patch.setattr(sys, "argv", words)
                    with pytest.raises(SystemExit) as ended:
                        main.main()
                    assert not ended.value.code, f"{line} ends with status {ended.value.code}"


def _with(**smaller: Any) -> Callable[..., Any]:
    return lambda call, *arguments, **options: call(*arguments, **{**options, **smaller})
