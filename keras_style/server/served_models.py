"""All models of the server: the configuration, the version that a request means, the versions on disk.

Reference: server_core.cc (configuration, labels), file_system_storage_path_source.cc (polling).
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from tensorflow_serving.config import model_server_config_pb2

from keras_style.internal import version_folders
from keras_style.server.loaded_version import LoadedVersion
from keras_style.server.served_versions import Report, State, Versions
from keras_style.server.status import StatusError, invalid

log = logging.getLogger("keras_style.serving")

PLATFORM = "tensorflow"


def model_spec(request: Any) -> Any:
    """The ModelSpec of a request.

    Raises:
        StatusError: it has none.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


class Models:
    """The models that are configured, and the versions of each.

    Args:
        load: opens and warms up the version in a directory.
        retries: further attempts to load a version that fails.
        retry_seconds: seconds between two attempts.
        labels_ahead: labels may name versions that are not served yet.
    """

    def __init__(
        self,
        load: Callable[[Path], LoadedVersion],
        retries: int,
        retry_seconds: float,
        labels_ahead: bool,
    ) -> None:
        self.changed = threading.Condition()
        self._load = load
        self._retry = (retries, retry_seconds)
        self._labels_ahead = labels_ahead
        self._reloading = threading.Lock()
        self._polling = threading.Lock()
        self._config: Any = model_server_config_pb2.ModelServerConfig()
        self._served: Mapping[str, Any] = {}  # ModelConfig by name, once it is applied
        self._versions: dict[str, Versions] = {}
        self._labels: Mapping[str, Mapping[str, int]] | None = None
        self._complaints: dict[str, str] = {}

    # Requests

    @contextmanager
    def use(self, spec: Any) -> Iterator[tuple[int, LoadedVersion]]:
        """Hold the version that a ModelSpec means, and its number.

        Raises:
            StatusError: there is none.
        """
        name = spec.name
        if not name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        number = None
        if choice == "version":
            number = spec.version.value
        elif choice == "version_label":
            number = self._labelled(name, spec.version_label)
        wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        try:
            number, loaded = self._versions[name].acquire(number)
        except KeyError:
            message = f"Servable not found for request: {wanted}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, message) from None
        try:
            yield number, loaded
        finally:
            self._versions[name].release(number)

    def reports(self, name: str) -> dict[int, Report]:
        """Reports on all versions of a model that were ever seen, the highest first."""
        versions = self._versions.get(name)
        return versions.reports() if versions else {}

    def is_configured(self, name: str) -> bool:
        return name in self._served

    def _labelled(self, name: str, label: str) -> int:
        if self._labels is None:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, f"Model labels does not init yet.{label}")
        try:
            return self._labels[name][label]
        except KeyError:
            raise invalid(f"Unrecognized servable version label: {label}") from None

    # Configuration

    def reload(self, config: Any, go_on: Callable[[], bool]) -> None:
        """Serve the models of a ModelServerConfig and no others; returns when each new one is available.

        Args:
            config: the whole set.
            go_on: called while it waits; if it returns False, waiting ends.

        Raises:
            StatusError: the configuration is refused, or a model does not load.
        """
        with self._reloading:
            since = Versions.events(self.changed)
            new = self._apply(config)
            self.poll()
            self._wait(new, since, go_on)

    def _apply(self, config: Any) -> list[str]:
        """Take the configuration over; returns the names of the models that are new."""
        if config.WhichOneof("config") is None:
            log.info("Taking no action for empty config.")
            return []
        given = config.model_config_list.config
        _check(given)
        for model in given:
            before = {old.name: old for old in self._config.model_config_list.config}.get(model.name)
            if before and _platform(before) != _platform(model):
                raise invalid(
                    f"Illegal to change a model's platform. For model {model.name} platform was {_platform(before)} "
                    f"and new platform requested is {_platform(model)}"
                )
        # As in ServerCore::ReloadConfig, the next one is compared with this one, even if this one fails below.
        self._config = model_server_config_pb2.ModelServerConfig()
        self._config.CopyFrom(config)
        self._labels = {model.name: self._checked_labels(model) for model in given}
        for model in given:
            if _platform(model) != PLATFORM:
                raise invalid(f"Model {model.name} requests unsupported platform {_platform(model)}")
        with self._polling:
            new = [model.name for model in given if model.name not in self._served]
            self._served = {model.name: model for model in given}
            for name in self._versions.keys() - self._served.keys():
                self._versions[name].want({})
        return new

    def _checked_labels(self, model: Any) -> dict[str, int]:
        reports = self.reports(model.name)
        before = (self._labels or {}).get(model.name, {})
        for label, number in model.version_labels.items():
            if self._labels_ahead and before.get(label, number) == number:
                continue  # a label in use may not move to a version that is not served
            if number not in reports or reports[number].state != State.AVAILABLE:
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {model.name}, which is not currently "
                    "available for inference",
                )
        return dict(model.version_labels)

    def _wait(self, names: list[str], since: int, go_on: Callable[[], bool]) -> None:
        """Wait until each has a version that is available or has ended, by an event later than `since`."""

        def reached() -> dict[str, int]:
            found = {}
            for name in names:
                for number, report in self.reports(name).items():
                    if report.event > since and report.state in (State.AVAILABLE, State.END):
                        found[name] = number
                        break
            return found

        while len(reached()) < len(names) and go_on():
            with self.changed:
                self.changed.wait(0.2)
            self.poll()  # the poller runs only once the server has started
        ended = [(name, number, self.reports(name)[number]) for name, number in reached().items()]
        failed = [end for end in ended if end[2].state == State.END]
        if failed:
            listed = "".join(
                f"{{{{name: {name} version: {number}}}{f' due to error: {report.error}' if report.error else ''}}}, "
                for name, number, report in sorted(failed, key=lambda end: end[:2])
            )
            message = f"{len(failed)} model(s) did not become available: {{{listed}}}"
            raise StatusError(grpc.StatusCode.UNKNOWN, message)

    # The disk

    def poll(self) -> None:
        """Read the folders of all models once, and have the right versions served."""
        with self._polling:
            for name, model in self._served.items():
                self._poll(name, model)

    def _poll(self, name: str, model: Any) -> None:
        try:
            found = version_folders.versions(_local(model))
        except OSError as error:
            # A path that is gone for a moment must not take the model with it.
            self._complain(name, f"Could not find base path {model.base_path} for servable {name}: {error}")
            return
        wanted = _chosen(found, model.model_version_policy)
        complaint = f"No versions of servable {name} found under base path {model.base_path}"
        self._complain(name, "" if wanted else complaint)
        if name not in self._versions:
            self._versions[name] = Versions(name, self._load, *self._retry, self.changed)
        self._versions[name].want(wanted)

    def _complain(self, name: str, text: str) -> None:
        """Log a complaint when it changes, not at every poll."""
        if text and self._complaints.get(name) != text:
            log.warning("%s", text)
        self._complaints[name] = text

    def close(self, seconds: float) -> None:
        """Unload everything; requests that still run after so many seconds are cancelled."""
        for versions in self._versions.values():
            versions.close()
        for versions in self._versions.values():
            versions.join(seconds)
            versions.cancel()


