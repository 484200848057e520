"""The page: photograph, painting, method and options; the running picture; textures, trained models, this session."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from keras_style import api, images
from keras_style.app import calls
from keras_style.app.running import Running
from keras_style.checks import OPTIMIZERS, PRESERVE_COLOR
from keras_style.errors import StyleError
from keras_style.models.loading import presets
from keras_style.optimize.iterate import OnIterate
from keras_style.painting import texture
from keras_style.painting.painters import painter_source
from keras_style.painting.result import TransferResult

_KEPT_SECONDS = 24 * 3600  # of uploads and pictures
_PAINTING = {"concurrency_limit": 1, "concurrency_id": "painting"}  # one picture at a time, the others wait
_SHOWN = {"queue": False, "show_progress": "hidden"}

Options = dict[str, Any]
Work = Callable[[OnIterate], TransferResult]


def _number(label: str, whole: bool = False) -> gr.Textbox:
    """A field for a number that may stay empty, which Gradio's own field may not."""
    kind = "whole number" if whole else "number"
    return gr.Textbox("", label=label, placeholder=f"the method's own; or a {kind}", max_lines=1)


class Interface:
    """The page and the runs behind it; `blocks` is what Gradio serves."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="keras_style_app_"))
        self._runs: dict[str, Running] = {}  # by session
        with gr.Blocks(
            title="keras_style", analytics_enabled=False, delete_cache=(3600, _KEPT_SECONDS), fill_width=True
        ) as self.blocks:
            gr.Markdown("# keras_style\nEverything stays on this machine.")
            self.session = gr.State([])
            with gr.Row():
                with gr.Column():
                    with gr.Tab("Transfer"):
                        self._transfer_tab()
                    with gr.Tab("Texture"):
                        self._texture_tab()
                    with gr.Tab("Trained models"):
                        self._model_tab()
                with gr.Column():
                    self.picture = gr.Image(label="Picture", format="png", interactive=False, buttons=["download"])
                    self.status = gr.Markdown("")
                    stop = gr.Button("Stop", variant="stop")
                    self.python = gr.Code(label="The call in Python", language="python", interactive=False)
                    self.command = gr.Code(label="The same as a command", language="shell", interactive=False)
            with gr.Accordion("This session", open=True):
                self.gallery = gr.Gallery(
                    label="Pictures of this session", columns=6, interactive=False, allow_preview=True, format="png"
                )
            self._connect()
            stop.click(self._stop, **_SHOWN)
            self.gallery.select(self._call_of, [self.session], [self.python, self.command], **_SHOWN)
            self.blocks.unload(self._stop)

    # What is on the page

    def _transfer_tab(self) -> None:
        with gr.Row():
            self.photograph = gr.Image(label="Photograph", type="filepath", sources=["upload", "webcam", "clipboard"])
            self.paintings = gr.File(label="Painting, or several", file_count="multiple", file_types=["image"])
        choices = [(f"{name}: {summary}", name) for name, summary in api.methods().items()]
        self.options = {
            "method": gr.Dropdown(choices, value="gatys", label="Method"),
            "size": gr.Slider(64, 2048, 512, step=16, label="Long side, pixels"),
            "content_weight": _number("Content weight: more keeps more of the photograph"),
            "style_weight": _number("Style weight: more paints more"),
            "preserve_color": gr.Dropdown([("the painting's", ""), *PRESERVE_COLOR], value="", label="Colors"),
        }
        with gr.Accordion("More options; what is empty is the method's own", open=False):
            self.options |= {
                "steps": _number("Steps", whole=True),
                "style_scale": _number("Scale of the style: less has finer strokes"),
                "tv_weight": _number("Weight of the total variation: more is smoother"),
                "optimizer": gr.Dropdown([("the method's", ""), *OPTIMIZERS], value="", label="Optimizer"),
                "init": gr.Dropdown(
                    [("the method's", ""), "content", "recolored", "style", "noise"], value="", label="Start"
                ),
                "variant": gr.Dropdown(["default", "paper", "reference"], value="default", label="Variant"),
                "auto_regions": _number("Regions to be found", whole=True),
                "refine": gr.Checkbox(False, label="Add the photograph's fine detail afterwards"),
                "seed": gr.Number(0, label="Seed", precision=0, minimum=0),
            }
        with gr.Accordion("A region, painted with a brush on both pictures", open=False):
            take = gr.Button("Take the pictures from above")
            brush = gr.Brush(colors=["#e0218a"], color_mode="fixed", default_size=30)
            with gr.Row():
                self.masks = [
                    gr.ImageEditor(label=label, type="numpy", brush=brush, layers=False, sources=(), transforms=())
                    for label in ("Region of the photograph", "The same in the painting")
                ]
            take.click(
                lambda photograph, paintings: [photograph, paintings[0] if paintings else None],
                [self.photograph, self.paintings],
                self.masks,
                **_SHOWN,
            )
        self.paint = gr.Button("Paint", variant="primary")

    def _texture_tab(self) -> None:
        self.exemplar = gr.Image(label="Texture", type="filepath", sources=["upload", "clipboard"])
        names = [name for name in api.methods() if name not in ("photo", "painter")]  # which need a photograph
        self.texture_options = {
            "size": gr.Slider(32, 1024, 256, step=8, label="Side of the canvas, pixels"),
            "method": gr.Dropdown(names, value="histogram", label="Method"),
            "tileable": gr.Checkbox(False, label="Tileable"),
            "steps": _number("Steps; empty: the method's own", whole=True),
            "seed": gr.Number(0, label="Seed", precision=0, minimum=0),
        }
        self.synthesize = gr.Button("Synthesize", variant="primary")

    def _model_tab(self) -> None:
        self.to_translate = gr.Image(label="Picture", type="filepath", sources=["upload", "webcam", "clipboard"])
        found = presets.presets()
        choices = [(f"{name}: {summary}", name) for name, summary in found.items()]
        styles = painter_source.open_painter(painter_source.PRESET).styles
        self.model_options = {
            "model": gr.Dropdown(choices, value=painter_source.PRESET, label="Model"),
            "style": gr.Dropdown(list(styles), value=next(iter(styles)), label="Style, of painters"),
            "size": gr.Slider(64, 2048, 512, step=16, label="Long side, pixels"),
        }
        self.translate = gr.Button("Translate", variant="primary")

    def _connect(self) -> None:
        outputs = [self.picture, self.status, self.session, self.gallery, self.python, self.command]
        self.paint.click(
            self._transfer,
            [self.session, self.photograph, self.paintings, *self.masks, *self.options.values()],
            outputs,
            **_PAINTING,
        )
        self.synthesize.click(
            self._synthesize, [self.session, self.exemplar, *self.texture_options.values()], outputs, **_PAINTING
        )
        self.translate.click(
            self._translate, [self.session, self.to_translate, *self.model_options.values()], outputs, **_PAINTING
        )

    # What its buttons do. Gradio gives the request and the event to the parameters that are annotated with them.

    def _transfer(
        self,
        request: gr.Request,
        session: list,
        photograph: Any,
        paintings: Any,
        mask: Any,
        style_mask: Any,
        *values: Any,
    ) -> Iterator[list[Any]]:
        if not photograph or not paintings:
            raise gr.Error("A photograph and a painting are needed.", print_exception=False)
        options = _given(self.options, values, {"variant": "default", "seed": 0, "refine": False})
        masks = {"content_masks": self._mask(mask, "photograph"), "style_masks": self._mask(style_mask, "painting")}
        options |= {name: path for name, path in masks.items() if path}
        styles = [str(each) for each in paintings]
        pictures: list[Any] = [photograph, styles if len(styles) > 1 else styles[0]]

        def work(on_iterate: OnIterate) -> TransferResult:
            return api.transfer(*pictures, **options, callbacks=[on_iterate], verbose=0)

        yield from self._run(session, "transfer", pictures, options, work, request)

    def _synthesize(self, request: gr.Request, session: list, exemplar: Any, *values: Any) -> Iterator[list[Any]]:
        if not exemplar:
            raise gr.Error("A texture is needed.", print_exception=False)
        options = _given(self.texture_options, values, {"seed": 0, "tileable": False})

        def work(on_iterate: OnIterate) -> TransferResult:
            return texture.synthesize_texture(exemplar, **options, callbacks=[on_iterate], verbose=0)

        yield from self._run(session, "synthesize_texture", [exemplar], options, work, request)

    def _translate(self, request: gr.Request, session: list, picture: Any, *values: Any) -> Iterator[list[Any]]:
        if not picture:
            raise gr.Error("A picture is needed.", print_exception=False)
        options = _given(self.model_options, values, {})
        style = options.pop("style")
        pictures = [picture, style] if painter_source.is_painter(options["model"]) else [picture]
        yield from self._run(
            session, "transfer", pictures, options, lambda _: api.transfer(*pictures, **options, verbose=0), request
        )

    def _run(
        self, session: list, function: str, pictures: Sequence[Any], options: Options, work: Work, request: gr.Request
    ) -> Iterator[list[Any]]:
        skip = gr.skip()
        names, shown = [_name(each) for each in pictures], {key: _name(value) for key, value in options.items()}
        output = f"picture_{len(session) + 1}.png"
        texts = [make(function, names, shown, output) for make in (calls.python_call, calls.command_line)]
        yield [skip, "starting", skip, skip, *texts]
        running = self._runs[request.session_hash] = Running(work)
        try:
            for look in running.looks():
                line = f"{look.scale} px, step {look.step} of {look.steps}, some {look.seconds_left:.0f} s left"
                yield [images.to_pil(look.image), line, skip, skip, skip, skip]
        except StyleError as error:
            raise gr.Error(str(error), print_exception=False, duration=None) from None
        finally:
            self._runs.pop(request.session_hash, None)
        result = running.result
        path = result.save(self.folder / f"{request.session_hash}_{output}")
        height, width, _ = result.array.shape
        state = "stopped" if result.stopped else "done"
        line = f"{state}: {width} x {height} pixels, {result.steps} steps, {result.seconds:.1f} s"
        session = [*session, {"path": str(path), "caption": output, "calls": texts}]
        yield [str(path), line, session, [(each["path"], each["caption"]) for each in session], *texts]

    def _stop(self, request: gr.Request) -> None:
        if running := self._runs.get(request.session_hash):
            running.stop()

    def _call_of(self, session: list, chosen: gr.SelectData) -> list[str]:
        return session[chosen.index]["calls"]

    def _mask(self, drawn: Any, name: str) -> str | None:
        """The file of what was painted with the brush; None where nothing was."""
        layers = drawn["layers"] if drawn else []
        painted = np.any([layer[..., 3] > 0 for layer in layers], axis=0) if layers else np.zeros((1, 1), bool)
        if not painted.any():
            return None
        path = Path(tempfile.mkdtemp(dir=self.folder)) / f"{name}_mask.png"
        Image.fromarray(np.uint8(255) * painted).save(path)
        return str(path)


def _given(components: Options, values: Sequence[Any], unsaid: Options) -> Options:
    """The options that were given: those that are empty, or as they are without being said, are left out."""
    named = dict(zip(components, values, strict=True))
    return {
        name: _value(name, value) if isinstance(components[name], gr.Textbox | gr.Slider | gr.Number) else value
        for name, value in named.items()
        if value not in (None, "") and not (name in unsaid and unsaid[name] == value)
    }


def _value(name: str, text: str | float) -> float:
    """The number in a field."""
    try:
        number = float(str(text).replace(",", "."))
    except ValueError:
        raise gr.Error(f"{name.replace('_', ' ')} is {text!r}; expected a number", print_exception=False) from None
    return int(number) if number.is_integer() else number


def _name(value: Any) -> Any:
    """A file by its name, as its owner calls it."""
    if isinstance(value, list):
        return [_name(each) for each in value]
    return Path(value).name if isinstance(value, str) and os.sep in value else value
