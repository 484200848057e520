"""The command that serves SavedModels."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from keras_style.server.settings import Settings


def serve(
    models: Annotated[
        Path | None,
        typer.Argument(help="A directory of models: MODELS/NAME/NUMBER/saved_model.pb.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Instead: a file, the text of a ModelServerConfig.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = Settings.host,
    port: Annotated[int, typer.Option(help="Of gRPC; 0 takes a free one.")] = Settings.port,
    rest_port: Annotated[
        int | None, typer.Option(help="Of metrics for Prometheus, /monitoring/prometheus/metrics.", show_default=False)
    ] = Settings.rest_port,
    poll_seconds: Annotated[
        float, typer.Option(help="Between two looks for new versions; 0: no second look.")
    ] = Settings.poll_seconds,
    config_poll_seconds: Annotated[
        float, typer.Option(help="Between two readings of --config; 0: it is read once.")
    ] = Settings.config_poll_seconds,
    load_retries: Annotated[
        int, typer.Option(help="Further attempts to load a version that fails.")
    ] = Settings.load_retries,
    load_retry_seconds: Annotated[float, typer.Option(help="Between two attempts.")] = Settings.load_retry_seconds,
    labels_ahead: Annotated[
        bool,
        typer.Option(
            "--allow-version-labels-for-unavailable-models", help="Let labels name versions that are not served yet."
        ),
    ] = Settings.labels_ahead,
    warmup: Annotated[
        bool, typer.Option(help="Answer the recorded requests of a version before it is served.")
    ] = Settings.warmup,
    max_running: Annotated[
        int | None, typer.Option(help="Requests that run at once. [default: the number of cores]", show_default=False)
    ] = Settings.max_running,
    max_waiting: Annotated[
        int, typer.Option(help="Requests that wait for these; more are refused with RESOURCE_EXHAUSTED.")
    ] = Settings.max_waiting,
    max_message_mebibytes: Annotated[
        int, typer.Option(help="Of a request, and of a tensor in it, in 2**20 bytes.")
    ] = Settings.max_message_mebibytes,
    tensor_content: Annotated[
        bool, typer.Option("--tensor-content", help="Answer with tensor_content instead of typed fields.")
    ] = Settings.tensor_content,
    intra_op_threads: Annotated[
        int, typer.Option(help="Threads within an operation; 0: TensorFlow decides.")
    ] = Settings.intra_op_threads,
    inter_op_threads: Annotated[
        int, typer.Option(help="Operations at once; 0: TensorFlow decides.")
    ] = Settings.inter_op_threads,
    ssl_config: Annotated[
        Path | None, typer.Option(help="For TLS: a file, the text of an SSLConfig.", show_default=False)
    ] = None,
    health: Annotated[bool, typer.Option("--health", help="Offer grpc.health.v1.Health.")] = Settings.health,
    grace_seconds: Annotated[
        float, typer.Option(help="For what runs when SIGTERM or Ctrl-C comes.")
    ] = Settings.grace_seconds,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log nothing but errors.")] = False,
) -> int:
    """Serve SavedModels as TensorFlow Serving does, for development, tests and small machines.

    Production uses TensorFlow Serving itself (tensorflow_model_server); the same clients speak to both.
    """
    options = {name: value for name, value in locals().items() if name in Settings.__dataclass_fields__}
    from keras_style.server.server import Server

    log = logging.getLogger("keras_style.serving")
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        Server(**options).run()
    finally:
        log.removeHandler(handler)
    return 0