def of_folders(folders: Mapping[str, Path]) -> Any:
    """A ModelServerConfig that serves the latest version of each model, from `{name: folder}`."""
    config = model_server_config_pb2.ModelServerConfig()
    for name, folder in folders.items():
        config.model_config_list.config.add(name=name, base_path=str(folder), model_platform=PLATFORM)
    return config


def _chosen(found: dict[int, Path], policy: Any) -> dict[int, Path]:
    """The versions that a ServableVersionPolicy asks for; the latest one by default."""
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return {number: path for number, path in found.items() if number in policy.specific.versions}
    latest = sorted(found)[-max(policy.latest.num_versions, 1) :]
    return {number: found[number] for number in latest}


def _check(given: Any) -> None:
    """ValidateModelConfigList of server_core.cc."""
    seen = set()
    for model in given:
        if model.name in seen:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
    for model in given:
        if not os.path.isabs(model.base_path) and "://" not in model.base_path:
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
        _local(model)


def _local(model: Any) -> str:
    """The directory of a base path that is a path or a file:// URI, of which TensorFlow drops the host."""
    scheme, found, rest = model.base_path.partition("://")
    if not found:
        return str(model.base_path)
    _, slash, path = rest.partition("/")
    if scheme != "file" or not slash:
        raise invalid(
            f"Model {model.name} has base_path {model.base_path}; this server reads absolute paths and file:///PATH"
        )
    return slash + path


def _platform(model: Any) -> str:
    """GetPlatform of server_core.cc."""
    if model.model_type:
        if model.model_platform:
            raise invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                f"ModelServerConfig::model_platform, model name is {model.name}"
            )
        if model.model_type == model_server_config_pb2.ModelType.TENSORFLOW:
            return PLATFORM
        raise invalid(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
    if not model.model_platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {model.name}"
        )
    return str(model.model_platform)
