"""The text of TensorFlow Serving's `models.config` for a directory of exported models."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.internal import version_folders
from keras_style.internal.paths import user_path
from keras_style.serving import messages

_POLICY = "latest, latest:COUNT, all or specific:VERSION,VERSION..."


def models_config(
    models: str | os.PathLike[str],
    *,
    base_path: str = "/models",
    versions: str | Mapping[str, str] = "latest",
    labels: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """The text of a `models.config`.

    Args:
        models: the directory that holds MODEL/VERSION/saved_model.pb; every model in it is served.
        base_path: path of that directory on the server's machine; absolute or a URI.
        versions: the policy of every model, or `{model: policy}` with "latest" for the others. "latest" and
            "latest:COUNT" serve the highest numbers, "all" all, "specific:1,3" those listed.
        labels: `{model: {label: version}}`. A label is letters, digits and underscores.

    Returns:
        A `ModelServerConfig` in protocol buffers' text format, ordered by model.

    Raises:
        MissingFileError: there is no such directory.
        InputError: it holds no model, an argument is not as above, or a model or version is not there.

    Example:
        >>> print(keras_style.serving.models_config("models", labels={"a2b": {"stable": 1}}))
    """
    found = _models(user_path(models))
    if not (base_path.startswith("/") or "://" in base_path):
        raise InputError(f"base_path is {base_path!r}; expected an absolute path or a URI")
    labels = labels or {}
    policies = {name: "latest" if isinstance(versions, Mapping) else versions for name in found}
    policies.update(versions if isinstance(versions, Mapping) else {})
    unknown = sorted({*policies, *labels} - {*found})
    if unknown:
        raise InputError(f"no model {', '.join(unknown)} in {models}; expected some of {', '.join(found)}")
    config = messages.message("ModelServerConfig")()
    for name, numbers in found.items():
        new = config.model_config_list.config.add(
            name=name, base_path=f"{base_path.rstrip('/')}/{name}", model_platform="tensorflow"
        )
        served = _set_policy(new.model_version_policy, name, policies[name], numbers)
        for label, version in sorted(labels.get(name, {}).items()):
            new.version_labels[_label(name, label)] = _served(name, label, version, served)
    return text_format.MessageToString(config)


def _models(directory: Path) -> dict[str, list[int]]:
    """`{model: numbers of its whole versions, ascending}`."""
    if not directory.is_dir():
        raise MissingFileError(f"models: no such directory: {directory}")
    found = {
        name: [number for number, folder in versions.items() if (folder / "saved_model.pb").exists()]
        for name, versions in version_folders.models(directory).items()
    }
    found = {name: numbers for name, numbers in found.items() if numbers}
    if not found:
        raise InputError(f"{directory} holds no model; expected MODEL/VERSION/saved_model.pb in it")
    return found


def _set_policy(policy: Any, name: str, text: str, numbers: list[int]) -> list[int]:
    """Fill in the policy; returns the versions that it serves now."""
    kind, _, rest = text.partition(":")
    if kind == "all" and not rest:
        policy.all.SetInParent()
        return numbers
    if kind == "latest" and re.fullmatch("[0-9]*", rest):
        policy.latest.num_versions = checks.whole(f"versions of {name}: latest", int(rest or 1), 1, 2**32 - 1)
        return numbers[-policy.latest.num_versions :]
    if kind == "specific" and re.fullmatch(r"[0-9]+(,[0-9]+)*", rest):
        chosen = [int(number) for number in rest.split(",")]
        missing = [str(number) for number in chosen if number not in numbers]
        if missing:
            raise InputError(f"{name} has no version {', '.join(missing)}; expected some of {_listed(numbers)}")
        policy.specific.versions.extend(chosen)
        return chosen
    raise InputError(f"versions of {name} are {text!r}; expected {_POLICY}")


def _label(name: str, label: str) -> str:
    if not re.fullmatch("[a-zA-Z0-9_]+", label):
        raise InputError(f"a label of {name} is {label!r}; expected letters, digits and underscores")
    return label


def _served(name: str, label: str, version: int, served: list[int]) -> int:
    if version not in served:
        raise InputError(
            f"label {label} of {name} is version {version}; expected one that is served: {_listed(served)}"
        )
    return version


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
