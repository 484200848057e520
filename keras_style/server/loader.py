"""Loading a version: open it, then answer the requests recorded with it (saved_model_warmup.cc, ..._util.cc)."""

import logging
import time
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from keras_style.internal.tensorflow import tf
from keras_style.server.loaded_version import LoadedVersion
from keras_style.server.metrics import Metrics
from keras_style.server.predict import Call, predict
from keras_style.server.status import StatusError, invalid

log = logging.getLogger("keras_style.serving")

_MOST_RECORDS = 1000


def load(path: Path, warmup: bool, max_tensor_bytes: int, metrics: Metrics, runs: int, threads: int) -> LoadedVersion:
    """Open the version in a directory and warm it up.

    Args:
        path: directory of the SavedModel.
        warmup: answer the recorded requests, if there are any.
        max_tensor_bytes: bytes that an input may take once it is unpacked.
        metrics: where the warm-up is counted.
        runs: how many requests run at once.
        threads: how many operations run at once.

    Raises:
        StatusError, tf.errors.OpError: it cannot be opened, or a record fails; the version must not be served.
    """
    loaded = LoadedVersion(path, runs, threads)
    try:
        if warmup:
            log.info("%s answered %d warm-up requests", path, _warm_up(loaded, path, max_tensor_bytes, metrics))
    except BaseException:
        loaded.close()
        raise
    return loaded


def _warm_up(loaded: LoadedVersion, path: Path, max_tensor_bytes: int, metrics: Metrics) -> int:
    """Answer the records in `assets.extra/tf_serving_warmup_requests`; returns their number."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    if not file.exists():
        return 0
    started = time.perf_counter()
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            _answer(record, loaded, max_tensor_bytes, file)
            count += 1
            if count > _MOST_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {file}")
    except tf.errors.DataLossError as error:
        message = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError(grpc.StatusCode.DATA_LOSS, message) from None
    metrics.warmup_latency.add(1e6 * (time.perf_counter() - started), str(path), "OK")
    metrics.warmup_records.add(count, str(path), "OK")
    return count


def _answer(record: bytes, loaded: LoadedVersion, max_tensor_bytes: int, file: Path) -> None:
    try:
        recorded = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError:
        raise invalid(f"Failed to parse warmup record: {record!r} from {file}") from None
    kind = recorded.WhichOneof("log_type")
    if kind is None:
        return
    if kind != "predict_log":
        number = recorded.DESCRIPTOR.fields_by_name[kind].number
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    predict(recorded.predict_log.request, loaded, None, Call(max_tensor_bytes))
