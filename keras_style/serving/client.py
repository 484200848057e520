"""A client that sends pictures to TensorFlow Serving, or to another server that speaks its protocol."""

import collections
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from keras_style import checks
from keras_style.errors import StyleError
from keras_style.serving.answer import StyledPicture
from keras_style.serving.endpoint import NOT_READY, READY_WITHIN, Endpoint, StyleName
from keras_style.serving.model_metadata import ModelMetadata, VersionStatus, names_styles, read_metadata, read_status
from keras_style.serving.request_pictures import Picture


class StyleClient(Endpoint):
    """Sends pictures through a model on a server.

    It loads no TensorFlow. Threads may share a client. It connects on first use. A process that is forked after that
    needs a client of its own, since gRPC does not survive a fork; the fork's copy raises ServingError. Use the client
    in a `with` statement, or `close` it; a closed client connects anew when it is used again.

    Args:
        server: "HOST:PORT" of gRPC, as in "localhost:8500". If a name has several addresses, all are used in turn.
        model: the model's name on the server.
        version: a number; by default the server chooses the highest version that is loaded.
        label: instead of `version`, a label such as "stable".
        signature: the signature to call. By default the one that fits the pictures: `serving_bytes` for bytes and
            paths, `serving_uint8` for PIL images and uint8 arrays, `serving_default` for float arrays; for a content
            and a style, the one that loses nothing of either. Pictures are converted to what a named signature takes:
            encoded files if its name ends in `_bytes`, 8-bit pixels if in `_uint8`, and otherwise float pixels.
        deadline: seconds for a request with all its tries; None waits as long as it takes.
        retries: 0 to 4 further tries if the server is UNAVAILABLE, after about 0.5, 1, 2 and 4 s, each varied at random
            by up to 20 %. Other errors are not retried: they would come again.
        max_message_bytes: size limit of a request and of an answer.
        tls: `TLS(...)` for an encrypted connection.

    Raises:
        InputError: an argument is not as above. Methods may raise a subclass of `keras_style.errors.ServingError`.

    Example:
        >>> client = keras_style.serving.StyleClient("localhost:8500", model="a2b")
        >>> client.stylize("photo.jpg").save("out.png")
    """

    def stylize(
        self,
        content: Picture,
        style: Picture | None = None,
        *,
        steps: int | None = None,
        strength: float | None = None,
    ) -> StyledPicture:
        """Send one picture, and wait for the model's picture.

        Args:
            content: the bytes of an image file, which are sent as they are; a path; a PIL image; or an array
                (H, W, 3), uint8 or floating point in [0, 1].
            style: the painting, for an exported optimization method; likewise. For an exported painter the name of one
                of its styles: the model's metadata tell which of the two it takes, and are asked for once.
            steps: steps of the optimization; by default the number that the model was exported with.
            strength: of a painter, from 0, the photograph, to 1, the style, which is the default.

        Raises:
            MissingFileError, InputError: an argument is not as above.
            ServingError: there is no answer.
        """
        request = self.predict_request(content, self._named(style), steps, strength=strength)
        return self.styled(self._call("predict", request, self.deadline))

    def stylize_many(
        self,
        contents: Iterable[Picture],
        style: Picture | None = None,
        *,
        steps: int | None = None,
        concurrency: int = 4,
        return_exceptions: bool = True,
    ) -> Iterator[StyledPicture | StyleError]:
        """Send many pictures, several at a time; the answers come in the order of the pictures.

        No more than `concurrency` pictures and answers are in memory: a picture is taken from `contents` when there is
        room for it. Leaving the loop cancels the requests that are under way.

        Args:
            contents: pictures as in `stylize`; any iterable, also an endless one.
            style: one painting for all of them.
            steps: steps of the optimization; None: as many as the model was exported with.
            concurrency: number of requests that are under way at once.
            return_exceptions: yield the error of a picture in its place, and go on. If False, it is raised.

        Raises:
            MissingFileError, InputError: `style` or another argument is not as above.

        Example:
            >>> from pathlib import Path
            >>> paths = sorted(Path("photographs").iterdir())
            >>> with keras_style.serving.StyleClient("localhost:8500", model="a2b") as client:
            ...     for path, answer in zip(paths, client.stylize_many(paths), strict=True):
            ...         if isinstance(answer, keras_style.errors.StyleError):
            ...             print(path, answer)
            ...         else:
            ...             answer.save(f"{path.stem}.png")
        """
        style = self.style_of_many(contents, self._named(style), steps, concurrency, return_exceptions)
        return self._stream(contents, style, steps, concurrency, return_exceptions)

    def _named(self, style: Picture | None) -> Any:
        """The style as a name, if that is what the model takes; otherwise as it is."""
        if not isinstance(style, str) or isinstance(style, StyleName):
            return style
        if self.takes_names is None:
            self.takes_names = names_styles(self.metadata())
        return StyleName(style) if self.takes_names else style

    def _stream(
        self, contents: Iterable[Picture], style: Picture | None, steps: int | None, concurrency: int, go_on: bool
    ) -> Iterator[StyledPicture | StyleError]:
        under_way: collections.deque[Any] = collections.deque()
        try:
            for index, content in enumerate(contents):
                under_way.append(self._sent(content, style, steps, f"contents[{index}]"))
                if len(under_way) == concurrency:
                    yield self._settled(under_way.popleft(), go_on)
            while under_way:
                yield self._settled(under_way.popleft(), go_on)
        finally:
            for call in under_way:
                if isinstance(call, grpc.Future):
                    call.cancel()

    def _sent(self, content: Picture, style: Picture | None, steps: int | None, name: str) -> Any:
        """A call that is under way, or the error that kept it from being sent."""
        try:
            request = self.predict_request(content, style, steps, name)
        except StyleError as error:
            return error
        return self._method("predict").future(request, timeout=self.deadline)

    def _settled(self, call: Any, go_on: bool) -> StyledPicture | StyleError:
        try:
            if isinstance(call, StyleError):
                raise call
            with self.explained():
                return self.styled(call.result())
        except StyleError as error:
            if not go_on:
                raise
            return error

    def status(self) -> list[VersionStatus]:
        """The versions of the model that the server knows, and their states; only one if `version` was given.

        As in TensorFlow Serving, a label is ignored.
        """
        return read_status(self._call("status", self.status_request(), self.deadline))

    def metadata(self) -> ModelMetadata:
        """The signatures of the version that would answer: names, types and shapes of inputs and outputs."""
        return read_metadata(self._call("metadata", self.metadata_request(), self.deadline))

    def ready(self) -> bool:
        """Whether the model, in this client's version or label, is loaded; answers within 2 seconds."""
        try:
            self._call("metadata", self.metadata_request(), READY_WITHIN)
        except NOT_READY:
            return False
        return True

    def wait(self, seconds: float = 60.0) -> None:
        """Return as soon as the model is ready.

        Args:
            seconds: time limit.

        Raises:
            DeadlineError: it was not ready in time; the message has the last reason.
        """
        until = time.monotonic() + checks.number("seconds", seconds)
        while True:
            try:
                self._call("metadata", self.metadata_request(), READY_WITHIN)
                return
            except NOT_READY as error:
                if time.monotonic() >= until:
                    raise self.not_ready(seconds, error) from error
            time.sleep(0.2)

    def close(self) -> None:
        """Close the connection; requests of other threads that are under way fail as CANCELLED."""
        channel, place = self._channel, self._place
        self._channel = self._place = None
        if channel is not None and place == os.getpid():  # a fork's copy would wait forever
            channel.close()

    def __enter__(self) -> "StyleClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        with self.explained():
            return self._method(method)(request, timeout=timeout)

    def _method(self, name: str) -> Any:
        return self.method(name, grpc, os.getpid())
