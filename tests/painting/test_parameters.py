"""A parameter is declared once: signatures, docstrings, checks and settings follow from it or agree with it."""

import inspect
from dataclasses import dataclass, fields

import numpy as np
import pytest
from oracles import vgg
from running import FAST

from keras_style import Stylizer, checks, synthesize_texture, transfer
from keras_style.errors import InputError
from keras_style.internal import docstrings
from keras_style.internal.declared import check_all, parameter, texts
from keras_style.internal.tensorflow import keras
from keras_style.optimize.objective import Objective
from keras_style.optimize.targets import Targets
from keras_style.painting.methods.method import Variant
from keras_style.painting.parameters import Parameters
from keras_style.painting.session import Session

DECLARED = {**inspect.signature(Parameters).parameters, **inspect.signature(Session).parameters}


def said(parameter: inspect.Parameter) -> tuple:
    return parameter.default, parameter.annotation, parameter.kind


def test_the_signature_of_transfer_is_what_is_declared():
    given = inspect.signature(transfer).parameters
    pictures = ["content", "style", "content_masks", "style_masks", "model"]
    assert sorted(given) == sorted([*pictures, *DECLARED])
    assert {name: said(given[name]) for name in DECLARED} == {name: said(each) for name, each in DECLARED.items()}


def test_a_call_of_a_stylizer_takes_the_parameters_of_a_session():
    given = inspect.signature(Stylizer.__call__).parameters
    session = inspect.signature(Session).parameters
    assert {name: said(given[name]) for name in session} == {name: said(each) for name, each in session.items()}


def test_a_texture_takes_the_parameters_that_it_shares_as_they_are_declared():
    given = inspect.signature(synthesize_texture).parameters
    shared = (given.keys() & DECLARED.keys()) - {"size", "method"}
    assert {"scales", "steps", "optimizer", "backbone", "seed", "verbose"} <= shared
    assert {name: said(given[name]) for name in shared} == {name: said(DECLARED[name]) for name in shared}


@pytest.mark.parametrize("function", [transfer, Stylizer, synthesize_texture], ids=lambda each: each.__name__)
def test_docstrings_explain_every_parameter_in_the_order_of_the_signature(function):
    explained = docstrings.arguments(function)
    assert list(explained) == list(inspect.signature(function).parameters)
    own = {"size", "method", "style_layers", "style_blend", "init", "seed"} if function is synthesize_texture else set()
    for name, text in (texts(Parameters) | texts(Session)).items():
        if name in explained and name not in own:
            assert explained[name] == text
    assert all(len(line) <= 120 for line in function.__doc__.splitlines())
    assert "(others)" not in function.__doc__ and "(all)" not in function.__doc__


def test_every_parameter_is_among_the_settings():

    stylizer = Stylizer(size=48, steps=3)
    settings = stylizer._settings([], [1.0], None)
    assert settings["size"] == 48
    assert settings.keys() - {"regions"} == {each.name for each in fields(Parameters)}
    assert {name: settings[name] for name in ("steps", "style_weight", "smooth")} == {
        "steps": 3,
        "style_weight": stylizer.numbers.style_weight,
        "smooth": stylizer.numbers.smooth,
    }


def test_a_number_that_is_given_replaces_that_of_the_variant():
    numbers = [each.name for each in fields(Parameters) if each.name in Variant.__dataclass_fields__]
    given = {"scales": [24, 48], "steps": 7, "optimizer": "adam", "content_weight": 0.25, "style_weight": 3.5}
    given |= {"tv_weight": 0.5, "photorealism_weight": 2.5, "style_scale": 1.5, "init": "noise", "balance": "gradient"}
    given |= {"smooth": True, "refine": True, "backbone": "vgg19_imagenet", "pooling": "average"}
    assert sorted(given) == sorted(name for name in numbers if not name.endswith("_layers") and name != "style_loss")
    variant = Stylizer(**given).numbers
    assert {name: getattr(variant, name) for name in given} == given


@dataclass(frozen=True)
class Two:
    size: int = parameter(3, "a size.", lambda name, value: checks.whole(name, value, 1, 10))
    foo: float | None = parameter(None, "a number.", checks.number)
    free: object = None

    def __post_init__(self) -> None:
        check_all(self)


def test_declared_checks_run_and_convert():
    two = Two(np.int64(4), 2)
    assert (type(two.size), type(two.foo), two.free) == (int, float, None)
    assert Two().foo is None and texts(Two) == {"size": "a size.", "foo": "a number."}
    for given in ({"size": 11}, {"size": None}, {"foo": "x"}, {"foo": -1}):
        with pytest.raises(InputError, match=f"^{next(iter(given))} is "):
            Two(**given)


def test_a_docstring_is_completed():
    @docstrings.explained({"b": "what is declared.", "c": "what it does not take.", "a": "not this."})
    def function(a, b, d):
        """Do something.

        Args:
            d: explained
                in two lines.
            a: explained here.
            (others): explained elsewhere.

        Returns:
            Nothing.
        """

    assert function.__doc__ == (
        "Do something.\n\nArgs:\n    a: explained here.\n    b: what is declared.\n    d: explained in two lines.\n\n"
        "Returns:\n    Nothing."
    )
    assert docstrings.arguments(function)["d"] == "explained in two lines."


def test_an_entry_may_name_several_arguments():
    def function(a, b):
        """Do.

        Args:
            a, b: two of them: numbers.
        """

    assert docstrings.arguments(function) == {"a": "two of them: numbers.", "b": "two of them: numbers."}


def test_total_variation_can_be_that_of_activations(backbone, photograph):
    """Squared differences of NumPy's features, to the right and down, and their mean."""
    maps = vgg.forward(photograph, {"block1_conv1": backbone.kernels["block1_conv1"]}, "max")["block1_conv1"]
    down, right = maps[1:, :-1] - maps[:-1, :-1], maps[:-1, 1:] - maps[:-1, :-1]
    of_layer = (down**2 + right**2).mean()
    options = {**FAST, "init": "content", "steps": 1, "optimizer": keras.optimizers.SGD(0.0), "scales": 1}

    def variation(**given) -> float:
        terms = Stylizer(tv_weight=2.0, **given).blend.terms()
        objective = Objective([term for term in terms if term.name == "total_variation"])
        return float(objective.bind(backbone, Targets())(photograph[None])["total_variation"])

    pixels = variation()
    assert variation(tv_layers=["block1_conv1"]) == pytest.approx(2 * of_layer, rel=1e-4)
    assert variation(tv_layers={"image": 0.5, "block1_conv1": 3}) == pytest.approx(
        0.5 * pixels + 6 * of_layer, rel=1e-4
    )
    assert transfer(photograph, photograph, tv_layers={"block1_conv1": 1}, **options).settings["tv_layers"] == {
        "block1_conv1": 1.0
    }
    with pytest.raises(InputError, match="tv_layers: unknown 'block9'; expected some of image, block1_conv1"):
        Stylizer(tv_layers=["block9"])


def test_a_texture_can_have_a_total_variation(photograph):
    options = {"method": "gatys", "style_layers": ["block1_conv1"], "steps": 1, "verbose": 0}
    result = synthesize_texture(photograph, 24, tv_weight=1.0, tv_layers=["image", "block1_conv1"], **options)
    assert result.history["total_variation"][0] > 0
    assert result.settings["tv_layers"] == {"image": 0.5, "block1_conv1": 0.5}
