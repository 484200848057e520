"""grpc.health.v1.Health, which TensorFlow Serving offers on request."""

from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def add(server: Any) -> Callable[[], None]:
    """Offer grpc.health.v1.Health; returns what says that no more is served."""
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("ModelService", "PredictionService"):  # as server.cc names them; "" is there from the start
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer.enter_graceful_shutdown
