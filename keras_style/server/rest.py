"""The REST port: metrics for Prometheus, and the status of models as JSON.

Reference: http_rest_api_util.cc (paths and JSON), http_rest_api_handler.cc (checks), http_server.cc (HTTP codes).
"""

import contextlib
import http.server
import json
import logging
import re
import socket
import socketserver
import sys
import threading
import time
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2

from keras_style.internal.version_folders import LARGEST
from keras_style.server import status
from keras_style.server.metrics import Metrics
from keras_style.server.model_info import get_model_status
from keras_style.server.served_models import Models
from keras_style.server.status import invalid

log = logging.getLogger("keras_style.serving")

METRICS = "/monitoring/prometheus/metrics"
_STATUS = re.compile(r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/[^/:]+)?", re.ASCII | re.IGNORECASE)
_SECONDS = 10.0  # for a connection, from its beginning to its end; ours: what Prometheus waits for a scrape
_MOST = 32  # connections at a time; ours, for a few scrapers; any more are closed at once
_HTTP_CODES = {grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.NOT_FOUND: 404}


class Rest:
    """Answers GET requests, each in a thread of its own.

    Args:
        models: whose status is told.
        metrics: shown at `METRICS`.
        host, port: where it listens; port 0 takes a free one.

    Attributes:
        port: the port that was taken.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(self, models: Models, metrics: Metrics, host: str, port: int) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == METRICS:
                    self._send(200, "text/plain; version=0.0.4", metrics.text())
                elif path.lower().startswith("/v1/"):
                    code, text = model_status(path, models)
                    self._send(code, "application/json", text)
                else:
                    self.send_error(404)

            def _send(self, code: int, kind: str, text: str) -> None:
                body = text.encode()
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Write no line per scrape."""

        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._server = _HttpServer(family, address, Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="rest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HttpServer(socketserver.ThreadingTCPServer):
    """Gives each connection a thread and `_SECONDS`, whatever its client does; nobody waits for it."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: socket.AddressFamily, address: Any, handler: Any) -> None:
        self.address_family = family
        self._lock = threading.Lock()
        self._ends: dict[Any, float] = {}
        super().__init__(address, handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._ends) >= _MOST:
                return False
            self._ends[request] = time.monotonic() + _SECONDS
            return True

    def service_actions(self) -> None:
        """Called twice a second."""
        with self._lock:
            for request, end in self._ends.items():
                if end <= time.monotonic():
                    _end(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._ends.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for request in self._ends:
                _end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a request to the REST port failed", exc_info=error)


def _end(connection: socket.socket) -> None:
    """Whoever reads from the connection or writes to it stops."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def model_status(path: str, models: Models) -> tuple[int, str]:
    """HTTP code and JSON for `/v1/models/NAME`, with `/versions/NUMBER` or `/labels/LABEL` behind it or not."""
    try:
        response = get_model_status(_status_request(path), models)
    except Exception as error:
        problem = status.of(error)
        return _HTTP_CODES.get(problem.code, 500), json.dumps({"error": problem.message})
    text = json_format.MessageToJson(
        response, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
    return 200, text


def _status_request(path: str) -> Any:
    found = _STATUS.fullmatch(path)
    if not found:
        raise invalid(f"Malformed request: GET {path}")
    name, version = found.groups()  # GetModelStatus ignores labels
    if version and (len(version) > 99 or int(version) > LARGEST):  # `int` itself refuses thousands of digits
        raise invalid(f"Failed to convert version: {version} to numeric.")
    if not name:
        raise invalid("Missing model name in request.")
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = unquote(name)
    if version:
        request.model_spec.version.value = int(version)
    return request
