"""The REST port: metrics for Prometheus, and the status of models as JSON.

Reference: http_rest_api_util.cc (paths and JSON), http_rest_api_handler.cc (checks), http_server.cc (HTTP codes).
"""

import http.server
import json
import re
import threading
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

METRICS = "/monitoring/prometheus/metrics"
_STATUS = re.compile(r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/[^/:]+)?", re.ASCII | re.IGNORECASE)
_HTTP_CODES = {grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.NOT_FOUND: 404}


class Rest:
    """Answers GET requests from a thread of its own.

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
            timeout = 10  # seconds that a client may keep silent

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

        self._server = http.server.HTTPServer((host, port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="rest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


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
