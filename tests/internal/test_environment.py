"""What holds in the process: TensorFlow's settings, the backend of Keras, and names that load when they are used."""

import importlib
import os
import runpy
import sys
import types
import warnings

import pytest
from running import python

import keras_style
from keras_style.errors import BackendError
from keras_style.internal import environment


@pytest.fixture
def variables(monkeypatch):
    """Environment variables, none to begin with."""
    variables: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", variables)
    return variables


@pytest.fixture
def loaded_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))


def settings(variables: dict[str, str]) -> dict[str, str]:
    """Without what pytest itself adds."""
    return {name: value for name, value in variables.items() if name.startswith(("TF_", "KERAS_"))}


def keras_on(backend: str) -> types.ModuleType:
    keras = types.ModuleType("keras")
    keras.config = types.SimpleNamespace(backend=lambda: backend)
    return keras


# Settings of TensorFlow


def test_prepares_for_tensorflow(variables, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    environment.prepare()
    assert settings(variables) == {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def test_a_users_values_are_kept(variables):
    chosen = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "1"}
    variables.update(chosen)
    environment.prepare()
    assert settings(variables) == chosen


@pytest.mark.parametrize(("level", "wanted"), [(None, False), ("0", True), ("1", True), ("2", False), ("3", False)])
def test_only_a_low_log_level_asks_for_chatter(variables, level, wanted):
    """A high one is what keras_style sets, and its child processes find."""
    if level is not None:
        variables["TF_CPP_MIN_LOG_LEVEL"] = level
    assert runpy.run_path(environment.__file__)["chatter_wanted"] is wanted


def test_warns_once_when_tensorflow_came_first(variables, loaded_tensorflow):
    with pytest.warns(RuntimeWarning, match="tensorflow was imported before keras_style.*TF_ENABLE_ONEDNN_OPTS=1"):
        environment.prepare()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment.prepare()


def test_does_not_warn_when_the_user_had_set_it(variables, loaded_tensorflow):
    variables["TF_ENABLE_ONEDNN_OPTS"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment.prepare()


LATE_IMPORT = """
import os, sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")  # what counts is that it is there
import keras_style  # line 4
import keras_style.commands.main
print(os.environ["TF_ENABLE_ONEDNN_OPTS"])
"""


def test_the_warning_points_at_the_import():
    finished = python(LATE_IMPORT)
    assert finished.stdout == "1\n"
    assert finished.stderr.count("RuntimeWarning") == 1 and finished.stderr.startswith("<string>:4: RuntimeWarning: ")


def test_no_warning_when_the_variable_was_set():
    finished = python(LATE_IMPORT, TF_ENABLE_ONEDNN_OPTS="0")
    assert (finished.stdout, finished.stderr) == ("0\n", "")


# The backend of Keras


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_another_backend_is_refused(variables, monkeypatch, backend):
    variables["KERAS_BACKEND"] = backend
    with pytest.raises(BackendError, match=f"KERAS_BACKEND is '{backend}'; keras_style runs on 'tensorflow'"):
        environment.check_backend()
    del variables["KERAS_BACKEND"]
    monkeypatch.setitem(sys.modules, "keras", keras_on(backend))
    with pytest.raises(BackendError, match=f"Keras already runs on '{backend}'; keras_style runs on 'tensorflow'"):
        environment.check_backend()


@pytest.mark.parametrize("named", [{}, {"KERAS_BACKEND": "tensorflow"}, {"KERAS_BACKEND": ""}])
def test_tensorflow_is_accepted(variables, monkeypatch, named):
    variables.update(named)
    monkeypatch.setitem(sys.modules, "keras", keras_on("tensorflow"))
    environment.check_backend()
    assert settings(variables) == named
    monkeypatch.delitem(sys.modules, "keras")
    environment.check_backend()
    assert variables["KERAS_BACKEND"] == "tensorflow"  # over what ~/.keras/keras.json says


def test_another_backend_is_one_error_and_nothing_is_loaded(photograph_file, painting_file, tmp_path):
    script = """
import sys
import keras_style, keras_style.commands.main
from keras_style.errors import BackendError
content, style, output = sys.argv[1:]
uses = lambda: keras_style.transfer(content, style), lambda: keras_style.ImageOptimizer, lambda: keras_style.losses
for use in uses:
    try:
        use()
    except BackendError as error:
        print(error)
print("loaded", {"tensorflow", "keras", "jax"} & {*sys.modules})
sys.argv = ["keras-style", "transfer", content, style, "-o", output]
keras_style.commands.main.main()
"""
    finished = python(script, photograph_file, painting_file, tmp_path / "out.png", KERAS_BACKEND="jax")
    *refusals, loaded = finished.stdout.splitlines()
    assert len(refusals) == 3 and all(line.startswith("KERAS_BACKEND is 'jax'") for line in refusals)
    assert loaded == "loaded set()"
    assert finished.returncode == 2 and finished.stderr == f"keras-style: {refusals[0]}\n"
    assert not (tmp_path / "out.png").exists()


# Names that load when they are used


def test_importing_loads_nothing_heavy():
    script = """
import sys
import keras_style
assert set(keras_style.__all__) <= set(dir(keras_style))
print({"tensorflow", "keras", "PIL", "numpy", "typer"} & {*sys.modules})
from keras_style import methods, transfer, Stylizer, TransferResult
try:
    transfer("missing.png", "missing.png")
except ValueError as error:
    print(error)
print({"tensorflow", "keras"} & {*sys.modules})
"""
    finished = python(script)
    assert finished.stdout.splitlines() == ["set()", "content: no such file: missing.png", "set()"], finished.stderr


@pytest.mark.parametrize("name", keras_style.__all__)
def test_every_public_name_resolves(name):
    value = keras_style.__version__ if name == "__version__" else keras_style.__getattr__(name)
    assert getattr(keras_style, name) is value
    assert name in dir(keras_style)
    home = getattr(value, "__module__", None)
    if home is not None and hasattr(value, "__name__"):
        assert getattr(importlib.import_module(home), value.__name__) is value and value.__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'keras_style' has no attribute 'paint'"):
        _ = keras_style.paint
    assert not hasattr(keras_style, "_HOME")


# Forks

FORKED = """
import multiprocessing, sys
import keras_style
photograph, painting = sys.argv[1:]
generator = keras_style.models.ResNetGenerator(filters=4, blocks=1)  # TensorFlow is started
gan = keras_style.models.CycleGAN("resnet_6", filters=2, discriminator="pixel")
calls = {
    "transfer": lambda: keras_style.transfer(photograph, painting, size=32, steps=1),
    "texture": lambda: keras_style.synthesize_texture(painting, size=32, steps=1),
    "model": lambda: keras_style.transfer(photograph, model="satellite_to_relief"),
    "open": lambda: keras_style.models.open_generator("satellite_to_relief"),
    "translate": lambda: keras_style.models.translate(generator, photograph),
    "fit": lambda: gan.fit(None),
}
def run(name):
    try:
        calls[name]()
    except keras_style.errors.BackendError as error:
        print(name, str(error).split(",")[0], flush=True)
for name in calls:
    process = multiprocessing.get_context("fork").Process(target=run, args=(name,))
    process.start()
    process.join(60)
    process.kill()
keras_style.transfer(photograph, painting, size=32, steps=1)
"""


@pytest.mark.integration
def test_a_process_that_was_forked_too_late_says_so(photograph_file, painting_file):
    finished = python(FORKED, photograph_file, painting_file)
    assert finished.returncode == 0, finished.stderr
    said = "this process was forked after TensorFlow had been started"
    calls = ("transfer", "texture", "model", "open", "translate", "fit")
    assert finished.stdout.splitlines() == [f"{name} {said}" for name in calls]
