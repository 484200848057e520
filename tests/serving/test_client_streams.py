"""Many pictures through both clients, and a client's life: threads, closing, forks, event loops."""

import asyncio
import threading

import numpy as np
import pytest
from PIL import Image
from running import python
from scripted_server import later, png

from keras_style import errors
from keras_style.errors import InputError, MissingFileError
from keras_style.serving import AsyncStyleClient, StyleClient, StyledPicture


def test_many_come_in_order(use, server, pixels):
    pictures = [np.full((16, 16, 3), value, np.uint8) for value in range(20)]
    server.script.extend(later(wait) for wait in np.random.default_rng(1).uniform(0, 0.05, 20))
    answers = use(lambda client: client.stylize_many(pictures, concurrency=5))
    assert [255 - answer.pixels[0, 0, 0] for answer in answers] == list(range(20))
    assert 2 <= server.at_once <= 5


def test_no_picture_is_taken_before_there_is_room(server, pixels):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield pixels

    with StyleClient(server.address, "invert") as client:
        answers = client.stylize_many(endless(), concurrency=3)
        assert not taken
        for count in range(1, 6):
            next(answers)
            assert len(taken) == count + 2  # two are under way while the caller holds one
        answers.close()


def test_no_picture_is_taken_before_there_is_room_async(server, pixels):
    taken = []

    async def endless():
        while True:
            taken.append(len(taken))
            yield pixels

    async def run():
        async with AsyncStyleClient(server.address, "invert") as client:
            answers = client.stylize_many(endless(), concurrency=3)
            for count in range(1, 6):
                await anext(answers)
                assert len(taken) == count + 2
            await answers.aclose()

    asyncio.run(run())


def test_a_picture_that_fails_does_not_end_the_stream(use, photo, tmp_path, pixels):
    pictures = [photo, tmp_path / "missing.png", b"junk", 5, photo]
    answers = use(lambda client: client.stylize_many(pictures, concurrency=2))
    assert [type(answer) for answer in answers] == [
        StyledPicture,
        MissingFileError,
        errors.RefusedError,
        InputError,
        StyledPicture,
    ]
    assert "contents[1]: no such file" in str(answers[1])
    assert answers[4].data == png(255 - pixels)


def test_the_deadline_is_that_of_each_picture(use, server, pixels):
    server.script.extend([later(0), later(2)])
    first, second = use(lambda client: client.stylize_many([pixels] * 2, concurrency=1), deadline=0.5)
    assert isinstance(first, StyledPicture) and isinstance(second, errors.DeadlineError)


def test_unless_asked(use, server, photo):
    server.script.append(later(0))
    with pytest.raises(errors.RefusedError):
        use(lambda client: client.stylize_many([photo, b"junk", photo], concurrency=1, return_exceptions=False))
    assert len(server.requests) == 2


def test_leaving_a_stream_cancels_what_is_under_way(server, pixels, monkeypatch):
    began, ended = threading.Event(), threading.Event()
    usual = server._invert

    def slow_if_large(request, context):
        if request.inputs["image"].tensor_shape.dim[1].size > 18:
            context.add_callback(ended.set)
            began.set()
            ended.wait(20)
        return usual(request, context)

    monkeypatch.setattr(server, "_invert", slow_if_large)
    with StyleClient(server.address, "invert") as client:
        for _ in client.stylize_many([pixels, np.zeros((40, 40, 3), np.uint8)], concurrency=2):
            assert began.wait(10)
            break
        assert ended.wait(5)


def test_one_style_for_many(use, server, photo, tmp_path):
    use(lambda client: client.stylize(photo, photo))
    answers = use(lambda client: client.stylize_many([photo] * 3, photo, steps=2))
    assert len(answers) == 3
    assert {request.inputs["style_bytes"].string_val[0] for request in server.requests} == {photo.read_bytes()}
    count = len(server.requests)
    for style, steps in ((tmp_path / "none.png", 2), (photo, 0), (None, 5), (4, None)):
        with pytest.raises(InputError):
            use(lambda client, style=style, steps=steps: client.stylize_many([photo], style, steps=steps))
    assert len(server.requests) == count


def test_one_picture_is_not_many(use, photo, pixels):
    for one in (photo, str(photo), photo.read_bytes(), pixels, Image.fromarray(pixels)):
        with pytest.raises(InputError, match="contents is one picture, a "):
            use(lambda client, one=one: client.stylize_many(one))
    assert len(use(lambda client: client.stylize_many(np.stack([pixels] * 3)))) == 3


def test_threads_share_a_client(server, pixels):
    with StyleClient(server.address, "invert") as client:
        wrong = []

        def work(value):
            for _ in range(10):
                answer = client.stylize(np.full((16, 16, 3), value, np.uint8))
                if not (answer.pixels == 255 - value).all():
                    wrong.append(value)

        threads = [threading.Thread(target=work, args=(value,)) for value in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(server.requests) == 80


# Its life


def test_a_closed_client_connects_anew(server, photo):
    client = StyleClient(server.address, "invert")
    client.close()
    assert client.stylize(photo).data
    client.close()
    assert client.stylize(photo).data
    client.close()


def test_closing_ends_what_other_threads_wait_for(server, pixels, monkeypatch):
    began, closed = threading.Event(), threading.Event()
    usual = server._invert

    def slow(request, context):
        began.set()
        closed.wait(20)
        return usual(request, context)

    monkeypatch.setattr(server, "_invert", slow)
    client = StyleClient(server.address, "invert")
    for ask in (lambda: client.stylize(pixels), lambda: next(client.stylize_many([pixels], return_exceptions=False))):
        began.clear()
        caught = []
        thread = threading.Thread(target=lambda ask=ask, caught=caught: caught.append(_error_of(ask)))
        thread.start()
        assert began.wait(10)
        client.close()
        thread.join(10)
        assert type(caught[0]) is errors.ServingError
        assert "CANCELLED" in str(caught[0])
    closed.set()


def _error_of(act):
    try:
        act()
    except Exception as error:
        return error


def test_a_fork_is_told_to_make_its_own():
    script = """
import os, keras_style
client = keras_style.serving.StyleClient("localhost:1", "invert", retries=0)
assert not client.ready()
child = os.fork()
if not child:
    try:
        client.ready()
    except keras_style.errors.ServingError as error:
        print(error, flush=True)
        client.close()
    os._exit(0)
os.waitpid(child, 0)
assert not client.ready()
"""
    done = python(script)
    expected = "localhost:1, model invert: this client is connected in another process or event loop"
    assert (done.returncode, done.stdout.startswith(expected), done.stdout.count("\n")) == (0, True, 1), done.stderr


def test_another_event_loop_is_told_to_make_its_own(server):
    client = AsyncStyleClient(server.address, "invert")
    assert asyncio.run(client.ready())
    with pytest.raises(errors.ServingError, match="another process or event loop"):
        asyncio.run(client.ready())
