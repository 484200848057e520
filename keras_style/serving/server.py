"""The embedded server: TensorFlow Serving's protocol, from Python, for development, tests and small machines."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from keras_style.errors import InputError
from keras_style.serving.embedded.settings import MEBIBYTE, Settings

log = logging.getLogger("keras_style.serving")

_SPARE_THREADS = 16  # for status, metadata, reload and health, which never wait for a model
_UNLOAD_SECONDS = 1.0  # at the end, when no request is left that gRPC knows of


class Server:
    """Serves SavedModels over gRPC as `tensorflow_model_server` does, for development, tests and small machines.

    Methods, status codes, messages and the order of checks are TensorFlow Serving's. In production use TensorFlow
    Serving itself: it batches, it is written in C++, and the same clients speak to it.

    Args:
        models: a directory; each of its subfolders that holds numbered versions is a model, also one that comes later.
        config: instead, a file: the text of a ModelServerConfig, as `--model_config_file` of TensorFlow Serving.
        host: where it listens. Everybody who reaches another address than the default may use the models and
            replace them.
        port: of gRPC; 0 takes a free one, which `address` tells.
        rest_port: of metrics for Prometheus, at /monitoring/prometheus/metrics; None: none, 0: a free one.
        poll_seconds: between two looks for new versions; 0: no second look.
        config_poll_seconds: between two readings of `config`; 0: it is read once.
        load_retries: further attempts to load a version that fails.
        load_retry_seconds: between two of them. (TensorFlow Serving waits a minute.)
        labels_ahead: labels may name versions that are not served yet; as
            `--allow_version_labels_for_unavailable_models`, without which `config` can hold none at startup.
        warmup: answer the requests in `assets.extra/tf_serving_warmup_requests` before a version is served.
        max_running: requests that run at once; as many as there are cores by default.
        max_waiting: requests that wait for these; any more are refused at once with RESOURCE_EXHAUSTED.
        max_message_mebibytes: of a request, and of a tensor in it once unpacked, in 2**20 bytes. TensorFlow Serving
            takes 2 GiB; here memory is bounded by this times `max_running`, some copies of it, and the models.
        tensor_content: answer with `tensor_content` rather than typed fields such as `float_val`.
        intra_op_threads, inter_op_threads: of TensorFlow; 0: it decides. They hold for the process, and must be
            given before TensorFlow is loaded.
        ssl_config: a file: the text of an SSLConfig (`server_key`, `server_cert`, `custom_ca`, `client_verify`), as
            `--ssl_config_file` of TensorFlow Serving.
        health: offer `grpc.health.v1.Health`, as `--enable_grpc_healthcheck_service`.
        grace_seconds: that `stop` leaves to the requests that run.

    Raises:
        MissingFileError: a path does not exist.
        InputError: an argument is not as above.

    Example:
        >>> with keras_style.serving.Server("models", port=0) as server:
        ...     print(server.address)

    Reference: tensorflow/serving 9d981c5c; docs/serve.md says what differs.
    """

    def __init__(
        self,
        models: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = Settings(models=models, config=config, **settings)  # type: ignore[arg-type]  # it converts
        self.address = ""
        self.rest_port: int | None = None
        self._stopping = threading.Event()
        self._parts: list[Callable[[], object]] = []  # what ends each part that runs, in the order of their start
        _set_threads(self.settings)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Server":
        """Load the models, wait until each has a version that is available, and only then open the port.

        Raises:
            InputError: a model does not load, the configuration is refused, or the address is taken.
        """
        from keras_style.serving.embedded.status import StatusError

        _check_free(self.settings.host, self.settings.port)
        try:
            self._start()
        except StatusError as error:
            self.stop()
            raise InputError(f"the server does not start: {error.message}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Refuse new requests, let those that run come to their end within `grace_seconds`, and unload the models."""
        self._stopping.set()
        while self._parts:
            self._parts.pop()()

    def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT comes, and stop; a second signal acts as it usually does."""
        usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def ask(number: int, frame: FrameType | None) -> None:
            self._stopping.set()
            signal.signal(number, usual[signal.Signals(number)])

        try:
            for number in usual:
                signal.signal(number, ask)
            self.start()
            gc.freeze()  # or each version that goes would have the collector look at all of TensorFlow
            self._stopping.wait()
        finally:
            self.stop()
            for number, handler in usual.items():
                signal.signal(number, handler)

    def _start(self) -> None:
        import grpc

        from keras_style.serving.embedded.gate import Gate
        from keras_style.serving.embedded.metrics import Metrics
        from keras_style.serving.embedded.models import Models
        from keras_style.serving.embedded.poller import Poller
        from keras_style.serving.embedded.services import Services

        settings = self.settings
        log.info("keras-style serves for development, tests and small machines; production uses TensorFlow Serving")
        credentials = _credentials(settings.ssl_config)
        metrics = Metrics()
        models = Models(
            lambda path: _load(path, settings, metrics),
            settings.load_retries,
            settings.load_retry_seconds,
            settings.labels_ahead,
        )
        self._parts.append(lambda: models.close(_UNLOAD_SECONDS))
        source = _Source(settings, models)
        source.start(lambda: not self._stopping.is_set())
        if self._stopping.is_set():
            return
        if settings.poll_seconds:
            self._parts.append(Poller(source.look, settings.poll_seconds).stop)
        if settings.config and settings.config_poll_seconds:
            self._parts.append(Poller(source.read_again, settings.config_poll_seconds).stop)
        if settings.rest_port is not None:
            self._start_monitoring(metrics, settings)

        assert settings.max_running is not None
        gate = Gate(settings.max_running, settings.max_waiting)
        most = settings.max_running + settings.max_waiting + _SPARE_THREADS
        server = grpc.server(
            ThreadPoolExecutor(most, thread_name_prefix="request"),
            maximum_concurrent_rpcs=most,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_mebibytes * MEBIBYTE),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # two servers on one port would share its clients
            ],
        )
        services = Services(
            models, gate, metrics, settings.max_message_mebibytes * MEBIBYTE, settings.tensor_content, source.forget
        )
        server.add_generic_rpc_handlers(services.handlers())
        end_health = _add_health(server) if settings.health else lambda: None
        self.address = _listen(server, settings, credentials)
        server.start()

        def end() -> None:
            end_health()
            ended = server.stop(settings.grace_seconds)
            while not ended.wait(0.2):
                if gate.is_empty():  # what is left are streams of health, which never end
                    ended.wait(1.0)
                    server.stop(None).wait()
            log.info("%s no longer listens", self.address)

        self._parts.append(end)
        log.info("listening on %s, %s", self.address, "TLS" if credentials else "without TLS")
        if credentials is None and not settings.is_local():
            log.warning("everybody who reaches %s may use the models and replace them", self.address)

    def _start_monitoring(self, metrics: Any, settings: Settings) -> None:
        from keras_style.serving.embedded.monitoring import PATH, Monitoring

        assert settings.rest_port is not None
        try:
            monitoring = Monitoring(metrics, settings.host, settings.rest_port)
        except OSError as error:
            raise InputError(f"cannot listen on {settings.host}:{settings.rest_port}: {error.strerror}") from None
        self.rest_port = monitoring.port
        self._parts.append(monitoring.stop)
        log.info("metrics on http://%s:%d%s", settings.host, monitoring.port, PATH)


class _Source:
    """Where the list of models comes from: a directory, a file, or the last client that sent another one."""

    def __init__(self, settings: Settings, models: Any) -> None:
        self._settings = settings
        self._models = models
        self._directory = settings.models
        self._folders_seen: dict[str, Path] = {}

    def start(self, go_on: Callable[[], bool]) -> None:
        self._models.reload(self._folders() if self._directory else self._file(), go_on)

    def look(self) -> None:
        """For new versions, and in a directory for new models."""
        from keras_style.serving.embedded import disk, models

        if self._directory:
            folders = disk.models(self._directory)
            if not all(self._models.is_configured(name) for name in folders):
                # What was served goes on, also without a version for the moment.
                self._folders_seen = {**self._folders_seen, **folders}
                self._models.reload(models.of_folders(self._folders_seen), lambda: False)
        self._models.poll()

    def read_again(self) -> None:
        self._models.reload(self._file(), lambda: False)

    def forget(self) -> None:
        """A client's list counts from now on, not the directory."""
        self._directory = None

    def _file(self) -> Any:
        from tensorflow_serving.config import model_server_config_pb2

        from keras_style.serving.embedded import text

        assert self._settings.config is not None
        config = text.read(self._settings.config, model_server_config_pb2.ModelServerConfig())
        if config.WhichOneof("config") == "custom_model_config":
            raise InputError(f"{self._settings.config} has a custom_model_config; expected a model_config_list")
        return config

    def _folders(self) -> Any:
        from keras_style.serving.embedded import disk, models

        assert self._directory is not None
        self._folders_seen = disk.models(self._directory)
        if not self._folders_seen:
            hint = f"; it looks like one model: serve {self._directory.absolute().parent}"
            raise InputError(
                f"{self._directory} holds no models; expected {self._directory}/NAME/NUMBER/saved_model.pb"
                f"{hint if disk.versions(self._directory) else ''}"
            )
        return models.of_folders(self._folders_seen)


