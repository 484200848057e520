"""`StyleClient` for asyncio."""

import asyncio
import collections
import functools
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

import grpc.aio

from keras_style import checks
from keras_style.errors import StyleError
from keras_style.serving.answer import StyledPicture
from keras_style.serving.endpoint import NOT_READY, READY_WITHIN, Endpoint, StyleName
from keras_style.serving.model_metadata import ModelMetadata, VersionStatus, names_styles, read_metadata, read_status
from keras_style.serving.request_pictures import Picture


class AsyncStyleClient(Endpoint):
    """`StyleClient` for asyncio: the same arguments, methods and errors; the methods are awaited.

    A client belongs to the event loop in which it is used first; other loops are refused. Pictures are read and encoded
    in threads, not in the loop; the style in `stylize_many` is read when it is called. Use the client in an `async
    with` statement, or `close` it.

    Example:
        >>> async with keras_style.serving.AsyncStyleClient("localhost:8500", model="a2b") as client:
        ...     (await client.stylize("photo.jpg")).save("out.png")
    """

    async def stylize(
        self,
        content: Picture,
        style: Picture | None = None,
        *,
        steps: int | None = None,
        strength: float | None = None,
    ) -> StyledPicture:
        """As `StyleClient.stylize`."""
        return await self._predict(content, style, steps, strength=strength)

    def stylize_many(
        self,
        contents: Iterable[Picture] | AsyncIterable[Picture],
        style: Picture | None = None,
        *,
        steps: int | None = None,
        concurrency: int = 4,
        return_exceptions: bool = True,
    ) -> AsyncIterator[StyledPicture | StyleError]:
        """Send many pictures as `StyleClient.stylize_many` does; `contents` may also be an asynchronous iterable."""
        # What a text means, the server tells: a file is read, or taken for a name, when the first picture is sent.
        if isinstance(style, str):
            self.style_of_many(contents, None, None, concurrency, return_exceptions)
        else:
            style = self.style_of_many(contents, style, steps, concurrency, return_exceptions)
        return self._stream(contents, style, steps, concurrency, return_exceptions)

    async def _stream(
        self,
        contents: Iterable[Picture] | AsyncIterable[Picture],
        style: Picture | None,
        steps: int | None,
        concurrency: int,
        go_on: bool,
    ) -> AsyncIterator[StyledPicture | StyleError]:
        under_way: collections.deque[asyncio.Task] = collections.deque()
        index = 0
        if isinstance(style, str):
            style = self.style_of_many((), await self._named(style), steps, concurrency, go_on)
        try:
            async for content in _asynchronous(contents):
                call = self._predict(content, style, steps, f"contents[{index}]")
                under_way.append(asyncio.create_task(call))
                index += 1
                if len(under_way) == concurrency:
                    yield await _settled(under_way.popleft(), go_on)
            while under_way:
                yield await _settled(under_way.popleft(), go_on)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def status(self) -> list[VersionStatus]:
        """As `StyleClient.status`."""
        return read_status(await self._call("status", self.status_request(), self.deadline))

    async def metadata(self) -> ModelMetadata:
        """As `StyleClient.metadata`."""
        return read_metadata(await self._call("metadata", self.metadata_request(), self.deadline))

    async def ready(self) -> bool:
        """As `StyleClient.ready`."""
        try:
            await self._call("metadata", self.metadata_request(), READY_WITHIN)
        except NOT_READY:
            return False
        return True

    async def wait(self, seconds: float = 60.0) -> None:
        """As `StyleClient.wait`."""
        until = time.monotonic() + checks.number("seconds", seconds)
        while True:
            try:
                await self._call("metadata", self.metadata_request(), READY_WITHIN)
                return
            except NOT_READY as error:
                if time.monotonic() >= until:
                    raise self.not_ready(seconds, error) from error
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        """Close the connection; requests that are under way are cancelled."""
        channel, self._channel, self._place = self._channel, None, None
        if channel is not None:
            await channel.close()

    async def __aenter__(self) -> "AsyncStyleClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _named(self, style: Picture | None) -> Any:
        """The style as a name, if that is what the model takes; otherwise as it is."""
        if not isinstance(style, str) or isinstance(style, StyleName):
            return style
        if self.takes_names is None:
            self.takes_names = names_styles(await self.metadata())
        return StyleName(style) if self.takes_names else style

    async def _predict(
        self,
        content: Picture,
        style: Picture | None,
        steps: int | None,
        name: str = "",
        strength: float | None = None,
    ) -> StyledPicture:
        style = await self._named(style)
        make = functools.partial(self.predict_request, content, style, steps, name, strength=strength)
        request = await asyncio.to_thread(make)
        return self.styled(await self._call("predict", request, self.deadline))

    async def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        run = self.method(method, grpc.aio, (os.getpid(), asyncio.get_running_loop()))
        with self.explained():
            return await run(request, timeout=timeout)


async def _asynchronous(contents: Iterable[Picture] | AsyncIterable[Picture]) -> AsyncIterator[Picture]:
    if isinstance(contents, AsyncIterable):
        async for content in contents:
            yield content
    else:
        for content in contents:
            yield content


async def _settled(task: asyncio.Task, go_on: bool) -> StyledPicture | StyleError:
    try:
        return await task
    except StyleError as error:
        if not go_on:
            raise
        return error
