"""The port that Prometheus reads."""

import http.server
import threading

from keras_style.server.metrics import Metrics

PATH = "/monitoring/prometheus/metrics"


class Monitoring:
    """Answers GET requests of `PATH` from a thread of its own.

    Args:
        metrics: what is shown.
        host, port: where it listens; port 0 takes a free one.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        class Page(http.server.BaseHTTPRequestHandler):
            timeout = 10  # seconds that a client may keep silent

            def do_GET(self) -> None:
                if self.path.partition("?")[0] != PATH:
                    self.send_error(404)
                    return
                body = metrics.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not a line for each scrape."""

        self._server = http.server.HTTPServer((host, port), Page)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
