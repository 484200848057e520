"""Run a SavedModel as TensorFlow Serving does: by the C++ loader and a session, without Keras and keras_style.

    python session_runner.py SAVED_MODEL REQUESTS.npz ANSWERS.npz

REQUESTS holds arrays NUMBER/SIGNATURE/INPUT, an image file as its bytes; ANSWERS gets NUMBER/OUTPUT. This file is run,
never imported, and imports nothing of the package.
"""

import sys
from typing import Any

ABSENT = ("keras", "keras_style", "tf_keras")


class Without:
    """An import finder to which some packages are not installed."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def main(folder: str, requests: str, answers: str) -> None:
    sys.meta_path[:] = map(Without, sys.meta_path)
    import numpy as np
    import tensorflow.compat.v1 as tf

    results: dict[str, Any] = {}
    given: dict[tuple[str, str], dict[str, Any]] = {}
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = tf.saved_model.load(session, ["serve"], folder).signature_def
        with np.load(requests) as arrays:
            for key, value in arrays.items():
                number, signature, name = key.split("/")
                given.setdefault((number, signature), {})[name] = value
        for (number, signature), inputs in given.items():
            one = signatures[signature]
            is_file = {name: info.dtype == tf.string.as_datatype_enum for name, info in one.inputs.items()}
            feeds = {
                one.inputs[name].name: np.array([value.tobytes()], object) if is_file[name] else value
                for name, value in inputs.items()
            }
            fetched = session.run({name: info.name for name, info in one.outputs.items()}, feeds)
            for name, value in fetched.items():
                answer = np.frombuffer(value[0], np.uint8) if value.dtype == object else value
                results[f"{number}/{name}"] = answer
    loaded = sorted({name.partition(".")[0] for name in sys.modules} & set(ABSENT))
    if loaded:
        raise ImportError(f"{loaded} were imported")
    np.savez(answers, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
