"""An exported version as TensorFlow Serving runs it: loaded by the C++ loader into a session, asked by names."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import tf


class Served:
    """One version; `served(signature, **inputs)` answers with a dictionary of arrays."""

    def __init__(self, folder: Path) -> None:
        graph = tf.Graph()
        with graph.as_default():
            self.session = tf.compat.v1.Session()
            self.signatures = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder)).signature_def

    def __call__(self, signature: str = "serving_default", **inputs: Any) -> dict[str, np.ndarray]:
        one = self.signatures[signature]
        arrays = {name: np.array(value, object if isinstance(value, list) else None) for name, value in inputs.items()}
        # Straight to the session: like the server, it does not compare shapes with the signature.
        tensors = {self._output(one.inputs[name]): value for name, value in arrays.items()}
        fetches = [self._output(info) for info in one.outputs.values()]
        values = self.session._call_tf_sessionrun(None, tensors, fetches, [], None)
        return dict(zip(one.outputs, values, strict=True))

    def _output(self, info: Any) -> Any:
        return self.session.graph.get_tensor_by_name(info.name)._as_tf_output()
