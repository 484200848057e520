"""Warm-up: the recorded requests that a version answers before it is served: saved_model_warmup.cc, ..._util.cc."""

import time
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from keras_style.internal.tensorflow import tf
from keras_style.server.calls import Call
from keras_style.server.examples import classify, multi_inference, regress
from keras_style.server.metrics import Metrics
from keras_style.server.predict import predict
from keras_style.server.session import Loaded
from keras_style.server.status import StatusError, invalid

_MOST = 1000
_ANSWERS = {
    "predict_log": predict,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": multi_inference,
}


def warm_up(loaded: Loaded, path: Path, max_tensor_bytes: int, metrics: Metrics) -> int:
    """Answer the records in `assets.extra/tf_serving_warmup_requests`; returns how many there are.

    Raises:
        StatusError, tf.errors.OpError: a record fails; the version must not be served.
    """
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    if not file.exists():
        return 0
    started = time.perf_counter()
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            _answer(record, loaded, max_tensor_bytes, file)
            count += 1
            if count > _MOST:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST}) at {file}")
    except tf.errors.DataLossError as error:
        message = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError(grpc.StatusCode.DATA_LOSS, message) from None
    metrics.warmup_latency.add(1e6 * (time.perf_counter() - started), str(path), "OK")
    metrics.warmup_records.add(count, str(path), "OK")
    return count


def _answer(record: bytes, loaded: Loaded, max_tensor_bytes: int, file: Path) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError:
        raise invalid(f"Failed to parse warmup record: {record!r} from {file}") from None
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    if kind not in _ANSWERS:
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    _ANSWERS[kind](getattr(log, kind).request, loaded, None, Call("warmup", max_tensor_bytes))
