"""Where the list of models comes from: a directory, a file, or the last client that sent another one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from keras_style.errors import InputError
from keras_style.server import disk, served_models, text
from keras_style.server.settings import Settings


class Source:
    """See the module."""

    def __init__(self, settings: Settings, served: served_models.Models) -> None:
        self._settings = settings
        self._models = served
        self._directory = settings.models
        self._choosing = threading.Lock()
        self._folders_seen: dict[str, Path] = {}

    def start(self, go_on: Callable[[], bool]) -> None:
        self._models.reload(self._folders() if self._directory else self._file(), go_on)

    def look(self) -> None:
        """For new versions, and in a directory for new models."""
        with self._choosing:
            if self._directory:
                folders = disk.models(self._directory)
                if not all(self._models.is_configured(name) for name in folders):
                    # What was served goes on, also without a version for the moment.
                    self._folders_seen = {**self._folders_seen, **folders}
                    self._models.reload(served_models.of_folders(self._folders_seen), lambda: False)
        self._models.poll()

    def read_again(self) -> None:
        self._models.reload(self._file(), lambda: False)

    def take(self, config: Any, go_on: Callable[[], bool]) -> None:
        """A client's list, which counts from now on, not the directory; as `Models.reload`."""
        with self._choosing:  # or a look into the directory, under way, would bring its models back
            directory, self._directory = self._directory, None
        try:
            self._models.reload(config, go_on)
        except BaseException:
            self._directory = directory
            raise

    def _file(self) -> Any:
        assert self._settings.config is not None
        config = text.read(self._settings.config, model_server_config_pb2.ModelServerConfig())
        if config.WhichOneof("config") == "custom_model_config":
            raise InputError(f"{self._settings.config} has a custom_model_config; expected a model_config_list")
        return config

    def _folders(self) -> Any:
        assert self._directory is not None
        self._folders_seen = disk.models(self._directory)
        if not self._folders_seen:
            hint = f"; it looks like one model: serve {self._directory.absolute().parent}"
            raise InputError(
                f"{self._directory} holds no models; expected {self._directory}/NAME/NUMBER/saved_model.pb"
                f"{hint if disk.versions(self._directory) else ''}"
            )
        return served_models.of_folders(self._folders_seen)