def _load(path: Path, settings: Settings, metrics: Any) -> Any:
    from keras_style.serving.embedded.loaded import Loaded
    from keras_style.serving.embedded.warmup import warm_up

    loaded = Loaded(path)
    try:
        if settings.warmup:
            count = warm_up(loaded, path, settings.max_message_mebibytes * MEBIBYTE, metrics)
            log.info("%s answered %d warm-up requests", path, count)
    except BaseException:
        loaded.close()
        raise
    return loaded


def _set_threads(settings: Settings) -> None:
    """TensorFlow reads these once; an option of a session would come after the process's pools were made."""
    for name, count in (("INTRAOP", settings.intra_op_threads), ("INTEROP", settings.inter_op_threads)):
        if not count:
            continue
        if "tensorflow" in sys.modules:
            raise InputError(
                f"{name[:5].lower()}_op_threads is {count}, and TensorFlow is already loaded; expected 0, or a server "
                "in a process of its own, such as keras-style serve"
            )
        os.environ[f"TF_NUM_{name}_THREADS"] = str(count)


def _credentials(path: Path | None) -> Any:
    """gRPC's, of an SSLConfig; None: no TLS."""
    if path is None:
        return None
    import grpc

    from keras_style.serving.embedded import text

    config = text.read(path, text.ssl_config())
    for name in ("server_key", "server_cert"):
        if not getattr(config, name).startswith("-----BEGIN "):
            raise InputError(f"{path}: {name} is not PEM; expected the content of the file, not its path")
    if config.client_verify and not config.custom_ca:
        raise InputError(f"{path} has client_verify and no custom_ca; expected the certificate that clients' are from")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def _add_health(server: Any) -> Callable[[], None]:
    """Offer grpc.health.v1.Health; returns what says that no more is served."""
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("ModelService", "PredictionService"):  # as server.cc names them; "" is there from the start
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer.enter_graceful_shutdown


def _listen(server: Any, settings: Settings, credentials: Any) -> str:
    """The address, with the port that was taken."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        port, reason = 0, f": {error}"
    else:
        reason = ""
    if not port:
        with_tls = ", or the key and the certificate do not fit" if credentials else ""
        raise InputError(f"cannot listen on {address}{reason}; expected a free port{with_tls}")
    return f"{host}:{port}"


def _check_free(host: str, port: int) -> None:
    """Say that the port is taken now, not after the models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}; expected a free port") from None
