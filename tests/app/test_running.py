"""A run in a thread: it is seen while it goes on, stopped after a step, and its errors reach who waits."""

import threading

import numpy as np
import pytest
from running import FAST, eagerly

from keras_style import transfer
from keras_style.app import running
from keras_style.app.running import Running
from keras_style.errors import DivergenceError
from keras_style.optimize.iterate import Iterate
from keras_style.painting.result import TransferResult


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(running, "EVERY", 0.0)


def iterate(step: int, steps: int = 4) -> Iterate:
    image = np.full((2, 3, 3), step / steps, np.float32)
    return Iterate(step, steps, {"style": 1.0}, lambda: image, list, scale=3)


def result(steps: int) -> TransferResult:
    return TransferResult(np.zeros((2, 3, 3), np.float32), {"loss": [1.0] * steps}, {}, 0.5)


@eagerly()
def test_a_transfer_is_seen_and_is_the_same_as_alone(photograph_file, painting_file):
    run = Running(lambda look: transfer(photograph_file, painting_file, **FAST, callbacks=[look]))
    looks = list(run.looks())
    assert looks and all(each.steps == FAST["steps"] and each.image.shape[2] == 3 for each in looks)
    alone = transfer(photograph_file, painting_file, **FAST)
    assert np.array_equal(run.result.array, alone.array) and not run.result.stopped


def test_every_look_is_of_the_step_it_names():
    next_step = threading.Semaphore(0)

    def work(look) -> TransferResult:
        for step in range(1, 5):
            assert next_step.acquire(timeout=10)
            assert look(iterate(step)) is False
        return result(4)

    run, seen = Running(work), []
    next_step.release()
    for look in run.looks():
        assert look.image.max() == pytest.approx(look.step / 4) and look.seconds_left >= 0
        seen.append(look.step)
        next_step.release()
    assert seen == [1, 2, 3, 4][: len(seen)] and run.result.steps == 4


def test_stop_ends_it_after_the_step():
    began, taken = threading.Event(), []

    def work(look) -> TransferResult:
        for step in range(1, 1000):
            taken.append(step)
            if look(iterate(step, 1000)):
                break
            began.set()
            threading.Event().wait(0.001)
        return result(len(taken))

    run = Running(work)
    assert began.wait(10)
    run.stop()
    list(run.looks())
    assert run.result.steps == len(taken) < 999


def test_who_leaves_stops_it():
    ended = threading.Event()

    def work(look) -> TransferResult:
        while not look(iterate(1)):
            threading.Event().wait(0.001)
        ended.set()
        return result(1)

    looks = Running(work).looks()
    next(looks)
    looks.close()  # as a page that is closed does
    assert ended.wait(10)


def test_an_error_reaches_who_waits():
    def work(look) -> TransferResult:
        raise DivergenceError("the loss is nan")

    with pytest.raises(DivergenceError, match="the loss is nan"):
        list(Running(work).looks())
