"""The source of the list of models: a directory, a file, or the last client that sent another list."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from keras_style.errors import InputError
from keras_style.internal import version_folders
from keras_style.server.served_models import Models, of_folders
from keras_style.server.settings import Settings, read_text


class Source:
    """Gives `models` the list that they serve.

    Args:
        settings: the directory or the file.
        models: what serves them.
    """

    def __init__(self, settings: Settings, models: Models) -> None:
        self._settings = settings
        self._models = models
        self._directory = settings.models
        self._choosing = threading.Lock()
        self._folders_seen: dict[str, Path] = {}

    def start(self, go_on: Callable[[], bool]) -> None:
        """Serve the first list; as `Models.reload`."""
        self._models.reload(self._folders() if self._directory else self._file(), go_on)

    def look(self) -> None:
        """Look for new versions, and in a directory for new models."""
        with self._choosing:
            if self._directory:
                folders = _model_folders(self._directory)
                if not all(self._models.is_configured(name) for name in folders):
                    # A model that was served stays, even without a version for the moment.
                    self._folders_seen = {**self._folders_seen, **folders}
                    self._models.reload(of_folders(self._folders_seen), lambda: False)
        self._models.poll()

    def read_again(self) -> None:
        """Read the file again, and serve its list without waiting."""
        self._models.reload(self._file(), lambda: False)

    def take(self, config: Any, go_on: Callable[[], bool]) -> None:
        """Serve a client's list from now on instead of the directory's; as `Models.reload`."""
        with self._choosing:  # or a look into the directory that is under way would bring its models back
            directory, self._directory = self._directory, None
        try:
            self._models.reload(config, go_on)
        except BaseException:
            self._directory = directory
            raise

    def _file(self) -> Any:
        assert self._settings.config is not None
        config = read_text(self._settings.config, model_server_config_pb2.ModelServerConfig())
        if config.WhichOneof("config") == "custom_model_config":
            raise InputError(f"{self._settings.config} has a custom_model_config; expected a model_config_list")
        return config

    def _folders(self) -> Any:
        assert self._directory is not None
        self._folders_seen = _model_folders(self._directory)
        if not self._folders_seen:
            hint = f"; it looks like one model: serve {self._directory.absolute().parent}"
            raise InputError(
                f"{self._directory} holds no models; expected {self._directory}/NAME/NUMBER/saved_model.pb"
                f"{hint if version_folders.versions(self._directory) else ''}"
            )
        return of_folders(self._folders_seen)


def _model_folders(directory: Path) -> dict[str, Path]:
    return {name: directory.absolute() / name for name in version_folders.models(directory)}
