"""A version of a model in memory, run as TensorFlow Serving's C++ loader runs it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.server.cancellation import Cancellation, OnEnd
from keras_style.server.status import StatusError, invalid

# Imported after keras_style.internal.tensorflow, which prepares the environment. Python's `Session.run` would convert
# other types and refuse other shapes before TensorFlow sees them; C++ calls this C API.
from tensorflow.python.client import pywrap_tf_session as c_api  # isort: skip


class LoadedVersion:
    """One session of one SavedModel; threads may share it.

    Args:
        path: directory of the SavedModel.
        runs: how many runs can be cancelled at a time; more wait for one to end.
        threads: how many operations run at once.

    Attributes:
        signatures: SignatureDef by name, as the file has them.

    Raises:
        StatusError, tf.errors.OpError: there is none, or it cannot be loaded.
    """

    def __init__(self, path: str | os.PathLike[str], runs: int = 1, threads: int = 1) -> None:
        _check_there(Path(path))
        self._graph = tf.Graph()
        config = tf.compat.v1.ConfigProto()
        # One more, of the session's own: a run keeps a thread until it ends, and what cancels it needs one, too.
        config.session_inter_op_thread_pool.add(num_threads=threads + 1)
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        self._ends: dict[str, Any] = {}
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], os.fspath(path))
        except BaseException:
            self._session.close()
            raise
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
        self._cancellation = Cancellation(self._session, runs)

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout_ms: int = 0,
        on_end: OnEnd | None = None,
    ) -> list[np.ndarray]:
        """Run the graph.

        Args:
            feeds: arrays by tensor name in the graph.
            fetches: tensor names.
            timeout_ms: 0: none.
            on_end: takes a function to be called when nobody waits for the answer any more, which cancels the run, and
                says whether somebody does; None: the run is not cancelled.

        Raises:
            tf.errors.OpError: as TensorFlow raises it; DeadlineExceededError when the time is up, CancelledError when
                the run was cancelled. Either comes when the operations that run have ended.
        """
        fed = {self._end(name): array for name, array in feeds.items()}
        fetched = [self._end(name) for name in fetches]

        def start(more: Mapping[Any, np.ndarray], targets: Sequence[Any]) -> list[Any]:
            options = tf.compat.v1.RunOptions(timeout_in_ms=timeout_ms).SerializeToString()
            buffer = c_api.TF_NewBufferFromString(options)
            try:
                return c_api.TF_SessionRun_wrapper(
                    self._session._session, buffer, {**fed, **more}, fetched, list(targets), None
                )
            finally:
                c_api.TF_DeleteBuffer(buffer)

        results = start({}, []) if on_end is None else self._cancellation.run(start, fetches, on_end)
        return [np.asarray(result, object if isinstance(result, bytes) else None) for result in results]

    def close(self) -> None:
        self._cancellation.close()
        self._session.close()
        self._ends.clear()

    def _end(self, name: str) -> Any:
        """The tensor of a name, in the form that the C API takes."""
        if name not in self._ends:
            self._ends[name] = self._find(name)._as_tf_output()
        return self._ends[name]

    def _find(self, name: str) -> Any:
        operation_name, _, index = name.partition(":")
        try:
            operation = self._graph.get_operation_by_name(operation_name)
        except (KeyError, ValueError):
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"FetchOutputs node {name}: not found") from None
        if not operation.outputs:  # such as that of __saved_model_init_op
            raise invalid(
                f"Tried to fetch data for '{name}', which produces no output.  To run to a node but not fetch any "
                f"data, pass '{name}' as an argument to the 'target_node_names' argument of the Session::Run API."
            )
        return operation.outputs[int(index or 0)]


def _check_there(path: Path) -> None:
    if not any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")):
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. Check that the "
            "directory exists and that you have the right permissions for accessing it.",
        )
