"""The parts of a server, from the first that starts to the last that ends."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from keras_style.errors import InputError
from keras_style.server import health, port
from keras_style.server.configured import Source
from keras_style.server.credentials import credentials as server_credentials
from keras_style.server.gate import Gate
from keras_style.server.metrics import Metrics
from keras_style.server.monitoring import PATH, Monitoring
from keras_style.server.poller import Poller
from keras_style.server.served_models import Models
from keras_style.server.services import Services
from keras_style.server.session import Loaded
from keras_style.server.settings import MEBIBYTE, Settings
from keras_style.server.warm_up import warm_up

log = logging.getLogger("keras_style.serving")

_SPARE_THREADS = 16  # for status, metadata, reload and health, which never wait for a model
_UNLOAD_SECONDS = 1.0  # at the end, when no request is left that gRPC knows of


class Running:
    """See the module.

    Args:
        settings: what the server was told.
        go_on: asked while it starts; False: it gives up.

    Attributes:
        address: of gRPC, once it listens.
        rest_port: of the metrics, if there are any.
    """

    def __init__(self, settings: Settings, go_on: Callable[[], bool]) -> None:
        self.settings = settings
        self.address = ""
        self.rest_port: int | None = None
        self._go_on = go_on
        self._parts: list[Callable[[], object]] = []  # what ends each part, in the order of their start

    def start(self) -> None:
        """See `Server.start`."""
        settings = self.settings
        log.info("keras-style serves for development, tests and small machines; production uses TensorFlow Serving")
        credentials = server_credentials(settings.ssl_config)
        metrics = Metrics()
        models = Models(
            lambda path: _load(path, settings, metrics),
            settings.load_retries,
            settings.load_retry_seconds,
            settings.labels_ahead,
        )
        self._parts.append(lambda: models.close(_UNLOAD_SECONDS))
        source = Source(settings, models)
        source.start(self._go_on)
        if not self._go_on():
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
            models, gate, metrics, settings.max_message_mebibytes * MEBIBYTE, settings.tensor_content, source.take
        )
        server.add_generic_rpc_handlers(services.handlers())
        end_health = health.add(server) if settings.health else lambda: None
        self.address = port.listen(server, settings, credentials)
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

    def _start_monitoring(self, metrics: Metrics, settings: Settings) -> None:
        assert settings.rest_port is not None
        try:
            monitoring = Monitoring(metrics, settings.host, settings.rest_port)
        except OSError as error:
            raise InputError(f"cannot listen on {settings.host}:{settings.rest_port}: {error.strerror}") from None
        self.rest_port = monitoring.port
        self._parts.append(monitoring.stop)
        log.info("metrics on http://%s:%d%s", settings.host, monitoring.port, PATH)

    def stop(self) -> None:
        """See `Server.stop`."""
        while self._parts:
            self._parts.pop()()


def _load(path: Path, settings: Settings, metrics: Metrics) -> Loaded:
    loaded = Loaded(path)
    try:
        if settings.warmup:
            count = warm_up(loaded, path, settings.max_message_mebibytes * MEBIBYTE, metrics)
            log.info("%s answered %d warm-up requests", path, count)
    except BaseException:
        loaded.close()
        raise
    return loaded
