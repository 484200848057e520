"""The end of a run for which nobody waits any more.

A session ends a run at its deadline, and has no function to end it earlier. So each run has a companion: it takes one
value from a queue, true, which the run puts there when it is through, or false from whoever cancels it; then the
companion fails, and the run with it. Neither holds a thread while it waits.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from keras_style.internal.tensorflow import tf

OnEnd: TypeAlias = Callable[[Callable[[], object]], bool]
Start: TypeAlias = Callable[[Mapping[Any, np.ndarray], Sequence[Any]], list[Any]]
_SCOPE = "zz_cancellation"  # TensorFlow counts what is fed by the order of names, and says so in errors
_SAID = "nobody waits for the answer any more"


class Cancellation:
    """Adds to a session's graph what cancels its runs.

    Args:
        session: a session, whose graph is loaded.
        runs: how many runs can be cancelled at a time; more wait.
    """

    def __init__(self, session: Any, runs: int) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._ends: dict[tuple[str, ...], Any] = {}
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(runs):
            self._free.put(number)
        # Of its own: gRPC calls back from the thread that serves everybody.
        self._canceller = ThreadPoolExecutor(1, "cancel")
        with session.graph.as_default(), tf.device("CPU"), tf.name_scope(_SCOPE):
            queues = [tf.raw_ops.FIFOQueueV2(component_types=[tf.bool], shapes=[[]]) for _ in range(runs)]
            self._number = tf.compat.v1.placeholder(tf.int32, ())
            self._queue = tf.switch_case(self._number, [lambda each=each: tf.identity(each) for each in queues])
            (is_through,) = tf.raw_ops.QueueDequeueV2(handle=self._queue, component_types=[tf.bool])
            self._companion = tf.raw_ops.Assert(condition=is_through, data=[_SAID])
            self._cancel = tf.raw_ops.QueueEnqueueV2(handle=self._queue, components=[False])
            left = tf.raw_ops.QueueSizeV2(handle=self._queue)
            self._empty = tf.raw_ops.QueueDequeueManyV2(handle=self._queue, n=left, component_types=[tf.bool])[0].op
        session._extend_graph()

    def run(self, start: Start, fetches: Sequence[str], on_end: OnEnd) -> list[Any]:
        """Call `start` with further feeds and targets for the run.

        Args:
            start: runs the graph; takes arrays and operations in the form of the C API.
            fetches: names of the tensors that the run computes.
            on_end: as for `LoadedVersion.run`.

        Raises:
            tf.errors.OpError: as `start`; CancelledError when it was cancelled.
        """
        end = self._end(tuple(sorted({*fetches})))
        number = self._free.get()
        feeds = {self._number._as_tf_output(): np.array(number, np.int32)}
        lock, over, cancelled = threading.Lock(), False, False

        def cancel() -> None:
            nonlocal cancelled
            with lock:
                if not over:
                    cancelled = True
                    self._operate(self._cancel, number)

        def ended() -> None:
            if not over:  # as nearly always: a call also ends when it was answered
                with contextlib.suppress(RuntimeError):  # the version is gone, and its runs with it
                    self._canceller.submit(cancel)

        try:
            if not on_end(ended):
                raise tf.errors.CancelledError(None, None, _SAID)
            results = start(feeds, [self._companion._c_op, end._c_op])
        except tf.errors.OpError as error:
            if cancelled:
                raise tf.errors.CancelledError(None, None, _SAID) from error
            raise
        finally:
            with lock:
                over = True
            self._operate(self._empty, number)
            self._free.put(number)
        return results

    def close(self) -> None:
        """End the thread that cancels."""
        self._canceller.shutdown(wait=False)

    def _operate(self, operation: Any, number: int) -> None:
        with contextlib.suppress(tf.errors.OpError, RuntimeError):  # the session was closed
            self._session.run(operation, {self._number: number})

    def _end(self, fetches: tuple[str, ...]) -> Any:
        """The operation that follows the computation of these tensors."""
        with self._lock:
            if fetches not in self._ends:
                graph = self._session.graph
                with graph.as_default(), tf.device("CPU"), tf.name_scope(_SCOPE):
                    # TensorFlow drops an order between an operation and a call that it inlines, but no data.
                    computed = [tf.identity(graph.get_tensor_by_name(name)) for name in fetches]
                    with tf.control_dependencies(computed):
                        self._ends[fetches] = tf.raw_ops.QueueEnqueueV2(handle=self._queue, components=[True])
                self._session._extend_graph()
            return self._ends[fetches]
