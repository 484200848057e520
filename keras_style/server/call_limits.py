"""Time limits of calls: whatever a call waits for, it ends."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc


class CallLimits(grpc.ServerInterceptor):
    """Gives every call a time for its request to come, and a time for all that follows.

    gRPC itself waits for a client's message for ever, with a thread. So methods of one message are declared here as
    methods that take a stream of messages, which looks the same on the wire, and the message is read with `read`.

    Args:
        read_seconds: for the request to come, and for the answer to be taken.
        max_seconds: the largest deadline of a request; also that of one without a deadline.
    """

    def __init__(self, read_seconds: float, max_seconds: float) -> None:
        self._read_seconds = read_seconds
        self._max_seconds = max_seconds
        self._lock = threading.Lock()
        self._ends: dict[Any, float] = {}

    def deadline(self, context: Any) -> float:
        """When the request must be answered, on the clock of `time.monotonic`."""
        remaining = context.time_remaining()
        return time.monotonic() + min(self._max_seconds, self._max_seconds if remaining is None else remaining)

    def read(self, requests: Iterator[Any], context: Any) -> Any:
        """The one message of a call; None if the client ends its stream without any.

        Raises:
            grpc.RpcError: the call has ended.
        """
        self._end_after(context, self._read_seconds)
        context.add_callback(lambda: self._forget(context))
        request = next(requests, None)
        self._end_after(context, self._max_seconds + self._read_seconds)
        return request

    def end_overdue(self) -> None:
        """End the calls whose time is up; to be called every second."""
        now = time.monotonic()
        with self._lock:
            overdue = [context for context, end in self._ends.items() if end <= now]
            for context in overdue:
                del self._ends[context]
        for context in overdue:
            context.cancel()

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """gRPC's hook: the method that answers a call, with its message read under the limits."""
        method = continuation(details)
        if method is None or method.request_streaming:
            return method
        answer = method.unary_stream if method.response_streaming else method.unary_unary

        def read_and_answer(requests: Iterator[Any], context: Any) -> Any:
            request = self.read(requests, context)
            if request is None:
                context.abort(grpc.StatusCode.INTERNAL, "Failed to parse the request")
            return answer(request, context)

        kind = "stream_stream" if method.response_streaming else "stream_unary"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(read_and_answer, method.request_deserializer, method.response_serializer)

    def _end_after(self, context: Any, seconds: float) -> None:
        with self._lock:
            self._ends[context] = time.monotonic() + seconds

    def _forget(self, context: Any) -> None:
        with self._lock:
            self._ends.pop(context, None)
