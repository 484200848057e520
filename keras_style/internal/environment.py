"""Settings and checks of the process that TensorFlow needs. This module never imports it."""

import os
import sys
import warnings

from keras_style.errors import BackendError

# TensorFlow reads these once, while it is loaded; a value that the user set wins.
# Without oneDNN a step takes up to twice as long on processors without AVX512-VNNI, where TensorFlow leaves it off.
_DEFAULTS = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

# Level 0 or 1 asks for what TensorFlow has to say; a higher one may also be ours, inherited from a parent process.
chatter_wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")

tensorflow_runs_in: int | None = None  # the process in which TensorFlow was started


def prepare() -> None:
    """Set TensorFlow's environment; warn once if TensorFlow is already loaded without it."""
    too_late = "tensorflow" in sys.modules and "TF_ENABLE_ONEDNN_OPTS" not in os.environ
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if too_late:
        warnings.warn(
            "tensorflow was imported before keras_style, so oneDNN may be off: on processors without AVX512-VNNI a "
            "step then takes up to twice as long. Import keras_style first, or set TF_ENABLE_ONEDNN_OPTS=1.",
            RuntimeWarning,
            stacklevel=3,
        )


def check_backend() -> None:
    """Refuse a Keras backend other than TensorFlow, before Keras tries to load it.

    Raises:
        BackendError: `KERAS_BACKEND` names another backend, or Keras already runs on one.
    """
    named = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if named != "tensorflow":
        raise BackendError(
            f"KERAS_BACKEND is {named!r}; keras_style runs on 'tensorflow': unset KERAS_BACKEND or set it to that"
        )
    if "keras" not in sys.modules:
        # Keras would otherwise take another backend from ~/.keras/keras.json.
        os.environ["KERAS_BACKEND"] = "tensorflow"
        return
    running = sys.modules["keras"].config.backend()
    if running != "tensorflow":
        raise BackendError(f"Keras already runs on {running!r}; keras_style runs on 'tensorflow': set KERAS_BACKEND")


def check_process() -> None:
    """Refuse to compute in a process that was forked after TensorFlow had been started: its threads are not there.

    Raises:
        BackendError: this is such a process; TensorFlow would wait for ever.
    """
    if tensorflow_runs_in not in (None, os.getpid()):
        raise BackendError(
            "this process was forked after TensorFlow had been started, which cannot compute here; start processes "
            "with multiprocessing.get_context('spawn'), or use keras_style after the fork alone"
        )
