"""A scripted server with the official stubs, and both clients of it."""

import asyncio

import numpy as np
import pytest
from scripted_server import ScriptedServer, png

from keras_style.serving import AsyncStyleClient, StyleClient


@pytest.fixture(scope="session")
def scripted():
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture
def server(scripted):
    scripted.script.clear()
    scripted.requests.clear()
    scripted.typed, scripted.at_once = True, 0
    return scripted


@pytest.fixture(params=["sync", "async"])
def use(request, server):
    """Do something with a client: `use(lambda client: client.stylize(...), **options)`; a stream becomes a list."""

    async def asynchronous(act, options):
        async with AsyncStyleClient(server.address, **options) as client:
            result = act(client)
            return [each async for each in result] if hasattr(result, "__aiter__") else await result

    def run(act, **options):
        options = {"model": "invert", **options}
        if request.param == "async":
            return asyncio.run(asynchronous(act, options))
        with StyleClient(server.address, **options) as client:
            result = act(client)
            return list(result) if hasattr(result, "__next__") else result

    return run


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (18, 21, 3), np.uint8)


@pytest.fixture
def photo(pixels, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(pixels))
    return path
