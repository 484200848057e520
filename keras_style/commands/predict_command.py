"""The command that asks a server."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_style import checks
from keras_style.commands import options
from keras_style.commands.command_report import Report
from keras_style.commands.options import AsJson, Quality
from keras_style.errors import AccessError, InputError, ServerUnavailableError, StyleError, UnknownModelError
from keras_style.images import folders
from keras_style.internal import directories

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # before gRPC is loaded: it would print a line of its own before ours
from keras_style.serving.client import StyleClient
from keras_style.serving.endpoint import MAX_MESSAGE_BYTES
from keras_style.serving.tls import TLS

_HOPELESS = (ServerUnavailableError, UnknownModelError, AccessError)  # the next picture would fare no better
_TLS = {each.name: f"tls-{each.name.replace('_', '-')}" for each in dataclasses.fields(TLS)}


@options.of(
    StyleClient.stylize_many,
    TLS,
    StyleClient,
    spelled={"deadline": "timeout", **_TLS},
    without=["return_exceptions", "max_message_bytes"],
)
def predict(
    model: Annotated[str, typer.Option("--model", "-m", help="The model's name on the server.", show_default=False)],
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures, or folders of them.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The picture, or a directory for several.", show_default=False),
    ] = None,
    server: Annotated[str, typer.Option("--server", "-s")] = "localhost:8500",
    style: Annotated[
        str | None, typer.Option(help="The painting, for an exported optimization; the name of a style, for a painter.")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait first, until the model is ready.")] = 0.0,
    max_message: Annotated[int, typer.Option(help="MiB of a request and of an answer.")] = MAX_MESSAGE_BYTES // 2**20,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt; implied by the other TLS options.")] = False,
    quality: Quality = 95,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures that are in the directory already.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Print the model's versions and their states.")] = False,
    metadata: Annotated[bool, typer.Option("--metadata", help="Print the model's signatures.")] = False,
    as_json: AsJson = False,
    **given: Any,
) -> int:
    if (status or metadata) == bool(pictures) or (status and metadata):
        raise InputError("expected pictures, or --status, or --metadata: one of the three")
    if bool(pictures) != bool(output):
        raise InputError("expected --output with pictures, and pictures with --output")
    checks.whole("quality", quality, 1, 100)
    checks.whole("max_message", max_message, 1, 2047)
    sources, left_out = folders.named_pictures(pictures or [])
    targets = folders.targets(pictures, sources, output, overwrite) if pictures and output else []
    encryption = options.chosen(TLS, given)
    client = StyleClient(
        server,
        model,
        **options.chosen(StyleClient, given),
        max_message_bytes=max_message * 2**20,
        tls=TLS(**encryption) if tls or encryption else None,
    )
    with client:
        if wait:
            client.wait(wait)
        if status:
            return _show_status(client, as_json)
        if metadata:
            return _show_metadata(client, as_json)
        answers = client.stylize_many(sources, style, **options.chosen(StyleClient.stylize_many, given))
        _check_signature(client, client.signature or "serving_bytes", style)
        return _save(answers, sources, targets, quality, Report(left_out, as_json))


def _check_signature(client: StyleClient, name: str, style: str | None) -> None:
    """Find out once what is wrong with model, version, label, signature or style, and not with every picture."""
    found = client.metadata()
    if name not in found.signatures:
        known = ", ".join(found.signatures)
        raise InputError(f"model {client.model} has no signature {name}; expected one of {known}")
    takes_style = any(key.startswith("style") for key in found.signatures[name].inputs)
    if takes_style and style is None:
        raise InputError(f"model {client.model} takes a content and a style; expected --style")
    if style is not None and not takes_style:
        raise InputError(f"model {client.model} takes no style, but {', '.join(found.signatures[name].inputs)}")


def _save(answers: Any, sources: list[Path], targets: list[Path], quality: int, report: Report) -> int:
    for source, target, answer in zip(sources, targets, answers, strict=True):
        if isinstance(answer, StyleError):
            if len(sources) == 1 or isinstance(answer, _HOPELESS):
                raise answer
            report.fails(source, answer)
            continue
        directories.make(target.parent, "output")
        answer.save(target, quality=quality)
        report.made(target, answer.size, f", version {answer.version}")
    return report.end()


def _show_status(client: StyleClient, as_json: bool) -> int:
    versions = client.status()
    if as_json:
        print(json.dumps([dataclasses.asdict(each) for each in versions], indent=2))
    else:
        for each in versions:
            print(f"{client.model} {each.version}: {each.state}{each.error and f': {each.error}'}")
    return 0


def _show_metadata(client: StyleClient, as_json: bool) -> int:
    found = client.metadata()
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
        return 0
    print(f"{found.model} {found.version}")
    for name, signature in found.signatures.items():
        print(f"  {name}")
        for way, tensors in (("in", signature.inputs), ("out", signature.outputs)):
            for key, tensor in tensors.items():
                sides = "any shape" if tensor.shape is None else [side or "any" for side in tensor.shape]
                shape = sides if isinstance(sides, str) else f"({', '.join(map(str, sides))})"
                default = f", {signature.defaults[key]} by default" if way == "in" and key in signature.defaults else ""
                print(f"    {way:3} {key}: {tensor.dtype} {shape}{default}")
    return 0
