"""The parts of a running server, started in order and stopped in reverse."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from keras_style.errors import InputError
from keras_style.internal import tensorflow  # noqa: F401 - holds TensorFlow's chatter back; tensorflow_serving does not
from keras_style.server import loader
from keras_style.server.call_limits import CallLimits
from keras_style.server.configured import Source
from keras_style.server.gate import Gate
from keras_style.server.listening import listen, offer_health, server_credentials, written
from keras_style.server.metrics import Metrics
from keras_style.server.rest import METRICS, Rest
from keras_style.server.served_models import Models
from keras_style.server.services import Services
from keras_style.server.settings import MEBIBYTE, Settings, cores

log = logging.getLogger("keras_style.serving")

_SPARE_THREADS = 16  # for status, metadata, reload and health, which never wait for a model
_KEEPALIVE_MS = 60_000, 20_000  # a connection that is silent so long is asked, and dropped without an answer in time
_UNLOAD_SECONDS = 1.0  # at the end, when no request is left that gRPC knows of


class Running:
    """Models, pollers, the REST port and the gRPC port.

    Args:
        settings: the arguments of `Server`.
        go_on: called while it starts; if it returns False, starting is given up.

    Attributes:
        address: host and port of gRPC; empty before it listens.
        rest_port: the REST port, if there is one.
    """

    def __init__(self, settings: Settings, go_on: Callable[[], bool]) -> None:
        self.settings = settings
        self.address = ""
        self.rest_port: int | None = None
        self._go_on = go_on
        self._ends: list[Callable[[], object]] = []  # a function that stops each part, in the order of their start

    def start(self) -> None:
        """Load the models, then listen.

        Raises:
            StatusError: a model does not load, or the configuration is refused.
            InputError: an address is taken, or a file cannot be used.
        """
        settings = self.settings
        log.info("keras-style serves for development, tests and small machines; production uses TensorFlow Serving")
        credentials = server_credentials(settings.ssl_config)
        assert settings.max_running is not None
        running, max_bytes = settings.max_running, settings.max_message_mebibytes * MEBIBYTE
        threads = settings.inter_op_threads or cores()
        metrics = Metrics()
        models = Models(
            lambda path: loader.load(path, settings.warmup, max_bytes, metrics, running, threads),
            settings.load_retries,
            settings.load_retry_seconds,
            settings.labels_ahead,
        )
        self._ends.append(lambda: models.close(_UNLOAD_SECONDS))
        source = Source(settings, models)
        source.start(self._go_on)
        if not self._go_on():
            return
        if settings.poll_seconds:
            self._ends.append(_Poller(source.look, settings.poll_seconds).stop)
        if settings.config and settings.config_poll_seconds:
            self._ends.append(_Poller(source.read_again, settings.config_poll_seconds).stop)
        if settings.rest_port is not None:
            self._start_rest(models, metrics, settings.rest_port)
        limits = CallLimits(settings.read_seconds, settings.max_seconds)
        self._ends.append(_Poller(limits.end_overdue, min(1.0, settings.read_seconds, settings.max_seconds)).stop)
        gate = Gate(running, settings.max_waiting)
        services = Services(models, gate, limits, metrics, max_bytes, settings.tensor_content, source.take)
        self._start_grpc(services, credentials, max_bytes, running + settings.max_waiting + _SPARE_THREADS)

    def _start_rest(self, models: Models, metrics: Metrics, port: int) -> None:
        host = written(self.settings.host)
        try:
            rest = Rest(models, metrics, self.settings.host, port)
        except OSError as error:
            raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        self.rest_port = rest.port
        self._ends.append(rest.stop)
        log.info("metrics on http://%s:%d%s", host, rest.port, METRICS)

    def _start_grpc(self, services: Services, credentials: Any, max_bytes: int, most: int) -> None:
        settings = self.settings
        server = grpc.server(
            ThreadPoolExecutor(most, thread_name_prefix="request"),
            interceptors=[services.limits],
            maximum_concurrent_rpcs=most,
            options=[
                ("grpc.max_receive_message_length", max_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # two servers on one port would share its clients
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS[0]),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS[1]),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        server.add_generic_rpc_handlers(services.handlers())
        end_health = offer_health(server) if settings.health else lambda: None
        self.address = listen(server, settings, credentials)
        server.start()

        def end() -> None:
            end_health()
            ended = server.stop(settings.grace_seconds)
            while not ended.wait(0.2):
                if services.gate.is_empty():  # the rest are streams of health, which never end
                    ended.wait(1.0)
                    server.stop(None).wait()
            log.info("%s no longer listens", self.address)

        self._ends.append(end)
        log.info("listening on %s, %s", self.address, "TLS" if credentials else "without TLS")
        if credentials is None and not settings.is_local():
            log.warning("everybody who reaches %s may use the models and replace them", self.address)

    def stop(self) -> None:
        """Stop the parts, the last first."""
        while self._ends:
            self._ends.pop()()


class _Poller:
    """Calls a function every few seconds from a thread of its own; an error is logged, and the calls go on."""

    def __init__(self, function: Callable[[], None], seconds: float) -> None:
        self._function = function
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"every {seconds:g} s", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._function()
            except Exception as error:
                log.error("%s", " ".join(str(error).split()))

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
