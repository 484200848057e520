"""The embedded server: TensorFlow Serving's protocol, from Python, for development, tests and small machines."""

import gc
import os
import signal
import sys
import threading
from typing import Any

from keras_style.errors import InputError
from keras_style.internal.interrupt import first_signal
from keras_style.server.listening import check_free
from keras_style.server.settings import Settings


class Server:
    """Serves SavedModels over gRPC as `tensorflow_model_server` does, for development, tests and small machines.

    It answers Predict, GetModelMetadata, GetModelStatus and HandleReloadConfigRequest. Status codes, messages and the
    order of checks are TensorFlow Serving's. In production use TensorFlow Serving itself: it batches, it is written in
    C++, and the same clients speak to it.

    Args:
        models: a directory. Each subfolder that holds numbered versions is a model, also one that comes later.
        config: instead of `models`, a file: the text of a ModelServerConfig, as `--model_config_file` of TensorFlow
            Serving.
        host: name or address where it listens. Everybody who reaches another address than the default may use the
            models and replace them.
        port: port of gRPC; 0 takes a free one, which `address` tells.
        rest_port: port of HTTP: metrics for Prometheus at /monitoring/prometheus/metrics, the status of a model at
            /v1/models/NAME. None: none, 0: a free one.
        poll_seconds: seconds between two looks for new versions; 0: no second look.
        config_poll_seconds: seconds between two readings of `config`; 0: it is read once.
        load_retries: further attempts to load a version that fails.
        load_retry_seconds: seconds between two attempts. (TensorFlow Serving waits a minute.)
        labels_ahead: labels may name versions that are not served yet, as with
            `--allow_version_labels_for_unavailable_models`; without it, `config` can hold no labels at startup.
        warmup: answer the requests in `assets.extra/tf_serving_warmup_requests` before a version is served.
        max_running: requests that run at once; the number of cores by default.
        max_waiting: requests that wait for these; any more are refused at once with RESOURCE_EXHAUSTED.
        max_message_mebibytes: size limit of a request, and of a tensor in it once unpacked, in 2**20 bytes. TensorFlow
            Serving takes 2 GiB; here memory is bounded by the models, this times `max_waiting`, and a few times this
            times `max_running`.
        read_seconds: seconds for a request to come once its call has begun, and for its answer to be taken; the call of
            a slower client is cancelled.
        max_seconds: the largest deadline of a request, in seconds, and that of one without a deadline.
        tensor_content: answer with `tensor_content` rather than typed fields such as `float_val`.
        intra_op_threads: threads within an operation of TensorFlow; 0: it decides. Holds for the process, and must be
            given before TensorFlow is loaded.
        inter_op_threads: operations of TensorFlow that run at once; likewise.
        ssl_config: a file: the text of an SSLConfig (`server_key`, `server_cert`, `custom_ca`, `client_verify`), as
            `--ssl_config_file` of TensorFlow Serving.
        health: offer `grpc.health.v1.Health`, as `--enable_grpc_healthcheck_service`.
        grace_seconds: seconds that `stop` leaves to the requests that run.

    Raises:
        MissingFileError: a path does not exist.
        InputError: an argument is not as above.

    Example:
        >>> with keras_style.server.Server("models", port=0) as server:
        ...     print(server.address)

    Reference: tensorflow/serving 9d981c5c; docs/guides/embedded_server.md says what differs.
    """

    def __init__(
        self,
        models: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = Settings(models=models, config=config, **settings)  # type: ignore[arg-type]  # it converts
        self._stopping = threading.Event()
        self._running: Any = None
        _set_threads(self.settings)

    @property
    def address(self) -> str:
        """Host and port of gRPC; empty before the server listens."""
        return self._running.address if self._running else ""

    @property
    def rest_port(self) -> int | None:
        """The REST port, if there is one."""
        return self._running.rest_port if self._running else None

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Server":
        """Load the models, wait until each has an available version, and only then open the port.

        Raises:
            InputError: a model does not load, the configuration is refused, or the address is taken.
        """
        for port in (self.settings.port, self.settings.rest_port):
            if port is not None:
                check_free(self.settings.host, port)
        from keras_style.server.lifecycle import Running
        from keras_style.server.status import StatusError

        self._running = Running(self.settings, lambda: not self._stopping.is_set())
        try:
            self._running.start()
        except StatusError as error:
            self.stop()
            raise InputError(f"the server does not start: {error.message}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Refuse new requests, give those that run `grace_seconds` to finish, and unload the models."""
        self._stopping.set()
        if self._running is not None:
            self._running.stop()

    def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT comes, and stop; a second signal has its usual effect."""
        with first_signal(self._stopping.set, signal.SIGTERM, signal.SIGINT):
            try:
                self.start()
                gc.freeze()  # or the collection after each unloaded version would look at all of TensorFlow
                self._stopping.wait()
            finally:
                self.stop()


def _set_threads(settings: Settings) -> None:
    """Set TensorFlow's threads by the environment: it reads them once; a session's options would come too late."""
    for name, count in (("INTRAOP", settings.intra_op_threads), ("INTEROP", settings.inter_op_threads)):
        if not count:
            continue
        if "tensorflow" in sys.modules:
            raise InputError(
                f"{name[:5].lower()}_op_threads is {count}, and TensorFlow is already loaded; expected 0, or a server "
                "in a process of its own, such as keras-style serve"
            )
        os.environ[f"TF_NUM_{name}_THREADS"] = str(count)
